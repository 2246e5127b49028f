//! What looks like a violation and is none.

mod rig;
use etsec_core::Bus;
use etsec_sim::{Breach, Direction, Place, SimConfig, Who};
use rig::*;

fn clean(rig: &Rig) {
    assert_eq!(rig.sim.violations(), []);
}

#[test]
fn a_buffer_that_came_back_may_be_used_again() {
    let mut rig = Rig::running();
    rig.sim.receive(&frame(64));
    // Echo: out of an RX descriptor, into a TX descriptor, without a copy.
    let buffer = rig.rx_buffer(0, 0);
    let at = rig.tx_bd(0, 0);
    rig.pointer(at, rig.low(buffer));
    rig.bus.publish();
    rig.flags(at, R | L, 64);
    rig.bus.publish();
    rig.kick(0);
    assert_eq!(rig.sim.transmitted(), Some(frame(64)));
    clean(&rig);
}

#[test]
fn a_halted_ring_is_filled_at_leisure_by_who_knows_it() {
    for (looks, legal) in [(false, false), (true, true)] {
        let mut rig = Rig::running();
        assert_eq!(rig.bus.read(0x104) & 0x8000_0000, 0x8000_0000);
        rig.kick(0);
        if looks {
            assert_eq!(rig.read(TSTAT) & 0x8000_0000, 0x8000_0000);
        }
        let buffer = rig.tx_buffer(0, 0);
        rig.put(buffer, &frame(64));
        rig.bd(rig.tx_bd(0, 0), R | L, 64, rig.low(buffer));
        rig.bus.publish();
        rig.kick(0);
        assert_eq!(rig.sim.transmitted(), Some(frame(64)));
        if legal {
            clean(&rig);
        } else {
            let found = rig.sim.violations();
            let place = Place { direction: Direction::Tx, ring: 0, index: 0 };
            assert_eq!((found[0].who, found[0].what), (Who::Bd(place), Breach::PublishedTogether));
            assert_eq!(found.len(), 1);
        }
    }
}

#[test]
fn descriptors_may_be_rewritten_while_nobody_looks() {
    // Stopped gracefully, disabled in RQUEUE, MAC off, halted by an error.
    for way in 0..4 {
        let mut rig = Rig::running();
        rig.sim.receive(&frame(64));
        rig.take(0);
        match way {
            0 => rig.write(DMACTRL, 0xDB),
            1 => rig.write(RQUEUE, 0x7F),
            2 => rig.write(MACCFG1, 0),
            _ => {
                rig.sim.inject(etsec_sim::Fault::RxDataBusError);
                rig.sim.receive(&frame(64));
            }
        }
        let buffer = rig.tx_buffer(7, 0);
        rig.bd(rig.rx_bd(0, 3), E | I, 0, rig.low(buffer));
        rig.bus.publish();
        rig.write(DMACTRL, 0xC3);
        rig.write(RQUEUE, 0xFF);
        rig.write(MACCFG1, 5);
        rig.write(RSTAT, 0x0080_0000);
        for _ in 0..4 {
            rig.sim.receive(&frame(64));
        }
        clean(&rig);
    }
}

#[test]
fn rings_may_be_built_and_bases_written_in_any_order() {
    let mut rig = Rig::running();
    for _ in 0..3 {
        rig.sim.receive(&frame(64));
        rig.send(0, &frame(64));
    }
    rig.write(DMACTRL, 0xDB);
    rig.write(MACCFG1, 0);
    rig.write_bases();
    for ring in 0..8 {
        for index in 0..LEN {
            let wrap = if index == LEN - 1 { W } else { 0 };
            let buffer = rig.rx_buffer(7 - ring, index);
            rig.bd(rig.rx_bd(ring, index), E | I | wrap, 0, rig.low(buffer));
            rig.bd(rig.tx_bd(ring, index), wrap, 0, 0);
        }
    }
    rig.bus.publish();
    rig.start();
    rig.sim.receive(&frame(64));
    clean(&rig);
}

#[test]
fn it_can_be_switched_off() {
    let mut rig = Rig::stopped(SimConfig { sanitizer: false, ..SimConfig::default() });
    rig.start();
    let buffer = rig.tx_buffer(0, 0);
    rig.bd(rig.tx_bd(0, 0), R | L, 64, rig.low(buffer));
    rig.kick(0);
    assert!(rig.sim.transmitted().is_some());
    rig.bus.write(0x3, 0);
    clean(&rig);
}

#[test]
fn another_thread_may_restart_a_ring_in_mid_hand_over() {
    for (elsewhere, found) in [(true, 0), (false, 1)] {
        let mut rig = Rig::running();
        rig.send(0, &frame(64));
        // The owner has set R and not published it when somebody mends an error.
        let at = rig.tx_bd(0, 1);
        let buffer = rig.tx_buffer(0, 1);
        rig.put(buffer, &frame(64));
        rig.pointer(at, rig.low(buffer));
        rig.bus.publish();
        rig.flags(at, R | L, 64);
        if elsewhere {
            let bus = rig.bus.clone();
            std::thread::spawn(move || bus.write(TSTAT, 0x8000_0000)).join().unwrap();
        } else {
            rig.kick(0);
        }
        assert_eq!(rig.sim.violations().len(), found);
    }
}
