//! Is a transmitter that hangs found and got going again, and one that only waits left alone? (HW
//! 8.6)

use etsec_core::{Event, Line, Schedule};
use etsec_sim::{Fault, Fcs, Sim, SimConfig, WireFrame, WireSpeed};
use etsec_tests::all_rings;
use etsec_tests::rig::{PEER, Plan, Rig, STATION, frame};
use etsec_tests::trace::Traced;

#[test]
fn a_hang_is_found_within_its_time_and_every_frame_is_sent_once() {
    for switches in all_rings::readings() {
        let wire = WireSpeed::Link;
        let mut live = all_rings::start(SimConfig { switches, wire, ..SimConfig::default() });
        live.settle(1);
        let out = live.load(1);
        live.sim.inject(Fault::TxHang);
        live.settle(10);
        assert_eq!(live.port.faults().transmit_hangs, 0, "too early");
        live.settle(5);
        assert_eq!((live.port.faults().transmit_hangs, live.port.faults().resets), (1, 1));
        live.assert_sent(&out);
        assert_eq!(live.reap(), out.len());
        assert_eq!((live.port.faults().lost_in_transmit, live.port.faults().given_up), (0, 0));
        live.exchange(1);
        live.finish();
    }
}

#[test]
fn a_frame_that_hangs_twice_is_given_up() {
    let sim = SimConfig { wire: WireSpeed::Link, ..SimConfig::default() };
    let mut live = all_rings::start(sim);
    let out = live.load(1);
    for hang in 1..=3 {
        live.sim.inject(Fault::TxHang);
        while live.port.faults().transmit_hangs < hang {
            live.settle(1);
        }
        // The clock stands still since the restart: the frame is on the wire again.
        assert_eq!(live.port.faults().given_up, hang - 1);
    }
    live.settle(2);
    assert_eq!(live.sent().len(), out.len() - 2);
    assert_eq!(live.reap(), out.len());
    assert_eq!((live.tx_counters().underruns, live.tx_counters().frames), (2, 30));
    live.exchange(1);
    live.finish();
}

#[test]
fn a_ring_of_weight_0_is_no_hang() {
    let mut plan = all_rings::plan(SimConfig::default());
    plan.config.schedule = Schedule::RoundRobin([1, 1, 1, 0, 1, 1, 1, 1]);
    let mut live = all_rings::start_as(&Sim::default(), &plan);
    live.send(3, &frame(PEER, STATION, 60, 0));
    live.settle(50);
    assert_eq!((live.port.faults().transmit_hangs, live.sent().len()), (0, 0));
    live.finish();
}

#[test]
fn waiting_behind_busier_rings_is_no_hang() {
    let sim = SimConfig { wire: WireSpeed::Link, ..SimConfig::default() };
    let mut live = all_rings::start(sim);
    live.port.set_link("10/full".parse().unwrap(), &mut live.delay).unwrap();
    let waits = frame(PEER, STATION, 60, 9);
    live.send(0, &frame(PEER, STATION, 1500, 0));
    live.send(7, &waits);
    // Ring 0 never runs dry: a frame takes 1.2 ms, and five times the time of a hang goes by.
    for n in 0..500 {
        while live.tx[0].space() > 0 {
            live.send(0, &frame(PEER, STATION, 1500, 0));
        }
        live.delay_us(1000);
        live.reap();
        live.port.tick(n, &mut live.delay).unwrap();
        assert!(!live.sent().contains(&waits), "by priority it has to wait");
    }
    assert_eq!((live.port.faults().transmit_hangs, live.port.faults().resets), (0, 0));
    live.settle(3);
    assert!(live.sent().contains(&waits));
    live.finish();
}

#[test]
fn a_small_ring_that_is_busy_is_no_hang() {
    let sim = SimConfig { wire: WireSpeed::Link, ..SimConfig::default() };
    let mut plan = Plan { sim, tx: vec![4], ..Plan::default() };
    plan.config.hang_ms = 100;
    let mut live = Rig::new(&plan).start();
    let out = frame(PEER, STATION, 1000, 0);
    (0..4).for_each(|_| live.send(0, &out));
    for tick in 0..50 {
        // Once around: whenever it is looked at, the hardware stands at the same descriptor.
        for _ in 0..4 {
            live.sim.advance(8192);
            assert_eq!(live.reap(), 1);
            live.send(0, &out);
        }
        live.port.tick(10 * tick, &mut live.delay).unwrap();
        assert_eq!(live.sent().len(), 4);
    }
    assert_eq!((live.port.faults().transmit_hangs, live.port.faults().resets), (0, 0));
    live.finish();
}

#[test]
fn a_kick_that_is_lost_is_made_good() {
    let sim = Sim::default();
    let bus = Traced::new(sim.bus());
    let mut live = Rig::through(&sim, &Plan::default(), bus.clone()).start();
    bus.die_after(0);
    live.send(0, &frame(PEER, STATION, 60, 0));
    bus.revive();
    assert_eq!((live.sent().len(), live.reap()), (0, 0));
    live.settle(2);
    assert_eq!((live.sent().len(), live.reap()), (1, 1));
    // The receive side's: its ring has run dry, and the restart after the refill is lost.
    let come = frame(STATION, PEER, 60, 1);
    (0..17).for_each(|_| live.sim.receive(&come));
    assert_eq!(live.port.events().take(Line::Err), Event::BSY, "and nobody acts on it");
    while let Some((buf, _)) = live.rx[0].next() {
        drop(buf);
    }
    live.rx[0].fill(&live.pool);
    bus.die_after(0);
    live.rx[0].commit();
    bus.revive();
    live.sim.receive(&come);
    assert_eq!(live.receive(0), None);
    live.settle(1);
    live.sim.receive(&come);
    assert_eq!(live.receive(0), Some(come));
    live.exchange(1);
    live.finish();
}

#[test]
fn a_pause_is_no_hang() {
    let sim = SimConfig { wire: WireSpeed::Link, ..SimConfig::default() };
    let mut live = all_rings::start(sim);
    live.port.set_link("10/full/rx".parse().unwrap(), &mut live.delay).unwrap();
    let mut pause = frame(etsec_core::MacAddr::PAUSE, PEER, 60, 0);
    // 40000 quanta of 512 bits are 2 s at 10 Mb/s (HW 11.1).
    pause[12..18].copy_from_slice(&[0x88, 0x08, 0x00, 0x01, 0x9C, 0x40]);
    live.sim.receive_raw(WireFrame::exact(pause, Fcs::Right));
    let out = frame(PEER, STATION, 60, 1);
    live.send(3, &out);
    live.settle(180);
    assert_eq!(live.sent(), Vec::<Vec<u8>>::new());
    live.settle(30);
    assert_eq!(live.sent(), [out]);
    assert_eq!((live.reap(), live.port.faults().transmit_hangs), (1, 0));
    live.finish();
}
