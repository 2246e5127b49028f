//! What a receive queue does more under lossless flow control: it says up to where descriptors are
//! empty, so that the controller can hold the partner back in time (HW 11.2).

use super::RxQueue;
use crate::bus::Doorbell;
use crate::ring::RingMemory;

impl<D: Doorbell> RxQueue<D> {
    /// Whether each commit tells the last empty descriptor from now on.
    pub(crate) fn set_lossless(&mut self, on: bool) {
        self.told = if on { Some(ring_and_tell) } else { None };
    }

    pub(crate) fn bell_mut(&mut self) -> &mut D {
        &mut self.bell
    }

    /// For the options of a port: the ring in memory.
    pub(crate) fn ring(&self) -> &RingMemory {
        &self.ring
    }
}

/// Tells the descriptor last made empty and rings the bell: in this order, so that the position of
/// a halted ring stands still meanwhile.
///
/// A descriptor that may be the one the hardware stands at is not told: that would mean that the
/// whole ring is empty (HW 11.2). The hardware stands there only if it has filled the one before;
/// then the next commit tells.
fn ring_and_tell<D: Doorbell>(queue: &RxQueue<D>, count: usize) -> usize {
    let before = queue.ring.back(queue.tail, 2);
    if queue.ring.bd(before).is_owned() {
        queue.bell.last_free(queue.ring.bd_bus(queue.ring.back(queue.tail, 1)));
    }
    queue.bell.ring();
    count
}
