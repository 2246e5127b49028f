//! Do rules change while frames come, and does each frame see one set of them? (HW 6)

use std::sync::{Arc, Mutex};

use embedded_hal::delay::DelayNs;
use etsec_core::filer::{Action, Change, FilerError, Rule};
use etsec_core::mib::Counter;
use etsec_core::{Bus, Error};
use etsec_sim::{Fault, Sim, SimBus, SimDelay, Switches};
use etsec_tests::at;
use etsec_tests::filing::{plan, ring_of, rules, start, udp};
use etsec_tests::rig::{PEER, Plan, Rig, STATION, frame};
use etsec_tests::search::{self, Outcome, Reading};
use etsec_tests::trace::{Access, Traced};

/// Sets of rules that file a datagram, and by default all else, to one ring, of such shapes that
/// they go to either place of the table, with and without clusters, or need all of it.
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
fn rules_set_again_after_the_device_was_gone_are_those_in_use() {
    let sim = Sim::default();
    let traced = Traced::new(sim.bus());
    let rig = Rig::through(&sim, &plan(8, Switches::default()), traced.clone());
    let mut live = rig.start();
    let (mut outcomes, mut anew) = ([0; 2], 0);
    for turn in 0..300 {
        // Alternately from no filer, or a whole table, and beside rules in use.
        let sets = [rules(&["udp queue 1", "byte frame+0 2 queue 2"]), rules(&["udp queue 3"])];
        let set = &sets[turn % 2];
        traced.die_after(turn as u64 * 7);
        let result = live.port.set_rules(set, Action::to(4), &mut live.delay);
        traced.revive();
        if result.is_err() {
            assert_eq!(result, Err(FilerError::Port(Error::Gone)), "turn {turn}");
            live.port.tick(0, &mut live.delay).unwrap();
            let change = live.port.set_rules(set, Action::to(4), &mut live.delay).unwrap();
            anew += u32::from(change == Change::Stopped);
        }
        outcomes[usize::from(result.is_ok())] += 1;
        let rings = if turn % 2 == 0 { [1, 2] } else { [3, 4] };
        assert_eq!(ring_of(&mut live, &udp(None, 1)), Some(rings[0]), "turn {turn}");
        assert_eq!(ring_of(&mut live, &frame(STATION, PEER, 60, 1)), Some(rings[1]));
        let _ = traced.take();
    }
    // Which rules are in use was not known: they must not be written over as if it were.
    assert!(outcomes.iter().all(|n| *n > 20) && anew > 20, "{outcomes:?}, {anew}");
    live.finish();
}
