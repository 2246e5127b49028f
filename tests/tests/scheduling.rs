//! Do the transmit rings share the wire as the schedule says, also when it changes in the middle of
//! traffic? (HW 10)

use etsec_core::{Bus as _, Config, Schedule};
use etsec_sim::{Fcs, Sim, SimConfig, WireFrame, WireSpeed};
use etsec_tests::at;
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, config, frame};
use etsec_tests::trace::{Access, Traced, first, last};

const RINGS: usize = 8;
/// Bytes of a frame beyond those of its payload, header and FCS included.
const FRAME: usize = 1518;

fn live(schedule: Schedule) -> Live {
    let config = Config { schedule, hang_ms: 100, ..config() };
    let sim = SimConfig { wire: WireSpeed::Link, ..SimConfig::default() };
    Rig::new(&Plan { sim, config, tx: vec![16; RINGS], buffers: 256, ..Plan::default() }).start()
}

/// A weight for each ring named, 0 for the others.
fn weights<const N: usize>(of: [(usize, u8); N]) -> Schedule {
    let mut weights = [0; RINGS];
    of.into_iter().for_each(|(ring, weight)| weights[ring] = weight);
    Schedule::RoundRobin(weights)
}

/// Frames of many lengths, told apart by their ring.
fn next_frame(ring: usize, number: usize) -> Vec<u8> {
    // Each ring has another mean length: it is bytes that are shared, not frames.
    let most = [1400, 1400, 200, 700, 900, 100, 1200, 400][ring];
    let len = 60 + number.wrapping_mul(7919) % most;
    let mut bytes = frame(PEER, STATION, len, number as u8);
    bytes[11] = ring as u8;
    bytes
}

/// Keeps `rings` full for `us` microseconds and returns the bytes each has sent, FCS included.
fn share(live: &mut Live, rings: &[usize], us: u32) -> [usize; RINGS] {
    let (mut bytes, mut numbers) = ([0; RINGS], [0; RINGS]);
    for _ in 0..us / 10 {
        live.reap();
        for &ring in rings {
            while live.tx[ring].space() > 0 {
                let out = next_frame(ring, numbers[ring]);
                numbers[ring] += 1;
                live.tx[ring].stage(live.pool.frame(&out).expect("a buffer")).expect("room");
            }
            live.tx[ring].commit();
        }
        live.delay_us(10);
        while let Some(sent) = live.sim.transmitted() {
            bytes[usize::from(sent[11])] += sent.len() + 4;
        }
    }
    bytes
}

/// Lets what is queued leave, so that the next measurement begins with empty rings.
fn empty(live: &mut Live) {
    for _ in 0..1000 {
        live.delay_us(100);
        live.reap();
    }
    while live.sim.transmitted().is_some() {}
    assert!(live.tx.iter().all(|tx| tx.pending() == 0), "something is stuck");
}

/// Fails unless the rings have sent bytes in these proportions, but for two frames each.
#[track_caller]
fn assert_shares(bytes: [usize; RINGS], shares: &[(usize, usize)]) {
    let all: usize = shares.iter().map(|(_, share)| share).sum();
    let sent: usize = bytes.iter().sum();
    for &(ring, share) in shares {
        let due = sent * share / all;
        assert!(bytes[ring].abs_diff(due) <= 2 * FRAME, "ring {ring}: {due} due of {bytes:?}");
    }
    assert!(sent > 200 * FRAME, "too little to tell: {bytes:?}");
}

#[test]
fn weights_of_1_2_and_4_give_1_2_and_4_bytes() {
    for unit in [1, 8, 24] {
        let mut live = live(weights([(1, unit), (2, 2 * unit), (3, 4 * unit)]));
        let bytes = share(&mut live, &[1, 2, 3], 6_000);
        assert_shares(bytes, &[(1, 1), (2, 2), (3, 4)]);
        live.finish();
    }
}

#[test]
fn ring_0_has_its_weight_before_each_of_the_others() {
    // HW 10: seven visits to one of each other ring; half the wire at equal weights.
    let mut live = live(Schedule::RoundRobin([24; RINGS]));
    let all: Vec<usize> = (0..RINGS).collect();
    let bytes = share(&mut live, &all, 15_000);
    let shares: Vec<_> = all.iter().map(|&n| (n, if n == 0 { 7 } else { 1 })).collect();
    // It is due seven times as much, and may be off by as many frames.
    let due = bytes.iter().sum::<usize>() / 2;
    assert!(bytes[0].abs_diff(due) <= 7 * FRAME, "{bytes:?}");
    let others = bytes.iter().sum::<usize>() - bytes[0];
    for &(ring, _) in &shares[1..] {
        assert!(bytes[ring].abs_diff(others / 7) <= 2 * FRAME, "{bytes:?}");
    }
    live.finish();
}

#[test]
fn a_ring_with_nothing_to_send_leaves_its_share_to_the_others() {
    let mut live = live(weights([(1, 24), (2, 48), (3, 96)]));
    assert_shares(share(&mut live, &[1, 3], 6_000), &[(1, 1), (3, 4)]);
    live.finish();
}

#[test]
fn by_priority_the_others_wait_for_ring_0() {
    let mut live = live(Schedule::Priority);
    let bytes = share(&mut live, &[0, 1, 5], 6_000);
    assert!(bytes[0] > 100 * FRAME && bytes[1..].iter().all(|&bytes| bytes == 0), "{bytes:?}");
    empty(&mut live);
    assert_shares(share(&mut live, &[5], 6_000), &[(5, 1)]);
    live.finish();
}

#[test]
fn ring_0_alone_leaves_the_others_waiting_and_that_is_no_hang() {
    let mut live = live(Schedule::Single);
    live.send(4, &next_frame(4, 1));
    let bytes = share(&mut live, &[0], 6_000);
    assert_shares(bytes, &[(0, 1)]);
    live.settle(50);
    assert_eq!((live.port.faults().transmit_hangs, live.tx[4].pending()), (0, 1));
    live.port.set_schedule(Schedule::Priority, &mut live.delay).unwrap();
    empty(&mut live);
    assert_eq!(live.tx[4].counters().frames, 1);
    live.finish();
}

#[test]
fn a_change_in_the_middle_of_traffic_loses_nothing_and_holds_after_a_reset() {
    let mut live = live(weights([(1, 24), (2, 48), (3, 96)]));
    let steps = [
        (weights([(1, 96), (2, 48), (3, 24)]), [(1, 4), (2, 2), (3, 1)]),
        (weights([(1, 24), (2, 24), (3, 24)]), [(1, 1), (2, 1), (3, 1)]),
    ];
    for (schedule, shares) in steps {
        // The rings are full when it changes.
        share(&mut live, &[1, 2, 3], 100);
        live.port.set_schedule(schedule, &mut live.delay).unwrap();
        assert_eq!(live.port.config().schedule, schedule);
        assert_shares(share(&mut live, &[1, 2, 3], 6_000), &shares);
        live.port.reset(&mut live.delay).unwrap();
        assert_shares(share(&mut live, &[1, 2, 3], 6_000), &shares);
    }
    empty(&mut live);
    let sent: u64 = live.tx.iter().map(|tx| tx.counters().frames).sum();
    assert_eq!(live.tx_counters().underruns, live.port.faults().lost_in_transmit);
    assert_eq!(live.port.faults().resets, 2);
    assert!(sent > 1000);
    live.finish();
}

#[test]
fn weights_are_there_before_rings_are_chosen_by_them() {
    // HW 10: what chooses by weights must not find those of before.
    let sim = Sim::default();
    let bus = Traced::new(sim.bus());
    let mut live = Rig::through(&sim, &Plan::default(), bus.clone()).start();
    let order = |what: &str| {
        let log = bus.take();
        let weights = |access| matches!(access, Access::Write(0x140 | 0x144, _));
        let chosen = |access| matches!(access, Access::Write(at::TCTRL, value) if value & 6 == 4);
        let last_weight = last(&log, "weight", weights);
        assert!(last_weight < first(&log, "choice", chosen), "{what}");
    };
    let _ = bus.take();
    live.port.set_schedule(weights([(0, 24), (5, 9)]), &mut live.delay).unwrap();
    order("live");
    live.port.reset(&mut live.delay).unwrap();
    order("reset");
    live.finish();
}

#[test]
fn what_a_ring_does_not_use_of_its_weight_is_not_saved_up() {
    // HW 10: when a ring empties, its credit becomes 0.
    let mut live = live(weights([(1, 24), (2, 24)]));
    for n in 0..50 {
        // Each is visited with nobody else waiting; one of them uses all of its credit.
        for (ring, len) in [(1, 60), (2, 1514)] {
            let mut bytes = frame(PEER, STATION, len, n);
            bytes[11] = ring as u8;
            live.send(ring, &bytes);
            live.delay_us(20);
            live.reap();
        }
    }
    while live.sim.transmitted().is_some() {}
    assert_shares(share(&mut live, &[1, 2], 6_000), &[(1, 1), (2, 1)]);
    live.finish();
}

#[test]
fn a_stopped_port_starts_with_the_schedule_it_was_given() {
    let mut rig = live(Schedule::Priority).stop();
    let schedule = weights([(1, 24), (2, 72)]);
    rig.port.set_schedule(schedule);
    let mut live = rig.start();
    assert_eq!(live.port.config().schedule, schedule);
    assert_shares(share(&mut live, &[1, 2], 6_000), &[(1, 1), (2, 3)]);
    live.finish();
}

#[test]
fn a_paused_transmitter_takes_a_new_schedule_and_goes_on_by_it() {
    let mut live = live(Schedule::Priority);
    live.port.set_link("1000/full/rx".parse().unwrap(), &mut live.delay).unwrap();
    let mut pause = frame(etsec_core::MacAddr::PAUSE, PEER, 60, 0);
    pause[12..18].copy_from_slice(&[0x88, 0x08, 0x00, 0x01, 0xFF, 0xFF]);
    live.sim.receive_raw(WireFrame::exact(pause, Fcs::Right));
    let before = live.sim.now_ns();
    live.port.set_schedule(weights([(1, 24), (2, 72)]), &mut live.delay).unwrap();
    assert!(live.sim.now_ns() - before <= 11_000_000, "the wait has a bound");
    let bytes = share(&mut live, &[1, 2], 10_000);
    assert_eq!(bytes, [0; RINGS], "still paused");
    assert_ne!(live.sim.bus().read(at::TCTRL) & 0x10, 0);
    live.delay_us(20_000);
    while live.sim.transmitted().is_some() {}
    assert_shares(share(&mut live, &[1, 2], 6_000), &[(1, 1), (2, 3)]);
    live.finish();
}
