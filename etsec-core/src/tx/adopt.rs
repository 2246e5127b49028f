//! Taking a transmit ring over from a process that is no more, while the device goes on sending.
//!
//! What has R is the device's, and its buffers stay where they are. R is set from the last
//! descriptor of a burst back to its first, and the device waits for the first. The mark says which
//! burst that was: so if the first ones of it have no R and all others do, the process has died in
//! between, and it is handed over to its end. Whether a frame without R was sent or never committed
//! makes no difference: it is not sent again.
//!
//! Behind the marked burst nothing was handed over. What has R there the hardware has left behind a
//! lap ago, and its status never came (HW 8.6): that is not sent again either.

use embedded_hal::delay::DelayNs;

use super::TxQueue;
use crate::adopt::RingFault;
use crate::bd::TxFlags;
use crate::buf::Buf;
use crate::bus::Doorbell;
use crate::fcb::TxFcb;
use crate::pool::Pool;
use crate::ring::RingMemory;
use crate::watch::SETTLE_US;

/// How often the hardware may move on while it is looked at.
const LOOKS: u32 = 16;

/// What the device owns, from where it stands on, and what only looks as if it did.
#[derive(Debug, Clone, Copy)]
struct Lent {
    /// Where the hardware stands.
    from: u32,
    /// How many are ready from there on.
    first: u32,
    /// How many behind those are not, up to where the marked burst ends or to others that are.
    gap: u32,
    /// How many of the marked burst are ready behind them.
    second: u32,
    /// How many are ready that were left behind.
    stray: u32,
    /// Whether the gap is none that a process leaves.
    odd: bool,
    /// Whether the first run ends with a frame.
    whole: bool,
}

impl Lent {
    /// How many descriptors the device owns, or is to be given.
    fn count(&self) -> u32 {
        if self.second == 0 { self.first } else { self.first + self.gap + self.second }
    }

    /// Whether one look is enough: nothing is there that the device could just be changing.
    fn is_plain(&self) -> bool {
        self.second == 0 && self.stray == 0 && self.whole
    }
}

impl<D: Doorbell> TxQueue<D> {
    /// Notes which descriptors are about to be handed over, before any of them is.
    #[inline(always)]
    pub(super) fn mark_staged(&self) {
        self.ring.mark(self.ring.back(self.tail, self.staged), self.staged);
    }

    /// For a port that takes a running controller over: the ring in memory.
    pub(crate) fn memory(&self) -> &RingMemory {
        &self.ring
    }

    /// Takes over what is in the ring. `position` asks the hardware where it stands. Returns how
    /// many descriptors the device still owns.
    ///
    /// # Errors
    /// [`RingFault`]: the queue holds what was found until then.
    pub(crate) fn adopt(
        &mut self,
        pools: &[&Pool],
        position: &dyn Fn() -> Option<u32>,
        delay: &mut dyn DelayNs,
    ) -> Result<u32, RingFault> {
        let lent = self.lent(position, delay)?;
        (self.head, self.tail) = (lent.from, lent.from);
        let mut left = lent.count();
        while left > 0 {
            left -= self.take_frame(pools, left)?;
        }
        if lent.stray > 0 {
            self.clear_stray(&lent);
        }
        if lent.second > 0 {
            self.give_gap(&lent);
        }
        self.bell.publish();
        self.bell.ring();
        Ok(lent.count())
    }

    /// Takes R away from what the hardware has left behind, before it comes around to it.
    fn clear_stray(&self, lent: &Lent) {
        for n in lent.count()..self.ring.len() as u32 {
            let at = self.place(lent.from, n);
            if self.ring.bd(at).is_owned() {
                self.ring.bd(at).clear(self.ring.is_last(at));
            }
        }
    }

    /// Hands over the descriptors that the process has not come to. They begin where the device
    /// waits, or will: so the first is the last, as in a commit.
    fn give_gap(&self, lent: &Lent) {
        let give = |n: u32| self.ring.bd(self.place(lent.from, n)).give();
        self.bell.publish();
        (lent.first + 1..lent.first + lent.gap).rev().for_each(give);
        self.bell.publish();
        give(lent.first);
    }

    fn place(&self, from: u32, n: u32) -> u32 {
        (from + n) % self.ring.len() as u32
    }

    /// What the device owns. Anything but a run of whole frames is believed only if it is still
    /// there a moment later: the device may just have closed descriptors, and goes on, or be late
    /// with a status.
    fn lent(
        &self,
        position: &dyn Fn() -> Option<u32>,
        delay: &mut dyn DelayNs,
    ) -> Result<Lent, RingFault> {
        let mut before = self.look(position)?;
        for _ in 0..LOOKS {
            if before.is_plain() {
                return Ok(before);
            }
            delay.delay_us(SETTLE_US);
            let after = self.look(position)?;
            let seen = |lent: &Lent| {
                (self.place(lent.from, lent.first), lent.gap, lent.second, lent.stray, lent.odd)
            };
            if seen(&after) == seen(&before) {
                return if after.odd { Err(RingFault::Mark) } else { Ok(after) };
            }
            before = after;
        }
        Err(RingFault::Position)
    }

    fn look(&self, position: &dyn Fn() -> Option<u32>) -> Result<Lent, RingFault> {
        let (len, (start, count)) = (self.ring.len() as u32, self.ring.marked());
        // A burst that fills a ring of 65,536 its mark cannot tell.
        if start >= len || count > len || len > u16::MAX.into() {
            return Err(RingFault::Mark);
        }
        let from = position().ok_or(RingFault::Position)?;
        // What the device has closed before it went there.
        self.bell.observe();
        let ready = |n: u32| self.ring.bd(self.place(from, n)).is_owned();
        // Where the marked burst ends, so does all that was handed over.
        let end = match self.ring.back(self.place(start, count), from) {
            0 if ready(0) => len,
            end => end,
        };
        let run = |start: u32, owned: bool| {
            (start..end).take_while(|n| ready(*n) == owned).count() as u32
        };
        let first = run(0, true);
        let gap = run(first, false);
        let second = run(first + gap, true);
        // Of a burst that fills the ring it could be the end that was left behind: then none of it
        // is handed over.
        let is_rest = first + gap + second == end && first + count == end && count < len;
        let stray = (end..len).filter(|n| ready(*n)).count() as u32;
        let last = first.checked_sub(1).map(|n| self.ring.bd(self.place(from, n)).control());
        let whole = last.is_none_or(|control| control.tx_flags().contains(TxFlags::L));
        Ok(Lent { from, first, gap, second, stray, odd: second > 0 && !is_rest, whole })
    }

    /// Takes the frame at the tail over, of at most `most` descriptors; returns how many it has.
    fn take_frame(&mut self, pools: &[&Pool], most: u32) -> Result<u32, RingFault> {
        let first = self.tail;
        let apart = self.is_apart(pools, first);
        let (mut at, mut bds, mut frame, mut ends) = (first, 0, None::<Buf>, false);
        if apart {
            (at, bds) = (self.ring.next(at), 1);
        }
        while bds < most && !ends {
            let part = self.claim(pools, at, apart && bds == 1)?;
            match &mut frame {
                None => frame = Some(part),
                Some(frame) => frame.append(part).map_err(|_| RingFault::Buffer(at))?,
            }
            ends = self.ring.bd(at).control().tx_flags().contains(TxFlags::L);
            (at, bds) = (self.ring.next(at), bds + 1);
        }
        // One without its end would have the next frame as its tail.
        let frame = frame.filter(|_| ends).ok_or(RingFault::Mark)?;
        let slot = self.ring.slot(first);
        if apart {
            slot.put_apart(frame);
        } else {
            slot.put(frame);
        }
        self.tail = at;
        self.sent += bds;
        Ok(bds)
    }

    /// Whether a descriptor is that of a control block alone, which lies in front of the frame in
    /// the same buffer. TOE does not tell: the device may have closed it, and clears it then (HW
    /// 4.2).
    fn is_apart(&self, pools: &[&Pool], at: u32) -> bool {
        let (bd, next) = (self.ring.bd(at), self.ring.bd(self.ring.next(at)));
        let (control, lows) = (bd.control(), [bd.pointer(), next.pointer()]);
        !control.tx_flags().contains(TxFlags::L)
            && control.len() == TxFcb::LEN as u16
            && pools.iter().any(|pool| pool.is_one_buffer(self.limits.window, lows))
    }

    /// The buffer behind a descriptor, with the bytes that are the frame's.
    fn claim(&self, pools: &[&Pool], at: u32, behind_apart: bool) -> Result<Buf, RingFault> {
        let bd = self.ring.bd(at);
        let control = bd.control();
        let window = self.limits.window;
        let buf = pools.iter().find_map(|pool| pool.claim(window, bd.pointer()));
        let mut buf = buf.ok_or(RingFault::Buffer(at))?;
        let len = usize::from(control.len());
        if len == 0 || len > buf.capacity() {
            return Err(RingFault::Buffer(at));
        }
        buf.set_len(len);
        if control.tx_flags().contains(TxFlags::TOE) && !behind_apart {
            buf.trim_front(TxFcb::LEN);
        }
        Ok(buf)
    }
}
