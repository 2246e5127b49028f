//! Memory that the device can reach: its address as the device sees it, and the promise of whoever
//! supplies it.
//!
//! It knows neither rings nor buffers.

use core::fmt;
use core::ptr::NonNull;

/// An address as the device sees it: 36 bits (HW 4.5).
///
/// It is never made from a pointer; in the model the two differ on purpose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BusAddr(u64);

impl BusAddr {
    /// The highest address the device can form.
    pub const MAX: BusAddr = BusAddr(0xF_FFFF_FFFF);

    /// The address `raw`, or `None` beyond 36 bits.
    #[must_use]
    pub const fn new(raw: u64) -> Option<Self> {
        if raw <= Self::MAX.0 { Some(BusAddr(raw)) } else { None }
    }

    /// The whole address.
    #[inline(always)]
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// Bits 31–0, as descriptors and pointer registers hold them.
    #[inline(always)]
    #[must_use]
    pub const fn low(self) -> u32 {
        self.0 as u32
    }

    /// Bits 35–32, as TBASEH, TBDBPH, RBASEH and RBDBPH hold them: the 4 GiB window the address
    /// lies in.
    #[inline(always)]
    #[must_use]
    pub const fn window(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The address `bytes` further, in a region that is known to end inside 36 bits.
    pub(crate) const fn inside(self, bytes: usize) -> Self {
        let at = BusAddr(self.0.wrapping_add(bytes as u64));
        debug_assert!(at.0 <= Self::MAX.0);
        at
    }

    /// The address `bytes` further, or `None` beyond 36 bits.
    #[must_use]
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(raw) => BusAddr::new(raw),
            None => None,
        }
    }
}

impl fmt::Debug for BusAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BusAddr({:#011x})", self.0)
    }
}

impl fmt::Display for BusAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#011x}", self.0)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for BusAddr {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=u64:#011x}", self.0);
    }
}

/// A block of memory that CPU and device share.
///
/// # Safety
/// The implementer promises that, from the moment the value is made until it is dropped:
/// * `[cpu(), cpu() + len())` is mapped, readable, writable and initialised, and nothing else uses
///   it;
/// * the device reaches the same bytes, coherently and without holes, at `[bus(), bus() + len())`;
/// * `len()` is at most [`isize::MAX`];
/// * the three methods always return the same values, wherever the region is moved to.
pub unsafe trait Region {
    /// Where the CPU finds the first byte; 64-byte aligned.
    fn cpu(&self) -> NonNull<u8>;
    /// Where the device finds the first byte; 64-byte aligned.
    fn bus(&self) -> BusAddr;
    /// Length in bytes.
    fn len(&self) -> usize;
    /// Whether there is no byte in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_36_bits() {
        assert_eq!(BusAddr::new(0x10_0000_0000), None);
        let top = BusAddr::MAX;
        assert_eq!((top.window(), top.low()), (0xF, 0xFFFF_FFFF));
        assert_eq!(top.checked_add(1), None);
        assert_eq!(BusAddr::new(0x1_0000_0000).unwrap().window(), 1);
    }
}
