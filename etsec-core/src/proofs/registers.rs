//! As much of a register page as it takes to start and stop a receiver, made from HW 3.4, 8.2 and
//! 8.3. Registers are written and read in order; memory takes part in that only where a barrier
//! says so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use embedded_hal::delay::DelayNs;
use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;

use super::{Barriers, Without};
use crate::barrier;
use crate::bus::Bus;

const IEVENT: u16 = 0x010;
const DMACTRL: u16 = 0x02C;
const TSTAT: u16 = 0x104;
const RSTAT: u16 = 0x304;
const RBPTR: u16 = 0x384;
const RBASE: u16 = 0x404;
const MACCFG1: u16 = 0x500;

const GRS: u32 = 0x10;
const RX_EN: u32 = 0x4;
/// GRSC and GTSC.
const STOPPED: u32 = 0x0200_0100;

/// May begin with a frame.
const OPEN: u32 = 1;
/// Is at a frame.
const BUSY: u32 = 2;

#[derive(Debug, Clone)]
pub struct Page {
    registers: Arc<Mutex<BTreeMap<u16, u32>>>,
    /// The receiver: [`OPEN`], [`BUSY`].
    receiver: Arc<AtomicU32>,
    /// RBPTR of ring 0.
    next: Arc<AtomicU32>,
    barriers: Barriers,
}

impl Page {
    pub fn new(without: Without) -> Page {
        let [receiver, next] = [0; 2].map(|value| Arc::new(AtomicU32::new(value)));
        Page { registers: Arc::default(), receiver, next, barriers: Barriers::new(without) }
    }

    fn get(&self, at: u16) -> u32 {
        self.registers.lock().unwrap().get(&at).copied().unwrap_or(0)
    }

    fn set(&self, at: u16, value: u32) {
        self.registers.lock().unwrap().insert(at, value);
    }

    /// The device begins with a frame, unless it is stopped or was told to stop.
    pub fn begin(&self) -> bool {
        let begin = |state| (state & OPEN != 0).then_some(state | BUSY);
        let begun = self.receiver.fetch_update(Relaxed, Relaxed, begin).is_ok();
        barrier::observe();
        begun
    }

    /// The frame is in memory, and the next descriptor is the one with that address.
    pub fn end(&self, next: u32) {
        barrier::publish();
        self.next.swap(next, Relaxed);
        self.receiver.fetch_and(!BUSY, Relaxed);
    }

    /// Where the receiver goes on. An exchange, which the checker believes to be in order.
    pub fn next(&self) -> u32 {
        self.next.fetch_or(0, Relaxed)
    }
}

impl Bus for Page {
    fn read(&self, at: u16) -> u32 {
        match at {
            IEVENT if self.receiver.fetch_or(0, Relaxed) & BUSY == 0 => STOPPED,
            IEVENT => 0,
            RBPTR => self.next(),
            // Nothing is halted.
            TSTAT | RSTAT => 0,
            _ => self.get(at),
        }
    }

    fn write(&self, at: u16, value: u32) {
        self.set(at, value);
        if at == RBASE || at == RBPTR {
            // A base sets the position, too (HW 3.21).
            self.next.swap(value, Relaxed);
        }
        if at == DMACTRL || at == MACCFG1 {
            let open = self.get(DMACTRL) & GRS == 0 && self.get(MACCFG1) & RX_EN != 0;
            if open {
                self.receiver.fetch_or(OPEN, Relaxed);
            } else {
                self.receiver.fetch_and(!OPEN, Relaxed);
            }
        }
    }

    fn publish(&self) {
        self.barriers.publish();
    }

    fn observe(&self) {
        self.barriers.observe();
    }
}

/// Time that passes while others get on.
#[derive(Debug)]
pub struct Wait;

impl DelayNs for Wait {
    fn delay_ns(&mut self, _: u32) {
        thread::yield_now();
    }
}
