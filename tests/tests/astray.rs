//! Does a transmit ring go on whose queue and hardware disagree on who has a descriptor: because
//! its status never reached memory, or because it was taken away before the hardware looked? (HW
//! 8.6)

use etsec_core::Bus as _;
use etsec_sim::{Direction, Fault, Fcs, Place, SimConfig, WireFrame, WireSpeed};
use etsec_tests::all_rings::{self, LEN, RINGS};
use etsec_tests::at;
use etsec_tests::rig::{Live, PEER, STATION, frame};

/// Runs a scenario on each transmit ring, under every reading of the manual, with frames that take
/// time on the wire and frames that do not.
fn everywhere(scenario: impl Fn(Live, usize)) {
    for switches in all_rings::readings() {
        for wire in [WireSpeed::Instant, WireSpeed::Link] {
            for ring in 0..RINGS {
                let sim = SimConfig { switches, wire, ..SimConfig::default() };
                scenario(all_rings::start(sim), ring);
            }
        }
    }
}

fn frames(count: u8) -> Vec<Vec<u8>> {
    (0..count).map(|seed| frame(PEER, STATION, 100, seed)).collect()
}

/// Sends frames that the ring does not get to see before the first has lost its R.
fn send_and_take_the_first_away(live: &mut Live, ring: usize, out: &[Vec<u8>]) {
    let bus = live.sim.bus();
    bus.write(at::DMACTRL, at::DMACTRL_RUNNING | at::GTS);
    let index = live.tx[ring].counters().frames as usize % LEN;
    out.iter().for_each(|frame| live.send(ring, frame));
    let first = Place { direction: Direction::Tx, ring, index };
    let done = live.sim.with(|model| model.scribble(first, |word| word & !at::OWNED));
    assert!(done.is_some_and(|(before, after)| before != after));
    bus.write(at::DMACTRL, at::DMACTRL_RUNNING);
}

/// A lap and more, each frame once and in order.
fn goes_around(live: &mut Live, ring: usize) {
    for out in frames(2 * LEN as u8 + 3) {
        live.send(ring, &out);
        live.delay_us(200);
        assert_eq!((live.sent(), live.reap()), (vec![out], 1));
    }
}

#[test]
fn a_status_that_is_lost_costs_its_frame_and_no_other() {
    everywhere(|mut live, ring| {
        live.settle(1);
        goes_around(&mut live, ring);
        live.sim.inject(Fault::TxStatusLost);
        let out = frames(3);
        out.iter().for_each(|frame| live.send(ring, frame));
        live.delay_us(200);
        assert_eq!((live.sent(), live.reap()), (out, 0), "nobody knows of the first");
        live.settle(2);
        assert_eq!((live.sent(), live.reap()), (vec![], 3));
        let counters = *live.tx[ring].counters();
        assert_eq!((counters.underruns, counters.frames), (1, 2 * LEN as u64 + 5));
        assert_eq!((live.port.faults().given_up, live.port.faults().resets), (1, 0));
        goes_around(&mut live, ring);
        live.exchange(1);
        live.finish();
    });
}

#[test]
fn a_descriptor_that_is_taken_away_from_an_empty_ring_costs_its_frame_and_no_other() {
    everywhere(|mut live, ring| {
        goes_around(&mut live, ring);
        // The ring is seen to be empty.
        live.settle(1);
        let out = frames(4);
        send_and_take_the_first_away(&mut live, ring, &out);
        live.settle(2);
        live.delay_us(200);
        assert_eq!((live.sent(), live.reap()), (out[1..].to_vec(), 4));
        assert_eq!((live.port.faults().given_up, live.port.faults().resets), (0, 0));
        goes_around(&mut live, ring);
        live.exchange(1);
        live.finish();
    });
}

#[test]
fn frames_of_which_nobody_knows_whether_they_were_sent_are_given_up() {
    everywhere(|mut live, ring| {
        // No look has seen the ring empty.
        goes_around(&mut live, ring);
        let out = frames(4);
        send_and_take_the_first_away(&mut live, ring, &out);
        live.settle(2);
        assert_eq!((live.sent(), live.reap()), (vec![], 4));
        assert_eq!(live.tx[ring].counters().underruns, 3);
        assert_eq!((live.port.faults().given_up, live.port.faults().resets), (3, 0));
        // The hardware still stands where it stood, and is led to what comes next.
        live.send(ring, &out[0]);
        live.settle(2);
        live.delay_us(200);
        assert_eq!((live.sent(), live.reap()), (vec![out[0].clone()], 1));
        goes_around(&mut live, ring);
        live.exchange(1);
        live.finish();
    });
}

#[test]
fn what_is_taken_away_inside_a_frame_costs_what_is_in_the_ring() {
    everywhere(|mut live, ring| {
        let bus = live.sim.bus();
        bus.write(at::DMACTRL, at::DMACTRL_RUNNING | at::GTS);
        let mut chain = live.pool.frame(&frames(1)[0]).expect("a buffer");
        chain.append(live.pool.frame(&frames(1)[0]).expect("a buffer")).expect("room");
        live.tx[ring].stage(chain).expect("room");
        live.tx[ring].commit();
        live.send(ring, &frames(1)[0]);
        let second = Place { direction: Direction::Tx, ring, index: 1 };
        live.sim.with(|model| model.scribble(second, |word| word & !at::OWNED));
        bus.write(at::DMACTRL, at::DMACTRL_RUNNING);
        live.settle(4);
        assert_eq!((live.sent(), live.reap()), (vec![], 2));
        // HW 4.4: an incomplete frame; it halts its ring, or all of them.
        assert_eq!((live.port.faults().underruns, live.port.faults().given_up), (1, 1));
        live.send(ring, &frames(1)[0]);
        live.settle(3);
        assert_eq!((live.sent(), live.reap()), (frames(1), 1));
        goes_around(&mut live, ring);
        live.exchange(1);
        live.finish();
    });
}

#[test]
fn a_lost_status_inside_a_frame_is_not_met_again_a_lap_later() {
    everywhere(|mut live, ring| {
        let [one, two] = [1, 2].map(|seed| frame(PEER, STATION, 100, seed));
        let mut chain = live.pool.frame(&one).expect("a buffer");
        chain.append(live.pool.frame(&two).expect("a buffer")).expect("room");
        live.sim.inject(Fault::TxStatusLost);
        live.tx[ring].stage(chain).expect("room");
        live.tx[ring].commit();
        live.delay_us(200);
        assert_eq!((live.sent(), live.reap()), (vec![[one, two].concat()], 1));
        goes_around(&mut live, ring);
        live.settle(3);
        assert_eq!((live.port.faults().given_up, live.tx_counters().errors()), (0, 0));
        live.exchange(1);
        live.finish();
    });
}

#[test]
fn a_transmitter_that_hangs_as_well_is_reset() {
    everywhere(|mut live, ring| {
        live.sim.inject(Fault::TxStatusLost);
        let out = frames(2);
        out.iter().for_each(|frame| live.send(ring, frame));
        live.delay_us(200);
        assert_eq!((live.sent(), live.reap()), (out, 0));
        // It has nothing to send, so that nothing shows it.
        live.sim.inject(Fault::TxHang);
        live.settle(4);
        assert_eq!((live.port.faults().resets, live.port.faults().given_up), (1, 1));
        assert_eq!((live.sent(), live.reap()), (vec![], 2));
        goes_around(&mut live, ring);
        live.exchange(1);
        live.finish();
    });
}

/// What a thread leaves that stands still in a commit: of a burst only the last `given` frames are
/// ready.
fn stand_still(live: &mut Live, ring: usize, out: &[Vec<u8>], given: usize) {
    let bus = live.sim.bus();
    bus.write(at::DMACTRL, at::DMACTRL_RUNNING | at::GTS);
    for bytes in out {
        live.tx[ring].stage(live.pool.frame(bytes).expect("a buffer")).expect("room");
    }
    live.tx[ring].commit();
    (0..out.len() - given).for_each(|n| change(live, ring, n, |word| word & !at::OWNED));
    bus.write(at::DMACTRL, at::DMACTRL_RUNNING);
}

/// Changes the `n`th descriptor that is not reaped.
fn change(live: &Live, ring: usize, n: usize, change: impl Fn(u32) -> u32) {
    let index = (live.tx[ring].counters().frames as usize + n) % LEN;
    let place = Place { direction: Direction::Tx, ring, index };
    let done = live.sim.with(|model| model.scribble(place, change));
    assert!(done.is_some_and(|(before, after)| before != after));
}

#[test]
fn a_thread_that_stands_still_in_a_commit_loses_no_frame() {
    everywhere(|mut live, ring| {
        goes_around(&mut live, ring);
        let out = frames(4);
        stand_still(&mut live, ring, &out, 2);
        // As long as a transmitter that hangs is waited for, which is 10 of them.
        live.settle(8);
        assert_eq!(live.sent(), Vec::<Vec<u8>>::new());
        assert_eq!((live.port.faults().given_up, live.port.faults().resets), (0, 0));
        // It goes on, from where it stood to the first.
        [1, 0].into_iter().for_each(|n| change(&live, ring, n, |word| word | at::OWNED));
        live.settle(2);
        live.delay_us(200);
        assert_eq!((live.sent(), live.reap()), (out, 4));
        assert_eq!((live.port.faults().given_up, live.tx_counters().errors()), (0, 0));
        goes_around(&mut live, ring);
        live.exchange(1);
        live.finish();
    });
}

#[test]
fn a_commit_that_never_ends_is_not_waited_for_without_end() {
    for ring in [0, RINGS - 1] {
        let mut live = all_rings::start(SimConfig::default());
        goes_around(&mut live, ring);
        let out = frames(4);
        stand_still(&mut live, ring, &out, 2);
        // Ten milliseconds each.
        live.settle(live.port.config().hang_ms / 10);
        assert_eq!((live.port.faults().given_up, live.port.faults().resets), (0, 0));
        live.settle(2);
        assert_eq!((live.port.faults().given_up, live.port.faults().resets), (2, 0));
        assert_eq!((live.sent(), live.reap()), (vec![], 4));
        // The hardware still stands where it stood, and is led to what comes next.
        live.send(ring, &out[0]);
        live.settle(2);
        live.delay_us(200);
        assert_eq!((live.sent(), live.reap()), (vec![out[0].clone()], 1));
        goes_around(&mut live, ring);
        live.exchange(1);
        live.finish();
    }
}

#[test]
fn a_pause_is_waited_for() {
    let sim = SimConfig { wire: WireSpeed::Link, ..SimConfig::default() };
    let mut live = all_rings::start(sim);
    live.port.set_link("10/full/rx".parse().unwrap(), &mut live.delay).unwrap();
    live.sim.inject(Fault::TxStatusLost);
    live.send(3, &frames(1)[0]);
    live.delay_us(200);
    assert_eq!((live.sent(), live.reap()), (frames(1), 0));
    let mut pause = frame(etsec_core::MacAddr::PAUSE, PEER, 60, 0);
    // 20000 quanta of 512 bits are a second at 10 Mb/s (HW 11.1).
    pause[12..18].copy_from_slice(&[0x88, 0x08, 0x00, 0x01, 0x4E, 0x20]);
    live.sim.receive_raw(WireFrame::exact(pause, Fcs::Right));
    live.settle(90);
    assert_eq!((live.reap(), live.port.faults().given_up, live.port.faults().resets), (0, 0, 0));
    live.settle(20);
    assert_eq!((live.reap(), live.port.faults().given_up, live.port.faults().resets), (1, 1, 0));
    live.exchange(1);
    live.finish();
}
