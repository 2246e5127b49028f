//! Events and what interrupts do with them, made from HW 3.2 and 9.1: a register whose bits are
//! cleared by ones, lines that are up while an event of theirs is set, and a switch in front of
//! each, as UIO has it: what comes through closes it.
//!
//! A write to the register is posted: it arrives when the device sets its next event, after that
//! one, unless something has pushed it. A reading of the register pushes.

use std::sync::{Arc, Mutex};
use std::vec;
use std::vec::Vec;

use loom::sync::Notify;
use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::Relaxed;

use super::{Barriers, Without};
use crate::barrier;
use crate::bus::Bus;
use crate::event::Line;

const IEVENT: u16 = 0x010;

/// One switch of an interrupt, and those who are told.
#[derive(Debug, Default)]
struct Switch {
    armed: bool,
    /// Of each sleeper, whether there was an interrupt that it has not taken yet.
    fired: Vec<bool>,
}

impl Switch {
    fn new(sleepers: usize) -> Switch {
        Switch { armed: false, fired: vec![false; sleepers] }
    }
}

/// The events of a controller, as the device and any number of sleepers share them.
#[derive(Debug, Clone)]
pub struct Events {
    /// Written and read one after the other, which the checker believes of exchanges only.
    set: Arc<AtomicU32>,
    /// Ones on their way to the register.
    posted: Arc<AtomicU32>,
    /// By line. Nobody is ordered by them: a mutex of the checker would order memory.
    switches: Arc<Mutex<[Switch; 3]>>,
    /// What the sleepers of all lines sleep by.
    wakes: Arc<[Vec<Notify>; 3]>,
    /// The device will set no more.
    over: Arc<Mutex<bool>>,
}

impl Events {
    /// With so many sleepers at each line.
    pub fn new(sleepers: usize) -> Events {
        let wakes = || (0..sleepers).map(|_| Notify::new()).collect();
        Events {
            set: Arc::new(AtomicU32::new(0)),
            posted: Arc::new(AtomicU32::new(0)),
            switches: Arc::new(Mutex::new(Line::ALL.map(|_| Switch::new(sleepers)))),
            wakes: Arc::new(Line::ALL.map(|_| wakes())),
            over: Arc::default(),
        }
    }

    /// The device sets an event, after all that it has stored.
    pub fn raise(&self, event: u32) {
        barrier::publish();
        self.set.fetch_or(event, Relaxed);
        self.push();
        Line::ALL.into_iter().for_each(|line| self.fire(line));
    }

    /// The device is done.
    pub fn end(&self) {
        *self.over.lock().unwrap() = true;
        self.wakes.iter().flatten().for_each(Notify::notify);
    }

    /// What was written arrives.
    fn push(&self) {
        let ones = self.posted.swap(0, Relaxed);
        if ones != 0 {
            self.set.fetch_and(!ones, Relaxed);
        }
    }

    /// Lets the line through if it is up and may be.
    fn fire(&self, line: Line) {
        let up = self.set.fetch_or(0, Relaxed) & line.mask().bits() != 0;
        let mut switches = self.switches.lock().unwrap();
        let switch = &mut switches[line as usize];
        if up && switch.armed {
            switch.armed = false;
            switch.fired.fill(true);
            drop(switches);
            self.wakes[line as usize].iter().for_each(Notify::notify);
        }
    }

    /// Lets the next interrupt of a line through; one that is up now at once. What the caller has
    /// written before has arrived by then, for this is an order to the system.
    pub fn arm(&self, line: Line) {
        self.push();
        self.switches.lock().unwrap()[line as usize].armed = true;
        self.fire(line);
    }

    /// Sleeps until the line has fired.
    pub fn block(&self, line: Line, sleeper: usize) {
        loop {
            let over = *self.over.lock().unwrap();
            if std::mem::take(&mut self.switches.lock().unwrap()[line as usize].fired[sleeper]) {
                return;
            }
            assert!(!over, "a wake-up is lost");
            self.wakes[line as usize][sleeper].wait();
        }
    }

    /// The register as a CPU reaches it.
    pub fn page(&self, without: Without, pushes: bool) -> EventPage {
        EventPage { events: self.clone(), barriers: Barriers::new(without), pushes }
    }
}

/// A register page with nothing but events.
#[derive(Debug, Clone)]
pub struct EventPage {
    events: Events,
    barriers: Barriers,
    /// Whether a reading pushes what was written.
    pushes: bool,
}

impl Bus for EventPage {
    fn read(&self, at: u16) -> u32 {
        if at != IEVENT {
            return 0;
        }
        if self.pushes {
            self.events.push();
        }
        self.events.set.fetch_or(0, Relaxed)
    }

    fn write(&self, at: u16, value: u32) {
        if at == IEVENT {
            self.events.posted.fetch_or(value, Relaxed);
        }
    }

    fn publish(&self) {
        self.barriers.publish();
    }

    fn observe(&self) {
        self.barriers.observe();
    }
}
