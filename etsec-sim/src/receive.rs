//! The receiver up to the choice of a ring: what the MAC does with a frame that arrives (HW 4.4, 7,
//! 18.7).
//!
//! Writing the frame into a ring's buffers is `store.rs`.

use std::collections::VecDeque;

use crate::bits::{at, ievent, maccfg2, qhlt, rctrl, rxbd};
use crate::fault::Fault;
use crate::filter::{self, Admission};
use crate::lossless::Lossless;
use crate::mib::{Counted, counter};
use crate::model::Model;
use crate::violation::Direction;
use crate::wire::{Fcs, WireFrame};

/// How many frames QEMU's net layer holds while its controller takes none.
const QUEUED: usize = 10_000;

/// State of the receive side.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    pub stop_pending: bool,
    /// Erratum NMG_eTSEC129 has struck.
    pub deaf: bool,
    /// When Rx_EN was last cleared.
    pub off_since: u64,
    /// The table's unmasked rule has been reported.
    pub lint_given: bool,
    /// The frame QEMU's model keeps until the ring is restarted, and those that queue up behind it
    /// (HW 15.3).
    pub kept: VecDeque<WireFrame>,
    /// How many bytes of the first of them are stored already.
    pub kept_stored: usize,
    pub lossless: Lossless,
}

/// A frame at the MAC's receiver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Incoming<'a> {
    /// DA to the last byte before the FCS.
    pub data: &'a [u8],
    pub fcs: Fcs,
    pub dribble: bool,
    pub symbol_error: bool,
    pub preamble: Option<[u8; 8]>,
}

impl<'a> Incoming<'a> {
    pub(crate) fn plain(data: &'a [u8], fcs: Fcs) -> Self {
        Incoming { data, fcs, dribble: false, symbol_error: false, preamble: None }
    }
}

impl<'a> From<&'a WireFrame> for Incoming<'a> {
    fn from(frame: &'a WireFrame) -> Self {
        Incoming {
            data: &frame.data,
            fcs: frame.fcs,
            dribble: frame.dribble,
            symbol_error: frame.symbol_error,
            preamble: frame.preamble,
        }
    }
}

/// A frame that goes to a ring, with what its last RxBD says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepted<'a> {
    /// The frame's bytes that are stored, without FCS.
    pub data: &'a [u8],
    /// The first `tail_len` bytes of the FCS are stored; all four, unless the frame was cut.
    pub tail: [u8; 4],
    pub tail_len: usize,
    pub preamble: Option<[u8; 8]>,
    pub status: u16,
}

impl Model {
    /// A frame arrives at the MAC, from the wire or looped back.
    pub(crate) fn arrive(&mut self, mut frame: Incoming<'_>) {
        if !self.mac_runs(Direction::Rx) || self.rx.deaf {
            return;
        }
        if !self.rx.kept.is_empty() {
            if self.rx.kept.len() < QUEUED {
                let waiting = WireFrame::exact(frame.data.to_vec(), frame.fcs);
                self.rx.kept.push_back(waiting);
            }
            return;
        }
        if self.faults.take(Fault::CrcError) {
            frame.fcs = Fcs::wrong(frame.data);
        }
        if self.faults.take(Fault::Alignment) {
            frame.fcs = Fcs::wrong(frame.data);
            frame.dribble = true;
        }
        let good = frame.fcs.is_right(frame.data) && !frame.symbol_error;
        self.count_received(Counted { data: frame.data, good, dribble: frame.dribble });
        if frame.symbol_error {
            self.count(counter::RCDE, 1);
        }
        if good && self.take_control_frame(frame.data) {
            return;
        }
        if self.reg(at::MACCFG2) & maccfg2::MPEN != 0 {
            self.look_for_magic(frame.data, good);
            return;
        }
        let Some(mut status) = self.judge(&frame, good) else { return };
        let Some(admitted) = self.admit(frame.data) else { return };
        status |= admitted;
        if self.stop_asked(Direction::Rx) {
            // Frames are dropped while the receiver is stopped (HW 8.3).
            self.count(counter::RDRP, 1);
            return;
        }
        self.file_frame(&frame, status, good);
    }

    /// Length and check sequence: the error flags, or `None` if the frame goes no further.
    fn judge(&mut self, frame: &Incoming<'_>, good: bool) -> Option<u16> {
        let len = frame.data.len() + 4;
        let mut status = 0;
        if len < 64 {
            // Short frames are discarded without RSF (HW 3.11).
            if self.reg(at::RCTRL) & rctrl::RSF == 0 {
                return None;
            }
            status |= rxbd::SH;
        }
        if !good {
            status |= if frame.dribble { rxbd::NO } else { rxbd::CR };
        }
        if len > self.max_frame() {
            // HW 3.2: raised in both cases of Huge_Frame.
            self.raise(ievent::BABR);
            status |= rxbd::LG;
            if self.reg(at::MACCFG2) & maccfg2::HUGE_FRAME == 0 {
                status |= rxbd::TR;
            }
        }
        let huge = self.reg(at::MACCFG2) & maccfg2::HUGE_FRAME != 0;
        if self.config.switches.etsec74 && !huge && len + 1 >= self.max_frame() {
            status |= rxbd::TR;
        }
        Some(status)
    }

    pub(crate) fn max_frame(&self) -> usize {
        (self.reg(at::MAXFRM) & 0xFFFF) as usize
    }

    /// The address filter: the flags for the destination address, or `None` if it is not for us.
    fn admit(&self, data: &[u8]) -> Option<u16> {
        let mut da = [0; 6];
        let there = data.len().min(6);
        da[..there].copy_from_slice(&data[..there]);
        let mut status = match filter::admit(|at| self.reg(at), da) {
            Admission::Dropped => return None,
            Admission::Accepted => 0,
            Admission::Promiscuous => rxbd::M,
        };
        if da == [0xFF; 6] {
            status |= rxbd::BC;
        } else if da[0] & 1 == 1 {
            status |= rxbd::MC;
        }
        Some(status)
    }

    /// Chooses the ring and stores the frame there.
    fn file_frame(&mut self, frame: &Incoming<'_>, mut status: u16, good: bool) {
        let Some(filed) = self.file(frame.data, good) else { return };
        let mut data = frame.data;
        let mut tail_len = 4;
        if status & rxbd::TR != 0 {
            // Cut at MAXFRM (HW 4.3).
            let limit = self.max_frame();
            tail_len = limit.saturating_sub(data.len()).min(4);
            data = &data[..data.len().min(limit)];
        }
        if self.faults.take(Fault::Overrun) {
            // With OV the other status bits have no meaning; half the frame made it.
            status = rxbd::OV;
            data = &data[..data.len() / 2];
            tail_len = 0;
            self.count(counter::RDRP, 1);
        }
        let tail = if tail_len == 0 { [0; 4] } else { frame.fcs.bytes(frame.data) };
        let preamble = (self.reg(at::MACCFG2) & maccfg2::PREAM_RXEN != 0)
            .then(|| frame.preamble.unwrap_or([0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0xD5]));
        let accepted = Accepted { data, tail, tail_len, preamble, status };
        if self.store_frame(&filed, &accepted) && filed.gpi {
            self.timer_gpi(filed.queue);
            self.raise(ievent::FGPI);
        }
    }

    /// Magic packet mode: all frames are dropped, the right one raises MAG (HW 13.3).
    fn look_for_magic(&mut self, data: &[u8], good: bool) {
        let station = filter::station(|at| self.reg(at));
        let mut wanted = [0xFF; 102];
        for copy in wanted[6..].chunks_exact_mut(6) {
            copy.copy_from_slice(&station);
        }
        if good && self.admit(data).is_some() && data.windows(102).any(|part| part == wanted) {
            self.raise(ievent::MAG);
            self.set_reg(at::MACCFG2, self.reg(at::MACCFG2) & !maccfg2::MPEN);
        }
    }

    /// Halts an RX ring because of an error or for want of descriptors.
    pub(crate) fn fail_rx(&mut self, ring: usize) {
        self.set_reg(at::RSTAT, self.reg(at::RSTAT) | qhlt(ring));
    }

    /// QHLTn bits have been cleared: the rings go on at RBPTRn (HW 18.7). `halted` is RSTAT from
    /// before.
    pub(crate) fn restart_rx(&mut self, halts: u32, halted: u32) {
        if self.config.switches.qemu && halts & qhlt(0) != 0 && halted & qhlt(0) == 0 {
            // The second write delivers what was kept (HW 15.3).
            let mut waiting = core::mem::take(&mut self.rx.kept);
            while self.rx.kept.is_empty()
                && let Some(frame) = waiting.pop_front()
            {
                self.arrive((&frame).into());
            }
            self.rx.kept.append(&mut waiting);
        }
    }
}
