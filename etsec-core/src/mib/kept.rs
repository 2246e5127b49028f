//! Totals in memory that outlives their process (feature `adopt`): the next one goes on from them.
//!
//! There are two copies, and one store that says which of them is true. It is made before the
//! carries that are in it are cleared; so whenever a process dies, what the registers say since can
//! be told: of a carry that was in the totals already, the register tells whether it is a new one.

use core::fmt;
use core::ptr::NonNull;

use super::{Car1, Car2, Carries, Counter, Mib, Slot};
use crate::arena::{Handle, Place};
use crate::barrier;
use crate::device::Stopped;
use crate::word::Word;

/// A copy of all totals.
#[repr(C)]
struct Copy {
    carries: [Word; 2],
    /// Of each counter the two halves of `base`, `raw` and `wide`.
    slots: [[Word; 4]; Counter::ALL.len()],
}

/// What is in the region.
#[repr(C, align(64))]
struct Block {
    /// Which copy is true, 1 or 2; 0: none yet.
    which: Word,
    copies: [Copy; 2],
}

/// Bytes of a region that kept totals take.
pub(crate) const BYTES: usize = size_of::<Block>();

/// A place for totals, as [`Arena::counters`](crate::Arena::counters) carved it, or as it was found
/// in a region that a process has left: for [`Stopped::keep_counters`].
pub struct KeptCounters {
    block: NonNull<Block>,
    _region: Handle,
}

// SAFETY: the block is made of atomics, and its region stays mapped as long as the handle lives.
unsafe impl Send for KeptCounters {}

impl KeptCounters {
    /// # Safety
    /// `place` is [`BYTES`] long, cache-line aligned, used by nobody else, and lives as long as
    /// `region`.
    pub(crate) unsafe fn build(region: Handle, place: &Place) -> Self {
        let block = place.cpu.cast::<Block>();
        // SAFETY: the caller's; a word of zeros is one.
        unsafe { block.write_bytes(0, 1) };
        KeptCounters { block, _region: region }
    }

    /// What somebody has left at `place`.
    ///
    /// # Safety
    /// As of [`KeptCounters::build`]; nobody has it any more.
    pub(crate) unsafe fn found(region: Handle, place: &Place) -> Self {
        KeptCounters { block: place.cpu.cast(), _region: region }
    }

    fn block(&self) -> &Block {
        // SAFETY: of that size, and mapped as long as the handle lives; any bits are one.
        unsafe { self.block.as_ref() }
    }

    /// Keeps totals that have these carries in them, which are not cleared yet.
    pub(super) fn store(&self, mib: &Mib, carries: Carries) {
        let block = self.block();
        let which = if block.which.load() == 1 { 2 } else { 1 };
        let copy = &block.copies[which - 1];
        copy.carries[0].store(carries.0.bits());
        copy.carries[1].store(carries.1.bits());
        for (slot, words) in mib.slots.iter().zip(&copy.slots) {
            let halves = [(slot.base >> 32) as u32, slot.base as u32];
            let values = halves.into_iter().chain([slot.raw, slot.wide]);
            words.iter().zip(values).for_each(|(word, value)| word.store(value));
        }
        // For who comes after us: in this order.
        barrier::publish();
        block.which.store(which as u32);
        barrier::publish();
    }

    /// The totals, if there are any.
    fn load(&self) -> Option<Mib> {
        let block = self.block();
        let copy = block.copies.get((block.which.load() as usize).checked_sub(1)?)?;
        let mut mib = Mib::new();
        mib.cleared_late = Carries(
            Car1::from_bits_truncate(copy.carries[0].load()),
            Car2::from_bits_truncate(copy.carries[1].load()),
        );
        for (slot, words) in mib.slots.iter_mut().zip(&copy.slots) {
            let [high, low, raw, wide] = [0, 1, 2, 3].map(|n: usize| words[n].load());
            *slot = Slot { base: u64::from(high) << 32 | u64::from(low), raw, wide };
        }
        Some(mib)
    }
}

impl fmt::Debug for KeptCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptCounters").field("mib", &self.load()).finish()
    }
}

impl<B> Stopped<B> {
    /// Keeps the totals of the controller's counters in memory, and goes on from those that are
    /// there: a process that takes over, or begins anew in the same memory, continues the totals of
    /// the one before.
    ///
    /// Between the last look of the one and the first of the other no counter may go round once and
    /// come to where it was: [`Mib::collect`] says how long that takes. What queues count begins
    /// anew, with the queues.
    pub fn keep_counters(&mut self, counters: KeptCounters) {
        let port = &mut self.owner_mut().port;
        if let Some(mib) = counters.load() {
            port.mib = mib;
        }
        port.kept = Some(counters);
    }
}
