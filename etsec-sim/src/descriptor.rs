//! A buffer descriptor as the model reads it (HW 4.1). It knows words and bits, not what they lead
//! to.

/// A descriptor as it lies in memory, in CPU order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bd {
    /// Flags in the upper, length in the lower half.
    pub word: u32,
    /// Low 32 bits of the buffer's address.
    pub pointer: u32,
}

impl Bd {
    pub(crate) const fn flags(self) -> u16 {
        (self.word >> 16) as u16
    }
    pub(crate) const fn len(self) -> usize {
        (self.word & 0xFFFF) as usize
    }
    /// R of a TxBD, E of an RxBD: the device owns it (HW 4.2, 4.3).
    pub(crate) const fn live(self) -> bool {
        self.word & 0x8000_0000 != 0
    }
    /// W, at the same place in both kinds.
    pub(crate) const fn wraps(self) -> bool {
        self.word & 0x2000_0000 != 0
    }
}

/// A descriptor's two words in memory order.
pub(crate) type RawBd = [u32; 2];

impl From<RawBd> for Bd {
    fn from([word, pointer]: RawBd) -> Self {
        Bd { word: u32::from_be(word), pointer: u32::from_be(pointer) }
    }
}

impl From<Bd> for RawBd {
    fn from(bd: Bd) -> Self {
        [bd.word.to_be(), bd.pointer.to_be()]
    }
}
