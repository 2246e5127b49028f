//! Staging frames whose time of departure is wanted (HW 12.4).
//!
//! Control block and room for the stamp lie at the start of the buffer, in its headroom, with a
//! descriptor of their own; the frame stays where it is. How the stamp is read is in `stamp`.

use super::{Reason, Refused, TxQueue};
use crate::bd::TxFlags;
use crate::buf::{Buf, MAX_CHAIN};
use crate::bus::Doorbell;
use crate::fcb::TxFcb;
use crate::ptp::PtpClock;
use crate::stamp::SENT_ROOM;

impl<D: Doorbell> TxQueue<D> {
    /// Permits [`TxQueue::stage_stamped`], which needs a running clock, or, with `None`, no longer:
    /// before the clock is stopped, and once all stamped frames are reaped.
    pub fn permit_stamps<B>(&mut self, clock: Option<&PtpClock<B>>) {
        self.stamps = clock.is_some();
    }

    /// As [`TxQueue::stage`], for a frame whose time of departure is wanted: reap it, and take the
    /// time with [`Buf::take_sent_stamp`]. It takes two descriptors, and needs the feature
    /// `scatter`.
    ///
    /// # Errors
    /// As [`TxQueue::stage`]; and [`Reason::NotPermitted`] without
    /// [`TxQueue::permit_stamps`], [`Reason::Chain`] for a frame in several buffers, and
    /// [`Reason::Headroom`] unless 24 bytes are free in front of it.
    #[cold]
    #[inline(never)]
    pub fn stage_stamped(&mut self, mut buf: Buf) -> Result<(), Refused> {
        let permitted = if !self.stamps {
            Err(Reason::NotPermitted)
        } else if buf.is_chain() {
            // HW 12.4: the frame's first descriptor must be able to start the transmission.
            Err(Reason::Chain)
        } else if buf.headroom() < SENT_ROOM || MAX_CHAIN == 1 {
            Err(Reason::Headroom)
        } else {
            Ok(())
        };
        if let Err(why) = permitted.and_then(|()| self.check(&buf, 1)) {
            return self.refuse(buf, why);
        }
        let low = buf.ask_for_stamp();
        let slot = self.ring.slot(self.tail);
        self.describe(low, TxFcb::LEN as u16, TxFlags::TOE);
        self.staged_more += 1;
        self.describe_frame(&buf, 0);
        slot.put_apart(buf);
        Ok(())
    }
}
