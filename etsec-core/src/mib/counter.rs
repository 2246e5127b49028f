//! The counters one by one: what each counts, where it is, how wide it is, which bit says it
//! wrapped.

use crate::regs::mib::{self, Car1, Car2};
use crate::regs::{Plain, Reg, Rw};

/// The bit that says a counter wrapped (HW 3.24).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carry {
    /// A bit of CAR1.
    Car1(Car1),
    /// A bit of CAR2.
    Car2(Car2),
}

/// States the counters: the manual's name, the documented width, the carry register, the name in
/// standards, what it counts.
macro_rules! counters {
    ($($name:ident $width:literal $car:ident $rmon:literal $counts:literal;)*) => {
        /// A MIB counter of the controller (HW 2.5, 13.2), by the manual's name. "Good" and "bad"
        /// speak of the FCS; lengths are from destination address to FCS.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(u8)]
        pub enum Counter { $(
            #[doc = $counts]
            $name,
        )* }

        impl Counter {
            /// All counters, in the order of their registers.
            pub const ALL: [Counter; 44] = [ $( Counter::$name ),* ];

            /// The manual's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Counter::$name => stringify!($name), )* }
            }

            /// Its name where people and programs look for one: of the RMON group etherStats (RFC
            /// 2819), of the Ethernet-like MIB dot3 (RFC 3635), or an attribute of IEEE 802.3
            /// clause 30 (`a…`). Where the name does not tell the direction and the register counts
            /// one, it begins with `rx-` or `tx-`. No standard has a name for what a filer rejects.
            #[must_use]
            pub const fn rmon(self) -> &'static str {
                match self { $( Counter::$name => $rmon, )* }
            }

            /// What it counts, in words.
            #[must_use]
            pub const fn counts(self) -> &'static str {
                match self { $( Counter::$name => $counts, )* }
            }

            /// Its register.
            #[must_use]
            pub const fn register(self) -> Reg<Plain, Rw> {
                match self { $( Counter::$name => mib::$name, )* }
            }

            /// Bits the documents give it, 12 to 32; only the 16 of RDRP are verified (HW 13.2).
            #[must_use]
            pub const fn width(self) -> u32 {
                match self { $( Counter::$name => $width, )* }
            }

            /// The bit that says it wrapped.
            #[must_use]
            pub const fn carry(self) -> Carry {
                match self { $( Counter::$name => Carry::$car($car::$name), )* }
            }
        }
    };
}

counters! {
    TR64 22 Car1 "etherStatsPkts64Octets"
        "frames of 64 bytes, sent or received, good or bad";
    TR127 22 Car1 "etherStatsPkts65to127Octets"
        "frames of 65 to 127 bytes, sent or received";
    TR255 22 Car1 "etherStatsPkts128to255Octets"
        "frames of 128 to 255 bytes, sent or received";
    TR511 22 Car1 "etherStatsPkts256to511Octets"
        "frames of 256 to 511 bytes, sent or received";
    TR1K 22 Car1 "etherStatsPkts512to1023Octets"
        "frames of 512 to 1023 bytes, sent or received";
    TRMAX 22 Car1 "etherStatsPkts1024to1518Octets"
        "frames of 1024 to 1518 bytes, sent or received";
    TRMGV 22 Car1 "etherStatsPkts1519to1522Octets"
        "good VLAN frames of 1519 to 1522 bytes, sent or received";
    RBYT 32 Car1 "rx-etherStatsOctets"
        "bytes received, bad frames and FCS included";
    RPKT 22 Car1 "rx-etherStatsPkts"
        "frames received, bad ones included";
    RFCS 16 Car1 "rx-dot3StatsFCSErrors"
        "received frames with a wrong FCS";
    RMCA 22 Car1 "rx-etherStatsMulticastPkts"
        "good multicast frames received, broadcast not included";
    RBCA 22 Car1 "rx-etherStatsBroadcastPkts"
        "good broadcast frames received";
    RXCF 16 Car1 "aMACControlFramesReceived"
        "control frames received";
    RXPF 16 Car1 "dot3InPauseFrames"
        "good pause frames received";
    RXUO 16 Car1 "dot3ControlInUnknownOpcodes"
        "received control frames with an unknown opcode";
    RALN 16 Car1 "dot3StatsAlignmentErrors"
        "received frames that are no whole number of octets, with a wrong FCS";
    RFLR 16 Car1 "aInRangeLengthErrors"
        "received frames whose length field does not fit the data";
    RCDE 16 Car1 "dot3StatsSymbolErrors"
        "invalid symbols during a received frame";
    RCSE 16 Car1 "aFalseCarriers"
        "false carriers";
    RUND 16 Car1 "rx-etherStatsUndersizePkts"
        "received frames shorter than 64 bytes with a good FCS";
    ROVR 16 Car1 "rx-etherStatsOversizePkts"
        "received frames longer than 1518 bytes (1522 with a tag) with a good FCS";
    RFRG 16 Car1 "rx-etherStatsFragments"
        "received frames shorter than 64 bytes with a wrong FCS";
    RJBR 16 Car1 "rx-etherStatsJabbers"
        "received frames longer than 1518 bytes (1522 with a tag) with a wrong FCS";
    RDRP 16 Car1 "rx-etherStatsDropEvents"
        "received frames dropped for lack of FIFO space or descriptors";
    TBYT 32 Car2 "tx-etherStatsOctets"
        "bytes sent, FCS included";
    TPKT 22 Car2 "tx-etherStatsPkts"
        "frames sent, bad ones included";
    TMCA 22 Car2 "tx-etherStatsMulticastPkts"
        "good multicast frames sent, broadcast not included";
    TBCA 22 Car2 "tx-etherStatsBroadcastPkts"
        "good broadcast frames sent";
    TXPF 16 Car2 "dot3OutPauseFrames"
        "pause frames sent";
    TDFR 12 Car2 "dot3StatsDeferredTransmissions"
        "frames deferred once";
    TEDF 12 Car2 "aFramesWithExcessiveDeferral"
        "frames deferred excessively";
    TSCL 12 Car2 "dot3StatsSingleCollisionFrames"
        "frames sent after exactly one collision";
    TMCL 12 Car2 "dot3StatsMultipleCollisionFrames"
        "frames sent after 2 to 15 collisions";
    TLCL 12 Car2 "dot3StatsLateCollisions"
        "late collisions";
    TXCL 12 Car2 "dot3StatsExcessiveCollisions"
        "frames given up after 16 collisions";
    TNCL 13 Car2 "etherStatsCollisions"
        "collisions";
    TDRP 16 Car2 "dot3StatsInternalMacTransmitErrors"
        "frames dropped on transmission by a memory error";
    TJBR 12 Car2 "tx-etherStatsJabbers"
        "sent frames longer than 1518 bytes (1522 with a tag) with a wrong FCS";
    TFCS 12 Car2 "tx-dot3StatsFCSErrors"
        "frames sent with a wrong FCS";
    TXCF 12 Car2 "aMACControlFramesTransmitted"
        "control frames sent";
    TOVR 12 Car2 "tx-etherStatsOversizePkts"
        "sent frames longer than 1518 bytes (1522 with a tag) with a good FCS";
    TUND 12 Car2 "tx-etherStatsUndersizePkts"
        "sent frames shorter than 64 bytes with a good FCS";
    TFRG 12 Car2 "tx-etherStatsFragments"
        "sent frames shorter than 64 bytes with a wrong FCS";
    RREJ 22 Car1 "rx-filerRejects"
        "frames the filer rejected";
}
