//! Does a port that is taken over keep what its options had put into it, with nothing of it
//! interrupted?

use etsec_core::Bus as _;
use etsec_tests::adopting::{adopt_with, die, numbered, plan};
use etsec_tests::rig::Rig;
use etsec_tests::trace::Traced;

const RFBPTR0: u16 = 0xC44;
const RBASE0: u16 = 0x404;

#[test]
fn the_partner_is_not_held_for_what_the_dead_process_has_not_told() {
    let mut plan = plan(16, 16);
    plan.config.link = "1000/full/tx".parse().unwrap();
    let mut rig = Rig::new(&plan);
    rig.port.set_lossless(&mut rig.rx[0], Some(4)).unwrap();
    let (sim, bus) = (rig.sim.clone(), Traced::new(rig.sim.bus()));
    let mut live = rig.start();
    (0..15).for_each(|n| sim.receive(&numbered(n)));
    live.delay_us(2);
    assert!(sim.transmitted().is_some(), "a pause frame");
    (0..15).for_each(|_| drop(live.rx[0].next().unwrap()));
    // It dies when it has lent them all again and told nobody.
    die(live);
    let (mut dying, ..) = adopt_with(&sim, &plan, bus.clone(), |port, rx| {
        port.set_lossless(&mut rx[0], Some(4)).unwrap();
    })
    .unwrap();
    bus.die_after(0);
    dying.rx[0].fill(&dying.pool);
    dying.rx[0].commit();
    die(dying);
    let first = sim.bus().read(RBASE0);
    assert_eq!(sim.bus().read(RFBPTR0), first + 8 * 15, "as at the start");

    let (mut new, ..) = adopt_with(&sim, &plan, sim.bus(), |port, rx| {
        port.set_lossless(&mut rx[0], Some(4)).unwrap();
    })
    .unwrap();
    assert_eq!(sim.bus().read(RFBPTR0), first + 8 * 14, "the last one that is empty");
    while sim.transmitted().is_some() {}
    new.delay_us(10_000);
    let frames: Vec<_> = std::iter::from_fn(|| sim.transmitted()).collect();
    assert!(frames.len() <= 1, "the partner is let go: {frames:x?}");
    new.exchange(3);
    new.finish();
}
