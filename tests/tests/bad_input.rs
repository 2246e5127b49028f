//! Is everything out of range refused by name, with nothing changed, and is memory safe whatever is
//! dropped when?

use etsec_core::config::Config;
use etsec_core::error::Side;
use etsec_core::link::{Duplex, LinkError, Speed};
use etsec_core::{Arena, Bus, BusAddr, Error, Link, MemoryError, Pages, Reason, Stopped};
use etsec_sim::{Sim, SimBus, SimRegion};
use etsec_tests::at;
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, config, frame};

fn attach(sim: &Sim, config: Config) -> Result<Stopped<SimBus>, Error> {
    Stopped::attach(Pages::single(sim.bus()), config, &mut sim.delay())
}

fn arena(sim: &Sim, at: u64, len: usize) -> Result<Arena<SimRegion>, MemoryError> {
    Arena::new(sim.region_at(BusAddr::new(at).unwrap(), len)).map_err(|(_, error)| error)
}

#[test]
fn configurations_out_of_range_are_named_before_the_device_is_touched() {
    let sim = Sim::default();
    sim.bus().write(at::MAXFRM, 0x123);
    type Spoil = fn(&mut Config);
    let cases: [(Spoil, Error, &str); 11] = [
        (|c| c.mtu = 45, Error::Mtu(45), "46 to 9578"),
        (|c| c.mtu = 9579, Error::Mtu(9579), "9579"),
        (|c| c.mtu = usize::MAX, Error::Mtu(usize::MAX), "MTU"),
        (|c| c.buffer_size = 0, Error::BufferSize(0), "multiples of 64"),
        (|c| c.buffer_size = 1500, Error::BufferSize(1500), "1500"),
        (|c| c.buffer_size = 32_832, Error::BufferSize(32_832), "32768"),
        (|c| c.buffer_size = usize::MAX, Error::BufferSize(usize::MAX), "multiples"),
        (|c| c.tbi_address = 32, Error::TbiAddress(32), "0 to 31"),
        (|c| c.hang_ms = 0, Error::HangTime(0), "16 or more"),
        (|c| c.hang_ms = 15, Error::HangTime(15), "16 or more"),
        (
            |c| c.link = Link::new(Speed::Mbps1000, Duplex::Half),
            Error::Link(LinkError::HalfGigabit),
            "1000",
        ),
    ];
    for (spoil, expected, word) in cases {
        let mut config = config();
        spoil(&mut config);
        let error = attach(&sim, config).map(drop).unwrap_err();
        assert_eq!(error, expected);
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!(sim.bus().read(at::MAXFRM), 0x123);
}

#[test]
fn the_ends_of_every_range_work() {
    for (mtu, buffer_size) in [(46, 64), (46, 32_768), (9578, 64), (9578, 9664), (1500, 1536)] {
        let mut plan = Plan { buffers: 400, rx: vec![160], tx: vec![4], ..Plan::default() };
        plan.config.mtu = mtu;
        plan.config.buffer_size = buffer_size;
        let mut live = Rig::new(&plan).start();
        // The longest frame that fits the MTU, and a chain can hold.
        let longest = (mtu + 18).min(buffer_size * etsec_core::buf::MAX_CHAIN - 4);
        for len in [60, longest] {
            let come = frame(STATION, PEER, len.max(60), 1);
            live.sim.receive(&come);
            assert_eq!(live.receive(0), Some(come), "MTU {mtu}, buffers of {buffer_size}");
        }
        if buffer_size >= mtu + 18 {
            let out = frame(PEER, STATION, mtu + 18, 2);
            live.send(0, &out);
            assert_eq!(live.sim.transmitted(), Some(out));
            assert_eq!(live.reap(), 1);
        }
        live.finish();
    }
}

#[test]
fn rings_that_do_not_exist_or_are_taken() {
    let sim = Sim::default();
    let mut port = attach(&sim, config()).unwrap();
    let mut arena = arena(&sim, 0x4000_0000, 1 << 16).unwrap();
    for n in [8, 100, usize::MAX] {
        let error = port.add_rx(n, arena.ring(4).unwrap()).map(drop).unwrap_err();
        assert_eq!(error, Error::RingNumber(Side::Rx, n));
        let error = port.add_tx(n, arena.ring(4).unwrap()).map(drop).unwrap_err();
        assert_eq!(error, Error::RingNumber(Side::Tx, n));
        assert_eq!(error.to_string(), format!("transmit ring {n}: 0 to 7 are possible"));
    }
    let seven = port.add_tx(7, arena.ring(4).unwrap()).unwrap();
    let error = port.add_tx(7, arena.ring(4).unwrap()).map(drop).unwrap_err();
    assert_eq!(error, Error::RingTaken(Side::Tx, 7));
    // The refusals hold no memory.
    drop((seven, port));
    assert!(arena.retire().is_ok());
}

#[test]
fn ring_and_buffer_sizes_out_of_range() {
    let sim = Sim::default();
    let mut arena = arena(&sim, 0x4000_0000, 1 << 16).unwrap();
    for len in [0, 3, 65_537, usize::MAX] {
        assert_eq!(arena.ring(len).map(drop), Err(MemoryError::RingLength(len)));
    }
    for count in [0, 65_536, usize::MAX] {
        assert_eq!(arena.pool(count, 64).map(drop), Err(MemoryError::BufferCount(count)));
    }
    for size in [0, 63, 65, 32_832, usize::MAX] {
        assert_eq!(arena.pool(1, size).map(drop), Err(MemoryError::BufferSize(size)));
    }
    assert!(matches!(arena.ring(65_536), Err(MemoryError::TooSmall { .. })));
    assert!(matches!(arena.pool(65_535, 32_768), Err(MemoryError::TooSmall { .. })));
}

#[test]
fn regions_across_a_window_and_rings_in_another_one() {
    let sim = Sim::default();
    let crossing = arena(&sim, 0xFFFF_0000, 0x2_0000).map(drop).unwrap_err();
    assert_eq!(crossing, MemoryError::CrossesWindow);
    assert!(crossing.to_string().contains("4 GiB"));

    let mut port = attach(&sim, config()).unwrap();
    let mut first = arena(&sim, 0x2_0000_0000, 1 << 16).unwrap();
    let mut other = arena(&sim, 0x3_0000_0000, 1 << 16).unwrap();
    let mut tx = port.add_tx(0, first.ring(4).unwrap()).unwrap();
    let mut rx = port.add_rx(0, first.ring(4).unwrap()).unwrap();
    let error = port.add_rx(1, other.ring(4).unwrap()).map(drop).unwrap_err();
    assert_eq!(error, Error::Window { port: 2, ring: 3 });
    assert!(error.to_string().contains("0x3") && error.to_string().contains("0x2"), "{error}");

    // Buffers of the other window come back with the reason, whole.
    let far = other.pool(4, 1536).unwrap();
    let refused = tx.stage(far.frame(&[7; 60]).unwrap()).unwrap_err();
    assert_eq!((refused.why, &refused.buf[..]), (Reason::Window, &[7; 60][..]));
    assert_eq!(rx.refill(refused.buf).unwrap_err().why, Reason::Window);
    assert_eq!(rx.fill(&far), 0);
    assert_eq!(far.free(), 4);
    let near = first.pool(8, 1536).unwrap();
    assert_eq!(rx.fill(&near), 4);
    rx.commit();
    let mut delay = sim.delay();
    let port = port.start(&mut delay).map_err(|(_, e)| e).unwrap();
    assert_eq!([0x180, 0x200, 0x380, 0x400].map(|at| sim.bus().read(at)), [2; 4]);
    tx.stage(near.frame(&[8; 60]).unwrap()).unwrap();
    tx.commit();
    assert!(sim.transmitted().is_some() && tx.reap().is_some());
    sim.receive(&frame(STATION, PEER, 60, 0));
    assert!(rx.next().is_some());
    let port = port.stop(&mut delay).map_err(|(_, e)| e).unwrap();
    drop((port, rx, tx, far, near));
    assert!(first.retire().is_ok() && other.retire().is_ok());
}

#[test]
fn frames_and_buffers_that_do_not_fit() {
    let mut live = Live::new();
    let refuse = |live: &mut Live, bytes: usize| {
        let mut buf = live.pool.alloc().unwrap();
        buf.set_len(bytes);
        live.tx[0].stage(buf).unwrap_err().why
    };
    assert_eq!(refuse(&mut live, 0), Reason::Empty);
    assert_eq!(refuse(&mut live, 1519), Reason::TooLong);
    let mut chain = live.pool.frame(&[1; 100]).unwrap();
    chain.append(live.pool.alloc().unwrap()).unwrap();
    assert_eq!(live.tx[0].stage(chain).unwrap_err().why, Reason::Empty);
    let mut small = arena(&live.sim, 0x7000_0000, 1 << 16).unwrap();
    let small = small.pool(4, 64).unwrap();
    assert!(live.receive(0).is_none());
    live.sim.receive(&frame(STATION, PEER, 60, 0));
    let (taken, _) = live.rx[0].next().unwrap();
    assert_eq!(live.rx[0].refill(small.alloc().unwrap()).unwrap_err().why, Reason::TooSmall);
    live.rx[0].refill(taken).unwrap();
    live.rx[0].commit();
    assert_eq!(live.rx[0].refill(live.pool.alloc().unwrap()).unwrap_err().why, Reason::Full);
    assert_eq!(live.tx[0].counters().refused, 3);
    live.exchange(1);
    live.finish();
}

#[test]
fn an_empty_pool_stops_nothing_for_ever() {
    let mut live = Rig::new(&Plan { buffers: 16, ..Plan::default() }).start();
    assert_eq!(live.pool.free(), 0, "all buffers wait for frames");
    assert!(live.pool.alloc().is_none() && live.pool.frame(&[0; 60]).is_none());
    let come: Vec<_> = (0..20).map(|n| frame(STATION, PEER, 60 + n, 0)).collect();
    come.iter().for_each(|frame| live.sim.receive(frame));
    // Somebody keeps every buffer; the ring has none left.
    let kept: Vec<_> = std::iter::from_fn(|| live.rx[0].next()).collect();
    assert_eq!((kept.len(), live.rx[0].fill(&live.pool), live.rx[0].commit()), (16, 0, 0));
    live.sim.receive(&come[0]);
    live.settle(2);
    assert!(live.rx[0].next().is_none());
    drop(kept);
    assert_eq!(live.rx[0].fill(&live.pool), 16);
    live.rx[0].commit();
    live.sim.receive(&come[3]);
    assert_eq!(live.rx[0].next().map(|(buf, _)| buf.to_vec()).as_ref(), Some(&come[3]));
    live.finish();
}

#[test]
fn a_region_is_given_back_when_the_last_of_it_is_home_and_not_before() {
    let mut live = Live::new();
    live.sim.receive(&frame(STATION, PEER, 60, 0));
    let (buf, _) = live.rx[0].next().unwrap();
    let Rig { sim, port, rx, tx, pool, arena, .. } = live.stop();
    let arena = arena.retire().map(drop).unwrap_err();
    drop((rx, tx));
    let arena = arena.retire().map(drop).unwrap_err();
    drop(port);
    let arena = arena.retire().map(drop).unwrap_err();
    drop(pool);
    let arena = arena.retire().map(drop).unwrap_err();
    drop(buf);
    assert!(arena.retire().is_ok());
    drop(sim);
}

#[test]
fn a_port_dropped_while_running_keeps_its_memory_mapped() {
    let mut live = Live::new();
    live.exchange(1);
    let Live { sim, port, rx, tx, pool, arena, .. } = live;
    drop(port);
    drop((rx, tx, pool));
    drop(arena);
    // Everything the owner had is gone, and the device goes on: into memory that is still there.
    for n in 0..40 {
        sim.receive(&frame(STATION, PEER, 60, n));
    }
    assert_eq!(sim.violations(), []);
    // The next owner takes over.
    let mut next = Rig::on(&sim, &Plan::default()).start();
    next.exchange(2);
    next.finish();
}

#[test]
fn queues_that_outlive_their_port_go_on_and_those_dropped_before_it_harm_nobody() {
    let mut live = Live::new();
    live.exchange(1);
    let Live { sim, port, rx, tx, pool, arena, mut delay } = live;
    drop((rx, tx));
    for n in 0..40 {
        sim.receive(&frame(STATION, PEER, 60, n));
    }
    assert_eq!(sim.violations(), []);
    let port = port.stop(&mut delay).map_err(|(_, e)| e).unwrap();
    drop(port);
    // Buffers that were with the device when their queue went are not given to anybody.
    assert_eq!(pool.buffers() - pool.free(), 16);
    drop(pool);
    assert!(arena.retire().is_err());
}
