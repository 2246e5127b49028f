//! How many 64-byte frames a second the driver and the model move on this machine: each is sent,
//! looped back inside the MAC (HW 3.16, Loop_Back), and received again. The sanitizer is on.
//!
//! Prints one number. It measures the simulator, not the driver: see `cargo xtask bench`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use etsec_core::Config;
use etsec_tests::rig::{Live, Plan, Rig, STATION, config, frame};

/// Frames under way at a time.
const BURST: usize = 32;
/// A frame's bytes without FCS.
const FRAME_BYTES: usize = 60;
const RING: usize = 256;
/// Rounds between two looks at the clock.
const ROUNDS: usize = 256;
const MEASURE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let plan = Plan {
        config: Config { loopback: true, ..config() },
        rx: vec![RING],
        tx: vec![RING],
        buffers: 2 * RING,
        ..Plan::default()
    };
    let mut live = Rig::new(&plan).start();
    for n in 0..BURST {
        let bytes = frame(STATION, STATION, FRAME_BYTES, n as u8);
        let buf = live.pool.frame(&bytes).expect("a buffer");
        live.tx[0].stage(buf).expect("room in the ring");
    }
    live.tx[0].commit();
    // From here on the received buffers go round.
    assert_eq!(live.reap(), BURST);

    let started = Instant::now();
    let mut frames = 0;
    while started.elapsed() < MEASURE {
        let before = frames;
        for _ in 0..ROUNDS {
            frames += round(&mut live);
        }
        if frames != before + ROUNDS * BURST {
            eprintln!("frames were lost: {} of {}", frames - before, ROUNDS * BURST);
            return ExitCode::FAILURE;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    live.finish();
    println!("{:.0}", frames as f64 / seconds);
    ExitCode::SUCCESS
}

/// All frames once around; returns how many those were.
fn round(live: &mut Live) -> usize {
    let (rx, tx) = (&mut live.rx[0], &mut live.tx[0]);
    while let Some((buf, _)) = rx.next() {
        tx.stage(buf).expect("a ring longer than the burst");
    }
    let frames = tx.commit();
    while let Some(buf) = tx.reap() {
        rx.refill(buf).expect("room for each frame that came out");
    }
    rx.commit();
    frames
}
