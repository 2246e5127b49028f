//! What can be in the way of taking a port from the kernel's driver or giving it back. As in
//! `error`, each names the thing and the cure; it knows words.

use std::io::Error as IoError;
use std::path::PathBuf;

use crate::error::Error;
use crate::platform::UIO_DRIVER;

/// Why a port did not change hands, or may not be used as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandoverError {
    /// The device tree has no node for UIO of that name.
    #[error(
        "the device tree has no UIO node called '{name}' or '{name}-tx' (there is: {found}); put \
         an overlay of etsec-linux/dts over it, see docs/guide/board.md#device-tree"
    )]
    NoUioNode {
        /// The name asked for.
        name: String,
        /// Names that exist, or "none".
        found: String,
    },
    /// The driver that makes UIO devices is not in the kernel.
    #[error(
        "cannot make UIO devices of '{name}': the kernel has no driver {UIO_DRIVER}; \
         `modprobe {UIO_DRIVER}` (CONFIG_UIO_PDRV_GENIRQ), see docs/guide/board.md#kernel"
    )]
    NoUioDriver {
        /// The port.
        name: String,
    },
    /// The port is a network interface that is in use.
    #[error(
        "'{name}' is the network interface {interface}, which is up; \
         `ip link set {interface} down`, or --force to interrupt it"
    )]
    InterfaceUp {
        /// The port.
        name: String,
        /// The interface.
        interface: String,
    },
    /// The port's network interface is out of sight.
    #[error(
        "'{name}' is a network interface of {driver} that is not seen here, so it is in another \
         network namespace; bring it back, or --force to interrupt it"
    )]
    InterfaceHidden {
        /// The port.
        name: String,
        /// The driver.
        driver: String,
    },
    /// The kernel has no driver that the port could be given back to.
    #[error(
        "'{name}' cannot be given back: {why}; \
         see docs/guide/board.md#taking-a-port, or --force to let go of it all the same"
    )]
    NobodyToGive {
        /// The port.
        name: String,
        /// What is missing.
        why: String,
    },
    /// The kernel refused to move a device.
    #[error("cannot {doing} ({device}, by {}): {source}; {cure}", switch.display())]
    Switch {
        /// The platform device.
        device: String,
        /// What was tried.
        doing: &'static str,
        /// The file that was written to.
        switch: PathBuf,
        /// What helps.
        cure: &'static str,
        /// What the system says.
        source: IoError,
    },
    /// A change failed, and taking back what had been done of it failed as well.
    #[error(
        "{error}; and what was done could not be undone: {undo}; `etsec probe` shows what there \
         is, and a second `etsec bind {name}` or `etsec unbind {name}` goes on from there"
    )]
    HalfDone {
        /// The port.
        name: String,
        /// What failed first.
        error: Box<Error>,
        /// What failed then.
        undo: Box<Error>,
    },
    /// A driver of the kernel has the same controller.
    #[error(
        "'{name}' is driven by the kernel's {driver} ({device}) as well; \
         `etsec bind {name}` takes it from there, see docs/guide/board.md#taking-a-port"
    )]
    TwoDrivers {
        /// The port.
        name: String,
        /// The driver.
        driver: String,
        /// The platform device that it has.
        device: String,
    },
}
