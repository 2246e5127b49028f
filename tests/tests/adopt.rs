//! Does a process that takes a running controller over find every frame that was in a ring, and
//! none twice?
//!
//! A process dies here by being forgotten: no destructor runs, and the device goes on. Where a
//! panic ends the program, none could be survived by others.
#![cfg(panic = "unwind")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use etsec_core::adopt::{Adoption, running_as};
use etsec_core::{Buf, Bus, Region};
use etsec_sim::random::Random;
use etsec_sim::room::Room;
use etsec_sim::{Sim, SimBus};
use etsec_tests::adopting::{adopt, adopt_through, die, number, numbered, plan};
use etsec_tests::rig::{Live, Rig};
use etsec_tests::trace::Traced;

/// Most frames that a dead process may have had in its hands.
const BURST: usize = 32;

/// A bus at which the process dies, in the middle of whatever it does.
#[derive(Debug, Clone)]
struct Mortal {
    bus: SimBus,
    /// Calls that are left to it.
    left: Arc<AtomicUsize>,
}

/// What unwinds then.
struct Died;

impl Mortal {
    fn new(sim: &Sim, left: usize) -> Mortal {
        Mortal { bus: sim.bus(), left: Arc::new(AtomicUsize::new(left)) }
    }

    fn live(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            resume_unwind(Box::new(Died));
        }
    }
}

impl Bus for Mortal {
    fn read(&self, at: u16) -> u32 {
        self.live();
        self.bus.read(at)
    }
    fn write(&self, at: u16, value: u32) {
        self.live();
        self.bus.write(at, value);
    }
    fn publish(&self) {
        self.live();
        self.bus.publish();
    }
    fn observe(&self) {
        self.live();
        self.bus.observe();
    }
}

#[test]
fn frames_in_rings_wait_for_the_next_process_and_those_sent_go_on() {
    let plan = plan(64, 64);
    let mut live = Rig::new(&plan).start();
    (0..40).for_each(|n| live.sim.receive(&numbered(n)));
    // It sees 32 of them, and takes one.
    let (taken, _) = live.rx[0].next().expect("a frame");
    assert_eq!(number(&taken), 0);
    std::mem::forget(taken);
    (100..110).for_each(|n| live.send(0, &numbered(n)));
    let mac = live.port.config().filter.station();
    let sim = die(live);
    assert_eq!(running_as(&sim.bus()).0, mac);

    let (mut live, found, reclaimed) = adopt(&sim, &plan).unwrap();
    assert_eq!(found, Adoption { waiting: 8, in_flight: found.in_flight });
    assert!((8..=10).contains(&found.in_flight), "{found:?}");
    // What the dead process had seen, and those of its frames that had left.
    assert_eq!(reclaimed + 32 + found.in_flight as usize, plan.buffers);
    let rest: Vec<_> = core::iter::from_fn(|| live.receive(0)).map(|f| number(&f)).collect();
    assert_eq!(rest, Vec::from_iter(32..40));
    live.delay_us(100);
    let sent: Vec<_> = core::iter::from_fn(|| sim.transmitted()).map(|f| number(&f)).collect();
    assert_eq!(sent, Vec::from_iter(100..110));
    assert_eq!(live.reap(), found.in_flight as usize);
    assert_eq!(live.port.mib().total(etsec_core::mib::Counter::RPKT), 40);
    live.exchange(3);
    live.finish();
}

/// What became of every frame.
#[derive(Default)]
struct Ledger {
    arrived: u32,
    delivered: BTreeSet<u32>,
    lost: u32,
    numbers: u32,
    /// Staged, and not known to be handed over.
    staged: Vec<u32>,
    committed: BTreeSet<u32>,
    seen_on_wire: BTreeSet<u32>,
}

impl Ledger {
    fn deliver(&mut self, bytes: &[u8]) {
        let n = number(bytes);
        assert!(self.delivered.insert(n), "frame {n} twice");
    }

    fn watch_wire(&mut self, sim: &Sim) {
        while let Some(bytes) = sim.transmitted() {
            let n = number(&bytes);
            assert!(self.committed.contains(&n) || self.staged.contains(&n), "frame {n}");
            assert!(self.seen_on_wire.insert(n), "frame {n} sent twice");
        }
    }
}

/// A process at random work.
struct Worker<'a> {
    live: &'a mut Live<Mortal>,
    random: &'a mut Random,
    ledger: &'a mut Ledger,
    held: &'a mut Vec<Buf>,
}

impl Worker<'_> {
    fn work(&mut self) {
        for _ in 0..self.random.below(60) {
            match self.random.below(8) {
                0 | 1 => self.arrive(),
                2 | 3 => self.take(),
                4 => self.refill(),
                5 => self.send(),
                6 => while self.live.tx[0].reap().is_some() {},
                _ => self.live.delay_us(self.random.below(40) as u32),
            }
            self.ledger.watch_wire(&self.live.sim.clone());
        }
    }

    fn arrive(&mut self) {
        for _ in 0..self.random.below(20) {
            if self.live.sim.with(|model| model.room(260)) == Room::Free {
                self.live.sim.receive(&numbered(self.ledger.arrived));
                self.ledger.arrived += 1;
            }
        }
    }

    fn take(&mut self) {
        let most = self.random.below(10) as usize;
        if self.random.below(2) == 0 {
            for (buf, _) in self.live.rx[0].arrived().take(most) {
                self.ledger.deliver(&buf);
                self.held.push(buf);
            }
            return;
        }
        for _ in 0..most {
            let Some((buf, _)) = self.live.rx[0].next() else { return };
            self.ledger.deliver(&buf);
            self.held.push(buf);
        }
    }

    fn refill(&mut self) {
        while let Some(buf) = self.held.pop()
            && self.random.below(5) > 0
        {
            drop(self.live.rx[0].refill(buf));
        }
        self.live.rx[0].fill(&self.live.pool.clone());
        if self.random.below(4) > 0 {
            self.live.rx[0].commit();
        }
    }

    fn send(&mut self) {
        for _ in 0..self.random.below(6) {
            let n = self.ledger.numbers;
            let Some(buf) = self.live.pool.frame(&numbered(n)) else { break };
            if self.live.tx[0].stage(buf).is_err() {
                break;
            }
            self.ledger.numbers += 1;
            self.ledger.staged.push(n);
        }
        if self.random.below(4) > 0 {
            self.live.tx[0].commit();
            self.ledger.committed.extend(self.ledger.staged.drain(..));
        }
    }
}

#[test]
fn whenever_it_dies_nothing_is_lost_from_a_ring_or_repeated() {
    let seeds = if cfg!(debug_assertions) { 300 } else { 3000 };
    for seed in 0..seeds {
        let mut random = Random::new(seed);
        let sizes = [4, 5, 8, 33, 64];
        let [rx, tx] = [(); 2].map(|()| sizes[random.below(5) as usize]);
        let plan = plan(rx, tx);
        let mut ledger = Ledger::default();
        let sim = Sim::new(plan.sim.clone());
        let bus = Mortal::new(&sim, usize::MAX);
        let mut live = Rig::through(&sim, &plan, bus.clone()).start();
        bus.left.store(random.below(100) as usize, Ordering::Relaxed);
        for death in 0..4 {
            let mut held = Vec::new();
            let mut worker = Worker {
                live: &mut live,
                random: &mut random,
                ledger: &mut ledger,
                held: &mut held,
            };
            let ended = catch_unwind(AssertUnwindSafe(|| worker.work()));
            if let Err(why) = ended
                && !why.is::<Died>()
            {
                resume_unwind(why);
            }
            std::mem::forget(held);
            die(live);
            let bus = Mortal::new(&sim, usize::MAX);
            let adopted = adopt_through(&sim, &plan, bus.clone());
            let (next, found, _) =
                adopted.unwrap_or_else(|error| panic!("{seed}, {death}: {error}"));
            live = next;
            settle(&mut live, &mut ledger, found, &format!("{seed}, {death}"));
            assert_eq!(live.pool.free() + live.rx[0].pending(), plan.buffers, "{seed}");
            bus.left.store(random.below(100) as usize, Ordering::Relaxed);
        }
        // The last one lives.
        let bus = Mortal::new(&sim, usize::MAX);
        die(live);
        let (mut live, ..) = adopt_through(&sim, &plan, bus).expect("the same again");
        live.exchange(2);
        live.finish();
    }
}

/// Takes and sends all there is, and judges what has become of it.
fn settle(live: &mut Live<Mortal>, ledger: &mut Ledger, found: Adoption, when: &str) {
    let before = ledger.delivered.len();
    while let Some((buf, _)) = live.rx[0].next() {
        ledger.deliver(&buf);
    }
    assert_eq!(ledger.delivered.len() - before, found.waiting as usize, "{when}");
    live.rx[0].fill(&live.pool.clone());
    live.rx[0].commit();
    live.delay_us(3000);
    ledger.watch_wire(&live.sim.clone());
    let missing = ledger.arrived - ledger.delivered.len() as u32 - ledger.lost;
    assert!(missing as usize <= BURST, "{when}: {missing} missing");
    ledger.lost += missing;
    // What was committed has gone; what was about to be went all or not at all.
    assert!(ledger.committed.is_subset(&ledger.seen_on_wire), "{when}");
    let gone = ledger.staged.iter().filter(|n| ledger.seen_on_wire.contains(n)).count();
    assert!(gone == 0 || gone == ledger.staged.len(), "{when}: {gone}");
    ledger.staged.clear();
    ledger.committed = ledger.seen_on_wire.clone();
    while live.tx[0].reap().is_some() {}
}

/// The flags of descriptor `n` of the ring that a base register names, to be changed.
fn change_flags(sim: &Sim, base: u16, n: u32, change: impl Fn(u8) -> u8) {
    let mut region = std::mem::ManuallyDrop::new(sim.region_again().expect("a region"));
    let at = (sim.bus().read(base) + 8 * n - region.bus().low()) as usize;
    let mut flags = [0];
    sim.load(&region, at, &mut flags);
    sim.store(&mut region, at, &[change(flags[0])]);
}

const TBASE0: u16 = 0x204;
const RBASE0: u16 = 0x404;
/// R and E, in a descriptor's first byte.
const OWNED: u8 = 0x80;

#[test]
fn a_burst_that_was_half_handed_over_is_sent_whole_and_once() {
    let plan = plan(8, 8);
    for handed_over in 0..=5 {
        let sim = Sim::new(plan.sim.clone());
        let bus = Traced::new(sim.bus());
        let mut live = Rig::through(&sim, &plan, bus.clone()).start();
        // Nothing is told of the burst: it died before.
        bus.die_after(0);
        for n in 0..5 {
            live.tx[0].stage(live.pool.frame(&numbered(n)).unwrap()).unwrap();
        }
        live.tx[0].commit();
        std::mem::forget(live);
        // R is set from the last one back to the first.
        (0..5 - handed_over).for_each(|n| change_flags(&sim, TBASE0, n, |flags| flags & !OWNED));
        let (mut live, found, _) = adopt(&sim, &plan).unwrap();
        // Of one without any R nothing is known, and it was never committed.
        let whole = if handed_over == 0 { 0 } else { 5 };
        assert_eq!(found.in_flight, whole, "{handed_over}");
        live.delay_us(100);
        let sent: Vec<_> = core::iter::from_fn(|| sim.transmitted()).map(|f| number(&f)).collect();
        assert_eq!(sent, Vec::from_iter(0..whole), "{handed_over}");
        assert_eq!(live.reap(), whole as usize);
        live.exchange(1);
        live.finish();
    }
}

#[test]
fn buffers_that_were_about_to_be_lent_are_lent() {
    let plan = plan(8, 8);
    for taken in 1..=8_u32 {
        // A whole ring is lent in two steps, the last buffer apart.
        for lent in if taken == 8 { 7..=8 } else { 0..=taken } {
            let sim = Sim::new(plan.sim.clone());
            let bus = Traced::new(sim.bus());
            let mut live = Rig::through(&sim, &plan, bus.clone()).start();
            for n in 0..taken {
                sim.receive(&numbered(n));
                drop(live.rx[0].next().unwrap());
            }
            bus.die_after(0);
            live.rx[0].fill(&live.pool);
            live.rx[0].commit();
            std::mem::forget(live);
            // E is set from the first one on.
            (lent..taken).for_each(|n| change_flags(&sim, RBASE0, n, |flags| flags & !OWNED));
            let (mut live, found, reclaimed) = adopt(&sim, &plan).unwrap();
            assert_eq!((found.waiting, reclaimed), (0, plan.buffers - 8), "{lent} of {taken}");
            (0..8).for_each(|n| sim.receive(&numbered(100 + n)));
            let got = core::iter::from_fn(|| live.rx[0].next().map(|(buf, _)| number(&buf)));
            let got: Vec<_> = got.collect();
            assert_eq!(got, Vec::from_iter(100..108), "{lent} of {taken}");
            live.rx[0].fill(&live.pool);
            live.rx[0].commit();
            live.exchange(1);
            live.finish();
        }
    }
}

/// A bus that shows, the first time it is asked, where the hardware stood a while ago: it closes a
/// descriptor and moves on by two stores.
#[derive(Debug, Clone)]
struct Lagging {
    bus: SimBus,
    /// Register, and what it still shows.
    shows: Arc<Mutex<Option<(u16, u32)>>>,
}

impl Bus for Lagging {
    fn read(&self, at: u16) -> u32 {
        let mut shows = self.shows.lock().expect("no panic inside");
        match *shows {
            Some((lagging, value)) if lagging == at => {
                *shows = None;
                value
            }
            _ => self.bus.read(at),
        }
    }
    fn write(&self, at: u16, value: u32) {
        self.bus.write(at, value);
    }
    fn publish(&self) {
        self.bus.publish();
    }
    fn observe(&self) {
        self.bus.observe();
    }
}

#[test]
fn a_descriptor_closed_a_moment_ago_is_neither_lent_nor_sent_again() {
    let plan = plan(8, 8);
    for (register, behind) in [(0x384, 3), (0x184, 2)] {
        let mut live = Rig::new(&plan).start();
        (0..5).for_each(|n| live.sim.receive(&numbered(n)));
        (10..15).for_each(|n| live.send(0, &numbered(n)));
        // Two or three are sent, and the others not.
        live.delay_us(2);
        let sim = die(live);
        let stands = sim.bus().read(register);
        let shows = Arc::new(Mutex::new(Some((register, stands - 8 * behind))));
        let bus = Lagging { bus: sim.bus(), shows: Arc::clone(&shows) };
        let (mut live, ..) = adopt_through(&sim, &plan, bus).unwrap();
        assert_eq!(*shows.lock().unwrap(), None, "it was looked at");
        let got: Vec<_> = core::iter::from_fn(|| live.receive(0)).map(|f| number(&f)).collect();
        assert_eq!(got, Vec::from_iter(0..5));
        live.delay_us(100);
        let sent: Vec<_> = core::iter::from_fn(|| sim.transmitted()).map(|f| number(&f)).collect();
        assert_eq!(sent, Vec::from_iter(10..15));
        live.reap();
        live.exchange(1);
        live.finish();
    }
}
