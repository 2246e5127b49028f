//! UIO devices as somebody sees them who must not disturb their owner: mapped for reading only.
//!
//! It knows how to keep its hands off. What the registers mean is the reader's business.

use etsec_core::{Bus, Mmio};

use crate::error::Error;
use crate::uio::{Uio, UioDevice};

/// A UIO device that is looked at, from [`Uio::open_observer`].
///
/// Its device file is open for reading, and so are its mappings: a write would end the process
/// before it reached the device, and no type here offers one.
#[derive(Debug)]
pub struct UioObserver(Uio);

impl UioObserver {
    pub(crate) fn new(uio: Uio) -> Self {
        UioObserver(uio)
    }

    /// What sysfs says of it.
    #[must_use]
    pub fn device(&self) -> &UioDevice {
        self.0.device()
    }

    /// Number of the map called `name`.
    #[must_use]
    pub fn map_named(&self, name: &str) -> Option<usize> {
        self.0.map_named(name)
    }

    /// The register page in map `index`.
    ///
    /// # Errors
    /// As [`Uio::registers`].
    pub fn registers(&self, index: usize) -> Result<ReadOnly, Error> {
        Ok(ReadOnly(self.0.registers(index)?.into_bus()))
    }

    /// The page around the MII management registers in map `index`.
    ///
    /// # Errors
    /// As [`Uio::mdio`].
    pub fn mdio(&self, index: usize) -> Result<ReadOnly, Error> {
        Ok(ReadOnly(self.0.mdio(index)?.into_bus()))
    }
}

/// A register page that can be read. What is written to it is dropped: the device is somebody
/// else's.
#[derive(Debug, Clone)]
pub struct ReadOnly(Mmio);

impl Bus for ReadOnly {
    #[inline]
    fn read(&self, at: u16) -> u32 {
        self.0.read(at)
    }
    fn write(&self, _: u16, _: u32) {}
    fn publish(&self) {}
    fn observe(&self) {
        self.0.observe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uio::list;
    use crate::uio::tests::Tree;
    use std::fs;
    use std::os::unix::fs::{FileExt, PermissionsExt};

    #[test]
    fn an_observer_reads_beside_the_owner_and_writes_nothing() {
        let tree = Tree::new();
        tree.device(0, "eth0");
        tree.map(0, 0, "regs", [0x2_4000, 0x1000, 0]);
        tree.map(0, 1, "mdio", [0x2_4520, 0x20, 0]);
        let device = list(&tree.roots).unwrap().remove(0);
        let dev = fs::OpenOptions::new().write(true).open(&device.dev).unwrap();
        dev.write_all_at(&[0x01, 0x24, 0, 1], 0).unwrap();
        let owner = Uio::open(&tree.roots, &device).unwrap();

        // Permission to read is all it takes; of root the mapping is what keeps the hands off.
        fs::set_permissions(&device.dev, fs::Permissions::from_mode(0o400)).unwrap();
        let observer = Uio::open_observer(&device).unwrap();
        let page = observer.registers(0).unwrap();
        assert_eq!(page.read(0), 0x0124_0001);
        page.write(0, 7);
        assert_eq!(page.read(0), 0x0124_0001);
        // What the owner does is seen.
        owner.registers(0).unwrap().into_bus().write(0, 0x0124_0002);
        assert_eq!(page.read(0), 0x0124_0002);
        let index = observer.map_named("mdio").unwrap();
        assert_eq!(observer.mdio(index).unwrap().read(0x524), 0);
        assert!(matches!(observer.registers(2), Err(Error::NoMap { .. })));
    }

    #[test]
    fn the_kernel_lets_an_observer_map_for_reading_only() {
        let tree = Tree::new();
        tree.device(0, "eth0");
        tree.map(0, 0, "regs", [0x2_4000, 0x1000, 0]);
        let device = list(&tree.roots).unwrap().remove(0);
        let observer = Uio::open_observer(&device).unwrap();
        let _page = observer.registers(0).unwrap();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let path = device.dev.display().to_string();
        let found: Vec<&str> = maps.lines().filter(|line| line.ends_with(&path)).collect();
        assert!(!found.is_empty(), "{maps}");
        assert!(found.iter().all(|line| line.contains(" r--s ")), "{found:?}");
    }
}
