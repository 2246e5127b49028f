//! What does a process learn of a controller that another one has left, before it takes anything
//! over; and what of it may it use, or give back?

use etsec_core::adopt::{receives_in, runs};
use etsec_core::arena::{Adopted, ring_bytes};
use etsec_core::ptp::{ClockConfig, ClockSource, PtpClock, Pulse};
use etsec_core::reception::RING;
use etsec_core::{Arena, BusAddr, Pages, Region, Stopped};
use etsec_sim::{Fault, Sim, SimConfig, SimRegion, Switches};
use etsec_tests::adopting::{adopt, die, number, numbered, plan};
use etsec_tests::rig::{Live, Plan, Rig};

fn left(sim: &Sim) -> Adopted<SimRegion> {
    let region = sim.region_again().expect("it is still there");
    // SAFETY: who had it is forgotten.
    unsafe { Arena::adopt(region) }.map_err(|(_, error)| error).expect("a region")
}

#[test]
fn a_look_finds_as_many_as_one_may_lose_and_no_more_until_they_are_taken() {
    let mut live = Rig::new(&plan(64, 64)).start();
    assert_eq!(live.rx[0].look(), 0);
    (0..40).for_each(|n| live.sim.receive(&numbered(n)));
    assert_eq!((live.rx[0].look(), live.rx[0].look()), (32, 32));
    let taken: Vec<u32> = live.rx[0].arrived().take(20).map(|(buf, _)| number(&buf)).collect();
    assert_eq!(taken, Vec::from_iter(0..20));
    assert_eq!(live.rx[0].look(), 12, "of the same look");
    // One that dies now has lost those and no others.
    let sim = die(live);
    let (mut live, found, _) = adopt(&sim, &plan(64, 64)).unwrap();
    assert_eq!((found.waiting, live.rx[0].look()), (8, 8));
    let rest: Vec<u32> = live.rx[0].arrived().map(|(buf, _)| number(&buf)).collect();
    assert_eq!(rest, Vec::from_iter(32..40));
    live.exchange(1);
    live.finish();
}

#[test]
fn an_answer_to_the_dead_is_not_taken_by_the_living() {
    let plan = plan(8, 8);
    let mut live = Rig::new(&plan).start();
    // Seen filled before it is taken, it looks as if the hardware had left it out.
    let suspect = |live: &mut Live, n: u32| {
        live.sim.receive(&numbered(n));
        live.port.tick(0, &mut live.delay).unwrap();
        assert_eq!(number(&live.receive(0).expect("a frame")), n);
        live.rx[0].fill(&live.pool.clone());
        live.rx[0].commit();
        assert!(live.rx[0].next().is_none(), "asks where to go on");
    };
    suspect(&mut live, 0);
    live.port.tick(0, &mut live.delay).unwrap();
    // It dies before it hears the answer; meanwhile frames have come.
    for n in 1..4 {
        live.sim.receive(&numbered(n));
        assert_eq!(number(&live.receive(0).expect("a frame")), n);
        live.rx[0].fill(&live.pool.clone());
        live.rx[0].commit();
    }
    let sim = die(live);
    let (mut live, ..) = adopt(&sim, &plan).unwrap();
    suspect(&mut live, 4);
    assert!(live.rx[0].next().is_none());
    assert_eq!(live.rx[0].counters().resyncs, 0);
    for n in 5..20 {
        sim.receive(&numbered(n));
        assert_eq!(number(&live.receive(0).expect("a frame")), n);
        live.rx[0].fill(&live.pool.clone());
        live.rx[0].commit();
    }
    live.exchange(1);
    live.finish();
}

#[test]
fn whether_it_runs_and_where_is_seen_without_touching_it() {
    let plan = plan(16, 16);
    let rig = Rig::new(&plan);
    let (page, start, len) = {
        let region = rig.sim.region_again().map(std::mem::ManuallyDrop::new).unwrap();
        (rig.sim.bus(), region.bus(), region.len())
    };
    assert!(!runs(&page));
    let live = rig.start();
    assert!(runs(&page));
    assert!(receives_in(&page, start, len));
    assert!(!receives_in(&page, BusAddr::new(start.raw() + len as u64).unwrap(), len), "behind it");
    assert!(!receives_in(&page, start, 1), "the ring is not at its first byte");
    let stopped = live.stop();
    assert!(!runs(&page));
    stopped.sim.inject(Fault::BusDead);
    assert!(!runs(&page), "all ones are no controller");
    std::mem::forget(stopped);
}

#[test]
fn what_is_given_up_is_a_region_again() {
    let plan = plan(16, 16);
    let sim = die(Rig::new(&plan).start());
    // Rings that the process had given to its controller keep a region, until that is stopped.
    let opened = left(&sim);
    let mut delay = sim.delay();
    drop(Stopped::attach(Pages::single(sim.bus()), plan.config.clone(), &mut delay).unwrap());
    // SAFETY: it has just been stopped.
    let region = unsafe { opened.give_up() };
    let mut live = Rig::in_region(&sim, &plan, region).start();
    live.exchange(3);
    live.finish();
}

#[test]
fn rings_of_a_test_of_reception_are_used_again_and_those_in_use_are_not() {
    let switches = Switches { nmg129: true, ..Switches::default() };
    let sim = SimConfig { switches, ..SimConfig::default() };
    let plan = Plan { sim, ..plan(16, 16) };
    let sim = Sim::new(plan.sim.clone());
    let region = sim.region(plan.bytes() + 2 * ring_bytes(RING));
    let mut rig = Rig::in_region(&sim, &plan, region);
    let [rx, tx] = [(); 2].map(|()| rig.arena.ring(RING).unwrap());
    let mut test = rig.port.reception_test(rx, tx, &rig.pool).unwrap();
    let mut live = rig.start();
    live.port.prove_reception(&mut test, &mut live.delay.clone()).unwrap();
    std::mem::forget(test);
    for _ in 0..3 {
        let sim = die(live);
        let Adopted { arena, pool, rings, .. } = left(&sim);
        let mut delay = sim.delay();
        let mut port = Stopped::over(Pages::single(sim.bus()), plan.config.clone()).unwrap();
        let mut rings: Vec<_> = rings.into_iter().rev().collect();
        assert_eq!(rings.len(), 4);
        let spare = rings.split_off(2);
        // The port's own are in use.
        let rings: Vec<_> = rings.into_iter().map(|ring| port.spare(ring).unwrap_err()).collect();
        let (mut rx, mut tx) = (Vec::new(), Vec::new());
        for ring in rings {
            match ring.rx() {
                Some(n) => rx.push(port.add_rx(n, ring.memory).unwrap()),
                None => tx.push(port.add_tx(0, ring.memory).unwrap()),
            }
        }
        let mut spare = spare.into_iter().map(|ring| port.spare(ring).unwrap());
        let (one, two) = (spare.next().unwrap(), spare.next().unwrap());
        drop(spare);
        let mut test = port.reception_test(one, two, &pool).unwrap();
        let adopted = port.adopt(&mut rx, &mut tx, &[&pool], &mut delay);
        let (port, _) = adopted.map_err(|(_, error)| error).unwrap();
        pool.reclaim();
        live = Live { port, rx, tx, pool, arena, delay, sim };
        live.exchange(2);
        live.port.reset(&mut live.delay).unwrap();
        // Deaf after a reset, and proved again on the rings of the one before.
        live.port.prove_reception(&mut test, &mut live.delay.clone()).unwrap();
        live.exchange(2);
        std::mem::forget(test);
    }
    let sim = die(live);
    drop(sim);
}

#[test]
fn a_clock_goes_on_as_it_is() {
    let sim = Sim::default();
    let mut delay = sim.delay();
    let config = ClockConfig::new(ClockSource::System, 166_666_666);
    assert!(PtpClock::running(sim.bus(), config).unwrap().is_none(), "there is none yet");
    let mut clock = PtpClock::start(sim.bus(), config, Some(5_000_000_000), &mut delay).unwrap();
    clock.adjust(-1234).unwrap();
    clock.set_pulse(Pulse::Two, Some(1_000_000_000)).unwrap();
    std::mem::forget(clock);
    sim.advance(1_000_000);
    let mut clock = PtpClock::running(sim.bus(), config).unwrap().expect("the same");
    let passed = clock.now() - 5_000_000_000;
    assert!((990_000..1_200_000).contains(&passed), "{passed}");
    assert_eq!(clock.adjustment(), -1234);
    // It knows of the pulse: alarm 1 is not to be had.
    assert!(clock.set_alarm(etsec_core::ptp::Alarm::One, 0).is_err());
    let other = ClockConfig::new(ClockSource::External, 166_666_666);
    assert!(PtpClock::running(sim.bus(), other).unwrap().is_none());
}
