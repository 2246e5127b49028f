//! Identification, events, control, FIFO thresholds: 0x000–0x0FF and FIFOCFG (HW 2.1, 3.1–3.5).

use super::catalog::registers;
use super::{Plain, Ro, Rw, Strobe, W1c};
use crate::event::Event;

pub use layout::*;

#[allow(missing_docs, reason = "the macro puts comments on the modules it makes, on nothing else")]
mod layout {
    tock_registers::register_bitfields![u32,
        /// TSEC_ID (HW 3.1).
        pub TsecId [
            /// 0x0124 on every eTSEC.
            ID OFFSET(16) NUMBITS(16),
            /// Major revision (the split is unverified).
            MAJOR OFFSET(8) NUMBITS(8),
            /// Minor revision.
            MINOR OFFSET(0) NUMBITS(8)
        ],
        /// TSEC_ID2; differs from part to part, not to be decoded (HW 3.1).
        pub TsecId2 [
            /// Interface capability code.
            IF_CODE OFFSET(16) NUMBITS(16),
            /// Configuration capability code.
            CFG_CODE OFFSET(0) NUMBITS(16)
        ],
        /// ECNTRL (HW 3.3). The interface bits come from power-on straps: keep them.
        pub Ecntrl [
            /// Packet FIFO interface instead of the Ethernet MAC.
            FIFM OFFSET(15) NUMBITS(1),
            /// Strobe: clear all counters and carries.
            CLRCNT OFFSET(14) NUMBITS(1),
            /// Counters clear when read.
            AUTOZ OFFSET(13) NUMBITS(1),
            /// Counters run.
            STEN OFFSET(12) NUMBITS(1),
            /// GMII-family interface (strap).
            GMIIM OFFSET(6) NUMBITS(1),
            /// Ten-bit interface (strap).
            TBIM OFFSET(5) NUMBITS(1),
            /// Reduced pins at gigabit: RGMII, RTBI (strap).
            RPM OFFSET(4) NUMBITS(1),
            /// RGMII, RMII, SGMII below gigabit: 1 is 100 Mb/s, 0 is 10 Mb/s. Set by software.
            R100M OFFSET(3) NUMBITS(1),
            /// Reduced pins at 10/100: RMII (strap).
            RMM OFFSET(2) NUMBITS(1),
            /// Serial GMII (strap).
            SGMIIM OFFSET(1) NUMBITS(1)
        ],
        /// PTV (HW 3.4).
        pub Ptv [
            /// Extended pause parameter, normally 0.
            PTE OFFSET(16) NUMBITS(16),
            /// Pause time in units of 512 bit times.
            PT OFFSET(0) NUMBITS(16)
        ],
        /// DMACTRL (HW 3.4).
        pub Dmactrl [
            /// Descriptors little-endian; kept 0.
            LE OFFSET(15) NUMBITS(1),
            /// Snoop TX data.
            TDSEN OFFSET(7) NUMBITS(1),
            /// Snoop TxBDs.
            TBDSEN OFFSET(6) NUMBITS(1),
            /// Graceful receive stop request; stays until software clears it.
            GRS OFFSET(4) NUMBITS(1),
            /// Graceful transmit stop request; stays until software clears it.
            GTS OFFSET(3) NUMBITS(1),
            /// Strobe: poll TxBD ring 0 now.
            TOD OFFSET(2) NUMBITS(1),
            /// Descriptor status is in memory before the interrupt is raised. Always set.
            WWR OFFSET(1) NUMBITS(1),
            /// Do not poll TxBD ring 0 but wait until THLT is cleared. Always set.
            WOP OFFSET(0) NUMBITS(1)
        ],
        /// TBIPA (HW 3.4).
        pub Tbipa [
            /// Address at which the internal TBI answers; it hides an external PHY there.
            TBIPA OFFSET(0) NUMBITS(5)
        ],
        /// FIFO_PAUSE_CTRL of the TSEC (HW 2.1).
        pub FifoPauseCtrl [
            /// Enable.
            EN OFFSET(1) NUMBITS(1)
        ],
        /// A FIFO threshold (HW 3.5).
        pub FifoThreshold [
            /// Threshold in FIFO entries of 4 bytes (the unit is unverified).
            ENTRIES OFFSET(0) NUMBITS(9)
        ]
    ];
}

/// DMACTRL bits that start something: TOD.
const DMACTRL_STROBES: u32 = Dmactrl::TOD.mask << Dmactrl::TOD.shift;
/// ECNTRL bits that start something: CLRCNT.
const ECNTRL_STROBES: u32 = Ecntrl::CLRCNT.mask << Ecntrl::CLRCNT.shift;

registers! { Group;
    /// Controller ID; the low half differs from part to part.
    TSEC_ID: TsecId::Register, Ro, 0x000;
    /// Controller ID 2; differs from part to part.
    TSEC_ID2: TsecId2::Register, Ro, 0x004;
    /// Interrupt events; each group's page has its own.
    IEVENT: Event, W1c, 0x010, reset 0;
    /// Interrupt mask; each group's page has its own.
    IMASK: Event, Rw, 0x014, reset 0;
    /// Errors that neither halt nor interrupt; drivers leave it 0.
    EDIS: Event, Rw, 0x018, reset 0;
    /// Which group an error event goes to (eTSEC2; layout unknown, left at reset).
    EMAPG: Plain, Rw, 0x01C;
    /// Ethernet control; the reset value depends on straps.
    ECNTRL: Ecntrl::Register, Strobe<ECNTRL_STROBES>, 0x020;
    /// Minimum frame length (TSEC; reserved on eTSEC).
    MINFLR: Plain, Rw, 0x024;
    /// Pause time of the pause frames this controller sends.
    PTV: Ptv::Register, Rw, 0x028, reset 0;
    /// DMA control.
    DMACTRL: Dmactrl::Register, Strobe<DMACTRL_STROBES>, 0x02C, reset 0;
    /// TBI PHY address.
    TBIPA: Tbipa::Register, Rw, 0x030, reset 0;
    /// FIFO pause control (TSEC).
    FIFO_PAUSE_CTRL: FifoPauseCtrl::Register, Rw, 0x04C;
    /// RX FIFO fill at which pausing starts.
    FIFO_RX_PAUSE: FifoThreshold::Register, Rw, 0x050;
    /// RX FIFO fill at which pausing ends.
    FIFO_RX_PAUSE_SHUTOFF: FifoThreshold::Register, Rw, 0x054;
    /// RX FIFO alarm starts.
    FIFO_RX_ALARM: FifoThreshold::Register, Rw, 0x058, reset 0x40;
    /// RX FIFO alarm ends.
    FIFO_RX_ALARM_SHUTOFF: FifoThreshold::Register, Rw, 0x05C, reset 0x80;
    /// Transmission starts at this fill, or with a whole frame.
    FIFO_TX_THR: FifoThreshold::Register, Rw, 0x08C, reset 0x80;
    /// TX FIFO starves below this fill.
    FIFO_TX_STARVE: FifoThreshold::Register, Rw, 0x098, reset 0x40;
    /// TX FIFO no longer starves.
    FIFO_TX_STARVE_SHUTOFF: FifoThreshold::Register, Rw, 0x09C, reset 0x80;
    /// Packet FIFO interface configuration (parts that have one).
    FIFOCFG: Plain, Rw, 0xA00;
}
