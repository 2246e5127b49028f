//! Does flow control hold the right side back, and does a slow consumer lose nothing with it? (HW
//! 11)

use embedded_hal::delay::DelayNs;
use etsec_core::error::Side;
use etsec_core::flow::FlowError;
use etsec_core::link::{FlowControl, Pause};
use etsec_core::{Bus as _, Error, Event, EventPort, Line, Link};
use etsec_sim::{Fcs, Sim, SimBus, SimConfig, SimDelay, Switches, WireFrame, WireSpeed};
use etsec_tests::all_rings::{self, talker};
use etsec_tests::at;
use etsec_tests::pair::{Pair, pauses};
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, frame};

const RQPRM0: u16 = 0xC00;
const RFBPTR0: u16 = 0xC44;
const PTV: u16 = 0x028;

fn link(text: &str) -> Link {
    text.parse().expect("a link")
}

fn pause(quanta: u16) -> WireFrame {
    let mut bytes = frame(etsec_core::MacAddr::PAUSE, PEER, 60, 0);
    bytes[12..16].copy_from_slice(&[0x88, 0x08, 0x00, 0x01]);
    bytes[16..18].copy_from_slice(&quanta.to_be_bytes());
    WireFrame::exact(bytes, Fcs::Right)
}

fn on_wire(switches: Switches) -> SimConfig {
    SimConfig { wire: WireSpeed::Link, switches, ..SimConfig::default() }
}

fn readings() -> [Switches; 4] {
    let none = Switches::default();
    [
        none,
        Switches { no_xon: true, ..none },
        Switches { free_wraps: true, ..none },
        Switches { prefetch: true, no_xon: true, free_wraps: true, ..none },
    ]
}

#[test]
fn a_slow_consumer_loses_nothing_with_lossless_flow_control_and_frames_without() {
    for switches in readings() {
        for (sender, threshold, loses) in [
            ("1000/full/rx", Some(10), false),
            ("1000/full/rx", None, true),
            // A partner that does not obey.
            ("1000/full", Some(10), true),
        ] {
            let mut pair = Pair::new(sender, threshold, switches);
            pair.run(3000, 10);
            assert!(pair.next > 250, "the sender came to a halt");
            let next = pair.next;
            assert_eq!(pair.end() > 0, loses, "{sender} {threshold:?} {switches:?} of {next}");
        }
    }
}

#[test]
fn a_consumer_that_pauses_altogether_holds_the_partner_until_it_is_back() {
    for switches in readings() {
        let mut pair = Pair::new("1000/full/rx", Some(10), switches);
        pair.run(300, 2);
        // Several times the pause frames' time: they are repeated.
        pair.run(500, 0);
        let held = pair.next;
        pair.run(500, 0);
        assert_eq!(pair.next, held, "the partner goes on sending");
        pair.run(500, 2);
        assert!(pair.next > held + 100, "the partner does not go on");
        assert_eq!(pair.end(), 0);
    }
}

#[test]
fn a_ring_that_ran_dry_is_never_taken_for_an_empty_one() {
    // The model reports a last free descriptor that would be read so; the partner does not obey.
    for switches in readings() {
        let mut pair = Pair::new("1000/full", Some(10), switches);
        pair.run(300, 0);
        assert!(pair.b.sim.bus().read(at::RSTAT) & 0x0080_0000 != 0, "not dry");
        // One descriptor at a time, each used up before the next.
        pair.run(500, 9);
        pair.run(100, 0);
        assert!(pair.end() > 0);
    }
}

#[test]
fn lossless_flow_control_outlives_a_reset_and_a_new_link() {
    let mut pair = Pair::new("1000/full/rx", Some(10), Switches::default());
    pair.run(500, 10);
    pair.at_b(|port, _, delay| port.reset(delay)).unwrap();
    // While it was stopped, frames were lost; from here on none is.
    let before = pair.dropped();
    pair.run(1000, 10);
    pair.at_b(|port, _, delay| port.set_link(link("1000/full/rx+tx"), delay)).unwrap();
    let stopped = pair.dropped() - before;
    assert!(stopped <= 1, "{stopped}");
    pair.run(1000, 10);
    assert_eq!(pair.dropped(), before + stopped);
    let _ = pair.end();
}

#[test]
fn after_a_restart_a_ring_with_room_holds_nobody_back_and_one_without_does() {
    let mut rig = Rig::new(&Plan::default());
    rig.port.set_lossless(&mut rig.rx[0], Some(8)).unwrap();
    rig.port.set_pause_time(9).unwrap();
    let mut live = rig.start();
    live.port.set_link(link("1000/full/tx"), &mut live.delay).unwrap();
    // Wherever in the ring the hardware stands, and without a commit after the restart.
    for _ in 0..40 {
        live.exchange(1);
        live.port.reset(&mut live.delay).unwrap();
        assert_eq!(pauses(&live), (vec![], 0));
        for n in 0..7 {
            live.sim.receive(&frame(STATION, PEER, 60, n));
            assert_eq!(pauses(&live), (vec![], 0), "{n}");
        }
        live.sim.receive(&frame(STATION, PEER, 60, 7));
        assert_eq!(pauses(&live), (vec![9], 0));
        live.port.reset(&mut live.delay).unwrap();
        assert_eq!(pauses(&live), (vec![9], 0), "still short after a reset");
        while live.receive(0).is_some() {}
        assert_eq!(pauses(&live), (vec![0], 0));
    }
    live.finish();
}

#[test]
fn a_ring_without_an_empty_descriptor_is_short_until_its_queue_tells_of_some() {
    // HW 11.2: RFBPTR and RBPTR are equal both where all is free and where nothing is; who came
    // there last decides.
    for switches in readings() {
        let sim = SimConfig { switches, ..SimConfig::default() };
        let mut rig = Rig::new(&Plan { sim, ..Plan::default() });
        rig.port.set_lossless(&mut rig.rx[0], Some(8)).unwrap();
        rig.port.set_pause_time(9).unwrap();
        let mut live = rig.start();
        live.port.set_link(link("1000/full/tx"), &mut live.delay).unwrap();
        // The last empty descriptor is the one the hardware stands at after fifteen of sixteen.
        for n in 0..15 {
            live.sim.receive(&frame(STATION, PEER, 60, n));
        }
        let bus = live.sim.bus();
        assert_eq!(bus.read(RFBPTR0), bus.read(at::RBPTR0), "the hardware has caught up");
        assert_eq!(pauses(&live), (vec![9], 0), "held, and not let go: {switches:?}");
        while live.receive(0).is_some() {}
        let end = if switches.no_xon { vec![] } else { vec![0] };
        assert_eq!(pauses(&live), (end, 0), "{switches:?}");
        // What software has told is taken for a ring that is all empty, and this one is.
        bus.write(RFBPTR0, bus.read(at::RBPTR0));
        assert_eq!(pauses(&live), (vec![], 0), "{switches:?}");
        live.finish();
    }
}

#[test]
fn only_rings_with_a_threshold_hold_the_partner_back() {
    let mut plan = all_rings::plan(SimConfig::default());
    (plan.config.link, plan.config.pause_time) = (link("1000/full/tx"), 100);
    let mut rig = Rig::on(&Sim::new(plan.sim.clone()), &plan);
    all_rings::steer(&mut rig);
    for (ring, threshold) in [(3, 5), (5, 2)] {
        rig.port.set_lossless(&mut rig.rx[ring], Some(threshold)).unwrap();
    }
    let mut live = rig.start();
    let set: Vec<_> = (0..9).map(|ring| live.port.lossless(ring)).collect();
    assert_eq!((set[3], set[5]), (Some(5), Some(2)));
    assert_eq!(set.iter().flatten().count(), 2);
    // Ring 2 runs full, and over.
    for n in 0..12 {
        live.sim.receive(&frame(STATION, talker(2), 60, n));
    }
    assert_eq!(pauses(&live), (vec![], 0));
    // Seven of eight are counted free (HW 11.2), so the fourth frame leaves fewer than five, with
    // the three before.
    for (ring, most) in [(3, 2), (5, 5)] {
        for n in 0..most {
            live.sim.receive(&frame(STATION, talker(ring), 60, n));
        }
        assert_eq!(pauses(&live), (vec![], 0), "ring {ring}");
        live.sim.receive(&frame(STATION, talker(ring), 60, most));
        assert_eq!(pauses(&live), (vec![100], 0), "ring {ring}");
        live.receive(ring).expect("a frame");
        assert_eq!(pauses(&live), (vec![0], 0), "ring {ring}");
        while live.receive(ring).is_some() {}
    }
    while live.receive(2).is_some() {}
    live.exchange(1);
    live.finish();
}

#[test]
fn thresholds_out_of_range_change_nothing() {
    let mut live = Live::new();
    let before = live.sim.bus().read(at::RCTRL);
    for threshold in [0, 1, 16, 255] {
        let refused = live.port.set_lossless(&mut live.rx[0], Some(threshold), &mut live.delay);
        assert_eq!(refused, Err(FlowError::Threshold { ring: 0, threshold, len: 16 }));
        assert!(refused.unwrap_err().to_string().contains("2 to 15 are possible"));
    }
    let mut other = Live::new();
    let refused = live.port.set_lossless(&mut other.rx[0], Some(4), &mut live.delay);
    assert_eq!(refused, Err(FlowError::Port(Error::Stranger(Side::Rx))));
    assert_eq!(live.sim.bus().read(at::RCTRL), before);
    assert_eq!(live.sim.bus().read(RQPRM0), 0);
    let free = live.sim.bus().read(RFBPTR0);
    live.exchange(1);
    assert_eq!(live.sim.bus().read(RFBPTR0), free, "a queue that is not lossless tells");
    live.finish();
    other.finish();
}

#[test]
fn a_pause_frame_is_sent_when_asked_and_only_where_the_link_allows() {
    let mut live = Live::new();
    for not in ["1000/full", "1000/full/rx", "100/half/rx+tx"] {
        live.port.set_link(link(not), &mut live.delay).unwrap();
        let refused = live.port.send_pause(7, &mut live.delay);
        assert_eq!(refused, Err(FlowError::NotAllowed), "{not}");
    }
    live.port.set_link(link("1000/full/tx"), &mut live.delay).unwrap();
    live.port.set_pause_time(1000).unwrap();
    for time in [7, 0, 0xFFFF] {
        assert_eq!(live.port.send_pause(time, &mut live.delay), Ok(()));
        assert_eq!(pauses(&live), (vec![time], 0));
        assert_eq!(live.sim.bus().read(PTV), 1000, "for what the controller sends by itself");
    }
    assert!(!Event::from_bits_retain(live.sim.bus().read(at::IEVENT)).contains(Event::TXC));
    live.port.reset(&mut live.delay).unwrap();
    assert_eq!(live.sim.bus().read(PTV), 1000);
    live.exchange(1);
    live.finish();
}

/// Time in which a waiter takes the events of the error line.
struct Waiter {
    delay: SimDelay,
    events: EventPort<SimBus>,
}

impl DelayNs for Waiter {
    fn delay_ns(&mut self, ns: u32) {
        self.delay.delay_ns(ns);
        self.events.recover();
        self.events.take(Line::Err);
    }
}

#[test]
fn a_waiter_of_the_error_line_does_not_take_what_the_pause_frame_waits_for() {
    let mut live = Rig::new(&Plan { sim: on_wire(Switches::default()), ..Plan::default() }).start();
    live.port.set_link(link("1000/full/tx"), &mut live.delay).unwrap();
    let mut waiter = Waiter { delay: live.delay.clone(), events: live.port.events() };
    assert_eq!(live.port.send_pause(7, &mut waiter), Ok(()));
    assert_eq!(pauses(&live), (vec![7], 0));
    live.finish();
}

#[test]
fn a_pause_frame_waits_for_the_wire_and_no_longer_than_it_may() {
    let mut live = Rig::new(&Plan { sim: on_wire(Switches::default()), ..Plan::default() }).start();
    live.port.set_link(link("10/full/tx"), &mut live.delay).unwrap();
    live.send(0, &frame(PEER, STATION, 1000, 0));
    assert_eq!(live.port.send_pause(5, &mut live.delay), Ok(()));
    assert_eq!(pauses(&live), (vec![5], 1));
    live.reap();
    live.sim.inject(etsec_sim::Fault::TxHang);
    let before = live.sim.now_ns();
    assert_eq!(live.port.send_pause(5, &mut live.delay), Err(FlowError::NotSent));
    assert!((10_000_000..11_000_000).contains(&(live.sim.now_ns() - before)));
    live.port.reset(&mut live.delay).unwrap();
    live.settle(1);
    live.finish();
}

#[test]
fn a_received_pause_is_obeyed_for_its_time_where_the_link_says_so() {
    let times = [("1000/full/rx", true), ("1000/full/rx+tx", true), ("1000/full/tx", false)];
    for (text, obeyed) in times {
        let mut live =
            Rig::new(&Plan { sim: on_wire(Switches::default()), ..Plan::default() }).start();
        live.port.set_link(link(text), &mut live.delay).unwrap();
        // 1000 units of 512 ns.
        live.sim.receive_raw(pause(1000));
        live.send(0, &frame(PEER, STATION, 60, 0));
        live.delay_us(511);
        assert_eq!(live.sim.transmitted().is_some(), !obeyed, "{text}");
        live.delay_us(2);
        assert_eq!(live.sim.transmitted().is_some(), obeyed, "{text}");
        if obeyed {
            live.sim.receive_raw(pause(0xFFFF));
            live.send(0, &frame(PEER, STATION, 61, 0));
            live.delay_us(100);
            assert!(live.sim.transmitted().is_none());
            live.sim.receive_raw(pause(0));
            live.delay_us(1);
            assert!(live.sim.transmitted().is_some(), "time 0 ends it");
        }
        live.settle(1);
        live.reap();
        live.finish();
    }
}

#[test]
fn a_pause_is_counted_from_when_the_transmitter_is_idle() {
    let mut live = Rig::new(&Plan { sim: on_wire(Switches::default()), ..Plan::default() }).start();
    live.port.set_link(link("10/full/rx"), &mut live.delay).unwrap();
    // The first one takes 819 µs; 10 units are 512 µs (HW 11.1).
    live.send(0, &frame(PEER, STATION, 1000, 0));
    live.send(0, &frame(PEER, STATION, 60, 1));
    live.sim.receive_raw(pause(10));
    live.delay_us(1320);
    assert_eq!(live.sent().len(), 1, "the frame on the wire is ended");
    live.delay_us(90);
    assert_eq!(live.sent().len(), 1, "and the next one waits for all of the pause from there on");
    live.reap();
    live.finish();
}

#[test]
fn flow_control_is_what_was_negotiated_or_what_is_fixed() {
    let negotiated = link("100/full/rx");
    let auto = FlowControl::Negotiated(Pause::BOTH);
    assert_eq!((auto.offered(), auto.over(negotiated)), (Pause::BOTH, negotiated));
    let fixed = FlowControl::Fixed(Pause { rx: false, tx: true });
    assert_eq!(fixed.offered(), Pause { rx: false, tx: true });
    assert_eq!(fixed.over(negotiated), link("100/full/tx"));
    let mut live = Live::new();
    live.port.set_link(fixed.over(link("1000/full/rx+tx")), &mut live.delay).unwrap();
    assert_eq!(live.sim.bus().read(at::MACCFG1) & 0x30, 0x10);
    live.finish();
}
