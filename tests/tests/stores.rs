//! Whatever store a process dies at, does the next one find every frame once and every buffer?
//!
//! `cargo xtask test --only stores`: the core is built with a watch on its stores. Each script is
//! run again and again, and ends one store later each time; then another process takes over.
#![cfg(all(etsec_stores, panic = "unwind"))]

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use etsec_core::adopt::AdoptError;
use etsec_core::arena::COUNTERS_BYTES;
use etsec_core::filer::{Action, Rule};
use etsec_core::mib::Counter;
use etsec_core::{Arena, Bus, Config, Pages, Region, Stopped, TxOffload};
use etsec_sim::random::Random;
use etsec_sim::{MemoryOrder, Sim, SimBus, SimConfig, Switches};
use etsec_tests::adopting::{adopt, adopt_through, adopt_with, die, numbered, plan};
use etsec_tests::crash::{Ended, Ledger, Mortal, Op, Script, Store, Worker, arrive, live};
use etsec_tests::filing::{self, ring_of, rules, udp};
use etsec_tests::rig::{Live, Plan, Rig, bytes_of, config};

/// Scripts of each kind.
const SEEDS: u64 = 20;

/// A process, and the world around it.
#[derive(Debug, Clone)]
struct Case {
    plan: Plan,
    script: Script,
    /// What passes between two stores, in nanoseconds.
    pace: u64,
    /// A frame arrives in front of every so many stores; 0: none.
    every: u64,
    /// What passes between a death and the next process, in nanoseconds.
    away: u64,
    /// The base register of a ring that is not marked any more, if one is not.
    without_mark: Option<u16>,
}

impl Case {
    /// With time passing as given.
    fn new(plan: Plan, script: Script, (pace, every, away): (u64, u64, u64)) -> Case {
        Case { plan, script, pace, every, away, without_mark: None }
    }
}

impl Case {
    /// The world, a step in front of each store.
    fn world(&self, sim: &Sim, ledger: &Ledger) -> impl FnMut(Store) -> bool + 'static {
        let (sim, arrived) = (sim.clone(), Rc::clone(&ledger.arrived));
        let (pace, every, mut count) = (self.pace, self.every, 0);
        move |_| {
            sim.advance(pace);
            count += 1;
            if every != 0 && count % every == 0 {
                arrive(&sim, &arrived, false);
            }
            true
        }
    }

    /// Runs the script up to the end or to a store, in front of which the process dies. Whether it
    /// has lived to its end.
    fn run(&self, mut old: Live<Mortal<SimBus>>, ledger: &mut Ledger, stores: u64) -> bool {
        let (sim, mut held) = (old.sim.clone(), Vec::new());
        let mut world = self.world(&sim, ledger);
        let left_out = self.left_out(&sim);
        let world = move |store| {
            let made = world(store);
            !matches!(store, Store::Word(at) if left_out.contains(&at)) && made
        };
        let mut worker = Worker { live: &mut old, ledger, held: &mut held };
        let ended = live(stores, world, || worker.work(&self.script));
        std::mem::forget(held);
        ledger.bury();
        die(old);
        matches!(ended, Ended::Lived(..))
    }

    /// Where the words are that are left out, if they are: those in front of the ring's
    /// descriptors.
    fn left_out(&self, sim: &Sim) -> Range<usize> {
        let Some(base) = self.without_mark else { return 0..0 };
        let region = ManuallyDrop::new(sim.region_again().expect("there is one"));
        let from = (sim.bus().read(base) - region.bus().low()) as usize;
        let end = region.cpu().addr().get() + from;
        end - 64..end
    }

    fn start(&self) -> Live<Mortal<SimBus>> {
        let sim = Sim::new(self.plan.sim.clone());
        Rig::through(&sim, &self.plan, Mortal(sim.bus())).start()
    }

    /// Another process takes over, up to a store at which it dies as well, while the world goes on.
    fn adopt(&self, sim: &Sim, ledger: &Ledger, stores: u64) -> Option<Live<Mortal<SimBus>>> {
        sim.advance(self.away);
        arrive(sim, &ledger.arrived, false);
        let bus = Mortal(sim.bus());
        match live(stores, self.world(sim, ledger), || adopt_through(sim, &self.plan, bus)) {
            Ended::Lived(adopted, _) => Some(adopted.expect("it can be taken over").0),
            Ended::Died => None,
        }
    }

    /// Ends the process in front of store `stores` and lets another take over. Whether it had been
    /// at its end before.
    fn crash_at(&self, stores: u64) -> bool {
        let (old, mut ledger) = (self.start(), Ledger::default());
        let sim = old.sim.clone();
        let lived = self.run(old, &mut ledger, stores);
        let new = self.adopt(&sim, &ledger, u64::MAX).expect("it lives");
        self.finish(new, &mut ledger);
        lived
    }

    /// Nothing is lost, repeated or missing, and all of it goes on.
    fn finish(&self, mut new: Live<Mortal<SimBus>>, ledger: &mut Ledger) {
        settle(&mut new, ledger);
        new.exchange(2);
        assert_eq!(new.pool.free() + new.rx[0].pending(), self.plan.buffers);
        new.finish();
    }

    /// The process dies at store `first`, and the one that takes over at store `second` of that.
    /// Whether the latter had been at its end before.
    fn crash_twice(&self, first: u64, second: u64) -> bool {
        let (old, mut ledger) = (self.start(), Ledger::default());
        let sim = old.sim.clone();
        self.run(old, &mut ledger, first);
        let between = self.adopt(&sim, &ledger, second);
        let lived = between.map(die).is_some();
        let new = self.adopt(&sim, &ledger, u64::MAX).expect("it lives");
        self.finish(new, &mut ledger);
        lived
    }

    /// Each store in turn; how many there are.
    fn crash_at_each(&self) -> u64 {
        self.each(|stores| self.crash_at(stores))
    }

    fn each(&self, crash_at: impl Fn(u64) -> bool) -> u64 {
        let mut stores = 0;
        loop {
            match catch_unwind(AssertUnwindSafe(|| crash_at(stores))) {
                Ok(false) => stores += 1,
                Ok(true) => return stores,
                Err(why) => {
                    eprintln!("at store {stores} of {self:?}");
                    resume_unwind(why);
                }
            }
        }
    }
}

/// Takes and sends all there is, and judges what has become of it.
fn settle<B: Bus + Clone>(live: &mut Live<B>, ledger: &mut Ledger) {
    while let Some((buf, _)) = live.rx[0].next() {
        ledger.deliver(&bytes_of(&buf));
    }
    let counters = live.rx[0].counters();
    assert!(counters.errors() == counters.incomplete && counters.incomplete <= 2, "{counters:?}");
    live.rx[0].fill(&live.pool);
    live.rx[0].commit();
    live.sim.advance(3_000_000);
    ledger.close(&live.sim);
    live.reap();
}

/// Frames in one buffer each, with control blocks; rings of these lengths.
fn whole(rx: usize, tx: usize) -> Plan {
    let config = Config { parser: true, ..config() };
    Plan { config, tx_offload: TxOffload::All, ..plan(rx, tx) }
}

/// The same in buffers that are shorter than most frames.
fn pieces(rx: usize, tx: usize) -> Plan {
    let mut plan = whole(rx, tx);
    plan.config.buffer_size = 128;
    plan
}

/// All operations, around the ends of rings of four to eight.
fn tour() -> Script {
    use Op::*;
    Script(vec![
        Arrive(3),
        Take(2),
        Refill,
        CommitRx,
        StageBurst(3),
        Wait(1),
        Stage(2),
        CommitTx,
        Arrive(4),
        TakeBurst(9),
        RefillBurst,
        ReapBurst,
        StageBlock(2),
        StageApart(2),
        CommitTx,
        Overrun(9),
        Take(9),
        Fill,
        CommitRx,
        Mend,
        Wait(9),
        Reap,
        Arrive(2),
        StageBurst(5),
        TakeBurst(1),
    ])
}

/// Whether time passes between two stores, how often frames arrive, and how long nobody is there.
const PACES: [(u64, u64, u64); 4] = [(0, 0, 0), (0, 5, 100_000), (300, 7, 0), (1000, 3, 5000)];

#[test]
fn frames_in_one_buffer() {
    for pace in PACES {
        let case = Case::new(whole(5, 5), tour(), pace);
        assert!(case.crash_at_each() > 100);
    }
}

#[test]
fn frames_in_several_buffers() {
    for pace in PACES {
        let case = Case::new(pieces(9, 9), tour(), pace);
        assert!(case.crash_at_each() > 100);
    }
}

#[test]
fn whatever_it_does() {
    for seed in 0..SEEDS {
        let mut random = Random::new(seed);
        let mut size = || [4, 5, 8, 33, 64][random.below(5) as usize];
        let (rx, tx) = (size(), size());
        let plan = if random.below(2) == 0 { whole(rx, tx) } else { pieces(rx, tx) };
        let script = Script::random(&mut random, 30);
        Case::new(plan, script, PACES[random.below(4) as usize]).crash_at_each();
    }
}

#[test]
fn one_after_the_other() {
    let mut in_hand = 0;
    for seed in 0..20 * SEEDS {
        let mut random = Random::new(seed);
        let plan = if random.below(2) == 0 { whole(16, 16) } else { pieces(16, 16) };
        let pace = PACES[random.below(4) as usize];
        let mut case = Case::new(plan, Script(Vec::new()), pace);
        let (mut process, mut ledger) = (case.start(), Ledger::default());
        let sim = process.sim.clone();
        for _ in 0..5 {
            case.script = Script::random(&mut random, 30);
            case.run(process, &mut ledger, random.below(300));
            // Some that take over do not come to that.
            let adopted = || case.adopt(&sim, &ledger, random.below(1000));
            process = std::iter::repeat_with(adopted).flatten().next().expect("one does");
        }
        case.finish(process, &mut ledger);
        in_hand += ledger.in_hand;
    }
    assert!(in_hand > 100, "{in_hand}");
}

#[test]
fn a_device_that_sees_stores_late() {
    for seed in 0..SEEDS / 2 {
        let mut random = Random::new(1000 + seed);
        let plan = if random.below(2) == 0 { whole(8, 8) } else { pieces(8, 8) };
        let memory = MemoryOrder::Weak { seed };
        let sim = SimConfig { memory, sanitizer: false, ..plan.sim };
        let plan = Plan { sim, ..plan };
        let script = Script::random(&mut random, 20);
        Case::new(plan, script, PACES[random.below(4) as usize]).crash_at_each();
    }
}

#[test]
fn who_takes_over_dies_as_well() {
    for (n, pace) in PACES.into_iter().enumerate() {
        let plan = if n % 2 == 0 { whole(5, 5) } else { pieces(5, 5) };
        let case = Case::new(plan, tour(), pace);
        for first in [21, 34, 57, 80, 103, 131] {
            let stores = case.each(|second| case.crash_twice(first, second));
            assert!(stores > 60, "{stores}");
        }
    }
}

#[test]
fn without_marks_it_would_show() {
    const TBASE0: u16 = 0x204;
    const RBASE0: u16 = 0x404;
    for (base, few) in [(RBASE0, 50), (TBASE0, 3)] {
        let case = Case::new(whole(5, 5), tour(), PACES[0]);
        let case = Case { without_mark: Some(base), ..case };
        let fails = |stores: &u64| catch_unwind(|| case.crash_at(*stores)).is_err();
        let shown = (0..300).filter(fails).count();
        assert!(shown > few, "{base:#x}: {shown}");
    }
}

/// What a process has left that may not have been up yet, taken over if it can be.
fn try_adopt(sim: &Sim, plan: &Plan) -> Option<Live> {
    let region = sim.region_again()?;
    // SAFETY: who had it is forgotten.
    match unsafe { Arena::adopt(region) } {
        Err((region, _)) => {
            std::mem::forget(region);
            return None;
        }
        Ok(left) => std::mem::forget(left),
    }
    adopt(sim, plan).ok().map(|(live, ..)| live)
}

/// Lets a process begin in some memory, and die at each store. Once the controller runs it can be
/// taken over; before it is refused, and can be brought up.
fn begin_again(case: &Case, before: impl Fn(&Sim)) {
    let (refused, adopted) = (Cell::new(0), Cell::new(0));
    case.each(|stores| {
        let sim = Sim::new(case.plan.sim.clone());
        before(&sim);
        let begin = || {
            let region = sim.region_again().unwrap_or_else(|| sim.region(case.plan.bytes()));
            Rig::build(&sim, &case.plan, Pages::single(Mortal(sim.bus())), region).start()
        };
        let ended = live(stores, case.world(&sim, &Ledger::default()), begin);
        let lived = matches!(ended, Ended::Lived(..));
        std::mem::forget(ended);
        let new = try_adopt(&sim, &case.plan);
        let count = if new.is_some() { &adopted } else { &refused };
        count.set(count.get() + 1);
        let mut new = new.unwrap_or_else(|| Rig::on(&sim, &case.plan).start());
        new.exchange(2);
        new.finish();
        lived
    });
    let (refused, adopted) = (refused.get(), adopted.get());
    assert!(refused > 100 && adopted > 0, "{refused} refused, {adopted} adopted");
}

#[test]
fn a_bring_up_that_was_not_finished_is_refused_or_goes_on() {
    begin_again(&Case::new(whole(5, 5), Script(Vec::new()), PACES[0]), |_| ());
}

#[test]
fn and_so_is_one_in_memory_that_somebody_had() {
    let plans = [whole(9, 4), pieces(5, 5)];
    let case = Case::new(whole(5, 5), Script(Vec::new()), PACES[0]);
    for plan in plans {
        let plan = Plan { buffers: 16, ..plan };
        begin_again(&case, |sim| {
            let region = sim.region(case.plan.bytes());
            die(Rig::in_region(sim, &plan, region).start());
        });
    }
}

/// Rules that file everything to one queue, in so many entries.
fn rules_for(queue: u8, count: usize) -> (Vec<Rule>, Action) {
    let texts: Vec<_> = (0..count).map(|n| format!("ip4 udp dst-port {} drop", 2000 + n)).collect();
    (rules(&texts.iter().map(String::as_str).collect::<Vec<_>>()), Action::to(queue))
}

/// The process dies at a store while it changes rules; whether it had been at its end before.
fn crash_in_change(counts: [usize; 3], stores: u64, adopted: &Cell<u32>) -> bool {
    let plan = filing::plan(3, Switches::default());
    let sim = Sim::new(plan.sim.clone());
    let mut old = Rig::through(&sim, &plan, Mortal(sim.bus())).start();
    // To the front, to the back: the third set comes in either's place.
    let sets: Vec<_> = (0..3).map(|n| rules_for(n as u8, counts[n])).collect();
    for (rules, default) in &sets[..2] {
        old.port.set_rules(rules, *default, &mut old.delay).unwrap();
    }
    let (new_rules, default) = &sets[2];
    let change = || old.port.set_rules(new_rules, *default, &mut old.delay).unwrap();
    let lived = matches!(live(stores, |_| true, change), Ended::Lived(..));
    die(old);
    let keep = |port: &mut Stopped<SimBus>| port.keep_filer().unwrap();
    let mut new = match adopt_with(&sim, &plan, sim.bus(), |port, _| assert!(keep(port))) {
        Ok((new, ..)) => new,
        // Where reception had been stopped for the change.
        Err(error) => {
            assert_eq!(error, AdoptError::Still);
            return lived;
        }
    };
    adopted.set(adopted.get() + 1);
    let read: Vec<_> = new.port.filer().rules().map(Result::unwrap).collect();
    let (default, read) = read.split_last().expect("a default");
    let which = (1..3).find(|n| sets[*n].1 == default.action).expect("one of two sets");
    assert!(which == 2 || !lived, "changed, and not");
    assert!(read.iter().zip(&sets[which].0).all(|(read, rule)| *read == rule.normal().unwrap()));
    assert_eq!(ring_of(&mut new, &udp(None, 77)), Some(which));
    assert_eq!(ring_of(&mut new, &udp(None, 2000)), None);
    let (rules, default) = &sets[0];
    new.port.set_rules(rules, *default, &mut new.delay).unwrap();
    assert_eq!(ring_of(&mut new, &udp(None, 77)), Some(0));
    new.finish();
    lived
}

#[test]
fn rules_that_change_are_one_set_or_the_other() {
    let case = Case::new(filing::plan(3, Switches::default()), Script(Vec::new()), PACES[0]);
    // To the front, with less and more in the back; and with reception stopped, where not every
    // store is tried.
    for (counts, step, some) in
        [([2, 3, 4], 1, true), ([3, 9, 2], 1, true), ([2, 3, 70], 41, false)]
    {
        let adopted = Cell::new(0);
        let stores = case.each(|stores| crash_in_change(counts, step * stores, &adopted));
        assert!(stores > 10, "{counts:?}: {stores}");
        assert_eq!(u64::from(adopted.get()) > stores, some, "{counts:?}: {adopted:?} of {stores}");
    }
}

#[test]
fn totals_of_counters_are_right_whenever_they_are_kept() {
    const RPKT: u16 = 0x6A0;
    let case = Case::new(plan(8, 8), Script(Vec::new()), PACES[0]);
    let most = u64::from(u32::MAX);
    let stores = case.each(|stores| {
        let (sim, plan) = (Sim::new(case.plan.sim.clone()), &case.plan);
        let region = sim.region(plan.bytes() + COUNTERS_BYTES);
        let mut old = Rig::build(&sim, plan, Pages::single(Mortal(sim.bus())), region);
        old.port.keep_counters(old.arena.counters().unwrap());
        let mut old = old.start();
        sim.bus().write(RPKT, u32::MAX - 1);
        assert_eq!(old.port.mib().total(Counter::RPKT), most - 1);
        // It goes through zero; the process dies while it looks, once that is counted or before.
        (0..3).for_each(|n| sim.receive(&numbered(n)));
        let ended = live(stores, |_| true, || old.port.mib().total(Counter::RPKT));
        let lived = matches!(ended, Ended::Lived(total, _) if total == most + 2);
        die(old);
        sim.receive(&numbered(3));
        let (mut new, ..) = adopt(&sim, plan).unwrap();
        assert_eq!(new.port.mib().total(Counter::RPKT), most + 3);
        (0..4).for_each(|_| drop(new.receive(0).unwrap()));
        // Once more: what was a carry of before is none of this turn.
        sim.bus().write(RPKT, u32::MAX);
        let total = new.port.mib().total(Counter::RPKT);
        sim.receive(&numbered(4));
        assert_eq!(new.port.mib().total(Counter::RPKT), total + 1);
        drop(new.receive(0).unwrap());
        new.finish();
        lived
    });
    assert!(stores > 176, "{stores}");
}
