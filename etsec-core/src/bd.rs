//! Buffer descriptors: two big-endian words that CPU and device share (HW 4).
//!
//! Status and length are one word, so ownership changes hands with one store. This file knows the
//! words' layout and byte order, not who owns which descriptor.

use bitflags::bitflags;

use crate::word::Word;

bitflags! {
    /// Flags of a transmit descriptor (HW 4.2). Some masks have one meaning when software writes
    /// them and another when the device writes them back.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct TxFlags: u16 {
        /// Ready: the device owns descriptor and buffer.
        const R = 0x8000;
        /// Pad to 64 bytes and append the CRC (first descriptor, only if MACCFG2 does not do so
        /// anyway).
        const PAD_CRC = 0x4000;
        /// Wrap: the next descriptor is the ring's first.
        const W = 0x2000;
        /// Raise TXB or TXF when closed.
        const I = 0x1000;
        /// Last descriptor of the frame.
        const L = 0x0800;
        /// Append the CRC (first descriptor).
        const TC = 0x0400;
        /// Written: the buffer begins with a preamble.
        const PRE = 0x0200;
        /// Written back: the frame was deferred.
        const DEF = 0x0200;
        /// Written: a frame above MAXFRM is allowed.
        const HFE = 0x0080;
        /// Written back: late collision.
        const LC = 0x0080;
        /// Written: control frame, sent even while paused.
        const CF = 0x0040;
        /// Written back: retransmission limit or excessive deferral.
        const RL = 0x0040;
        /// Written back: number of retries.
        const RC = 0x003C;
        /// Written: the buffer begins with a transmit frame control block.
        const TOE = 0x0002;
        /// Written back: underrun.
        const UN = 0x0002;
        /// Written back: truncated at MAXFRM.
        const TR = 0x0001;
    }
}

bitflags! {
    /// Flags of a receive descriptor (HW 4.3).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct RxFlags: u16 {
        /// Empty: the device owns descriptor and buffer.
        const E = 0x8000;
        /// Free for software.
        const RO1 = 0x4000;
        /// Wrap: the next descriptor is the ring's first.
        const W = 0x2000;
        /// Raise RXB or RXF when closed.
        const I = 0x1000;
        /// Last descriptor of the frame.
        const L = 0x0800;
        /// First descriptor of the frame.
        const F = 0x0400;
        /// Missed the address filter; here only because of promiscuous mode.
        const M = 0x0100;
        /// Broadcast.
        const BC = 0x0080;
        /// Multicast, not broadcast.
        const MC = 0x0040;
        /// Longer than MAXFRM.
        const LG = 0x0020;
        /// Not a whole number of octets.
        const NO = 0x0010;
        /// Shorter than 64 bytes.
        const SH = 0x0008;
        /// CRC error.
        const CR = 0x0004;
        /// FIFO overrun; the other status bits mean nothing.
        const OV = 0x0002;
        /// Truncated; the other error bits mean nothing.
        const TR = 0x0001;
        /// Any of the errors.
        const ERRORS = 0x003F;
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for RxFlags {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "RxFlags({=u16:#06x})", self.bits());
    }
}

impl TxFlags {
    /// What makes a closed descriptor's frame a failed one (HW 4.2). UN counts only where TOE was
    /// not asked for.
    pub const ERRORS: TxFlags =
        TxFlags::LC.union(TxFlags::RL).union(TxFlags::UN).union(TxFlags::TR);
}

/// Flags and length of a descriptor as one word in CPU order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Control(u32);

impl Control {
    #[inline(always)]
    pub(crate) const fn tx(flags: TxFlags, len: u16) -> Self {
        Control((flags.bits() as u32) << 16 | len as u32)
    }

    /// The same with so many bytes more, which do not overflow the length.
    #[inline(always)]
    pub(crate) const fn longer_by(self, len: u16) -> Self {
        Control(self.0 + len as u32)
    }

    #[inline(always)]
    pub(crate) const fn rx(flags: RxFlags) -> Self {
        Control((flags.bits() as u32) << 16)
    }

    #[inline(always)]
    pub(crate) const fn len(self) -> u16 {
        self.0 as u16
    }

    #[inline(always)]
    pub(crate) const fn tx_flags(self) -> TxFlags {
        TxFlags::from_bits_retain((self.0 >> 16) as u16)
    }

    #[inline(always)]
    pub(crate) const fn rx_flags(self) -> RxFlags {
        RxFlags::from_bits_retain((self.0 >> 16) as u16)
    }
}

impl Control {
    /// Whether a closed receive descriptor ends a frame and has none of the errors in `looked_at`,
    /// which holds L, too.
    #[inline(always)]
    pub(crate) const fn is_whole(self, looked_at: Control) -> bool {
        self.0 & looked_at.0 == Control::rx(RxFlags::L).0
    }
}

/// What makes a transmit descriptor that ends its frame more than a sent one: a mask of its first
/// word, in memory order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsent(u32);

impl Unsent {
    const fn of(flags: TxFlags) -> Self {
        Unsent(Control::tx(flags.union(TxFlags::R), 0).0.to_be())
    }

    /// Those of the flags that count.
    pub(crate) fn of_these(self, flags: TxFlags) -> TxFlags {
        flags.intersection(Control(u32::from_be(self.0)).tx_flags())
    }

    /// It is the device's, or an error.
    pub(crate) const USUAL: Unsent = Unsent::of(TxFlags::ERRORS);
    /// The same where the bit of UN may be a TOE that the device left there (HW 4.2).
    pub(crate) const TOE_STAYS: Unsent =
        Unsent::of(TxFlags::LC.union(TxFlags::RL).union(TxFlags::TR));
    /// Every one is to be looked at closely.
    pub(crate) const ANY: Unsent = Unsent::of(TxFlags::ERRORS.union(TxFlags::L));
}

/// R and E are the same bit: set means that the device owns the descriptor. In memory order.
const OWNED: u32 = 0x8000_0000_u32.to_be();
const _: () = assert!(TxFlags::R.bits() == RxFlags::E.bits() && TxFlags::R.bits() == 0x8000);
const _: () = assert!(TxFlags::W.bits() == RxFlags::W.bits());

/// A buffer descriptor (HW 4.1).
#[repr(C, align(8))]
#[derive(Debug)]
pub(crate) struct Bd {
    control: Word,
    pointer: Word,
}

const _: () = assert!(size_of::<Bd>() == 8);

impl Bd {
    /// An unused descriptor. W is there from the start and stays, whatever else is written (HW
    /// 4.4): the device looks for the ring's end before the driver gets there.
    pub(crate) fn new(last: bool) -> Self {
        Bd { control: Word::new(Self::unused(last).0.to_be()), pointer: Word::new(0) }
    }

    /// Makes it unused again.
    pub(crate) fn clear(&self, last: bool) {
        self.set_control(Self::unused(last));
    }

    const fn unused(last: bool) -> Control {
        Control::tx(if last { TxFlags::W } else { TxFlags::empty() }, 0)
    }

    /// Whether the device owns it (R or E).
    #[inline(always)]
    pub(crate) fn is_owned(&self) -> bool {
        self.control.load() & OWNED != 0
    }

    #[inline(always)]
    pub(crate) fn control(&self) -> Control {
        Control(u32::from_be(self.control.load()))
    }

    #[inline(always)]
    pub(crate) fn set_control(&self, control: Control) {
        self.control.store(control.0.to_be());
    }

    /// As [`Bd::set_control`], if flags and length are still `old`; says whether they were.
    pub(crate) fn replace_control(&self, old: Control, new: Control) -> bool {
        self.control.replace(old.0.to_be(), new.0.to_be())
    }

    /// Whether it was a transmit descriptor that the device has closed without an error.
    #[inline(always)]
    pub(crate) fn is_sent(&self, unsent: Unsent) -> bool {
        self.control.load() & unsent.0 == 0
    }

    /// Hands a prepared transmit descriptor to the device.
    #[inline(always)]
    pub(crate) fn give(&self) {
        self.control.store(self.control.load() | OWNED);
    }

    /// Makes a transmit descriptor that is still ours ask for an interrupt.
    #[inline(always)]
    pub(crate) fn ask(&self) {
        const I: u32 = Control::tx(TxFlags::I, 0).0.to_be();
        self.control.store(self.control.load() | I);
    }

    /// Low half of the address of what it describes.
    #[cfg(feature = "adopt")]
    pub(crate) fn pointer(&self) -> u32 {
        u32::from_be(self.pointer.load())
    }

    #[inline(always)]
    pub(crate) fn set_pointer(&self, low: u32) {
        self.pointer.store(low.to_be());
    }
}
