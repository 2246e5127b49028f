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

/// States a counter a line: the manual's name, the documented width, the carry register, what it
/// counts.
macro_rules! counters {
    ($($name:ident $width:literal $car:ident $counts:literal;)*) => {
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
    TR64 22 Car1 "frames of 64 bytes, sent or received, good or bad";
    TR127 22 Car1 "frames of 65 to 127 bytes, sent or received";
    TR255 22 Car1 "frames of 128 to 255 bytes, sent or received";
    TR511 22 Car1 "frames of 256 to 511 bytes, sent or received";
    TR1K 22 Car1 "frames of 512 to 1023 bytes, sent or received";
    TRMAX 22 Car1 "frames of 1024 to 1518 bytes, sent or received";
    TRMGV 22 Car1 "good VLAN frames of 1519 to 1522 bytes, sent or received";
    RBYT 32 Car1 "bytes received, bad frames and FCS included";
    RPKT 22 Car1 "frames received, bad ones included";
    RFCS 16 Car1 "received frames with a wrong FCS";
    RMCA 22 Car1 "good multicast frames received, broadcast not included";
    RBCA 22 Car1 "good broadcast frames received";
    RXCF 16 Car1 "control frames received";
    RXPF 16 Car1 "good pause frames received";
    RXUO 16 Car1 "received control frames with an unknown opcode";
    RALN 16 Car1 "received frames that are no whole number of octets, with a wrong FCS";
    RFLR 16 Car1 "received frames whose length field does not fit the data";
    RCDE 16 Car1 "invalid symbols during a received frame";
    RCSE 16 Car1 "false carriers";
    RUND 16 Car1 "received frames shorter than 64 bytes with a good FCS";
    ROVR 16 Car1 "received frames longer than 1518 bytes (1522 with a tag) with a good FCS";
    RFRG 16 Car1 "received frames shorter than 64 bytes with a wrong FCS";
    RJBR 16 Car1 "received frames longer than 1518 bytes (1522 with a tag) with a wrong FCS";
    RDRP 16 Car1 "received frames dropped for lack of FIFO space or descriptors";
    TBYT 32 Car2 "bytes sent, FCS included";
    TPKT 22 Car2 "frames sent, bad ones included";
    TMCA 22 Car2 "good multicast frames sent, broadcast not included";
    TBCA 22 Car2 "good broadcast frames sent";
    TXPF 16 Car2 "pause frames sent";
    TDFR 12 Car2 "frames deferred once";
    TEDF 12 Car2 "frames deferred excessively";
    TSCL 12 Car2 "frames sent after exactly one collision";
    TMCL 12 Car2 "frames sent after 2 to 15 collisions";
    TLCL 12 Car2 "late collisions";
    TXCL 12 Car2 "frames given up after 16 collisions";
    TNCL 13 Car2 "collisions";
    TDRP 16 Car2 "frames dropped on transmission by a memory error";
    TJBR 12 Car2 "sent frames longer than 1518 bytes (1522 with a tag) with a wrong FCS";
    TFCS 12 Car2 "frames sent with a wrong FCS";
    TXCF 12 Car2 "control frames sent";
    TOVR 12 Car2 "sent frames longer than 1518 bytes (1522 with a tag) with a good FCS";
    TUND 12 Car2 "sent frames shorter than 64 bytes with a good FCS";
    TFRG 12 Car2 "sent frames shorter than 64 bytes with a wrong FCS";
    RREJ 22 Car1 "frames the filer rejected";
}
