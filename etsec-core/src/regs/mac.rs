//! The MAC: configuration, station and exact-match addresses: 0x500–0x5BF but MII management (HW
//! 2.4, 3.14–3.18).

use super::catalog::registers;
use super::{Plain, Ro, Rw};

pub use layout::*;

#[allow(missing_docs, reason = "the macro puts comments on the modules it makes, on nothing else")]
mod layout {
    tock_registers::register_bitfields![u32,
        /// MACCFG1 (HW 3.14).
        pub Maccfg1 [
            /// Holds the whole MAC in reset until it is cleared.
            SOFT_RESET OFFSET(31) NUMBITS(1),
            /// Holds the receive control block in reset.
            RESET_RX_MC OFFSET(19) NUMBITS(1),
            /// Holds the transmit control block in reset.
            RESET_TX_MC OFFSET(18) NUMBITS(1),
            /// Holds the receive function in reset.
            RESET_RX_FUN OFFSET(17) NUMBITS(1),
            /// Holds the transmit function in reset.
            RESET_TX_FUN OFFSET(16) NUMBITS(1),
            /// What the MAC sends comes back into its receiver.
            LOOP_BACK OFFSET(8) NUMBITS(1),
            /// Obey received pause frames.
            RX_FLOW OFFSET(5) NUMBITS(1),
            /// Allow sending pause frames.
            TX_FLOW OFFSET(4) NUMBITS(1),
            /// Rx_EN has reached the receive clock (read only).
            SYNCD_RX_EN OFFSET(3) NUMBITS(1),
            /// Receive enable.
            RX_EN OFFSET(2) NUMBITS(1),
            /// Tx_EN has reached the transmit clock (read only).
            SYNCD_TX_EN OFFSET(1) NUMBITS(1),
            /// Transmit enable.
            TX_EN OFFSET(0) NUMBITS(1)
        ],
        /// MACCFG2 (HW 3.15).
        pub Maccfg2 [
            /// Preamble length in bytes.
            PREAMBLE_LENGTH OFFSET(12) NUMBITS(4) [],
            /// Width of the interface to the PHY.
            IF_MODE OFFSET(8) NUMBITS(2) [
                /// 10 and 100 Mb/s.
                Nibble = 1,
                /// 1000 Mb/s.
                Byte = 2
            ],
            /// Deliver the preamble as 8 bytes before the frame.
            PREAM_RXEN OFFSET(7) NUMBITS(1) [],
            /// Allow user preambles.
            PREAM_TXEN OFFSET(6) NUMBITS(1) [],
            /// Pass frames longer than MAXFRM.
            HUGE_FRAME OFFSET(5) NUMBITS(1) [],
            /// Compare the 802.3 length field with the data.
            LENGTH_CHECK OFFSET(4) NUMBITS(1) [],
            /// Magic packet mode.
            MPEN OFFSET(3) NUMBITS(1) [],
            /// Pad short frames to 64 bytes and append the CRC.
            PAD_CRC OFFSET(2) NUMBITS(1) [],
            /// Append the CRC; implied by PAD/CRC.
            CRC_EN OFFSET(1) NUMBITS(1) [],
            /// Full duplex.
            FULL_DUPLEX OFFSET(0) NUMBITS(1) []
        ],
        /// IPGIFG: gaps in bit times (HW 3.16).
        pub Ipgifg [
            /// Gap behind another's frame, part 1.
            NBBIPG1 OFFSET(24) NUMBITS(7),
            /// Gap behind another's frame, part 2.
            NBBIPG2 OFFSET(16) NUMBITS(7),
            /// Least gap on receive; a closer frame is dropped.
            MIN_IFG OFFSET(8) NUMBITS(8),
            /// Gap between own frames.
            BBIPG OFFSET(0) NUMBITS(7)
        ],
        /// HAFDUP: half duplex (HW 3.16).
        pub Hafdup [
            /// Alternate back-off truncation.
            ALT_BEB_TRUNC OFFSET(20) NUMBITS(4),
            /// Use the alternate truncation.
            ALT_BEB OFFSET(19) NUMBITS(1),
            /// No back-off after back pressure.
            BP_NO_BACKOFF OFFSET(18) NUMBITS(1),
            /// No back-off at all.
            NO_BACKOFF OFFSET(17) NUMBITS(1),
            /// Keep trying after an excessive deferral instead of giving up.
            EXCESS_DEFER OFFSET(16) NUMBITS(1),
            /// Retries after a collision.
            RETRANSMISSION_MAX OFFSET(12) NUMBITS(4),
            /// Slot time.
            COLLISION_WINDOW OFFSET(0) NUMBITS(10)
        ],
        /// MAXFRM (HW 3.16).
        pub Maxfrm [
            /// Longest frame in bytes, FCS included.
            MAXFRM OFFSET(0) NUMBITS(16)
        ],
        /// IFSTAT (HW 3.17).
        pub Ifstat [
            /// A frame was deferred for too long; cleared by reading (unverified).
            EXCESS_DEFER OFFSET(9) NUMBITS(1)
        ],
        /// First word of an address: its octets 6 to 3 (HW 3.18).
        pub Addr1 [
            /// Last octet on the wire.
            OCTET6 OFFSET(24) NUMBITS(8),
            /// Fifth octet.
            OCTET5 OFFSET(16) NUMBITS(8),
            /// Fourth octet.
            OCTET4 OFFSET(8) NUMBITS(8),
            /// Third octet.
            OCTET3 OFFSET(0) NUMBITS(8)
        ],
        /// Second word of an address: its octets 2 and 1 (HW 3.18).
        pub Addr2 [
            /// Second octet.
            OCTET2 OFFSET(24) NUMBITS(8),
            /// First octet on the wire.
            OCTET1 OFFSET(16) NUMBITS(8)
        ]
    ];
}

registers! { Group;
    /// MAC configuration 1: reset, enables, flow control.
    MACCFG1: Maccfg1::Register, Rw, 0x500, reset 0;
    /// MAC configuration 2: interface, frames.
    MACCFG2: Maccfg2::Register, Rw, 0x504, reset 0x0000_7000;
    /// Inter-packet and inter-frame gaps.
    IPGIFG: Ipgifg::Register, Rw, 0x508, reset 0x4060_5060;
    /// Half duplex.
    HAFDUP: Hafdup::Register, Rw, 0x50C, reset 0x00A1_F037;
    /// Longest frame.
    MAXFRM: Maxfrm::Register, Rw, 0x510, reset 0x0000_0600;
    /// Interface control; reserved on most parts, never written.
    IFCTRL: Plain, Ro, 0x538;
    /// Interface status.
    IFSTAT: Ifstat::Register, Ro, 0x53C, reset 0, reading Effect;
    /// Station address, octets 6 to 3.
    MACSTNADDR1: Addr1::Register, Rw, 0x540, reset 0;
    /// Station address, octets 2 and 1.
    MACSTNADDR2: Addr2::Register, Rw, 0x544, reset 0;
    /// Exact-match addresses, octets 6 to 3. Index 0 is MAC01.
    MACADDR1: Addr1::Register, Rw, 0x548, array "MACnADDR1" 1..16 by 8, reset 0;
    /// Exact-match addresses, octets 2 and 1. Index 0 is MAC01.
    MACADDR2: Addr2::Register, Rw, 0x54C, array "MACnADDR2" 1..16 by 8, reset 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_configuration_is_the_documented_number() {
        // HW 3.15.
        let usual = Maccfg2::PREAMBLE_LENGTH.val(7)
            + Maccfg2::IF_MODE::Byte
            + Maccfg2::PAD_CRC::SET
            + Maccfg2::FULL_DUPLEX::SET;
        assert_eq!(u32::from(usual), 0x0000_7205);
    }

    #[test]
    fn reset_values_decode_as_the_text_says() {
        // HW 3.16.
        assert_eq!(Ipgifg::NBBIPG1.read(0x4060_5060), 0x40);
        assert_eq!(Ipgifg::NBBIPG2.read(0x4060_5060), 0x60);
        assert_eq!(Ipgifg::MIN_IFG.read(0x4060_5060), 0x50);
        assert_eq!(Hafdup::ALT_BEB_TRUNC.read(0x00A1_F037), 0xA);
        assert!(Hafdup::EXCESS_DEFER.is_set(0x00A1_F037));
        assert_eq!(Hafdup::RETRANSMISSION_MAX.read(0x00A1_F037), 0xF);
        assert_eq!(Hafdup::COLLISION_WINDOW.read(0x00A1_F037), 0x37);
    }

    #[test]
    fn fifteen_exact_addresses_end_at_5bc() {
        assert_eq!(MACADDR1.count(), 15);
        assert_eq!(MACADDR1.nth(14).offset(), 0x5B8);
        assert_eq!(MACADDR2.nth(14).offset(), 0x5BC);
    }
}
