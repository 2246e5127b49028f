//! What a dead process can have left in its rings, and what no queue is made of. It writes
//! descriptors and marks as that process, or the device, would.

#[cfg(feature = "scatter")]
use std::boxed::Box;
use std::cell::Cell;
use std::vec::Vec;

use embedded_hal::delay::DelayNs;

use super::*;
use crate::addr::AddressFilter;
use crate::arena::{Arena, LeftRing};
use crate::bd::{Control, TxFlags};
use crate::buf::Buf;
use crate::bus::Doorbell;
use crate::fcb::TxFcb;
use crate::rx::RxLimits;
use crate::rx_form::RxForm;
use crate::testing::{Heap, after_death};
use crate::tx::{Offload, TxLimits};

/// A bell that nobody hears.
struct Quiet;

impl Doorbell for Quiet {
    fn publish(&self) {}
    fn observe(&self) {}
    fn ring(&self) {}
}

struct NoTime;

impl DelayNs for NoTime {
    fn delay_ns(&mut self, _: u32) {}
}

type Rx = RxQueue<Quiet>;
type Tx = TxQueue<Quiet>;

const LEN: usize = 8;
const SIZE: usize = 128;
const BUFFERS: usize = 24;

fn rx_of(ring: RingMemory, buffer_size: usize) -> Rx {
    let filter = AddressFilter::new(MacAddr([2, 0, 0, 0, 0, 1])).unwrap();
    let config = Config { buffer_size, ..Config::new(filter) };
    RxQueue::new(ring, Quiet, 0, RxLimits::new(&config, RxForm::default(), 1))
}

fn tx_of(ring: RingMemory) -> Tx {
    let limits = TxLimits { frame: 300, window: 1 };
    TxQueue::new(ring, Quiet, 0, limits, Offload::new(200))
}

/// Queues over the rings of a process that is no more, and its pool.
struct Left {
    rx: Rx,
    tx: Tx,
    pool: Pool,
    views: [RingView; 2],
    _arena: Arena<Heap>,
}

impl Left {
    /// Whatever was adopted, all buffers come home: once the device has stopped, no ring keeps one.
    fn end(self) {
        self.pool.reclaim();
        self.views.iter().for_each(|view| view.set_live(false));
        drop((self.rx, self.tx));
        assert_eq!(self.pool.free(), self.pool.buffers());
    }

    /// Closes the descriptors of the next frame sent, and returns its bytes.
    fn sent(&mut self, bds: u32) -> Vec<u8> {
        let first = (0..LEN as u32).find(|at| self.views[1].bd(*at).is_owned()).expect("lent");
        for at in first..first + bds {
            let control = self.views[1].bd(at).control();
            let kept = control.tx_flags().difference(TxFlags::R | TxFlags::TOE);
            self.views[1].bd(at).set_control(Control::tx(kept, control.len()));
        }
        let frame = self.tx.reap().expect("a frame");
        frame.segments().flatten().copied().collect()
    }
}

/// What another process finds after one whose rings were running `did` that.
fn left(mrblr: usize, did: impl FnOnce(&mut Rx, &mut Tx, &Pool)) -> Left {
    let found = after_death(1 << 16, |mut arena| {
        let (rx, tx) = (arena.ring(LEN).unwrap(), arena.ring(LEN).unwrap());
        rx.set_role(0);
        tx.set_role(RINGS);
        for view in [rx.view(), tx.view()] {
            view.set_live(true);
            core::mem::forget(view);
        }
        let pool = arena.pool(BUFFERS, SIZE).unwrap();
        let (mut rx, mut tx) = (rx_of(rx, SIZE), tx_of(tx));
        did(&mut rx, &mut tx, &pool);
        (arena, pool, rx, tx)
    });
    let found = found.expect("a region that was left");
    let (mut rx, mut tx) = (None, None);
    for LeftRing { role, memory } in found.rings {
        *(if role == 0 { &mut rx } else { &mut tx }) = Some(memory);
    }
    let (rx, tx) = (rx.unwrap(), tx.unwrap());
    let views = [rx.view(), tx.view()];
    Left { rx: rx_of(rx, mrblr), tx: tx_of(tx), pool: found.pool, views, _arena: found.arena }
}

/// Takes over a receive ring that was filled and lent, to which somebody `did` that; the hardware
/// stands at `position`.
fn receive(
    mrblr: usize,
    position: Option<u32>,
    did: impl FnOnce(&RingMemory),
) -> Result<u32, RingFault> {
    let mut left = left(mrblr, |rx, _, pool| {
        assert_eq!(rx.fill(pool), LEN);
        rx.commit();
        did(rx.ring());
    });
    let adopted = left.rx.adopt(&[&left.pool], &|| position, &mut NoTime);
    left.end();
    adopted
}

/// Takes over a transmit ring in which frames of these were lent, to which somebody `did` that.
fn transmit(
    frames: &[&[u8]],
    position: &dyn Fn() -> Option<u32>,
    did: impl FnOnce(&RingMemory),
) -> Result<u32, RingFault> {
    let mut left = left(SIZE, |_, tx, pool| {
        frames.iter().for_each(|bytes| tx.stage(pool.frame(bytes).unwrap()).unwrap());
        tx.commit();
        did(tx.ring());
    });
    let adopted = left.tx.adopt(&[&left.pool], position, &mut NoTime);
    left.end();
    adopted
}

#[test]
fn a_receive_ring_whose_mark_cannot_be_is_refused() {
    assert_eq!(receive(SIZE, Some(0), |_| ()), Ok(0));
    for (at, count) in [(8, 0), (0, 9), (0xFFFF, 1), (3, 0xFFFF)] {
        let refused = receive(SIZE, Some(0), |ring| ring.mark(at, count));
        assert_eq!(refused, Err(RingFault::Mark), "{at}, {count}");
    }
}

#[test]
fn a_receive_ring_with_a_buffer_of_nobody_is_refused() {
    type Did = fn(&RingMemory);
    let cases: [(Did, u32); 4] = [
        // Before all buffers of the pool, behind them, inside of one, and one that is there twice.
        (|ring| ring.bd(2).set_pointer(0x10), 2),
        (|ring| ring.bd(2).set_pointer(0xFFFF_FFC0), 2),
        (|ring| ring.bd(2).set_pointer(ring.bd(2).pointer() + 4), 2),
        (|ring| ring.bd(5).set_pointer(ring.bd(1).pointer()), 5),
    ];
    for (did, at) in cases {
        assert_eq!(receive(SIZE, Some(0), did), Err(RingFault::Buffer(at)));
    }
    // The device would write beyond them.
    assert_eq!(receive(2 * SIZE, Some(0), |_| ()), Err(RingFault::Buffer(0)));
}

#[test]
fn a_receive_ring_in_which_the_hardware_stands_elsewhere_is_refused() {
    assert_eq!(receive(SIZE, None, |_| ()), Err(RingFault::Position));
    // Three are lent, and the hardware has filled five.
    let refused = receive(SIZE, Some(5), |ring| ring.mark(0, 3));
    assert_eq!(refused, Err(RingFault::Position));
}

#[test]
fn a_transmit_ring_that_cannot_be_is_refused() {
    let frames = [&[1; 60][..], &[2; 61], &[3; 62]];
    let here: &dyn Fn() -> Option<u32> = &|| Some(0);
    assert_eq!(transmit(&frames, here, |_| ()), Ok(3));
    assert_eq!(transmit(&frames, &|| None, |_| ()), Err(RingFault::Position));
    // Bursts are handed over from their end: there is one gap at most.
    let taken = |ring: &RingMemory| [1, 3].map(|at| ring.bd(at).clear(false));
    let five = [&[1; 60][..], &[2; 61], &[3; 62], &[4; 63], &[5; 64]];
    assert_eq!(transmit(&five, here, |ring| _ = taken(ring)), Err(RingFault::Mark));
    for len in [0, 2000] {
        let did = |ring: &RingMemory| {
            ring.bd(1).set_control(Control::tx(TxFlags::R | TxFlags::L, len));
        };
        assert_eq!(transmit(&frames, here, did), Err(RingFault::Buffer(1)), "{len} bytes");
    }
    let did = |ring: &RingMemory| ring.bd(1).set_pointer(0x10);
    assert_eq!(transmit(&frames, here, did), Err(RingFault::Buffer(1)));
    // A frame without its end: the next one would be sent as its tail.
    let did = |ring: &RingMemory| ring.bd(2).set_control(Control::tx(TxFlags::R, 62));
    assert_eq!(transmit(&frames, here, did), Err(RingFault::Mark));
    let block = Control::tx(TxFlags::R | TxFlags::TOE, TxFcb::LEN as u16);
    let did = |ring: &RingMemory| ring.bd(2).set_control(block);
    assert_eq!(transmit(&frames, here, did), Err(RingFault::Mark));
}

#[test]
fn a_gap_is_one_only_at_the_start_of_the_marked_burst() {
    // Five in descriptors 0 to 4, of which some have lost R; or are said to be another burst.
    let five = [&[1; 60][..], &[2; 61], &[3; 62], &[4; 63], &[5; 64]];
    let clear = |ring: &RingMemory, which: core::ops::Range<u32>| {
        which.for_each(|at| {
            let control = ring.bd(at).control();
            let flags = control.tx_flags().difference(TxFlags::R);
            ring.bd(at).set_control(Control::tx(flags, control.len()));
        });
    };
    let with = |position: u32, mark: (u32, u32), cleared: core::ops::Range<u32>| {
        transmit(&five, &|| Some(position), |ring| {
            clear(ring, cleared.clone());
            ring.mark(mark.0, mark.1);
        })
    };
    assert_eq!(with(0, (0, 5), 0..3), Ok(5), "half handed over");
    assert_eq!(with(0, (2, 3), 2..4), Ok(5), "behind two in flight");
    assert_eq!(with(0, (1, 4), 0..3), Err(RingFault::Mark), "more than the burst");
    assert_eq!(with(0, (1, 4), 2..4), Err(RingFault::Mark), "not from its start");
    assert_eq!(with(0, (2, 2), 2..3), Ok(4), "and one that was left behind");
    assert_eq!(with(2, (0, 2), 2..3), Ok(0), "all but one were left behind");
    assert_eq!(with(5, (0, 5), 0..2), Ok(0), "the statuses of three were lost");
    for (start, count) in [(8, 0), (0, 9), (0xFFFF, 1)] {
        assert_eq!(with(0, (start, count), 0..0), Err(RingFault::Mark), "{start}, {count}");
    }
}

#[test]
fn registers_that_find_no_place_are_not_taken_for_right() {
    struct Same;
    impl Bus for Same {
        fn read(&self, at: u16) -> u32 {
            at.into()
        }
        fn write(&self, _: u16, _: u32) {}
        fn publish(&self) {}
        fn observe(&self) {}
    }
    let wanted = Wanted::of(&Same);
    let fill = |count: u16| (0..count).for_each(|n| wanted.write(4 * n, (4 * n).into()));
    fill(MOST as u16);
    assert_eq!(wanted.difference(), Ok(()));
    fill(MOST as u16 + 1);
    assert_eq!(wanted.difference(), Err(AdoptError::NotCompared(4 * MOST as u16)));
}

#[test]
fn a_hardware_that_never_stands_still_is_not_waited_for_without_end() {
    let looks = Cell::new(0);
    let position = || {
        looks.set(looks.get() + 1);
        Some(7 - looks.get() % 2)
    };
    let refused = transmit(&[&[1; 60]], &position, |_| ());
    assert_eq!(refused, Err(RingFault::Position));
    assert_eq!(looks.get(), 17);
}

/// Bytes that begin so far behind the start of their buffer.
fn at(pool: &Pool, offset: usize, bytes: &[u8]) -> Buf {
    let mut buf = pool.frame(bytes).unwrap();
    let back = buf.headroom() - offset;
    buf.prepend(back).unwrap();
    buf.set_len(bytes.len());
    buf.copy_from_slice(bytes);
    buf
}

#[test]
fn frames_with_control_blocks_come_back_without_them() {
    // HW 14: at the second place the block may not lie right in front, and has a descriptor.
    for (offset, bds) in [(64, 1), (40, 1), (35, if cfg!(feature = "scatter") { 2 } else { 0 })] {
        let bytes: Vec<u8> = (0..100).collect();
        let mut left = left(SIZE, |_, tx, pool| {
            let staged = tx.stage_with(at(pool, offset, &bytes), TxFcb::NONE.tag(5));
            assert_eq!(staged.is_ok(), bds > 0, "{offset}");
            tx.commit();
        });
        let adopted = left.tx.adopt(&[&left.pool], &|| Some(0), &mut NoTime);
        assert_eq!(adopted, Ok(bds), "{offset}");
        if bds > 0 {
            assert_eq!(left.sent(bds), bytes, "{offset}");
        }
        left.end();
    }
}

#[cfg(feature = "scatter")]
#[test]
fn an_underrun_behind_a_block_of_its_own_takes_nothing_off_the_frame() {
    let bytes: Vec<u8> = (0..100).collect();
    let mut left = left(SIZE, |_, tx, pool| {
        tx.stage_with(at(pool, 35, &bytes), TxFcb::NONE.tag(5)).unwrap();
        tx.commit();
        // HW 4.2: UN and TOE are one bit. The device may write it in the very moment in which the
        // frame is looked at.
        let frame = tx.ring().bd(1).control();
        assert!(!frame.tx_flags().contains(TxFlags::TOE));
        tx.ring().bd(1).set_control(Control::tx(frame.tx_flags() | TxFlags::UN, frame.len()));
    });
    assert_eq!(left.tx.adopt(&[&left.pool], &|| Some(0), &mut NoTime), Ok(2));
    assert_eq!(left.sent(2), bytes);
    left.end();
}

#[cfg(feature = "scatter")]
#[test]
fn a_frame_in_several_buffers_comes_back_in_one_piece() {
    let bytes: Vec<u8> = (0..=255).chain(0..40).collect();
    let mut left = left(SIZE, |_, tx, pool| {
        tx.stage(pool.frame(&bytes).unwrap()).unwrap();
        tx.stage(pool.frame(&[9; 60]).unwrap()).unwrap();
        tx.commit();
    });
    assert_eq!(left.tx.adopt(&[&left.pool], &|| Some(0), &mut NoTime), Ok(4));
    assert_eq!(left.sent(3), bytes);
    assert_eq!(left.sent(1), [9; 60]);
    left.end();
}

#[cfg(feature = "scatter")]
#[test]
fn a_frame_of_more_buffers_than_a_chain_can_have_is_refused() {
    let most = crate::buf::MAX_CHAIN as u32;
    let found = after_death(1 << 18, |mut arena| {
        let ring = arena.ring(2 * most as usize).unwrap();
        ring.set_role(RINGS);
        let pool = arena.pool(most as usize + 1, 64).unwrap();
        let bufs: Vec<Buf> = (0..=most).map(|_| pool.frame(&[7; 64]).unwrap()).collect();
        for (at, buf) in (0..).zip(&bufs) {
            ring.bd(at).set_pointer(buf.bus_low());
            let end = if at == most { TxFlags::L } else { TxFlags::empty() };
            ring.bd(at).set_control(Control::tx(TxFlags::R | end, 64));
        }
        (arena, ring, pool, Box::new(bufs))
    });
    let mut found = found.expect("a region that was left");
    let mut tx = tx_of(found.rings.pop().unwrap().memory);
    let refused = tx.adopt(&[&found.pool], &|| Some(0), &mut NoTime);
    assert_eq!(refused, Err(RingFault::Buffer(most)));
}
