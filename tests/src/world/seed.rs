//! From a seed to a script: which worlds there are, and how often what happens in them.

use etsec_sim::cable::Side;
use etsec_sim::random::Random;
use etsec_sim::{Fault, Line, Switches, WireSpeed};

use super::script::{Harm, Odd, Scribble, Script, Setup, Step, Then, What};
use crate::readings::{LASTING, OF_A_FRAME, OF_A_STATUS, SWITCHES};

/// Rounds of a run, and steps of a round, at most.
const ROUNDS: u64 = 3;
const STEPS: u64 = 90;

const LINES: [Line; 3] = [Line::Tx, Line::Rx, Line::Err];

/// The script of a seed.
#[must_use]
pub fn script(seed: u64) -> Script {
    let mut random = Random::new(seed);
    let setup = setup(&mut random, seed);
    let mut steps = Vec::new();
    for _ in 0..1 + random.below(ROUNDS) {
        let trouble = random.below(4);
        for _ in 0..10 + random.below(STEPS) {
            steps.push(step(&mut random, trouble));
        }
        let calm = Step { gap_ns: 0, at: Side::A, what: What::Calm };
        steps.push(calm);
    }
    Script { setup, steps }
}

fn setup(random: &mut Random, seed: u64) -> Setup {
    let lengths = |random: &mut Random| {
        (0..1 + random.below(3)).map(|_| 4 + random.below(6) as usize).collect::<Vec<_>>()
    };
    let half = |random: &mut Random| random.chance(500_000);
    let seldom = |random: &mut Random| random.chance(300_000);
    let switches = switches(random);
    Setup {
        seed,
        switches,
        wire: if half(random) { WireSpeed::Link } else { WireSpeed::Instant },
        weak: half(random),
        rx: lengths(random),
        tx: lengths(random),
        buffer_size: one(random, &[128, 192, 512]),
        spare: 8 + random.below(16) as usize,
        delay_ns: random.below(4) * 700,
        stranger: random.chance(300_000),
        coalesced: if seldom(random) { 1 + random.below(6) as u32 } else { 0 },
    }
}

/// Each reading of the manual by chance.
fn switches(random: &mut Random) -> Switches {
    let mut switches = Switches::default();
    SWITCHES.iter().for_each(|switch| *switch(&mut switches) = random.chance(200_000));
    // A frame that QEMU's model keeps damages others later (HW 15.3), and nobody in these worlds
    // tests a receiver that may be deaf (HW 14).
    Switches { qemu: false, nmg129: false, ..switches }
}

/// A fault that strikes once, or a few times.
fn strike(random: &mut Random) -> Fault {
    let all = OF_A_FRAME.into_iter().chain(OF_A_STATUS).chain([Fault::Parity]);
    one(random, &all.collect::<Vec<_>>())
}

fn one<T: Copy>(random: &mut Random, all: &[T]) -> T {
    all[random.below(all.len() as u64) as usize]
}

fn step(random: &mut Random, trouble: u64) -> Step {
    let gap_ns = match random.below(10) {
        0..4 => 0,
        4..7 => random.below(2_000),
        7..9 => random.below(40_000),
        _ => random.below(3_000_000),
    };
    let at = if random.chance(500_000) { Side::A } else { Side::B };
    // The share of faults among the steps, from none to a lot.
    let faulty = random.below(100) < [0, 5, 15, 35][trouble as usize];
    let what = if faulty { fault(random) } else { operation(random) };
    Step { gap_ns, at, what }
}

fn operation(random: &mut Random) -> What {
    let ring = random.below(4) as usize;
    let few = 1 + random.below(6) as usize;
    let most = if random.chance(500_000) { usize::MAX } else { few };
    let burst = random.chance(500_000);
    let line = one(random, &LINES);
    match random.below(100) {
        0..26 => {
            let len = 18 + random.below(300) as usize;
            What::Send { ring, frames: few, len, burst, commit: random.chance(850_000) }
        }
        26..31 => What::Commit { ring },
        31..43 => What::Reap { ring, most, burst },
        43..63 => {
            let then = [Then::Drop, Then::Keep, Then::Refill, Then::Forward];
            What::Receive { ring, most, burst, then: one(random, &then) }
        }
        63..71 => What::Fill { ring, burst },
        71..73 => What::Hoard { buffers: 1 + random.below(30) as usize },
        73..77 => What::Release,
        77..88 => What::Wake(line),
        88..95 => What::Tick,
        95..97 => What::Reset,
        97 => one(random, &[What::Filter, What::Coalesce(0), What::Coalesce(3)]),
        98 => What::Link(one(random, &[10, 100, 1000])),
        _ => What::Restart { drain: random.chance(500_000) },
    }
}

fn fault(random: &mut Random) -> What {
    let line = one(random, &LINES);
    let times = 1 + random.below(3) as u32;
    match random.below(100) {
        0..34 => What::Inject(strike(random), times),
        34..42 => What::Inject(one(random, &LASTING), 1),
        42..52 => What::Mend(one(random, &LASTING)),
        52..56 => What::Die(random.below(60) as u32),
        // Anywhere in a start.
        56..57 => What::Die(random.below(600) as u32),
        57..62 => What::Revive,
        62..65 => What::Unplug,
        65..69 => What::Plug,
        69..79 => {
            let harms = [Harm::Lose, Harm::Corrupt, Harm::Double, Harm::Hold];
            What::Cable(one(random, &harms), times)
        }
        79..84 => What::Spurious(line),
        84..89 => What::Overslept(line),
        89..95 => {
            let odd = [Odd::Runt, Odd::Giant, Odd::BadFcs, Odd::Foreign, Odd::Dribble];
            What::Stray(one(random, &odd))
        }
        _ => What::Scribble {
            receive: random.chance(500_000),
            ring: random.below(4) as usize,
            bd: random.below(9) as usize,
            what: match random.below(3) {
                0 => Scribble::Taken,
                _ => Scribble::Closed(random.next() as u32),
            },
        },
    }
}
