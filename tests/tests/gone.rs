//! What if the device leaves the bus, at whatever moment? Nothing panics, the loss has a name,
//! memory stays lent.

use etsec_core::{Bus as _, Error, Event, Running, Stopped};
use etsec_sim::{Fault, Sim, SimBus, SimConfig, SimDelay};
use etsec_tests::all_rings::{self, RINGS};
use etsec_tests::at;
use etsec_tests::rig::{Live, PEER, Rig, STATION, frame};
use etsec_tests::trace::{Access, Traced};

type Bus = Traced<SimBus>;

fn rig() -> (Rig<Bus>, Bus) {
    let sim = Sim::new(SimConfig::default());
    let bus = Traced::new(sim.bus());
    let mut rig = Rig::through(&sim, &all_rings::plan(SimConfig::default()), bus.clone());
    all_rings::steer(&mut rig);
    (rig, bus)
}

/// How many accesses `operation` makes on a device that is there.
fn accesses(operation: Operation) -> u64 {
    let (rig, bus) = rig();
    let mut live = rig.start();
    let _ = bus.take();
    operation(&mut live.port, &mut live.delay).unwrap();
    let count = bus.take().iter().filter(|access| **access != Access::Publish).count();
    live.finish();
    count as u64
}

type Operation = fn(&mut Running<Bus>, &mut SimDelay) -> Result<(), Error>;

const OPERATIONS: [(&str, Operation); 4] = [
    ("tick", |port, delay| port.tick(0, delay).map(drop)),
    ("reset", |port, delay| port.reset(delay)),
    ("set_link", |port, delay| port.set_link("100/full".parse().unwrap(), delay)),
    ("set_filter", |port, delay| {
        let filter = port.config().filter;
        port.set_filter(&filter, delay)
    }),
];

#[test]
fn at_every_access_of_every_operation_and_back_again() {
    for (name, operation) in OPERATIONS {
        let count = accesses(operation);
        assert!(count > 5, "{name} makes {count} accesses");
        for survived in 0..count {
            let (rig, bus) = rig();
            let mut live = rig.start();
            live.exchange(1);
            bus.die_after(survived);
            match operation(&mut live.port, &mut live.delay) {
                Err(error) => assert_eq!(error, Error::Gone, "{name} after {survived}"),
                // A tick may end without having looked once more.
                Ok(()) => assert_eq!(name, "tick", "after {survived} of {count}"),
            }
            assert_eq!(live.port.tick(0, &mut live.delay), Err(Error::Gone), "{name} {survived}");
            assert!(live.rx[0].drain().is_none() && live.tx[0].drain().is_none(), "still lent");
            // If it comes back, as after a glitch of the bus, the port picks up whatever was broken
            // off.
            bus.revive();
            live.settle(3);
            live.exchange(2);
            // Also for those who wait for interrupts.
            assert_eq!(live.sim.bus().read(at::IMASK), Event::DEFAULT_MASK.bits(), "{name}");
            live.finish();
        }
    }
}

#[test]
fn at_every_access_of_a_stop_memory_stays_lent_until_a_stop_succeeds() {
    let (first, bus) = rig();
    let live = first.start();
    let _ = bus.take();
    let stopped = live.stop();
    let count = bus.take().iter().filter(|access| **access != Access::Publish).count() as u64;
    stopped.finish();
    for survived in 0..count {
        let (rig, bus) = rig();
        let Live { sim, port, mut rx, tx, pool, arena, mut delay } = rig.start();
        bus.die_after(survived);
        let (port, error) = port.stop(&mut delay).map(drop).unwrap_err();
        assert_eq!(error, Error::Gone, "after {survived} of {count}");
        assert!(rx[0].drain().is_none(), "lent after {survived} of {count}");
        bus.revive();
        Live { sim, port, rx, tx, pool, arena, delay }.finish();
    }
}

#[test]
fn at_every_access_of_attach_and_start() {
    let plan = all_rings::plan(SimConfig::default());
    let attach = |sim: &Sim, bus: &Bus| {
        let pages = etsec_core::Pages::single(bus.clone());
        Stopped::attach(pages, plan.config.clone(), &mut sim.delay())
    };
    let sim = Sim::default();
    let bus = Traced::new(sim.bus());
    attach(&sim, &bus).unwrap();
    for survived in 0..bus.take().len() as u64 {
        bus.die_after(survived);
        match attach(&sim, &bus) {
            Err(error) => assert_eq!(error, Error::Gone, "after {survived}"),
            Ok(_) => panic!("attached after {survived} accesses"),
        }
        bus.revive();
    }
    for survived in 0..100 {
        let (mut rig, bus) = rig();
        bus.die_after(survived);
        match rig.port.start(&mut rig.delay) {
            Err((port, error)) => {
                assert_eq!(error, Error::Gone);
                bus.revive();
                rig.port = port;
                rig.start().finish();
            }
            Ok(port) => {
                assert!(survived > 0, "it was gone before the start");
                let Rig { sim, rx, tx, pool, arena, mut delay, .. } = rig;
                let mut port = port;
                assert_eq!(port.tick(0, &mut delay), Err(Error::Gone));
                bus.revive();
                let mut live = Live { sim, port, rx, tx, pool, arena, delay };
                live.settle(3);
                live.exchange(1);
                live.finish();
            }
        }
    }
}

#[test]
fn a_dead_device_gives_nothing_and_takes_what_the_rings_hold() {
    let mut live = all_rings::start(SimConfig::default());
    live.exchange(1);
    live.sim.inject(Fault::BusDead);
    let out = live.load(2);
    live.sim.receive(&frame(STATION, PEER, 64, 3));
    for ring in 0..RINGS {
        assert_eq!(live.receive(ring), None);
    }
    assert_eq!((live.reap(), live.sent().len()), (0, 0));
    assert_eq!(live.port.tick(1, &mut live.delay), Err(Error::Gone));
    assert!(live.port.events().recover().is_empty());
    let before: Vec<u64> = live.port.mib().iter().map(|(_, total)| total).collect();
    assert!(before.iter().all(|total| *total < 10_000), "ones are not counted");
    assert_eq!(live.port.reset(&mut live.delay), Err(Error::Gone));
    let filter = live.port.config().filter;
    assert_eq!(live.port.set_filter(&filter, &mut live.delay), Err(Error::Gone));
    let Live { port, rx, tx, pool, arena, mut delay, sim } = live;
    let (port, error) = port.stop(&mut delay).map(drop).unwrap_err();
    assert_eq!(error, Error::Gone);
    // Nobody gets at the memory a device may still write: not with the port dropped, and not with
    // the queues.
    drop((port, rx, tx));
    assert_eq!(pool.buffers() - pool.free(), RINGS * all_rings::LEN + out.len());
    drop(pool);
    assert!(arena.retire().is_err());
    drop(sim);
}
