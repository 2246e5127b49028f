//! Transmit control and status, ring pointers and bases, time stamps: 0x100–0x2FF (HW 2.2,
//! 3.6–3.10, 3.21).

use super::catalog::registers;
use super::rings::ring_flags;
use super::{Plain, Ro, Rw, Strobe, W1c};

pub use layout::*;

#[allow(missing_docs, reason = "the macro puts comments on the modules it makes, on nothing else")]
mod layout {
    tock_registers::register_bitfields![u32,
        /// TCTRL (HW 3.6).
        pub Tctrl [
            /// Allow IPv4 header checksum generation.
            IPCSEN OFFSET(14) NUMBITS(1) [],
            /// Allow TCP and UDP checksum generation.
            TUCSEN OFFSET(13) NUMBITS(1) [],
            /// Allow VLAN tag insertion.
            VLINS OFFSET(12) NUMBITS(1) [],
            /// Half-duplex flow control: back pressure.
            THDF OFFSET(11) NUMBITS(1) [],
            /// The transmitter is paused by a received pause frame (read only).
            RFC_PAUSE OFFSET(4) NUMBITS(1) [],
            /// Strobe: send one pause frame.
            TFC_PAUSE OFFSET(3) NUMBITS(1) [],
            /// How the next ring is chosen (HW 10).
            TXSCHED OFFSET(1) NUMBITS(2) [
                /// Only ring 0.
                Single = 0,
                /// The lowest-numbered ring that has a frame.
                Priority = 1,
                /// Modified weighted round robin.
                RoundRobin = 2
            ]
        ],
        /// DFVLAN: the tag given to frames that name none (HW 3.8).
        pub Dfvlan [
            /// Ethertype of inserted tags.
            TAG OFFSET(16) NUMBITS(16),
            /// Priority.
            PRI OFFSET(13) NUMBITS(3),
            /// Canonical format indicator.
            CFI OFFSET(12) NUMBITS(1),
            /// VLAN ID.
            VID OFFSET(0) NUMBITS(12)
        ],
        /// TXIC, RXIC and the per-ring TXICn, RXICn (HW 3.9).
        pub Coalescing [
            /// Enable; clear and set again to load new thresholds.
            ICEN OFFSET(31) NUMBITS(1) [],
            /// Clock of the timer.
            ICCS OFFSET(30) NUMBITS(1) [
                /// The MAC's clock.
                Interface = 0,
                /// The eTSEC system clock (unverified).
                System = 1
            ],
            /// Frame count threshold, 1 to 255.
            ICFT OFFSET(21) NUMBITS(8) [],
            /// Timer threshold, 1 to 65535, in units of 64 clocks.
            ICTT OFFSET(0) NUMBITS(16) []
        ],
        /// TR03WT: weights of rings 0 to 3 in units of 64 bytes per round (HW 3.10).
        pub Tr03wt [
            /// Ring 0.
            WT0 OFFSET(24) NUMBITS(8),
            /// Ring 1.
            WT1 OFFSET(16) NUMBITS(8),
            /// Ring 2.
            WT2 OFFSET(8) NUMBITS(8),
            /// Ring 3.
            WT3 OFFSET(0) NUMBITS(8)
        ],
        /// TR47WT: weights of rings 4 to 7 (HW 3.10).
        pub Tr47wt [
            /// Ring 4.
            WT4 OFFSET(24) NUMBITS(8),
            /// Ring 5.
            WT5 OFFSET(16) NUMBITS(8),
            /// Ring 6.
            WT6 OFFSET(8) NUMBITS(8),
            /// Ring 7.
            WT7 OFFSET(0) NUMBITS(8)
        ],
        /// The address of a descriptor, low 32 bits (HW 3.21). The field is the address divided by
        /// 8: write the whole register with the address.
        pub Pointer [
            /// Address divided by 8.
            PTR OFFSET(3) NUMBITS(29)
        ],
        /// Bits 35 to 32 of the addresses of all rings, or all buffers, of a direction (HW 3.21).
        pub High [
            /// Address bits 35 to 32.
            HIGH OFFSET(0) NUMBITS(4)
        ],
        /// TMR_TXTSn_ID: which frame a transmit time stamp belongs to (HW 12.4).
        pub TxtsId [
            /// The PTP_ID of the frame's control block.
            PTP_ID OFFSET(0) NUMBITS(16)
        ]
    ];
}

ring_flags! {
    /// TSTAT (HW 3.7). Clear only the wanted bits: the register is shared by all rings.
    Tstat;
    /// THLTn: the ring is halted, for want of a ready descriptor or by an error. Clearing it starts
    /// the ring.
    thlt = 0x8000_0000: THLT0 THLT1 THLT2 THLT3 THLT4 THLT5 THLT6 THLT7;
    /// TXFn: a frame event happened on the ring.
    txf = 0x0000_8000: TXF0 TXF1 TXF2 TXF3 TXF4 TXF5 TXF6 TXF7;
}

ring_flags! {
    /// TQUEUE (HW 3.10).
    Tqueue;
    /// ENn: the ring is enabled.
    en = 0x0000_8000: EN0 EN1 EN2 EN3 EN4 EN5 EN6 EN7;
}

/// TCTRL bits that start something: TFC_PAUSE.
const TCTRL_STROBES: u32 = Tctrl::TFC_PAUSE.mask << Tctrl::TFC_PAUSE.shift;

registers! { Group;
    /// Transmit control.
    TCTRL: Tctrl::Register, Strobe<TCTRL_STROBES>, 0x100, reset 0;
    /// Transmit status; each group's page has its own.
    TSTAT: Tstat, W1c, 0x104, reset 0;
    /// Default VLAN control word.
    DFVLAN: Dfvlan::Register, Rw, 0x108, reset 0x8100_0000;
    /// TX interrupt coalescing, all rings.
    TXIC: Coalescing::Register, Rw, 0x110, reset 0;
    /// TX queue control.
    TQUEUE: Tqueue, Rw, 0x114, reset 0x0000_8000;
    /// Weights of rings 0 to 3.
    TR03WT: Tr03wt::Register, Rw, 0x140, reset 0;
    /// Weights of rings 4 to 7.
    TR47WT: Tr47wt::Register, Rw, 0x144, reset 0;
    /// TX data buffer pointers, high bits.
    TBDBPH: High::Register, Rw, 0x180, reset 0;
    /// Next TxBD of a ring; written only while transmission is stopped.
    TBPTR: Pointer::Register, Rw, 0x184, array "TBPTRn" 0..8 by 8, reset 0;
    /// TxBD rings, high bits; written before TBASEn.
    TBASEH: High::Register, Rw, 0x200, reset 0;
    /// First TxBD of a ring; a write also sets TBPTRn.
    TBASE: Pointer::Register, Rw, 0x204, array "TBASEn" 0..8 by 8, reset 0;
    /// Identification of the transmit time stamps.
    TMR_TXTS_ID: TxtsId::Register, Ro, 0x280, array "TMR_TXTSn_ID" 1..3 by 4, reset 0;
    /// Transmit time stamps, high words.
    TMR_TXTS_H: Plain, Ro, 0x2C0, array "TMR_TXTSn_H" 1..3 by 8, reset 0;
    /// Transmit time stamps, low words.
    TMR_TXTS_L: Plain, Ro, 0x2C4, array "TMR_TXTSn_L" 1..3 by 8, reset 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_bits_run_down_and_end_at_seven() {
        assert_eq!(Tstat::thlt(0), Tstat::THLT0);
        assert_eq!(Tstat::thlt(7).bits(), 0x0100_0000);
        assert_eq!(Tstat::txf(3), Tstat::TXF3);
        assert_eq!(Tqueue::en(7).bits(), 0x0000_0100);
        assert!(Tstat::thlt(8).is_empty());
        assert!(Tqueue::en(usize::MAX).is_empty());
    }

    #[test]
    fn ring_registers_are_eight_bytes_apart() {
        assert_eq!(TBPTR.nth(7).offset(), 0x1BC);
        assert_eq!(TBASE.nth(7).offset(), 0x23C);
        assert_eq!(TMR_TXTS_L.nth(1).offset(), 0x2CC);
    }
}
