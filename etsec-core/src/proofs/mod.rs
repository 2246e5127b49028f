//! The hand-over between driver and device, and between the driver's threads, under a model
//! checker: loom runs each proof in every order that threads and weakly ordered memory allow.
//!
//! What is proven is the driver's own code: its words and fences are the checker's here
//! ([`crate::word`], [`crate::barrier`]). The device is a few lines made from HW 4.4 and 8.5. Each
//! proof can fail: next to it are tests that leave something out, and must be found out.
//!
//! `cargo xtask test --only proofs`

mod claim;
mod device;
mod events;
mod memory;
mod park;
mod pool;
mod questions;
mod receive;
mod registers;
mod transmit;

use core::cell::Cell;
use std::sync::Arc;
use std::vec::Vec;

use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::Relaxed;

use self::device::{Engine, Memory};
use crate::addr::{AddressFilter, MacAddr};
use crate::arena::Arena;
use crate::barrier;
use crate::bus::Doorbell;
use crate::config::Config;
use crate::pool::Pool;
use crate::ring::RingView;
use crate::rx::{RxLimits, RxQueue};
use crate::rx_form::RxForm;
use crate::testing::Heap;
use crate::tx::{Offload, TxLimits, TxQueue};
use crate::word::witness::{self, Weakness};

/// What a proof leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Without {
    /// The publish of this number, from 0.
    pub publish: Option<usize>,
    pub observe: bool,
    pub words: Weakness,
}

impl Without {
    pub const NOTHING: Without = Without { publish: None, observe: false, words: Weakness::None };
    pub const OBSERVE: Without = Without { observe: true, ..Without::NOTHING };

    pub const fn publish(number: usize) -> Without {
        Without { publish: Some(number), ..Without::NOTHING }
    }

    pub const fn words(words: Weakness) -> Without {
        Without { words, ..Without::NOTHING }
    }
}

/// Runs a proof in every order, with at most so many switches away from a thread that could go on.
/// More are tried with `LOOM_MAX_PREEMPTIONS`.
pub fn check(preemptions: usize, proof: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.max_branches = 10_000;
    builder.check(proof);
}

/// A ring's bit of TSTAT or RSTAT: written by the queue, looked at by the device.
#[derive(Clone, Debug)]
pub struct Line(Arc<AtomicU32>);

impl Line {
    fn new() -> Self {
        Line(Arc::new(AtomicU32::new(0)))
    }

    /// One write. It orders nothing: whoever wants that says so. Registers are written one after
    /// the other, which the checker believes of exchanges only.
    fn write(&self) {
        self.0.swap(1, Relaxed);
    }

    /// Whether it was written since the last look; then what was published before is seen.
    pub fn take(&self) -> bool {
        let written = self.0.swap(0, Relaxed) != 0;
        barrier::observe();
        written
    }
}

/// The real barriers, but for those that the proof leaves out.
#[derive(Debug, Clone)]
pub struct Barriers {
    without: Without,
    published: Cell<usize>,
}

impl Barriers {
    pub fn new(without: Without) -> Self {
        Barriers { without, published: Cell::new(0) }
    }

    pub fn publish(&self) {
        let number = self.published.get();
        self.published.set(number + 1);
        if self.without.publish != Some(number) {
            barrier::publish();
        }
    }

    pub fn observe(&self) {
        if !self.without.observe {
            barrier::observe();
        }
    }
}

/// A queue's doorbell.
#[derive(Debug)]
pub struct Bell {
    line: Line,
    barriers: Barriers,
}

impl Bell {
    pub fn new(without: Without) -> (Bell, Line) {
        let line = Line::new();
        (Bell { line: line.clone(), barriers: Barriers::new(without) }, line)
    }
}

impl Doorbell for Bell {
    fn publish(&self) {
        self.barriers.publish();
    }

    fn observe(&self) {
        self.barriers.observe();
    }

    fn ring(&self) {
        self.line.write();
    }
}

/// A port without a parser, so that frames begin where their buffers do.
pub fn config() -> Config {
    let filter = AddressFilter::new(MacAddr([2, 0, 0, 0, 0, 1])).unwrap();
    Config { parser: false, buffer_size: BUFFER, ..Config::new(filter) }
}

/// Memory with a pool whose buffers are watched.
#[derive(Debug)]
pub struct Ground {
    pub arena: Arena<Heap>,
    pub pool: Pool,
    memory: Memory,
}

const BUFFER: usize = 64;

impl Ground {
    pub fn new(without: Without, buffers: usize) -> Ground {
        let (heap, _) = Heap::new(4096);
        let mut memory = Memory::of(&heap);
        let mut arena = Arena::new(heap).map_err(|(_, error)| error).unwrap();
        let pool = arena.pool(buffers, BUFFER).unwrap();
        let all: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
        for buf in &all {
            memory.watch(buf.bus_low());
        }
        drop(all);
        witness::weaken(without.words);
        Ground { arena, pool, memory }
    }

    /// A ring of four that goes on at descriptor `at`: its transmit queue, the device's side of it,
    /// and the device. Nobody has started it.
    pub fn tx(&mut self, bell: Bell, at: u32) -> (TxQueue<Bell>, RingView, Engine) {
        let ring = self.arena.ring(4).unwrap();
        let view = ring.view();
        let engine = Engine::new(self.memory.clone(), view.bus().low(), at);
        let limits = TxLimits { frame: 300, window: 1 };
        let mut queue = TxQueue::new(ring, bell, 0, limits, Offload::new(200));
        view.set_position(at);
        assert!(queue.drain().is_none());
        (queue, view, engine)
    }

    /// The same of a receive queue.
    pub fn rx(&mut self, bell: Bell, at: u32) -> (RxQueue<Bell>, RingView, Engine) {
        let ring = self.arena.ring(4).unwrap();
        let view = ring.view();
        let engine = Engine::new(self.memory.clone(), view.bus().low(), at);
        let limits = RxLimits::new(&config(), RxForm::default(), 1);
        let mut queue = RxQueue::new(ring, bell, 0, limits);
        view.set_position(at);
        assert!(queue.drain().is_none());
        (queue, view, engine)
    }
}
