//! The transmit frame control block: what a frame asks the controller to do to it as it leaves (HW
//! 5.1, 5.2).

use core::fmt;

use bitflags::bitflags;

bitflags! {
    /// First two bytes of a transmit frame control block (HW 5.1).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct TxFcbFlags: u16 {
        /// Insert the VLAN tag of the block.
        const VLN = 0x8000;
        /// Layer 3 is IP.
        const IP = 0x4000;
        /// It is IPv6.
        const IP6 = 0x2000;
        /// Layer 4 is TCP or UDP.
        const TUP = 0x1000;
        /// It is UDP.
        const UDP = 0x0800;
        /// Generate the IPv4 header checksum.
        const CIP = 0x0400;
        /// Generate the TCP or UDP checksum.
        const CTU = 0x0200;
        /// The pseudo header's sum is given.
        const NPH = 0x0100;
        /// Capture the transmit time.
        const PTP = 0x0001;
    }
}

/// A transmit frame control block: handed over with a frame, it says what the controller is to do
/// to the frame as it leaves.
///
/// ```
/// use etsec_core::fcb::TxFcb;
/// // UDP in IPv4 without options behind an Ethernet header: both checksums, and a tag.
/// const TAGGED: TxFcb = TxFcb::ipv4(14, 20).header_checksum().udp_checksum().tag(0x2005);
/// # let _ = TAGGED;
/// ```
///
/// [`TxFcb::of`] makes the block for a frame that is there already.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct TxFcb([u8; 8]);

impl TxFcb {
    /// Bytes of a frame control block.
    pub const LEN: usize = 8;

    /// A block that asks for nothing.
    pub const NONE: TxFcb = TxFcb([0; 8]);

    /// A block that asks for a time stamp, with its ID 0, and for nothing else.
    pub(crate) const STAMPED: TxFcb = TxFcb::NONE.with(TxFcbFlags::PTP);

    /// For a frame whose IPv4 header, of `len` bytes with its options, begins `at` bytes from the
    /// frame's start: 14, or 18 behind a VLAN tag. A tag that the controller inserts does not
    /// count. It asks for nothing yet.
    #[must_use]
    pub const fn ipv4(at: u8, len: u8) -> TxFcb {
        TxFcb([0, 0, len, at, 0, 0, 0, 0]).with(TxFcbFlags::IP)
    }

    /// As [`TxFcb::ipv4`] for an IPv6 header, of `len` bytes with its extension headers. With
    /// extension headers give the pseudo header's sum, too.
    #[must_use]
    pub const fn ipv6(at: u8, len: u8) -> TxFcb {
        TxFcb::ipv4(at, len).with(TxFcbFlags::IP6)
    }

    /// Asks for the IPv4 header checksum. In IPv6 there is none.
    #[must_use]
    pub const fn header_checksum(self) -> TxFcb {
        self.with(TxFcbFlags::CIP)
    }

    /// Asks for the TCP checksum.
    #[must_use]
    pub const fn tcp_checksum(self) -> TxFcb {
        self.with(TxFcbFlags::TUP.union(TxFcbFlags::CTU))
    }

    /// Asks for the UDP checksum. For a datagram that is to have none, ask for none, and put 0 into
    /// the field.
    #[must_use]
    pub const fn udp_checksum(self) -> TxFcb {
        self.with(TxFcbFlags::TUP.union(TxFcbFlags::UDP).union(TxFcbFlags::CTU))
    }

    /// Gives the pseudo header's sum: of addresses, protocol and length, folded to 16 bits and not
    /// complemented. Needed where IP options or extension headers have a part in it (HW 5.2); a
    /// stack that has left it in the checksum field gives that.
    #[must_use]
    pub const fn pseudo_sum(self, sum: u16) -> TxFcb {
        let [high, low] = sum.to_be_bytes();
        let mut block = self.with(TxFcbFlags::NPH);
        (block.0[4], block.0[5]) = (high, low);
        block
    }

    /// Asks for a VLAN tag behind the source address: priority 0xE000, CFI 0x1000, ID 0x0FFF of the
    /// control word.
    #[must_use]
    pub const fn tag(self, control: u16) -> TxFcb {
        let [high, low] = control.to_be_bytes();
        let mut block = self.with(TxFcbFlags::VLN);
        (block.0[6], block.0[7]) = (high, low);
        block
    }

    /// What it asks for, and of which headers.
    #[must_use]
    pub const fn flags(self) -> TxFcbFlags {
        TxFcbFlags::from_bits_retain(u16::from_be_bytes([self.0[0], self.0[1]]))
    }

    /// Whether it asks for a checksum.
    pub(crate) const fn sums(self) -> bool {
        self.flags().intersects(TxFcbFlags::CIP.union(TxFcbFlags::CTU))
    }

    /// The block in memory.
    #[inline(always)]
    pub(crate) const fn bytes(self) -> [u8; 8] {
        self.0
    }

    const fn with(self, more: TxFcbFlags) -> TxFcb {
        let [high, low] = self.flags().union(more).bits().to_be_bytes();
        let mut block = self;
        (block.0[0], block.0[1]) = (high, low);
        block
    }
}

impl fmt::Debug for TxFcb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, _, l4, l3, p1, p0, v1, v0] = self.0;
        f.debug_struct("TxFcb")
            .field("flags", &self.flags())
            .field("l3", &l3)
            .field("l4", &l4)
            .field("pseudo", &u16::from_be_bytes([p1, p0]))
            .field("vlan", &u16::from_be_bytes([v1, v0]))
            .finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for TxFcb {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "TxFcb({=[u8]:02x})", self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_as_other_drivers_write_them() {
        // HW 5.1: what Linux writes for TCP and for UDP, the pseudo header's sum given.
        let tcp = TxFcb::ipv4(14, 20).tcp_checksum().pseudo_sum(0x1234);
        assert_eq!(tcp.bytes(), [0x53, 0, 20, 14, 0x12, 0x34, 0, 0]);
        let udp = TxFcb::ipv4(14, 20).udp_checksum().pseudo_sum(0x1234);
        assert_eq!(udp.bytes(), [0x5B, 0, 20, 14, 0x12, 0x34, 0, 0]);
    }

    #[test]
    fn every_request_has_its_bits() {
        let all = TxFcb::ipv6(18, 48).udp_checksum().tag(0xF005);
        assert_eq!(all.bytes(), [0xFA, 0, 48, 18, 0, 0, 0xF0, 0x05]);
        assert_eq!(TxFcb::ipv4(14, 24).header_checksum().bytes(), [0x44, 0, 24, 14, 0, 0, 0, 0]);
        assert_eq!(TxFcb::NONE.tag(7).bytes(), [0x80, 0, 0, 0, 0, 0, 0, 7]);
        assert!(all.sums() && !TxFcb::NONE.tag(7).sums());
    }
}
