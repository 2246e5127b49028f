//! Staging frames that leave unlike others: with a preamble of their own, in spite of a pause, or
//! with another ending (HW 4.2).

use super::{Reason, Refused, TxQueue};
use crate::bd::{Control, TxFlags};
use crate::buf::Buf;
use crate::bus::Doorbell;

/// What a frame may ask for in its first descriptor.
const POSSIBLE: TxFlags =
    TxFlags::PRE.union(TxFlags::CF).union(TxFlags::PAD_CRC).union(TxFlags::TC);

impl<D: Doorbell> TxQueue<D> {
    /// As [`TxQueue::stage`], for a frame that asks for more by the flags of its first descriptor:
    ///
    /// * [`TxFlags::PRE`]: it begins with eight bytes that are sent as its preamble; the port must
    ///   permit it, by [`FrameOptions`](crate::frame_options::FrameOptions);
    /// * [`TxFlags::CF`]: it is sent even while the port is paused;
    /// * [`TxFlags::PAD_CRC`], [`TxFlags::TC`]: padding and check sequence, or the latter alone,
    ///   where the MAC does not put them behind every frame.
    ///
    /// All its bytes count for the MTU.
    ///
    /// # Errors
    /// As [`TxQueue::stage`]; and [`Reason::NotPermitted`], also for any other flag.
    pub fn stage_as(&mut self, buf: Buf, flags: TxFlags) -> Result<(), Refused> {
        let preamble = flags.contains(TxFlags::PRE);
        if !POSSIBLE.contains(flags) || (preamble && !self.offload.preambles()) {
            return self.refuse(buf, Reason::NotPermitted);
        }
        if preamble && buf.len() <= 8 {
            return self.refuse(buf, Reason::Empty);
        }
        if let Err(why) = self.check(&buf, 0) {
            return self.refuse(buf, why);
        }
        let first = self.tail;
        self.describe_frame(&buf, 0);
        let bd = self.ring.bd(first);
        let usual = bd.control();
        bd.set_control(Control::tx(usual.tx_flags() | flags, usual.len()));
        self.ring.slot(first).put(buf);
        Ok(())
    }
}
