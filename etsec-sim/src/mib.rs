//! The RMON counters and their carries (HW 13). They know frames by length and kind, and no
//! descriptor.

use crate::bits::{at, ecntrl, ievent};
use crate::model::Model;

/// Counter offsets (HW 2.5).
pub(crate) mod counter {
    pub const TR64: u16 = 0x680;
    pub const TRMGV: u16 = 0x698;
    pub const RBYT: u16 = 0x69C;
    pub const RPKT: u16 = 0x6A0;
    pub const RFCS: u16 = 0x6A4;
    pub const RMCA: u16 = 0x6A8;
    pub const RBCA: u16 = 0x6AC;
    pub const RXCF: u16 = 0x6B0;
    pub const RXPF: u16 = 0x6B4;
    pub const RXUO: u16 = 0x6B8;
    pub const RALN: u16 = 0x6BC;
    pub const RFLR: u16 = 0x6C0;
    pub const RCDE: u16 = 0x6C4;
    pub const RUND: u16 = 0x6CC;
    pub const ROVR: u16 = 0x6D0;
    pub const RFRG: u16 = 0x6D4;
    pub const RJBR: u16 = 0x6D8;
    pub const RDRP: u16 = 0x6DC;
    pub const TBYT: u16 = 0x6E0;
    pub const TPKT: u16 = 0x6E4;
    pub const TMCA: u16 = 0x6E8;
    pub const TBCA: u16 = 0x6EC;
    pub const TXPF: u16 = 0x6F0;
    pub const TLCL: u16 = 0x704;
    pub const TXCL: u16 = 0x708;
    pub const TNCL: u16 = 0x70C;
    pub const TDRP: u16 = 0x714;
    pub const TJBR: u16 = 0x718;
    pub const TFCS: u16 = 0x71C;
    pub const TXCF: u16 = 0x720;
    pub const TOVR: u16 = 0x724;
    pub const TUND: u16 = 0x728;
    pub const TFRG: u16 = 0x72C;
}

/// The carry register and bit of a counter (HW 3.24).
const fn carry(at: u16) -> (u16, u32) {
    if at == at::RREJ {
        return (at::CAR1, 0x0002_0000);
    }
    let i = ((at - at::COUNTERS) / 4) as u32;
    match at {
        0x680..=0x698 => (at::CAR1, 0x8000_0000 >> i),
        0x69C..=0x6DC => (at::CAR1, 0x0001_0000 >> (i - 7)),
        0x6E0..=0x714 => (at::CAR2, 0x0000_2000 >> (i - 24)),
        _ => (at::CAR2, 0x0008_0000 >> (i - 38)),
    }
}

/// A frame as the counters see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted<'a> {
    /// DA to the last byte before the FCS.
    pub data: &'a [u8],
    /// Whether the FCS is right.
    pub good: bool,
    /// Whether it ends within an octet.
    pub dribble: bool,
}

impl Counted<'_> {
    /// DA through FCS.
    fn len(&self) -> usize {
        self.data.len() + 4
    }

    fn tagged(&self) -> bool {
        self.data.get(12..14) == Some(&[0x81, 0x00])
    }

    /// The longest length that is not oversized.
    fn limit(&self) -> usize {
        if self.tagged() { 1522 } else { 1518 }
    }
}

impl Model {
    /// Counts `n` more, if statistics are on (HW 13.1). A wrap sets the carry (HW 18.12).
    pub(crate) fn count(&mut self, at: u16, n: u32) {
        if self.reg(at::ECNTRL) & ecntrl::STEN == 0 {
            return;
        }
        let mask = if at == counter::RDRP { 0xFFFF } else { 0xFFFF_FFFF };
        let old = self.reg(at);
        let new = old.wrapping_add(n) & mask;
        self.set_reg(at, new);
        if new < old {
            let (register, bit) = carry(at);
            self.set_reg(register, self.reg(register) | bit);
            self.carried();
        }
    }

    /// MSRO when an unmasked carry is there (HW 3.2).
    pub(crate) fn carried(&mut self) {
        let unmasked =
            (self.reg(at::CAR1) & !self.reg(at::CAM1)) | (self.reg(at::CAR2) & !self.reg(at::CAM2));
        if unmasked != 0 && !self.msro {
            self.raise(ievent::MSRO);
        }
        // The event is the change from none to some.
        self.msro = unmasked != 0;
    }

    /// CLRCNT (HW 3.3).
    pub(crate) fn clear_counters(&mut self) {
        for at in (at::COUNTERS..=at::COUNTERS_END).step_by(4) {
            self.set_reg(at, 0);
        }
        for at in [at::RREJ, at::CAR1, at::CAR2] {
            self.set_reg(at, 0);
        }
        self.msro = false;
    }

    /// A counter read: it clears with AUTOZ (HW 13.1).
    pub(crate) fn read_counter(&mut self, at: u16) -> u32 {
        let value = self.reg(at);
        if self.reg(at::ECNTRL) & ecntrl::AUTOZ != 0 {
            self.set_reg(at, 0);
        }
        value
    }

    /// Counts by length: TR64 … TRMGV are common to both directions (HW 13.2).
    fn count_size(&mut self, frame: Counted<'_>) {
        let bucket = match frame.len() {
            64 => 0,
            65..=127 => 1,
            128..=255 => 2,
            256..=511 => 3,
            512..=1023 => 4,
            1024..=1518 => 5,
            1519..=1522 if frame.good && frame.tagged() => {
                self.count(counter::TRMGV, 1);
                return;
            }
            _ => return,
        };
        self.count(counter::TR64 + 4 * bucket, 1);
    }

    /// Counts a received frame, whether or not it will be accepted.
    pub(crate) fn count_received(&mut self, frame: Counted<'_>) {
        if self.reg(at::ECNTRL) & ecntrl::STEN == 0 {
            return;
        }
        let len = frame.len();
        self.count(counter::RPKT, 1);
        self.count(counter::RBYT, len as u32);
        self.count_size(frame);
        let long = len > frame.limit();
        match (len < 64, long, frame.good) {
            (true, _, true) => self.count(counter::RUND, 1),
            (true, _, false) => self.count(counter::RFRG, 1),
            (_, true, true) => self.count(counter::ROVR, 1),
            (_, true, false) => self.count(counter::RJBR, 1),
            (_, _, true) => {
                if let Some(at) = cast(frame.data, counter::RMCA, counter::RBCA) {
                    self.count(at, 1);
                }
            }
            (_, _, false) => {
                self.count(if frame.dribble { counter::RALN } else { counter::RFCS }, 1);
            }
        }
        if let Some(&[high, low]) = frame.data.get(12..14) {
            let field = usize::from(u16::from_be_bytes([high, low]));
            let there = frame.data.len() - 14;
            // A length field, that says more than there is, or less and it is not padding.
            if field <= 1500 && (field > there || (there > 46 && field != there)) {
                self.count(counter::RFLR, 1);
            }
        }
    }

    /// Counts a sent frame.
    pub(crate) fn count_sent(&mut self, frame: Counted<'_>) {
        if self.reg(at::ECNTRL) & ecntrl::STEN == 0 {
            return;
        }
        let len = frame.len();
        self.count(counter::TPKT, 1);
        self.count(counter::TBYT, len as u32);
        self.count_size(frame);
        match (len < 64, len > frame.limit(), frame.good) {
            (true, _, true) => self.count(counter::TUND, 1),
            (true, _, false) => self.count(counter::TFRG, 1),
            (_, true, true) => self.count(counter::TOVR, 1),
            (_, true, false) => self.count(counter::TJBR, 1),
            (_, _, false) => self.count(counter::TFCS, 1),
            (_, _, true) => {
                if let Some(at) = cast(frame.data, counter::TMCA, counter::TBCA) {
                    self.count(at, 1);
                }
            }
        }
        if frame.data.get(12..14) == Some(&[0x88, 0x08]) {
            self.count(counter::TXCF, 1);
            if frame.good && frame.data.get(14..16) == Some(&[0, 1]) {
                self.count(counter::TXPF, 1);
            }
        }
    }
}

/// The counter for a group address, or none.
fn cast(data: &[u8], multicast: u16, broadcast: u16) -> Option<u16> {
    match data.get(..6)? {
        [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF] => Some(broadcast),
        [first, ..] if first & 1 == 1 => Some(multicast),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_a_carry_of_its_own() {
        let mut seen = [0u32; 2];
        let counters = (at::COUNTERS..=at::COUNTERS_END).step_by(4).filter(|at| *at != 0x710);
        for at in counters.chain([at::RREJ]) {
            let (register, bit) = carry(at);
            let seen = &mut seen[usize::from(register == at::CAR2)];
            assert_eq!(*seen & bit, 0, "{at:#x}");
            *seen |= bit;
        }
        // Together they are the reset values of CAM1 and CAM2 (HW 3.24).
        assert_eq!(seen, [0xFE03_FFFF, 0x000F_FFFD]);
        assert_eq!(carry(counter::RDRP), (at::CAR1, 1));
        assert_eq!(carry(counter::TFRG), (at::CAR2, 0x4000));
    }
}
