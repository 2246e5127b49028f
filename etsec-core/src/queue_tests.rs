//! Queues against descriptors that the test writes as the device would.

#[cfg(not(feature = "scatter"))]
mod one_buffer;
mod rare;

use std::cell::RefCell;
use std::rc::Rc;
use std::vec::Vec;

use crate::addr::{AddressFilter, MacAddr};
use crate::arena::Arena;
use crate::bd::{Control, RxFlags, TxFlags};
use crate::bus::Doorbell;
use crate::config::Config;
use crate::pool::Pool;
use crate::ring::RingView;
use crate::rx::{RxLimits, RxQueue};
use crate::rx_form::RxForm;
use crate::testing::Heap;
use crate::tx::{Offload, Reason, TxLimits, TxQueue};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Publish,
    Observe,
    Ring,
}
use Call::{Observe, Publish, Ring};

#[derive(Clone, Default)]
struct Bell(Rc<RefCell<Vec<Call>>>);

impl Bell {
    fn take(&self) -> Vec<Call> {
        self.0.take()
    }
}

impl Doorbell for Bell {
    fn publish(&self) {
        self.0.borrow_mut().push(Publish);
    }
    fn observe(&self) {
        self.0.borrow_mut().push(Observe);
    }
    fn ring(&self) {
        self.0.borrow_mut().push(Ring);
    }
}

const LIVE: bool = true;

fn memory() -> (Arena<Heap>, Pool) {
    let mut arena = Arena::new(Heap::new(1 << 20).0).map_err(|(_, e)| e).unwrap();
    let pool = arena.pool(32, 128).unwrap();
    (arena, pool)
}

fn tx(arena: &mut Arena<Heap>, len: usize) -> (TxQueue<Bell>, RingView, Bell) {
    let ring = arena.ring(len).unwrap();
    let (view, bell) = (ring.view(), Bell::default());
    let limits = TxLimits { frame: 300, window: 1 };
    let offload = Offload::new(200);
    view.set_live(LIVE);
    (TxQueue::new(ring, bell.clone(), 0, limits, offload), view, bell)
}

fn rx(arena: &mut Arena<Heap>, len: usize, fcb: bool) -> (RxQueue<Bell>, RingView, Bell) {
    let ring = arena.ring(len).unwrap();
    let (view, bell) = (ring.view(), Bell::default());
    let filter = AddressFilter::new(MacAddr([2, 0, 0, 0, 0, 1])).unwrap();
    let config = Config { parser: fcb, buffer_size: 128, ..Config::new(filter) };
    let limits = RxLimits::new(&config, RxForm::default(), 1);
    view.set_live(LIVE);
    (RxQueue::new(ring, bell.clone(), 0, limits), view, bell)
}

/// Closes descriptor `at` of a transmit ring.
fn close(view: &RingView, at: u32, status: TxFlags) {
    let control = view.bd(at).control();
    let kept = control.tx_flags().difference(TxFlags::R);
    view.bd(at).set_control(Control::tx(kept | status, control.len()));
}

/// Fills descriptor `at` of a receive ring. Both directions have one layout.
fn fill(view: &RingView, at: u32, flags: RxFlags, len: u16) {
    assert!(view.bd(at).is_owned(), "descriptor {at} is not the device's");
    let wrap = view.bd(at).control().rx_flags() & RxFlags::W;
    let bits = TxFlags::from_bits_retain((flags | wrap).bits());
    view.bd(at).set_control(Control::tx(bits, len));
}

fn tx_flags(view: &RingView, at: u32) -> TxFlags {
    view.bd(at).control().tx_flags()
}

#[test]
fn a_burst_is_handed_over_with_one_ring_of_the_bell() {
    let (mut arena, pool) = memory();
    let (mut tx, view, bell) = tx(&mut arena, 4);
    assert_eq!(tx.commit(), 0);
    for n in 1..=3 {
        tx.stage(pool.frame(&[n; 60]).unwrap()).unwrap();
    }
    assert!(!view.bd(0).is_owned());
    assert_eq!(bell.take(), []);
    assert_eq!(tx.commit(), 3);
    assert_eq!(bell.take(), [Publish, Publish, Ring]);
    assert_eq!(tx_flags(&view, 0), TxFlags::R | TxFlags::L);
    assert_eq!(tx_flags(&view, 2), TxFlags::R | TxFlags::L | TxFlags::I);
    assert!(tx.reap().is_none());
    close(&view, 0, TxFlags::empty());
    assert_eq!(&*tx.reap().unwrap(), &[1; 60]);
    assert!(tx.reap().is_none());
    assert_eq!((tx.counters().frames, tx.counters().bytes), (1, 60));
}

#[test]
fn w_is_on_the_last_descriptor_only_and_survives_every_turn() {
    let (mut arena, pool) = memory();
    let (mut tx, view, _bell) = tx(&mut arena, 4);
    assert_eq!(tx_flags(&view, 3), TxFlags::W, "the device may look ahead");
    for at in (0..4).cycle().take(9) {
        tx.stage(pool.frame(&[0; 60]).unwrap()).unwrap();
        tx.commit();
        assert_eq!(tx_flags(&view, at).contains(TxFlags::W), at == 3);
        close(&view, at, TxFlags::empty());
        assert!(tx.reap().is_some());
    }
}

#[cfg(feature = "scatter")]
#[test]
fn what_cannot_be_sent_comes_back_with_the_reason() {
    let (mut arena, pool) = memory();
    let (mut tx, _view, _bell) = tx(&mut arena, 4);
    let mut reason = |bytes: &[u8]| tx.stage(pool.frame(bytes).unwrap()).map_err(|r| r.why);
    assert_eq!(reason(&[]), Err(Reason::Empty));
    assert_eq!(reason(&[0; 301]), Err(Reason::TooLong));
    assert_eq!(reason(&[0; 300]), Ok(()));
    assert_eq!(reason(&[0; 129]), Err(Reason::Full));
    assert_eq!(reason(&[0; 128]), Ok(()));
    assert_eq!(reason(&[0; 128]), Err(Reason::Full));
    assert_eq!((tx.counters().full, tx.counters().refused), (2, 2));
    // The other window.
    let far = Heap::at(1 << 16, crate::BusAddr::new(0x2_0000_0000).unwrap()).0;
    let far = Arena::new(far).map_err(|(_, e)| e).unwrap().pool(1, 128).unwrap();
    let (mut tx, _view, _bell) = self::tx(&mut arena, 4);
    assert_eq!(tx.stage(far.frame(&[1]).unwrap()).map_err(|r| r.why), Err(Reason::Window));
    let (mut rx, _view, _bell) = rx(&mut arena, 4, false);
    assert_eq!(rx.refill(far.frame(&[1]).unwrap()).map_err(|r| r.why), Err(Reason::Window));
}

#[cfg(feature = "scatter")]
#[test]
fn a_chain_is_one_frame_and_is_done_with_its_last_descriptor() {
    let (mut arena, pool) = memory();
    let (mut tx, view, _bell) = tx(&mut arena, 8);
    tx.stage(pool.frame(&[1; 300]).unwrap()).unwrap();
    tx.stage(pool.frame(&[2; 60]).unwrap()).unwrap();
    assert_eq!(tx.commit(), 2);
    let flags: Vec<_> = (0..4).map(|at| tx_flags(&view, at)).collect();
    let (r, l, i) = (TxFlags::R, TxFlags::L, TxFlags::I);
    assert_eq!(flags, [r, r, r | l, r | l | i]);
    close(&view, 0, TxFlags::empty());
    close(&view, 1, TxFlags::empty());
    assert!(tx.reap().is_none());
    close(&view, 2, TxFlags::LC);
    assert_eq!(tx.reap().unwrap().total_len(), 300);
    assert_eq!((tx.counters().late_collisions, tx.counters().frames), (1, 0));
    assert_eq!(tx.pending(), 1);
}

#[test]
fn received_frames_lose_their_fcs_and_control_block() {
    let (mut arena, pool) = memory();
    let (mut rx, view, bell) = rx(&mut arena, 4, true);
    assert_eq!(rx.fill(&pool), 4);
    assert_eq!(rx.commit(), 4);
    // With `adopt`, a whole ring is lent in two steps.
    let steps = if cfg!(feature = "adopt") { 2 } else { 1 };
    let mut rung = [Publish; 5];
    rung[2 * steps] = Ring;
    assert_eq!(bell.take(), rung[..2 * steps + 1]);
    assert!(rx.next().is_none());
    fill(&view, 0, RxFlags::L | RxFlags::F | RxFlags::BC, 8 + 60 + 4);
    fill(&view, 1, RxFlags::L | RxFlags::F, 8 + 64 + 4);
    let (buf, meta) = rx.next().unwrap();
    assert_eq!((buf.len(), meta.fcb.queue()), (60, 0));
    assert!(meta.flags.contains(RxFlags::BC));
    assert_eq!(rx.next().unwrap().0.len(), 64);
    assert!(rx.next().is_none());
    assert_eq!(bell.take(), [Observe]);
    // Whoever refills hands over with one ring.
    rx.refill(buf).unwrap();
    assert_eq!(rx.commit(), 1);
    assert_eq!(bell.take(), [Publish, Publish, Ring]);
    assert_eq!(view.bd(0).control().rx_flags(), RxFlags::E | RxFlags::I);
}

#[cfg(feature = "scatter")]
#[test]
fn a_long_frame_is_put_together_under_both_readings_of_its_length() {
    for (own_length, expected) in [(false, 200), (true, 200)] {
        let (mut arena, pool) = memory();
        let (mut rx, view, _bell) = rx(&mut arena, 4, true);
        rx.fill(&pool);
        rx.commit();
        let total = 8 + expected as u16 + 4;
        fill(&view, 0, RxFlags::F, 128);
        assert!(rx.next().is_none());
        fill(&view, 1, RxFlags::L, if own_length { total - 128 } else { total });
        let (frame, _) = rx.next().unwrap();
        assert_eq!((frame.total_len(), frame.buffers()), (expected, 2));
        assert_eq!(frame.segments().next().unwrap().len(), 120);
    }
}

#[cfg(feature = "scatter")]
#[test]
fn an_fcs_of_its_own_buffer_is_cut_with_the_buffer() {
    let (mut arena, pool) = memory();
    let (mut rx, view, _bell) = rx(&mut arena, 4, false);
    rx.fill(&pool);
    rx.commit();
    fill(&view, 0, RxFlags::F, 128);
    fill(&view, 1, RxFlags::L, 130);
    let (frame, _) = rx.next().unwrap();
    assert_eq!((frame.total_len(), frame.buffers()), (126, 1));
    drop(frame);
    assert_eq!(pool.free(), 32 - 2);
}

#[cfg(feature = "scatter")]
#[test]
fn broken_frames_are_counted_by_cause_and_their_buffers_go_back_into_the_ring() {
    let (mut arena, pool) = memory();
    let (mut rx, view, _bell) = rx(&mut arena, 16, false);
    rx.fill(&pool);
    rx.commit();
    let (f, l) = (RxFlags::F, RxFlags::L);
    let script = [
        (f | l | RxFlags::CR, 64),
        (f | l | RxFlags::NO, 64),
        (f | l | RxFlags::LG | RxFlags::CR, 64),
        (f | l | RxFlags::TR | RxFlags::OV, 64),
        (f | l | RxFlags::SH, 40),
        (f, 128), // its end never comes
        (f | l, 64),
        (f | l, 3),   // shorter than an FCS
        (f | l, 500), // longer than any buffer
        (f, 0),       // a first part without bytes, and the rest of that frame
        (RxFlags::empty(), 128),
        (l, 192),
        (f | l, 64),
        (RxFlags::empty(), 128), // a middle without beginning, and its end
        (l, 64),
    ];
    for (at, (flags, len)) in (0..).zip(script) {
        fill(&view, at, flags, len);
    }
    let frames: Vec<_> = std::iter::from_fn(|| rx.next()).map(|(buf, _)| buf.len()).collect();
    assert_eq!(frames, [60, 60]);
    let c = *rx.counters();
    assert_eq!((c.crc_errors, c.alignment_errors, c.too_long), (1, 1, 1));
    assert_eq!((c.overruns, c.short, c.incomplete, c.bad_lengths), (1, 1, 2, 3));
    assert_eq!(c.frames, 2);
    // Thirteen buffers are staged again, one was never taken, two went home with their frames.
    assert_eq!((rx.pending(), rx.commit(), pool.free()), (14, 13, 18));
}

#[cfg(feature = "scatter")]
#[test]
fn buffers_come_back_from_a_stopped_ring_only() {
    let (mut arena, pool) = memory();
    let (mut rx, view, _bell) = rx(&mut arena, 4, false);
    let (mut tx, tx_view, _bell) = tx(&mut arena, 4);
    rx.fill(&pool);
    rx.commit();
    tx.stage(pool.frame(&[1; 200]).unwrap()).unwrap();
    tx.commit();
    tx.stage(pool.frame(&[1; 60]).unwrap()).unwrap();
    fill(&view, 0, RxFlags::F, 128);
    assert!(rx.next().is_none());
    assert!(rx.drain().is_none() && tx.drain().is_none());
    view.set_live(false);
    view.set_position(1);
    tx_view.set_live(false);
    assert_eq!(std::iter::from_fn(|| rx.drain()).count(), 4);
    assert_eq!(std::iter::from_fn(|| tx.drain()).count(), 2);
    for view in [&view, &tx_view] {
        assert!((0..4).all(|at| !view.bd(at).is_owned()), "nothing is left to the device");
        assert_eq!(tx_flags(view, 3), TxFlags::W);
    }
    assert_eq!(pool.free(), 32);
    // The next buffer goes where the hardware will look for it.
    rx.refill(pool.alloc().unwrap()).unwrap();
    rx.commit();
    assert!(view.bd(1).is_owned());
}

#[test]
fn a_ring_is_not_started_while_a_buffer_is_taken_out_of_it() {
    let (mut arena, _pool) = memory();
    let ring = arena.ring(4).unwrap();
    let view = ring.view();
    assert!(ring.hold());
    assert!(!view.claim());
    ring.let_go();
    assert!(view.claim());
    assert!(!ring.hold() && ring.is_live());
    view.set_live(false);
    assert!(ring.hold() && !ring.is_live());
}

#[test]
fn a_live_queue_that_is_dropped_keeps_its_buffers_from_everybody() {
    let (mut arena, pool) = memory();
    let (mut rx, view, _bell) = rx(&mut arena, 4, false);
    rx.fill(&pool);
    rx.commit();
    drop((rx, view));
    assert_eq!(pool.free(), 28);
    drop(pool);
    assert!(arena.retire().is_err());
}

#[test]
fn a_pool_that_lies_where_another_was_is_looked_at_anew() {
    let (mut arena, first) = memory();
    let (mut rx, view, _bell) = rx(&mut arena, 4, false);
    let mut other = Arena::new(Heap::new(1 << 16).0).map_err(|(_, e)| e).unwrap();
    let pool = other.pool(4, 128).unwrap();
    rx.refill(pool.alloc().unwrap()).unwrap();
    rx.commit();
    fill(&view, 0, RxFlags::L, 64);
    drop((rx.next().unwrap(), pool));
    // The same memory is carved anew, into buffers the device would write beyond.
    let mut other = Arena::new(other.retire().unwrap()).map_err(|(_, e)| e).unwrap();
    let small = other.pool(4, 64).unwrap();
    let refused = rx.refill(small.alloc().unwrap()).unwrap_err();
    assert_eq!(refused.why, Reason::TooSmall);
    rx.refill(first.alloc().unwrap()).unwrap();
}

#[test]
fn a_stuck_queue_turns_to_the_hardwares_position_and_an_old_answer_is_not_used() {
    let (mut arena, pool) = memory();
    let (mut rx, view, _bell) = rx(&mut arena, 4, false);
    rx.fill(&pool);
    rx.commit();
    view.suspect();
    assert!(rx.next().is_none());
    let old = view.question().unwrap();
    // A frame comes before the answer: the question is void.
    fill(&view, 0, RxFlags::F | RxFlags::L, 64);
    drop(rx.next().unwrap());
    rx.fill(&pool);
    rx.commit();
    view.answer(old, 0);
    assert!(rx.next().is_none());
    assert_eq!(rx.counters().resyncs, 0);
    let number = view.question().unwrap();
    assert_ne!(number, old);
    // The hardware has skipped descriptor 1 and filled 2 (HW 15.3).
    fill(&view, 2, RxFlags::L, 84);
    view.answer(number, view.first_filled(3, || ()).unwrap());
    assert!(rx.next().is_none());
    assert_eq!(rx.next().unwrap().0.len(), 80);
    assert_eq!(rx.counters().resyncs, 1);
}

#[test]
fn queues_can_go_to_threads() {
    fn check<T: Send + 'static>() {}
    check::<RxQueue<crate::PageBell<crate::Mmio>>>();
    check::<TxQueue<crate::PageBell<crate::Mmio>>>();
    check::<crate::Running<crate::Mmio>>();
    check::<crate::Stopped<crate::Mmio>>();
    check::<crate::EventPort<crate::Mmio>>();
    check::<crate::Buf>();
    check::<Pool>();
}

/// Without the feature `scatter` a frame is in one buffer, or is dropped to its end and counted.
#[cfg(not(feature = "scatter"))]
#[test]
fn a_frame_longer_than_a_buffer_is_too_long() {
    let (mut arena, pool) = memory();
    let (mut rx, view, _bell) = rx(&mut arena, 8, false);
    rx.fill(&pool);
    rx.commit();
    let (f, l) = (RxFlags::F, RxFlags::L);
    let script = [
        (f | l, 64),
        (f, 128),
        (RxFlags::empty(), 128),
        (l, 300),
        (f | l | RxFlags::CR, 64),
        (f | l, 3),
        (f | l, 64),
    ];
    for (at, (flags, len)) in (0..).zip(script) {
        fill(&view, at, flags, len);
    }
    let frames: Vec<_> = std::iter::from_fn(|| rx.next()).map(|(buf, _)| buf.len()).collect();
    assert_eq!(frames, [60, 60]);
    let c = *rx.counters();
    assert_eq!((c.too_long, c.crc_errors, c.bad_lengths, c.errors()), (1, 1, 1, 3));
    assert!(pool.frame(&[0; 1000]).is_none());
    let mut buf = pool.alloc().unwrap();
    assert!(buf.append(pool.alloc().unwrap()).is_err());
    let mut config = crate::Config::new(crate::AddressFilter::new(crate::MacAddr([2; 6])).unwrap());
    assert_eq!(config.check(), Ok(()));
    config.buffer_size = 512;
    let refused = crate::Error::Scatter { buffer_size: 512, least: 1524 };
    assert_eq!(config.check(), Err(refused));
    assert!(std::format!("{refused}").contains("`scatter`"));
}
