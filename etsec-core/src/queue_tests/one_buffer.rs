//! Frames that ask for more, without the feature `scatter`: what would take a descriptor besides
//! the frame's own is refused.

use core::cell::Cell;

use embedded_hal::delay::DelayNs;

use super::*;
use crate::buf::Buf;
use crate::bus::Bus;
use crate::fcb::TxFcb;
use crate::ptp::{ClockConfig, ClockSource, PtpClock};
use crate::regs::timer::TMR_CNT_L;

/// Registers of a timer that counts, and of nothing else.
#[derive(Default)]
struct Timer(Cell<u32>);

impl Bus for Timer {
    fn read(&self, at: u16) -> u32 {
        if at != TMR_CNT_L.offset() {
            return 0;
        }
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
    fn write(&self, _: u16, _: u32) {}
    fn publish(&self) {}
    fn observe(&self) {}
}

struct NoTime;

impl DelayNs for NoTime {
    fn delay_ns(&mut self, _: u32) {}
}

/// A frame that begins so far behind the start of its buffer.
fn at(pool: &Pool, offset: usize) -> Buf {
    let mut buf = pool.frame(&[0; 60]).unwrap();
    buf.prepend(buf.headroom() - offset).unwrap();
    buf.set_len(60);
    buf.copy_from_slice(&[7; 60]);
    buf
}

#[test]
fn a_block_lies_right_in_front_of_its_frame_or_nowhere() {
    let (mut arena, pool) = memory();
    let (mut tx, view, _bell) = tx(&mut arena, 4);
    let block = TxFcb::NONE.tag(5);
    // HW 14: 25 to 31 bytes behind a multiple of 32 a block may not lie; and here it has no room.
    for offset in [33, 36, 39, 4] {
        let refused = tx.stage_with(at(&pool, offset), block).unwrap_err();
        assert_eq!((refused.why, &*refused.buf), (Reason::Headroom, &[7; 60][..]), "{offset}");
        let refused = tx.stager().stage_with(at(&pool, offset), block).unwrap_err();
        assert_eq!(refused.why, Reason::Headroom, "{offset}");
    }
    assert_eq!((tx.pending(), tx.counters().refused, pool.free()), (0, 8, 32));
    for offset in [8, 32, 40] {
        tx.stage_with(at(&pool, offset), block).unwrap();
    }
    assert_eq!(tx.commit(), 3);
    let flags = TxFlags::R | TxFlags::L | TxFlags::TOE;
    for n in 0..3 {
        assert_eq!(tx_flags(&view, n).difference(TxFlags::I), flags);
        assert_eq!(view.bd(n).control().len(), 8 + 60);
    }
}

#[test]
fn a_frame_with_a_block_is_sent_whether_or_not_the_device_leaves_its_flag() {
    let (mut arena, pool) = memory();
    let (mut tx, view, _bell) = tx(&mut arena, 4);
    for _ in 0..3 {
        tx.stage_with(at(&pool, 64), TxFcb::NONE.tag(5)).unwrap();
    }
    tx.commit();
    // HW 4.2: the flag and UN are one bit. No frame teaches a small image how to read it.
    close(&view, 0, TxFlags::empty());
    view.bd(1).set_control(Control::tx(TxFlags::L, 68));
    close(&view, 2, TxFlags::LC);
    for _ in 0..3 {
        assert_eq!(&*tx.reap().expect("a frame"), &[7; 60]);
    }
    let c = *tx.counters();
    assert_eq!((c.frames, c.bytes, c.underruns, c.late_collisions), (2, 120, 0, 1));
    // What is taken out unsent has its block no longer, either.
    tx.stage_with(at(&pool, 64), TxFcb::NONE.tag(5)).unwrap();
    tx.commit();
    view.set_live(false);
    assert_eq!(&*tx.drain().expect("the fourth"), &[7; 60]);
    assert!(tx.drain().is_none());
    assert_eq!((tx_flags(&view, 3), pool.free()), (TxFlags::W, 32));
}

#[test]
fn a_stamp_would_take_a_second_descriptor_and_is_refused() {
    let (mut arena, pool) = memory();
    let (mut tx, _view, _bell) = tx(&mut arena, 4);
    let refused = tx.stage_stamped(at(&pool, 64)).unwrap_err();
    assert_eq!(refused.why, Reason::NotPermitted);
    let config = ClockConfig::new(ClockSource::System, 400_000_000);
    let clock = PtpClock::start(Timer::default(), config, None, &mut NoTime).unwrap();
    tx.permit_stamps(Some(&clock));
    let mut refused = tx.stage_stamped(at(&pool, 64)).unwrap_err();
    assert_eq!((refused.why, &*refused.buf), (Reason::Headroom, &[7; 60][..]));
    assert_eq!(refused.buf.take_sent_stamp(), None);
    assert_eq!((tx.pending(), tx.counters().refused), (0, 2));
    // Nor is anything of it left where a stamp would be.
    tx.stage(refused.buf).unwrap();
    assert_eq!(tx.commit(), 1);
}
