//! Between the MAC and the rings: parser, filer, and what is put before a frame (HW 5.3, 5.4, 6.1).

use crate::bits::{at, ievent, rctrl};
use crate::model::Model;

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
}

/// Where a frame goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filed {
    pub ring: usize,
    pub head: Head,
    /// A rule with GPI chose it.
    pub gpi: bool,
}

impl Model {
    /// Chooses a ring for a frame; `None` if it is rejected or has nowhere to go.
    pub(crate) fn file(&mut self, _data: &[u8]) -> Option<Filed> {
        let control = self.reg(at::RCTRL);
        let parses = control & rctrl::PRSDEP != 0;
        let ring = 0;
        if !self.rx_enabled(ring) {
            // HW 6.2
            self.raise(ievent::FIQ);
            return None;
        }
        let mut head = Head { bytes: [0; 40], len: 0 };
        if parses {
            head.len = 8;
        }
        if parses || !self.config.switches.qemu {
            head.len += ((control & rctrl::PAL) >> 16) as usize;
        }
        Some(Filed { ring, head, gpi: false })
    }
}
