//! A ring's place for a buffer, and the buffer as the words that lie there. It knows no ring and no
//! descriptor.

use core::ptr::{self, NonNull};

use super::{Buf, CHAINED, MAX_CHAIN};
use crate::pool::PoolHeader;

/// Only in a slot: the frame's control block has a descriptor of its own in front of it.
const APART: u32 = 2;

/// A buffer as words without a destructor: in a ring's slot, or on its way into a call that is not
/// inlined. A [`Buf`] that is only ever packed for such calls need not be in memory itself.
pub(crate) struct Packed {
    pub(super) pool: NonNull<PoolHeader>,
    pub(super) at: u32,
    /// As in a [`Buf`].
    pub(super) span: u32,
}

impl Packed {
    /// The buffer again.
    #[inline(always)]
    pub(crate) fn unpack(self) -> Buf {
        Buf { pool: self.pool, at: self.at, span: self.span }
    }
}

/// A ring's place for a buffer: moved there and back by plain copies.
#[derive(Clone, Copy)]
pub(crate) struct Slot(NonNull<Packed>);

impl Slot {
    /// # Safety
    /// `at` is a place for a buffer, used by one ring only.
    #[inline(always)]
    pub(crate) unsafe fn new(at: NonNull<Packed>) -> Self {
        Slot(at)
    }

    /// Moves a buffer in.
    #[inline(always)]
    pub(crate) fn put(self, buf: Buf) {
        // SAFETY: `new` promises the place.
        unsafe { ptr::write(self.0.as_ptr(), buf.pack()) };
    }

    /// Moves the buffer out.
    ///
    /// # Safety
    /// One was put in since the last one was taken, and no note of a control block is left.
    #[inline(always)]
    pub(crate) unsafe fn take(self) -> Buf {
        // SAFETY: the caller promises that there is one.
        let Packed { pool, at, span } = *unsafe { self.0.as_ref() };
        Packed { pool, at, span }.unpack()
    }

    /// Whether the frame in it has more than one descriptor.
    ///
    /// # Safety
    /// As for [`Slot::take`].
    #[inline(always)]
    pub(crate) unsafe fn has_more(self) -> bool {
        // SAFETY: the caller promises that there is one.
        MAX_CHAIN > 1 && unsafe { self.0.as_ref().at & (CHAINED | APART) != 0 }
    }

    /// Moves a frame in that has a descriptor for its control block, too.
    pub(crate) fn put_apart(self, buf: Buf) {
        let Packed { pool, at, span } = buf.pack();
        // SAFETY: `new` promises the place.
        unsafe { ptr::write(self.0.as_ptr(), Packed { pool, at: at | APART, span }) };
    }

    /// Whether the frame in it has such a descriptor. It can be taken afterwards, or be marked
    /// again.
    ///
    /// # Safety
    /// As for [`Slot::take`].
    pub(crate) unsafe fn clear_apart(mut self) -> bool {
        if MAX_CHAIN == 1 {
            return false;
        }
        // SAFETY: the caller promises that there is one.
        let at = unsafe { &mut self.0.as_mut().at };
        let apart = *at & APART != 0;
        *at &= !APART;
        apart
    }

    /// Marks the frame again.
    ///
    /// # Safety
    /// As for [`Slot::take`].
    pub(crate) unsafe fn set_apart(mut self) {
        // SAFETY: the caller promises that there is one.
        unsafe { self.0.as_mut().at |= APART };
    }

    /// Bytes of the first buffer of the frame in it.
    ///
    /// # Safety
    /// As for [`Slot::take`].
    #[inline(always)]
    pub(crate) unsafe fn len(self) -> u32 {
        // SAFETY: the caller promises that there is one.
        unsafe { self.0.as_ref().span & 0xFFFF }
    }
}
