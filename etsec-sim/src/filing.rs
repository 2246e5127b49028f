//! Between the MAC and the rings: parser, filer, and what is put before a frame (HW 5.3, 5.4, 6.1).

use crate::bits::{at, ievent, rctrl};
use crate::filer::{self, Decision};
use crate::model::Model;
use crate::parser::{self, Parsed};
use crate::violation::{Breach, Violation, Who};

/// The bytes stored before a frame: RxFCB and padding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    bytes: [u8; 40],
    len: usize,
}

impl Head {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Puts a time stamp into the first eight bytes behind the control block (HW 5.4).
    pub(crate) fn stamp(&mut self, time: u64) {
        self.bytes[8..16].copy_from_slice(&time.to_be_bytes());
    }
}

/// Where a frame goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filed {
    pub ring: usize,
    /// The filer's virtual queue.
    pub queue: u8,
    pub head: Head,
    /// Where the VLAN tag begins that is left out.
    pub cut: Option<usize>,
    /// A rule with GPI chose it.
    pub gpi: bool,
}

impl Model {
    /// Chooses a ring for a frame; `None` if it is rejected or has nowhere to go.
    pub(crate) fn file(&mut self, data: &[u8], good: bool) -> Option<Filed> {
        let control = self.reg(at::RCTRL);
        let padding = ((control & rctrl::PAL) >> 16) as usize;
        let mut head = Head { bytes: [0; 40], len: padding };
        if control & rctrl::PRSDEP == 0 {
            if self.config.switches.qemu {
                // Without the parser QEMU pads nothing (HW 15.3).
                head.len = 0;
            }
            self.stamp_received(&mut head, data.len() + 4);
            return self.open_ring(Filed { ring: 0, queue: 0, head, cut: None, gpi: false });
        }
        let mut parsed = parser::parse(data, control);
        if !good {
            parsed.set_framing_error();
        }
        let (queue, gpi) = self.search(&parsed, control)?;
        let mut fcb = parsed.fcb(queue);
        let extracts = self.reg(at::RCTRL) & rctrl::VLEX != 0;
        if self.config.switches.vln_noise && !extracts && data.len() % 2 == 1 {
            fcb[0] ^= VLN;
        }
        if u16::from_be_bytes([fcb[0], fcb[1]]) & PERR != 0 {
            self.raise(ievent::PERR);
        }
        head.bytes[..8].copy_from_slice(&fcb);
        head.len += 8;
        self.stamp_received(&mut head, data.len() + 4);
        let cut = parsed.vlan_at().filter(|_| control & rctrl::VLEX != 0);
        let ring = if control & rctrl::FSQEN != 0 { 0 } else { usize::from(queue & 7) };
        self.open_ring(Filed { ring, queue, head, cut, gpi })
    }

    /// The filer's virtual queue and GPI; queue 0 without the filer.
    fn search(&mut self, parsed: &Parsed<'_>, control: u32) -> Option<(u8, bool)> {
        if control & rctrl::FILREN == 0 {
            return Some((0, false));
        }
        let verdict = filer::search(&self.filer, parsed, self.reg(at::RBIFX));
        if let Some(entry) = verdict.unmasked
            && !self.rx.lint_given
        {
            // Once for each state of the table is enough (HW 18.9).
            self.rx.lint_given = true;
            let who = Who::Register(at::RQFPR);
            self.report(Violation { who, at: 0, what: Breach::UnmaskedRule { entry } });
        }
        match verdict.decision {
            Decision::File(queue) => Some((queue, verdict.interrupt)),
            Decision::Reject => {
                self.count(at::RREJ, 1);
                None
            }
            Decision::NoMatch => {
                self.raise(ievent::FIR | ievent::FIQ);
                None
            }
            Decision::Spread { map, hash } => {
                let rings = self.reg(at::RIR0 + 4 * u16::from(map));
                Some(((rings >> (29 - 3 * hash)) as u8 & 7, verdict.interrupt))
            }
            // Nobody knows where silicon would put it; ring 0 loses nothing.
            Decision::Unjudged(_) => Some((0, false)),
        }
    }

    /// The ring if it is enabled; a frame for a disabled one is dropped (HW 6.2).
    fn open_ring(&mut self, filed: Filed) -> Option<Filed> {
        if self.rx_enabled(filed.ring) {
            return Some(filed);
        }
        self.raise(ievent::FIQ);
        None
    }
}

/// RxFCB\[PERR\] (HW 5.3).
const PERR: u16 = 0x000C;
/// RxFCB\[VLN\], of the first byte.
const VLN: u8 = 0x80;
