//! Frame control blocks: what the parser says of a received frame (HW 5.3).
//!
//! With `bd` the only place that knows the byte order of what the device writes into memory.

use bitflags::bitflags;

bitflags! {
    /// First two bytes of a receive frame control block (HW 5.3).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct RxFcbFlags: u16 {
        /// VLAN tag found. Some parts set it at random unless tags are extracted.
        const VLN = 0x8000;
        /// IP header found.
        const IP = 0x4000;
        /// It is IPv6.
        const IP6 = 0x2000;
        /// TCP or UDP header found.
        const TUP = 0x1000;
        /// The IPv4 header checksum was checked.
        const CIP = 0x0800;
        /// The TCP or UDP checksum was checked.
        const CTU = 0x0400;
        /// The IPv4 header checksum is wrong.
        const EIP = 0x0200;
        /// The TCP or UDP checksum is wrong.
        const ETU = 0x0100;
        /// Parse error field; 0x8 is an inconsistent layer 3 header.
        const PERR = 0x000C;
    }
}

/// A receive frame control block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RxFcb {
    /// What was found and checked.
    pub flags: RxFcbFlags,
    /// The virtual queue the filer chose, 0–63.
    pub queue: u8,
    /// Protocol number of the last header parsed; meaningful with [`RxFcbFlags::IP`].
    pub protocol: u8,
    /// VLAN control word; meaningful with [`RxFcbFlags::VLN`].
    pub vlan: u16,
}

impl RxFcb {
    /// Bytes of a frame control block.
    pub const LEN: usize = 8;

    /// Reads the block at the start of `bytes`; `None` if there are fewer than [`RxFcb::LEN`].
    #[inline]
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let &[f1, f0, queue, protocol, _, _, v1, v0] = bytes.first_chunk::<8>()?;
        Some(RxFcb {
            flags: RxFcbFlags::from_bits_retain(u16::from_be_bytes([f1, f0])),
            queue: queue & 0x3F,
            protocol,
            vlan: u16::from_be_bytes([v1, v0]),
        })
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for RxFcb {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "RxFcb({=u16:#06x}, queue {=u8})", self.flags.bits(), self.queue);
    }
}
