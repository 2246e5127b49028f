//! From a seed to a script: which worlds there are, and how often what happens in them.

use etsec_sim::cable::Side;
use etsec_sim::random::Random;
use etsec_sim::{Fault, Line, Switches, WireSpeed};

use super::script::{Harm, Odd, Scribble, Script, Setup, Step, Then, What};

/// Rounds of a run, and steps of a round, at most.
const ROUNDS: u64 = 3;
const STEPS: u64 = 90;

/// Faults that strike once, or a few times.
const STRIKES: [Fault; 16] = [
    Fault::LateCollision,
    Fault::RetryLimit,
    Fault::Underrun,
    Fault::TxDescriptorBusError,
    Fault::TxDataBusError,
    Fault::RxDescriptorBusError,
    Fault::RxDataBusError,
    Fault::Overrun,
    Fault::CrcError,
    Fault::Alignment,
    Fault::Parity,
    Fault::TxStatusLate,
    Fault::RxStatusLate,
    Fault::TxStatusLate,
    Fault::TxStatusLost,
    Fault::RxStatusLost,
];

/// Faults that last.
const LASTING: [Fault; 4] =
    [Fault::TxHang, Fault::GrsNeverCompletes, Fault::GtsNeverCompletes, Fault::BusDead];

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
    let seldom = |random: &mut Random| random.chance(200_000);
    let switches = Switches {
        halt_all: seldom(random),
        prefetch: seldom(random),
        a002: seldom(random),
        toe_stays: seldom(random),
        bus_error_recurs: seldom(random),
        etsec74: seldom(random),
        fgpi_on_rx: seldom(random),
        reset_spoils_filer: seldom(random),
        nmg129: false,
        ..Switches::default()
    };
    Setup {
        seed,
        switches,
        wire: if half(random) { WireSpeed::Link } else { WireSpeed::Instant },
        weak: half(random),
        rx: lengths(random),
        tx: lengths(random),
        buffer_size: [128, 192, 512][random.below(3) as usize],
        spare: 8 + random.below(16) as usize,
        delay_ns: random.below(4) * 700,
        stranger: random.chance(300_000),
    }
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
    let line = LINES[random.below(3) as usize];
    match random.below(100) {
        0..26 => {
            let len = 18 + random.below(300) as usize;
            What::Send { ring, frames: few, len, burst, commit: random.chance(850_000) }
        }
        26..31 => What::Commit { ring },
        31..43 => What::Reap { ring, most, burst },
        43..63 => {
            let then = [Then::Drop, Then::Keep, Then::Refill, Then::Forward];
            What::Receive { ring, most, burst, then: then[random.below(4) as usize] }
        }
        63..71 => What::Fill { ring, burst },
        71..73 => What::Hoard { buffers: 1 + random.below(30) as usize },
        73..77 => What::Release,
        77..88 => What::Wake(line),
        88..95 => What::Tick,
        95..97 => What::Reset,
        97..98 => What::Filter,
        98..99 => What::Link([10, 100, 1000][random.below(3) as usize]),
        _ => What::Restart { drain: random.chance(500_000) },
    }
}

fn fault(random: &mut Random) -> What {
    let line = LINES[random.below(3) as usize];
    let times = 1 + random.below(3) as u32;
    match random.below(100) {
        0..34 => What::Inject(STRIKES[random.below(STRIKES.len() as u64) as usize], times),
        34..42 => What::Inject(LASTING[random.below(4) as usize], 1),
        42..52 => What::Mend(LASTING[random.below(4) as usize]),
        52..56 => What::Die(random.below(60) as u32),
        // Anywhere in a start.
        56..57 => What::Die(random.below(600) as u32),
        57..62 => What::Revive,
        62..65 => What::Unplug,
        65..69 => What::Plug,
        69..79 => {
            let harms = [Harm::Lose, Harm::Corrupt, Harm::Double, Harm::Hold];
            What::Cable(harms[random.below(4) as usize], times)
        }
        79..84 => What::Spurious(line),
        84..89 => What::Overslept(line),
        89..95 => {
            let odd = [Odd::Runt, Odd::Giant, Odd::BadFcs, Odd::Foreign, Odd::Dribble];
            What::Stray(odd[random.below(5) as usize])
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
