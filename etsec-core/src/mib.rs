//! The controller's statistics as 64-bit totals (HW 13).
//!
//! The registers are 12 to 32 bits wide and say in CAR1 and CAR2 that they wrapped; here they are
//! put together. This file knows counters, not frames: what a queue counts in software is the
//! queue's.

mod counter;
#[cfg(feature = "adopt")]
mod kept;

pub use counter::{Carry, Counter};
#[cfg(feature = "adopt")]
pub(crate) use kept::BYTES as KEPT_BYTES;
#[cfg(feature = "adopt")]
pub use kept::KeptCounters;

use crate::bus::Bus;
use crate::regs::mib::{BLOCK, CAM1, CAM2, CAR1, CAR2, Car1, Car2, RESERVED, RREJ};
use crate::regs::{Readable as _, Writeable as _};

/// One counter: its total is `base + raw`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    /// What was counted before the register last went through zero.
    base: u64,
    /// The register when last read.
    raw: u32,
    /// 1 once it has been seen to hold more than its documented width. Not a `bool`: without
    /// padding fresh totals are plain zeros, which takes less code.
    wide: u32,
}

/// The totals of all counters.
///
/// [`Mib::collect`] must come round before a counter wraps twice, or the totals are too low by
/// whole turns: at gigabit speed once a second is enough for all counters of 22 bits and more, and
/// for the error counters of a working link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mib {
    slots: [Slot; Counter::ALL.len()],
    /// Carries that are in the totals, and that a process which has died may not have cleared.
    #[cfg(feature = "adopt")]
    cleared_late: Carries,
}

impl Default for Mib {
    fn default() -> Self {
        Self::new()
    }
}

/// A reading of CAR1 and CAR2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Carries(Car1, Car2);

impl Carries {
    #[cfg(feature = "adopt")]
    const NONE: Carries = Carries(Car1::empty(), Car2::empty());

    /// `None` if nobody is there: some bits are always 0, and a dead bus reads all ones.
    fn peek<B: Bus>(bus: &B) -> Option<Self> {
        let (car1, car2) = (CAR1.on(bus).peek(), CAR2.on(bus).peek());
        (Car1::all().contains(car1) && Car2::all().contains(car2)).then_some(Carries(car1, car2))
    }

    fn clear<B: Bus>(self, bus: &B) {
        CAR1.on(bus).clear(self.0);
        CAR2.on(bus).clear(self.1);
    }

    fn has(self, counter: Counter) -> bool {
        match counter.carry() {
            Carry::Car1(bit) => self.0.contains(bit),
            Carry::Car2(bit) => self.1.contains(bit),
        }
    }

    fn union(self, other: Self) -> Self {
        Carries(self.0 | other.0, self.1 | other.1)
    }

    fn without(self, other: Self) -> Self {
        Carries(self.0 - other.0, self.1 - other.1)
    }

    fn is_empty(self) -> bool {
        self.0.is_empty() && self.1.is_empty()
    }
}

impl Mib {
    /// All totals zero; nothing is read or written.
    #[must_use]
    pub const fn new() -> Self {
        Mib {
            slots: [Slot { base: 0, raw: 0, wide: 0 }; Counter::ALL.len()],
            #[cfg(feature = "adopt")]
            cleared_late: Carries::NONE,
        }
    }

    /// The total of a counter as of the last [`Mib::collect`].
    #[must_use]
    pub const fn total(&self, counter: Counter) -> u64 {
        let Slot { base, raw, .. } = self.slots[counter as usize];
        base.wrapping_add(raw as u64)
    }

    /// All counters and their totals, in the order of their registers.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        Counter::ALL.into_iter().map(|counter| (counter, self.total(counter)))
    }

    /// Sets the device's counters, its carries and the totals to zero and masks the carry
    /// interrupt: at bring-up, with ECNTRL\[AUTOZ\] 0 (HW 8.1 step 11).
    pub fn reset<B: Bus>(&mut self, bus: &B) {
        *self = Mib::new();
        zero(bus);
    }

    /// As [`Mib::reset`], but the totals stay: when a device that has been counted is brought up
    /// again. Call [`Mib::collect`] first, or what was counted since is lost.
    pub fn rearm<B: Bus>(&mut self, bus: &B) {
        for slot in &mut self.slots {
            slot.base = slot.base.wrapping_add(slot.raw.into());
            slot.raw = 0;
        }
        zero(bus);
    }

    /// Reads all counters and brings the totals up to date.
    ///
    /// A counter that was set to zero behind our back counts on from where it was; totals never go
    /// back. A bus that has died (it reads all ones), or dies meanwhile, leaves them as they are.
    pub fn collect<B: Bus>(&mut self, bus: &B) {
        if let Some(wrapped) = self.read(bus) {
            wrapped.clear(bus);
        }
    }

    /// As [`Mib::collect`], and keeps the totals before carries that are in them are cleared.
    #[cfg(feature = "adopt")]
    pub(crate) fn collect_into<B: Bus>(&mut self, kept: &KeptCounters, bus: &B) {
        if let Some(wrapped) = self.read(bus) {
            kept.store(self, wrapped);
            wrapped.clear(bus);
        }
    }

    /// Brings the totals up to date; the carries that are to be cleared then. `None` if the bus has
    /// died.
    #[inline]
    fn read<B: Bus>(&mut self, bus: &B) -> Option<Carries> {
        let mut wrapped = Carries::peek(bus)?;
        let mut raw = Counter::ALL.map(|counter| counter.register().on(bus).get());
        // A counter may wrap while it is read. A value read after its carry was seen is from behind
        // the wrap, one whose carry is still clear afterwards is from before it; the others are
        // read again (HW 13.1). Each turn adds a carry, so there are no more turns than counters.
        for _ in Counter::ALL {
            // If the bus has died meanwhile, what was read is worth nothing.
            let now = Carries::peek(bus)?;
            let new = now.without(wrapped);
            if new.is_empty() {
                break;
            }
            for counter in Counter::ALL.into_iter().filter(|&counter| new.has(counter)) {
                raw[counter as usize] = counter.register().on(bus).get();
            }
            wrapped = wrapped.union(new);
        }
        let any = !wrapped.is_empty();
        for counter in Counter::ALL {
            let (raw, slot) = (raw[counter as usize], &mut self.slots[counter as usize]);
            let wrapped = any && wrapped.has(counter);
            #[cfg(feature = "adopt")]
            let wrapped = wrapped && (raw < slot.raw || !self.cleared_late.has(counter));
            // Ten times a second most of them have not moved.
            if wrapped || raw != slot.raw {
                slot.take(counter, raw, wrapped);
            }
        }
        #[cfg(feature = "adopt")]
        {
            self.cleared_late = Carries::NONE;
        }
        Some(wrapped)
    }
}

/// Sets the device's counters and carries to zero and masks the carry interrupt (HW 8.1 step 11).
pub(crate) fn zero<B: Bus>(bus: &B) {
    for n in (0..BLOCK.count()).filter(|&n| n != RESERVED) {
        BLOCK.nth(n).on(bus).set(0);
    }
    RREJ.on(bus).set(0);
    CAM1.on(bus).assign(Car1::from_bits_retain(!0));
    CAM2.on(bus).assign(Car2::from_bits_retain(!0));
    Carries(Car1::from_bits_retain(!0), Car2::from_bits_retain(!0)).clear(bus);
}

impl Slot {
    /// Takes over a reading.
    ///
    /// Widths other than RDRP's are not verified, and too small a one would lose counts: a counter
    /// that has held more than its documented width is taken to have 32 bits, as models may have
    /// (HW 13.2).
    fn take(&mut self, counter: Counter, raw: u32, wrapped: bool) {
        let documented = 1u64 << counter.width();
        self.wide |= u32::from(counter != Counter::RDRP && u64::from(raw) >= documented);
        if wrapped {
            self.base = self.base.wrapping_add(if self.wide != 0 { 1 << 32 } else { documented });
        } else if raw < self.raw {
            self.base = self.base.wrapping_add(self.raw.into());
        }
        self.raw = raw;
    }
}

#[cfg(test)]
mod tests;
