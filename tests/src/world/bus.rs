//! A register bus that can die in the middle of something: after a number of accesses reads are all
//! ones and writes go nowhere. It knows offsets, not registers.

use std::cell::Cell;
use std::rc::Rc;

use etsec_core::Bus;
use etsec_sim::SimBus;

/// A model's registers, as long as the bus lives. Clones die together.
#[derive(Debug, Clone)]
pub struct Mortal {
    bus: SimBus,
    /// Accesses left; `None`: it stays.
    left: Rc<Cell<Option<u32>>>,
    /// Whether an access has failed since somebody asked.
    failed: Rc<Cell<bool>>,
}

impl Mortal {
    /// A bus that lives.
    #[must_use]
    pub fn new(bus: SimBus) -> Self {
        Mortal { bus, left: Rc::default(), failed: Rc::default() }
    }

    /// Lets `accesses` more reach the device.
    pub fn die_after(&self, accesses: u32) {
        self.left.set(Some(accesses));
    }

    /// The bus is back.
    pub fn revive(&self) {
        self.left.set(None);
    }

    /// Whether an access has failed since the last call.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.take()
    }

    fn lives(&self) -> bool {
        match self.left.get() {
            None => true,
            Some(0) => {
                self.failed.set(true);
                false
            }
            Some(left) => {
                self.left.set(Some(left - 1));
                true
            }
        }
    }
}

impl Bus for Mortal {
    fn read(&self, at: u16) -> u32 {
        if self.lives() { self.bus.read(at) } else { u32::MAX }
    }
    fn write(&self, at: u16, value: u32) {
        if self.lives() {
            self.bus.write(at, value);
        }
    }
    fn publish(&self) {
        self.bus.publish();
    }
    fn observe(&self) {
        self.bus.observe();
    }
}
