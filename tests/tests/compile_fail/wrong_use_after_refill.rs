//! A buffer given back is the ring's, and soon the device's.

use etsec_core::{Buf, Doorbell, RxQueue};

pub fn give_back<D: Doorbell>(rx: &mut RxQueue<D>, buf: Buf) -> usize {
    drop(rx.refill(buf));
    buf.len()
}

fn main() {}
