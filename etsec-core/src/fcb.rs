//! Frame control blocks: what the parser says of a received frame (HW 5.3), and what a frame asks
//! for on its way out (HW 5.1).
//!
//! With `bd` the only place that knows the byte order of what the device reads and writes in
//! memory. Which headers a frame has is not known here: see `headers`.

mod transmit;

use core::fmt;

use bitflags::bitflags;

pub use self::transmit::{TxFcb, TxFcbFlags};

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

/// What is known of a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Checksum {
    /// Nothing: there is none, or nobody has looked.
    #[default]
    Unchecked,
    /// It is right.
    Right,
    /// It is wrong.
    Wrong,
}

/// A receive frame control block, as the device wrote it: its fields are read when they are asked
/// for.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct RxFcb([u8; 8]);

impl RxFcb {
    /// Bytes of a frame control block.
    pub const LEN: usize = 8;

    /// The block that says nothing: of every frame when the parser is off.
    pub const NONE: RxFcb = RxFcb([0; 8]);

    /// The block of these bytes.
    #[inline(always)]
    #[must_use]
    pub const fn new(bytes: [u8; 8]) -> Self {
        RxFcb(bytes)
    }

    /// What was found and checked. [`RxFcbFlags::VLN`] is kept only if tags are extracted.
    #[inline(always)]
    #[must_use]
    pub const fn flags(&self) -> RxFcbFlags {
        RxFcbFlags::from_bits_retain(u16::from_be_bytes([self.0[0], self.0[1]]))
    }

    /// The virtual queue the filer chose, 0–63.
    #[must_use]
    pub const fn queue(&self) -> u8 {
        self.0[2] & 0x3F
    }

    /// Protocol number of the last header parsed; `None` without an IP header. 255 is a fragment,
    /// or a second route header in a row.
    #[must_use]
    pub fn protocol(&self) -> Option<u8> {
        self.flags().contains(RxFcbFlags::IP).then_some(self.0[3])
    }

    /// The IPv4 header checksum. In a tunnel it speaks of all IPv4 headers.
    #[inline]
    #[must_use]
    pub fn ip_checksum(&self) -> Checksum {
        self.checksum(RxFcbFlags::CIP, RxFcbFlags::EIP)
    }

    /// The TCP or UDP checksum. Fragments and UDP datagrams without one are not checked.
    #[inline]
    #[must_use]
    pub fn l4_checksum(&self) -> Checksum {
        self.checksum(RxFcbFlags::CTU, RxFcbFlags::ETU)
    }

    /// Whether IPv4 header and TCP or UDP checksum were both checked and are right: the one
    /// question most frames need. False for IPv6, which has no header checksum.
    #[inline(always)]
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.sums(Asked::ALL).are_right()
    }

    /// The flags that are asked for.
    #[inline(always)]
    pub(crate) fn sums(&self, asked: Asked) -> Sums {
        Sums(u16::from_ne_bytes([self.0[0], self.0[1]]) & asked.0)
    }

    /// The VLAN control word that was taken out of the frame: priority 0xE000, CFI 0x1000, ID
    /// 0x0FFF.
    #[inline]
    #[must_use]
    pub fn tag(&self) -> Option<u16> {
        let found = self.flags().contains(RxFcbFlags::VLN);
        found.then_some(u16::from_be_bytes([self.0[6], self.0[7]]))
    }

    /// The block without the flags that are not in `believed`.
    #[inline(always)]
    pub(crate) fn believed(self, believed: Believed) -> Self {
        let mask = u64::from_ne_bytes(believed.bytes());
        RxFcb((u64::from_ne_bytes(self.0) & mask).to_ne_bytes())
    }

    /// HW 5.3: with a parse error nothing is said about checksums.
    #[inline]
    fn checksum(&self, checked: RxFcbFlags, wrong: RxFcbFlags) -> Checksum {
        if self.flags().intersects(RxFcbFlags::PERR) || !self.flags().contains(checked) {
            Checksum::Unchecked
        } else if self.flags().contains(wrong) {
            Checksum::Wrong
        } else {
            Checksum::Right
        }
    }
}

/// What of a receive frame control block can be believed: its flags in memory order, and the rest
/// of it or nothing at all, each in a half of a word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Believed(u32);

impl Believed {
    /// Nothing at all: what is read is no block.
    pub(crate) const NOTHING: Believed = Believed(0);

    /// Of the flags only these, and everything else.
    pub(crate) const fn only(flags: RxFcbFlags) -> Self {
        let [high, low] = flags.bits().to_be_bytes();
        Believed(u32::from_ne_bytes([high, low, 0xFF, 0xFF]))
    }

    #[inline(always)]
    fn bytes(self) -> [u8; 8] {
        let [f1, f0, r1, r0] = self.0.to_ne_bytes();
        [f1, f0, r1, r0, r1, r0, r1, r0]
    }
}

/// The flags that decide whether a frame is verified: a mask of the first halfword in memory
/// order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked(u16);

impl Asked {
    const RIGHT: RxFcbFlags = RxFcbFlags::CIP.union(RxFcbFlags::CTU);
    const WRONG: RxFcbFlags = RxFcbFlags::EIP.union(RxFcbFlags::ETU).union(RxFcbFlags::PERR);

    /// Where there is a block.
    pub(crate) const ALL: Asked = Asked(Self::RIGHT.union(Self::WRONG).bits().to_be());
    /// Where there is none: no frame is verified.
    pub(crate) const NOTHING: Asked = Asked(0);
}

/// Flags that were asked for, in memory order, so that nothing is swapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Sums(u16);

impl Sums {
    #[inline(always)]
    pub(crate) const fn are_right(self) -> bool {
        self.0 == Asked::RIGHT.bits().to_be()
    }
}

impl fmt::Debug for RxFcb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RxFcb")
            .field("flags", &self.flags())
            .field("queue", &self.queue())
            .field("protocol", &self.protocol())
            .field("tag", &self.tag())
            .finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for RxFcb {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "RxFcb({=u16:#06x}, queue {=u8})", self.flags().bits(), self.queue());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block with these flags.
    fn block(flags: u16) -> RxFcb {
        let [high, low] = flags.to_be_bytes();
        RxFcb::new([high, low, 0xC5, 17, 0, 0, 0x20, 0x07])
    }

    #[test]
    fn checksums_are_right_wrong_or_not_spoken_of() {
        use Checksum::{Right, Unchecked, Wrong};
        let sums = |flags| (block(flags).ip_checksum(), block(flags).l4_checksum());
        assert_eq!(sums(0x5C00), (Right, Right));
        assert_eq!(sums(0x5E00), (Wrong, Right));
        assert_eq!(sums(0x5D00), (Right, Wrong));
        assert_eq!(sums(0x5000), (Unchecked, Unchecked));
        // An error bit without its check says nothing.
        assert_eq!(sums(0x5300), (Unchecked, Unchecked));
        assert_eq!(sums(0x5800), (Right, Unchecked));
        // IPv6 has no header checksum.
        assert_eq!(sums(0x7400), (Unchecked, Right));
        // With any parse error, also the reserved one, nothing counts.
        for error in [0x4, 0x8, 0xC] {
            assert_eq!(sums(0x5F00 | error), (Unchecked, Unchecked));
            assert!(!block(0x5C00 | error).is_verified());
        }
        let verified: std::vec::Vec<u16> =
            (0..16).map(|n| n << 8 | 0x5000).filter(|&n| block(n).is_verified()).collect();
        assert_eq!(verified, [0x5C00]);
        assert!(!block(0x5C00).sums(Asked::NOTHING).are_right());
    }

    #[test]
    fn the_block_s_other_fields() {
        let fcb = block(0x8000);
        assert_eq!((fcb.queue(), fcb.protocol(), fcb.tag()), (5, None, Some(0x2007)));
        assert_eq!((block(0x4000).protocol(), block(0x4000).tag()), (Some(17), None));
        let noisy = block(0xDC00).believed(Believed::only(RxFcbFlags::VLN.complement()));
        assert_eq!(noisy, block(0x5C00));
        assert_eq!(
            block(0xDC0F).believed(Believed::only(RxFcbFlags::from_bits_retain(u16::MAX))),
            block(0xDC0F)
        );
    }
}
