//! What a machine may lack before a port can be opened. Each time the command is refused with one
//! line that names the thing and the cure, and leaves everything as it was.

use anyhow::{Result, ensure};

use super::rig::{ALL_NODES, ETSEC, HUGETLBFS, PAGES, Rig};

/// A command that would own the port.
const OWN: [&str; 6] = [ETSEC, "capture", "--device", "uio:eth0", "--write", "/tmp/none.pcapng"];

/// UIO is not there yet.
pub fn no_module(rig: &mut Rig) -> Result<String> {
    let probe = rig.etsec("probe")?;
    let expected = ["no UIO devices in /sys/class/uio", "`modprobe uio_pdrv_genirq`"];
    ensure!(expected.iter().all(|words| probe.out().contains(words)), "probe: {}", probe.out());
    let words = ["'eth0' is in the device tree", "not bound to UIO: `modprobe uio_pdrv_genirq`"];
    let line = rig.refused(&OWN, &words);
    rig.load_uio(ALL_NODES)?;
    line
}

/// There are UIO devices, and huge pages that nobody can reach.
pub fn no_hugetlbfs(rig: &mut Rig) -> Result<String> {
    let line = rig.refused(&OWN, &["no hugetlbfs", "there is none", "`mount -t hugetlbfs"]);
    rig.mount_huge_pages()?;
    line
}

/// There is a mount, and no page for it.
pub fn no_pages(rig: &mut Rig) -> Result<String> {
    rig.reserve_pages(0)?;
    let line = rig.refused(&OWN, &["0 free of 4194304 bytes", "reserve more pages"]);
    rig.reserve_pages(PAGES)?;
    let free = rig.free_pages()?;
    ensure!(free == PAGES, "the kernel gave {free} of {PAGES} pages back");
    line
}

/// The kernel hides physical addresses.
pub fn no_capability(rig: &mut Rig) -> Result<String> {
    let argv = [&["/init", "run-without", "SYS_ADMIN"], &OWN[..]].concat();
    let line = rig.refused(&argv, &["/proc/self/pagemap", "CAP_SYS_ADMIN", "run as root"])?;
    let (free, files) = (rig.free_pages()?, rig.guest.list(HUGETLBFS)?);
    ensure!(free == PAGES && files.is_empty(), "{free} pages are free, and there is {files:?}");
    Ok(line)
}
