//! Staging frames with a control block: checksums and a VLAN tag that the controller adds (HW 5.1,
//! 5.2).
//!
//! The block lies in the buffer's headroom, right in front of the frame. It knows nothing of
//! headers: the block says where they are.

use super::{Reason, Refused, Stager, TxQueue};
use crate::bd::{Control, TxFlags, Unsent};
use crate::buf::{Buf, MAX_CHAIN, Packed};
use crate::bus::Doorbell;
use crate::fcb::{TxFcb, TxFcbFlags};

/// A frame with its control block, that is in its first buffer's descriptor.
const WITH_BLOCK: TxFlags = TxFlags::L.union(TxFlags::TOE);
const FCB: u32 = TxFcb::LEN as u32;
/// Bytes of a tag that the controller inserts.
const TAG: u32 = 4;

/// What a queue knows of control blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offload {
    /// Longest frame whose checksums may be asked for; 0: the port permits no block at all. And
    /// [`OWN_PREAMBLES`], [`ANYWHERE`].
    permits: u32,
    pub near: Near,
    /// One more than the descriptor whose closing tells whether this device leaves TOE where UN is
    /// looked for (HW 4.2).
    lesson: u32,
}

/// Which frames need no closer look: those that are not too long and begin where the last one did
/// which was found to take a block right in front of it. Most frames of a queue begin at the same
/// place.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Near {
    /// Span of such a frame of one byte.
    place: u32,
    /// Longest such frame. 0 until the first frame with a block has been looked at.
    most: u32,
}

impl Near {
    /// Whether a frame begins there and is not too long, nor empty: one comparison for all of it. A
    /// frame that begins elsewhere is at least 65535 away.
    #[inline(always)]
    fn fits(&self, span: u32) -> bool {
        span.wrapping_sub(self.place) < self.most
    }
}

/// In the number of bytes that may be summed: frames may have preambles of their own.
pub(crate) const OWN_PREAMBLES: u32 = 0x8000_0000;
/// Likewise: blocks may lie anywhere, the part being without erratum eTSEC12.
pub(crate) const ANYWHERE: u32 = 0x4000_0000;
/// The number itself.
pub(crate) const SUMMED: u32 = !(OWN_PREAMBLES | ANYWHERE);

/// No descriptor.
const NONE: u32 = 0;

impl Offload {
    /// With checksums of frames of up to `permits` bytes, no block at all if that is 0; with
    /// preambles of frames' own if it has that bit.
    pub(crate) fn new(permits: u32) -> Self {
        Offload { permits, near: Near::default(), lesson: NONE }
    }

    fn summed(&self) -> u32 {
        self.permits & SUMMED
    }

    /// Whether a block can lie right in front of a frame that begins there.
    fn is_close(&self, buf: &Buf) -> bool {
        buf.takes_fcb(self.permits & ANYWHERE != 0)
    }

    /// Whether frames may have preambles of their own.
    pub(super) fn preambles(&self) -> bool {
        self.permits & OWN_PREAMBLES != 0
    }

    /// Frames like this one, of up to `frame` bytes with their tag, may have a tag inserted and
    /// their checksums made.
    fn remember(&mut self, buf: &Buf, frame: u32) {
        let most = frame.saturating_sub(TAG).min(self.summed()).min(0xFFFE);
        self.near = Near { place: (buf.span() & 0xFFFF_0000) + 1, most };
    }
}

impl<D: Doorbell> TxQueue<D> {
    /// As [`TxQueue::stage`], for a frame that asks for more: the port must permit it, by
    /// [`Stopped::set_tx_offload`](crate::Stopped::set_tx_offload).
    ///
    /// The block is written into the headroom in front of the frame, 8 bytes right before it. If it
    /// may not lie there (on parts with erratum eTSEC12, HW 14), it takes a descriptor of its own
    /// and up to 7 bytes more. The frame itself stays as it is.
    ///
    /// # Errors
    /// As [`TxQueue::stage`]; and [`Reason::NotPermitted`], [`Reason::Headroom`] or
    /// [`Reason::TooLongToSum`].
    #[inline]
    pub fn stage_with(&mut self, mut buf: Buf, fcb: TxFcb) -> Result<(), Refused> {
        let fits = self.offload.near.fits(buf.span());
        let room = self.staged + self.sent < self.capacity && !self.ring.is_last(self.tail);
        if buf.is_chain() || !fits || !room || buf.pool().window() != self.limits.window {
            return self.stage_with_slowly(buf.pack(), fcb);
        }
        let low = buf.put_fcb(fcb);
        let bd = self.ring.bd(self.tail);
        bd.set_pointer(low);
        bd.set_control(Control::tx(WITH_BLOCK, FCB as u16).longer_by(buf.len() as u16));
        self.ring.slot(self.tail).put(buf);
        self.tail += 1;
        self.staged += 1;
        Ok(())
    }

    /// Longest frame whose checksums [`TxQueue::stage_with`] may be asked for; 0: of none.
    #[must_use]
    pub fn sums_up_to(&self) -> usize {
        self.offload.summed().min(self.limits.frame) as usize
    }

    /// What [`TxQueue::stage_with`] does not do at once.
    #[cold]
    #[inline(never)]
    pub(super) fn stage_with_slowly(&mut self, buf: Packed, fcb: TxFcb) -> Result<(), Refused> {
        let mut buf = buf.unpack();
        let close = self.offload.is_close(&buf);
        let checked = self.check(&buf, usize::from(!close));
        if let Err(why) = checked.and_then(|()| self.check_block(&buf, fcb)) {
            return self.refuse(buf, why);
        }
        let slot = self.ring.slot(self.tail);
        if close {
            let _ = buf.put_fcb(fcb);
            if !buf.is_chain() {
                self.learn_from_next();
                self.offload.remember(&buf, self.limits.frame);
            }
            self.describe_frame(&buf, FCB as u16);
            slot.put(buf);
            return Ok(());
        }
        let low = buf.put_fcb_apart(fcb);
        self.describe(low, FCB as u16, TxFlags::TOE);
        self.staged_more += 1;
        self.describe_frame(&buf, 0);
        slot.put_apart(buf);
        Ok(())
    }

    /// Whether the port does for this frame what its block asks for.
    fn check_block(&self, buf: &Buf, fcb: TxFcb) -> Result<(), Reason> {
        let offload = &self.offload;
        let len = buf.total_len() as u32;
        let tag = if fcb.flags().contains(TxFcbFlags::VLN) { TAG } else { 0 };
        let apart = !offload.is_close(buf);
        if offload.summed() == 0 {
            Err(Reason::NotPermitted)
        } else if buf.headroom() < TxFcb::LEN || (apart && MAX_CHAIN == 1) {
            Err(Reason::Headroom)
        } else if len + tag > self.limits.frame {
            Err(Reason::TooLong)
        } else if fcb.sums() && len > offload.summed() {
            Err(Reason::TooLongToSum)
        } else {
            Ok(())
        }
    }

    /// Lets the first frame with a block in its only descriptor tell what the device leaves there.
    /// Until it is closed every frame is looked at closely.
    fn learn_from_next(&mut self) {
        if self.offload.near.most != 0 {
            return;
        }
        if MAX_CHAIN > 1 {
            self.offload.lesson = self.tail + 1;
            self.unsent = Unsent::ANY;
        } else {
            // There is no room for lessons in a small image: then the event XFUN alone tells of
            // underruns.
            self.unsent = Unsent::TOE_STAYS;
        }
    }

    /// Learns from the frame at the head, which the device has closed with these flags.
    pub(super) fn learn(&mut self, flags: TxFlags) {
        if MAX_CHAIN > 1 && self.offload.lesson == self.head + 1 {
            self.offload.lesson = NONE;
            let stays = flags.contains(TxFlags::TOE);
            self.unsent = if stays { Unsent::TOE_STAYS } else { Unsent::USUAL };
        }
    }

    /// Frames are taken out unsent; the next one with a block is to tell.
    pub(super) fn forget_lesson(&mut self) {
        if MAX_CHAIN > 1 && self.offload.lesson != NONE {
            (self.offload.lesson, self.offload.near) = (NONE, Near::default());
            self.unsent = Unsent::USUAL;
        }
    }
}

impl<D: Doorbell> Stager<'_, D> {
    /// As [`TxQueue::stage_with`].
    ///
    /// # Errors
    /// As [`TxQueue::stage_with`].
    #[inline(always)]
    pub fn stage_with(&mut self, mut buf: Buf, fcb: TxFcb) -> Result<(), Refused> {
        let room = self.walk.left() != 0;
        let fits = self.near.fits(buf.span());
        if buf.is_chain() || !room || !fits || buf.pool().window() != self.window {
            self.end();
            let staged = self.queue.stage_with_slowly(buf.pack(), fcb);
            self.begin();
            return staged;
        }
        let low = buf.put_fcb(fcb);
        let bd = self.walk.bd();
        bd.set_pointer(low);
        bd.set_control(Control::tx(WITH_BLOCK, FCB as u16).longer_by(buf.len() as u16));
        self.walk.slot().put(buf);
        self.walk.step();
        Ok(())
    }
}
