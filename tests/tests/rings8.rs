//! Do all eight transmit and all eight receive rings work, each on its own and all at a time?

use etsec_core::filer::{FilerEntry, FilerTable};
use etsec_core::mib::Counter;
use etsec_core::regs::filer::Rqfcr;
use etsec_core::{Config, Event, MacAddr, Schedule};
use etsec_sim::{SimConfig, WireSpeed};
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, config, frame};

const RINGS: usize = 8;

/// The source address that belongs to ring `n`.
fn source(n: usize) -> MacAddr {
    MacAddr([0x02, 0, 0, 0, 0xA0, n as u8])
}

/// Files frames from [`source`]`(n)` to virtual queue `queue(n)`, all others to queue 0.
fn by_source(queue: impl Fn(usize) -> u32) -> FilerTable {
    let mut table = FilerTable::new(0);
    for n in 0..RINGS {
        let rule = Rqfcr::Q.val(queue(n)) + Rqfcr::CMP::Equal + Rqfcr::PID::Sal;
        table.push(FilerEntry { control: rule.into(), property: 0xA0 << 8 | n as u32 }).unwrap();
    }
    table
}

fn receiver(rings: usize, table: &FilerTable) -> Live {
    let config = Config { parser: true, ..config() };
    let plan = Plan { config, rx: vec![8; rings], buffers: 128, ..Plan::default() };
    let mut rig = Rig::new(&plan);
    rig.port.set_filer(table).expect("the parser is on");
    rig.start()
}

fn sender(schedule: Schedule, wire: WireSpeed) -> Live {
    let config = Config { schedule, ..config() };
    let sim = SimConfig { wire, ..SimConfig::default() };
    Rig::new(&Plan { sim, config, tx: vec![8; RINGS], buffers: 128, ..Plan::default() }).start()
}

#[test]
fn each_transmit_ring_sends() {
    let mut live = sender(Schedule::Priority, WireSpeed::Instant);
    // More turns than a ring has descriptors, the rings in a different order each time.
    for turn in 0..20 {
        for n in 0..RINGS {
            let ring = (n * 3 + turn) % RINGS;
            let out = frame(PEER, source(ring), 60 + 5 * turn, turn as u8);
            live.send(ring, &out);
            assert_eq!(live.sim.transmitted(), Some(out), "ring {ring}");
        }
        assert_eq!(live.reap(), RINGS);
    }
    assert!(live.tx.iter().all(|tx| tx.counters().frames == 20));
    live.finish();
}

/// Lets all rings commit three frames while the wire is busy with one of ring 7, and returns whose
/// frames leave then.
fn order(schedule: Schedule) -> Vec<usize> {
    let mut live = sender(schedule, WireSpeed::Link);
    live.send(7, &frame(PEER, source(7), 60, 0xFF));
    for ring in (0..RINGS).rev() {
        for n in 0..3 {
            let out = frame(PEER, source(ring), 60, n);
            live.tx[ring].stage(live.pool.frame(&out).unwrap()).unwrap();
        }
        assert_eq!(live.tx[ring].commit(), 3);
    }
    assert_eq!(live.reap(), 0, "nothing has left yet");
    live.sim.advance(1_000_000);
    assert_eq!(live.sim.transmitted(), Some(frame(PEER, source(7), 60, 0xFF)));
    let mut seen = [0; RINGS];
    let order = std::iter::from_fn(|| live.sim.transmitted()).map(|sent| {
        let ring = usize::from(sent[11]);
        assert_eq!(sent, frame(PEER, source(ring), 60, seen[ring]), "ring {ring} in its order");
        seen[ring] += 1;
        ring
    });
    let order = order.collect();
    assert_eq!(live.reap(), 25);
    live.finish();
    order
}

#[test]
fn the_lowest_numbered_ring_goes_first() {
    // HW 10: decided anew after every frame.
    let expected: Vec<usize> = (0..RINGS).flat_map(|ring| [ring; 3]).collect();
    assert_eq!(order(Schedule::Priority), expected);
}

#[test]
fn weights_share_the_wire_between_rings() {
    // HW 10: ring 0 has its turn before each of the others, so it has sent all it has after three
    // of them.
    let order = order(Schedule::RoundRobin([1; RINGS]));
    assert_eq!(order.len(), 24);
    assert!(order.iter().rposition(|ring| *ring == 0) < Some(7), "{order:?}");
    let others: Vec<usize> = order.into_iter().filter(|ring| *ring != 0).collect();
    for turn in others.chunks(7) {
        let mut rings = turn.to_vec();
        rings.sort_unstable();
        assert_eq!(rings, [1, 2, 3, 4, 5, 6, 7]);
    }
}

#[test]
fn the_filer_chooses_the_ring_and_says_so() {
    // The ring is the low three bits of the virtual queue (HW 6.1).
    for offset in [0, 8, 56] {
        let mut live = receiver(RINGS, &by_source(|n| offset + n as u32));
        for turn in 0..20 {
            for n in 0..RINGS {
                let come = frame(STATION, source(n), 60 + turn, turn as u8);
                live.sim.receive(&come);
                for other in (0..RINGS).filter(|ring| *ring != n) {
                    assert!(live.rx[other].next().is_none(), "ring {other} for {n}");
                }
                let (buf, meta) = live.rx[n].next().expect("a frame in its ring");
                assert_eq!(&buf[..], &come[..]);
                assert_eq!(u32::from(meta.fcb.queue()), offset + n as u32);
                live.rx[n].refill(buf).unwrap();
                live.rx[n].commit();
            }
        }
        assert!(live.rx.iter().all(|rx| rx.counters().frames == 20));
        live.finish();
    }
}

#[test]
fn vlan_tags_choose_rings_too() {
    let mut table = FilerTable::new(0);
    for n in 1..RINGS as u32 {
        let rule = Rqfcr::Q.val(n) + Rqfcr::CMP::Equal + Rqfcr::PID::Vid;
        table.push(FilerEntry { control: rule.into(), property: 100 + n }).unwrap();
    }
    let mut live = receiver(RINGS, &table);
    for n in 1..RINGS {
        let mut come = frame(STATION, PEER, 80, n as u8);
        come[12..16].copy_from_slice(&[0x81, 0x00, 0x00, 100 + n as u8]);
        live.sim.receive(&come);
        assert_eq!(live.receive(n), Some(come));
    }
    let untagged = frame(STATION, PEER, 80, 9);
    live.sim.receive(&untagged);
    assert_eq!(live.receive(0), Some(untagged));
    live.finish();
}

#[test]
fn frames_for_a_ring_that_is_not_there_are_counted_and_harm_nobody() {
    let mut live = receiver(4, &by_source(|n| n as u32));
    for n in 0..RINGS {
        live.sim.receive(&frame(STATION, source(n), 60, n as u8));
    }
    // HW 6.2: FIQ, and the frame is dropped.
    assert_eq!(live.port.tick(0, &mut live.delay), Ok(Event::FIQ));
    for n in 0..4 {
        assert_eq!(live.receive(n), Some(frame(STATION, source(n), 60, n as u8)));
    }
    assert_eq!(live.port.faults().filer_errors, 1);
    assert_eq!(live.port.tick(1, &mut live.delay), Ok(Event::empty()));
    live.finish();
}

#[test]
fn a_full_ring_does_not_stop_the_others() {
    let mut live = receiver(RINGS, &by_source(|n| n as u32));
    for n in 0..20 {
        live.sim.receive(&frame(STATION, source(3), 60, n));
    }
    for n in 0..RINGS {
        live.sim.receive(&frame(STATION, source(n), 70, n as u8));
    }
    for n in (0..RINGS).filter(|n| *n != 3) {
        assert_eq!(live.receive(n), Some(frame(STATION, source(n), 70, n as u8)));
    }
    let came: Vec<_> = std::iter::from_fn(|| live.receive(3)).collect();
    assert_eq!(came, (0..8).map(|n| frame(STATION, source(3), 60, n)).collect::<Vec<_>>());
    assert_eq!(live.port.mib().total(Counter::RDRP), 13);
    // The refill above has restarted the ring.
    live.sim.receive(&frame(STATION, source(3), 80, 1));
    assert_eq!(live.receive(3), Some(frame(STATION, source(3), 80, 1)));
    live.finish();
}
