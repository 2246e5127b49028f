//! Transmitting by the burst: the same as one call a frame, for fewer instructions.
//!
//! As with receive bursts, what the queue knows is in CPU registers between two frames, and the
//! queue meanwhile holds no more than is true in any case.

use core::fmt;

use super::offload::Near;
use super::{Refused, TxLimits, TxQueue};
use crate::bd::{Control, TxFlags};
use crate::buf::Buf;
use crate::bus::Doorbell;
use crate::ring::Walk;

/// Stages frames, as [`TxQueue::stager`] makes it.
#[must_use = "frames are staged one by one"]
pub struct Stager<'a, D: Doorbell> {
    pub(super) queue: &'a mut TxQueue<D>,
    /// Along free descriptors, up to the ring's last one, which is described with more care.
    pub(super) walk: Walk,
    length: u32,
    /// As in the queue's limits.
    frame: u32,
    pub(super) window: u32,
    pub(super) near: Near,
}

/// Frames that were sent, as [`TxQueue::sent`] gives them.
///
/// It ends at the first one that the device has not finished with. If it is never dropped (see
/// [`core::mem::forget`]) the queue, which then cannot tell what was reaped, takes no frame until
/// it was drained, and the buffers of that burst are lost to their pool.
#[must_use = "frames are reaped one by one"]
pub struct Sent<'a, D: Doorbell> {
    queue: &'a mut TxQueue<D>,
    walk: Walk,
    length: u32,
    /// Bytes of the frames reaped.
    bytes: u32,
    /// The queue's state at the start of the walk.
    head: u32,
    sent: u32,
    capacity: u32,
}

impl<D: Doorbell> TxQueue<D> {
    /// Stages frames by the burst: the same as [`TxQueue::stage`] again and again.
    #[inline(always)]
    pub fn stager(&mut self) -> Stager<'_, D> {
        let TxLimits { frame, window } = self.limits;
        let walk = self.free();
        let near = self.offload.near;
        Stager { length: walk.left(), walk, frame, window, near, queue: self }
    }

    /// The frames that were sent: the same as [`TxQueue::reap`] again and again.
    #[inline(always)]
    pub fn sent(&mut self) -> Sent<'_, D> {
        let walk = self.ring.walk(self.head, 0);
        let mut sent =
            Sent { queue: self, walk, length: 0, bytes: 0, head: 0, sent: 0, capacity: 0 };
        sent.begin();
        sent
    }

    /// A walk along the free descriptors up to the ring's last one.
    #[inline(always)]
    fn free(&self) -> Walk {
        let before_last = self.ring.len() as u32 - 1 - self.tail;
        self.ring.walk(self.tail, before_last.min(self.space() as u32))
    }

    /// Ends a walk in which `count` frames were staged.
    #[inline(never)]
    fn end_stage(&mut self, count: u32) {
        // At most up to the ring's last descriptor.
        self.tail += count;
        self.staged += count;
    }

    /// Ends a walk that began at `head` with `sent` frames of which `count` were reaped.
    #[inline(never)]
    fn end_sent(&mut self, head: u32, sent: u32, count: u32, bytes: u32) {
        let head = head + count;
        self.head = if head as usize == self.ring.len() { 0 } else { head };
        self.sent = sent - count;
        self.counters.frames += u64::from(count);
        self.counters.bytes += u64::from(bytes);
    }
}

impl<D: Doorbell> Stager<'_, D> {
    /// As [`TxQueue::stage`].
    ///
    /// # Errors
    /// As [`TxQueue::stage`].
    #[inline(always)]
    pub fn stage(&mut self, buf: Buf) -> Result<(), Refused> {
        // One comparison for both ends of the length: 0 wraps to the largest number.
        let fits = (buf.len() as u32).wrapping_sub(1) < self.frame;
        let room = self.walk.left() != 0;
        if buf.is_chain() || !fits || !room || buf.pool().window() != self.window {
            self.end();
            let staged = self.queue.stage_slowly(buf.pack());
            self.begin();
            return staged;
        }
        let bd = self.walk.bd();
        bd.set_pointer(buf.bus_low());
        bd.set_control(Control::tx(TxFlags::L, buf.len() as u16));
        self.walk.slot().put(buf);
        self.walk.step();
        Ok(())
    }

    /// As [`TxQueue::space`].
    #[inline(always)]
    #[must_use]
    pub fn space(&self) -> usize {
        self.queue.space() - (self.length - self.walk.left()) as usize
    }

    /// As [`TxQueue::commit`].
    #[inline(always)]
    pub fn commit(mut self) -> usize {
        self.end();
        self.queue.commit()
    }

    #[inline(always)]
    pub(super) fn begin(&mut self) {
        self.walk = self.queue.free();
        self.length = self.walk.left();
        self.near = self.queue.offload.near;
    }

    #[inline(always)]
    pub(super) fn end(&mut self) {
        if self.length == 0 {
            return;
        }
        self.queue.end_stage(self.length - self.walk.left());
        // Nothing is left to be put back a second time.
        self.walk.end();
        self.length = 0;
    }
}

impl<D: Doorbell> Drop for Stager<'_, D> {
    #[inline(always)]
    fn drop(&mut self) {
        self.end();
    }
}

impl<D: Doorbell> Sent<'_, D> {
    #[inline(always)]
    fn begin(&mut self) {
        let queue = &mut *self.queue;
        (self.head, self.sent, self.capacity) = (queue.head, queue.sent, queue.capacity);
        self.walk = queue.ring.walk(self.head, self.sent);
        self.length = self.walk.left();
        // For the time being all of them are reaped, and none of their descriptors is free.
        queue.head = queue.ring.back(queue.tail, queue.staged);
        queue.sent = 0;
        queue.capacity = 0;
    }

    #[inline(always)]
    fn end(&mut self) {
        let count = self.length - self.walk.left();
        self.queue.end_sent(self.head, self.sent, count, self.bytes);
        self.queue.capacity = self.capacity;
        self.walk.end();
        (self.head, self.sent) = (self.queue.head, self.queue.sent);
        (self.length, self.bytes) = (0, 0);
    }
}

impl<D: Doorbell> Iterator for Sent<'_, D> {
    type Item = Buf;

    #[inline(always)]
    fn next(&mut self) -> Option<Buf> {
        if self.walk.left() == 0 {
            if self.length == self.sent {
                return None;
            }
            // There are more at the ring's start.
            self.end();
            self.begin();
        }
        let slot = self.walk.slot();
        // SAFETY: the walk is along frames that were sent, each from its first descriptor on, whose
        // slot holds it.
        let (has_more, len) = unsafe { (slot.has_more(), slot.len()) };
        // No barrier: see `TxQueue::reap`.
        if !has_more && self.walk.bd().is_sent(self.queue.unsent) {
            self.bytes += len;
            self.walk.step();
        } else {
            self.end();
            let finished = self.queue.finish_slowly();
            self.begin();
            if !finished {
                return None;
            }
        }
        // SAFETY: as above; the walk has gone on.
        Some(unsafe { slot.take() })
    }
}

impl<D: Doorbell> Drop for Sent<'_, D> {
    #[inline(always)]
    fn drop(&mut self) {
        self.end();
    }
}

impl<D: Doorbell> fmt::Debug for Stager<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stager").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl<D: Doorbell> fmt::Debug for Sent<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent").field("left", &self.walk.left()).finish_non_exhaustive()
    }
}
