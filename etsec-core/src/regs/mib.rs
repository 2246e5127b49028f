//! The MIB counters and their carry registers: 0x680–0x743 (HW 2.5, 3.24, 13).
//!
//! What is counted and how wide each counter is, is in [`crate::mib`].

use bitflags::bitflags;

use super::catalog::{flag_layouts, registers};
use super::{Plain, RegArray, Rw, W1c};

bitflags! {
    /// CAR1 (a counter wrapped) and CAM1 (1: do not raise MSRO for it) (HW 3.24).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Car1: u32 {
        /// TR64 wrapped.
        const TR64 = 0x8000_0000;
        /// TR127 wrapped.
        const TR127 = 0x4000_0000;
        /// TR255 wrapped.
        const TR255 = 0x2000_0000;
        /// TR511 wrapped.
        const TR511 = 0x1000_0000;
        /// TR1K wrapped.
        const TR1K = 0x0800_0000;
        /// TRMAX wrapped.
        const TRMAX = 0x0400_0000;
        /// TRMGV wrapped.
        const TRMGV = 0x0200_0000;
        /// RREJ wrapped.
        const RREJ = 0x0002_0000;
        /// RBYT wrapped.
        const RBYT = 0x0001_0000;
        /// RPKT wrapped.
        const RPKT = 0x0000_8000;
        /// RFCS wrapped.
        const RFCS = 0x0000_4000;
        /// RMCA wrapped.
        const RMCA = 0x0000_2000;
        /// RBCA wrapped.
        const RBCA = 0x0000_1000;
        /// RXCF wrapped.
        const RXCF = 0x0000_0800;
        /// RXPF wrapped.
        const RXPF = 0x0000_0400;
        /// RXUO wrapped.
        const RXUO = 0x0000_0200;
        /// RALN wrapped.
        const RALN = 0x0000_0100;
        /// RFLR wrapped.
        const RFLR = 0x0000_0080;
        /// RCDE wrapped.
        const RCDE = 0x0000_0040;
        /// RCSE wrapped.
        const RCSE = 0x0000_0020;
        /// RUND wrapped.
        const RUND = 0x0000_0010;
        /// ROVR wrapped.
        const ROVR = 0x0000_0008;
        /// RFRG wrapped.
        const RFRG = 0x0000_0004;
        /// RJBR wrapped.
        const RJBR = 0x0000_0002;
        /// RDRP wrapped.
        const RDRP = 0x0000_0001;
    }
}

bitflags! {
    /// CAR2 and CAM2; the order of the bits is unverified (HW 3.24).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Car2: u32 {
        /// TJBR wrapped.
        const TJBR = 0x0008_0000;
        /// TFCS wrapped.
        const TFCS = 0x0004_0000;
        /// TXCF wrapped.
        const TXCF = 0x0002_0000;
        /// TOVR wrapped.
        const TOVR = 0x0001_0000;
        /// TUND wrapped.
        const TUND = 0x0000_8000;
        /// TFRG wrapped.
        const TFRG = 0x0000_4000;
        /// TBYT wrapped.
        const TBYT = 0x0000_2000;
        /// TPKT wrapped.
        const TPKT = 0x0000_1000;
        /// TMCA wrapped.
        const TMCA = 0x0000_0800;
        /// TBCA wrapped.
        const TBCA = 0x0000_0400;
        /// TXPF wrapped.
        const TXPF = 0x0000_0200;
        /// TDFR wrapped.
        const TDFR = 0x0000_0100;
        /// TEDF wrapped.
        const TEDF = 0x0000_0080;
        /// TSCL wrapped.
        const TSCL = 0x0000_0040;
        /// TMCL wrapped.
        const TMCL = 0x0000_0020;
        /// TLCL wrapped.
        const TLCL = 0x0000_0010;
        /// TXCL wrapped.
        const TXCL = 0x0000_0008;
        /// TNCL wrapped.
        const TNCL = 0x0000_0004;
        /// TDRP wrapped.
        const TDRP = 0x0000_0001;
    }
}

flag_layouts!(Car1, Car2);

/// The counters from TR64 to TFRG as a block, with one reserved word in it. RREJ stands alone.
pub(crate) const BLOCK: RegArray<Plain, Rw> = RegArray::at(0x680, 4, 44);
/// The reserved word, between TNCL and TDRP.
pub(crate) const RESERVED: usize = (0x710 - 0x680) / 4;

registers! { Group;
    /// Frames of 64 bytes, sent or received.
    TR64: Plain, Rw, 0x680, reset 0, reading SafeWithoutAutoz;
    /// Frames of 65 to 127 bytes, sent or received.
    TR127: Plain, Rw, 0x684, reset 0, reading SafeWithoutAutoz;
    /// Frames of 128 to 255 bytes, sent or received.
    TR255: Plain, Rw, 0x688, reset 0, reading SafeWithoutAutoz;
    /// Frames of 256 to 511 bytes, sent or received.
    TR511: Plain, Rw, 0x68C, reset 0, reading SafeWithoutAutoz;
    /// Frames of 512 to 1023 bytes, sent or received.
    TR1K: Plain, Rw, 0x690, reset 0, reading SafeWithoutAutoz;
    /// Frames of 1024 to 1518 bytes, sent or received.
    TRMAX: Plain, Rw, 0x694, reset 0, reading SafeWithoutAutoz;
    /// Good VLAN frames of 1519 to 1522 bytes, sent or received.
    TRMGV: Plain, Rw, 0x698, reset 0, reading SafeWithoutAutoz;
    /// Bytes received.
    RBYT: Plain, Rw, 0x69C, reset 0, reading SafeWithoutAutoz;
    /// Frames received.
    RPKT: Plain, Rw, 0x6A0, reset 0, reading SafeWithoutAutoz;
    /// Received frames with an FCS error.
    RFCS: Plain, Rw, 0x6A4, reset 0, reading SafeWithoutAutoz;
    /// Received multicast frames.
    RMCA: Plain, Rw, 0x6A8, reset 0, reading SafeWithoutAutoz;
    /// Received broadcast frames.
    RBCA: Plain, Rw, 0x6AC, reset 0, reading SafeWithoutAutoz;
    /// Received control frames.
    RXCF: Plain, Rw, 0x6B0, reset 0, reading SafeWithoutAutoz;
    /// Received pause frames.
    RXPF: Plain, Rw, 0x6B4, reset 0, reading SafeWithoutAutoz;
    /// Received control frames of an unknown kind.
    RXUO: Plain, Rw, 0x6B8, reset 0, reading SafeWithoutAutoz;
    /// Received frames with an alignment error.
    RALN: Plain, Rw, 0x6BC, reset 0, reading SafeWithoutAutoz;
    /// Received frames with a wrong length field.
    RFLR: Plain, Rw, 0x6C0, reset 0, reading SafeWithoutAutoz;
    /// Invalid symbols during reception.
    RCDE: Plain, Rw, 0x6C4, reset 0, reading SafeWithoutAutoz;
    /// False carriers.
    RCSE: Plain, Rw, 0x6C8, reset 0, reading SafeWithoutAutoz;
    /// Received frames that were too short.
    RUND: Plain, Rw, 0x6CC, reset 0, reading SafeWithoutAutoz;
    /// Received frames that were too long.
    ROVR: Plain, Rw, 0x6D0, reset 0, reading SafeWithoutAutoz;
    /// Received fragments: too short and broken.
    RFRG: Plain, Rw, 0x6D4, reset 0, reading SafeWithoutAutoz;
    /// Received jabbers: too long and broken.
    RJBR: Plain, Rw, 0x6D8, reset 0, reading SafeWithoutAutoz;
    /// Received frames dropped for lack of resources.
    RDRP: Plain, Rw, 0x6DC, reset 0, reading SafeWithoutAutoz;
    /// Bytes sent.
    TBYT: Plain, Rw, 0x6E0, reset 0, reading SafeWithoutAutoz;
    /// Frames sent.
    TPKT: Plain, Rw, 0x6E4, reset 0, reading SafeWithoutAutoz;
    /// Multicast frames sent.
    TMCA: Plain, Rw, 0x6E8, reset 0, reading SafeWithoutAutoz;
    /// Broadcast frames sent.
    TBCA: Plain, Rw, 0x6EC, reset 0, reading SafeWithoutAutoz;
    /// Pause frames sent.
    TXPF: Plain, Rw, 0x6F0, reset 0, reading SafeWithoutAutoz;
    /// Frames deferred once.
    TDFR: Plain, Rw, 0x6F4, reset 0, reading SafeWithoutAutoz;
    /// Frames deferred excessively.
    TEDF: Plain, Rw, 0x6F8, reset 0, reading SafeWithoutAutoz;
    /// Frames sent after one collision.
    TSCL: Plain, Rw, 0x6FC, reset 0, reading SafeWithoutAutoz;
    /// Frames sent after several collisions.
    TMCL: Plain, Rw, 0x700, reset 0, reading SafeWithoutAutoz;
    /// Late collisions.
    TLCL: Plain, Rw, 0x704, reset 0, reading SafeWithoutAutoz;
    /// Frames given up after too many collisions.
    TXCL: Plain, Rw, 0x708, reset 0, reading SafeWithoutAutoz;
    /// Collisions.
    TNCL: Plain, Rw, 0x70C, reset 0, reading SafeWithoutAutoz;
    /// Frames dropped on transmission.
    TDRP: Plain, Rw, 0x714, reset 0, reading SafeWithoutAutoz;
    /// Sent jabbers: too long and broken.
    TJBR: Plain, Rw, 0x718, reset 0, reading SafeWithoutAutoz;
    /// Frames sent with an FCS error.
    TFCS: Plain, Rw, 0x71C, reset 0, reading SafeWithoutAutoz;
    /// Control frames sent.
    TXCF: Plain, Rw, 0x720, reset 0, reading SafeWithoutAutoz;
    /// Sent frames that were too long.
    TOVR: Plain, Rw, 0x724, reset 0, reading SafeWithoutAutoz;
    /// Sent frames that were too short.
    TUND: Plain, Rw, 0x728, reset 0, reading SafeWithoutAutoz;
    /// Sent fragments: too short and broken.
    TFRG: Plain, Rw, 0x72C, reset 0, reading SafeWithoutAutoz;
    /// Carries, first word.
    CAR1: Car1, W1c, 0x730, reset 0;
    /// Carries, second word.
    CAR2: Car2, W1c, 0x734, reset 0;
    /// Carry mask, first word.
    CAM1: Car1, Rw, 0x738, reset 0xFE03_FFFF;
    /// Carry mask, second word.
    CAM2: Car2, Rw, 0x73C, reset 0x000F_FFFD;
    /// Frames the filer rejected.
    RREJ: Plain, Rw, 0x740, reset 0, reading SafeWithoutAutoz;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carry_bits_fill_the_reset_values_of_the_masks() {
        // HW 2.5: a bit missing here or one too many would show.
        assert_eq!(Car1::all().bits(), 0xFE03_FFFF);
        assert_eq!(Car2::all().bits(), 0x000F_FFFD);
    }
}
