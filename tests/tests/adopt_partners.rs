//! Is a port that holds buffers of another one, and the other way round, taken over without it?

use etsec_core::adopt::{AdoptError, Adoption};
use etsec_core::arena::{Adopted, Partner, partners};
use etsec_core::{Arena, BusAddr, Pages, Pool, Region, Stopped};
use etsec_sim::{Sim, SimRegion};
use etsec_tests::adopting::{adopt, die, plan};
use etsec_tests::rig::{Live, Plan, Rig};

/// Two ports that reach each other's memory.
fn two(plan: &Plan) -> [Live; 2] {
    let sims = [(); 2].map(|()| Sim::new(plan.sim.clone()));
    let places = [0x1_1000_0000, 0x1_2000_0000].map(|at| BusAddr::new(at).expect("36 bits"));
    let [at_a, at_b] = [0, 1].map(|n| sims[n].region_at(places[n], plan.bytes()));
    assert!(sims[1].reach(&sims[0]) && sims[0].reach(&sims[1]));
    [Rig::in_region(&sims[0], plan, at_a), Rig::in_region(&sims[1], plan, at_b)].map(Rig::start)
}

/// Those of a process that has forwarded from one to the other, dead.
fn dead_pair(plan: &Plan) -> [Sim; 2] {
    let [a, b] = two(plan);
    a.pool.set_name("uio:eth1").unwrap();
    b.pool.set_name("uio:eth2").unwrap();
    a.pool.pair(&b.pool).unwrap();
    [a, b].map(die)
}

fn found(sim: &Sim) -> Adopted<SimRegion> {
    let region = sim.region_again().expect("it is still there");
    // SAFETY: who had it is forgotten.
    unsafe { Arena::adopt(region) }.map_err(|(_, error)| error).expect("a region")
}

/// Takes a port over whose memory was found.
fn over(
    sim: &Sim,
    plan: &Plan,
    left: Adopted<SimRegion>,
    others: &[&Pool],
) -> Result<(Live, Adoption), AdoptError> {
    let Adopted { arena, pool, rings, .. } = left;
    let mut delay = sim.delay();
    let mut port = Stopped::over(Pages::single(sim.bus()), plan.config.clone()).unwrap();
    let (mut rx, mut tx) = (Vec::new(), Vec::new());
    for ring in rings {
        match ring.rx() {
            Some(n) => rx.push(port.add_rx(n, ring.memory).unwrap()),
            None => tx.push(port.add_tx(0, ring.memory).unwrap()),
        }
    }
    let pools: Vec<&Pool> = others.iter().copied().chain([&pool]).collect();
    match port.adopt(&mut rx, &mut tx, &pools, &mut delay) {
        Ok((port, found)) => {
            Ok((Live { port, rx, tx, pool, arena, delay, sim: sim.clone() }, found))
        }
        Err((_, error)) => Err(error),
    }
}

#[test]
fn one_of_two_is_refused_and_says_whose_buffers_may_be_there() {
    let plan = plan(8, 8);
    let [a, b] = dead_pair(&plan);
    let names = |sim: &Sim| {
        let region = std::mem::ManuallyDrop::new(sim.region_again().unwrap());
        partners(&*region).unwrap()
    };
    let [of_a, of_b] = [&a, &b].map(names);
    let place = |sim: &Sim, listed: &[Partner], name: &str| {
        let [Partner { pool, name: said }] = listed else { panic!("{listed:?}") };
        assert_eq!(said, name);
        let region = std::mem::ManuallyDrop::new(sim.region_again().unwrap());
        let end = region.bus().raw() + region.len() as u64;
        assert!((region.bus().raw()..end).contains(&pool.raw()));
        *pool
    };
    let (pool_a, pool_b) = (place(&a, &of_b, "uio:eth1"), place(&b, &of_a, "uio:eth2"));
    // The controller is reset then, and the memory is nobody's any more.
    assert_eq!(adopt(&a, &plan).map(drop).unwrap_err(), AdoptError::Partner(pool_b));
    assert_eq!(adopt(&b, &plan).map(drop).unwrap_err(), AdoptError::Partner(pool_a));
}

#[test]
fn both_are_taken_over_together_and_stay_partners() {
    let plan = plan(8, 8);
    let mut sims = dead_pair(&plan);
    for _ in 0..2 {
        let (left_a, left_b) = (found(&sims[0]), found(&sims[1]));
        let (pool_a, pool_b) = (left_a.pool.clone(), left_b.pool.clone());
        let (mut a, _) = over(&sims[0], &plan, left_a, &[&pool_b]).unwrap();
        let (mut b, _) = over(&sims[1], &plan, left_b, &[&pool_a]).unwrap();
        pool_a.reclaim();
        pool_b.reclaim();
        drop((pool_a, pool_b));
        a.exchange(3);
        b.exchange(3);
        sims = [a, b].map(die);
    }
}

#[test]
fn memory_that_was_given_back_has_no_partners() {
    let plan = plan(8, 8);
    let [a, b] = two(&plan);
    a.pool.pair(&b.pool).unwrap();
    a.pool.pair(&a.pool).unwrap();
    assert_eq!(a.pool.partners().len(), 1);
    for live in [a, b] {
        let sim = live.sim.clone();
        let Rig { port, rx, tx, pool, arena, .. } = live.stop();
        drop((port, rx, tx, pool));
        // As whoever keeps the memory would see it.
        let region = arena.retire().map_err(drop).expect("nothing of it is in use");
        assert!(partners(&region).is_err(), "{region:?}");
        std::mem::forget(region);
        drop(sim);
    }
}

#[test]
fn a_scribbled_partner_is_no_reason_to_believe_the_rest() {
    let plan = plan(8, 8);
    let sim = die(Rig::new(&plan).start());
    // Behind the own name, of 28 words.
    const FIRST: usize = 40 + 4 * 28;
    for wrong in [2, 0x3F, 0xFFFF_FFFF] {
        let mut region = sim.region_again().unwrap();
        sim.store(&mut region, FIRST, &u32::to_ne_bytes(wrong));
        assert_eq!(partners(&region), Err(etsec_core::arena::LeftError::Partners), "{wrong:#x}");
        // SAFETY: who had it is forgotten.
        let refused = unsafe { Arena::adopt(region) };
        let Err((region, error)) = refused else { panic!("{wrong:#x}") };
        assert_eq!(error, etsec_core::arena::LeftError::Partners);
        std::mem::forget(region);
    }
    let mut region = sim.region_again().unwrap();
    let nobody = BusAddr::new(0x2_3456_0040).unwrap();
    sim.store(&mut region, FIRST, &u32::to_ne_bytes(nobody.low() | 0x10 | nobody.window()));
    std::mem::forget(region);
    assert_eq!(adopt(&sim, &plan).map(drop).unwrap_err(), AdoptError::Partner(nobody));
}
