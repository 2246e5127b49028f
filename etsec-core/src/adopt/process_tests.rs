//! Processes one after the other: what one has left in rings and pool, against descriptors that the
//! test writes as the device would. No register is in it: where the hardware stands is said.

use core::mem::forget;
use core::ptr::NonNull;
use std::rc::Rc;
use std::vec::Vec;

use embedded_hal::delay::DelayNs;

use super::RingFault;
use crate::addr::{AddressFilter, MacAddr};
use crate::arena::{Adopted, Arena};
use crate::bd::{Control, RxFlags, TxFlags};
use crate::bus::Doorbell;
use crate::config::Config;
use crate::dma::{BusAddr, Region};
use crate::fcb::TxFcb;
use crate::pool::Pool;
use crate::ring::{Question, RingMemory, RingView};
use crate::rx::{RxLimits, RxQueue};
use crate::rx_form::RxForm;
use crate::testing::Heap;
use crate::tx::{Offload, TxLimits, TxQueue};

/// Memory that outlives who uses it.
#[derive(Clone)]
struct File(Rc<Heap>);

// SAFETY: that of the heap, which lives as long as one of its handles. They are used one after the
// other.
unsafe impl Region for File {
    fn cpu(&self) -> NonNull<u8> {
        self.0.cpu()
    }
    fn bus(&self) -> BusAddr {
        self.0.bus()
    }
    fn len(&self) -> usize {
        self.0.len()
    }
}

struct Bell;

impl Doorbell for Bell {
    fn publish(&self) {}
    fn observe(&self) {}
    fn ring(&self) {}
}

struct AtOnce;

impl DelayNs for AtOnce {
    fn delay_ns(&mut self, _: u32) {}
}

/// What a process works with.
struct Process {
    arena: Arena<File>,
    pool: Pool,
    rx: RxQueue<Bell>,
    tx: TxQueue<Bell>,
    /// The device's side of both rings.
    views: [RingView; 2],
}

const BUFFERS: usize = 24;
const RX: usize = 4;
const TX: usize = 8;

fn rx_queue(ring: RingMemory) -> RxQueue<Bell> {
    let filter = AddressFilter::new(MacAddr([2, 0, 0, 0, 0, 1])).unwrap();
    let config = Config { buffer_size: 128, ..Config::new(filter) };
    RxQueue::new(ring, Bell, 0, RxLimits::new(&config, RxForm::default(), 1))
}

fn tx_queue(ring: RingMemory) -> TxQueue<Bell> {
    TxQueue::new(ring, Bell, 0, TxLimits { frame: 300, window: 1 }, Offload::new(200))
}

impl Process {
    fn first(file: &File) -> Process {
        let mut arena = Arena::new(file.clone()).map_err(|(_, e)| e).unwrap();
        let (rx, tx) = (arena.ring(RX).unwrap(), arena.ring(TX).unwrap());
        rx.set_role(0);
        tx.set_role(8);
        let views = [rx.view(), tx.view()];
        views.iter().for_each(|view| view.set_live(true));
        let pool = arena.pool(BUFFERS, 128).unwrap();
        let (mut rx, tx) = (rx_queue(rx), tx_queue(tx));
        rx.fill(&pool);
        rx.commit();
        Process { arena, pool, rx, tx, views }
    }

    /// It dies, and another finds what it had; rings are not taken over yet.
    fn next(self, file: &File) -> Process {
        forget(self);
        // SAFETY: whoever had it is forgotten.
        let left = unsafe { Arena::adopt(file.clone()) }.map_err(|(_, e)| e).unwrap();
        let Adopted { arena, pool, rings, counters } = left;
        assert!(counters.is_none());
        let mut rings: Vec<_> = rings.into_iter().map(|ring| (ring.role, ring.memory)).collect();
        rings.sort_by_key(|(role, _)| *role);
        let [(0, rx), (8, tx)] = <[_; 2]>::try_from(rings).unwrap() else { panic!("other rings") };
        let views = [rx.view(), tx.view()];
        Process { arena, pool, rx: rx_queue(rx), tx: tx_queue(tx), views }
    }

    /// Takes the rings over, the hardware standing at these descriptors.
    fn adopt(&mut self, at: [u32; 2]) -> [Result<u32, RingFault>; 2] {
        let pools = [&self.pool];
        let rx = self.rx.adopt(&pools, &|| Some(at[0]), &mut AtOnce);
        let tx = self.tx.adopt(&pools, &|| Some(at[1]), &mut AtOnce);
        self.pool.reclaim();
        [rx, tx]
    }

    fn stage(&mut self, len: usize) {
        self.tx.stage(self.pool.frame(&[7; 300][..len]).unwrap()).unwrap();
    }

    /// The device closes transmit descriptors.
    fn close(&self, which: core::ops::Range<u32>) {
        for at in which {
            let bd = self.views[1].bd(at);
            // HW 15.3: what asked for something is cleared as well.
            let flags = bd.control().tx_flags() - TxFlags::R - TxFlags::TOE;
            bd.set_control(Control::tx(flags, bd.control().len()));
        }
    }

    /// The device fills a receive descriptor.
    fn fill(&self, at: u32, flags: RxFlags, len: u16) {
        let bd = self.views[0].bd(at);
        assert!(bd.is_owned(), "descriptor {at} is not the device's");
        let kept = bd.control().rx_flags() & RxFlags::W;
        bd.set_control(Control::tx(TxFlags::from_bits_retain((flags | kept).bits()), len));
    }

    fn owned(&self, side: usize) -> Vec<u32> {
        let view = &self.views[side];
        (0..view.len()).filter(|at| view.bd(*at).is_owned()).collect()
    }

    /// Ends in order: nothing is missing.
    fn end(mut self) {
        self.views.iter().for_each(|view| view.set_live(false));
        while self.rx.drain().is_some() {}
        while self.tx.drain().is_some() {}
        assert_eq!(self.pool.free(), BUFFERS);
        drop((self.rx, self.tx, self.pool, self.views));
        assert!(self.arena.retire().is_ok(), "somebody still holds memory");
    }
}

fn file() -> File {
    File(Rc::new(Heap::new(1 << 14).0))
}

const WHOLE: RxFlags = RxFlags::F.union(RxFlags::L);

#[test]
fn a_frame_is_where_it_was_and_buffers_in_hand_are_free() {
    let file = file();
    let mut old = Process::first(&file);
    (0..2).for_each(|at| old.fill(at, WHOLE, 64));
    // It has seen two, and taken one; and has one to send, one that is long, one with a block.
    forget(old.rx.next().unwrap());
    old.stage(60);
    old.stage(if cfg!(feature = "scatter") { 300 } else { 100 });
    let mut odd = old.pool.frame(&[7; 64]).unwrap();
    odd.trim_front(3);
    let block = old.tx.stage_with(odd, TxFcb::ipv4(14, 20)).is_ok();
    old.tx.commit();
    old.close(0..1);
    old.fill(2, WHOLE, 64);
    let staged = if cfg!(feature = "scatter") { 6 } else { 2 };
    assert_eq!((block, old.tx.pending()), (cfg!(feature = "scatter"), staged));
    let mut new = old.next(&file);
    assert_eq!(new.adopt([3, 1]), [Ok(1), Ok(staged as u32 - 1)]);
    assert_eq!(new.rx.next().unwrap().0.len(), 60);
    assert!(new.rx.next().is_none());
    new.close(1..staged as u32);
    let sent: Vec<_> = core::iter::from_fn(|| new.tx.reap()).map(|buf| buf.total_len()).collect();
    assert_eq!(sent, if cfg!(feature = "scatter") { &[300, 61][..] } else { &[100] });
    new.end();
}

#[test]
fn a_burst_behind_frames_in_flight_is_handed_over_to_its_end() {
    for given in 1..=3 {
        let file = file();
        let mut old = Process::first(&file);
        (0..2).for_each(|_| old.stage(60));
        old.tx.commit();
        (0..3).for_each(|_| old.stage(60));
        old.tx.commit();
        // R is set from the last one back to the first.
        old.close(2..5 - given);
        let mut new = old.next(&file);
        assert_eq!(new.adopt([0, 0])[1], Ok(5), "{given}");
        assert_eq!(new.owned(1), [0, 1, 2, 3, 4], "{given}");
        new.end();
    }
}

#[cfg(feature = "scatter")]
#[test]
fn a_block_of_its_own_is_found_though_it_was_closed_meanwhile() {
    let file = file();
    let mut old = Process::first(&file);
    let mut odd = old.pool.frame(&[7; 64]).unwrap();
    odd.trim_front(3);
    old.tx.stage_with(odd, TxFcb::ipv4(14, 20)).unwrap();
    old.tx.commit();
    let block = old.views[1].bd(0);
    block.set_control(Control::tx(TxFlags::R, block.control().len()));
    let mut new = old.next(&file);
    assert_eq!(new.adopt([0, 0])[1], Ok(2));
    new.close(0..2);
    assert_eq!(new.tx.reap().unwrap().len(), 61);
    new.end();
}

#[test]
fn gaps_that_no_process_leaves_are_refused() {
    let file = file();
    let mut old = Process::first(&file);
    (0..5).for_each(|_| old.stage(60));
    old.tx.commit();
    old.close(1..2);
    old.close(3..4);
    let mut new = old.next(&file);
    assert_eq!(new.adopt([0, 0])[1], Err(RingFault::Mark));
    new.end();
}

#[test]
fn the_rest_of_a_frame_is_no_frame() {
    let file = file();
    let mut old = Process::first(&file);
    // The last buffer's own length, as QEMU's model has it (HW 15.3): no length tells.
    old.fill(0, RxFlags::F, 128);
    assert!(old.rx.next().is_none());
    old.fill(1, RxFlags::L, 50);
    old.fill(2, WHOLE, 64);
    let mut new = old.next(&file);
    assert_eq!(new.adopt([3, 0])[0], Ok(2));
    let frames: Vec<_> = core::iter::from_fn(|| new.rx.next()).map(|(buf, _)| buf.len()).collect();
    assert_eq!(frames, [60]);
    let counters = new.rx.counters();
    assert_eq!((counters.incomplete, counters.errors(), counters.frames), (1, 1, 1));
    new.end();
}

#[test]
fn what_the_dead_process_was_answered_is_no_answer_to_another() {
    let file = file();
    let old = Process::first(&file);
    let view = &old.views[0];
    view.suspect();
    // The ring's own side is with the queue.
    old.rx.memory().ask(Question::new(1));
    view.answer(Question::new(1), 2);
    assert_eq!(old.rx.memory().answer(1), Some(2));
    old.rx.memory().ask(Question::new(2));
    let mut new = old.next(&file);
    assert_eq!(new.adopt([0, 0])[0], Ok(0));
    let ring = new.rx.memory();
    assert_eq!((ring.is_suspect(), ring.answer(1), new.views[0].question()), (false, None, None));
    assert!(ring.is_live());
    new.end();
}

#[test]
fn a_ring_that_was_held_is_not_any_more() {
    let file = file();
    let old = Process::first(&file);
    old.views[0].set_live(false);
    assert!(old.rx.memory().hold());
    let new = old.next(&file);
    assert!(new.views[0].claim());
    let mut new = new;
    assert_eq!(new.adopt([0, 0])[0], Ok(0));
    new.end();
}
