//! The IEEE 1588 timer: 0xE00–0xEAF of the first controller's page (HW 1.4, 2.6, 3.23, 12).

use bitflags::bitflags;

use super::catalog::{flag_layouts, registers};
use super::{Plain, Ro, Rw, W1c};

pub use layout::*;

#[allow(missing_docs, reason = "the macro puts comments on the modules it makes, on nothing else")]
mod layout {
    tock_registers::register_bitfields![u32,
        /// TMR_CTRL (HW 3.23).
        pub TmrCtrl [
            /// Alarm 1 output polarity.
            ALM1P OFFSET(31) NUMBITS(1) [],
            /// Alarm 2 output polarity.
            ALM2P OFFSET(30) NUMBITS(1) [],
            /// FIPER pulses start when alarm 1 expires.
            FIPERST OFFSET(28) NUMBITS(1) [],
            /// Loop FIPER pulse 1 back to its trigger input.
            PP1L OFFSET(27) NUMBITS(1) [],
            /// Loop FIPER pulse 2 back to its trigger input.
            PP2L OFFSET(26) NUMBITS(1) [],
            /// Nanoseconds added to TMR_CNT per nominal clock.
            TCLK_PERIOD OFFSET(16) NUMBITS(10) [],
            /// Record transmit time stamps in the frame's padding.
            RTPE OFFSET(15) NUMBITS(1) [],
            /// No FIPER realignment.
            FRD OFFSET(14) NUMBITS(1) [],
            /// External SFD polarity.
            ESFDP OFFSET(11) NUMBITS(1) [],
            /// External SFD enable.
            ESFDE OFFSET(10) NUMBITS(1) [],
            /// External trigger 2 edge polarity.
            ETEP2 OFFSET(9) NUMBITS(1) [],
            /// External trigger 1 edge polarity.
            ETEP1 OFFSET(8) NUMBITS(1) [],
            /// Output clock phase.
            COPH OFFSET(7) NUMBITS(1) [],
            /// Input clock phase.
            CIPH OFFSET(6) NUMBITS(1) [],
            /// Timer soft reset.
            TMSR OFFSET(5) NUMBITS(1) [],
            /// Bypass drift compensation: count with the raw clock.
            BYP OFFSET(3) NUMBITS(1) [],
            /// Timer enable.
            TE OFFSET(2) NUMBITS(1) [],
            /// Clock source.
            CKSEL OFFSET(0) NUMBITS(2) [
                /// The TSEC_1588_CLK pin.
                External = 0,
                /// The eTSEC system clock.
                System = 1,
                /// The first controller's transmit clock.
                Transmit = 2,
                /// The RTC input.
                Rtc = 3
            ]
        ],
        /// TMR_STAT (HW 3.23).
        pub TmrStat [
            /// TMR_ETTS2 holds a stamp (newer parts).
            ETS2_VLD OFFSET(25) NUMBITS(1),
            /// TMR_ETTS1 holds a stamp (newer parts).
            ETS1_VLD OFFSET(24) NUMBITS(1),
            /// Filer queue of the last GPI match.
            STAT_VEC OFFSET(0) NUMBITS(6)
        ],
        /// TMR_PRSC (HW 3.23).
        pub TmrPrsc [
            /// Output clock divisor, at least 2.
            PRSC OFFSET(0) NUMBITS(16)
        ]
    ];
}

bitflags! {
    /// Timer events: TMR_TEVENT and TMR_TEMASK (HW 3.23).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct TimerEvent: u32 {
        /// External trigger 2 was stamped.
        const ETS2 = 0x0200_0000;
        /// External trigger 1 was stamped.
        const ETS1 = 0x0100_0000;
        /// Alarm 2.
        const ALM2 = 0x0002_0000;
        /// Alarm 1.
        const ALM1 = 0x0001_0000;
        /// FIPER pulse 1.
        const PP1 = 0x0000_0080;
        /// FIPER pulse 2.
        const PP2 = 0x0000_0040;
        /// FIPER pulse 3.
        const PP3 = 0x0000_0020;
    }
}

bitflags! {
    /// Packet events of the timer: TMR_PEVENT and TMR_PEMASK (HW 3.23).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct PacketEvent: u32 {
        /// Transmit time stamp in set 2.
        const TXP2 = 0x0000_0200;
        /// Transmit time stamp in set 1.
        const TXP1 = 0x0000_0100;
        /// A PTP frame was received.
        const RXP = 0x0000_0001;
    }
}

flag_layouts!(TimerEvent, PacketEvent);

registers! { Group;
    /// Timer control.
    TMR_CTRL: TmrCtrl::Register, Rw, 0xE00, reset 0x0001_0001;
    /// Timer events.
    TMR_TEVENT: TimerEvent, W1c, 0xE04, reset 0;
    /// Timer event mask.
    TMR_TEMASK: TimerEvent, Rw, 0xE08, reset 0;
    /// Packet events.
    TMR_PEVENT: PacketEvent, W1c, 0xE0C, reset 0;
    /// Packet event mask.
    TMR_PEMASK: PacketEvent, Rw, 0xE10, reset 0;
    /// Timer status.
    TMR_STAT: TmrStat::Register, Rw, 0xE14, reset 0;
    /// Time, high word. Read behind the low word.
    TMR_CNT_H: Plain, Rw, 0xE18, reset 0;
    /// Time, low word; reading may latch the high word (unverified), so it is read by the owner
    /// only.
    TMR_CNT_L: Plain, Rw, 0xE1C, reset 0, reading Effect;
    /// Addend of the drift compensation.
    TMR_ADD: Plain, Rw, 0xE20, reset 0;
    /// Accumulator of the drift compensation.
    TMR_ACC: Plain, Rw, 0xE24, reset 0;
    /// Output clock divisor.
    TMR_PRSC: TmrPrsc::Register, Rw, 0xE28, reset 2;
    /// Offset added to the visible time, high word.
    TMROFF_H: Plain, Rw, 0xE30, reset 0;
    /// Offset added to the visible time, low word.
    TMROFF_L: Plain, Rw, 0xE34, reset 0;
    /// Alarm times, high words; written behind the low words.
    TMR_ALARM_H: Plain, Rw, 0xE40, array "TMR_ALARMn_H" 1..3 by 8, reset 0xFFFF_FFFF;
    /// Alarm times, low words.
    TMR_ALARM_L: Plain, Rw, 0xE44, array "TMR_ALARMn_L" 1..3 by 8, reset 0xFFFF_FFFF;
    /// Periods of the fixed-interval pulses, in nanoseconds less TCLK_PERIOD.
    TMR_FIPER: Plain, Rw, 0xE80, array "TMR_FIPERn" 1..4 by 4, reset 0xFFFF_FFFF;
    /// External trigger stamps, high words; parts with a queue of stamps may advance it on reading.
    TMR_ETTS_H: Plain, Ro, 0xEA0, array "TMR_ETTSn_H" 1..3 by 8, reset 0, reading Effect;
    /// External trigger stamps, low words; as the high words.
    TMR_ETTS_L: Plain, Ro, 0xEA4, array "TMR_ETTSn_L" 1..3 by 8, reset 0, reading Effect;
}
