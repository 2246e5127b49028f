//! What a sound device does not write, or seldom: frames without end, answers that say nothing new.

use super::*;

/// A receive queue with all its buffers lent, of `count` buffers of `size` bytes.
#[cfg(feature = "scatter")]
fn of(size: usize, count: usize) -> (RxQueue<Bell>, RingView, Pool, Arena<Heap>) {
    let bytes = crate::arena::HEADER_BYTES
        + crate::arena::ring_bytes(count)
        + crate::arena::pool_bytes(count, size);
    let mut arena = Arena::new(Heap::new(bytes).0).map_err(|(_, e)| e).unwrap();
    let ring = arena.ring(count).unwrap();
    let pool = arena.pool(count, size).unwrap();
    let filter = AddressFilter::new(MacAddr([2, 0, 0, 0, 0, 1])).unwrap();
    let config = Config { buffer_size: size, ..Config::new(filter) };
    let limits = RxLimits::new(&config, RxForm::default(), 1);
    let view = ring.view();
    view.set_live(LIVE);
    let mut rx = RxQueue::new(ring, Bell::default(), 0, limits);
    assert_eq!(rx.fill(&pool), count);
    rx.commit();
    (rx, view, pool, arena)
}

/// Whatever was given up, all buffers are in the ring again or home, and good frames go on.
#[cfg(feature = "scatter")]
fn goes_on(mut rx: RxQueue<Bell>, view: &RingView, pool: &Pool, at: u32) {
    let lent = rx.pending();
    assert_eq!((rx.counters().too_long, rx.counters().frames), (1, 0));
    fill(view, at, RxFlags::F | RxFlags::L, 64);
    assert_eq!(rx.next().expect("the next frame").0.len(), 60);
    assert_eq!(rx.pending(), lent - 1);
    view.set_live(false);
    while rx.drain().is_some() {}
    assert_eq!(pool.free(), pool.buffers());
}

#[cfg(feature = "scatter")]
#[test]
fn a_frame_of_more_buffers_than_a_chain_can_have_is_given_up_to_its_end() {
    let most = crate::buf::MAX_CHAIN as u32;
    let (mut rx, view, pool, _arena) = of(128, most as usize + 16);
    fill(&view, 0, RxFlags::F, 128);
    (1..most + 5).for_each(|at| fill(&view, at, RxFlags::empty(), 128));
    assert!(rx.next().is_none());
    // It is counted once, wherever it ends.
    assert_eq!(rx.counters().errors(), 1);
    fill(&view, most + 5, RxFlags::L, 128);
    assert!(rx.next().is_none());
    goes_on(rx, &view, &pool, most + 6);
}

#[cfg(feature = "scatter")]
#[test]
fn a_frame_longer_than_a_descriptor_could_say_is_given_up_to_its_end() {
    let (mut rx, view, pool, _arena) = of(32_768, 8);
    fill(&view, 0, RxFlags::F, 32_768);
    fill(&view, 1, RxFlags::empty(), 32_767);
    assert!(rx.next().is_none());
    assert_eq!(rx.counters().errors(), 0, "65,535 bytes may be a frame");
    fill(&view, 2, RxFlags::empty(), 1);
    assert!(rx.next().is_none());
    fill(&view, 3, RxFlags::L, 1);
    assert!(rx.next().is_none());
    goes_on(rx, &view, &pool, 4);
}

#[test]
fn an_answer_that_says_nothing_new_turns_nothing() {
    let (mut arena, pool) = memory();
    let (mut rx, view, _bell) = rx(&mut arena, 4, false);
    rx.fill(&pool);
    rx.commit();
    let ask = |rx: &mut RxQueue<Bell>| {
        view.suspect();
        assert!(rx.next().is_none());
        view.question().expect("a question")
    };
    // The hardware stands where the queue does.
    let number = ask(&mut rx);
    view.answer(number, 0);
    assert!(rx.next().is_none());
    fill(&view, 0, RxFlags::F | RxFlags::L, 64);
    assert_eq!(rx.next().unwrap().0.len(), 60);
    assert_eq!(rx.counters().resyncs, 0);
}

/// All buffers of the ring are those of one frame that has begun: nothing is lent, so no answer can
/// turn anything, and with the next buffer it goes on where it stood.
#[cfg(feature = "scatter")]
#[test]
fn an_answer_does_not_turn_a_ring_of_which_nothing_is_lent() {
    let (mut arena, pool) = memory();
    let (mut rx, view, _bell) = rx(&mut arena, 4, false);
    rx.fill(&pool);
    rx.commit();
    fill(&view, 0, RxFlags::F, 128);
    (1..4).for_each(|at| fill(&view, at, RxFlags::empty(), 128));
    assert!(rx.next().is_none());
    assert_eq!(rx.pending(), 0);
    view.suspect();
    assert!(rx.next().is_none());
    let question = view.question().expect("a question");
    assert_eq!(question.head(), Some(0));
    view.answer(question, 2);
    assert!(rx.next().is_none());
    assert_eq!((rx.counters().resyncs, rx.counters().incomplete, rx.pending()), (0, 0, 0));
    rx.refill(pool.alloc().unwrap()).unwrap();
    rx.commit();
    fill(&view, 0, RxFlags::L, 600);
    let (frame, _) = rx.next().expect("the whole frame");
    assert_eq!((frame.total_len(), frame.buffers()), (596, 5));
}

#[test]
fn a_burst_is_refilled_with_buffers_of_several_kinds() {
    let (mut arena, pool) = memory();
    // In other regions of the same window.
    let other = |bus, buffers, size| {
        let region = Heap::at(1 << 16, crate::BusAddr::new(bus).unwrap()).0;
        let mut arena = Arena::new(region).map_err(|(_, e)| e).unwrap();
        (arena.pool(buffers, size).unwrap(), arena)
    };
    let (large, _arena) = other(0x1_4000_0000, 4, 256);
    let (small, _arena) = other(0x1_5000_0000, 1, 64);
    let (mut rx, view, bell) = rx(&mut arena, 8, false);
    let mut burst = rx.refiller();
    let kinds = [&pool, &pool, &large, &large, &pool, &large, &pool, &large];
    let mut places = Vec::new();
    for (n, kind) in kinds.into_iter().enumerate() {
        if n == 5 {
            let refused = burst.refill(small.alloc().unwrap()).unwrap_err();
            assert_eq!(refused.why, Reason::TooSmall);
        }
        let buf = kind.alloc().unwrap();
        places.push(buf.bus_low());
        burst.refill(buf).unwrap();
    }
    assert_eq!(burst.refill(pool.alloc().unwrap()).unwrap_err().why, Reason::Full);
    assert_eq!(bell.take(), []);
    assert_eq!(burst.commit(), 8);
    for (at, place) in (0..).zip(places) {
        #[cfg(feature = "adopt")]
        assert_eq!(view.bd(at).pointer(), place, "descriptor {at}");
        fill(&view, at, RxFlags::F | RxFlags::L, 64);
        assert_eq!(rx.next().expect("a frame").0.bus_low(), place);
    }
    assert_eq!((pool.free(), large.free(), small.free()), (32, 4, 1));
}

#[test]
fn queues_that_are_dropped_once_the_device_has_stopped_send_their_buffers_home() {
    let (mut arena, pool) = memory();
    let (mut rx, rx_view, _bell) = rx(&mut arena, 4, false);
    let (mut tx, tx_view, _bell) = tx(&mut arena, 4);
    rx.fill(&pool);
    rx.commit();
    for n in 0..3 {
        tx.stage(pool.frame(&[n; 60]).unwrap()).unwrap();
        // The last one is staged only.
        if n == 1 {
            tx.commit();
        }
    }
    assert_eq!(pool.free(), 32 - 4 - 3);
    rx_view.set_live(false);
    tx_view.set_live(false);
    drop(tx);
    assert_eq!(pool.free(), 32 - 4);
    drop(rx);
    assert_eq!(pool.free(), 32);
    assert!((0..4).all(|at| !rx_view.bd(at).is_owned() && !tx_view.bd(at).is_owned()));
}

#[test]
fn each_error_of_a_sent_frame_has_its_counter() {
    for (status, at) in [(TxFlags::LC, 0), (TxFlags::RL, 1), (TxFlags::UN, 2), (TxFlags::TR, 3)] {
        let (mut arena, pool) = memory();
        let (mut tx, view, _bell) = tx(&mut arena, 4);
        tx.stage(pool.frame(&[1; 60]).unwrap()).unwrap();
        tx.commit();
        close(&view, 0, status);
        assert!(tx.reap().is_some());
        let c = tx.counters();
        let counted = [c.late_collisions, c.retry_limits, c.underruns, c.truncated];
        assert_eq!(counted, core::array::from_fn(|n| u64::from(n == at)), "{status:?}");
        assert_eq!((c.errors(), c.frames), (1, 0));
    }
}
