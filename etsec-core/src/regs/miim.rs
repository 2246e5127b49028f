//! MII management: 0x520–0x534 of every controller's page and of an eTSEC2's MDIO page (HW 1.2,
//! 1.3, 2.4, 3.17).
//!
//! All of them belong to whoever holds the management bus; none may be touched beside it.

use bitflags::bitflags;

use super::catalog::{flag_layouts, registers};
use super::{Ro, Rw, Wo};

pub use layout::*;

#[allow(missing_docs, reason = "the macro puts comments on the modules it makes, on nothing else")]
mod layout {
    tock_registers::register_bitfields![u32,
        /// MIIMCFG (HW 3.17).
        pub Miimcfg [
            /// Holds the management block in reset.
            RESET_MGMT OFFSET(31) NUMBITS(1) [],
            /// No preamble before management frames.
            NO_PRE OFFSET(4) NUMBITS(1) [],
            /// Divisor of the source clock. Code 0 is avoided: the sources disagree on it.
            MGMTCLK OFFSET(0) NUMBITS(3) [
                /// By 4.
                Div4 = 1,
                /// By 6.
                Div6 = 2,
                /// By 8.
                Div8 = 3,
                /// By 10.
                Div10 = 4,
                /// By 14.
                Div14 = 5,
                /// By 20.
                Div20 = 6,
                /// By 28: the safe default.
                Div28 = 7
            ]
        ],
        /// MIIMCOM (HW 3.17).
        pub Miimcom [
            /// Read again and again.
            SCAN_CYCLE OFFSET(1) NUMBITS(1),
            /// Going from 0 to 1 starts one read.
            READ_CYCLE OFFSET(0) NUMBITS(1)
        ],
        /// MIIMADD (HW 3.17).
        pub Miimadd [
            /// PHY address.
            PHY_ADDRESS OFFSET(8) NUMBITS(5),
            /// Register address.
            REGISTER_ADDRESS OFFSET(0) NUMBITS(5)
        ],
        /// MIIMCON (HW 3.17).
        pub Miimcon [
            /// Data to write; writing it starts a write cycle.
            PHY_CONTROL OFFSET(0) NUMBITS(16)
        ],
        /// MIIMSTAT (HW 3.17).
        pub Miimstat [
            /// Data that was read.
            PHY_STATUS OFFSET(0) NUMBITS(16)
        ],
        /// MIIMIND (HW 3.17).
        pub Miimind [
            /// The data read is not there yet.
            NOT_VALID OFFSET(2) NUMBITS(1),
            /// A scan is in progress.
            SCAN OFFSET(1) NUMBITS(1),
            /// A cycle is in progress.
            BUSY OFFSET(0) NUMBITS(1)
        ]
    ];
}

registers! { Group;
    /// MII management configuration.
    MIIMCFG: Miimcfg::Register, Rw, 0x520, reset 7, reading Owner;
    /// MII management command.
    MIIMCOM: Miimcom::Register, Rw, 0x524, reset 0, reading Owner;
    /// MII management address.
    MIIMADD: Miimadd::Register, Rw, 0x528, reset 0, reading Owner;
    /// MII management control: data to write.
    MIIMCON: Miimcon::Register, Wo, 0x52C, reset 0, reading Owner;
    /// MII management status: data read.
    MIIMSTAT: Miimstat::Register, Ro, 0x530, reset 0, reading Owner;
    /// MII management indicators.
    MIIMIND: Miimind::Register, Ro, 0x534, reset 0, reading Owner;
}

bitflags! {
    /// Events of an eTSEC2's MDIO page (HW 1.3; the positions are unverified).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct MdioEvent: u32 {
        /// A management read is done.
        const MMRD = 0x0000_0400;
        /// A management write is done.
        const MMWR = 0x0000_0200;
    }
}

flag_layouts!(MdioEvent);

/// Event registers of an eTSEC2's MDIO page (HW 1.3). Offsets are in that page.
pub mod mdio_page {
    use super::MdioEvent;
    use crate::regs::catalog::registers;
    use crate::regs::{Plain, Rw, W1c};

    registers! { Mdio;
        /// Interrupt events of the MDIO page.
        IEVENTM: MdioEvent, W1c, 0x010;
        /// Interrupt mask of the MDIO page.
        IMASKM: MdioEvent, Rw, 0x014;
        /// Event mapping of the MDIO page (layout unknown).
        EMAPM: Plain, Rw, 0x01C;
    }
}
