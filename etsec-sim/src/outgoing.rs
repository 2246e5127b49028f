//! What becomes of a frame's bytes between the FIFO and the wire: FCB, preamble, padding, FCS, the
//! length limit.

use crate::bits::{at, maccfg2, txbd};
use crate::config::WireSpeed;
use crate::model::Model;
use crate::offload::{self, FCB};
use crate::transmit::Sending;
use crate::wire::Fcs;

/// The longest frame whose checksums erratum eTSEC76 leaves alone (HW 14).
const ETSEC76_MOST: usize = 2500;

impl Model {
    /// Turns gathered bytes into a frame on the wire (HW 4.2, 3.15).
    pub(crate) fn prepare_frame(&mut self, ring: usize) {
        let flags = self.tx.bds.first().map_or(0, |first| first.bd.flags());
        if self.sanitizer.is_on() && self.config.wire == WireSpeed::Link {
            self.tx.raw.clear();
            self.tx.raw.extend_from_slice(&self.tx.frame);
        }
        let fcb = self.take_fcb(flags);
        let two = self.reg(at::MACCFG2);
        let preamble = self.take_preamble(flags, two);
        if let Some(fcb) = fcb {
            self.stamp_sending(fcb);
            let (control, dfvlan) = (self.reg(at::TCTRL), self.reg(at::DFVLAN));
            let first = self.tx.bds.first().map_or(0, |first| first.bd.pointer);
            let mut fcb = fcb;
            if self.config.switches.etsec12 && first % 32 > 24 {
                offload::spoil(&mut fcb);
            }
            let sums = offload::sums(fcb) && self.tx.frame.len() > ETSEC76_MOST;
            self.tx.starves = self.config.switches.etsec76 && sums;
            offload::apply(&mut self.tx.frame, fcb, control, dfvlan);
        }
        let pads = two & maccfg2::PAD_CRC != 0 || flags & txbd::PAD_CRC != 0;
        let appends = pads || two & maccfg2::CRC_EN != 0 || flags & txbd::TC != 0;
        let data = &mut self.tx.frame;
        // Padding goes to 64 bytes with the FCS.
        if pads && data.len() < 60 {
            data.resize(60, 0);
        }
        let mut fcs = Fcs::Right;
        if !appends {
            // The driver's last four bytes are the FCS.
            let mut given = [0; 4];
            let body = data.len().saturating_sub(4);
            let there = data.len() - body;
            given[..there].copy_from_slice(&data[body..]);
            data.truncate(body);
            fcs = Fcs::Given(given);
        }
        let limit = (self.reg(at::MAXFRM) & 0xFFFF) as usize;
        let huge = two & maccfg2::HUGE_FRAME != 0 || flags & txbd::HFE != 0;
        let len = self.tx.frame.len() + 4;
        // HW 3.2 BABT, 17 item 17: reaching the limit is enough.
        let truncated = !huge && len >= limit;
        if truncated && len > limit {
            self.tx.frame.truncate(limit.saturating_sub(4));
            fcs = Fcs::wrong(&self.tx.frame);
        }
        let done_at = self.now + self.wire_ns(self.tx.frame.len() + 4);
        self.tx.sending = Some(Sending { ring: Some(ring), done_at, fcs, preamble, truncated });
    }

    /// The frame control block; it is not sent (HW 5.1).
    fn take_fcb(&mut self, flags: u16) -> Option<[u8; FCB]> {
        if flags & txbd::TOE == 0 {
            return None;
        }
        let fcb = self.tx.frame.get(..FCB).and_then(|bytes| bytes.try_into().ok());
        let there = FCB.min(self.tx.frame.len());
        self.tx.frame.drain(..there);
        fcb
    }

    /// The eight bytes of a preamble of the driver's own (HW 4.2 PRE).
    fn take_preamble(&mut self, flags: u16, two: u32) -> Option<[u8; 8]> {
        if flags & txbd::PRE == 0 || two & maccfg2::PREAM_TXEN == 0 {
            return None;
        }
        let first: [u8; 8] = self.tx.frame.get(..8)?.try_into().ok()?;
        self.tx.frame.drain(..8);
        Some(first)
    }
}
