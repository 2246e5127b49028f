//! A transmit queue: stage frames, commit the burst, reap what was sent (HW 4.2, 4.4, 8.5).
//!
//! It moves buffers and rings a [`Doorbell`]; it reads no register and knows no controller.

#[cfg(feature = "adopt")]
mod adopt;
mod burst;
mod counters;
mod offload;
mod refused;
mod special;
mod stamp;

use core::fmt;
use core::mem::ManuallyDrop;

pub use self::burst::{Sent, Stager};
pub use self::counters::TxCounters;
pub(crate) use self::offload::{ANYWHERE, OWN_PREAMBLES, Offload, SUMMED};
pub use self::refused::{Reason, Refused};
use crate::bd::{Bd, Control, TxFlags, Unsent};
use crate::buf::{Buf, MAX_CHAIN, Packed};
use crate::bus::Doorbell;
use crate::ring::RingMemory;

/// What of the port a queue must know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TxLimits {
    /// Longest frame without FCS.
    pub frame: u32,
    /// The 4 GiB window of all transmit buffers.
    pub window: u32,
}

/// One of a controller's transmit rings.
///
/// Descriptors `[head, tail)` hold buffers: `sent` of them the device was told of, then `staged`
/// that are prepared.
pub struct TxQueue<D: Doorbell> {
    ring: RingMemory,
    bell: D,
    head: u32,
    tail: u32,
    sent: u32,
    staged: u32,
    /// Staged descriptors that are not the first of their frame.
    staged_more: u32,
    /// How many descriptors may be in use: all of them, or none from a burst's reaping on until it
    /// has ended.
    capacity: u32,
    limits: TxLimits,
    offload: Offload,
    /// Whether frames may ask for a time stamp.
    stamps: bool,
    /// What of a closed descriptor asks for a closer look.
    unsent: Unsent,
    number: u8,
    counters: TxCounters,
}

impl<D: Doorbell> TxQueue<D> {
    pub(crate) fn new(
        ring: RingMemory,
        bell: D,
        number: u8,
        limits: TxLimits,
        offload: Offload,
    ) -> Self {
        TxQueue {
            capacity: ring.len() as u32,
            ring,
            bell,
            head: 0,
            tail: 0,
            sent: 0,
            staged: 0,
            staged_more: 0,
            limits,
            offload,
            stamps: false,
            unsent: Unsent::USUAL,
            number,
            counters: TxCounters::default(),
        }
    }

    /// Takes a frame, to be sent with the next [`TxQueue::commit`]. All of it is staged or nothing.
    ///
    /// # Errors
    /// The frame, with [`Reason::Full`], [`Reason::Empty`], [`Reason::TooLong`] or
    /// [`Reason::Window`].
    #[inline]
    pub fn stage(&mut self, buf: Buf) -> Result<(), Refused> {
        // One comparison for both ends of the length: 0 wraps to the largest number.
        let fits = (buf.len() as u32).wrapping_sub(1) < self.limits.frame;
        let room = self.staged + self.sent < self.capacity && !self.ring.is_last(self.tail);
        if buf.is_chain() || !fits || !room || buf.pool().window() != self.limits.window {
            return self.stage_slowly(buf.pack());
        }
        let bd = self.ring.bd(self.tail);
        let (mut flags, mut len) = (TxFlags::L, buf.len() as u16);
        if mutant!("tx-stale-flags") {
            flags |= bd.control().tx_flags() & TxFlags::ERRORS;
        }
        if mutant!("tx-stale-length") && bd.control().len() != 0 {
            len = bd.control().len();
        }
        bd.set_pointer(buf.bus_low());
        bd.set_control(Control::tx(flags, len));
        self.ring.slot(self.tail).put(buf);
        self.tail += 1;
        self.staged += 1;
        Ok(())
    }

    /// Hands all staged frames to the device: one register write. Returns how many there were.
    #[inline]
    pub fn commit(&mut self) -> usize {
        if self.staged == 0 {
            return 0;
        }
        #[cfg(feature = "adopt")]
        self.mark_staged();
        // Pointers, lengths and the frames' bytes before any R.
        if !mutant!("tx-publish-before-ready") {
            self.bell.publish();
        }
        if mutant!("tx-doorbell-before-ready") {
            self.bell.ring();
        }
        if MAX_CHAIN > 1 && self.staged_more != 0 {
            return self.commit_chains();
        }
        let (first, second) = self.asking();
        second.iter().rev().for_each(Bd::give);
        first.iter().rev().for_each(Bd::give);
        self.tell()
    }

    /// As [`TxQueue::commit`], where a frame has several descriptors: the very first R is set only
    /// when all others are seen to be (HW 4.4), for a device that is under way needs no bell.
    #[cold]
    #[inline(never)]
    fn commit_chains(&mut self) -> usize {
        let (first, second) = self.asking();
        second.iter().rev().for_each(Bd::give);
        if let Some((very_first, others)) = first.split_first() {
            others.iter().rev().for_each(Bd::give);
            self.bell.publish();
            very_first.give();
        }
        self.tell()
    }

    /// What is staged, of which the last descriptor asks for an interrupt from here on.
    ///
    /// It is given from the last back to the first, so that the device, which stops at the first
    /// that is not ready, never meets a frame without its end (HW 4.4).
    #[inline(always)]
    fn asking(&self) -> (&[Bd], &[Bd]) {
        let (first, second) = self.ring.runs(self.ring.back(self.tail, self.staged), self.staged);
        let last = if second.is_empty() { first.last() } else { second.last() };
        if let Some(last) = last
            && !mutant!("tx-no-interrupt")
        {
            last.ask();
        }
        (first, second)
    }

    /// Tells the device of what it was given, and how many frames it was.
    #[inline(always)]
    fn tell(&mut self) -> usize {
        if !mutant!("tx-publish-before-doorbell") {
            self.bell.publish();
        }
        if !mutant!("tx-doorbell-before-ready") {
            self.bell.ring();
        }
        let frames = self.staged - self.staged_more;
        self.sent += self.staged;
        self.staged = 0;
        self.staged_more = 0;
        frames as usize
    }

    /// Takes back the oldest frame the device has finished with, sent or failed; `None` if there is
    /// none.
    ///
    /// Its contents are as they were. Drop it, or use it again: for a receive ring, say.
    #[inline]
    pub fn reap(&mut self) -> Option<Buf> {
        if self.sent == 0 {
            return None;
        }
        let slot = self.ring.slot(self.head);
        // SAFETY: `sent` is not 0, so the slot at `head` is filled.
        let (has_more, len) = unsafe { (slot.has_more(), slot.len()) };
        // No barrier: the buffer is only written from here on, and no store goes ahead of the load
        // that allows it.
        if !has_more && self.ring.bd(self.head).is_sent(self.unsent) {
            self.counters.frames += 1;
            self.counters.bytes += u64::from(len);
            self.pass(self.head, 1);
        } else if !self.finish_slowly() {
            return None;
        }
        let slot = match mutant!("tx-reap-order") {
            true => self.ring.slot(self.ring.back(self.tail, 1)),
            false => slot,
        };
        // SAFETY: as above; the head has moved on.
        Some(unsafe { slot.take() })
    }

    /// Takes back any buffer, sent or not, once the device has stopped; `None` while it runs and
    /// when none is left.
    ///
    /// Go on to the end, or the device will wait, after the next start, at descriptors that are
    /// empty.
    pub fn drain(&mut self) -> Option<Buf> {
        // A start in another thread, meanwhile, would lend the device a buffer that is no longer
        // here.
        if !self.ring.hold() {
            return None;
        }
        let buf = self.take_out();
        self.ring.let_go();
        buf
    }

    /// As [`TxQueue::drain`], of a ring that is held.
    fn take_out(&mut self) -> Option<Buf> {
        if self.pending() == 0 {
            self.restart();
            return None;
        }
        self.forget_lesson();
        let slot = self.ring.slot(self.head);
        // SAFETY: the ring is not empty, so the slot at `head` is filled.
        let (apart, buf) = unsafe { (slot.clear_apart(), slot.take()) };
        let bds = buf.buffers() as u32 + u32::from(apart);
        for _ in 0..bds {
            self.ring.bd(self.head).clear(self.ring.is_last(self.head));
            self.head = self.ring.next(self.head);
        }
        // Staged frames are the youngest.
        if self.sent > 0 {
            self.sent -= bds;
        } else {
            self.staged -= bds;
            self.staged_more -= bds - 1;
        }
        Some(buf)
    }

    /// Begins anew, empty, at the hardware's position.
    fn restart(&mut self) {
        if self.capacity == 0 {
            // A burst was never ended. Nobody knows its frames any more: the device is not to send
            // them after the next start.
            (0..self.ring.len() as u32)
                .for_each(|at| self.ring.bd(at).clear(self.ring.is_last(at)));
            self.capacity = self.ring.len() as u32;
        }
        self.head = self.ring.position();
        self.tail = self.head;
    }

    pub(crate) fn bell_mut(&mut self) -> &mut D {
        &mut self.bell
    }

    /// For the options of a port: the ring in memory.
    pub(crate) fn ring(&self) -> &RingMemory {
        &self.ring
    }

    /// The ring's number at its controller.
    #[must_use]
    pub fn number(&self) -> usize {
        usize::from(self.number)
    }

    /// How many more buffers fit.
    #[inline]
    #[must_use]
    pub fn space(&self) -> usize {
        (self.capacity as usize).saturating_sub(self.pending())
    }

    /// How many buffers the ring holds, staged ones included.
    #[inline]
    #[must_use]
    pub fn pending(&self) -> usize {
        (self.sent + self.staged) as usize
    }

    /// Whether [`TxQueue::reap`] may give something back, by one look at memory: for who is about
    /// to sleep. Of a frame in several buffers the device may be through with the first one only.
    #[inline]
    #[must_use]
    pub fn has_sent(&self) -> bool {
        self.sent != 0 && !self.ring.bd(self.head).is_owned()
    }

    /// What the queue has done so far.
    #[must_use]
    pub fn counters(&self) -> &TxCounters {
        &self.counters
    }

    /// Writes the next descriptor. Every flag is written anew; only W is the ring's (HW 4.2).
    fn describe(&mut self, low: u32, len: u16, flags: TxFlags) {
        let wraps = self.ring.is_last(self.tail) && !mutant!("tx-wrap-lost");
        let wrap = if wraps { TxFlags::W } else { TxFlags::empty() };
        let bd = self.ring.bd(self.tail);
        bd.set_pointer(low);
        bd.set_control(Control::tx(flags | wrap, len));
        self.tail = self.ring.next(self.tail);
        self.staged += 1;
    }

    /// A chain, the ring's last descriptor, or a frame that cannot be taken.
    #[cold]
    #[inline(never)]
    fn stage_slowly(&mut self, buf: Packed) -> Result<(), Refused> {
        let buf = buf.unpack();
        if let Err(why) = self.check(&buf, 0) {
            return self.refuse(buf, why);
        }
        let slot = self.ring.slot(self.tail);
        self.describe_frame(&buf, 0);
        slot.put(buf);
        Ok(())
    }

    /// Describes a frame that fits, with `front` bytes of a control block right in front of it.
    ///
    /// The whole frame stays in the slot of its first descriptor; the others' slots stay empty.
    #[inline(always)]
    fn describe_frame(&mut self, frame: &Buf, front: u16) {
        let (mut part, mut front) = (frame, front);
        loop {
            let low = part.bus_low().wrapping_sub(front.into());
            let toe = if front == 0 { TxFlags::empty() } else { TxFlags::TOE };
            let next = part.next();
            let end = if next.is_none() { TxFlags::L } else { TxFlags::empty() };
            self.describe(low, part.len() as u16 + front, toe | end);
            let Some(next) = next else { return };
            self.staged_more += 1;
            (part, front) = (next, 0);
        }
    }

    /// Gives a frame back, and counts it.
    fn refuse(&mut self, buf: Buf, why: Reason) -> Result<(), Refused> {
        let full = why == Reason::Full;
        let count = if full { &mut self.counters.full } else { &mut self.counters.refused };
        *count += 1;
        Err(Refused { buf, why })
    }

    /// Whether a frame fits that takes `more` descriptors beside those of its buffers.
    #[inline(always)]
    fn check(&self, buf: &Buf, more: usize) -> Result<(), Reason> {
        let (mut room, mut left) = (self.space().saturating_sub(more), self.limits.frame as usize);
        let mut part = buf;
        loop {
            if room == 0 {
                return Err(Reason::Full);
            }
            if part.is_empty() {
                return Err(Reason::Empty);
            }
            if part.len() > left {
                return Err(Reason::TooLong);
            }
            if part.pool().window() != self.limits.window {
                return Err(Reason::Window);
            }
            let Some(next) = part.next() else { return Ok(()) };
            (room, left) = (room - 1, left - part.len());
            part = next;
        }
    }

    /// Leaves behind the frame at the head, which ends at `last`.
    #[inline(always)]
    fn pass(&mut self, last: u32, bds: u32) {
        self.head = self.ring.next(last);
        self.sent -= bds;
    }

    /// Leaves behind the chain or failed frame at the head, one of those that were sent, if the
    /// device has finished with it. Returns whether it has.
    #[cold]
    #[inline(never)]
    fn finish_slowly(&mut self) -> bool {
        debug_assert!(self.sent != 0);
        let slot = self.ring.slot(self.head);
        // SAFETY: both callers have seen that `sent` is not 0, so the slot at `head` is filled; the
        // frame stays there.
        let (apart, frame) = unsafe { (slot.clear_apart(), ManuallyDrop::new(slot.take())) };
        let bds = frame.buffers() as u32 + u32::from(apart);
        let last = (1..bds).fold(self.head, |at, _| self.ring.next(at));
        // A frame is done when its last descriptor is (HW 8.5), also when it failed before that.
        let mut flags = self.ring.bd(last).control().tx_flags();
        if flags.contains(TxFlags::R) {
            if apart {
                // SAFETY: it is still there.
                unsafe { slot.set_apart() };
            }
            return false;
        }
        if last == self.head {
            // Of a frame's first descriptor the bit of UN may be the frame's own TOE (HW 4.2).
            self.learn(flags);
            flags = self.unsent.of_these(flags);
        }
        if apart {
            // HW 12.4: a stamp is in memory before this descriptor is closed.
            self.bell.observe();
        }
        if flags.intersects(TxFlags::ERRORS) && !mutant!("tx-failed-is-sent") {
            self.count_error(flags);
        } else {
            self.counters.frames += 1;
            self.counters.bytes += frame.total_len() as u64;
        }
        if MAX_CHAIN > 1 {
            self.close_parts(last);
        }
        self.pass(last, bds);
        true
    }

    /// Takes R away from what of the frame at the head, which ends at `last`, still has it: its
    /// status was lost. Nobody else would, and the device is not to come upon it (HW 8.6).
    fn close_parts(&mut self, last: u32) {
        let mut at = self.head;
        while at != last {
            if self.ring.bd(at).is_owned() {
                self.ring.bd(at).clear(self.ring.is_last(at));
            }
            at = self.ring.next(at);
        }
    }

    #[cold]
    fn count_error(&mut self, flags: TxFlags) {
        let counters = &mut self.counters;
        let count = if flags.contains(TxFlags::UN) {
            &mut counters.underruns
        } else if flags.contains(TxFlags::LC) {
            &mut counters.late_collisions
        } else if flags.contains(TxFlags::RL) {
            &mut counters.retry_limits
        } else {
            &mut counters.truncated
        };
        *count += 1;
    }
}

impl<D: Doorbell> Drop for TxQueue<D> {
    fn drop(&mut self) {
        // While the device runs, its buffers stay where they are: lost to the pool, and never given
        // to anybody else.
        while self.drain().is_some() {}
    }
}

impl<D: Doorbell> fmt::Debug for TxQueue<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TxQueue")
            .field("number", &self.number)
            .field("len", &self.ring.len())
            .field("sent", &self.sent)
            .field("staged", &self.staged)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}
