//! Is nothing taken over that is not what this driver has left, and is the port usable then?

use etsec_core::adopt::{AdoptError, RingFault};
use etsec_core::arena::LeftError;
use etsec_core::error::Side;
use etsec_core::{Arena, Bus, Pages, Stopped};
use etsec_tests::adopting::{adopt, die, plan};
use etsec_tests::rig::{Plan, Rig};

#[test]
fn what_is_another_is_refused_and_comes_up_by_a_reset() {
    let usual = plan(16, 16);
    let refused = |change: fn(&mut Plan)| {
        let sim = die(Rig::new(&usual).start());
        let mut other = usual.clone();
        change(&mut other);
        adopt(&sim, &other).map(drop).unwrap_err()
    };
    let AdoptError::Register { at, wanted, .. } = refused(|plan| plan.config.mtu = 9000) else {
        panic!("another register");
    };
    assert_eq!((at, wanted), (0x510, 9024));
    assert!(matches!(
        refused(|plan| plan.config.parser = true),
        AdoptError::Register { at: 0x300, .. }
    ));

    let stopped = Rig::new(&usual).start().stop();
    let sim = stopped.sim.clone();
    std::mem::forget(stopped);
    assert_eq!(adopt(&sim, &usual).map(drop).unwrap_err(), AdoptError::Still);
}

#[test]
fn all_addresses_of_rings_and_buffers_are_compared() {
    let usual = plan(16, 16);
    // Upper halves: of transmit buffers and rings, of receive buffers and rings; and bases.
    for at in [0x180, 0x200, 0x380, 0x400, 0x204, 0x404] {
        let sim = die(Rig::new(&usual).start());
        let bus = sim.bus();
        let wanted = bus.read(at);
        let positions = [0x184, 0x384].map(|at| (at, bus.read(at)));
        bus.write(at, wanted ^ 8);
        positions.iter().for_each(|(at, value)| bus.write(*at, *value));
        let found = bus.read(at);
        assert_ne!(found, wanted, "{at:#x}");
        let error = adopt(&sim, &usual).map(drop).unwrap_err();
        assert_eq!(error, AdoptError::Register { at, found, wanted });
    }
}

#[test]
fn foreign_and_broken_regions_are_refused() {
    let usual = plan(16, 16);
    let sim = die(Rig::new(&usual).start());
    let mut bytes = [0; 64];
    sim.load(&sim.region_again().map(std::mem::ManuallyDrop::new).unwrap(), 0, &mut bytes);
    let with = |at: usize, value: u32| {
        let mut region = sim.region_again().unwrap();
        sim.store(&mut region, 0, &bytes);
        sim.store(&mut region, at, &value.to_ne_bytes());
        // SAFETY: who had it is forgotten.
        let refused = unsafe { Arena::adopt(region) };
        let Err((region, error)) = refused else { panic!("{value:#x} at {at}") };
        std::mem::forget(region);
        error
    };
    assert_eq!(with(0, 0), LeftError::Foreign);
    assert_eq!(with(4, 99), LeftError::Version(99));
    assert_eq!(with(12, 1), LeftError::Length(1));
    assert_eq!(with(16, 2), LeftError::Version(3));
    assert_eq!(
        with(20, u32::MAX),
        LeftError::Length(u32::from_ne_bytes(bytes[12..16].try_into().unwrap()))
    );
    for wrong in [1, 3, 128, 0xFFFF_FFC0, 1 << 20] {
        assert_eq!(with(24, wrong), LeftError::Ring(wrong), "{wrong:#x}");
    }
    for wrong in [0, 1, 64, 128, 0xFFFF_FFC0] {
        assert_eq!(with(28, wrong), LeftError::Pool, "{wrong:#x}");
    }
    for wrong in [1, 3, 0xFFFF_FFC0, 1 << 20] {
        assert_eq!(with(32, wrong), LeftError::Counters, "{wrong:#x}");
    }
    for wrong in [0, 3, u32::MAX] {
        assert_eq!(with(36, wrong), LeftError::Rings(wrong), "{wrong:#x}");
    }
    // Of the versions before this one.
    assert_eq!([with(4, 1), with(4, 2)], [1, 2].map(LeftError::Version));
}

#[test]
fn a_ring_whose_queue_is_missing_keeps_all_from_being_taken_over() {
    let usual = plan(16, 16);
    for missing in [Side::Rx, Side::Tx] {
        let sim = die(Rig::new(&usual).start());
        let region = sim.region_again().expect("it is still there");
        // SAFETY: who had it is forgotten.
        let left = unsafe { Arena::adopt(region) }.map_err(|(_, error)| error).expect("a region");
        let mut delay = sim.delay();
        let mut port = Stopped::over(Pages::single(sim.bus()), usual.config.clone()).unwrap();
        let (mut rx, mut tx) = (Vec::new(), Vec::new());
        for ring in left.rings {
            match ring.rx() {
                Some(n) => rx.push(port.add_rx(n, ring.memory).unwrap()),
                None => tx.push(port.add_tx(0, ring.memory).unwrap()),
            }
        }
        let (some_rx, some_tx) = match missing {
            Side::Rx => (&mut rx[..0], &mut tx[..]),
            Side::Tx => (&mut rx[..], &mut tx[..0]),
        };
        let refused = port.adopt(some_rx, some_tx, &[&left.pool], &mut delay);
        let (mut port, error) = refused.map(drop).unwrap_err();
        assert_eq!(error, AdoptError::Ring(missing, 0, RingFault::Another));
        port.bring_up(&mut delay).unwrap();
        drop((port, rx, tx));
        left.pool.reclaim();
    }
}
