//! Platform devices of the kernel: what nodes of the device tree have become, and who drives them.
//!
//! It reads `/sys/bus/platform` and changes nothing. It knows names, links and drivers, not what a
//! device does.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::devtree::Node;
use crate::error::{Error, io};
use crate::roots::{Roots, read_text};

/// The driver that turns a platform device into a UIO device.
pub const UIO_DRIVER: &str = "uio_pdrv_genirq";

/// The project's own driver, which makes a UIO device of an ethernet node as it is.
pub const ETSEC_DRIVER: &str = "uio_etsec";

/// A platform device that came from a node of the device tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformDevice {
    /// Its kernel name, such as `ffe24000.ethernet`.
    pub id: String,
    /// Its directory in sysfs.
    pub sys: PathBuf,
    /// Its node.
    pub node: Node,
}

impl PlatformDevice {
    /// The driver that has it now.
    #[must_use]
    pub fn driver(&self) -> Option<String> {
        let link = std::fs::read_link(self.sys.join("driver")).ok()?;
        Some(link.file_name()?.to_string_lossy().into_owned())
    }

    /// The only driver that may have it, if there is such a reservation.
    #[must_use]
    pub fn reserved(&self) -> Option<String> {
        let text = read_text(&self.sys.join("driver_override")).ok()?;
        (!text.is_empty() && text != "(null)").then_some(text)
    }

    /// The name that it has, or would have, as a UIO device: its node's `linux,uio-name`, else the
    /// node's name up to the `@`.
    ///
    /// # Errors
    /// [`Error::Attribute`] if the property is no text.
    pub fn uio_name(&self) -> Result<String, Error> {
        let named = self.node.text("linux,uio-name")?;
        Ok(named.unwrap_or_else(|| self.node.name().to_owned()))
    }

    /// Whether its node is meant for UIO. Without this any device could be called by the name of
    /// its node, and the console be taken for a port.
    ///
    /// # Errors
    /// [`Error::Attribute`] if a property is no text.
    pub fn is_for_uio(&self) -> Result<bool, Error> {
        let compatible = self.node.texts("compatible")?;
        Ok(self.node.has("linux,uio-name") || compatible.iter().any(|name| name == "generic-uio"))
    }

    /// Kernel name of the UIO device it is now, such as `uio0`.
    #[must_use]
    pub fn uio(&self) -> Option<String> {
        names_in(&self.sys.join("uio")).into_iter().next()
    }

    /// Network interfaces it is now.
    #[must_use]
    pub fn interfaces(&self) -> Vec<String> {
        names_in(&self.sys.join("net"))
    }
}

/// All platform devices with a node in the device tree, in the order of their names. None where the
/// machine has no device tree.
///
/// # Errors
/// What the system says about the directory.
pub fn list(roots: &Roots) -> Result<Vec<PlatformDevice>, Error> {
    let dir = roots.platform().join("devices");
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io("list", &dir)(error)),
    };
    let mut devices = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io("list", &dir))?;
        let sys = entry.path();
        if let Some(node) = Node::open(&sys.join("of_node")) {
            let id = entry.file_name().to_string_lossy().into_owned();
            devices.push(PlatformDevice { id, sys, node });
        }
    }
    devices.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    Ok(devices)
}

/// Names of what is in a directory, in order; none where it is not there.
fn names_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}
