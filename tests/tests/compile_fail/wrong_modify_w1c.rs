//! Writing back what was read would acknowledge every event that is set (HW 3.2).

use etsec_core::regs::control::IEVENT;
use etsec_core::{Bus, Event};

pub fn acknowledge<B: Bus>(bus: &B) {
    IEVENT.on(bus).assign(Event::BSY);
}

fn main() {}
