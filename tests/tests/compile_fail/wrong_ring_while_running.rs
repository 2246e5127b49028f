//! Queues are made from a stopped port: rings do not change under a running device (HW 3.21).

use etsec_core::{Bus, RingMemory, Running};

pub fn add<B: Bus + Clone>(port: &mut Running<B>, ring: RingMemory) {
    let _ = port.add_tx(0, ring);
}

fn main() {}
