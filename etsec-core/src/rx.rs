//! A receive queue: take frames, refill buffers, commit them (HW 4.3, 4.4).
//!
//! It moves buffers and rings a [`Doorbell`]; it reads no register and knows no controller. What
//! the device wrote is checked before it is used.

#[cfg(feature = "adopt")]
mod adopt;
mod burst;
mod lossless;
mod stored;

use core::fmt;

pub use self::burst::{Arrived, Refiller};
pub use self::stored::RxMeta;
pub(crate) use self::stored::{FCS, RxLimits};
use crate::bd::{Control, RxFlags};
use crate::buf::{Buf, MAX_CHAIN, Packed};
use crate::bus::Doorbell;
use crate::fcb::RxFcb;
use crate::pool::Pool;
use crate::ring::{Question, RingMemory};
pub use crate::rx_counters::RxCounters;
use crate::rx_frame::{Assembly, Outcome};
use crate::tx::{Reason, Refused};

/// Before any question: no queue stands there.
const NOWHERE: [u32; 2] = [u32::MAX; 2];

/// A descriptor handed to the device: all status cleared (HW 4.3).
const EMPTY: RxFlags = RxFlags::E.union(RxFlags::I);

/// One of a controller's receive rings.
///
/// Descriptors `[head, tail)` hold buffers. The first `ready` of them were seen to be filled, the
/// last `staged` are prepared and not yet the device's.
pub struct RxQueue<D: Doorbell> {
    ring: RingMemory,
    bell: D,
    head: u32,
    tail: u32,
    used: u32,
    ready: u32,
    staged: u32,
    limits: RxLimits,
    /// The kind of buffers last found fit; 0: none. Not their pool: another may come to lie where
    /// it was.
    known: u32,
    /// Rings the bell under lossless flow control; returns the count it is given.
    told: Option<fn(&RxQueue<D>, usize) -> usize>,
    assembly: Assembly,
    /// A frame just put together, on its way to the caller: so that those that come in one buffer
    /// need no memory on theirs.
    assembled: Option<(Buf, RxMeta)>,
    /// Where the queue stood, and how many frames it had taken, when it asked where to go on.
    asked_at: [u32; 2],
    question: u16,
    number: u8,
    counters: RxCounters,
}

impl<D: Doorbell> RxQueue<D> {
    pub(crate) fn new(ring: RingMemory, bell: D, number: u8, limits: RxLimits) -> Self {
        RxQueue {
            ring,
            bell,
            head: 0,
            tail: 0,
            used: 0,
            ready: 0,
            staged: 0,
            limits,
            known: 0,
            told: None,
            assembly: Assembly::default(),
            assembled: None,
            asked_at: NOWHERE,
            question: 0,
            number,
            counters: RxCounters::default(),
        }
    }

    /// Takes the next frame; `None` if none is complete.
    ///
    /// Broken frames are counted by cause, and their buffers go back into the ring with the next
    /// [`RxQueue::commit`].
    // Always inlined: a frame is then handed over in CPU registers instead of memory.
    #[inline(always)]
    #[allow(
        clippy::should_implement_trait,
        reason = "a queue is no iterator: it can give more after None"
    )]
    pub fn next(&mut self) -> Option<(Buf, RxMeta)> {
        loop {
            if self.ready == 0 && !self.scan() {
                return None;
            }
            let (mut buf, control) = self.pop();
            let (flags, len) = (control.rx_flags(), control.len());
            // One comparison for both ends: what is too short wraps to a large number.
            let payload = u32::from(len).wrapping_sub(self.limits.cut);
            let fits = payload.wrapping_sub(1) < self.limits.most;
            if self.limits.is_whole(control) && fits && self.assembly.is_idle() {
                let meta = self.limits.meta(RxFcb::new(buf.front()), flags);
                buf.describe_behind(self.limits.place, payload);
                self.counters.frames += 1;
                self.counters.bytes += u64::from(payload);
                return Some((buf, meta));
            }
            self.assemble(buf.pack(), flags, len);
            if let Some(frame) = self.take_assembled() {
                return Some(frame);
            }
        }
    }

    /// Puts an empty buffer into the ring, to be the device's with the next [`RxQueue::commit`].
    /// Its contents are lost.
    ///
    /// # Errors
    /// The buffer, with [`Reason::Full`], [`Reason::Chain`], [`Reason::TooSmall`] or
    /// [`Reason::Window`].
    #[inline]
    pub fn refill(&mut self, buf: Buf) -> Result<(), Refused> {
        let room = self.used as usize != self.ring.len();
        if buf.is_chain() || !room || self.known != buf.pool().kind() {
            return self.refill_slowly(buf.pack());
        }
        self.put(buf);
        Ok(())
    }

    /// Refills from a pool until the ring is full or the pool empty; returns how many buffers that
    /// took.
    pub fn fill(&mut self, pool: &Pool) -> usize {
        let before = self.used;
        while self.space() > 0
            && let Some(buf) = pool.alloc()
            && self.refill(buf).is_ok()
        {}
        (self.used - before) as usize
    }

    /// Hands all staged buffers to the device: one register write, which also restarts a ring that
    /// had run dry; two under lossless flow control. Returns how many there were.
    #[inline]
    pub fn commit(&mut self) -> usize {
        if self.staged == 0 {
            return 0;
        }
        let count = self.staged as usize;
        #[cfg(feature = "adopt")]
        self.mark_lent();
        // Pointers before any E.
        if !mutant!("rx-publish-before-empty") {
            self.bell.publish();
        }
        let from = self.ring.back(self.tail, self.staged);
        let (mut first, second) = self.ring.runs(from, self.staged);
        if first.len() == self.ring.len() - from as usize
            && let Some((last, others)) = first.split_last()
        {
            let wrap = if mutant!("rx-wrap-lost") { RxFlags::empty() } else { RxFlags::W };
            last.set_control(Control::rx(EMPTY.union(wrap)));
            first = others;
        }
        first.iter().for_each(|bd| bd.set_control(Control::rx(EMPTY)));
        second.iter().for_each(|bd| bd.set_control(Control::rx(EMPTY)));
        self.bell.publish();
        self.staged = 0;
        // HW 8.6 BSY: refill first, then clear QHLT, halted or not.
        if let Some(ring) = self.told {
            return ring(self, count);
        }
        self.bell.ring();
        count
    }

    /// Takes back any buffer, filled or not, once the device has stopped; `None` while it runs and
    /// when none is left.
    ///
    /// Go on to the end, or the device will wait, after the next start, at descriptors that are
    /// empty.
    pub fn drain(&mut self) -> Option<Buf> {
        // A start in another thread, meanwhile, would lend the device a buffer that is no longer
        // here.
        if !self.ring.hold() {
            return None;
        }
        let buf = self.take_out();
        self.ring.let_go();
        buf
    }

    /// As [`RxQueue::drain`], of a ring that is held.
    fn take_out(&mut self) -> Option<Buf> {
        self.ready = 0;
        if let Some(open) = self.assembly.discard() {
            return Some(open);
        }
        if self.used == 0 {
            self.head = self.ring.position();
            self.tail = self.head;
            self.ring.mark(self.head, 0);
            return None;
        }
        // E must not outlive the buffer: after the next start the device would write to where it
        // was.
        self.ring.bd(self.head).clear(self.ring.is_last(self.head));
        let (mut buf, _) = self.pop();
        self.ready = 0;
        self.staged = self.staged.min(self.used);
        buf.reset();
        Some(buf)
    }

    /// The ring's number at its controller.
    #[must_use]
    pub fn number(&self) -> usize {
        usize::from(self.number)
    }

    /// How many more buffers fit.
    #[inline]
    #[must_use]
    pub fn space(&self) -> usize {
        self.ring.len() - self.used as usize
    }

    /// How many buffers the ring holds, staged ones included.
    #[inline]
    #[must_use]
    pub fn pending(&self) -> usize {
        self.used as usize
    }

    /// Whether the port was to verify all checksums when the queue was made. What was verified of a
    /// frame is in its [`RxMeta`].
    #[must_use]
    pub fn verifies(&self) -> bool {
        self.limits.verifies()
    }

    /// Whether [`RxQueue::next`] may find something, by one look at memory: for who is about to
    /// sleep. It may be broken, or a part of a frame.
    #[inline]
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        self.ready != 0 || self.used != self.staged && !self.ring.bd(self.head).is_owned()
    }

    /// What the queue has done so far.
    #[must_use]
    pub fn counters(&self) -> &RxCounters {
        &self.counters
    }

    /// How many descriptors the device has filled, as far as one look finds them: up to the ring's
    /// end, and, where the ring can be taken over (feature `adopt`), 32. What a look before has
    /// found comes first. Whoever takes that many, and hands them on before the next look, never
    /// has more in his hands.
    pub fn look(&mut self) -> usize {
        if self.ready == 0 {
            self.scan();
        }
        self.ready as usize
    }

    /// Looks how many descriptors the device has filled, and orders them before the bytes they
    /// cover.
    // Once a burst, so a call costs little and keeps `next` small.
    #[inline(never)]
    fn scan(&mut self) -> bool {
        // Up to the ring's end; what lies beyond it is found by the next scan.
        let lent = self.used - self.staged;
        #[cfg(feature = "adopt")]
        let lent = lent.min(adopt::CLAIM);
        let lent = self.ring.run(self.head, lent);
        let ready = lent.iter().take_while(|bd| !bd.is_owned()).count() as u32;
        if ready == 0 {
            if self.ring.is_suspect() {
                self.mend();
            }
            return false;
        }
        self.ready = ready;
        // Before any of them is handed out: who takes the ring over does not deliver it again.
        #[cfg(feature = "adopt")]
        self.mark_taken();
        if !mutant!("rx-observe") {
            self.bell.observe();
        }
        true
    }

    /// Moves the buffer at the head out of the ring.
    #[inline(always)]
    fn pop(&mut self) -> (Buf, Control) {
        let bd = self.ring.bd(self.head);
        let control = bd.control();
        // SAFETY: the callers saw that `used` is not 0, so the slot at `head` is filled.
        let buf = unsafe { self.ring.slot(self.head).take() };
        self.head = self.ring.next(self.head);
        self.used -= 1;
        self.ready = self.ready.wrapping_sub(1);
        (buf, control)
    }

    /// Puts an empty buffer behind the others.
    #[inline(always)]
    fn put(&mut self, mut buf: Buf) {
        buf.reset();
        self.ring.bd(self.tail).set_pointer(buf.bus_low());
        let slot = if mutant!("rx-wrong-slot") { self.ring.next(self.tail) } else { self.tail };
        self.ring.slot(slot).put(buf);
        self.tail = self.ring.next(self.tail);
        self.used += 1;
        self.staged += 1;
    }

    /// A buffer of a kind not seen before, or one that cannot be taken.
    #[cold]
    #[inline(never)]
    fn refill_slowly(&mut self, buf: Packed) -> Result<(), Refused> {
        let buf = buf.unpack();
        let why = if self.used as usize == self.ring.len() {
            Reason::Full
        } else if buf.is_chain() {
            Reason::Chain
        } else if buf.pool().window() != self.limits.window {
            Reason::Window
        } else if buf.pool().size() < usize::from(self.limits.mrblr) {
            Reason::TooSmall
        } else {
            self.known = buf.pool().kind();
            return self.refill(buf);
        };
        Err(Refused { buf, why })
    }

    /// A frame in several buffers, or a broken one. If it is complete, it is `assembled`.
    #[inline(never)]
    fn assemble(&mut self, buf: Packed, flags: RxFlags, len: u16) {
        // Not every descriptor taken is a frame counted.
        self.asked_at = NOWHERE;
        if MAX_CHAIN > 1
            && flags.contains(RxFlags::F)
            && !mutant!("rx-open-frame-kept")
            && let Some(open) = self.assembly.discard()
        {
            // HW 4.4: an overrun can lose the last descriptor of the frame before.
            self.counters.incomplete += 1;
            self.recycle(open);
        }
        match self.assembly.add(buf.unpack(), flags, len, &self.limits) {
            Outcome::Frame(frame, meta) => {
                self.counters.frames += 1;
                self.counters.bytes += frame.total_len() as u64;
                self.assembled = Some((frame, meta));
            }
            Outcome::Waiting => {}
            Outcome::Broken(buf, cause) => {
                if let Some(cause) = cause {
                    *self.counters.of(cause) += 1;
                }
                self.recycle(buf);
                if let Some(open) = self.assembly.take_open() {
                    self.recycle(open);
                }
            }
        }
    }

    /// The frame that was just put together, if one was.
    #[inline(always)]
    fn take_assembled(&mut self) -> Option<(Buf, RxMeta)> {
        if MAX_CHAIN > 1 { self.assembled.take() } else { None }
    }

    /// Puts the buffers of a broken frame back into the ring, where there is room: it just left.
    fn recycle(&mut self, mut buf: Buf) {
        if mutant!("rx-leak-on-error") {
            return core::mem::forget(buf);
        }
        loop {
            let rest = buf.split();
            // If a caller refilled in the meantime, the ring may be full: then the buffer goes
            // home.
            drop(self.refill(buf));
            let Some(next) = rest else { return };
            buf = next;
        }
    }

    /// Agrees with the hardware on the next descriptor, after a halt that may have moved it (HW 8.6
    /// BSY, 15.3).
    ///
    /// Only a full ring with nothing filled at the head can be turned: there the turn changes
    /// names, not contents. The device side is asked where to go on, and its answer used only if no
    /// frame came between question and answer.
    #[cold]
    fn mend(&mut self) {
        // What may be missing are the buffers of a frame that has begun: they come back into the
        // ring before the turn.
        let missing = self.space() as u32;
        let known = missing == 0 || (missing == self.assembly.held() && self.head != 0xFFFF);
        if !known || self.staged != 0 {
            return;
        }
        let here = [self.head, self.counters.frames as u32];
        if self.asked_at != here {
            self.asked_at = here;
            self.question = self.question.checked_add(1).unwrap_or(1);
            let question = Question::new(self.question);
            self.ring.ask(if missing > 0 { question.standing_at(self.head) } else { question });
            return;
        }
        let Some(first) = self.ring.answer(self.question) else { return };
        self.asked_at = NOWHERE;
        self.ring.settle();
        if first != self.head && self.ring.bd(self.head).is_owned() && self.is_full_again() {
            self.head = first;
            self.tail = first;
            self.ring.mark(first, self.used);
            self.counters.resyncs += 1;
        }
    }

    /// Gives up the frame that has begun, if its buffers are missing in the ring: the hardware has
    /// left the descriptor where it would go on. They are the device's again. Returns whether the
    /// ring is full.
    fn is_full_again(&mut self) -> bool {
        if MAX_CHAIN > 1
            && self.space() > 0
            && let Some(open) = self.assembly.discard()
        {
            self.counters.incomplete += 1;
            self.recycle(open);
            self.commit();
        }
        self.used as usize == self.ring.len()
    }
}

impl<D: Doorbell> Drop for RxQueue<D> {
    fn drop(&mut self) {
        // While the device runs, its buffers stay where they are: lost to the pool, and never given
        // to anybody else.
        while self.drain().is_some() {}
    }
}

impl<D: Doorbell> fmt::Debug for RxQueue<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RxQueue")
            .field("number", &self.number)
            .field("len", &self.ring.len())
            .field("used", &self.used)
            .field("staged", &self.staged)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}
