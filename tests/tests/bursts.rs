//! All queues of a port in one step, bursts as vectors, and bursts that are left early or never
//! ended: is what was not taken still there, and nothing in two hands?

use std::mem;

use etsec_core::arena::{self, MemoryError};
use etsec_core::error::Side;
use etsec_core::queues::{LayoutError, RxBurst, TxBurst};
use etsec_core::{Arena, Error, Layout, PageBell, Pages, Queues, Reason, Stopped};
use etsec_sim::{Sim, SimBus, SimConfig, SimRegion, WireSpeed};
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, bytes_of, config, frame};

const BUFFER: usize = 1536;

type Built = Result<Queues<PageBell<SimBus>>, LayoutError>;

/// What building `layout` in `bytes` of memory gives.
fn build(
    sim: &Sim,
    layout: &Layout<'_>,
    bytes: usize,
) -> (Stopped<SimBus>, Arena<SimRegion>, Built) {
    let mut arena = Arena::new(sim.region(bytes)).map_err(|(_, e)| e).expect("a good region");
    let mut port =
        Stopped::attach(Pages::single(sim.bus()), config(), &mut sim.delay()).expect("an eTSEC");
    let built = layout.build(&mut port, &mut arena);
    (port, arena, built)
}

#[test]
fn a_layout_takes_exactly_the_bytes_it_says() {
    let sim = Sim::new(SimConfig::default());
    let layout = Layout { rx: &[4, 8, 5], tx: &[16, 4], buffers: 20 };
    let (port, arena, built) = build(&sim, &layout, layout.bytes(BUFFER));
    let mut queues = built.expect("room for all");
    assert_eq!(arena.remaining(), 0);
    let lengths = |n: usize| queues.rx[n].pending() + queues.rx[n].space();
    assert_eq!((0..3).map(lengths).collect::<Vec<_>>(), [4, 8, 5]);
    assert_eq!(queues.tx.iter().map(|tx| tx.space()).collect::<Vec<_>>(), [16, 4]);
    assert_eq!(queues.rx.iter().map(|rx| rx.pending()).sum::<usize>(), 17);
    assert_eq!(queues.pool.free(), 3);
    assert_eq!(queues.drain(), 17);
    assert_eq!(queues.pool.free(), 20);
    drop((queues, port));
    assert!(arena.retire().is_ok());
}

#[test]
fn with_few_buffers_the_first_rings_are_filled() {
    let sim = Sim::new(SimConfig::default());
    let layout = Layout { rx: &[4, 4], tx: &[4], buffers: 6 };
    let (_port, _arena, built) = build(&sim, &layout, layout.bytes(BUFFER));
    let queues = built.expect("room for all");
    assert_eq!(queues.rx.iter().map(|rx| rx.pending()).collect::<Vec<_>>(), [4, 2]);
}

#[test]
fn a_layout_that_cannot_be_is_named_and_its_bytes_are_counted_all_the_same() {
    let sim = Sim::new(SimConfig::default());
    let why = |layout: &Layout<'_>| build(&sim, layout, 1 << 18).2.map(drop).unwrap_err();
    let ninth = Layout { rx: &[4; 9], tx: &[], buffers: 4 };
    assert_eq!(why(&ninth), LayoutError::Port(Error::RingNumber(Side::Rx, 8)));
    let ninth = Layout { rx: &[], tx: &[4; 9], buffers: 4 };
    assert_eq!(why(&ninth), LayoutError::Port(Error::RingNumber(Side::Tx, 8)));
    let short = Layout { rx: &[3], tx: &[], buffers: 4 };
    assert_eq!(why(&short), LayoutError::Memory(MemoryError::RingLength(3)));
    let many = Layout { rx: &[4], tx: &[4], buffers: usize::MAX };
    assert_eq!(why(&many), LayoutError::Memory(MemoryError::BufferCount(usize::MAX)));
    assert_eq!(many.bytes(BUFFER), usize::MAX);
    let long = Layout { rx: &[usize::MAX, 4], tx: &[4], buffers: 4 };
    assert_eq!(why(&long), LayoutError::Memory(MemoryError::RingLength(usize::MAX)));
    assert_eq!(long.bytes(BUFFER), usize::MAX);
    assert_eq!(arena::pool_bytes(1, usize::MAX), usize::MAX);
    // One byte less than it takes is too few.
    let layout = Layout { rx: &[4], tx: &[4], buffers: 4 };
    let (_port, arena, built) = build(&sim, &layout, layout.bytes(BUFFER) - 64);
    let (needed, left) = (arena::pool_bytes(4, BUFFER), arena.remaining());
    assert_eq!(
        built.map(drop).unwrap_err(),
        LayoutError::Memory(MemoryError::TooSmall { needed, left })
    );
}

#[test]
fn bursts_go_out_and_come_in_whole_and_in_order() {
    let sim = Sim::new(SimConfig::default());
    let layout = Layout { rx: &[16], tx: &[16], buffers: 64 };
    let (port, _arena, built) = build(&sim, &layout, layout.bytes(BUFFER));
    let Queues { mut rx, mut tx, pool } = built.expect("room for all");
    let port = port.start(&mut sim.delay()).map_err(|(_, e)| e).expect("a start");

    let frames: Vec<_> = (0..5).map(|n| frame(STATION, PEER, 100, n)).collect();
    for bytes in &frames {
        sim.receive(bytes);
    }
    let mut received = RxBurst::<3>::new();
    assert_eq!(rx[0].receive(&mut received), 3);
    assert_eq!(rx[0].receive(&mut received), 0, "the vector is full");
    let mut burst: TxBurst<8> = received.into_iter().map(|(buf, _)| buf).collect();
    let mut received = RxBurst::<3>::new();
    assert_eq!(rx[0].receive(&mut received), 2);
    burst.extend(received.into_iter().map(|(buf, _)| buf));
    assert_eq!(burst.iter().map(bytes_of).collect::<Vec<_>>(), frames);

    // The fourth of them is empty: what is before it goes, what is behind it stays.
    burst[3].set_len(0);
    let (sent, refused) = tx[0].send(&mut burst);
    let refused = refused.expect("an empty frame");
    assert_eq!((sent, refused.why, burst.len()), (3, Reason::Empty, 1));
    assert_eq!(bytes_of(&burst[0]), frames[4]);
    assert!(matches!(tx[0].send(&mut burst), (1, None)));
    assert!(burst.is_empty());
    let wire: Vec<_> = std::iter::from_fn(|| sim.transmitted()).collect();
    assert_eq!(wire, [&frames[..3], &frames[4..]].concat());
    let reaped: Vec<_> = std::iter::from_fn(|| tx[0].reap()).map(|buf| bytes_of(&buf)).collect();
    assert_eq!(reaped, [&frames[..3], &frames[4..]].concat());

    drop((refused, reaped));
    let port = port.stop(&mut sim.delay()).map_err(|(_, e)| e).expect("a stop");
    let mut queues = Queues { rx, tx, pool };
    assert_eq!(queues.drain(), 11);
    assert_eq!(queues.pool.free(), 64);
    drop(port);
}

/// A running port with short rings, and the frames it is to get.
fn small() -> (Live, Vec<Vec<u8>>) {
    let plan = Plan { rx: vec![8], tx: vec![8], buffers: 24, ..Plan::default() };
    (Rig::new(&plan).start(), (0..20).map(|n| frame(STATION, PEER, 60 + n, n as u8)).collect())
}

#[test]
fn a_burst_left_early_leaves_the_rest() {
    let (mut live, frames) = small();
    for (n, bytes) in frames.iter().enumerate() {
        live.sim.receive(bytes);
        live.sim.receive(bytes);
        // One of the two by a burst that is left at once, the other by the next burst.
        for _ in 0..2 {
            let (buf, _) = live.rx[0].arrived().next().expect("a frame");
            assert_eq!(bytes_of(&buf), *bytes, "frame {n}");
            let mut stager = live.tx[0].stager();
            stager.stage(buf).expect("room");
            drop(stager);
        }
        assert_eq!(live.rx[0].pending(), 6);
        assert_eq!(live.tx[0].commit(), 2);
        for _ in 0..2 {
            let buf = live.tx[0].sent().next().expect("a frame that was sent");
            assert_eq!(bytes_of(&buf), *bytes, "frame {n}");
            live.rx[0].refiller().refill(buf).expect("room");
        }
        assert_eq!(live.rx[0].commit(), 2);
    }
    let counters = (live.rx[0].counters().frames, live.tx[0].counters().frames);
    assert_eq!(counters, (40, 40));
    let bytes: usize = frames.iter().map(|bytes| 2 * bytes.len()).sum();
    assert_eq!(live.rx[0].counters().bytes, bytes as u64);
    assert_eq!(live.tx[0].counters().bytes, bytes as u64);
    live.finish();
}

#[test]
fn a_burst_goes_on_at_the_rings_start_and_commits_once() {
    let (mut live, frames) = small();
    for burst in [5, 6, 7, 8, 3] {
        for bytes in &frames[..burst] {
            live.sim.receive(bytes);
        }
        let mut stager = live.tx[0].stager();
        let taken = live.rx[0].arrived().map(|(buf, _)| stager.stage(buf).expect("room")).count();
        assert_eq!((taken, stager.space()), (burst, 8 - burst));
        assert_eq!(stager.commit(), burst);
        let mut refiller = live.rx[0].refiller();
        for buf in live.tx[0].sent() {
            refiller.refill(buf).expect("room");
        }
        assert_eq!(refiller.commit(), burst);
    }
    live.finish();
}

#[test]
fn a_burst_that_is_forgotten_loses_its_buffers_and_no_more() {
    let (mut live, frames) = small();
    for bytes in &frames[..4] {
        live.sim.receive(bytes);
    }
    // Of four frames two are taken, and the burst never ends.
    let mut arrived = live.rx[0].arrived();
    let (one, _) = arrived.next().expect("a frame");
    let (two, _) = arrived.next().expect("a frame");
    mem::forget(arrived);
    assert_eq!(live.rx[0].pending(), 4);
    // A buffer is refilled, likewise.
    let mut refiller = live.rx[0].refiller();
    refiller.refill(live.pool.alloc().expect("a buffer")).expect("room");
    mem::forget(refiller);
    assert_eq!((live.rx[0].pending(), live.rx[0].commit()), (4, 0));
    live.sim.receive(&frames[4]);
    assert_eq!(live.receive(0).expect("the next one"), frames[4]);
    // Of two buffers two are staged, likewise.
    let mut stager = live.tx[0].stager();
    stager.stage(one).expect("room");
    stager.stage(two).expect("room");
    mem::forget(stager);
    assert_eq!(live.tx[0].commit(), 0);
    live.send(0, &frames[5]);
    assert_eq!(live.reap(), 1);
    // Two were not taken, two not staged, one not refilled.
    drained_but(live, 5);
}

#[test]
fn frames_whose_reaping_is_forgotten_are_not_written_over() {
    let sim = Sim::new(SimConfig { wire: WireSpeed::Link, ..SimConfig::default() });
    let plan = Plan { rx: vec![8], tx: vec![8], buffers: 24, ..Plan::default() };
    let mut live = Rig::on(&sim, &plan).start();
    let frames: Vec<_> = (0..8).map(|n| frame(STATION, PEER, 1000, n)).collect();
    // The first three have left when the reaping begins; one of them is taken.
    for bytes in &frames[..6] {
        live.send(0, bytes);
    }
    sim.advance(3 * 9_000);
    let mut sent = live.tx[0].sent();
    let one = sent.next().expect("a frame that was sent");
    mem::forget(sent);
    // What is still the device's is not described anew, also when later frames have been reaped.
    assert_eq!(live.tx[0].space(), 0);
    assert!(live.tx[0].reap().is_none());
    let refused = live.tx[0].stage(one).expect_err("a queue that lost count");
    assert_eq!(refused.why, Reason::Full);
    let refused = live.tx[0].stager().stage(refused.buf).expect_err("likewise");
    assert_eq!(refused.why, Reason::Full);
    drop(refused);
    sim.advance(9_000);
    assert!(live.tx[0].sent().next().is_none());
    assert_eq!(live.tx[0].space(), 0, "a burst that ended restores no more than it took");
    let mut rig = live.stop();
    assert!(rig.tx[0].drain().is_none());
    let mut live = rig.start();
    // Nothing of the burst is sent a second time, and the queue works as before.
    while sim.transmitted().is_some() {}
    sim.advance(100_000);
    assert_eq!(sim.transmitted(), None);
    live.send(0, &frames[7]);
    sim.advance(9_000);
    assert_eq!(sim.transmitted().as_ref(), Some(&frames[7]));
    assert_eq!(live.reap(), 1);
    drained_but(live, 5);
}

/// Ends a port that has lost `lost` buffers, and nothing else.
fn drained_but(live: Live, lost: usize) {
    let mut rig = live.stop();
    while rig.rx[0].drain().is_some() {}
    while rig.tx[0].drain().is_some() {}
    assert_eq!(rig.pool.free(), rig.pool.buffers() - lost);
    assert_eq!(rig.sim.violations(), []);
    drop((rig.rx, rig.tx, rig.pool, rig.port));
    assert!(rig.arena.retire().is_err(), "their memory stays");
}
