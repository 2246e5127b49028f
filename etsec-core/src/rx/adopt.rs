//! Taking a receive ring over from a process that is no more, while the device goes on filling it.
//!
//! The mark in the ring says what the process had not taken yet. It is stored before frames are
//! handed out, and, with what is about to be lent, before any E is set: so the only descriptors in
//! doubt are those without E from the hardware's position on. They were to be lent, and were not.

use embedded_hal::delay::DelayNs;

use super::{EMPTY, RxQueue};
use crate::adopt::RingFault;
use crate::bd::{Control, RxFlags};
use crate::bus::Doorbell;
use crate::pool::Pool;
use crate::ring::RingMemory;
use crate::watch::SETTLE_US;

/// Most frames that a look at the ring finds: no more are lost with a process that is killed.
pub(super) const CLAIM: u32 = 32;

impl<D: Doorbell> RxQueue<D> {
    /// Notes that the frames a look has found are taken, before any of them is.
    #[inline(always)]
    pub(super) fn mark_taken(&self) {
        self.mark(self.used - self.staged);
    }

    /// Notes that the staged buffers are lent, before any of them is. Frames that a look has found
    /// and nobody has taken yet are as good as taken: nobody looks again before they are.
    #[inline(always)]
    pub(super) fn mark_lent(&mut self) {
        if self.staged as usize == self.ring.len() {
            self.lend_most();
        }
        self.mark(self.used);
    }

    /// Notes that of `lent` descriptors all are untaken but those a look has found.
    #[inline(always)]
    fn mark(&self, lent: u32) {
        let (next, len) = (self.head + self.ready, self.ring.len() as u32);
        let next = if next >= len { next - len } else { next };
        self.ring.mark(next, lent - self.ready);
    }

    /// Of a whole ring that is staged, lends all but the last one: so that a ring in which nothing
    /// is lent never looks like one in which all is filled.
    #[cold]
    fn lend_most(&mut self) {
        self.mark(self.used - 1);
        self.bell.publish();
        let mut at = self.head;
        for _ in 1..self.staged {
            self.lend(at);
            at = self.ring.next(at);
        }
        self.bell.publish();
        self.staged = 1;
    }

    fn lend(&self, at: u32) {
        let wrap = if self.ring.is_last(at) { RxFlags::W } else { RxFlags::empty() };
        self.ring.bd(at).set_control(Control::rx(EMPTY | wrap));
    }

    /// For a port that takes a running controller over: the ring in memory.
    pub(crate) fn memory(&self) -> &RingMemory {
        &self.ring
    }

    /// Takes over what is in the ring. `position` asks the hardware where it stands. Returns how
    /// many descriptors were filled and not taken.
    ///
    /// # Errors
    /// [`RingFault`]: the queue holds what was found until then.
    pub(crate) fn adopt(
        &mut self,
        pools: &[&Pool],
        position: &dyn Fn() -> Option<u32>,
        delay: &mut dyn DelayNs,
    ) -> Result<u32, RingFault> {
        self.ring.forget_questions();
        let (head, count) = self.ring.marked();
        let len = self.ring.len() as u32;
        // What is lent of a ring of 65,536 its mark cannot tell.
        if head >= len || count > len || len as usize > u16::MAX.into() {
            return Err(RingFault::Mark);
        }
        (self.head, self.tail) = (head, head);
        if count < len {
            self.pass_over_begun();
        }
        for _ in 0..count {
            let at = self.tail;
            let low = self.ring.bd(at).pointer();
            let buf = pools.iter().find_map(|pool| pool.claim(self.limits.window, low));
            let mut buf = buf.ok_or(RingFault::Buffer(at))?;
            // Where the device begins to write.
            buf.reset();
            if buf.bus_low() != low || buf.pool().size() < usize::from(self.limits.mrblr) {
                self.ring.slot(at).put(buf);
                (self.tail, self.used) = (self.ring.next(at), self.used + 1);
                return Err(RingFault::Buffer(at));
            }
            self.ring.slot(at).put(buf);
            (self.tail, self.used) = (self.ring.next(at), self.used + 1);
        }
        let filled = self.filled(position)?;
        for n in filled..count {
            self.lend_if_forgotten(n, position, delay)?;
        }
        self.bell.publish();
        match self.told {
            // The process may have lent these and not told.
            Some(ring) => _ = ring(self, 0),
            None => self.bell.ring(),
        }
        Ok(filled)
    }

    /// Of a frame in several buffers whose first ones the process has taken, the rest is no frame:
    /// it is counted as incomplete, as far as it can be told. Where the descriptor before the head
    /// is lent again it cannot; then the length tells, which is the whole frame's (HW 4.4).
    fn pass_over_begun(&mut self) {
        let before = self.ring.bd(self.ring.back(self.head, 1));
        let (owned, control) = (before.is_owned(), before.control());
        if !owned && control.len() != 0 && !control.rx_flags().contains(RxFlags::L) {
            self.counters.incomplete += 1;
            self.assembly.skip();
        }
    }

    /// How many descriptors from the head on the hardware has left behind.
    fn filled(&self, position: &dyn Fn() -> Option<u32>) -> Result<u32, RingFault> {
        let len = self.ring.len() as u32;
        let at = position().ok_or(RingFault::Position)?;
        let behind = self.ring.back(at, self.head);
        let whole = behind == 0 && self.used == len && !self.ring.bd(self.head).is_owned();
        let filled = if whole { len } else { behind };
        if filled > self.used { Err(RingFault::Position) } else { Ok(filled) }
    }

    /// Lends the `n`th descriptor from the head on, if the process has died before it did.
    fn lend_if_forgotten(
        &mut self,
        n: u32,
        position: &dyn Fn() -> Option<u32>,
        delay: &mut dyn DelayNs,
    ) -> Result<(), RingFault> {
        let len = self.ring.len() as u32;
        let at = (self.head + n) % len;
        if self.ring.bd(at).is_owned() {
            return Ok(());
        }
        // The device may have closed it just now; then it goes on in a moment.
        delay.delay_us(SETTLE_US);
        if self.filled(position)? > n {
            return Ok(());
        }
        self.lend(at);
        Ok(())
    }
}
