//! Do two devices exchange frames over a cable, good or bad, and forward them without a copy?

use etsec_core::{AddressFilter, BusAddr, Config};
use etsec_sim::cable::{Cable, CableConfig};
use etsec_sim::{Sim, SimConfig, WireSpeed};
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, Tx, bytes_of, frame};

const DELAY_NS: u64 = 5_000;

/// A port that takes whatever arrives, so that also a frame with a broken address is seen.
fn open(sim: SimConfig) -> Plan {
    let mut filter = AddressFilter::new(STATION).expect("a station address");
    filter.promiscuous = true;
    Plan { sim, config: Config::new(filter), rx: vec![16], tx: vec![16], ..Plan::default() }
}

/// Two ports with memory of their own, which both controllers reach, as on a board.
fn pair(plan: &Plan) -> (Live, Live) {
    let sims = [(); 2].map(|()| Sim::new(plan.sim.clone()));
    let places = [0x1_1000_0000, 0x1_2000_0000].map(|at| BusAddr::new(at).expect("36 bits"));
    let [at_a, at_b] = [0, 1].map(|n| sims[n].region_at(places[n], plan.bytes()));
    assert!(sims[1].reach(&sims[0]) && sims[0].reach(&sims[1]));
    let (a, b) = (Rig::in_region(&sims[0], plan, at_a), Rig::in_region(&sims[1], plan, at_b));
    (a.start(), b.start())
}

/// Lets time pass at both ends, and frames move.
fn pass(cable: &mut Cable, a: &Live, b: &Live, ns: u64) {
    a.sim.advance(ns);
    b.sim.advance(ns);
    cable.step(&a.sim, &b.sim);
}

fn numbered(number: u32) -> Vec<u8> {
    let mut bytes = frame(PEER, STATION, 64 + (number as usize * 89) % 1400, number as u8);
    bytes[14..18].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// Sends `count` numbered frames from `a`, and returns the numbers of those that arrive at `b`.
fn cross(cable: &mut Cable, a: &mut Live, b: &mut Live, count: u32) -> Vec<u32> {
    let mut arrived = Vec::new();
    for number in 0..count + 8 {
        if number < count {
            a.send(0, &numbered(number));
        }
        // A frame of the largest size takes 12 µs on the wire.
        pass(cable, a, b, 13_000);
        a.reap();
        while let Some(bytes) = b.receive(0) {
            let number = u32::from_be_bytes([bytes[14], bytes[15], bytes[16], bytes[17]]);
            assert_eq!(bytes, numbered(number), "arrived changed");
            arrived.push(number);
        }
        // Also broken frames have used descriptors.
        b.rx[0].commit();
    }
    assert_eq!(cable.next_arrival_ns(), None);
    arrived
}

#[test]
fn a_good_cable_delivers_everything_in_order_both_ways() {
    let sim = SimConfig { wire: WireSpeed::Link, ..SimConfig::default() };
    let (mut a, mut b) = pair(&open(sim));
    let mut cable = Cable::new(CableConfig { delay_ns: DELAY_NS, ..CableConfig::default() });
    let all: Vec<u32> = (0..200).collect();
    assert_eq!(cross(&mut cable, &mut a, &mut b, 200), all);
    // `cross` looks at the cable from its first end.
    let mut back = Cable::new(CableConfig { delay_ns: DELAY_NS, ..CableConfig::default() });
    assert_eq!(cross(&mut back, &mut b, &mut a, 200), all);
    a.finish();
    b.finish();
}

#[test]
fn on_a_bad_cable_frames_arrive_unchanged_or_not_at_all() {
    for seed in 0..8 {
        let (mut a, mut b) = pair(&open(SimConfig::default()));
        let mut cable = Cable::new(CableConfig {
            delay_ns: DELAY_NS,
            loss_ppm: 100_000,
            duplicate_ppm: 100_000,
            corrupt_ppm: 100_000,
            reorder_ppm: 50_000,
            reorder_ns: 40_000,
            seed,
        });
        let arrived = cross(&mut cable, &mut a, &mut b, 400);
        let did = cable.counters();
        let counters = *b.rx[0].counters();
        assert!(did.lost > 0 && did.duplicated > 0 && did.corrupted > 0 && did.reordered > 0);
        // A frame doubled before its copies are corrupted: each copy counts for itself.
        assert_eq!(arrived.len() as u64, 400 - did.lost + did.duplicated - did.corrupted);
        assert_eq!((counters.crc_errors, counters.errors()), (did.corrupted, did.corrupted));
        let mut once = arrived.clone();
        once.sort_unstable();
        once.dedup();
        assert!(arrived.len() as u64 - once.len() as u64 <= did.duplicated, "seed {seed}");
        a.finish();
        b.finish();
    }
}

/// Moves what has come in at `from` out of `to`, where its buffers are; returns how many frames
/// that were.
fn forward(from: &mut Live, to: &mut Tx, sim: &Sim) -> usize {
    let mut moved = 0;
    while let Some((buf, _)) = from.rx[0].next() {
        let place = buf.as_ptr();
        let bytes = bytes_of(&buf);
        to.stage(buf).expect("room in the ring");
        assert_eq!(to.commit(), 1);
        assert_eq!(sim.transmitted(), Some(bytes));
        let sent = to.reap().expect("a sent frame");
        assert_eq!(sent.as_ptr(), place, "the same bytes, not a copy");
        from.rx[0].refill(sent).expect("room where it came from");
        moved += 1;
    }
    from.rx[0].commit();
    moved
}

#[test]
fn forwarding_moves_buffers_between_devices_and_not_bytes() {
    let (mut a, mut b) = pair(&open(SimConfig::default()));
    // Nothing is left in the pools: forwarding never needs them.
    let rest: Vec<_> =
        [&a.pool, &b.pool].into_iter().flat_map(|p| core::iter::from_fn(|| p.alloc())).collect();
    for turn in 0..20 {
        for n in 0..8 {
            a.sim.receive(&frame(STATION, PEER, 60 + 11 * turn, n));
            b.sim.receive(&frame(STATION, PEER, 61 + 13 * turn, n));
        }
        assert_eq!(forward(&mut a, &mut b.tx[0], &b.sim), 8);
        assert_eq!(forward(&mut b, &mut a.tx[0], &a.sim), 8);
    }
    assert_eq!((a.pool.free(), b.pool.free()), (0, 0));
    assert_eq!((a.rx[0].space(), b.rx[0].space()), (0, 0));
    drop(rest);
    a.finish();
    b.finish();
}

#[test]
fn foreign_buffers_find_their_way_home() {
    let (mut a, mut b) = pair(&open(SimConfig::default()));
    for n in 0..10 {
        a.sim.receive(&frame(STATION, PEER, 100, n));
    }
    for _ in 0..10 {
        let (buf, _) = a.rx[0].next().expect("a frame");
        b.tx[0].stage(buf).expect("room in the ring");
    }
    let (free_a, free_b) = (a.pool.free(), b.pool.free());
    assert_eq!(b.tx[0].commit(), 10);
    // Half of them are dropped, the other half wait in the ring of `b` when that stops.
    for _ in 0..5 {
        drop(b.tx[0].reap().expect("a sent frame"));
    }
    assert_eq!((a.pool.free(), b.pool.free()), (free_a + 5, free_b));
    b.finish();
    assert_eq!(a.pool.free(), free_a + 10);
    a.finish();
}

#[test]
fn the_owner_of_lent_buffers_does_not_get_its_memory_back() {
    let (mut a, mut b) = pair(&open(SimConfig::default()));
    a.sim.receive(&frame(STATION, PEER, 100, 1));
    let (buf, _) = a.rx[0].next().expect("a frame");
    b.tx[0].stage(buf).expect("room in the ring");
    let Live { port, rx, tx, pool, arena, mut delay, sim } = a;
    let port = port.stop(&mut delay).map_err(|(_, e)| e).expect("a stop");
    drop((port, rx, tx, pool));
    let arena = arena.retire().map(drop).expect_err("one of its buffers is in another device");
    // Sent from memory whose owner has gone, and still right.
    assert_eq!(b.tx[0].commit(), 1);
    assert_eq!(b.sim.transmitted(), Some(frame(STATION, PEER, 100, 1)));
    assert_eq!(b.reap(), 1);
    assert!(arena.retire().is_ok());
    b.finish();
    drop(sim);
}
