//! The MDIO bus of a port, shared with whoever else has PHYs on it, also in other processes.
//!
//! It knows how to take turns. What the registers of a PHY mean is the core's business.

use std::fmt;
use std::fs::File;
use std::time::Duration;

use etsec_core::mdio::{Mdio, MdioBus, MdioError};

use crate::bus::AnyBus;
use crate::error::Error;
use crate::lock;
use crate::roots::Roots;
use crate::sys;
use crate::time::Delay;

/// One page of MII management registers, used in turns.
///
/// Every access takes a lock that belongs to the physical page, so ports of several processes can
/// have their PHYs on one bus. A simulated device is alone on its bus and has no lock.
pub struct SharedMdio {
    mdio: Mdio<AnyBus, Delay>,
    lock: Option<File>,
}

/// How often, and how long in between, a taken lock is tried. An access takes less than 0.1 ms (HW
/// 8.7).
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_micros(200);

impl SharedMdio {
    /// The management registers in `page`, with the lock of physical address `address` if there is
    /// one.
    ///
    /// # Errors
    /// What the system says about the lock file.
    pub fn new(roots: &Roots, page: AnyBus, address: Option<u64>) -> Result<Self, Error> {
        // Whoever may use the page may lock it.
        let lock = address.map(|address| lock::file(roots, &format!("etsec-mdio-{address:x}")));
        let lock = lock.transpose()?.map(|(file, _)| file);
        Ok(SharedMdio { mdio: Mdio::new(page, Delay), lock })
    }

    /// Resets the management interface and sets its clock (HW 8.7).
    ///
    /// # Errors
    /// As [`Mdio::reset`]; [`MdioError::InUse`] if somebody else holds the bus for 20 ms.
    pub fn reset(&mut self) -> Result<(), MdioError> {
        self.in_turn(0, 0, Mdio::reset)
    }

    fn in_turn<T>(
        &mut self,
        phy: u8,
        reg: u8,
        work: impl FnOnce(&mut Mdio<AnyBus, Delay>) -> Result<T, MdioError>,
    ) -> Result<T, MdioError> {
        let Some(lock) = &self.lock else { return work(&mut self.mdio) };
        for _ in 0..TRIES {
            if matches!(sys::try_lock(lock), Ok(true)) {
                let result = work(&mut self.mdio);
                // It can only fail for a file that is not open, and this one is.
                let _ = sys::unlock(lock);
                return result;
            }
            std::thread::sleep(PAUSE);
        }
        Err(MdioError::InUse { phy, reg })
    }
}

impl MdioBus for SharedMdio {
    fn read(&mut self, phy: u8, reg: u8) -> Result<u16, MdioError> {
        self.in_turn(phy, reg, |mdio| mdio.read(phy, reg))
    }
    fn write(&mut self, phy: u8, reg: u8, value: u16) -> Result<(), MdioError> {
        self.in_turn(phy, reg, |mdio| mdio.write(phy, reg, value))
    }
}

impl fmt::Debug for SharedMdio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMdio").field("shared", &self.lock.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page of zeros: an interface that is never busy and reads zeros.
    fn page() -> AnyBus {
        let page = Box::leak(Box::new([0u32; 1024]));
        AnyBus::Mmio(crate::uio::tests::memory_bus(page))
    }

    #[test]
    fn a_bus_held_by_another_is_in_use_and_free_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::below(dir.path());
        let mut first = SharedMdio::new(&roots, page(), Some(0x2_4000)).unwrap();
        let other = SharedMdio::new(&roots, page(), Some(0x2_4000)).unwrap();
        let mut elsewhere = SharedMdio::new(&roots, page(), Some(0x2_5000)).unwrap();
        assert_eq!(first.read(1, 2), Ok(0));
        assert!(sys::try_lock(other.lock.as_ref().unwrap()).unwrap());
        assert_eq!(first.read(1, 2), Err(MdioError::InUse { phy: 1, reg: 2 }));
        assert_eq!(first.write(1, 2, 3), Err(MdioError::InUse { phy: 1, reg: 2 }));
        assert_eq!(elsewhere.read(1, 2), Ok(0));
        drop(other);
        assert_eq!(first.write(1, 2, 3), Ok(()));
    }

    #[test]
    fn a_bus_of_its_own_needs_no_lock() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let roots = Roots::below(file.path());
        assert_eq!(SharedMdio::new(&roots, page(), None).unwrap().read(0, 1), Ok(0));
        assert!(matches!(SharedMdio::new(&roots, page(), Some(0)), Err(Error::Io { .. })));
    }
}
