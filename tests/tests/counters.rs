//! Are the controller's counters widened without losing a count? (HW 13)

use etsec_core::mib::Counter;
use etsec_core::{Bus, Event, MacAddr};
use etsec_sim::{Fcs, SimConfig, WireFrame};
use etsec_tests::at;
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, frame};

const GROUP: MacAddr = MacAddr([0x01, 0x00, 0x5E, 0, 0, 1]);

/// Ten rounds of every kind of frame that is counted, and how often each counter goes up in a
/// round.
fn traffic(live: &mut Live) -> Vec<(Counter, u64)> {
    for round in 0..10 {
        live.send(0, &frame(PEER, STATION, 60, round));
        live.send(0, &frame(GROUP, STATION, 1000, round));
        live.send(0, &frame(MacAddr::BROADCAST, STATION, 300, round));
        assert_eq!(live.reap(), 3);
        live.sim.receive(&frame(STATION, PEER, 60, round));
        live.sim.receive(&frame(GROUP, PEER, 100, round));
        live.sim.receive(&frame(MacAddr::BROADCAST, PEER, 1514, round));
        let bad = frame(STATION, PEER, 200, round);
        live.sim.receive_raw(WireFrame::exact(bad.clone(), Fcs::wrong(&bad)));
        while live.receive(0).is_some() {}
        while live.sim.transmitted().is_some() {}
    }
    let per_round = [
        (Counter::TPKT, 3),
        (Counter::TBYT, 64 + 1004 + 304),
        (Counter::TMCA, 1),
        (Counter::TBCA, 1),
        (Counter::RPKT, 4),
        (Counter::RBYT, 64 + 104 + 1518 + 204),
        (Counter::RMCA, 1),
        (Counter::RBCA, 1),
        (Counter::RFCS, 1),
        (Counter::TR64, 2),
        (Counter::TR127, 1),
        (Counter::TR255, 1),
        (Counter::TR511, 1),
        (Counter::TR1K, 1),
        (Counter::TRMAX, 1),
    ];
    per_round.map(|(counter, n)| (counter, 10 * n)).to_vec()
}

/// Compares all counters with what they were and what was added.
fn check(live: &mut Live, before: &[u64], added: &[(Counter, u64)]) {
    for (n, (counter, total)) in live.port.mib().iter().enumerate() {
        let plus = added.iter().find(|(c, _)| *c == counter).map_or(0, |(_, plus)| *plus);
        assert_eq!(total, before[n] + plus, "{}", counter.name());
    }
}

fn totals(live: &mut Live) -> Vec<u64> {
    live.port.mib().iter().map(|(_, total)| total).collect()
}

#[test]
fn every_counter_counts_what_it_says() {
    let mut live = Live::new();
    let before = totals(&mut live);
    assert!(before.iter().all(|total| *total == 0));
    let added = traffic(&mut live);
    check(&mut live, &before, &added);
    live.finish();
}

#[test]
fn every_counter_goes_on_through_zero() {
    let mut live = Live::new();
    for counter in Counter::ALL {
        let most = if counter == Counter::RDRP { 0xFFFF } else { u32::MAX };
        live.sim.bus().write(counter.register().offset(), most - 2);
    }
    let before = totals(&mut live);
    let added = traffic(&mut live);
    assert_ne!(live.sim.bus().read(at::CAR1), 0, "counters have wrapped");
    check(&mut live, &before, &added);
    assert_eq!(live.sim.bus().read(at::CAR1), 0, "carries are taken");
    // Again from there: no carry is counted twice.
    let before = totals(&mut live);
    let added = traffic(&mut live);
    check(&mut live, &before, &added);
    // No carry is an interrupt (HW 13.1: all are masked).
    assert!(!Event::from_bits_retain(live.sim.bus().read(at::IEVENT)).contains(Event::MSRO));
    live.finish();
}

#[test]
fn dropped_frames_are_counted_beyond_sixteen_bits() {
    let mut live = Rig::new(&Plan { rx: vec![4], buffers: 16, ..Plan::default() }).start();
    let come = frame(STATION, PEER, 60, 0);
    (0..4).for_each(|_| live.sim.receive(&come));
    for round in 1..=3 {
        (0..60_000).for_each(|_| live.sim.receive(&come));
        live.settle(1);
        assert_eq!(live.port.mib().total(Counter::RDRP), round * 60_000);
    }
    assert!(live.port.faults().busy >= 3);
    while live.receive(0).is_some() {}
    live.exchange(1);
    live.finish();
}

#[test]
fn reading_does_not_clear_whatever_was_set_before() {
    let sim = etsec_sim::Sim::new(SimConfig::default());
    // AUTOZ and CLRCNT of a previous owner (HW 3.3).
    sim.bus().write(at::ECNTRL, 0x3000);
    let mut live = Rig::on(&sim, &Plan::default()).start();
    assert_eq!(sim.bus().read(at::ECNTRL) & 0x3000, 0x1000);
    let added = traffic(&mut live);
    let (first, second) = (sim.bus().read(at::RPKT), sim.bus().read(at::RPKT));
    assert_eq!((first, second), (40, 40));
    check(&mut live, &[0; 44], &added);
    check(&mut live, &[0; 44], &added);
    live.finish();
}

#[test]
fn totals_outlive_resets_stops_and_a_clearing_behind_our_back() {
    let mut live = Live::new();
    let mut before = totals(&mut live);
    for round in 0..3 {
        let added = traffic(&mut live);
        check(&mut live, &before, &added);
        before = totals(&mut live);
        match round {
            0 => live.port.reset(&mut live.delay).unwrap(),
            1 => live = live.stop().start(),
            _ => live.sim.bus().write(at::ECNTRL, live.sim.bus().read(at::ECNTRL) | 0x4000),
        }
        check(&mut live, &before, &[]);
    }
    let added = traffic(&mut live);
    check(&mut live, &before, &added);
    live.finish();
}
