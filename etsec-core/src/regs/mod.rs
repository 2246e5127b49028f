//! The register vocabulary: an offset, a layout and an access class in one type.
//!
//! A register's access class decides which methods exist: nothing can be modified that is cleared
//! by writing ones, and acknowledging an event by accident does not compile. Bits that start
//! something when written as 1 (strobes) are forced to 0 by `modify`. The registers themselves are
//! in the submodules, one per block of the page (HW 2), each as a constant:
//! `MACCFG2.on(&bus).modify(Maccfg2::FULL_DUPLEX::SET)`. No file here knows what a driver does with
//! them.

use core::fmt;
use core::marker::PhantomData;

use bitflags::Flags;
pub use tock_registers::LocalRegisterCopy;
pub use tock_registers::RegisterLongName;
use tock_registers::fields::FieldValue;
pub use tock_registers::interfaces::{Debuggable, ReadWriteable, Readable, Writeable};

use crate::bus::Bus;

pub mod catalog;
pub mod control;
pub mod filer;
pub mod group;
pub mod hash;
pub mod mac;
pub mod mib;
pub mod miim;
pub mod receive;
mod rings;
pub mod timer;
pub mod transmit;

/// Layout of a register that is one 32-bit number.
#[derive(Debug, Clone, Copy)]
pub struct Plain;
impl RegisterLongName for Plain {}

/// Access class: read and written freely.
#[derive(Debug, Clone, Copy)]
pub struct Rw;
/// Access class: read only; a write is ignored by the device.
#[derive(Debug, Clone, Copy)]
pub struct Ro;
/// Access class: write only; reads as 0.
#[derive(Debug, Clone, Copy)]
pub struct Wo;
/// Access class: read freely; writing a one clears that bit.
#[derive(Debug, Clone, Copy)]
pub struct W1c;
/// Access class: read and written, but the bits of `STROBES` start something when written as 1.
#[derive(Debug, Clone, Copy)]
pub struct Strobe<const STROBES: u32>;

/// A register: where it is, what is in it (`L`: a tock-registers layout, or a `bitflags` type) and
/// what may be done to it (`A`).
pub struct Reg<L, A> {
    at: u16,
    kind: PhantomData<fn() -> (L, A)>,
}

impl<L, A> Clone for Reg<L, A> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<L, A> Copy for Reg<L, A> {}

impl<L, A> fmt::Debug for Reg<L, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reg({:#05x})", self.at)
    }
}

impl<L, A> Reg<L, A> {
    /// The register at byte offset `at` of its page.
    ///
    /// # Panics
    /// At compile time (registers are constants), if `at` is not a word of the page.
    #[must_use]
    pub const fn at(at: u16) -> Self {
        assert!(at < 0x1000 && at.is_multiple_of(4));
        Reg { at, kind: PhantomData }
    }

    /// Byte offset in its page.
    #[inline(always)]
    #[must_use]
    pub const fn offset(self) -> u16 {
        self.at
    }

    /// The register on a given bus, ready to be accessed.
    #[inline(always)]
    pub const fn on<B: Bus + ?Sized>(self, bus: &B) -> On<'_, B, L, A> {
        On { bus, reg: self }
    }
}

/// Equal registers at regular distance, one per ring, address or hash word.
pub struct RegArray<L, A> {
    first: u16,
    stride: u16,
    count: u16,
    kind: PhantomData<fn() -> (L, A)>,
}

impl<L, A> Clone for RegArray<L, A> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<L, A> Copy for RegArray<L, A> {}

impl<L, A> fmt::Debug for RegArray<L, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegArray({:#05x} + {} * n, n < {})", self.first, self.stride, self.count)
    }
}

impl<L, A> RegArray<L, A> {
    /// `count` registers from `first`, `stride` bytes apart.
    ///
    /// # Panics
    /// At compile time (register arrays are constants), if one of them is not a word of the page.
    #[must_use]
    pub const fn at(first: u16, stride: u16, count: u16) -> Self {
        assert!(count > 0 && first.is_multiple_of(4) && stride.is_multiple_of(4));
        assert!(first + stride * (count - 1) < 0x1000);
        RegArray { first, stride, count, kind: PhantomData }
    }

    /// Register number `n`.
    #[inline(always)]
    #[must_use]
    pub const fn nth(self, n: usize) -> Reg<L, A> {
        debug_assert!(n < self.count as usize);
        Reg { at: (self.first + self.stride * (n as u16)) & 0xFFC, kind: PhantomData }
    }

    /// How many there are.
    #[must_use]
    pub const fn count(self) -> usize {
        self.count as usize
    }
}

/// A register on a bus.
pub struct On<'b, B: ?Sized, L, A> {
    bus: &'b B,
    reg: Reg<L, A>,
}

impl<B: ?Sized, L, A> fmt::Debug for On<'_, B, L, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reg.fmt(f)
    }
}

/// Access classes that can be read without an effect.
pub trait CanRead {}
impl CanRead for Rw {}
impl CanRead for Ro {}
impl<const STROBES: u32> CanRead for Strobe<STROBES> {}

/// Access classes that take any value as it is.
pub trait CanWrite {}
impl CanWrite for Rw {}
impl CanWrite for Wo {}

impl<B: Bus + ?Sized, L: RegisterLongName, A: CanRead> Readable for On<'_, B, L, A> {
    type T = u32;
    type R = L;
    #[inline(always)]
    fn get(&self) -> u32 {
        self.bus.read(self.reg.at)
    }
}

impl<B: Bus + ?Sized, L: RegisterLongName, A: CanWrite> Writeable for On<'_, B, L, A> {
    type T = u32;
    type R = L;
    #[inline(always)]
    fn set(&self, value: u32) {
        self.bus.write(self.reg.at, value);
    }
}

impl<B: Bus + ?Sized, L: RegisterLongName, const STROBES: u32> On<'_, B, L, Strobe<STROBES>> {
    /// Changes fields and leaves the others. A strobe is pulled if `fields` names it, never because
    /// it reads as 1.
    #[inline]
    pub fn modify(&self, fields: FieldValue<u32, L>) {
        self.bus.write(self.reg.at, fields.modify(self.get() & !STROBES));
    }

    /// Writes the whole register, strobes as given.
    #[inline]
    pub fn set(&self, value: u32) {
        self.bus.write(self.reg.at, value);
    }
}

impl<B: Bus + ?Sized, L: Flags<Bits = u32>> On<'_, B, L, W1c> {
    /// The bits that are set, without clearing any.
    #[inline]
    pub fn peek(&self) -> L {
        L::from_bits_retain(self.bus.read(self.reg.at))
    }

    /// Clears exactly the given bits.
    #[inline]
    pub fn clear(&self, bits: L) {
        self.bus.write(self.reg.at, bits.bits());
    }
}

/// A register of flags that is read and written freely, such as IMASK.
impl<B: Bus + ?Sized, L: Flags<Bits = u32>> On<'_, B, L, Rw> {
    /// The flags that are set.
    #[inline]
    pub fn flags(&self) -> L {
        L::from_bits_retain(self.bus.read(self.reg.at))
    }

    /// Makes exactly the given flags set.
    #[inline]
    pub fn assign(&self, flags: L) {
        self.bus.write(self.reg.at, flags.bits());
    }
}
