//! Lossless flow control that is switched on and off in the middle of traffic: is the partner held
//! while it changes, and never let go while a ring is short? (HW 11.2)

use etsec_core::error::Side;
use etsec_core::flow::FlowError;
use etsec_core::{Bus as _, Error};
use etsec_sim::{Sim, SimConfig, Switches};
use etsec_tests::all_rings::{self, talker};
use etsec_tests::at;
use etsec_tests::pair::{Pair, RING, pauses};
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, frame};
use etsec_tests::trace::{Access, Traced, first, last};

const RCTRL_LFC: u32 = 0x4000;
const RQPRM0: u16 = 0xC00;
const RFBPTR0: u16 = 0xC44;

/// A port that may send pause frames, with a ring of 16.
fn live() -> Live {
    let mut live = Live::new();
    live.port.set_link("1000/full/tx".parse().unwrap(), &mut live.delay).unwrap();
    live
}

#[test]
fn it_is_switched_on_and_off_in_the_middle_of_traffic() {
    let mut pair = Pair::new("1000/full/rx", None, Switches::default());
    pair.run(200, 2);
    assert_eq!(pair.at_b(|port, rx, delay| port.set_lossless(rx, Some(10), delay)), Ok(()));
    assert_eq!(pair.b.sim.bus().read(at::RCTRL) & RCTRL_LFC, RCTRL_LFC);
    assert_eq!(pair.b.sim.bus().read(RQPRM0), 10 << 24 | RING as u32);
    let before = pair.next;
    pair.run(20_000, 10);
    assert!(pair.next > before + 500, "the partner is let go");
    assert_eq!(pair.dropped(), 0, "lost with it on, or at the change");
    assert_eq!(pair.at_b(|port, rx, delay| port.set_lossless(rx, None, delay)), Ok(()));
    assert_eq!(pair.b.sim.bus().read(at::RCTRL) & RCTRL_LFC, 0);
    pair.run(1000, 10);
    assert!(pair.dropped() > 0, "still on");
    let _ = pair.end();
}

#[test]
fn nothing_is_lost_at_the_change_where_accesses_take_time() {
    for switches in [Switches::default(), Switches { a002: true, ..Switches::default() }] {
        let mut pair = Pair::timed("1000/full", 300, switches);
        // The partner goes on 10 ms after a change that leaves it on.
        for (after_us, threshold) in [(50, Some(10)), (10_100, Some(12)), (10_100, None)] {
            pair.run(after_us, 1);
            let set = pair.at_b(|port, rx, delay| port.set_lossless(rx, threshold, delay));
            assert_eq!(set, Ok(()));
        }
        pair.run(50, 1);
        assert_eq!(pair.dropped(), 0, "{switches:?}");
        assert_eq!(pair.end(), 0, "{switches:?}");
    }
}

#[test]
fn a_frame_on_its_way_when_the_partner_is_told_to_stop_arrives() {
    for n in 0..6 {
        // So slow that the stop takes about as long as a frame.
        let mut pair = Pair::timed("100/full", 4000, Switches::default());
        pair.lengths = 1400;
        pair.run(200 + 20 * n, 1);
        let set = pair.at_b(|port, rx, delay| port.set_lossless(rx, Some(10), delay));
        assert_eq!(set, Ok(()));
        pair.run(200, 1);
        assert_eq!(pair.dropped(), 0, "{n}");
    }
}

#[test]
fn a_ring_that_is_short_already_holds_the_partner_from_the_first_moment() {
    for time in [32, 0xFFFF] {
        let mut pair = Pair::timed("1000/full", 300, Switches::default());
        pair.at_b(|port, _, _| port.set_pause_time(time)).unwrap();
        // 25 of its 32 descriptors are full, and nobody takes anything.
        pair.load(25);
        pair.run_on(200);
        pair.load(RING);
        assert_eq!(pair.at_b(|port, rx, delay| port.set_lossless(rx, Some(10), delay)), Ok(()));
        pair.run(20_000, 0);
        assert_eq!(pair.dropped(), 0, "pause time {time}");
        pair.run(1000, 2);
        assert_eq!(pair.end(), 0, "pause time {time}");
    }
}

#[test]
fn nobody_but_the_controller_lets_the_partner_go() {
    let mut live = live();
    for n in 0..10 {
        live.sim.receive(&frame(STATION, PEER, 60, n));
    }
    live.port.set_lossless(&mut live.rx[0], Some(8), &mut live.delay).unwrap();
    // Held for the change, by 10 ms in units of 512 ns and a frame's time; then for the ring.
    let (times, _) = pauses(&live);
    assert!((19_532..20_000).contains(&times[0]), "{times:?}");
    assert_eq!(times[1..], [0xFFFF]);
    for time in [0, 5] {
        let refused = live.port.send_pause(time, &mut live.delay);
        assert_eq!(refused, Err(FlowError::Lossless));
    }
    assert!(FlowError::Lossless.to_string().contains("switch it off"));
    assert_eq!(pauses(&live), (vec![], 0));
    while live.receive(0).is_some() {}
    assert_eq!(pauses(&live), (vec![0], 0));
    // Without a lossless ring, what was begun by hand is ended by hand.
    live.port.set_lossless(&mut live.rx[0], None, &mut live.delay).unwrap();
    assert_eq!(pauses(&live).0[1..], [0]);
    assert_eq!(live.port.send_pause(5, &mut live.delay), Ok(()));
    assert_eq!(pauses(&live), (vec![5], 0));
    live.finish();
}

#[test]
fn a_ring_that_is_switched_off_leaves_the_others_on() {
    let mut plan = all_rings::plan(SimConfig::default());
    (plan.config.link, plan.config.pause_time) = ("1000/full/tx".parse().unwrap(), 100);
    for stopped in [false, true] {
        let mut rig = Rig::on(&Sim::new(plan.sim.clone()), &plan);
        all_rings::steer(&mut rig);
        for ring in [3, 5] {
            rig.port.set_lossless(&mut rig.rx[ring], Some(4)).unwrap();
        }
        if stopped {
            rig.port.set_lossless(&mut rig.rx[5], None).unwrap();
        }
        let mut live = rig.start();
        if !stopped {
            // One that is on is short while another is switched off.
            (0..4).for_each(|n| live.sim.receive(&frame(STATION, talker(3), 60, n)));
            assert_eq!(pauses(&live), (vec![100], 0));
            let Live { port, rx, delay, .. } = &mut live;
            port.set_lossless(&mut rx[5], None, delay).unwrap();
            assert_eq!(pauses(&live).0[1..], [100], "held for the change, then for the ring");
            while live.receive(3).is_some() {}
            assert_eq!(pauses(&live), (vec![0], 0));
        }
        assert_eq!((live.port.lossless(3), live.port.lossless(5)), (Some(4), None));
        (0..8).for_each(|n| live.sim.receive(&frame(STATION, talker(5), 60, n)));
        assert_eq!(pauses(&live), (vec![], 0));
        (0..4).for_each(|n| live.sim.receive(&frame(STATION, talker(3), 60, n)));
        assert_eq!(pauses(&live), (vec![100], 0), "ring 3 is not lossless any more");
        for ring in [3, 5] {
            while live.receive(ring).is_some() {}
        }
        drop(live.sent());
        live.exchange(1);
        live.finish();
    }
}

#[test]
fn registers_are_written_in_the_manuals_order() {
    let sim = Sim::default();
    let bus = Traced::new(sim.bus());
    let mut rig = Rig::through(&sim, &Plan::default(), bus.clone());
    rig.port.set_lossless(&mut rig.rx[0], Some(4)).unwrap();
    let mut live = rig.start();
    let _ = bus.take();
    live.port.set_lossless(&mut live.rx[0], Some(5), &mut live.delay).unwrap();
    let log = bus.take();
    // HW 11.2: LFC off, thresholds, the last free descriptor, LFC on; HW 3.11: all of it with the
    // receiver stopped.
    let lfc = |on: bool| {
        move |access| {
            matches!(access, Access::Write(at, value)
                if at == at::RCTRL && (value & RCTRL_LFC != 0) == on)
        }
    };
    let writes = |at: u16| move |access| matches!(access, Access::Write(to, _) if to == at);
    let order = [
        first(
            &log,
            "GRS",
            |access| matches!(access, Access::Write(at::DMACTRL, v) if v & 0x10 != 0),
        ),
        first(&log, "LFC off", lfc(false)),
        first(&log, "RQPRM", writes(RQPRM0)),
        last(&log, "RFBPTR", writes(RFBPTR0)),
        first(&log, "LFC on", lfc(true)),
        last(&log, "resume", writes(at::DMACTRL)),
    ];
    assert!(order.is_sorted(), "{order:?}");
    // HW 11.2: of a halted ring, the last free descriptor is told while its position stands still.
    live.sim.receive(&frame(STATION, PEER, 60, 1));
    let _ = bus.take();
    live.receive(0).unwrap();
    let log = bus.take();
    let written: Vec<u16> = log
        .iter()
        .filter_map(|access| if let Access::Write(at, _) = access { Some(*at) } else { None })
        .collect();
    assert_eq!(written, [RFBPTR0, at::RSTAT]);
    live.finish();
}

#[test]
fn a_pause_time_of_0_holds_nobody_back() {
    let mut rig = Rig::new(&Plan::default());
    rig.port.set_pause_time(0).unwrap();
    let refused = rig.port.set_lossless(&mut rig.rx[0], Some(8));
    assert_eq!(refused, Err(FlowError::PauseTime));
    assert!(FlowError::PauseTime.to_string().contains("1 to 65535"));
    rig.port.set_pause_time(9).unwrap();
    rig.port.set_lossless(&mut rig.rx[0], Some(8)).unwrap();
    assert_eq!(rig.port.set_pause_time(0), Err(FlowError::PauseTime));
    let mut live = rig.start();
    assert_eq!(live.port.set_pause_time(0), Err(FlowError::PauseTime));
    assert_eq!(live.port.config().pause_time, 9);
    live.port.set_lossless(&mut live.rx[0], None, &mut live.delay).unwrap();
    live.port.set_pause_time(0).unwrap();
    let refused = live.port.set_lossless(&mut live.rx[0], Some(8), &mut live.delay);
    assert_eq!(refused, Err(FlowError::PauseTime));
    assert_eq!(live.port.lossless(0), None);
    let mut other = Live::new();
    let stranger = live.port.set_lossless(&mut other.rx[0], None, &mut live.delay);
    assert_eq!(stranger, Err(FlowError::Port(Error::Stranger(Side::Rx))));
    live.finish();
    other.finish();
}
