//! Rules as values: what a frame must be, and what becomes of it (HW 6).
//!
//! Nothing here knows how a rule is written into the table.

use core::net::{Ipv4Addr, Ipv6Addr};

use bitflags::bitflags;

use crate::addr::MacAddr;
use crate::regs::filer::ParseFlags;

/// What a frame must be, and what becomes of it then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// All of this must hold.
    pub when: Match,
    /// What becomes of the frame.
    pub action: Action,
}

/// Conditions on a frame, all of which must hold. Without any, every frame matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Match {
    /// What the parser found, and did not find.
    pub flags: FlagMatch,
    /// Source address.
    pub source: Option<MacMatch>,
    /// Destination address.
    pub destination: Option<MacMatch>,
    /// The last ethertype, behind all tags and labels; a frame without one has 0xFFFF (HW 6.3).
    pub ethertype: Option<Number>,
    /// VLAN ID of a tagged frame, 0 to 4095.
    pub vlan: Option<Number>,
    /// Priority of a tagged frame, 0 to 7.
    pub priority: Option<Number>,
    /// Type of service (IPv4) or traffic class (IPv6), 0 to 255.
    pub tos: Option<Number>,
    /// Protocol of an IP packet, 0 to 255: the last header that was understood.
    pub protocol: Option<Number>,
    /// Source address of an IP packet.
    pub source_ip: Option<IpMatch>,
    /// Destination address of an IP packet.
    pub destination_ip: Option<IpMatch>,
    /// Source port of a TCP or UDP packet.
    pub source_port: Option<Number>,
    /// Destination port of a TCP or UDP packet.
    pub destination_port: Option<Number>,
    /// Bytes at given places. All rules of a table together may look at four places (HW 3.12).
    pub bytes: [Option<ByteMatch>; 4],
}

/// Parse flags that must be set, and such that must not be (HW 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlagMatch {
    /// Flags that must be set.
    pub set: ParseFlags,
    /// Flags that must not be set.
    pub clear: ParseFlags,
}

/// Values of a numeric field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// This value.
    Exactly(u16),
    /// Values that agree with `value` in the bits of `mask`.
    Masked {
        /// The bits that are wanted.
        value: u16,
        /// The bits that count.
        mask: u16,
    },
    /// Values from `first` to `last`, both included.
    Range {
        /// The least.
        first: u16,
        /// The greatest.
        last: u16,
    },
}

/// MAC addresses that agree with `addr` in the bits of `mask`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MacMatch {
    /// The bits that are wanted.
    pub addr: MacAddr,
    /// The bits that count.
    pub mask: MacAddr,
}

impl MacMatch {
    /// One address.
    #[must_use]
    pub const fn exactly(addr: MacAddr) -> Self {
        MacMatch { addr, mask: MacAddr([0xFF; 6]) }
    }
}

/// Addresses of IP packets.
///
/// Packets that have headers of both versions (tunnels) match neither kind: which header's address
/// the hardware compares is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpMatch {
    /// IPv4 addresses that agree with `addr` in the bits of `mask`.
    V4 {
        /// The bits that are wanted.
        addr: Ipv4Addr,
        /// The bits that count.
        mask: Ipv4Addr,
    },
    /// IPv6 addresses that agree with `addr` in the first `prefix` bits, at most 32: the hardware
    /// sees four bytes of an IPv6 address (HW 6.3).
    V6 {
        /// The bits that are wanted.
        addr: Ipv6Addr,
        /// How many of them, from the first.
        prefix: u8,
    },
}

impl IpMatch {
    /// One IPv4 address.
    #[must_use]
    pub const fn exactly(addr: Ipv4Addr) -> Self {
        IpMatch::V4 { addr, mask: Ipv4Addr::BROADCAST }
    }
}

/// Where the offset of a byte counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ByteFrom {
    /// The first byte of the destination address; offsets 0 to 55.
    Frame,
    /// The end of the layer 2 header; offsets 0 to 63.
    Layer2,
    /// The end of the layer 3 header; offsets 0 to 63.
    Layer3,
}

impl ByteFrom {
    /// The greatest offset (HW 3.12).
    #[must_use]
    pub const fn most(self) -> u8 {
        match self {
            ByteFrom::Frame => 55,
            ByteFrom::Layer2 | ByteFrom::Layer3 => 63,
        }
    }
}

/// A byte of a frame that agrees with `value` in the bits of `mask`; one that is not there is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteMatch {
    /// Where `offset` counts from.
    pub from: ByteFrom,
    /// Where the byte is, 0 to [`ByteFrom::most`].
    pub offset: u8,
    /// The bits that are wanted.
    pub value: u8,
    /// The bits that count.
    pub mask: u8,
}

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It goes to a ring.
    File {
        /// Virtual queue, 0 to 63: received frames tell it, and its low three bits are the ring
        /// (HW 6.1).
        queue: u8,
        /// Whether [`Event::FGPI`](crate::Event::FGPI) is raised once it is in memory.
        interrupt: bool,
    },
    /// It is dropped and counted (RREJ).
    Reject,
    /// It goes to one of several rings (eTSEC2, HW 6.5).
    Spread(Spread),
}

impl Action {
    /// Files to a queue, without an interrupt.
    #[must_use]
    pub const fn to(queue: u8) -> Self {
        Action::File { queue, interrupt: false }
    }
}

/// A hash over properties that chooses one of eight places, and the ring of each place.
///
/// How the hardware hashes is not known, only that equal properties give equal places. Frames with
/// the highest value a property can have, such as the address 255.255.255.255, may be left to the
/// rules that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// What is hashed; at least one property.
    pub by: HashBy,
    /// The ring for each value of the hash, 0 to 7.
    pub rings: [u8; 8],
}

bitflags! {
    /// Properties that are hashed to spread frames over rings (HW 6.5).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct HashBy: u16 {
        /// Source address.
        const SOURCE = 1 << 0;
        /// Destination address.
        const DESTINATION = 1 << 1;
        /// Ethertype.
        const ETHERTYPE = 1 << 2;
        /// VLAN ID.
        const VLAN = 1 << 3;
        /// VLAN priority.
        const PRIORITY = 1 << 4;
        /// Type of service.
        const TOS = 1 << 5;
        /// IP protocol.
        const PROTOCOL = 1 << 6;
        /// Source IP address.
        const SOURCE_IP = 1 << 7;
        /// Destination IP address.
        const DESTINATION_IP = 1 << 8;
        /// Source port.
        const SOURCE_PORT = 1 << 9;
        /// Destination port.
        const DESTINATION_PORT = 1 << 10;
    }
}
