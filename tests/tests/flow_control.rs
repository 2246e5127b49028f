//! Does flow control hold the right side back, and does a slow consumer lose nothing with it? (HW
//! 11)

use embedded_hal::delay::DelayNs;
use etsec_core::error::Side;
use etsec_core::flow::FlowError;
use etsec_core::link::{FlowControl, Pause};
use etsec_core::mib::Counter;
use etsec_core::{AddressFilter, Bus as _, Config, Error, Event, Link, Running};
use etsec_sim::cable::{Cable, CableConfig};
use etsec_sim::{Fcs, Sim, SimBus, SimConfig, Switches, WireFrame, WireSpeed};
use etsec_tests::all_rings::{self, talker};
use etsec_tests::at;
use etsec_tests::rig::{Live, PEER, Plan, Rig, Rx, STATION, frame};

const RCTRL_LFC: u32 = 0x4000;
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

/// The times of the pause frames among those that have left, and how many others there were.
fn pauses(live: &Live) -> (Vec<u16>, usize) {
    let sent = live.sent();
    let is_pause = |bytes: &&Vec<u8>| bytes[12..16] == [0x88, 0x08, 0x00, 0x01];
    let times: Vec<u16> = sent
        .iter()
        .filter(is_pause)
        .map(|bytes| u16::from_be_bytes([bytes[16], bytes[17]]))
        .collect();
    let others = sent.len() - times.len();
    (times, others)
}

fn on_wire(switches: Switches) -> SimConfig {
    SimConfig { wire: WireSpeed::Link, switches, ..SimConfig::default() }
}

/// A sender and a slow receiver with a cable between them.
struct Pair {
    a: Live,
    b: Live,
    cable: Cable,
    next: u32,
    got: Vec<u32>,
}

/// Time for both ends of a cable.
struct Common<'a> {
    a: &'a Sim,
    b: &'a Sim,
    cable: &'a mut Cable,
}

impl DelayNs for Common<'_> {
    fn delay_ns(&mut self, ns: u32) {
        for step in (0..ns).step_by(500) {
            let ns = (ns - step).min(500).into();
            self.a.advance(ns);
            self.b.advance(ns);
            self.cable.step(self.a, self.b);
        }
    }
}

/// From the end of the addresses on, frames carry their number.
fn numbered(number: u32, from: etsec_core::MacAddr) -> Vec<u8> {
    let mut bytes = frame(STATION, from, 60 + (number as usize * 37) % 300, number as u8);
    bytes[14..18].copy_from_slice(&number.to_be_bytes());
    bytes
}

const RING: usize = 32;

impl Pair {
    /// `sender` is what the sending end does with pause frames.
    fn new(sender: &str, threshold: Option<u8>, switches: Switches) -> Pair {
        let mut filter = AddressFilter::new(PEER).expect("a station address");
        filter.promiscuous = true;
        let mut config = Config { link: link(sender), ..Config::new(filter) };
        let plan = |config| Plan {
            sim: on_wire(switches),
            config,
            rx: vec![RING],
            tx: vec![RING],
            buffers: 4 * RING,
            ..Plan::default()
        };
        let a = Rig::new(&plan(config.clone())).start();
        config.filter = AddressFilter::new(STATION).expect("a station address");
        (config.link, config.pause_time) = (link("1000/full/tx"), 32);
        let mut b = Rig::new(&plan(config));
        b.port.set_lossless(&mut b.rx[0], threshold).expect("a threshold");
        let cable = Cable::new(CableConfig { delay_ns: 300, ..CableConfig::default() });
        Pair { a, b: b.start(), cable, next: 0, got: Vec::new() }
    }

    /// `us` microseconds in which `a` sends as fast as it can, and `b` takes a frame each
    /// `each_us`, 0: none.
    fn run(&mut self, us: usize, each_us: usize) {
        for step in 0..2 * us {
            if step % 8 == 0 {
                self.a.reap();
                while self.a.tx[0].space() > 0 {
                    let bytes = numbered(self.next, PEER);
                    let buf = self.a.pool.frame(&bytes).expect("a buffer");
                    self.a.tx[0].stage(buf).expect("room");
                    self.next += 1;
                }
                self.a.tx[0].commit();
            }
            self.step();
            if each_us != 0 && step % (2 * each_us) == 0 {
                self.take();
            }
        }
    }

    fn step(&mut self) {
        Common { a: &self.a.sim, b: &self.b.sim, cable: &mut self.cable }.delay_ns(500);
    }

    /// Lets the receiver do something that takes time.
    fn at_b<R>(
        &mut self,
        f: impl FnOnce(&mut Running<SimBus>, &mut Rx, &mut Common<'_>) -> R,
    ) -> R {
        let Pair { a, b, cable, .. } = self;
        f(&mut b.port, &mut b.rx[0], &mut Common { a: &a.sim, b: &b.sim, cable })
    }

    fn take(&mut self) {
        if let Some(bytes) = self.b.receive(0) {
            let number = u32::from_be_bytes([bytes[14], bytes[15], bytes[16], bytes[17]]);
            assert_eq!(bytes, numbered(number, PEER), "arrived changed");
            self.got.push(number);
        }
    }

    /// Lets everything that was sent arrive, and returns how many frames were lost.
    fn end(mut self) -> usize {
        for step in 0..40_000 {
            self.step();
            if step % 20 == 0 {
                self.a.reap();
                self.take();
            }
        }
        assert_eq!(self.a.tx[0].pending(), 0, "the sender is stuck");
        let lost = self.next as usize - self.got.len();
        assert!(self.got.is_sorted(), "out of order");
        let dropped = self.b.port.mib().total(Counter::RDRP) as usize;
        // A controller that is being reset counts nothing.
        let uncounted = lost - dropped;
        assert!(uncounted <= 2 * self.b.port.faults().resets as usize, "{uncounted} uncounted");
        while self.a.sim.transmitted().is_some() {}
        self.a.finish();
        self.b.finish();
        lost
    }
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
    let before = pair.b.port.mib().total(Counter::RDRP);
    pair.run(1000, 10);
    pair.at_b(|port, _, delay| port.set_link(link("1000/full/rx+tx"), delay)).unwrap();
    let stopped = pair.b.port.mib().total(Counter::RDRP) - before;
    assert!(stopped <= 1, "{stopped}");
    pair.run(1000, 10);
    assert_eq!(pair.b.port.mib().total(Counter::RDRP), before + stopped);
    pair.end();
}

#[test]
fn after_a_restart_a_ring_with_room_holds_nobody_back_and_one_without_does() {
    let mut rig = Rig::new(&Plan::default());
    rig.port.set_lossless(&mut rig.rx[0], Some(8)).unwrap();
    rig.port.set_pause_time(9);
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
fn it_is_switched_on_and_off_in_the_middle_of_traffic() {
    let mut pair = Pair::new("1000/full/rx", None, Switches::default());
    pair.run(200, 2);
    assert_eq!(pair.at_b(|port, rx, delay| port.set_lossless(rx, Some(10), delay)), Ok(()));
    assert_eq!(pair.b.sim.bus().read(at::RCTRL) & RCTRL_LFC, RCTRL_LFC);
    assert_eq!(pair.b.sim.bus().read(RQPRM0), 10 << 24 | RING as u32);
    pair.run(2000, 10);
    assert_eq!(pair.b.port.mib().total(Counter::RDRP), 0, "lost with it on, or at the change");
    assert_eq!(pair.at_b(|port, rx, delay| port.set_lossless(rx, None, delay)), Ok(()));
    assert_eq!(pair.b.sim.bus().read(at::RCTRL) & RCTRL_LFC, 0);
    pair.run(1000, 10);
    assert!(pair.b.port.mib().total(Counter::RDRP) > 0, "still on");
    pair.end();
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
    live.port.set_pause_time(1000);
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
