//! A bus on which each access takes time, as on silicon: what happens between two of them shows.

use etsec_core::Bus;
use etsec_sim::{Sim, SimBus};

/// The bus of a model whose time passes with each access.
#[derive(Debug, Clone)]
pub struct Slow {
    sim: Sim,
    bus: SimBus,
    access_ns: u64,
}

impl Slow {
    /// The first page of `sim`; each access takes `access_ns`.
    #[must_use]
    pub fn new(sim: &Sim, access_ns: u64) -> Slow {
        Slow { sim: sim.clone(), bus: sim.bus(), access_ns }
    }
}

impl Bus for Slow {
    fn read(&self, at: u16) -> u32 {
        self.sim.advance(self.access_ns);
        self.bus.read(at)
    }
    fn write(&self, at: u16, value: u32) {
        self.sim.advance(self.access_ns);
        self.bus.write(at, value);
    }
    fn publish(&self) {
        self.bus.publish();
    }
    fn observe(&self) {
        self.bus.observe();
    }
}
