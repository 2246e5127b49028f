//! A station with our driver: a port on a model, its queues, and beside each of them what ought to
//! be in it.
//!
//! What it does with frames is in `sending` and `receiving`, with its port in `tending`.

use std::collections::{BTreeMap, VecDeque};

use etsec_core::{
    AddressFilter, Arena, Buf, Coalescing, EventPort, PageBell, Pool, Running, RxQueue, Stopped,
    TxQueue,
};
use etsec_sim::cable::Side;
use etsec_sim::{Fault, MemoryOrder, Sim, SimConfig, SimDelay, SimRegion};

use super::buffers::{Buffers, Owner};
use super::bus::Mortal;
use super::frames::address;
use super::rules::{Check, Rule, check};
use super::script::{COALESCED_US, Setup};
use crate::all_rings;
use crate::rig::{Plan, Rig, config};

/// Largest payload of a frame: frames of two or three of the smaller buffers.
pub const MTU: usize = 300;
/// Milliseconds after which a transmitter that does not move counts as hanging.
pub const HANG_MS: u32 = 50;

/// A frame in a transmit ring.
#[derive(Debug, Clone)]
pub struct Flying {
    /// Its number.
    pub number: u32,
    /// Its buffers.
    pub buffers: Vec<usize>,
    /// The device was told of it.
    pub committed: bool,
    /// The cable was out at some time meanwhile.
    pub unplugged: bool,
}

/// A transmit queue, and what ought to be in it.
#[derive(Debug)]
pub struct Sender {
    /// The queue.
    pub queue: TxQueue<PageBell<Mortal>>,
    /// Oldest first.
    pub flying: VecDeque<Flying>,
    /// Frames reaped as sent, their bytes, and frames reaped as failed.
    pub sent: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Frames reaped as failed.
    pub failed: u64,
    /// The youngest frame that has left.
    pub last_left: Option<u32>,
    /// A fault has hit the ring itself: what becomes of its frames cannot be known.
    pub hit: bool,
}

/// A receive queue, and what ought to be in it.
#[derive(Debug)]
pub struct Receiver {
    /// The queue.
    pub queue: RxQueue<PageBell<Mortal>>,
    /// Good frames that the device has stored, oldest first.
    pub expected: VecDeque<u32>,
    /// Frames taken.
    pub taken: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// A fault has hit the ring itself.
    pub hit: bool,
}

/// The port's state.
#[derive(Debug)]
pub enum Port {
    /// It runs.
    Running(Running<Mortal>),
    /// It does not.
    Stopped(Stopped<Mortal>),
    /// It is on its way from one to the other.
    Between,
}

/// Why something may wait that otherwise would have to go on.
#[derive(Debug, Default)]
pub struct Excuses {
    /// A restart of transmit rings may have been lost, and so many ticks will make it good.
    pub unkicked_tx: u8,
    /// The same of receive rings.
    pub unkicked_rx: u8,
    /// Nobody has been told of what was sent: an event was lost.
    pub unwoken_tx: bool,
    /// The same of what has arrived.
    pub unwoken_rx: bool,
    /// No event may raise a line: a call that masks them was broken off, and the next tick that
    /// succeeds does the rest of it.
    pub masked: bool,
}

/// How many faults there were, by kind.
#[derive(Debug, Default)]
pub struct Dealt {
    injected: BTreeMap<u32, (Fault, u64)>,
    disarmed: BTreeMap<u32, u64>,
}

/// A station.
#[derive(Debug)]
pub struct Station {
    /// Which end of the cable it is at.
    pub side: Side,
    /// Its registers.
    pub bus: Mortal,
    /// Its port.
    pub port: Port,
    /// Whoever serves its interrupts.
    pub handler: Option<EventPort<Mortal>>,
    /// Its receive queues.
    pub rx: Vec<Receiver>,
    /// Its transmit queues.
    pub tx: Vec<Sender>,
    /// Its pool.
    pub pool: Pool,
    /// Its memory.
    pub arena: Arena<SimRegion>,
    /// Its clock.
    pub delay: SimDelay,
    /// Who owns which buffer.
    pub buffers: Buffers,
    /// Frames that the application keeps.
    pub kept: Vec<Buf>,
    /// Whether the cable is in.
    pub plugged: bool,
    /// Whether it was ever out.
    pub was_unplugged: bool,
    /// Whether queues were emptied by force, so that sums do not add up any more.
    pub was_drained: bool,
    /// Whether the register bus ever died, so that something may have been acknowledged in vain.
    pub was_dead: bool,
    /// Whether a ring was ever hit.
    pub was_hit: bool,
    /// What may wait.
    pub excuses: Excuses,
    /// The faults so far.
    pub dealt: Dealt,
    /// Most descriptors of a frame.
    pub parts: usize,
    /// Lengths of receive and transmit rings.
    pub lengths: (Vec<usize>, Vec<usize>),
    /// Whether a data bus error leaves the descriptor ready.
    pub recurs: bool,
    /// The model, dropped last: it judges what it saw.
    pub sim: Sim,
}

/// When events come for so many frames; `None`: for each.
pub fn coalescing(frames: u32) -> Option<Coalescing> {
    (frames > 0).then(|| Coalescing::new(frames, COALESCED_US).expect("in range"))
}

impl Station {
    /// A station as `setup` has it, running.
    ///
    /// # Panics
    /// If the driver refuses it.
    #[must_use]
    pub fn new(side: Side, setup: &Setup) -> Self {
        let memory = match setup.weak {
            true => MemoryOrder::Weak { seed: setup.seed ^ side as u64 },
            false => MemoryOrder::Strong,
        };
        let (wire, switches) = (setup.wire, setup.switches);
        let sim = Sim::new(SimConfig { memory, wire, switches, ..SimConfig::default() });
        let mut config = config();
        config.filter = AddressFilter::new(address(side)).expect("a station address");
        config.mtu = MTU;
        config.buffer_size = setup.buffer_size;
        config.hang_ms = HANG_MS;
        config.parser = setup.rx.len() > 1;
        let buffers = setup.rx.iter().sum::<usize>() + setup.spare;
        let (rx, tx) = (setup.rx.clone(), setup.tx.clone());
        let plan = Plan { config, rx, tx, buffers, ..Plan::default() };
        let bus = Mortal::new(sim.bus());
        let mut rig = Rig::through(&sim, &plan, bus.clone());
        if setup.rx.len() > 1 {
            all_rings::steer(&mut rig);
        }
        for side in [etsec_core::error::Side::Rx, etsec_core::error::Side::Tx] {
            rig.port.set_coalescing(side, coalescing(setup.coalesced)).expect("it is there");
        }
        let live = rig.start();
        let ledger = Buffers::new(&live.pool, live.rx.iter().map(|rx| rx.pending()));
        Station {
            side,
            bus,
            handler: Some(live.port.events()),
            port: Port::Running(live.port),
            rx: live.rx.into_iter().map(Receiver::new).collect(),
            tx: live.tx.into_iter().map(Sender::new).collect(),
            pool: live.pool,
            arena: live.arena,
            delay: live.delay,
            buffers: ledger,
            kept: Vec::new(),
            plugged: true,
            was_unplugged: false,
            was_drained: false,
            was_hit: false,
            was_dead: false,
            excuses: Excuses::default(),
            dealt: Dealt::default(),
            parts: (MTU + 22 + 8).div_ceil(setup.buffer_size),
            lengths: (setup.rx.clone(), setup.tx.clone()),
            recurs: setup.switches.bus_error_recurs,
            sim,
        }
    }

    /// Whether register accesses reach the device.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.sim.with(|model| model.armed(Fault::BusDead) > 0)
    }

    /// Whether an access has failed since the last call, or would fail now.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.bus.has_failed() | self.is_dead()
    }

    /// The ring that a script's number means.
    #[must_use]
    pub fn tx_ring(&self, number: usize) -> usize {
        number % self.tx.len()
    }

    /// The same of receive rings.
    #[must_use]
    pub fn rx_ring(&self, number: usize) -> usize {
        number % self.rx.len()
    }

    /// A buffer from the pool.
    ///
    /// # Errors
    /// If it belongs to somebody.
    pub fn alloc(&mut self) -> Check<Option<Buf>> {
        let Some(buf) = self.pool.alloc() else { return Ok(None) };
        self.took(&buf)?;
        Ok(Some(buf))
    }

    /// The pool has given out a frame's buffers.
    ///
    /// # Errors
    /// If one of them belongs to somebody.
    pub fn took(&mut self, frame: &Buf) -> Check {
        // What a broken frame was in, a queue may have sent home without a word.
        let lent = self.buffers.count(|owner| matches!(owner, Owner::Rx(_)));
        let loose = lent > self.rx.iter().map(|rx| rx.queue.pending()).sum();
        let from = |owner| owner == Owner::Pool || loose && matches!(owner, Owner::Rx(_));
        self.buffers.pass(frame, from, Owner::Application)
    }

    /// The application lets go of a frame.
    ///
    /// # Errors
    /// If it was not its own.
    pub fn discard(&mut self, frame: Buf) -> Check {
        self.buffers.pass(&frame, |owner| owner == Owner::Application, Owner::Pool)?;
        drop(frame);
        Ok(())
    }

    /// Every buffer has one owner.
    ///
    /// # Errors
    /// If one is missing, or is in two places.
    pub fn check_buffers(&self) -> Check {
        let count = |owner| self.buffers.count(|o| o == owner);
        for (ring, tx) in self.tx.iter().enumerate() {
            let (held, told) = (count(Owner::Tx(ring)), tx.queue.pending());
            check(held == told, Rule::Owned, || {
                format!("transmit ring {ring} says it holds {told} buffers, it was given {held}")
            })?;
        }
        let lent: usize = self.rx.iter().map(|rx| rx.queue.pending()).sum();
        let sent = self.buffers.count(|owner| matches!(owner, Owner::Tx(_)));
        let known = self.pool.free() + lent + sent + count(Owner::Application);
        let all = self.pool.buffers();
        // The beginning of a frame whose end has not come is in no count.
        let open = if self.was_hit { all } else { self.rx.len() * (self.parts - 1) };
        check(known <= all && all - known <= open, Rule::Owned, || {
            format!(
                "{known} of {all} buffers are somewhere: {} free, {lent} lent to receive rings, \
                     {sent} in transmit rings",
                self.pool.free()
            )
        })
    }
}

impl Sender {
    fn new(queue: TxQueue<PageBell<Mortal>>) -> Self {
        Sender {
            queue,
            flying: VecDeque::new(),
            sent: 0,
            bytes: 0,
            failed: 0,
            last_left: None,
            hit: false,
        }
    }
}

impl Receiver {
    fn new(queue: RxQueue<PageBell<Mortal>>) -> Self {
        Receiver { queue, expected: VecDeque::new(), taken: 0, bytes: 0, hit: false }
    }
}

impl Dealt {
    /// A fault was injected.
    pub fn inject(&mut self, fault: Fault, times: u32) {
        self.injected.entry(fault as u32).or_insert((fault, 0)).1 += u64::from(times);
    }

    /// What is left of it is taken back.
    pub fn disarm(&mut self, fault: Fault, left: u32) {
        *self.disarmed.entry(fault as u32).or_default() += u64::from(left);
    }

    /// How often it has struck.
    #[must_use]
    pub fn struck(&self, fault: Fault, sim: &Sim) -> u64 {
        let injected = self.injected.get(&(fault as u32)).map_or(0, |(_, times)| *times);
        let disarmed = self.disarmed.get(&(fault as u32)).copied().unwrap_or(0);
        injected - disarmed - u64::from(sim.with(|model| model.armed(fault)))
    }

    /// All kinds that were injected.
    pub fn kinds(&self) -> impl Iterator<Item = Fault> + '_ {
        self.injected.values().map(|(fault, _)| *fault)
    }
}
