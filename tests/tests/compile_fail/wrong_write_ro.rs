//! A register that only says something takes no writes.

use etsec_core::Bus;
use etsec_core::regs::Writeable;
use etsec_core::regs::control::TSEC_ID;

pub fn rename<B: Bus>(bus: &B) {
    TSEC_ID.on(bus).set(0);
}

fn main() {}
