//! Receiving by the burst: the same as one call a frame, for fewer instructions.
//!
//! Between two frames of a burst, what the queue knows is in CPU registers; it is put back when the
//! burst is over. While one is not, the queue holds no more than is true in any case: whoever makes
//! a burst forget to end loses buffers, and nothing else.

use core::fmt;

use super::{RxMeta, RxQueue};
use crate::buf::Buf;
use crate::bus::Doorbell;
use crate::fcb::RxFcb;
use crate::ring::Walk;
use crate::tx::Refused;

/// The frames that have arrived, as [`RxQueue::arrived`] gives them.
///
/// It ends when no further frame is complete; asked again it looks again. What was not taken is
/// still there afterwards.
#[must_use = "frames are taken one by one"]
pub struct Arrived<'a, D: Doorbell> {
    queue: &'a mut RxQueue<D>,
    walk: Walk,
    /// How long the walk was at its start.
    length: u32,
    /// Bytes of the frames taken.
    bytes: u32,
    /// As in the queue's limits.
    cut: u32,
    /// As in the queue's limits; 0 while a frame in several buffers is being put together.
    most: u32,
}

impl<D: Doorbell> RxQueue<D> {
    /// The frames that have arrived: the same as [`RxQueue::next`] again and again.
    #[inline(always)]
    pub fn arrived(&mut self) -> Arrived<'_, D> {
        let walk = self.ring.walk(self.head, 0);
        let (cut, left_over) = (self.limits.cut, self.ready != 0);
        let mut arrived = Arrived { queue: self, walk, length: 0, bytes: 0, cut, most: 0 };
        if left_over {
            arrived.begin();
        }
        arrived
    }

    /// Fills the ring by the burst: the same as [`RxQueue::refill`] again and again.
    #[inline(always)]
    pub fn refiller(&mut self) -> Refiller<'_, D> {
        let walk = self.ring.walk(self.tail, self.space() as u32);
        Refiller { length: walk.left(), walk, known: self.known, queue: self }
    }

    /// Ends a walk of `length` places of which `left` were not taken.
    #[inline(never)]
    fn end_arrived(&mut self, length: u32, left: u32, bytes: u32) {
        self.head = self.ring.back(self.head, left);
        self.used += left;
        self.ready = left;
        self.counters.frames += u64::from(length - left);
        self.counters.bytes += u64::from(bytes);
    }

    /// Takes the descriptor at the head, which begins or goes on with a frame in several buffers,
    /// or a broken one.
    #[inline(never)]
    fn take_piece(&mut self) {
        let (buf, control) = self.pop();
        self.assemble(buf.pack(), control.rx_flags(), control.len());
    }

    /// Ends a walk in which `count` places were filled.
    #[inline(never)]
    fn end_refill(&mut self, count: u32) {
        let tail = self.tail + count;
        self.tail = if tail as usize == self.ring.len() { 0 } else { tail };
        self.used += count;
        self.staged += count;
    }
}

impl<D: Doorbell> Arrived<'_, D> {
    /// Begins a walk along the descriptors that are known to be filled.
    #[inline(always)]
    fn begin(&mut self) {
        let queue = &mut *self.queue;
        let ready = queue.ready;
        self.walk = queue.ring.walk(queue.head, ready);
        self.length = ready;
        // For the time being all of them are taken.
        let head = queue.head + ready;
        queue.head = if head as usize == queue.ring.len() { 0 } else { head };
        queue.used -= ready;
        queue.ready = 0;
        self.most = if queue.assembly.is_idle() { queue.limits.most } else { 0 };
    }

    #[inline(always)]
    fn end(&mut self) {
        if self.length == 0 {
            return;
        }
        self.queue.end_arrived(self.length, self.walk.left(), self.bytes);
        // Nothing is left to be put back a second time.
        self.walk.end();
        (self.length, self.bytes) = (0, 0);
    }
}

impl<D: Doorbell> Iterator for Arrived<'_, D> {
    type Item = (Buf, RxMeta);

    #[inline(always)]
    fn next(&mut self) -> Option<(Buf, RxMeta)> {
        loop {
            if self.walk.left() == 0 {
                self.end();
                if !self.queue.scan() {
                    return None;
                }
                self.begin();
            }
            let control = self.walk.bd().control();
            let len = control.len();
            // One comparison for both ends: what is too short wraps to a large number.
            let payload = u32::from(len).wrapping_sub(self.cut);
            if self.queue.limits.is_whole(control) && payload.wrapping_sub(1) < self.most {
                // SAFETY: the walk is along descriptors that have been filled, whose slots hold
                // buffers, and each is taken once.
                let mut buf = unsafe { self.walk.slot().take() };
                self.walk.step();
                let block = RxFcb::new(buf.front());
                let meta = self.queue.limits.meta(block, control.rx_flags());
                buf.describe_behind(self.queue.limits.place, payload);
                self.bytes += payload;
                return Some((buf, meta));
            }
            self.end();
            self.queue.take_piece();
            self.begin();
            if let Some(frame) = self.queue.take_assembled() {
                return Some(frame);
            }
        }
    }
}

impl<D: Doorbell> Drop for Arrived<'_, D> {
    #[inline(always)]
    fn drop(&mut self) {
        self.end();
    }
}

/// Puts buffers into a receive ring, as [`RxQueue::refiller`] makes it.
#[must_use = "a ring is filled buffer by buffer"]
pub struct Refiller<'a, D: Doorbell> {
    queue: &'a mut RxQueue<D>,
    walk: Walk,
    length: u32,
    /// As in the queue.
    known: u32,
}

impl<D: Doorbell> Refiller<'_, D> {
    /// As [`RxQueue::refill`].
    ///
    /// # Errors
    /// As [`RxQueue::refill`].
    #[inline(always)]
    pub fn refill(&mut self, buf: Buf) -> Result<(), Refused> {
        if buf.is_chain() || self.walk.left() == 0 || self.known != buf.pool().kind() {
            self.end();
            let refilled = self.queue.refill_slowly(buf.pack());
            self.begin();
            return refilled;
        }
        let buf = buf.emptied();
        self.walk.bd().set_pointer(buf.bus_low());
        self.walk.slot().put(buf);
        self.walk.step();
        Ok(())
    }

    /// As [`RxQueue::commit`].
    #[inline(always)]
    pub fn commit(mut self) -> usize {
        self.end();
        self.queue.commit()
    }

    #[inline(always)]
    fn begin(&mut self) {
        let queue = &mut *self.queue;
        self.walk = queue.ring.walk(queue.tail, queue.space() as u32);
        self.length = self.walk.left();
        self.known = queue.known;
    }

    #[inline(always)]
    fn end(&mut self) {
        if self.length == 0 {
            return;
        }
        self.queue.end_refill(self.length - self.walk.left());
        self.walk.end();
        self.length = 0;
    }
}

impl<D: Doorbell> Drop for Refiller<'_, D> {
    #[inline(always)]
    fn drop(&mut self) {
        self.end();
    }
}

impl<D: Doorbell> fmt::Debug for Arrived<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrived").field("known", &self.walk.left()).finish_non_exhaustive()
    }
}

impl<D: Doorbell> fmt::Debug for Refiller<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refiller").field("queue", &self.queue).finish_non_exhaustive()
    }
}
