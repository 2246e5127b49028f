//! Does a missing barrier fail on this host, whose processor would never show it?
//!
//! The model's memory shows each side's stores to the other as late as barriers allow. The
//! sanitizer, which would find most of it by looking, is off: what is judged is what arrives.

use std::cell::Cell;
use std::rc::Rc;

use etsec_core::Bus;
use etsec_sim::{MemoryOrder, Sim, SimBus, SimConfig};
use etsec_tests::rig::{PEER, Plan, Rig, STATION, frame};

/// Which barriers are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Without {
    Nothing,
    Publish,
    Observe,
}

/// A bus that can leave barriers out.
#[derive(Debug, Clone)]
struct Lax {
    bus: SimBus,
    without: Rc<Cell<Without>>,
}

impl Bus for Lax {
    fn read(&self, at: u16) -> u32 {
        self.bus.read(at)
    }
    fn write(&self, at: u16, value: u32) {
        self.bus.write(at, value);
    }
    fn publish(&self) {
        if self.without.get() != Without::Publish {
            self.bus.publish();
        }
    }
    fn observe(&self) {
        if self.without.get() != Without::Observe {
            self.bus.observe();
        }
    }
}

/// How many of 40 frames sent, and of 40 received, arrive as they were and at once.
fn exchanged(seed: u64, without: Without) -> (usize, usize) {
    let memory = MemoryOrder::Weak { seed };
    let sim = Sim::new(SimConfig { memory, sanitizer: false, ..SimConfig::default() });
    let plan = Plan { rx: vec![4], tx: vec![4], buffers: 12, ..Plan::default() };
    let bus = Lax { bus: sim.bus(), without: Rc::new(Cell::new(Without::Nothing)) };
    let lax = Rc::clone(&bus.without);
    let mut live = Rig::through(&sim, &plan, bus).start();
    lax.set(without);
    let (mut sent, mut received) = (0, 0);
    for n in 0..40 {
        let out = frame(PEER, STATION, 60 + n, n as u8);
        if live.tx[0].space() > 0 {
            live.send(0, &out);
        }
        sent += usize::from(live.sim.transmitted() == Some(out));
        live.reap();
        let come = frame(STATION, PEER, 60 + n, !n as u8);
        live.sim.receive(&come);
        received += usize::from(live.receive(0) == Some(come));
    }
    (sent, received)
}

#[test]
fn with_its_barriers_the_driver_loses_nothing() {
    for seed in 0..50 {
        assert_eq!(exchanged(seed, Without::Nothing), (40, 40), "seed {seed}");
    }
}

#[test]
fn without_publish_the_device_does_not_see_what_it_is_given() {
    for seed in 0..50 {
        let (sent, received) = exchanged(seed, Without::Publish);
        assert!(sent < 40 && received < 40, "seed {seed}: {sent} sent, {received} received");
    }
}

#[test]
fn without_observe_the_driver_reads_what_was_there_before() {
    for seed in 0..50 {
        let (sent, received) = exchanged(seed, Without::Observe);
        assert_eq!(sent, 40, "seed {seed}: sending needs none");
        assert!(received < 40, "seed {seed}: all {received} received");
    }
}
