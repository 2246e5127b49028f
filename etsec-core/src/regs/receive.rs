//! Receive control and status, ring pointers and bases, flow control and cache attributes:
//! 0x300–0x4FF but the filer, 0xBF8–0xC7F (HW 2.3, 2.6, 3.7, 3.10–3.13, 3.19–3.21).

use super::catalog::registers;
use super::rings::ring_flags;
use super::transmit::{Coalescing, High, Pointer};
use super::{Plain, Ro, Rw, W1c};

pub use layout::*;

#[allow(missing_docs, reason = "the macro puts comments on the modules it makes, on nothing else")]
mod layout {
    tock_registers::register_bitfields![u32,
        /// RCTRL (HW 3.11). Changed only with the receiver stopped, except PROM.
        pub Rctrl [
            /// Bytes of an unknown header before layer 2 (unverified; kept 0).
            L2OFF OFFSET(25) NUMBITS(7) [],
            /// Time stamp every received frame into its padding.
            TS OFFSET(24) NUMBITS(1) [],
            /// Pad bytes before the frame, 0 to 31.
            PAL OFFSET(16) NUMBITS(5) [],
            /// Lossless flow control.
            LFC OFFSET(14) NUMBITS(1) [],
            /// Take the VLAN tag out of the frame.
            VLEX OFFSET(13) NUMBITS(1) [],
            /// Filer enable.
            FILREN OFFSET(12) NUMBITS(1) [],
            /// All frames to ring 0, the chosen queue only in the control block.
            FSQEN OFFSET(11) NUMBITS(1) [],
            /// One group hash of 512 entries instead of two tables of 256.
            GHTX OFFSET(10) NUMBITS(1) [],
            /// Verify IPv4 header checksums.
            IPCSEN OFFSET(9) NUMBITS(1) [],
            /// Verify TCP and UDP checksums.
            TUCSEN OFFSET(8) NUMBITS(1) [],
            /// How deep frames are parsed.
            PRSDEP OFFSET(6) NUMBITS(2) [
                /// Not at all: no frame control block.
                Off = 0,
                /// Layer 2.
                L2 = 1,
                /// Layers 2 and 3.
                L3 = 2,
                /// Layers 2 to 4.
                L4 = 3
            ],
            /// Parsing on the packet FIFO interface.
            PRSFM OFFSET(5) NUMBITS(1) [],
            /// Reject broadcast frames.
            BC_REJ OFFSET(4) NUMBITS(1) [],
            /// Promiscuous.
            PROM OFFSET(3) NUMBITS(1) [],
            /// Receive frames shorter than 64 bytes.
            RSF OFFSET(2) NUMBITS(1) [],
            /// Use the 15 exact-match addresses.
            EMEN OFFSET(1) NUMBITS(1) []
        ],
        /// MRBLR (HW 3.13).
        pub Mrblr [
            /// Bytes the controller may write into a buffer, divided by 64; never 0.
            MRBL OFFSET(6) NUMBITS(10)
        ],
        /// RQPRMn (HW 3.20).
        pub Rqprm [
            /// Pause when fewer descriptors than this are free.
            FBTHR OFFSET(24) NUMBITS(8),
            /// Descriptors in the ring.
            LEN OFFSET(0) NUMBITS(24)
        ],
        /// ATTR (HW 3.19).
        pub Attr [
            /// Stashing of extracted data in the L2 cache.
            ELCWT OFFSET(13) NUMBITS(2) [
                /// None.
                Off = 0,
                /// Allocate cache lines.
                Allocate = 2
            ],
            /// Stashing of RxBDs in the L2 cache.
            BDLWT OFFSET(10) NUMBITS(2) [
                /// None.
                Off = 0,
                /// Allocate cache lines.
                Allocate = 2
            ],
            /// Snoop RX data.
            RDSEN OFFSET(7) NUMBITS(1) [],
            /// Snoop RxBDs.
            RBDSEN OFFSET(6) NUMBITS(1) []
        ],
        /// ATTRELI (HW 3.19).
        pub Attreli [
            /// Extracted length in bytes, divided by 8.
            EL OFFSET(19) NUMBITS(11),
            /// Extract index in bytes, divided by 64.
            EI OFFSET(6) NUMBITS(8)
        ]
    ];
}

ring_flags! {
    /// RSTAT (HW 3.7). Clear only the wanted bits: the register is shared by all rings.
    Rstat;
    /// QHLTn: the ring is halted, for want of an empty descriptor or by an error. Clearing it
    /// starts the ring.
    qhlt = 0x0080_0000: QHLT0 QHLT1 QHLT2 QHLT3 QHLT4 QHLT5 QHLT6 QHLT7;
    /// RXFn: a frame event happened on the ring.
    rxf = 0x0000_0080: RXF0 RXF1 RXF2 RXF3 RXF4 RXF5 RXF6 RXF7;
}

ring_flags! {
    /// RQUEUE (HW 3.10).
    Rqueue;
    /// EXn: data of the ring is extracted for stashing.
    ex = 0x0080_0000: EX0 EX1 EX2 EX3 EX4 EX5 EX6 EX7;
    /// ENn: the ring is enabled; a frame filed to one that is not is dropped.
    en = 0x0000_0080: EN0 EN1 EN2 EN3 EN4 EN5 EN6 EN7;
}

registers! { Group;
    /// Receive control.
    RCTRL: Rctrl::Register, Rw, 0x300, reset 0;
    /// Receive status; each group's page has its own.
    RSTAT: Rstat, W1c, 0x304, reset 0;
    /// RX interrupt coalescing, all rings.
    RXIC: Coalescing::Register, Rw, 0x310, reset 0;
    /// RX queue control.
    RQUEUE: Rqueue, Rw, 0x314, reset 0x0080_0080;
    /// Maximum receive buffer length.
    MRBLR: Mrblr::Register, Rw, 0x340, reset 0;
    /// RX data buffer pointers, high bits.
    RBDBPH: High::Register, Rw, 0x380, reset 0;
    /// Next RxBD of a ring; written only while reception is stopped.
    RBPTR: Pointer::Register, Rw, 0x384, array "RBPTRn" 0..8 by 8, reset 0;
    /// RxBD rings, high bits; written before RBASEn.
    RBASEH: High::Register, Rw, 0x400, reset 0;
    /// First RxBD of a ring; a write also sets RBPTRn and RFBPTRn.
    RBASE: Pointer::Register, Rw, 0x404, array "RBASEn" 0..8 by 8, reset 0;
    /// Time stamp of the last received frame, high word.
    TMR_RXTS_H: Plain, Rw, 0x4C0, reset 0;
    /// Time stamp of the last received frame, low word.
    TMR_RXTS_L: Plain, Rw, 0x4C4, reset 0;
    /// Cache attributes.
    ATTR: Attr::Register, Rw, 0xBF8, reset 0;
    /// Which part of a frame is stashed.
    ATTRELI: Attreli::Register, Rw, 0xBFC, reset 0;
    /// RX queue parameters of lossless flow control.
    RQPRM: Rqprm::Register, Rw, 0xC00, array "RQPRMn" 0..8 by 4, reset 0;
    /// Last free RxBD, for lossless flow control.
    RFBPTR: Pointer::Register, Rw, 0xC44, array "RFBPTRn" 0..8 by 8, reset 0;
    /// State of the receiver, not named by any manual; read only by the work-around of erratum A002
    /// (HW 14).
    A002_RX_STATE: Plain, Ro, 0xD1C, reading Owner;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_bits_run_down_and_end_at_seven() {
        assert_eq!(Rstat::qhlt(0).bits(), 0x0080_0000);
        assert_eq!(Rstat::qhlt(7), Rstat::QHLT7);
        assert_eq!(Rstat::rxf(7).bits(), 0x0000_0001);
        assert_eq!(Rqueue::en(1) | Rqueue::ex(1), Rqueue::EN1 | Rqueue::EX1);
        assert!((Rqueue::en(8) | Rqueue::ex(32)).is_empty() && Rstat::qhlt(9).is_empty());
    }

    #[test]
    fn ring_registers_are_where_the_table_says() {
        assert_eq!(RBPTR.nth(7).offset(), 0x3BC);
        assert_eq!(RBASE.nth(7).offset(), 0x43C);
        assert_eq!(RFBPTR.nth(7).offset(), 0xC7C);
        assert_eq!(RQPRM.nth(7).offset(), 0xC1C);
    }
}
