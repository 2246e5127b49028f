//! Moving platform devices from one driver to another through the kernel's switches in sysfs, and
//! back again when a later step fails.
//!
//! It knows the switches, not why a device is moved.

use std::fs::OpenOptions;
use std::io::{Error as IoError, ErrorKind, Write};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::error::Error;
use crate::handover_error::HandoverError;
use crate::platform::PlatformDevice;
use crate::roots::Roots;

/// Who acts on what is written to a switch.
pub(crate) trait Kernel {
    /// Writes `text` to the switch at `path`.
    fn write(&self, path: &Path, text: &str) -> Result<(), IoError>;
}

/// The running kernel.
pub(crate) struct Sysfs;

impl Kernel for Sysfs {
    fn write(&self, path: &Path, text: &str) -> Result<(), IoError> {
        // Neither created nor cut short: a switch is there or it is not. One write is one order.
        OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
    }
}

/// Which driver a device is to have.
#[derive(Debug, Clone, Copy)]
pub(crate) enum To<'a> {
    /// None.
    Nobody,
    /// This one.
    Driver(&'a str),
    /// Whichever the kernel finds for it.
    Anybody,
}

/// Devices that were moved, in order, with what they had before.
pub(crate) struct Moves<'a> {
    roots: &'a Roots,
    kernel: &'a dyn Kernel,
    done: Vec<Before>,
}

/// A device as it was.
struct Before {
    device: PlatformDevice,
    driver: Option<String>,
    reserved: Option<String>,
}

impl<'a> Moves<'a> {
    pub(crate) fn new(roots: &'a Roots, kernel: &'a dyn Kernel) -> Self {
        Moves { roots, kernel, done: Vec::new() }
    }

    /// Moves `device`; afterwards only the driver called `reserved` can have it, or with none
    /// whichever suits it. What is right already is left alone.
    ///
    /// # Errors
    /// [`HandoverError::Switch`] naming what the kernel refused. [`Moves::undo`] mends what was
    /// done.
    pub(crate) fn place(
        &mut self,
        device: &PlatformDevice,
        to: To<'_>,
        reserved: Option<&str>,
    ) -> Result<(), Error> {
        // Before the first switch, so that a move that ends half way is undone as well.
        let (driver, was) = (device.driver(), device.reserved());
        self.done.push(Before { device: device.clone(), driver, reserved: was });
        self.set(device, to, reserved)
    }

    /// Takes back all moves, the last one first.
    ///
    /// # Errors
    /// The first [`HandoverError::Switch`]; the rest is tried all the same.
    pub(crate) fn undo(mut self) -> Result<(), Error> {
        let mut result = Ok(());
        while let Some(Before { device, driver, reserved }) = self.done.pop() {
            let to = driver.as_deref().map_or(To::Nobody, To::Driver);
            result = result.and(self.set(&device, to, reserved.as_deref()));
        }
        result
    }

    fn set(
        &self,
        device: &PlatformDevice,
        to: To<'_>,
        reserved: Option<&str>,
    ) -> Result<(), Error> {
        let now = device.driver();
        let stays = match to {
            To::Nobody => now.is_none(),
            To::Driver(driver) => now.as_deref() == Some(driver),
            To::Anybody => now.is_some(),
        };
        if let Some(driver) = now.filter(|_| !stays) {
            let switch = self.driver(&driver).join("unbind");
            self.switch(device, "take it from its driver", &switch, &device.id)?;
        }
        // A driver that the device is reserved for takes it, whatever it says of itself. So it is
        // reserved first, also for a driver that it is not to stay reserved for.
        let first = match to {
            To::Driver(driver) if !stays => Some(driver),
            _ => reserved,
        };
        self.reserve(device, first)?;
        match to {
            _ if stays => {}
            To::Nobody => {}
            To::Driver(driver) => {
                let switch = self.driver(driver).join("bind");
                self.switch(device, "give it to its driver", &switch, &device.id)?;
            }
            To::Anybody => {
                let switch = self.roots.platform().join("drivers_probe");
                self.switch(device, "find it a driver", &switch, &device.id)?;
            }
        }
        self.reserve(device, reserved)
    }

    /// Reserves `device` for the driver called `reserved`, or for none.
    fn reserve(&self, device: &PlatformDevice, reserved: Option<&str>) -> Result<(), Error> {
        if device.reserved().as_deref() == reserved {
            return Ok(());
        }
        // An empty line takes a reservation back; an empty write would be no write at all.
        let switch = device.sys.join("driver_override");
        self.switch(device, "reserve it", &switch, reserved.unwrap_or("\n"))
    }

    fn switch(
        &self,
        device: &PlatformDevice,
        doing: &'static str,
        switch: &Path,
        text: &str,
    ) -> Result<(), Error> {
        log::info!("{}: {:?} to {}", device.id, text.trim_end(), switch.display());
        self.kernel.write(switch, text).map_err(|source| {
            let (device, switch) = (device.id.clone(), switch.to_owned());
            HandoverError::Switch { device, doing, switch, cure: cure(&source), source }.into()
        })
    }

    fn driver(&self, driver: &str) -> PathBuf {
        self.roots.platform().join("drivers").join(driver)
    }
}

/// What helps when the kernel refuses.
fn cure(source: &IoError) -> &'static str {
    match (source.kind(), Errno::from_io_error(source)) {
        (ErrorKind::PermissionDenied, _) => "run as root, see docs/guide/board.md#permissions",
        (ErrorKind::NotFound, _) => "is sysfs mounted, and the driver loaded?",
        (_, Some(Errno::BUSY)) => "somebody else has its interrupt, see /proc/interrupts",
        _ => "the kernel's log may say more (dmesg)",
    }
}
