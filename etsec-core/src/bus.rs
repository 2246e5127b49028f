//! The hardware boundary: how registers are reached, and in what order memory and registers meet.
//!
//! This is the only file with volatile access. It knows nothing of what a register means.

use crate::barrier;
use crate::dma::BusAddr;

/// One 4 KiB register page of an eTSEC (HW 1.1).
///
/// Implemented by [`Mmio`] for silicon and by models. Values are in CPU order; byte order is the
/// bus's business. A bus whose device is gone reads all ones: the driver notices by the controller
/// ID and returns an error.
pub trait Bus {
    /// Reads the register at byte offset `at` of the page, a multiple of 4 below 0x1000.
    fn read(&self, at: u16) -> u32;
    /// Writes the register at byte offset `at` of the page, a multiple of 4 below 0x1000.
    fn write(&self, at: u16, value: u32);
    /// Makes this CPU's earlier memory stores visible to the device before anything stored or
    /// written later.
    fn publish(&self);
    /// Orders the descriptor just read before the bytes it covers.
    fn observe(&self);
}

impl<B: Bus + ?Sized> Bus for &B {
    #[inline(always)]
    fn read(&self, at: u16) -> u32 {
        (**self).read(at)
    }
    #[inline(always)]
    fn write(&self, at: u16, value: u32) {
        (**self).write(at, value);
    }
    #[inline(always)]
    fn publish(&self) {
        (**self).publish();
    }
    #[inline(always)]
    fn observe(&self) {
        (**self).observe();
    }
}

/// The register pages of one controller (HW 1.2, 1.3).
#[derive(Debug, Clone, Copy)]
pub struct Pages<B> {
    /// The page all configuration goes through.
    pub group0: B,
    /// The second interrupt group's page of an eTSEC2 that has one.
    pub group1: Option<B>,
    /// The page whose MII management registers reach the external PHYs; `None`: they are in
    /// `group0`.
    pub mdio: Option<B>,
}

impl<B> Pages<B> {
    /// A controller with a single page, as on eTSEC1 parts.
    pub const fn single(group0: B) -> Self {
        Pages { group0, group1: None, mdio: None }
    }
}

/// What a queue may do to its controller: nothing but order memory and ring one bell.
///
/// A queue owns a doorbell and no [`Bus`], so it can live in another thread or process.
pub trait Doorbell {
    /// As [`Bus::publish`].
    fn publish(&self);
    /// As [`Bus::observe`].
    fn observe(&self);
    /// Tells the device that this ring has new descriptors: one register write (HW 3.7).
    fn ring(&self);
    /// Tells the device the address of the last free RxBD, for lossless flow control (HW 3.20).
    /// Most rings ignore it.
    fn last_free(&self, bd: BusAddr) {
        let _ = bd;
    }
}

/// A doorbell that is one bit of one register of a mapped page.
#[derive(Debug, Clone, Copy)]
pub struct PageBell<B> {
    /// The page of the ring's group.
    bus: B,
    /// The page of group 0.
    main: B,
    at: u16,
    free_at: u16,
    mask: u32,
}

impl<B: Bus + Clone> PageBell<B> {
    /// A bell that writes `mask` to the register at offset `at` of `bus`, and the last free
    /// descriptor to the one at `free_at`, if that is not 0.
    pub(crate) fn new(bus: B, at: u16, mask: u32, free_at: u16) -> Self {
        PageBell { main: bus.clone(), bus, at, free_at, mask }
    }

    /// Rings on the page of another group; the last free descriptor stays with `bus` (HW 1.3).
    pub(crate) fn ring_through(&mut self, page: B) {
        self.bus = page;
    }
}

impl<B: Bus> Doorbell for PageBell<B> {
    #[inline(always)]
    fn publish(&self) {
        self.bus.publish();
    }
    #[inline(always)]
    fn observe(&self) {
        self.bus.observe();
    }
    #[inline(always)]
    fn ring(&self) {
        self.bus.write(self.at, self.mask);
    }
    fn last_free(&self, bd: BusAddr) {
        if self.free_at != 0 {
            self.main.write(self.free_at, bd.low());
        }
    }
}

/// A register page mapped into this address space.
///
/// Each access compiles to one load or store (and a byte swap on a little-endian CPU: eTSEC
/// registers are big-endian).
#[derive(Debug, Clone, Copy)]
pub struct Mmio {
    base: *mut u32,
}

// SAFETY: a page of device registers has no thread affinity; every access is a single aligned word.
unsafe impl Send for Mmio {}
// SAFETY: as above; concurrent accesses are the device's business, not the memory model's.
unsafe impl Sync for Mmio {}

impl Mmio {
    /// Size of a register page in bytes.
    pub const SIZE: usize = 0x1000;

    /// Takes the register page mapped at `base`.
    ///
    /// # Safety
    /// `base` is 4-byte aligned and maps [`Mmio::SIZE`] bytes of eTSEC registers, uncached, for as
    /// long as any copy of this value is used. The holder of a register page can make the
    /// device write to any memory of the machine: from here on only this crate's device and
    /// queue types may be given copies of it, or code as trusted as the kernel. One
    /// port at a time is attached to a controller: a second one would restart what the first has
    /// stopped.
    #[must_use]
    pub const unsafe fn new(base: *mut u32) -> Self {
        Mmio { base }
    }

    #[inline(always)]
    fn word(&self, at: u16) -> *mut u32 {
        // The mask keeps every access inside the page and aligned, whatever is asked for.
        self.base.wrapping_byte_add(usize::from(at & 0xFFC))
    }
}

impl Bus for Mmio {
    #[inline(always)]
    fn read(&self, at: u16) -> u32 {
        // SAFETY: `new` promises a mapped page, `word` stays inside it.
        u32::from_be(unsafe { self.word(at).read_volatile() })
    }
    #[inline(always)]
    fn write(&self, at: u16, value: u32) {
        // SAFETY: `new` promises a mapped page, `word` stays inside it.
        unsafe { self.word(at).write_volatile(value.to_be()) }
    }
    #[inline(always)]
    fn publish(&self) {
        barrier::publish();
    }
    #[inline(always)]
    fn observe(&self) {
        barrier::observe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_big_endian_words_inside_the_page() {
        let mut page = std::vec![0u32; 1024];
        // SAFETY: the vector is 4 KiB of plain memory and outlives `bus`.
        let bus = unsafe { Mmio::new(page.as_mut_ptr()) };
        bus.write(0x014, 0x1234_5678);
        assert_eq!(bus.read(0x014), 0x1234_5678);
        // Beyond the page wraps into it instead of leaving it.
        assert_eq!(bus.read(0x1014), 0x1234_5678);
        assert_eq!(page[5].to_ne_bytes(), [0x12, 0x34, 0x56, 0x78]);
    }
}
