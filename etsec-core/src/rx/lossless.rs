//! What a receive queue does more under lossless flow control: it says up to where descriptors are
//! empty, so that the controller can hold the partner back in time (HW 11.2).

use super::RxQueue;
use crate::bus::Doorbell;
use crate::ring::RingMemory;

impl<D: Doorbell> RxQueue<D> {
    /// Whether each commit tells the last empty descriptor from now on.
    pub(crate) fn set_lossless(&mut self, on: bool) {
        self.tell = if on { Some(tell_last_free) } else { None };
    }

    /// For the options of a port: the ring in memory.
    pub(crate) fn ring(&self) -> &RingMemory {
        &self.ring
    }
}

/// Tells the descriptor last made empty, unless it may be the one the hardware stands at: that
/// would mean that the whole ring is empty (HW 11.2). It stands there only if it has filled the one
/// before; then the next commit tells.
fn tell_last_free<D: Doorbell>(queue: &RxQueue<D>) {
    let before = queue.ring.back(queue.tail, 2);
    if queue.ring.bd(before).is_owned() {
        queue.bell.last_free(queue.ring.bd_bus(queue.ring.back(queue.tail, 1)));
    }
}
