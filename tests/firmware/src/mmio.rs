//! Access to the on-chip devices' registers, bytes or big-endian words. It knows none of them.

use crate::map;

/// A device of the on-chip block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Device(u32);

impl Device {
    /// The device at that offset of the block, which is 1 MiB.
    pub(crate) const fn at(offset: u32) -> Self {
        assert!(offset < 0x10_0000);
        Self(offset)
    }

    /// Reads the byte register at `offset`.
    pub(crate) fn read8(self, offset: u32) -> u8 {
        // SAFETY: `place` stays inside the block, which is mapped before `main`.
        unsafe { self.place(offset).read_volatile() }
    }

    /// Writes the byte register at `offset`.
    pub(crate) fn write8(self, offset: u32, value: u8) {
        // SAFETY: as above.
        unsafe { self.place(offset).write_volatile(value) }
    }

    /// Reads the word register at `offset`, a multiple of 4.
    pub(crate) fn read32(self, offset: u32) -> u32 {
        // SAFETY: as above; the mask aligns it.
        u32::from_be(unsafe { self.place(offset & !3).cast::<u32>().read_volatile() })
    }

    /// Writes the word register at `offset`, a multiple of 4.
    pub(crate) fn write32(self, offset: u32, value: u32) {
        // SAFETY: as above.
        unsafe { self.place(offset & !3).cast::<u32>().write_volatile(value.to_be()) }
    }

    fn place(self, offset: u32) -> *mut u8 {
        map::on_chip((self.0 + offset) & 0xF_FFFF)
    }
}
