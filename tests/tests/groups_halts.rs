//! Are the halts of rings in the second group seen and cleared, by a start and by a tick, as those
//! of the first? (HW 9.4)

use etsec_core::{Bus as _, Event, Group, Line, Pages};
use etsec_sim::{Fault, Sim, SimBus, SimConfig, WireSpeed};
use etsec_tests::all_rings::{self, LEN, RINGS, talker};
use etsec_tests::at;
use etsec_tests::rig::{Live, PEER, Rig, STATION, frame};
use etsec_tests::trace::Traced;

type Bus = Traced<SimBus>;

/// A port whose rings are all in the second group, and that group's page.
fn start(wire: WireSpeed) -> (Live<Bus>, Bus) {
    let plan = all_rings::plan(SimConfig { wire, ..SimConfig::default() });
    let sim = Sim::new(plan.sim.clone());
    let second = Traced::new(sim.second_bus());
    let pages = Pages { group1: Some(second.clone()), ..Pages::single(Traced::new(sim.bus())) };
    let mut rig = Rig::build(&sim, &plan, pages, sim.region(plan.bytes()));
    all_rings::steer(&mut rig);
    for ring in 0..RINGS {
        rig.port.set_rx_group(&mut rig.rx[ring], Group::One).expect("a receive ring");
        rig.port.set_tx_group(&mut rig.tx[ring], Group::One).expect("a transmit ring");
    }
    (rig.start(), second)
}

/// A receive ring that has run dry, was filled again, and was not started for it.
fn run_dry(live: &mut Live<Bus>, second: &Bus, ring: usize) {
    let come = frame(STATION, talker(ring), 60, 1);
    (0..=LEN).for_each(|_| live.sim.receive(&come));
    let events = live.port.group_events(Group::One).expect("two groups");
    assert!(events.take(Line::Err).contains(Event::BSY), "and nobody acts on it");
    while live.rx[ring].next().is_some() {}
    live.rx[ring].fill(&live.pool);
    second.die_after(0);
    live.rx[ring].commit();
    second.revive();
    live.sim.receive(&come);
    assert_eq!(live.receive(ring), None);
    events.take(Line::Err);
}

#[test]
fn a_kick_that_is_lost_is_made_good() {
    let (mut live, second) = start(WireSpeed::Instant);
    for ring in [0, 5] {
        second.die_after(0);
        live.send(ring, &frame(PEER, STATION, 60, 0));
        second.revive();
        assert_eq!((live.sent().len(), live.reap()), (0, 0));
        live.settle(2);
        assert_eq!((live.sent().len(), live.reap()), (1, 1), "transmit ring {ring}");
    }
    live.finish();
    // The first look does not know yet whether a ring has moved: it goes by the halt alone.
    let (mut live, second) = start(WireSpeed::Instant);
    run_dry(&mut live, &second, 3);
    live.settle(1);
    let come = frame(STATION, talker(3), 60, 2);
    live.sim.receive(&come);
    assert_eq!(live.receive(3), Some(come));
    live.exchange(1);
    live.finish();
}

#[test]
fn a_start_clears_halts_of_before() {
    let (mut live, second) = start(WireSpeed::Link);
    run_dry(&mut live, &second, 3);
    // Halted by the first frame, and nobody mends it.
    let out = live.load(1);
    live.sim.inject(Fault::LateCollision);
    live.delay_us(1000);
    assert!(live.sent().is_empty());
    assert_ne!(live.sim.second_bus().read(at::TSTAT) & 0xFF00_0000, 0);
    let mut live = live.stop().start();
    live.delay_us(1000);
    assert_eq!(live.sent().len(), out.len() - 1);
    assert_eq!(live.reap(), out.len());
    let come = frame(STATION, talker(3), 60, 2);
    live.sim.receive(&come);
    assert_eq!(live.receive(3), Some(come));
    live.finish();
}
