//! All queues of a port in one step, and bursts as vectors.

use etsec_core::arena::{self, MemoryError};
use etsec_core::error::Side;
use etsec_core::queues::{LayoutError, RxBurst, TxBurst};
use etsec_core::{Arena, Error, Layout, PageBell, Pages, Queues, Reason, Stopped};
use etsec_sim::{Sim, SimBus, SimConfig, SimRegion};
use etsec_tests::rig::{PEER, STATION, bytes_of, config, frame};

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
