//! Time stamps on frames (HW 12.3, 12.4): of every received frame in the padding before it, and of
//! sent frames that ask for one, in memory and in registers.

use crate::bits::{at, rctrl, tmr_event};
use crate::filing::Head;
use crate::model::Model;
use crate::timer::Reading;
use crate::transmit::Fetched;
use crate::violation::{Breach, Violation, Who};

/// From the start of the first buffer to where a transmit stamp is written: a control block and
/// half of the TxPAL.
const STAMP_AT: u64 = 16;

/// The stamp of the frame that is being sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TxStamp {
    id: u16,
    time: u64,
    /// Where in memory it goes, if anywhere.
    to: Option<(u64, Fetched)>,
}

impl Model {
    /// The time at virtual time `ns`, of the SoC's timer; `None` while that is off.
    fn read_clock(&mut self, ns: u64) -> Option<Reading> {
        match &self.first {
            Some(first) => first.timer_reading(ns),
            None => self.timer_reading(ns),
        }
    }

    /// Puts the time at which a frame of `len` bytes began into the padding before it, if RCTRL
    /// asks for that.
    pub(crate) fn stamp_received(&mut self, head: &mut Head, len: usize) {
        let control = self.reg(at::RCTRL);
        if control & rctrl::TS == 0 {
            return;
        }
        let room = control & rctrl::PRSDEP != 0 && (control & rctrl::PAL) >> 16 >= 8;
        let began_ns = self.now.saturating_sub(self.wire_ns(len));
        let (Some(Reading { time: stamp, .. }), true) = (self.read_clock(began_ns), room) else {
            // What silicon does then is unknown (HW 3.11).
            let who = Who::Register(at::RCTRL);
            self.report(Violation { who, at: 0, what: Breach::BadStamping });
            return;
        };
        self.set_reg(at::TMR_RXTS_H, (stamp >> 32) as u32);
        self.set_reg(at::TMR_RXTS_H + 4, stamp as u32);
        head.stamp(stamp);
    }

    /// Notes the time at which the gathered frame begins, if its control block asks for that.
    pub(crate) fn stamp_sending(&mut self, fcb: [u8; 8]) {
        if fcb[1] & 1 == 0 {
            return;
        }
        let Some(&first) = self.tx.bds.first() else { return };
        let Some(Reading { time, to_memory }) = self.read_clock(self.now) else {
            // TxFCB[PTP] must be 0 while the timer is off (HW 5.1).
            return self.blame_stamp(first);
        };
        let mut to = None;
        if to_memory && self.tx.bds.len() > 1 {
            let pointer = first.bd.pointer;
            let second = self.tx.bds[1].bd;
            // The second buffer must start the transmission (HW 12.4).
            let starts =
                self.tx.bds.len() == 2 || second.len() >= 4 * self.reg(at::FIFO_TX_THR) as usize;
            if !pointer.is_multiple_of(8) || first.bd.len() != 8 || !starts {
                self.blame_stamp(first);
            }
            let window = u64::from(self.reg(at::TBDBPH)) << 32;
            to = Some(((window | u64::from(pointer & !7)) + STAMP_AT, first));
        }
        let id = u16::from_be_bytes([fcb[6], fcb[7]]);
        self.timer.sending = Some(TxStamp { id, time, to });
    }

    fn blame_stamp(&mut self, first: Fetched) {
        let (who, at) = (Who::Bd(first.place), first.at);
        self.report(Violation { who, at, what: Breach::BadStamping });
    }

    /// Delivers the stamp of a frame that has left, before its descriptors are closed; 0 in memory
    /// if it has failed (HW 12.4).
    pub(crate) fn stamp_sent(&mut self, sent: bool) {
        let Some(TxStamp { id, time, to }) = self.timer.sending.take() else { return };
        if let Some((to, Fetched { place, .. })) = to {
            let bytes = if sent { time } else { 0 }.to_be_bytes();
            if let Err(fault) = self.memory.write(to, &bytes) {
                self.sanitizer.blame_dma(place, to, bytes.len(), fault);
            }
        }
        if sent {
            let set = u16::from(self.timer.second_set);
            self.timer.second_set = set == 0;
            self.set_reg(at::TMR_TXTS1_ID + 4 * set, id.into());
            self.set_reg(at::TMR_TXTS1_H + 8 * set, (time >> 32) as u32);
            self.set_reg(at::TMR_TXTS1_H + 8 * set + 4, time as u32);
            self.set_reg(at::TMR_PEVENT, self.reg(at::TMR_PEVENT) | tmr_event::TXP1 << set);
        }
    }
}
