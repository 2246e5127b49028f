//! How received frames are stored: what lies in front of each, and which flags of control block and
//! descriptor count (HW 4.3, 5.3, 5.4). It is chosen before the first receive queue is made, which
//! reads by it.

use crate::bd::RxFlags;

/// What options have chosen, in one word: an image without options has a 0 for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RxForm(u32);

/// At the place of VLN in a control block.
const TAGS: u32 = 0x8000;
const VERIFIES: u32 = 0x4000;
const MORE: u32 = 0xFF;

impl RxForm {
    /// `more` bytes are in front of each frame, beside the control block; VLAN tags are taken out,
    /// so that VLN of a control block can be believed; all checksums are verified; frames with the
    /// errors `tolerated` are delivered all the same.
    pub(crate) fn new(more: u8, tags: bool, verifies: bool, tolerated: RxFlags) -> Self {
        let flags = if tags { TAGS } else { 0 } | if verifies { VERIFIES } else { 0 };
        RxForm(u32::from(tolerated.bits()) << 16 | flags | u32::from(more))
    }

    pub(crate) fn more(self) -> u32 {
        self.0 & MORE
    }

    pub(crate) fn verifies(self) -> bool {
        self.0 & VERIFIES != 0
    }

    /// Flags of a control block that are not noise, all others included.
    pub(crate) fn believed(self) -> u16 {
        (self.0 & TAGS | (TAGS - 1)) as u16
    }

    pub(crate) fn tolerated(self) -> RxFlags {
        RxFlags::from_bits_retain((self.0 >> 16) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_holds_what_was_put_in() {
        let none = RxForm::default();
        assert_eq!((none.more(), none.verifies(), none.believed()), (0, false, 0x7FFF));
        assert_eq!(none.tolerated(), RxFlags::empty());
        let all = RxForm::new(39, true, true, RxFlags::SH | RxFlags::LG);
        assert_eq!((all.more(), all.verifies(), all.believed()), (39, true, 0xFFFF));
        assert_eq!(all.tolerated(), RxFlags::SH | RxFlags::LG);
    }
}
