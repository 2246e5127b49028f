//! The two ways in which the second port comes to user space, and what they leave behind when its
//! process dies: huge pages with the kernel's own UIO driver, or the project's module with memory
//! of its own.

use anyhow::{Result, ensure};

use super::kmod::PORTS;
use super::kmod_end::DEVICES;
use super::quiet;
use super::rig::{HUGETLBFS, PAGES, Rig};

/// A way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `uio_pdrv_genirq` and hugetlbfs.
    HugePages,
    /// `uio_etsec`.
    Module,
}

impl Way {
    /// The port's name.
    pub fn port(self) -> &'static str {
        match self {
            Self::HugePages => "eth1",
            Self::Module => PORTS[1],
        }
    }

    /// The port, as commands want it.
    pub fn device(self) -> String {
        format!("uio:{}", self.port())
    }

    /// Whether the port is to go on when its process has died and nobody else has it open.
    pub fn keep(self, rig: &mut Rig, keep: bool) -> Result<()> {
        match self {
            // It always does.
            Self::HugePages => Ok(()),
            Self::Module => {
                let file = format!("/sys/bus/platform/devices/{}/keep", DEVICES[1]);
                rig.guest.write(&file, if keep { "1" } else { "0" })
            }
        }
    }

    /// What a process says that takes over from process `pid`.
    pub fn heir_of(self, pid: u32) -> String {
        match self {
            Self::HugePages => format!(": taken over from process {pid}: "),
            // Its memory does not say whose it was.
            Self::Module => ": taken over from a process that is no more: ".to_owned(),
        }
    }

    /// Sees that the dead process `pid` has left its memory, and nothing else.
    pub fn has_left(self, rig: &mut Rig, pid: u32) -> Result<()> {
        if self == Self::HugePages {
            let files = rig.guest.list(HUGETLBFS)?;
            let left = format!("etsec-eth1-{pid}");
            ensure!(files == [left.as_str()], "instead of {left} there is {files:?}");
        }
        Ok(())
    }

    /// Sees that an orderly end has left the port stopped, and no memory.
    pub fn has_ended(self, rig: &mut Rig) -> Result<()> {
        quiet::stopped(rig, self.port())?;
        if self == Self::HugePages {
            let files = rig.guest.list(HUGETLBFS)?;
            ensure!(files.is_empty(), "an orderly end has left {files:?}");
            ensure!(rig.free_pages()? == PAGES, "memory was not given back");
        }
        Ok(())
    }
}
