//! A queue has one owner: two would commit over each other.

use etsec_core::{Doorbell, TxQueue};

fn own<T: Clone>(_: T) {}

pub fn share<D: Doorbell>(tx: TxQueue<D>) {
    own(tx);
}

fn main() {}
