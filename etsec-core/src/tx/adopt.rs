//! Taking a transmit ring over from a process that is no more, while the device goes on sending.
//!
//! What has R is the device's, and its buffers stay where they are. R is set from the last
//! descriptor of a burst back to its first, and the device waits for the first: so if there is R
//! behind a gap, the process has died in between, and the burst is handed over to its end. Whether
//! a frame without R was sent or never committed makes no difference: it is not sent again.

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

/// A run of descriptors that the device owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lent {
    /// Where the hardware stands.
    from: u32,
    /// Descriptors without R in front of it.
    gap: u32,
    count: u32,
}

impl<D: Doorbell> TxQueue<D> {
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
        let Lent { from, gap, count } = self.lent(position, delay)?;
        (self.head, self.tail) = (from, from);
        let in_flight = if count == 0 { 0 } else { gap + count };
        let mut left = in_flight;
        while left > 0 {
            left -= self.take_frame(pools, left)?;
        }
        if count > 0 && gap > 0 {
            // The frames that were never handed over begin where the device waits.
            self.bell.publish();
            (0..gap).rev().for_each(|n| self.ring.bd(self.place(from, n)).give());
        }
        self.bell.publish();
        self.bell.ring();
        Ok(in_flight)
    }

    fn place(&self, from: u32, n: u32) -> u32 {
        (from + n) % self.ring.len() as u32
    }

    /// What the device owns.
    fn lent(
        &self,
        position: &dyn Fn() -> Option<u32>,
        delay: &mut dyn DelayNs,
    ) -> Result<Lent, RingFault> {
        let mut before = self.look(position)?;
        for _ in 0..LOOKS {
            if before.gap == 0 || before.count == 0 {
                return Ok(before);
            }
            // It may just have closed those in front, and goes on in a moment.
            delay.delay_us(SETTLE_US);
            let after = self.look(position)?;
            if after == before {
                return Ok(after);
            }
            before = after;
        }
        Err(RingFault::Position)
    }

    fn look(&self, position: &dyn Fn() -> Option<u32>) -> Result<Lent, RingFault> {
        let from = position().ok_or(RingFault::Position)?;
        let len = self.ring.len() as u32;
        let owned = |n: &u32| self.ring.bd(self.place(from, *n)).is_owned();
        let gap = (0..len).take_while(|n| !owned(n)).count() as u32;
        let count = (gap..len).take_while(owned).count() as u32;
        if gap < len && (gap + count..len).any(|n| owned(&n)) {
            return Err(RingFault::Mark);
        }
        Ok(Lent { from, gap, count })
    }

    /// Takes the frame at the tail over, of at most `most` descriptors; returns how many it has.
    fn take_frame(&mut self, pools: &[&Pool], most: u32) -> Result<u32, RingFault> {
        let first = self.tail;
        let flags = self.ring.bd(first).control().tx_flags();
        let apart = flags.contains(TxFlags::TOE)
            && !flags.contains(TxFlags::L)
            && self.ring.bd(first).control().len() == TxFcb::LEN as u16;
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

    /// The buffer behind a descriptor, with the bytes that are the frame's.
    fn claim(&self, pools: &[&Pool], at: u32, behind_apart: bool) -> Result<Buf, RingFault> {
        let bd = self.ring.bd(at);
        let control = bd.control();
        let buf = pools.iter().find_map(|pool| pool.claim(bd.pointer()));
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
