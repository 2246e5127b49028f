//! Scripts of register accesses, stores, frames, faults and time against the model: whatever a
//! driver does, the model judges it and goes on.

use etsec_core::Bus;
use etsec_sim::{
    Fault, Fcs, Interface, Line, Sim, SimConfig, SimRegion, Switches, WireFrame, WireSpeed,
};

use super::input::Input;
use crate::readings::{LASTING, OF_A_FRAME, SWITCHES};

/// Bytes of memory: room for rings and some buffers.
const MEMORY: usize = 0x1_0000;
const STEPS: usize = 400;

/// Tries an input.
pub(super) fn target(data: &[u8]) {
    let mut input = Input(data);
    let sim = Sim::new(config(&mut input));
    let mut region = sim.region(MEMORY);
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        step(&sim, &mut region, &mut input);
        // All a driver does may be wrong; that it is told is what the sanitizer is for.
        sim.violations();
    }
    sim.violations();
}

fn config(input: &mut Input<'_>) -> SimConfig {
    let (plain, bits) = (SimConfig::default(), input.half());
    let bit = |n: u16| bits >> n & 1 == 1;
    let mut switches = Switches::default();
    for (n, switch) in (4..16).zip(SWITCHES) {
        *switch(&mut switches) = bit(n);
    }
    SimConfig {
        wire: if bit(0) { WireSpeed::Link } else { WireSpeed::Instant },
        sanitizer: !bit(1),
        etsec2: !bit(2),
        interface: if bit(3) { Interface::Sgmii } else { plain.interface },
        switches,
        ..plain
    }
}

fn step(sim: &Sim, region: &mut SimRegion, input: &mut Input<'_>) {
    match input.byte() % 12 {
        0..=3 => {
            let (at, value) = (input.half() & 0xFFC, input.word());
            sim.bus().write(at, value);
        }
        4 => drop(sim.bus().read(input.half())),
        5 => {
            let (at, value) = (input.half(), input.word());
            sim.second_bus().write(at, value);
            sim.mdio_bus().write(at, value);
        }
        6 => drop((sim.second_bus().read(input.half()), sim.mdio_bus().read(input.half()))),
        // Descriptors, mostly: words at multiples of 4, pointers into the memory.
        7 => {
            let at = usize::from(input.half() & 0xFFFC).min(MEMORY - 8);
            let word = input.word();
            let pointer = 0x1000_0000 | input.word() & 0x1_FFFF;
            sim.store(region, at, &word.to_be_bytes());
            sim.store(region, (at + 4).min(MEMORY - 4), &pointer.to_be_bytes());
            sim.bus().publish();
        }
        8 => {
            let (len, kind) = (usize::from(input.half() % 2048), input.byte());
            let mut frame = input.take(len).to_vec();
            frame.resize(len, kind);
            let fcs = if kind & 1 == 0 { Fcs::Right } else { Fcs::Given([kind; 4]) };
            let preamble = (kind & 8 != 0).then_some([kind; 8]);
            let (dribble, symbol_error) = (kind & 2 != 0, kind & 4 != 0);
            sim.receive_raw(WireFrame { data: frame, fcs, dribble, symbol_error, preamble });
        }
        9 => sim.advance(1u64 << (input.byte() % 28)),
        10 => {
            let mut all = OF_A_FRAME.into_iter().chain([Fault::Parity]).chain(LASTING);
            let fault = all.nth(usize::from(input.byte() % 16)).unwrap_or(Fault::MiiBusy);
            if input.byte() & 1 == 0 { sim.inject(fault) } else { sim.mend(fault) }
        }
        _ => {
            sim.set_link_up(input.byte() & 1 == 1);
            while sim.transmitted_raw().is_some() {}
            for line in [Line::Tx, Line::Rx, Line::Err] {
                std::hint::black_box((sim.line(line), sim.second_line(line)));
            }
        }
    }
}
