//! Does a port without rings in one direction do the other's work, and enable nothing there?

use etsec_core::Bus as _;
use etsec_tests::at;
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, frame};

/// RQUEUE and TQUEUE: the rings that are enabled.
fn enabled(live: &Live) -> (u32, u32) {
    let bus = live.sim.bus();
    (bus.read(at::RQUEUE) & 0xFF, bus.read(at::TQUEUE))
}

#[test]
fn a_port_that_only_receives() {
    let mut live = Rig::new(&Plan { tx: vec![], ..Plan::default() }).start();
    for turn in 0..3 {
        assert_eq!(enabled(&live), (0x80, 0), "turn {turn}");
        for n in 0..20 {
            let come = frame(STATION, PEER, 60, n);
            live.sim.receive(&come);
            assert_eq!(live.receive(0), Some(come), "turn {turn}");
        }
        live.settle(2);
        assert_eq!(live.port.faults().transmit_hangs, 0);
        match turn {
            0 => live.port.reset(&mut live.delay).unwrap(),
            _ => live = live.stop().start(),
        }
    }
    assert_eq!(live.port.faults().resets, 1);
    live.finish();
}

#[test]
fn a_port_that_only_sends() {
    let mut live = Rig::new(&Plan { rx: vec![], ..Plan::default() }).start();
    for turn in 0..3 {
        assert_eq!(enabled(&live), (0, 0x8000), "turn {turn}");
        for n in 0..20 {
            let out = frame(PEER, STATION, 60, n);
            live.send(0, &out);
            assert_eq!(live.sent(), [out], "turn {turn}");
            assert_eq!(live.reap(), 1);
            // There is no ring for it, and no descriptor is looked at.
            live.sim.receive(&frame(STATION, PEER, 60, n));
        }
        live.settle(2);
        match turn {
            0 => live.port.reset(&mut live.delay).unwrap(),
            _ => live = live.stop().start(),
        }
    }
    assert_eq!((live.port.faults().resets, live.port.faults().bus_errors), (1, 0));
    live.finish();
}

#[test]
fn a_port_without_rings_runs_and_stops() {
    let mut live = Rig::new(&Plan { rx: vec![], tx: vec![], ..Plan::default() }).start();
    assert_eq!(enabled(&live), (0, 0));
    live.sim.receive(&frame(STATION, PEER, 60, 0));
    live.settle(2);
    live.port.reset(&mut live.delay).unwrap();
    assert_eq!(live.sent().len(), 0);
    live.finish();
}
