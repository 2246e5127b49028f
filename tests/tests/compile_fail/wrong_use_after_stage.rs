//! A staged buffer is the ring's, and soon the device's.

use etsec_core::{Buf, Doorbell, TxQueue};

pub fn send<D: Doorbell>(tx: &mut TxQueue<D>, mut buf: Buf) {
    drop(tx.stage(buf));
    buf.set_len(0);
}

fn main() {}
