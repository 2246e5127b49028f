//! Pause frames, received and sent (HW 11.1). It knows no descriptor.

use crate::bits::{at, ievent, maccfg1};
use crate::filter;
use crate::mib::counter;
use crate::model::Model;
use crate::transmit::Sending;
use crate::wire::Fcs;

const PAUSE_DA: [u8; 6] = [0x01, 0x80, 0xC2, 0x00, 0x00, 0x01];

impl Model {
    /// Whether a received pause keeps data frames back.
    pub(crate) fn paused(&self) -> bool {
        self.now < self.tx.paused_until
    }

    /// Looks at a good frame of type 0x8808. True if the MAC keeps it to itself.
    pub(crate) fn take_control_frame(&mut self, data: &[u8]) -> bool {
        if data.get(12..14) != Some(&[0x88, 0x08]) || data.len() < 18 {
            return false;
        }
        self.count(counter::RXCF, 1);
        if data[14..16] != [0, 1] {
            self.count(counter::RXUO, 1);
            return false;
        }
        let ours = data[..6] == PAUSE_DA || data[..6] == filter::station(|at| self.reg(at));
        if !ours {
            return false;
        }
        self.count(counter::RXPF, 1);
        if self.reg(at::MACCFG1) & maccfg1::RX_FLOW == 0 || !self.full_duplex() {
            return false;
        }
        let quanta = u64::from(u16::from_be_bytes([data[16], data[17]]));
        // Counted from when the transmitter is idle (HW 11.1).
        let quantum_ns = self.quantum_ns();
        let idle = self.tx.sending.as_ref().map_or(self.now, |sending| sending.done_at);
        self.tx.paused_until =
            if quanta == 0 { 0 } else { idle.max(self.now) + quanta * quantum_ns };
        self.raise(ievent::RXC);
        true
    }

    /// A pause's unit: 512 bit times (HW 11.1).
    pub(crate) fn quantum_ns(&self) -> u64 {
        512_000 / u64::from(self.mbps().unwrap_or(1000))
    }

    /// Sends one pause frame (HW 3.6 TFC_PAUSE, 11.1).
    pub(crate) fn start_pause_frame(&mut self, time: u16) {
        let ptv = self.reg(at::PTV);
        let station = filter::station(|at| self.reg(at));
        let frame = &mut self.tx.frame;
        frame.clear();
        frame.extend_from_slice(&PAUSE_DA);
        frame.extend_from_slice(&station);
        frame.extend_from_slice(&[0x88, 0x08, 0x00, 0x01]);
        frame.extend_from_slice(&time.to_be_bytes());
        frame.extend_from_slice(&((ptv >> 16) as u16).to_be_bytes());
        frame.resize(60, 0);
        let done_at = self.now + self.wire_ns(64);
        let fcs = Fcs::Right;
        self.tx.sending =
            Some(Sending { ring: None, done_at, fcs, preamble: None, truncated: false });
    }
}
