//! Do the totals of counters go on where the process before has left them, registers that went
//! through zero included?

use etsec_core::mib::Counter;
use etsec_core::{Bus, MemoryError, Pages, arena};
use etsec_sim::Sim;
use etsec_tests::adopting::{adopt, die, numbered, plan};
use etsec_tests::rig::{Live, Plan, Rig};

/// RPKT, and where the model has it wrap (HW 13.2).
const RPKT: u16 = 0x6A0;
const TURN: u64 = 1 << 32;

/// A port whose counters are kept.
fn start(sim: &Sim, plan: &Plan) -> Live {
    let region = sim.region(plan.bytes() + arena::COUNTERS_BYTES);
    let mut rig = Rig::build(sim, plan, Pages::single(sim.bus()), region);
    rig.port.keep_counters(rig.arena.counters().unwrap());
    assert!(matches!(rig.arena.counters(), Err(MemoryError::SecondCounters)));
    rig.start()
}

fn exchange(live: &mut Live, frames: u32) {
    for n in 0..frames {
        live.sim.receive(&numbered(n));
        live.receive(0).unwrap();
    }
}

#[test]
fn totals_go_on_through_deaths_and_turns() {
    let plan = plan(16, 16);
    let sim = Sim::new(plan.sim.clone());
    let mut live = start(&sim, &plan);
    let mut total = 0;
    for death in 0..6 {
        // Near its end, as if as many frames had come.
        let before = live.port.mib().total(Counter::RPKT);
        assert_eq!(before, total, "death {death}");
        let raw = u64::from(sim.bus().read(RPKT));
        sim.bus().write(RPKT, u32::MAX - 2);
        total += TURN - 3 - raw;
        assert_eq!(live.port.mib().total(Counter::RPKT), total, "death {death}");
        exchange(&mut live, 2);
        total += 2;
        // It goes through zero while nobody looks, or somebody does.
        if death % 2 == 0 {
            let _ = live.port.mib();
        }
        exchange(&mut live, 5);
        total += 5;
        let sim = die(live);
        (0..4).for_each(|n| sim.receive(&numbered(n)));
        total += 4;
        (live, ..) = adopt(&sim, &plan).unwrap();
        (0..4).for_each(|_| drop(live.receive(0).unwrap()));
    }
    assert_eq!(live.port.mib().total(Counter::RPKT), total);
    assert!(total > 6 * TURN);
    live.finish();
}

#[test]
fn a_port_that_is_brought_up_anew_goes_on_as_well() {
    let usual = plan(16, 16);
    let sim = Sim::new(usual.sim.clone());
    let mut live = start(&sim, &usual);
    exchange(&mut live, 7);
    assert_eq!(live.port.mib().total(Counter::RPKT), 7);
    exchange(&mut live, 2);
    let sim = die(live);
    // SAFETY: who had it is forgotten.
    let left = unsafe { etsec_core::Arena::adopt(sim.region_again().unwrap()) };
    let left = left.map_err(|(_, error)| error).unwrap();
    let config = usual.config.clone();
    let mut delay = sim.delay();
    let mut port =
        etsec_core::Stopped::attach(Pages::single(sim.bus()), config, &mut delay).unwrap();
    port.keep_counters(left.counters.expect("they were kept"));
    // What nobody has looked at is lost with the reset, which sets the registers to zero.
    assert_eq!(port.mib().total(Counter::RPKT), 7);
    std::mem::forget((port, left.arena, left.pool, left.rings));
}

#[test]
fn without_a_place_for_them_totals_begin_with_the_registers() {
    let plan = plan(16, 16);
    let mut live = Rig::new(&plan).start();
    exchange(&mut live, 3);
    live.port.mib();
    let sim = die(live);
    sim.bus().write(RPKT, 1000);
    sim.receive(&numbered(3));
    let (mut live, ..) = adopt(&sim, &plan).unwrap();
    assert_eq!(live.port.mib().total(Counter::RPKT), 1001);
    drop(live.receive(0).unwrap());
    live.finish();
}
