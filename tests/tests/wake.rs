//! Does a sleeping port wake for the right frames, and go on as if nothing had been? (HW 13.3)

use etsec_core::device::{SleepError, Sleeping, Sleepless, Wake, WakeFrames};
use etsec_core::groups::Group;
use etsec_core::link::Pause;
use etsec_core::{Bus, MacAddr, Stash};
use etsec_sim::{Fault, Line, Sim, SimBus, SimConfig, Switches, WireSpeed};
use etsec_tests::all_rings;
use etsec_tests::at;
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, config, frame};

const GROUP: MacAddr = MacAddr([0x01, 0x00, 0x5E, 0, 0, 1]);

/// A running port whose station address, group and broadcast pass the filter, with the parser on.
fn live(sim: SimConfig) -> Live {
    let mut config = config();
    config.parser = true;
    config.filter.add_exact(GROUP).expect("room");
    Rig::new(&Plan { sim, config, ..Plan::default() }).start()
}

/// Parts of a [`Live`] whose port sleeps.
struct Asleep {
    port: Sleeping<SimBus>,
    rest: Rest,
}

/// A [`Live`] without its port.
struct Rest {
    rx: Vec<etsec_tests::rig::Rx>,
    tx: Vec<etsec_tests::rig::Tx>,
    pool: etsec_core::Pool,
    arena: etsec_core::Arena<etsec_sim::SimRegion>,
    delay: etsec_sim::SimDelay,
    sim: Sim,
}

fn sleep(live: Live, wake: Wake) -> Asleep {
    let Live { port, rx, tx, pool, arena, mut delay, sim } = live;
    let port = port.sleep(wake, &mut delay).map_err(|awake| awake.error()).expect("asleep");
    Asleep { port, rest: Rest { rx, tx, pool, arena, delay, sim } }
}

impl Asleep {
    fn wake(self) -> Live {
        let Rest { rx, tx, pool, arena, mut delay, sim } = self.rest;
        let port = self.port.wake(&mut delay).map_err(|(_, error)| error).expect("awake");
        Live { port, rx, tx, pool, arena, delay, sim }
    }

    /// Fails unless exactly the last frame given wakes.
    #[track_caller]
    fn woken_by(&mut self, not: &[Vec<u8>], by: &[u8]) {
        for frame in not {
            self.rest.sim.receive(frame);
        }
        assert!(!self.port.woken(), "by a frame that should not");
        assert!(!self.line());
        self.rest.sim.receive(by);
        assert!(self.line(), "the error line is up");
        assert!(self.port.woken());
        assert!(!self.line() && !self.port.woken(), "told once");
    }

    fn line(&self) -> bool {
        self.rest.sim.line(Line::Err)
    }
}

/// A frame to `to` with 6 bytes 0xFF and 16 times `station` from byte `at` on.
fn magic(to: MacAddr, station: MacAddr, at: usize) -> Vec<u8> {
    let mut bytes = frame(to, PEER, 300, 7);
    bytes[at..at + 6].fill(0xFF);
    for copy in bytes[at + 6..at + 102].chunks_exact_mut(6) {
        copy.copy_from_slice(&station.0);
    }
    bytes
}

fn arp(to: MacAddr) -> Vec<u8> {
    let mut bytes = frame(to, PEER, 60, 9);
    bytes[12..14].copy_from_slice(&[0x08, 0x06]);
    bytes
}

/// What is said of a sleep must hold in every reading of the manual.
fn each_reading(check: impl Fn(SimConfig)) {
    for switches in all_rings::readings().into_iter().filter(|switches| !switches.qemu) {
        check(SimConfig { switches, ..SimConfig::default() });
    }
}

#[test]
fn a_port_that_stashes_is_woken_as_well() {
    let mut config = config();
    config.parser = true;
    let mut rig = Rig::new(&Plan { config, ..Plan::default() });
    let stash = Stash { descriptors: true, length: 64, index: 0 };
    rig.port.set_stash(stash).expect("a stash that can be");
    let mut asleep = sleep(rig.start(), Wake::Frames(WakeFrames::UNICAST));
    let ours = frame(STATION, PEER, 60, 1);
    asleep.woken_by(&[frame(MacAddr::BROADCAST, PEER, 60, 0)], &ours);
    let mut live = asleep.wake();
    assert_eq!(live.receive(0), Some(ours));
    live.finish();
}

#[test]
fn a_magic_packet_wakes_and_no_other_frame() {
    each_reading(|sim| {
        let mut asleep = sleep(live(sim), Wake::Magic);
        let mut short = magic(STATION, STATION, 60);
        short.truncate(60 + 101);
        let others = [
            frame(STATION, PEER, 100, 1),
            magic(STATION, PEER, 60),
            magic(MacAddr([2, 0, 0, 0, 0, 9]), STATION, 60),
            short,
            arp(STATION),
        ];
        asleep.woken_by(&others, &magic(MacAddr::BROADCAST, STATION, 14));
        let mut live = asleep.wake();
        assert_eq!(live.receive(0), None, "nothing was received meanwhile");
        live.exchange(3);
        live.finish();
    });
}

#[test]
fn each_kind_of_frame_wakes_by_itself() {
    let kinds = [
        (WakeFrames::UNICAST, frame(STATION, PEER, 100, 1)),
        (WakeFrames::MULTICAST, frame(GROUP, PEER, 100, 2)),
        (WakeFrames::BROADCAST, frame(MacAddr::BROADCAST, PEER, 100, 3)),
        (WakeFrames::ARP, arp(MacAddr::BROADCAST)),
    ];
    for (kind, wakes) in &kinds {
        let also = |other: WakeFrames, bytes: &Vec<u8>| match *kind {
            // Broadcast is a group, and the ARP frame here a broadcast.
            WakeFrames::MULTICAST => other != WakeFrames::UNICAST,
            WakeFrames::BROADCAST => bytes[..6] == [0xFF; 6],
            kind => other == kind,
        };
        let others = kinds.iter().filter(|(other, bytes)| !also(*other, bytes));
        let others: Vec<_> = others.map(|(_, bytes)| bytes.clone()).collect();
        let mut asleep = sleep(live(SimConfig::default()), Wake::Frames(*kind));
        asleep.woken_by(&others, wakes);
        let mut live = asleep.wake();
        assert_eq!(live.receive(0).as_ref(), Some(wakes), "the frame that woke is there");
        assert_eq!(live.receive(0), None);
        live.exchange(3);
        live.finish();
    }
}

#[test]
fn any_of_several_kinds_wakes() {
    let mut asleep = sleep(live(SimConfig::default()), Wake::Frames(WakeFrames::all()));
    asleep.woken_by(&[], &frame(GROUP, PEER, 100, 2));
    asleep.woken_by(&[], &arp(STATION));
    asleep.woken_by(&[], &frame(STATION, PEER, 90, 2));
    let mut live = asleep.wake();
    for _ in 0..3 {
        assert!(live.receive(0).is_some());
    }
    live.exchange(3);
    live.finish();
}

#[test]
fn frames_and_rules_from_before_are_there_afterwards() {
    for wake in [Wake::Magic, Wake::Frames(WakeFrames::UNICAST)] {
        let mut live = all_rings::start(SimConfig::default());
        // Received before and not taken yet, and sent while it sleeps.
        let before = frame(STATION, all_rings::talker(5), 77, 1);
        live.sim.receive(&before);
        let mut asleep = sleep(live, wake);
        let out = frame(PEER, STATION, 80, 2);
        let buf = asleep.rest.pool.frame(&out).unwrap();
        asleep.rest.tx[3].stage(buf).unwrap();
        asleep.rest.tx[3].commit();
        asleep.rest.sim.advance(1_000_000_000);
        assert_eq!(asleep.rest.sim.transmitted(), None, "nothing is sent asleep");
        live = asleep.wake();
        assert_eq!(live.receive(5), Some(before));
        assert_eq!(live.sim.transmitted(), Some(out));
        assert_eq!(live.reap(), 1);
        // Each talker's frames still go to its ring.
        live.exchange(3);
        live.settle(20);
        assert_eq!((live.port.faults().resets, live.port.faults().transmit_hangs), (0, 0));
        live.finish();
    }
}

#[test]
fn it_need_not_have_been_woken() {
    let live = sleep(live(SimConfig::default()), Wake::Magic).wake();
    let mut live = sleep(live, Wake::Frames(WakeFrames::ARP)).wake();
    // The interrupts are those of a running port again.
    live.sim.receive(&frame(STATION, PEER, 100, 1));
    assert!(live.sim.line(Line::Rx));
    assert!(live.receive(0).is_some());
    live.exchange(1);
    live.finish();
}

#[test]
fn a_port_that_does_not_stop_gracefully_sleeps_as_well() {
    let switches = Switches { a002: true, ..Switches::default() };
    for wake in [Wake::Magic, Wake::Frames(WakeFrames::UNICAST)] {
        let live = live(SimConfig { switches, ..SimConfig::default() });
        let mut asleep = sleep(live, wake);
        asleep.woken_by(&[], &magic(STATION, STATION, 14));
        let mut live = asleep.wake();
        while live.receive(0).is_some() {}
        live.exchange(1);
        live.finish();
    }
}

#[test]
fn what_cannot_wake_is_named_and_the_port_runs_on() {
    let live = Live::new();
    let refuse = |live: Live, wake| {
        let Live { port, rx, tx, pool, arena, mut delay, sim } = live;
        let before = [at::IMASK, at::DMACTRL, at::RCTRL].map(|at| sim.bus().read(at));
        let refused = port.sleep(wake, &mut delay).expect_err("refused");
        let Sleepless::Awake(port, error) = refused else { panic!("halfway") };
        assert_eq!([at::IMASK, at::DMACTRL, at::RCTRL].map(|at| sim.bus().read(at)), before);
        (Live { port, rx, tx, pool, arena, delay, sim }, error)
    };
    let (live, error) = refuse(live, Wake::Frames(WakeFrames::empty()));
    assert_eq!(error, SleepError::Nothing);
    let (mut live, error) = refuse(live, Wake::Frames(WakeFrames::ARP));
    assert_eq!(error, SleepError::ParserOff);
    live.exchange(1);
    live.finish();
    let mut config = config();
    config.parser = true;
    let rings = Plan { config, rx: vec![], ..Plan::default() };
    let (live, error) = refuse(Rig::new(&rings).start(), Wake::Frames(WakeFrames::ARP));
    assert_eq!(error, SleepError::NoRing);
    live.finish();
}

#[test]
fn a_device_that_is_gone_is_named_and_can_be_woken_when_it_is_back() {
    let Live { port, rx, tx, pool, arena, mut delay, sim } = live(SimConfig::default());
    sim.inject(Fault::BusDead);
    let gone = port.sleep(Wake::Magic, &mut delay).expect_err("gone");
    assert_eq!(gone.error(), SleepError::Device(etsec_core::Error::Gone));
    let Sleepless::Awake(port, _) = gone else { panic!("nothing was begun") };
    sim.mend(Fault::BusDead);
    let mut port = port.sleep(Wake::Magic, &mut delay).map_err(|awake| awake.error()).unwrap();
    sim.inject(Fault::BusDead);
    assert!(!port.woken());
    let (port, error) = port.wake(&mut delay).expect_err("gone");
    assert_eq!(error, etsec_core::Error::Gone);
    sim.mend(Fault::BusDead);
    let port = port.wake(&mut delay).map_err(|(_, error)| error).unwrap();
    let mut live = Live { port, rx, tx, pool, arena, delay, sim };
    live.exchange(1);
    live.finish();
}

#[test]
fn time_asleep_is_no_hang() {
    let sim = SimConfig { wire: WireSpeed::Link, ..SimConfig::default() };
    let mut config = config();
    config.link.pause = Pause::BOTH;
    config.hang_ms = 100;
    let mut live = Rig::new(&Plan { sim, config, ..Plan::default() }).start();
    // The partner's pause keeps a frame back that a tick sees waiting.
    let mut pause = frame(MacAddr([0x01, 0x80, 0xC2, 0, 0, 1]), PEER, 60, 0);
    pause[12..18].copy_from_slice(&[0x88, 0x08, 0, 1, 0xFF, 0xFF]);
    live.sim.receive(&pause);
    let out = frame(PEER, STATION, 1000, 2);
    live.send(0, &out);
    live.settle(1);
    let asleep = sleep(live, Wake::Magic);
    asleep.rest.sim.advance(10_000_000_000);
    let mut live = asleep.wake();
    let now_ms = (live.sim.now_ns() / 1_000_000) as u32;
    live.port.tick(now_ms, &mut live.delay).unwrap();
    live.settle(1);
    assert_eq!(live.sim.transmitted(), Some(out));
    assert_eq!(live.port.faults().transmit_hangs, 0);
    assert_eq!(live.reap(), 1);
    live.finish();
}

#[test]
fn rings_of_the_second_group_wake_as_well() {
    for errors_in_group0 in [false, true] {
        let mut config = config();
        config.parser = true;
        let switches = Switches { errors_in_group0, ..Switches::default() };
        let sim = SimConfig { switches, ..SimConfig::default() };
        let plan = Plan { sim, config, ..Plan::default() };
        let sim = Sim::new(plan.sim.clone());
        let mut rig = Rig::grouped(&sim, &plan);
        rig.port.set_rx_group(&mut rig.rx[0], Group::One).unwrap();
        let mut asleep = sleep(rig.start(), Wake::Frames(WakeFrames::UNICAST));
        asleep.woken_by(&[], &frame(STATION, PEER, 100, 1));
        assert!(!sim.second_line(Line::Err), "acknowledged there, too");
        let mut live = asleep.wake();
        assert_eq!(live.receive(0), Some(frame(STATION, PEER, 100, 1)));
        live.exchange(1);
        live.finish();
    }
}
