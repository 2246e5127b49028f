//! Is a frame sent again by whoever takes a ring over in which a status was lost: a descriptor that
//! still looks ready, and that the hardware has passed? (HW 8.6)

use etsec_sim::{Fault, Place, Sim};
use etsec_tests::adopting::{adopt, die, number, numbered, plan};
use etsec_tests::at;
use etsec_tests::rig::{Live, Rig};
use etsec_tests::trace::Traced;

use etsec_core::Bus;

const LEN: u32 = 8;

fn stage<B: Bus + Clone>(live: &mut Live<B>, numbers: core::ops::Range<u32>) {
    for n in numbers {
        live.tx[0].stage(live.pool.frame(&numbered(n)).expect("a buffer")).expect("room");
    }
}

fn sent(sim: &Sim) -> Vec<u32> {
    core::iter::from_fn(|| sim.transmitted()).map(|bytes| number(&bytes)).collect()
}

/// Goes round the ring so far that the next frame is in descriptor `at`, then sends `count` frames
/// as a burst, of which number `lost` leaves its status nowhere.
fn lose<B: Bus + Clone>(live: &mut Live<B>, at: u32, count: u32, lost: u32) {
    for n in 0..LEN + at {
        stage(live, n..n + 1);
        live.tx[0].commit();
        live.delay_us(100);
        assert_eq!((sent(&live.sim), live.reap()), (vec![n], 1));
    }
    stage(live, 100..100 + lost);
    live.tx[0].commit();
    live.delay_us(200);
    live.sim.inject(Fault::TxStatusLost);
    stage(live, 100 + lost..100 + count);
    live.tx[0].commit();
    live.delay_us(200);
    assert_eq!(sent(&live.sim), Vec::from_iter(100..100 + count));
    assert_eq!(live.reap(), lost as usize, "nobody knows of this one");
}

/// More than a lap, each frame once, and nothing else.
fn goes_on(mut live: Live) {
    for n in 300..300 + 2 * LEN {
        stage(&mut live, n..n + 1);
        live.tx[0].commit();
        live.delay_us(100);
        assert_eq!((sent(&live.sim), live.reap()), (vec![n], 1));
    }
    live.exchange(2);
    live.finish();
}

#[test]
fn a_frame_whose_status_was_lost_is_not_sent_again() {
    let plan = plan(8, LEN as usize);
    for at in 0..LEN {
        // The hardware itself would go round a full ring and send it again, whoever has the queue.
        for count in 1..LEN {
            for lost in 0..count {
                let mut live = Rig::new(&plan).start();
                lose(&mut live, at, count, lost);
                let sim = die(live);
                let (mut live, found, _) = adopt(&sim, &plan).unwrap();
                assert_eq!(found.in_flight, 0, "{at}, {count}, {lost}");
                live.delay_us(1000);
                assert_eq!(sent(&sim), [], "{at}, {count}, {lost}");
                goes_on(live);
            }
        }
    }
}

#[test]
fn frames_in_flight_are_sent_all_the_same() {
    let plan = plan(8, LEN as usize);
    for lost in 0..3 {
        for more in 1..=LEN - 3 {
            let mut live = Rig::new(&plan).start();
            lose(&mut live, 2, 3, lost);
            // One is left free, as above.
            let more = more.min(live.tx[0].space() as u32 - 1);
            stage(&mut live, 200..200 + more);
            live.tx[0].commit();
            let sim = die(live);
            let (mut live, ..) = adopt(&sim, &plan).unwrap();
            live.delay_us(1000);
            assert_eq!(sent(&sim), Vec::from_iter(200..200 + more), "{lost}, {more}");
            live.reap();
            goes_on(live);
        }
    }
}

#[test]
fn a_burst_half_handed_over_is_told_from_it() {
    let plan = plan(8, LEN as usize);
    for lost in 0..3 {
        for handed_over in 0..=4 {
            let sim = Sim::new(plan.sim.clone());
            let bus = Traced::new(sim.bus());
            let mut live = Rig::through(&sim, &plan, bus.clone()).start();
            lose(&mut live, 5, 3, lost);
            bus.die_after(0);
            stage(&mut live, 200..204);
            live.tx[0].commit();
            std::mem::forget(live);
            // R is set from the last one back to the first.
            for n in 0..4 - handed_over {
                let index = (5 + 3 + n) as usize % LEN as usize;
                let place = Place { direction: etsec_sim::Direction::Tx, ring: 0, index };
                let done = sim.with(|model| model.scribble(place, |word| word & !at::OWNED));
                assert!(done.is_some_and(|(before, after)| before != after));
            }
            let (mut live, found, _) = adopt(&sim, &plan).unwrap();
            let whole = if handed_over == 0 { 0 } else { 4 };
            assert_eq!(found.in_flight, whole, "{lost}, {handed_over}");
            live.delay_us(1000);
            assert_eq!(sent(&sim), Vec::from_iter(200..200 + whole), "{lost}, {handed_over}");
            live.reap();
            goes_on(live);
        }
    }
}

#[test]
fn of_a_burst_that_fills_the_ring_nothing_is_sent_unless_all_was_handed_over() {
    // It looks as if the end of it had been left behind.
    let plan = plan(8, LEN as usize);
    for handed_over in 0..=LEN {
        let sim = Sim::new(plan.sim.clone());
        let bus = Traced::new(sim.bus());
        let mut live = Rig::through(&sim, &plan, bus.clone()).start();
        bus.die_after(0);
        stage(&mut live, 200..200 + LEN);
        live.tx[0].commit();
        std::mem::forget(live);
        for index in 0..(LEN - handed_over) as usize {
            let place = Place { direction: etsec_sim::Direction::Tx, ring: 0, index };
            sim.with(|model| model.scribble(place, |word| word & !at::OWNED)).expect("a ring");
        }
        let (mut live, found, _) = adopt(&sim, &plan).unwrap();
        let whole = if handed_over == LEN { LEN } else { 0 };
        assert_eq!(found.in_flight, whole, "{handed_over}");
        live.delay_us(1000);
        assert_eq!(sent(&sim), Vec::from_iter(200..200 + whole), "{handed_over}");
        live.reap();
        goes_on(live);
    }
}
