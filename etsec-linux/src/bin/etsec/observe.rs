//! Devices as observers see them: registers that can be read and nothing else, and the MDIO bus in turns with others.

use std::fmt;

use etsec_core::Bus;

/// A page of registers that can only be read.
pub struct ReadPage(Box<dyn Fn(u16) -> u32>);

impl ReadPage {
    /// The page that `read` reads, by byte offset.
    pub fn new(read: impl Fn(u16) -> u32 + 'static) -> Self {
        ReadPage(Box::new(read))
    }

    /// The register at byte offset `at`.
    pub fn get(&self, at: u16) -> u32 {
        (self.0)(at)
    }
}

impl Bus for ReadPage {
    fn read(&self, at: u16) -> u32 {
        self.get(at)
    }
    /// Nothing is ever written: the device belongs to somebody else.
    fn write(&self, at: u16, _: u32) {
        debug_assert!(false, "an observer wrote to {at:#05x}");
    }
    fn publish(&self) {}
    fn observe(&self) {}
}

impl fmt::Debug for ReadPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadPage")
    }
}
