//! Do frames go where rules say, also while the rules change? (HW 6)

use std::sync::{Arc, Mutex};

use embedded_hal::delay::DelayNs;
use etsec_core::device::{Wake, WakeFrames};
use etsec_core::filer::{Action, Change, FilerError, Rule, RuleError};
use etsec_core::mib::Counter;
use etsec_core::{Bus, Config, Error, Event, Line, MacAddr, Pages, Stopped};
use etsec_sim::{Fault, Line as Wire, Sim, SimBus, SimConfig, SimDelay, Switches};
use etsec_tests::at;
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, config, frame};
use etsec_tests::search::{self, Outcome, Reading};
use etsec_tests::trace::{Access, Traced};

fn plan(rings: usize, switches: Switches) -> Plan {
    let config = Config { parser: true, ..config() };
    let sim = SimConfig { switches, ..SimConfig::default() };
    Plan { sim, config, rx: vec![8; rings], buffers: 128, ..Plan::default() }
}

fn rules(texts: &[&str]) -> Vec<Rule> {
    texts.iter().map(|text| text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))).collect()
}

fn start(texts: &[&str], default: Action, switches: Switches) -> Live {
    let mut rig = Rig::new(&plan(8, switches));
    rig.port.set_rules(&rules(texts), default).unwrap();
    rig.start()
}

/// A UDP datagram to a port, in a frame with a VLAN tag if one is given.
fn udp(tag: Option<u16>, port: u16) -> Vec<u8> {
    let mut bytes = frame(STATION, PEER, 12, 0);
    if let Some(tag) = tag {
        bytes.extend([0x81, 0x00]);
        bytes.extend(tag.to_be_bytes());
    }
    bytes.extend([0x08, 0x00, 0x45, 0, 0, 36, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend([0x12, 0x34]);
    bytes.extend(port.to_be_bytes());
    bytes.extend([0, 16, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    bytes.resize(bytes.len().max(60), 0);
    bytes
}

/// The ring a frame arrives in.
fn ring_of<B: Bus + Clone>(live: &mut Live<B>, bytes: &[u8]) -> Option<usize> {
    live.sim.receive(bytes);
    let found: Vec<_> = (0..live.rx.len()).filter(|n| live.receive(*n).is_some()).collect();
    assert!(found.len() <= 1, "one frame in rings {found:?}");
    found.first().copied()
}

#[test]
fn rules_decide_in_their_order_and_the_default_on_the_rest() {
    let texts = [
        "udp vlan 5 drop",
        "udp dst-port 80-443 queue 3",
        "udp dst-port 80 queue 4",
        "src-ip 10.0.0.0/8 tos 0 queue 21",
        "byte frame+0 0x03/0x03 queue 6",
    ];
    let mut live = start(&texts, Action::to(7), Switches::default());
    let group = frame(MacAddr([0xFF; 6]), PEER, 60, 1);
    for (bytes, ring) in [
        (udp(Some(5), 80), None),
        (udp(Some(6), 80), Some(3)),
        (udp(None, 443), Some(3)),
        (udp(None, 444), Some(5)),
        (group, Some(6)),
        (frame(STATION, PEER, 60, 1), Some(7)),
    ] {
        assert_eq!(ring_of(&mut live, &bytes), ring, "{bytes:x?}");
    }
    assert_eq!(live.port.mib().total(Counter::RREJ), 1);
    let shown: Vec<_> = live.port.filer().rules().map(|rule| rule.unwrap().to_string()).collect();
    let mut wanted = texts.map(String::from).to_vec();
    wanted[3] = "tos 0x00 src-ip 10.0.0.0/8 queue 21".into();
    wanted.push("queue 7".into());
    assert_eq!(shown, wanted);
    live.finish();
}

#[test]
fn a_rule_tells_of_its_frames_by_an_event_on_whichever_line() {
    for fgpi_on_rx in [false, true] {
        let texts = ["udp queue 1 interrupt", "broadcast queue 2"];
        let mut live = start(&texts, Action::to(0), Switches { fgpi_on_rx, ..Switches::default() });
        assert_eq!(live.sim.bus().read(at::IMASK), (Event::DEFAULT_MASK | Event::FGPI).bits());
        let port = live.port.events();
        assert_eq!(ring_of(&mut live, &frame(STATION, PEER, 60, 1)), Some(0));
        assert_eq!(port.take(Line::Rx), Event::RXF);
        assert_eq!(ring_of(&mut live, &udp(None, 1)), Some(1));
        let lines = [Wire::Rx, Wire::Err].map(|line| live.sim.line(line));
        assert_eq!(lines, [true, !fgpi_on_rx]);
        let line = if fgpi_on_rx { Line::Rx } else { Line::Err };
        assert!(port.take(line).contains(Event::FGPI));
        // Whoever looks after the error line alone does not leave it up for ever.
        port.take(Line::Rx);
        assert_eq!(ring_of(&mut live, &udp(None, 1)), Some(1));
        assert_eq!(live.port.tick(0, &mut live.delay), Ok(Event::FGPI));
        assert!(!live.sim.line(Wire::Err));
        // Without such a rule, the event is not listened to any more.
        live.port.set_rules(&[], Action::to(0), &mut live.delay).unwrap();
        assert_eq!(live.sim.bus().read(at::IMASK), Event::DEFAULT_MASK.bits());
        live.finish();
    }
}

#[test]
fn in_single_queue_mode_all_go_to_ring_0_and_tell_their_queue() {
    let mut rig = Rig::new(&plan(1, Switches::default()));
    let some = rules(&["udp queue 42"]);
    let missing = FilerError::Rule(0, RuleError::NoRing { queue: 42, ring: 2 });
    assert_eq!(rig.port.set_rules(&some, Action::to(0)), Err(missing));
    rig.port.set_single_queue(true);
    rig.port.set_rules(&some, Action::to(5)).unwrap();
    let mut live = rig.start();
    for (bytes, queue) in [(udp(None, 1), 42), (frame(STATION, PEER, 60, 1), 5)] {
        live.sim.receive(&bytes);
        let (buf, meta) = live.rx[0].next().unwrap();
        assert_eq!((&buf[..], meta.fcb.map(|fcb| fcb.queue)), (&bytes[..], Some(queue)));
    }
    live.port.set_single_queue(false, &mut live.delay).unwrap();
    assert_eq!(ring_of(&mut live, &udp(None, 1)), None);
    assert_eq!(live.port.tick(0, &mut live.delay), Ok(Event::FIQ));
    live.port.set_single_queue(true, &mut live.delay).unwrap();
    assert_eq!(ring_of(&mut live, &udp(None, 1)), Some(0));
    live.finish();
}

#[test]
fn a_hash_spreads_flows_over_rings_and_keeps_each_together() {
    // The hash itself is the model's (HW 6.5): that the rings are those of RIRn is the driver's.
    let texts = ["udp spread 1,2,3,4 by src-ip,dst-ip,src-port,dst-port"];
    let mut live = start(&texts, Action::to(0), Switches::default());
    let mut rings = [0; 8];
    for port in 1..200 {
        let ring = ring_of(&mut live, &udp(None, port)).unwrap();
        assert_eq!(ring_of(&mut live, &udp(Some(9), port)), Some(ring));
        rings[ring] += 1;
    }
    assert!(rings[1..5].iter().all(|n| *n > 20), "{rings:?}");
    assert_eq!(rings[1..5].iter().sum::<i32>(), 199);
    // The next rules have their own list of rings, so that no frame is spread by half of each.
    let next = rules(&["udp spread 5,6,7 by dst-port"]);
    let change = live.port.set_rules(&next, Action::to(0), &mut live.delay);
    assert_eq!(change, Ok(Change::Seamless));
    for port in 1..100 {
        assert!((5..8).contains(&ring_of(&mut live, &udp(None, port)).unwrap()));
    }
    live.port.reset(&mut live.delay).unwrap();
    assert!((5..8).contains(&ring_of(&mut live, &udp(None, 77)).unwrap()));
    live.finish();
}

#[test]
fn a_part_without_hash_filing_says_so_and_keeps_its_rules() {
    let mut plan = plan(2, Switches::default());
    plan.sim.etsec2 = false;
    let mut rig = Rig::new(&plan);
    let spread = rules(&["udp queue 1", "broadcast spread 0,1 by dst-port"]);
    let refused = FilerError::Rule(1, RuleError::NoSpreading);
    assert_eq!(rig.port.set_rules(&spread, Action::to(0)), Err(refused));
    let mut live = rig.start();
    let change = live.port.set_rules(&spread[..1], Action::to(0), &mut live.delay);
    assert_eq!(change, Ok(Change::Stopped), "the filer was off");
    for _ in 0..2 {
        assert_eq!(ring_of(&mut live, &udp(None, 1)), Some(1));
        let before = live.port.filer();
        assert_eq!(live.port.set_rules(&spread, Action::to(0), &mut live.delay), Err(refused));
        assert_eq!(live.port.filer(), before);
    }
    live.finish();
}

#[test]
fn bad_rules_change_nothing() {
    let mut live = start(&["udp queue 1"], Action::to(0), Switches::default());
    let before = live.port.filer();
    let full: Vec<Rule> =
        (1..200).map(|n| format!("vlan {n} dst-port {n} queue 2").parse().unwrap()).collect();
    let mut wrong: Rule = "vlan 5 queue 2".parse().unwrap();
    wrong.action = Action::to(99);
    for (rules, error) in [
        (&full[..], "rule 83: the filer's table is full"),
        (&[wrong][..], "rule 0: queue 99: 0 to 63 are possible"),
    ] {
        let found = live.port.set_rules(rules, Action::to(0), &mut live.delay).unwrap_err();
        assert!(found.to_string().starts_with(error), "{found}");
        assert_eq!(live.port.filer(), before);
        assert_eq!(ring_of(&mut live, &udp(None, 1)), Some(1));
    }
    live.finish();
    let mut plan = plan(1, Switches::default());
    plan.config.parser = false;
    let mut rig = Rig::new(&plan);
    assert_eq!(rig.port.set_rules(&[], Action::to(0)), Err(FilerError::Port(Error::ParserOff)));
}

/// Sets of rules that file a datagram, and by default all else, to one ring, of such shapes that they go to either place of
/// the table, with and without clusters, or need all of it.
fn sets() -> Vec<(Vec<Rule>, Action)> {
    let many = |n: usize, queue: u8| {
        let mut many: Vec<Rule> = (0..n)
            .map(|n| format!("ip4 udp dst-port {} drop", 2000 + n).parse().unwrap())
            .collect();
        many.push(format!("udp dst-port 1-1000 queue {queue}").parse().unwrap());
        (many, Action::to(queue))
    };
    vec![many(5, 1), many(10, 2), many(20, 3), many(90, 4), many(15, 5), many(1, 6), many(120, 7)]
}

#[test]
fn rules_change_with_reception_going_on_where_there_is_room() {
    let sets = sets();
    let mut live = start(&[], Action::to(0), Switches::default());
    let mut seamless = 0;
    for turn in 0..200 {
        let n = (turn * 5 + turn / 7) % sets.len();
        let (rules, default) = &sets[n];
        let change = live.port.set_rules(rules, *default, &mut live.delay).unwrap();
        seamless += i32::from(change == Change::Seamless);
        assert_eq!(ring_of(&mut live, &udp(None, 77)), Some(n + 1), "turn {turn}");
        assert_eq!(ring_of(&mut live, &udp(None, 2000)), None);
        let read = live.port.filer();
        let read: Vec<_> = read.rules().map(Result::unwrap).collect();
        assert_eq!(read.len(), rules.len() + 1);
        assert!(read.iter().zip(rules).all(|(read, rule)| *read == rule.normal().unwrap()));
    }
    assert!((100..200).contains(&seamless), "{seamless}");
    assert_eq!(live.port.faults().resets, 0);
    live.finish();
}

/// A bus in front of the model: a frame arrives after each write to the filer.
#[derive(Clone)]
struct Arriving {
    sim: Sim,
    bus: SimBus,
    arrived: Arc<Mutex<u32>>,
}

impl Bus for Arriving {
    fn read(&self, at: u16) -> u32 {
        self.bus.read(at)
    }
    fn write(&self, at: u16, value: u32) {
        self.bus.write(at, value);
        if (0x318..0x340).contains(&at) && self.bus.read(at::MACCFG1) & 4 != 0 {
            let mut arrived = self.arrived.lock().unwrap();
            // By the last rule, and by the default.
            let other = frame(STATION, PEER, 60, 1);
            self.sim.receive(&if arrived.is_multiple_of(2) { udp(None, 77) } else { other });
            *arrived += 1;
        }
    }
    fn publish(&self) {
        self.bus.publish();
    }
    fn observe(&self) {
        self.bus.observe();
    }
}

#[test]
fn each_frame_is_filed_by_the_old_rules_or_by_the_new_ones() {
    let sets: Vec<_> = sets().into_iter().filter(|(rules, _)| rules.len() < 25).collect();
    let plan = Plan { rx: vec![1024; 8], buffers: 8 * 1024 + 8, ..plan(8, Switches::default()) };
    let sim = Sim::new(plan.sim.clone());
    let arrived = Arc::default();
    let bus = Arriving { sim: sim.clone(), bus: sim.bus(), arrived: Arc::clone(&arrived) };
    let mut rig = Rig::through(&sim, &plan, bus);
    rig.port.set_rules(&sets[0].0, sets[0].1).unwrap();
    let mut live = rig.start();
    let mut old = ring_of(&mut live, &udp(None, 77)).unwrap();
    for turn in 1..30 {
        *arrived.lock().unwrap() = 0;
        let (rules, default) = &sets[turn % sets.len()];
        let change = live.port.set_rules(rules, *default, &mut live.delay);
        assert_eq!(change, Ok(Change::Seamless));
        let mut count = |ring: usize| std::iter::from_fn(|| live.receive(ring)).count() as u32;
        let counts: Vec<u32> = (0..8).map(&mut count).collect();
        let new = ring_of(&mut live, &udp(None, 77)).unwrap();
        assert_ne!(old, new);
        assert!(counts[new] > 0 && counts[old] > 0, "turn {turn}: {counts:?}");
        assert_eq!(counts[old] + counts[new], *arrived.lock().unwrap(), "turn {turn}: {counts:?}");
        old = new;
    }
    live.finish();
}

/// The writes to the filer's registers, and the waiting.
fn filer_writes(log: &[Access]) -> Vec<(u16, u32)> {
    let write = |access: &Access| match access {
        Access::Write(at @ (at::RQFAR | at::RQFCR | at::RQFPR), value) => Some((*at, *value)),
        _ => None,
    };
    log.iter().filter_map(write).collect()
}

#[test]
fn a_search_that_is_under_way_sees_one_set_of_rules() {
    // HW 6.1: entry after entry, two a clock; the processor writes at whatever pace.
    let sets: Vec<_> = sets().into_iter().filter(|(rules, _)| rules.len() < 25).collect();
    let sim = Sim::default();
    let traced = Traced::new(sim.bus());
    let mut rig = Rig::through(&sim, &plan(8, Switches::default()), traced.clone());
    rig.port.set_rules(&sets[0].0, sets[0].1).unwrap();
    let mut live = rig.start();
    // Properties of a datagram to port 77, and of none (HW 6.3).
    let datagram = |number| match number {
        1 => 0x210,
        14 => 77,
        _ => 0,
    };
    let frames: [&dyn Fn(u32) -> u32; 2] = [&datagram, &|_| 0];
    for turn in 1..2 * sets.len() {
        let table = live.port.filer();
        let mut table: Vec<_> = (0..=255).map(|n| table.entry(n)).collect();
        let _ = traced.take();
        let (rules, default) = &sets[turn % sets.len()];
        live.port.set_rules(rules, *default, &mut live.delay).unwrap();
        // All states of the table, one a write.
        let (mut states, mut at) = (vec![table.clone()], 0);
        for (register, value) in filer_writes(&traced.take()) {
            match register {
                at::RQFAR => at = value as usize,
                at::RQFCR => table[at].control = value,
                _ => table[at].property = value,
            }
            states.push(table.clone());
        }
        let outcome = |turn: usize| match sets[turn % sets.len()].0.last().unwrap().action {
            Action::File { queue, interrupt } => Outcome::File { queue, interrupt },
            other => panic!("{other:?}"),
        };
        let sides = [outcome(turn - 1), outcome(turn)];
        for (pace, property) in [1, 3, 17, 64].into_iter().flat_map(|n| frames.map(|f| (n, f))) {
            for start in 0..states.len() {
                let mut read = 0;
                let entry = |n: usize| {
                    let state = &states[(start + read / pace).min(states.len() - 1)];
                    read += 1;
                    (state[n].control, state[n].property)
                };
                let found = search::search(entry, property, Reading::MODEL);
                assert!(sides.contains(&found), "turn {turn}, {start}, {pace}: {found:?}");
            }
        }
    }
    live.finish();
}

/// A delay that is noted between the accesses of a trace.
struct Between {
    traced: Traced<SimBus>,
    delay: SimDelay,
    steps: Vec<Step>,
}

#[derive(Debug, PartialEq)]
enum Step {
    Access(Access),
    Wait(u32),
}

impl DelayNs for Between {
    fn delay_ns(&mut self, ns: u32) {
        self.steps.extend(self.traced.take().into_iter().map(Step::Access));
        self.steps.push(Step::Wait(ns));
        self.delay.delay_ns(ns);
    }
}

#[test]
fn frames_and_searches_that_began_before_are_waited_for() {
    let sim = Sim::default();
    let traced = Traced::new(sim.bus());
    let mut rig = Rig::through(&sim, &plan(8, Switches::default()), traced.clone());
    rig.port.set_rules(&rules(&["byte l3+3 77 queue 1"]), Action::to(0)).unwrap();
    let mut live = rig.start();
    for (text, other_bytes) in [
        ("byte l3+3 78 queue 2", false),
        ("byte l3+3 78 byte frame+0 2 queue 3", true),
        ("byte frame+0 2 queue 4", false),
    ] {
        let _ = traced.take();
        let mut delay = Between { traced: traced.clone(), delay: sim.delay(), steps: Vec::new() };
        let change = live.port.set_rules(&rules(&[text]), Action::to(0), &mut delay);
        assert_eq!(change, Ok(Change::Seamless));
        let steps = delay.steps;
        let guard = Step::Access(Access::Write(at::RQFAR, 0));
        let guard = steps.iter().position(|step| *step == guard).expect("the one store");
        let waited = |steps: &[Step]| {
            let ns = |step: &Step| if let Step::Wait(ns) = step { *ns } else { 0 };
            steps.iter().map(ns).sum::<u32>()
        };
        // HW 3.12: the bytes are looked at while a frame comes in: 1526 bytes take 12.2 us.
        assert_eq!(waited(&steps[..guard]) >= 12_200, other_bytes, "{text}");
        // HW 6.1: 128 clocks, of 64 MHz or more.
        assert!(waited(&steps[guard..]) >= 2_000);
    }
    live.finish();
}

/// A delay in which frames arrive, and which is noted.
struct Noted {
    sim: Sim,
    delay: SimDelay,
    us: u32,
}

impl DelayNs for Noted {
    fn delay_ns(&mut self, ns: u32) {
        self.us += ns / 1000;
        self.sim.receive(&udp(None, 77));
        self.sim.mend(Fault::GrsNeverCompletes);
        self.delay.delay_ns(ns);
    }
}

#[test]
fn where_there_is_no_room_reception_stops_and_drops_are_counted() {
    let sets = sets();
    for never in [false, true] {
        let switches = Switches { a002: never, ..Switches::default() };
        let mut rig = Rig::new(&plan(8, switches));
        rig.port.set_rules(&sets[3].0, sets[3].1).unwrap();
        let mut live = rig.start();
        let mut resets = 0;
        for turn in 0..6 {
            // The largest ones fill the table alone.
            let n = if turn % 2 == 0 { 6 } else { 3 };
            let (rules, default) = &sets[n];
            let before = live.port.mib().total(Counter::RDRP);
            if !never {
                live.sim.inject(Fault::GrsNeverCompletes);
            }
            let mut noted = Noted { sim: live.sim.clone(), delay: live.sim.delay(), us: 0 };
            let change = live.port.set_rules(rules, *default, &mut noted).unwrap();
            assert_eq!(change, Change::Stopped);
            assert!(noted.us > 0 && noted.us <= 30_000, "{} us", noted.us);
            resets += u64::from(never);
            assert_eq!(live.port.faults().resets, resets);
            assert!(live.port.mib().total(Counter::RDRP) > before);
            while live.rx.iter_mut().any(|rx| rx.next().is_some()) {}
            for ring in 0..8 {
                live.rx[ring].fill(&live.pool);
                live.rx[ring].commit();
            }
            assert_eq!(ring_of(&mut live, &udp(None, 77)), Some(n + 1), "turn {turn}");
        }
        live.finish();
    }
}

#[test]
fn rules_outlive_resets_and_stops_whatever_a_reset_clears() {
    for reset_spoils_filer in [false, true] {
        let switches = Switches { reset_spoils_filer, ..Switches::default() };
        let texts = ["byte l3+2 0 byte l3+3 77 queue 1", "udp spread 2 by src-port"];
        let mut live = start(&texts, Action::Reject, switches);
        let check = |live: &mut Live| {
            assert_eq!(ring_of(live, &udp(None, 77)), Some(1));
            assert_eq!(ring_of(live, &udp(None, 78)), Some(2));
            assert_eq!(ring_of(live, &frame(STATION, PEER, 60, 0)), None);
        };
        check(&mut live);
        live.port.reset(&mut live.delay).unwrap();
        check(&mut live);
        live.sim.inject(Fault::GtsNeverCompletes);
        let mut live = live.stop().start();
        live.sim.mend(Fault::GtsNeverCompletes);
        check(&mut live);
        // And so do rules set while it ran.
        let next = rules(&["byte l3+3 78 queue 3"]);
        live.port.set_rules(&next, Action::Reject, &mut live.delay).unwrap();
        live.port.reset(&mut live.delay).unwrap();
        assert_eq!(ring_of(&mut live, &udp(None, 78)), Some(3));
        assert_eq!(ring_of(&mut live, &udp(None, 77)), None);
        live.finish();
    }
}

#[test]
fn rules_outlive_a_sleep() {
    for reset_spoils_filer in [false, true] {
        let switches = Switches { reset_spoils_filer, a002: true, ..Switches::default() };
        let live = start(&["udp queue 3"], Action::to(2), switches);
        let Live { port, rx, tx, pool, arena, mut delay, sim } = live;
        let wake = Wake::Frames(WakeFrames::BROADCAST);
        let port = port.sleep(wake, &mut delay).map_err(|(_, error)| error).unwrap();
        let port = port.wake(&mut delay).map_err(|(_, error)| error).unwrap();
        let mut live = Live { port, rx, tx, pool, arena, delay, sim };
        assert_eq!(ring_of(&mut live, &udp(None, 1)), Some(3));
        assert_eq!(ring_of(&mut live, &frame(STATION, PEER, 60, 1)), Some(2));
        live.finish();
    }
}

#[test]
fn other_bytes_need_a_stop_only_where_there_is_no_place_left() {
    let mut live =
        start(&["byte l3+2 0 byte l3+3 77 queue 1"], Action::Reject, Switches::default());
    for (text, change) in [
        ("byte l3+3 77 byte l3+4 0 queue 2", Change::Seamless),
        ("byte l3+2 0 byte l3+3 77 byte frame+0 2 queue 3", Change::Seamless),
        ("byte frame+1 0 byte frame+6 2 queue 4", Change::Stopped),
        ("udp queue 5", Change::Seamless),
        ("byte l2+0 0x45 byte l2+1 0 byte l2+2 0 byte l2+3 36 queue 6", Change::Seamless),
    ] {
        let next = rules(&[text]);
        assert_eq!(live.port.set_rules(&next, Action::Reject, &mut live.delay), Ok(change));
        let Action::File { queue, .. } = next[0].action else { panic!() };
        assert_eq!(ring_of(&mut live, &udp(None, 77)), Some(queue.into()), "{text}");
    }
    live.finish();
}

#[test]
fn a_device_that_goes_away_is_told() {
    let sim = Sim::default();
    let traced = Traced::new(sim.bus());
    let mut delay = sim.delay();
    let config = Config { parser: true, ..config() };
    let port = Stopped::attach(Pages::single(traced.clone()), config, &mut delay).unwrap();
    let mut port = port.start(&mut delay).map_err(|(_, error)| error).unwrap();
    for turn in 0..2000 {
        traced.die_after(turn);
        let result = port.set_rules(&[], Action::Reject, &mut delay);
        traced.revive();
        match result {
            Err(error) => assert_eq!(error, FilerError::Port(Error::Gone)),
            Ok(change) => {
                assert_eq!(change, Change::Seamless);
                port.tick(0, &mut delay).unwrap();
                return;
            }
        }
        port.tick(0, &mut delay).unwrap();
        sim.advance(1);
    }
    panic!("it never came through");
}
