//! A descriptor ring in DMA memory: descriptors, the buffers lent with them, and the words its
//! device side shares.
//!
//! A ring moves memory and knows no register. Transmit and receive rules are in `tx` and `rx`; the
//! device sees a ring through a `RingView`.
//!
//! | in the region | size |
//! |---|---|
//! | control block | 64 |
//! | descriptors | 8 each |
//! | slots: the buffer behind each descriptor | 12 each, 16 on a 64-bit CPU |

mod left;

use core::fmt;
use core::ptr::NonNull;
use core::slice;

use crate::arena::{ArenaHeader, Handle, LINE, Place};
use crate::bd::Bd;
use crate::buf::{Packed, Slot};
use crate::dma::BusAddr;
use crate::word::Word;

/// The device prefetches descriptors (HW 4.4).
pub(crate) const MIN_LEN: usize = 4;
pub(crate) const MAX_LEN: usize = 0x1_0000;

/// What a queue and its device share, in whatever threads they are: words, and what is known of the
/// ring since it was carved. The descriptors follow it.
#[repr(C, align(64))]
struct Control {
    /// Where the device finds the first descriptor.
    bus: BusAddr,
    /// How many descriptors there are.
    len: u32,
    /// The region all of it lies in.
    arena: NonNull<ArenaHeader>,
    /// [`IDLE`], [`LIVE`] or [`HELD`].
    state: Word,
    /// 1 when the device side suspects that hardware and queue disagree on the next descriptor.
    suspect: Word,
    /// The [`Question`] where to go on that a stuck queue has asked; 0: none.
    asked: Word,
    /// The answer: the question's number in the high half, where to go on in the low; 0: none.
    answer: Word,
    /// The hardware's position, while not live.
    position: Word,
    #[cfg(feature = "adopt")]
    left: left::Left,
}

/// The device does not touch the ring.
const IDLE: u32 = 0;
/// The device may touch descriptors and buffers.
const LIVE: u32 = 1;
/// The queue is taking a buffer out of the ring, which must not be started meanwhile.
const HELD: u32 = 2;

/// A queue's question where to go on: its number, which is not 0, in the low half; in the high one,
/// counted from 1, where a queue stands whose ring is not full, else 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Question(u32);

impl Question {
    /// Of a full ring.
    pub(crate) fn new(number: u16) -> Self {
        Question(number.into())
    }

    /// Of a ring that is filled from `head` on, but not all around. `head` is not the last
    /// descriptor of the longest ring, which cannot be said.
    pub(crate) fn standing_at(self, head: u32) -> Self {
        debug_assert!(head < 0xFFFF);
        Question(self.0 | (head + 1) << 16)
    }

    /// Where the queue stands, if its ring is not full.
    pub(crate) fn head(self) -> Option<u32> {
        (self.0 >> 16).checked_sub(1)
    }
}

/// Memory for one ring, as [`Arena::ring`](crate::arena::Arena::ring) carved it.
pub struct RingMemory {
    len: u32,
    slots: NonNull<Packed>,
    bds: NonNull<Bd>,
}

// SAFETY: the shared words and descriptors are atomics; slots are used by the one owner of this
// value.
unsafe impl Send for RingMemory {}

impl RingMemory {
    /// # Safety
    /// `place` is [`bytes`]`(len)` long, cache-line aligned, used by nobody else, and lies in the
    /// region of `arena`, which is mapped.
    pub(crate) unsafe fn build(arena: NonNull<ArenaHeader>, place: &Place, len: usize) -> Self {
        let fresh = Control {
            bus: place.bus.inside(bds_at()),
            len: len as u32,
            arena,
            state: Word::new(IDLE),
            suspect: Word::new(0),
            asked: Word::new(0),
            answer: Word::new(0),
            position: Word::new(0),
            #[cfg(feature = "adopt")]
            left: left::Left::default(),
        };
        // SAFETY: `place` has room for the three parts, as counted by `bytes`, in a mapped region.
        let (bds, slots) = unsafe {
            Handle::take(arena);
            place.cpu.cast::<Control>().write(fresh);
            let bds = place.cpu.add(bds_at()).cast::<Bd>();
            for i in 0..len {
                bds.add(i).write(Bd::new(i + 1 == len));
            }
            (bds, place.cpu.add(slots_at(len)).cast())
        };
        RingMemory { bds, slots, len: len as u32 }
    }

    /// How many descriptors the ring has.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a ring has at least four descriptors")]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Where the device finds the first descriptor.
    #[must_use]
    pub fn bus(&self) -> BusAddr {
        self.control().bus
    }

    /// The device's side of this ring.
    pub(crate) fn view(&self) -> RingView {
        // SAFETY: our own handle keeps the region mapped.
        unsafe { Handle::take(self.control().arena) };
        // Not by way of the reference: a view reaches the descriptors behind the block, too.
        RingView(self.control_place())
    }

    /// Whether `at` is the ring's last descriptor, the one with W.
    #[inline(always)]
    pub(crate) fn is_last(&self, at: u32) -> bool {
        at + 1 == self.len
    }

    /// The descriptor after `at`.
    #[inline(always)]
    pub(crate) fn next(&self, at: u32) -> u32 {
        let next = at + 1;
        if next == self.len { 0 } else { next }
    }

    /// The descriptor `by` behind `at`; both less than the ring's length.
    #[inline(always)]
    pub(crate) fn back(&self, at: u32, by: u32) -> u32 {
        if at >= by { at - by } else { at + self.len - by }
    }

    /// Where the device finds descriptor `at`.
    pub(crate) fn bd_bus(&self, at: u32) -> BusAddr {
        debug_assert!(at < self.len);
        self.bus().inside(at as usize * size_of::<Bd>())
    }

    #[inline(always)]
    pub(crate) fn bd(&self, at: u32) -> &Bd {
        debug_assert!(at < self.len);
        // SAFETY: every index of a queue is less than `len`, and the descriptors live as long as
        // our handle.
        unsafe { self.bds.add(at as usize).as_ref() }
    }

    /// The descriptors from `from` to the ring's end, at most `count`.
    #[inline(always)]
    pub(crate) fn run(&self, from: u32, count: u32) -> &[Bd] {
        debug_assert!(from < self.len);
        let count = count.min(self.len - from) as usize;
        // SAFETY: as in `bd`; the run ends with the ring at the latest.
        unsafe { slice::from_raw_parts(self.bds.add(from as usize).as_ptr(), count) }
    }

    /// The `count` descriptors from `from`, at most the whole ring, as the run to its end and the
    /// run from its start.
    #[inline(always)]
    pub(crate) fn runs(&self, from: u32, count: u32) -> (&[Bd], &[Bd]) {
        let first = self.run(from, count);
        (first, self.run(0, count - first.len() as u32))
    }

    /// The place of the buffer behind a descriptor.
    #[inline(always)]
    pub(crate) fn slot(&self, at: u32) -> Slot {
        debug_assert!(at < self.len);
        // SAFETY: as in `bd`; only the queue that owns this memory uses its slots.
        unsafe { Slot::new(self.slots.add(at as usize)) }
    }

    /// A walk along the `count` places from `from`, or those up to the ring's end.
    #[inline(always)]
    pub(crate) fn walk(&self, from: u32, count: u32) -> Walk {
        debug_assert!(from < self.len);
        let left = count.min(self.len - from);
        // SAFETY: `from` is less than `len`, so both places exist.
        let (bd, slot) = unsafe { (self.bds.add(from as usize), self.slots.add(from as usize)) };
        Walk { bd, slot, left }
    }

    #[inline(always)]
    fn control(&self) -> &Control {
        // SAFETY: `build` wrote it there; it lives as long as our handle.
        unsafe { self.control_place().as_ref() }
    }

    #[inline(always)]
    fn control_place(&self) -> NonNull<Control> {
        // SAFETY: `build` put it in front of the descriptors, in the same region.
        unsafe { self.bds.cast::<Control>().sub(1) }
    }

    /// Whether the device may touch the ring at this moment.
    pub(crate) fn is_live(&self) -> bool {
        self.control().state.acquire() == LIVE
    }

    /// Keeps the ring from being started until [`RingMemory::let_go`]; false if it is live.
    #[must_use]
    pub(crate) fn hold(&self) -> bool {
        self.control().state.replace(IDLE, HELD)
    }

    /// Ends a hold.
    pub(crate) fn let_go(&self) {
        self.control().state.release(IDLE);
    }

    /// The hardware's position while the ring is not live.
    pub(crate) fn position(&self) -> u32 {
        self.control().position.load()
    }

    /// Whether the device side suspects a disagreement on positions.
    pub(crate) fn is_suspect(&self) -> bool {
        self.control().suspect.load() != 0
    }

    /// Asks the device side where to go on.
    pub(crate) fn ask(&self, question: Question) {
        self.control().asked.release(question.0);
    }

    /// Where to go on, once the device side has answered question `number`.
    pub(crate) fn answer(&self, number: u16) -> Option<u32> {
        let answer = self.control().answer.acquire();
        let at = answer & 0xFFFF;
        (answer >> 16 == number.into() && at < self.len).then_some(at)
    }

    /// Ends a suspicion whose question was answered.
    pub(crate) fn settle(&self) {
        self.control().suspect.store(0);
    }
}

impl Drop for RingMemory {
    fn drop(&mut self) {
        // While the device may still write here, the region must stay mapped.
        if !self.is_live() {
            // SAFETY: this was taken by `build`, and nothing of the ring is used after it.
            unsafe { Handle::release(self.control().arena) };
        }
    }
}

impl fmt::Debug for RingMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingMemory").field("bus", &self.bus()).field("len", &self.len).finish()
    }
}

/// Neighbouring places of a ring, walked from the first to the last. It is all that a burst needs
/// to know of the ring, so that it stays in CPU registers; its user holds the ring while there is
/// one.
pub(crate) struct Walk {
    bd: NonNull<Bd>,
    slot: NonNull<Packed>,
    left: u32,
}

impl Walk {
    /// How many places are left, the present one included.
    #[inline(always)]
    pub(crate) fn left(&self) -> u32 {
        self.left
    }

    /// Ends here.
    #[inline(always)]
    pub(crate) fn end(&mut self) {
        self.left = 0;
    }

    /// The present descriptor, if any is left.
    #[inline(always)]
    pub(crate) fn bd(&self) -> &Bd {
        debug_assert!(self.left > 0);
        // SAFETY: one place at least is left, and the ring that it is in is held.
        unsafe { self.bd.as_ref() }
    }

    /// The place of the buffer behind it.
    #[inline(always)]
    pub(crate) fn slot(&self) -> Slot {
        debug_assert!(self.left > 0);
        // SAFETY: as in `bd`; only the queue that holds the ring uses its slots.
        unsafe { Slot::new(self.slot) }
    }

    /// Goes on to the next place.
    #[inline(always)]
    pub(crate) fn step(&mut self) {
        debug_assert!(self.left > 0);
        // SAFETY: one place at least was left, so the next one is in the ring or at its end.
        unsafe {
            self.bd = self.bd.add(1);
            self.slot = self.slot.add(1);
        }
        self.left -= 1;
    }
}

/// The device's side of a ring: where it is, and the words shared with its queue.
pub(crate) struct RingView(NonNull<Control>);

// SAFETY: a view reaches constants and atomics only.
unsafe impl Send for RingView {}

impl RingView {
    /// Whether it is the view of this very ring.
    pub(crate) fn is_of(&self, ring: &RingMemory) -> bool {
        core::ptr::eq(self.control(), ring.control())
    }

    fn control(&self) -> &Control {
        // SAFETY: written by `RingMemory::build`, lives as long as our handle.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn bd(&self, at: u32) -> &Bd {
        // SAFETY: the remainder is less than `len`; the descriptors, behind the control block, live
        // as long as our handle.
        unsafe { self.0.add(1).cast::<Bd>().add((at % self.len()) as usize).as_ref() }
    }

    pub(crate) fn len(&self) -> u32 {
        self.control().len
    }

    pub(crate) fn bus(&self) -> BusAddr {
        self.control().bus
    }

    /// The low half of the address of descriptor `at`.
    pub(crate) fn bd_low(&self, at: u32) -> u32 {
        debug_assert!(at < self.len());
        self.bus().low().wrapping_add(8 * at)
    }

    /// The descriptor that a pointer register points to; `None` if it is none of this ring (HW
    /// 3.21).
    pub(crate) fn index_of(&self, low: u32) -> Option<u32> {
        let from = low.wrapping_sub(self.bus().low());
        (from.is_multiple_of(8) && from / 8 < self.len()).then_some(from / 8)
    }

    /// Makes a ring that the device does not touch the device's; false, and nothing done, while its
    /// queue holds it.
    #[must_use]
    pub(crate) fn claim(&self) -> bool {
        self.control().state.replace(IDLE, LIVE)
    }

    /// Ends a claim, of a device that has not been started; a queue's hold goes on.
    pub(crate) fn disclaim(&self) {
        self.control().state.replace(LIVE, IDLE);
    }

    /// Only for a ring that the device side has claimed.
    pub(crate) fn set_live(&self, live: bool) {
        self.control().state.release(if live { LIVE } else { IDLE });
    }

    pub(crate) fn position(&self) -> u32 {
        self.control().position.load()
    }

    pub(crate) fn set_position(&self, at: u32) {
        self.control().position.store(at);
    }

    /// Tells the queue to look whether it and the hardware agree on the next descriptor.
    pub(crate) fn suspect(&self) {
        self.control().suspect.store(1);
    }

    /// The question where to go on that the queue has asked and nobody answered.
    pub(crate) fn question(&self) -> Option<Question> {
        match self.control().asked.acquire() {
            0 => None,
            asked => Some(Question(asked)),
        }
    }

    /// The first descriptor behind `at` that the device owns, all around the ring.
    pub(crate) fn next_owned(&self, at: u32) -> Option<u32> {
        let owned = |n: &u32| self.bd(*n).is_owned();
        (at + 1..self.len()).find(owned).or_else(|| (0..at).find(owned))
    }

    /// Where the queue of a full receive ring is to go on if the hardware goes on at `position`: at
    /// the descriptor that was filled first; at `position` if none is filled. The hardware may have
    /// left out others in between, once for each time it found the ring full. `None` if `position`
    /// itself is filled: what is filled while one looks begins there, and is not the oldest.
    pub(crate) fn first_filled(&self, position: u32, observe: impl Fn()) -> Option<u32> {
        let steps = (0..self.len()).find(|steps| !self.bd(position + steps).is_owned());
        // Whoever has seen a later one has to see `position` filled.
        observe();
        let first = (position + steps.unwrap_or(0)) % self.len();
        self.bd(position).is_owned().then_some(first)
    }

    /// The same for a queue that stands at `head` in a ring that is not full: behind what it has
    /// lent are descriptors that look filled, and are not.
    pub(crate) fn first_between(&self, head: u32, position: u32) -> u32 {
        let passed = (head..head + self.len()).map(|at| at % self.len());
        let mut passed = passed.take_while(|at| *at != position);
        passed.find(|at| !self.bd(*at).is_owned()).unwrap_or(position)
    }

    /// Answers a question from a position read after it was seen.
    pub(crate) fn answer(&self, question: Question, at: u32) {
        let control = self.control();
        // This one, and not another that has been asked in the meantime.
        control.asked.replace(question.0, 0);
        control.answer.release(question.0 << 16 | at & 0xFFFF);
    }
}

impl Drop for RingView {
    fn drop(&mut self) {
        // A device that was left running: its memory must stay mapped.
        if self.control().state.acquire() != LIVE {
            // SAFETY: this was taken by `view`, and nothing of the ring is used after it.
            unsafe { Handle::release(self.control().arena) };
        }
    }
}

impl fmt::Debug for RingView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingView").field("bus", &self.bus()).field("len", &self.len()).finish()
    }
}

const fn bds_at() -> usize {
    size_of::<Control>()
}
const _: () = assert!(size_of::<Control>() == LINE);

const fn slots_at(len: usize) -> usize {
    (bds_at() + len * size_of::<Bd>()).next_multiple_of(LINE)
}

/// Bytes a ring takes; saturates where no region could hold it.
pub(crate) const fn bytes(len: usize) -> usize {
    if len > MAX_LEN {
        return usize::MAX;
    }
    (slots_at(len) + len * size_of::<Packed>()).next_multiple_of(LINE)
}
