//! Receive filer access and hash filing: 0x318–0x33C (HW 2.3, 3.12, 3.22, 6).

use bitflags::bitflags;

use super::catalog::{flag_layouts, registers};
use super::{Plain, Rw};

pub use layout::*;

#[allow(missing_docs, reason = "the macro puts comments on the modules it makes, on nothing else")]
mod layout {
    tock_registers::register_bitfields![u32,
        /// RIRn: the ring for each value of the hash (eTSEC2, HW 3.22).
        pub Rir [
            /// Ring for hash value 0.
            RING0 OFFSET(29) NUMBITS(3),
            /// Ring for hash value 1.
            RING1 OFFSET(26) NUMBITS(3),
            /// Ring for hash value 2.
            RING2 OFFSET(23) NUMBITS(3),
            /// Ring for hash value 3.
            RING3 OFFSET(20) NUMBITS(3),
            /// Ring for hash value 4.
            RING4 OFFSET(17) NUMBITS(3),
            /// Ring for hash value 5.
            RING5 OFFSET(14) NUMBITS(3),
            /// Ring for hash value 6.
            RING6 OFFSET(11) NUMBITS(3),
            /// Ring for hash value 7.
            RING7 OFFSET(8) NUMBITS(3)
        ],
        /// RBIFX: where the four bytes of the ARB property come from (HW 3.12). Each is 0, or the
        /// byte at its offset minus 8 from the destination address, or at its offset behind the
        /// layer 2 or layer 3 header.
        pub Rbifx [
            /// Source of byte 0, the most significant.
            B0CTL OFFSET(30) NUMBITS(2) [Zero = 0, Start = 1, AfterL2 = 2, AfterL3 = 3],
            /// Offset of byte 0.
            B0OFFSET OFFSET(24) NUMBITS(6) [],
            /// Source of byte 1.
            B1CTL OFFSET(22) NUMBITS(2) [Zero = 0, Start = 1, AfterL2 = 2, AfterL3 = 3],
            /// Offset of byte 1.
            B1OFFSET OFFSET(16) NUMBITS(6) [],
            /// Source of byte 2.
            B2CTL OFFSET(14) NUMBITS(2) [Zero = 0, Start = 1, AfterL2 = 2, AfterL3 = 3],
            /// Offset of byte 2.
            B2OFFSET OFFSET(8) NUMBITS(6) [],
            /// Source of byte 3.
            B3CTL OFFSET(6) NUMBITS(2) [Zero = 0, Start = 1, AfterL2 = 2, AfterL3 = 3],
            /// Offset of byte 3.
            B3OFFSET OFFSET(0) NUMBITS(6) []
        ],
        /// RQFAR (HW 3.12).
        pub Rqfar [
            /// Entry that RQFCR and RQFPR reach.
            RQFAR OFFSET(0) NUMBITS(8)
        ],
        /// RQFCR: the control word of a filer entry (HW 3.12).
        pub Rqfcr [
            /// Raise FGPI when this rule accepts a frame.
            GPI OFFSET(31) NUMBITS(1) [],
            /// Where the queue comes from (eTSEC2).
            HASHTBL OFFSET(17) NUMBITS(3) [
                /// The Q field.
                Queue = 0,
                /// The hash, through RIR0.
                Rir0 = 1,
                /// The hash, through RIR1.
                Rir1 = 2,
                /// The hash, through RIR2.
                Rir2 = 3,
                /// The hash, through RIR3.
                Rir3 = 4
            ],
            /// Include this entry's property in the hash (eTSEC2).
            HASH OFFSET(16) NUMBITS(1) [],
            /// Virtual queue, 0 to 63.
            Q OFFSET(10) NUMBITS(6) [],
            /// Cluster entry or exit.
            CLE OFFSET(9) NUMBITS(1) [],
            /// Reject the frame on a match.
            REJ OFFSET(8) NUMBITS(1) [],
            /// Chain with the next entry.
            AND OFFSET(7) NUMBITS(1) [],
            /// How the property is compared with RQFPR.
            CMP OFFSET(5) NUMBITS(2) [
                /// Equal.
                Equal = 0,
                /// Property not less than RQFPR.
                NotLess = 1,
                /// Not equal.
                NotEqual = 2,
                /// Property less than RQFPR.
                Less = 3
            ],
            /// Which property (HW 6.3).
            PID OFFSET(0) NUMBITS(4) [
                /// Sets the mask.
                Mask = 0,
                /// Parse flags.
                Flags = 1,
                /// The four bytes RBIFX chooses.
                Arb = 2,
                /// Destination address, octets 1 to 3.
                Dah = 3,
                /// Destination address, octets 4 to 6.
                Dal = 4,
                /// Source address, octets 1 to 3.
                Sah = 5,
                /// Source address, octets 4 to 6.
                Sal = 6,
                /// Innermost ethertype.
                Ety = 7,
                /// VLAN ID.
                Vid = 8,
                /// VLAN priority.
                Pri = 9,
                /// IPv4 type of service or IPv6 traffic class.
                Tos = 10,
                /// IP protocol.
                L4p = 11,
                /// Destination IP address, its first 4 bytes.
                Dia = 12,
                /// Source IP address, its first 4 bytes.
                Sia = 13,
                /// Destination port.
                Dpt = 14,
                /// Source port.
                Spt = 15
            ]
        ]
    ];
}

bitflags! {
    /// What the parser found in a frame: RQFPR of property 1 (HW 6.3).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct ParseFlags: u32 {
        /// Headers of 512 bytes or more (newer parts).
        const HDR_GE_512 = 0x0020_0000;
        /// Length error (newer parts).
        const LERR = 0x0010_0000;
        /// RARP response (newer parts).
        const RAR = 0x0008_0000;
        /// RARP request (newer parts).
        const RARQ = 0x0004_0000;
        /// ARP response (newer parts).
        const AR = 0x0002_0000;
        /// ARP request (newer parts).
        const ARQ = 0x0001_0000;
        /// Broadcast destination address.
        const EBC = 0x0000_8000;
        /// VLAN tag.
        const VLN = 0x0000_4000;
        /// The tag's canonical format indicator.
        const CFI = 0x0000_2000;
        /// Jumbo ethertype.
        const JUM = 0x0000_1000;
        /// IP fragment.
        const IPF = 0x0000_0800;
        /// Came from the packet FIFO interface.
        const FIF = 0x0000_0400;
        /// IPv4 header.
        const IP4 = 0x0000_0200;
        /// IPv6 header.
        const IP6 = 0x0000_0100;
        /// IP checksum was checked.
        const ICC = 0x0000_0080;
        /// IP checksum is valid.
        const ICV = 0x0000_0040;
        /// TCP header.
        const TCP = 0x0000_0020;
        /// UDP header.
        const UDP = 0x0000_0010;
        /// TCP or UDP checksum was checked (newer parts).
        const TUC = 0x0000_0008;
        /// TCP or UDP checksum is valid (newer parts).
        const TUV = 0x0000_0004;
        /// Parse error.
        const PER = 0x0000_0002;
        /// Ethernet framing error.
        const EER = 0x0000_0001;
    }
}

flag_layouts!(ParseFlags);

registers! { Group;
    /// Ring mapping of hash filing (eTSEC2).
    RIR: Rir::Register, Rw, 0x318, array "RIRn" 0..4 by 4, reset 0;
    /// Which bytes make the ARB property.
    RBIFX: Rbifx::Register, Rw, 0x330, reset 0;
    /// Filer entry that is accessed.
    RQFAR: Rqfar::Register, Rw, 0x334, reset 0, reading Owner;
    /// Control word of that entry; undefined until written.
    RQFCR: Rqfcr::Register, Rw, 0x338, reading Owner;
    /// Property word of that entry; undefined until written.
    RQFPR: Plain, Rw, 0x33C, reading Owner;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_words_of_the_manual_come_out() {
        // HW 6.4: VLAN priority 1 to ring 6; TOS not below 0xE0 to queue 8; guard of a TCP cluster.
        let ring6 = Rqfcr::Q.val(6) + Rqfcr::PID::Pri;
        assert_eq!(u32::from(ring6), 0x0000_1809);
        let queue8 = Rqfcr::Q.val(8) + Rqfcr::CMP::NotLess + Rqfcr::PID::Tos;
        assert_eq!(u32::from(queue8), 0x0000_202A);
        let guard = Rqfcr::CLE::SET + Rqfcr::AND::SET + Rqfcr::PID::L4p;
        assert_eq!(u32::from(guard), 0x0000_028B);
        // HW 6.5: the word that adds DAH to the hash.
        let hash = Rqfcr::HASHTBL::Rir0 + Rqfcr::HASH::SET + Rqfcr::AND::SET + Rqfcr::CMP::Less;
        assert_eq!(u32::from(hash + Rqfcr::PID::Dah), 0x0003_00E3);
        assert_eq!(ParseFlags::IP4 | ParseFlags::UDP, ParseFlags::from_bits_retain(0x210));
    }

    #[test]
    fn ring_maps_of_linux_decode() {
        // HW 3.22.
        let rings = [Rir::RING0, Rir::RING1, Rir::RING2, Rir::RING3];
        let more = [Rir::RING4, Rir::RING5, Rir::RING6, Rir::RING7];
        for (h, field) in (0u32..).zip(rings.into_iter().chain(more)) {
            assert_eq!(field.read(0x0539_7700), h);
            assert_eq!(field.read(0x0410_4100), h & 1);
        }
    }
}
