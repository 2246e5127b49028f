//! Whatever a caller does with its queues, in any order: is every frame and every buffer where it
//! belongs?
//!
//! Random operations run against queues on a model and against plain `VecDeque`s side by side.
//! After each one every buffer has exactly one owner, and what comes out is what went in: nothing
//! lost, repeated, reordered or changed.

use std::collections::VecDeque;

use etsec_core::{Buf, Reason, Refused, Running, Stopped};
use etsec_sim::{SimBus, SimConfig, SimDelay, WireSpeed};
use etsec_tests::rig::{Live, PEER, Plan, Rig, Rx, STATION, Tx, bytes_of, config, frame};
use proptest::prelude::*;

const BUFFER: usize = 128;
const BUFFERS: usize = 30;
const FCS: usize = 4;
/// MIB counter of frames dropped for want of descriptors (HW 2.5).
const RDRP: u16 = 0x6DC;

#[derive(Debug, Clone)]
enum Op {
    /// Stages a frame in this many buffers of this length each.
    Stage {
        parts: usize,
        len: usize,
    },
    TxCommit,
    Reap,
    /// As many of the same by the burst.
    StageBurst {
        frames: usize,
        parts: usize,
        len: usize,
    },
    ReapBurst(usize),
    /// Nanoseconds of virtual time, in which frames leave.
    Step(u64),
    /// A frame of this length arrives.
    Receive(usize),
    /// Takes a frame and keeps it.
    Next,
    /// Refills with a buffer of a frame kept.
    Refill,
    /// As many of the same by the burst.
    NextBurst(usize),
    RefillBurst(usize),
    Fill,
    RxCommit,
    /// Sends a frame kept.
    Forward,
    /// Drops a frame kept.
    Drop,
    Tick,
    /// Stops the port if it runs, starts it if not.
    Toggle,
    Reset,
    /// Empties a stopped port's queues.
    Drain,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (1..5usize, 15..BUFFER).prop_map(|(parts, len)| Op::Stage { parts, len }),
        3 => (1..6usize, 1..4usize, 15..BUFFER)
            .prop_map(|(frames, parts, len)| Op::StageBurst { frames, parts, len }),
        5 => Just(Op::TxCommit),
        5 => Just(Op::Reap),
        4 => (0..7usize).prop_map(Op::ReapBurst),
        6 => (0..3_000u64).prop_map(Op::Step),
        9 => (60..500usize).prop_map(Op::Receive),
        6 => Just(Op::Next),
        4 => (0..7usize).prop_map(Op::NextBurst),
        2 => Just(Op::Refill),
        2 => (0..7usize).prop_map(Op::RefillBurst),
        2 => Just(Op::Fill),
        6 => Just(Op::RxCommit),
        2 => Just(Op::Forward),
        4 => Just(Op::Drop),
        2 => Just(Op::Tick),
        1 => Just(Op::Toggle),
        1 => Just(Op::Reset),
        1 => Just(Op::Drain),
    ]
}

enum Port {
    Running(Running<SimBus>),
    Stopped(Stopped<SimBus>),
    Between,
}

/// The queues, and what ought to be in them.
struct World {
    live: Parts,
    port: Port,
    now_ms: u32,
    number: u32,
    /// Frames staged, then committed, then those that have left on the wire and not been reaped.
    staged: VecDeque<Vec<u8>>,
    committed: VecDeque<Vec<u8>>,
    sent: VecDeque<Vec<u8>>,
    /// Descriptors behind each frame in the transmit ring, oldest first.
    parts: VecDeque<usize>,
    /// Frames stored by the device and not taken.
    stored: VecDeque<Vec<u8>>,
    /// Frames the caller keeps.
    kept: VecDeque<Buf>,
    /// Empty buffers that the device has, and those staged for it.
    empty: usize,
    refilled: usize,
    /// The device waits for a commit or a tick.
    starved: bool,
    /// Buffers with a beginning of a frame that was lost: they are in no count until the next
    /// frame comes.
    torn: bool,
}

struct Parts {
    rx: Rx,
    tx: Tx,
    pool: etsec_core::Pool,
    delay: SimDelay,
    arena: etsec_core::Arena<etsec_sim::SimRegion>,
    sim: etsec_sim::Sim,
}

impl World {
    fn new(rx: usize, tx: usize) -> World {
        let sim = SimConfig { wire: WireSpeed::Link, ..SimConfig::default() };
        let mut config = config();
        config.buffer_size = BUFFER;
        let plan =
            Plan { sim, config, rx: vec![rx], tx: vec![tx], buffers: BUFFERS, ..Plan::default() };
        let Live { port, mut rx, mut tx, pool, arena, delay, sim } = Rig::new(&plan).start();
        let (rx, tx) = (rx.remove(0), tx.remove(0));
        let empty = rx.pending();
        World {
            live: Parts { rx, tx, pool, delay, arena, sim },
            port: Port::Running(port),
            now_ms: 0,
            number: 0,
            staged: VecDeque::new(),
            committed: VecDeque::new(),
            sent: VecDeque::new(),
            parts: VecDeque::new(),
            stored: VecDeque::new(),
            kept: VecDeque::new(),
            empty,
            refilled: 0,
            starved: false,
            torn: false,
        }
    }

    fn frame(&mut self, len: usize) -> Vec<u8> {
        self.number += 1;
        let mut bytes = frame(STATION, PEER, len, self.number as u8);
        if let Some(place) = bytes.get_mut(14..18) {
            place.copy_from_slice(&self.number.to_be_bytes());
        }
        bytes
    }

    fn is_running(&self) -> bool {
        matches!(self.port, Port::Running(_))
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Stage { parts, len } => self.stage_new(parts, len),
            Op::TxCommit => {
                assert_eq!(self.live.tx.commit(), self.staged.len());
                self.committed.append(&mut self.staged);
            }
            Op::Reap => {
                let got = self.live.tx.reap();
                self.reaped(got);
            }
            Op::StageBurst { frames, parts, len } => self.stage_burst(frames, parts, len),
            Op::ReapBurst(most) => {
                let got: Vec<_> = self.live.tx.sent().take(most).collect();
                self.all_of(got, most, Self::reaped);
            }
            Op::Step(ns) => self.live.sim.advance(ns),
            Op::Receive(len) => self.receive(len),
            Op::Next => {
                let got = self.live.rx.next().map(|(buf, _)| buf);
                self.received(got);
            }
            Op::NextBurst(most) => {
                let got = self.live.rx.arrived().take(most).map(|(buf, _)| buf).collect();
                self.all_of(got, most, Self::received);
            }
            Op::Refill => self.refill(),
            Op::RefillBurst(most) => self.refill_burst(most),
            Op::Fill => {
                let room = self.live.rx.space().min(self.live.pool.free());
                assert_eq!(self.live.rx.fill(&self.live.pool), room);
                self.refilled += room;
            }
            Op::RxCommit => {
                let count = self.live.rx.commit();
                // Buffers of torn frames go back into the ring by themselves.
                assert!(count == self.refilled || self.torn, "{count} of {}", self.refilled);
                self.empty += count;
                self.starved &= count == 0;
                self.refilled = 0;
            }
            Op::Forward => {
                if let Some(buf) = self.kept.pop_front() {
                    let bytes = bytes_of(&buf);
                    self.stage(buf, bytes);
                }
            }
            Op::Drop => drop(self.kept.pop_front()),
            Op::Tick => self.tick(),
            Op::Toggle => self.toggle(),
            Op::Reset => {
                if let Port::Running(port) = &mut self.port {
                    port.reset(&mut self.live.delay).expect("a device that is there");
                    self.starved = false;
                }
            }
            Op::Drain => self.drain(),
        }
        self.watch_wire();
        self.check();
    }

    fn stage_new(&mut self, parts: usize, len: usize) {
        if let Some((buf, bytes)) = self.make(parts, len) {
            self.stage(buf, bytes);
        }
    }

    /// A new frame, if there are buffers for it.
    fn make(&mut self, parts: usize, len: usize) -> Option<(Buf, Vec<u8>)> {
        if self.live.pool.free() < parts {
            return None;
        }
        let bytes = self.frame(parts * len);
        let mut cut = bytes.chunks(len).map(|part| self.live.pool.frame(part).expect("counted"));
        let mut buf = cut.next().expect("at least one part");
        cut.for_each(|part| buf.append(part).expect("a short chain"));
        Some((buf, bytes))
    }

    /// What came out of a burst of at most `most`: one by one, and the end if it came to it.
    fn all_of(&mut self, got: Vec<Buf>, most: usize, one: fn(&mut Self, Option<Buf>)) {
        let ended = got.len() < most;
        got.into_iter().for_each(|buf| one(self, Some(buf)));
        if ended {
            one(self, None);
        }
    }

    fn stage_burst(&mut self, frames: usize, parts: usize, len: usize) {
        // Of one buffer, and of several.
        let new: Vec<_> = (0..frames).filter_map(|n| self.make(1 + n % parts, len)).collect();
        let before = self.live.tx.space();
        let mut stager = self.live.tx.stager();
        let mut outcomes = Vec::new();
        for (buf, bytes) in new {
            let (parts, space) = (buf.buffers(), stager.space());
            outcomes.push((stager.stage(buf), parts, space, bytes));
        }
        let left = stager.space();
        drop(stager);
        assert_eq!(self.live.tx.space(), left);
        let taken = outcomes.iter().filter(|(staged, ..)| staged.is_ok());
        assert_eq!(before - left, taken.map(|(_, parts, ..)| parts).sum());
        for (staged, parts, space, bytes) in outcomes {
            self.staged(staged, parts, space >= parts, bytes);
        }
    }

    fn stage(&mut self, buf: Buf, bytes: Vec<u8>) {
        let parts = buf.buffers();
        let fits = self.live.tx.space() >= parts;
        let staged = self.live.tx.stage(buf);
        self.staged(staged, parts, fits, bytes);
    }

    fn staged(&mut self, staged: Result<(), Refused>, parts: usize, fits: bool, bytes: Vec<u8>) {
        match staged {
            Ok(()) => {
                assert!(fits);
                self.staged.push_back(bytes);
                self.parts.push_back(parts);
            }
            Err(refused) => {
                assert_eq!((refused.why, fits), (Reason::Full, false));
                assert_eq!(bytes_of(&refused.buf), bytes);
            }
        }
    }

    /// What leaves was committed, in that order.
    fn watch_wire(&mut self) {
        while let Some(seen) = self.live.sim.transmitted() {
            let frame = self.committed.pop_front().expect("a frame nobody committed");
            assert_eq!(seen[..frame.len()], frame[..]);
            assert_eq!(seen.len(), frame.len().max(60));
            self.sent.push_back(frame);
        }
    }

    fn reaped(&mut self, got: Option<Buf>) {
        match (got, self.sent.pop_front()) {
            (Some(buf), Some(frame)) => {
                assert_eq!(bytes_of(&buf), frame);
                assert_eq!(Some(buf.buffers()), self.parts.pop_front());
            }
            (None, None) => {}
            (got, wanted) => panic!("reaped {got:?} instead of {wanted:?}"),
        }
    }

    fn receive(&mut self, len: usize) {
        let bytes = self.frame(len);
        let lost = |sim: &etsec_sim::Sim| sim.with(|model| model.read(RDRP));
        let before = lost(&self.live.sim);
        self.live.sim.receive(&bytes);
        let need = (len + FCS).div_ceil(BUFFER);
        if !self.is_running() {
            return;
        }
        let fits = !self.starved && need <= self.empty;
        assert_eq!(lost(&self.live.sim) == before, fits, "{need} buffers of {}", self.empty);
        if fits {
            self.empty -= need;
            self.stored.push_back(bytes);
        } else if !self.starved {
            // The beginning is stored, and the end has nowhere to go (HW 18.7).
            self.torn |= self.empty > 0;
            self.empty = 0;
            self.starved = true;
        }
    }

    fn received(&mut self, got: Option<Buf>) {
        match (got, self.stored.pop_front()) {
            (Some(buf), Some(frame)) => {
                assert_eq!(bytes_of(&buf), frame);
                assert_eq!(buf.buffers(), frame.len().div_ceil(BUFFER));
                self.kept.push_back(buf);
            }
            (None, None) => {}
            (got, wanted) => panic!("received {got:?} instead of {wanted:?}"),
        }
    }

    fn refill(&mut self) {
        let Some(buf) = self.kept.pop_front() else { return };
        let (chain, full) = (buf.is_chain(), self.live.rx.space() == 0);
        let refilled = self.live.rx.refill(buf);
        self.has_refilled(refilled, chain, full);
    }

    fn refill_burst(&mut self, most: usize) {
        let bufs: Vec<_> = self.kept.drain(..most.min(self.kept.len())).collect();
        let mut space = self.live.rx.space();
        let mut refiller = self.live.rx.refiller();
        let mut outcomes = Vec::new();
        for buf in bufs {
            let (chain, full) = (buf.is_chain(), space == 0);
            let refilled = refiller.refill(buf);
            space -= usize::from(refilled.is_ok());
            outcomes.push((refilled, chain, full));
        }
        drop(refiller);
        assert_eq!(self.live.rx.space(), space);
        for (refilled, chain, full) in outcomes {
            self.has_refilled(refilled, chain, full);
        }
    }

    fn has_refilled(&mut self, refilled: Result<(), Refused>, chain: bool, full: bool) {
        match refilled {
            Ok(()) => {
                assert!(!chain && !full);
                self.refilled += 1;
            }
            Err(refused) => match refused.why {
                Reason::Full => assert!(full),
                why => assert_eq!((why, chain), (Reason::Chain, true)),
            },
        }
    }

    fn tick(&mut self) {
        if let Port::Running(port) = &mut self.port {
            self.now_ms += 10;
            port.tick(self.now_ms, &mut self.live.delay).expect("a device that is there");
            self.starved = false;
        }
    }

    fn toggle(&mut self) {
        self.port = match std::mem::replace(&mut self.port, Port::Between) {
            Port::Running(port) => {
                Port::Stopped(port.stop(&mut self.live.delay).map_err(|(_, e)| e).expect("a stop"))
            }
            Port::Stopped(port) => {
                self.starved = false;
                let started = port.start(&mut self.live.delay).map_err(|(_, e)| e);
                Port::Running(started.expect("a start"))
            }
            Port::Between => unreachable!(),
        };
    }

    fn drain(&mut self) {
        let running = self.is_running();
        let drained = self.live.rx.drain();
        assert!(drained.is_none() || !running);
        if running {
            assert!(self.live.tx.drain().is_none());
            return;
        }
        while self.live.rx.drain().is_some() {}
        self.stored.clear();
        (self.empty, self.refilled, self.torn) = (0, 0, false);
        for queue in [&mut self.sent, &mut self.committed, &mut self.staged] {
            while let Some(frame) = queue.pop_front() {
                let buf = self.live.tx.drain().expect("a frame in the ring");
                assert_eq!(bytes_of(&buf), frame);
            }
        }
        self.parts.clear();
        assert!(self.live.tx.drain().is_none());
    }

    /// Every buffer has one owner, and the queues count as the oracle does.
    fn check(&self) {
        let Parts { rx, tx, pool, sim, .. } = &self.live;
        assert_eq!(tx.pending(), self.parts.iter().sum::<usize>());
        let kept: usize = self.kept.iter().map(Buf::buffers).sum();
        let counted = pool.free() + rx.pending() + tx.pending() + kept;
        assert!(counted == BUFFERS || self.torn && counted < BUFFERS, "{counted} buffers");
        assert_eq!(sim.violations(), []);
    }

    /// Stops, takes everything apart, and finds it complete.
    fn finish(mut self) {
        if self.is_running() {
            self.toggle();
        }
        self.watch_wire();
        self.drain();
        self.kept.clear();
        let Parts { rx, tx, pool, arena, sim, .. } = self.live;
        assert_eq!(pool.free(), BUFFERS);
        assert_eq!(rx.counters().resyncs, 0);
        assert_eq!((tx.counters().errors(), tx.counters().refused), (0, 0));
        drop((rx, tx, pool, self.port));
        assert!(arena.retire().is_ok());
        assert_eq!(sim.violations(), []);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]
    #[test]
    fn queues_agree_with_their_oracle(
        rx in 4..9usize,
        tx in 4..9usize,
        ops in prop::collection::vec(op(), 1..400),
    ) {
        let mut world = World::new(rx, tx);
        for op in &ops {
            world.run(op);
        }
        world.finish();
    }
}
