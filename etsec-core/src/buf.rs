//! A buffer that somebody owns: the unit that moves between pool, rings and application.
//!
//! A [`Buf`] is one buffer of a pool, or a frame in several of them: a chain whose first buffer it
//! is. It is moved into a ring and moved back out; dropping it sends its buffers home. It knows no
//! ring and no descriptor.

mod chain;
mod slot;

use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::{self, NonNull};
use core::slice;

pub(crate) use self::chain::Chain;
pub use self::chain::Segments;
pub(crate) use self::slot::{Packed, Slot};
use crate::fcb::TxFcb;
use crate::pool::{HEADROOM, PoolHeader, PoolRef};

/// Most buffers of one frame: 9600 bytes in buffers of 64 are 150. One without the feature
/// `scatter`.
pub const MAX_CHAIN: usize = if cfg!(feature = "scatter") { 256 } else { 1 };

/// An owned buffer, or a chain of them.
///
/// Dereferences to the bytes of its first buffer; [`Buf::segments`] gives all of them.
pub struct Buf {
    pool: NonNull<PoolHeader>,
    /// From the pool's header to this buffer, in bytes: a multiple of 64, plus [`CHAINED`] if
    /// another buffer follows.
    at: u32,
    /// Where its bytes are: their offset from the buffer's start in the high half, their number in
    /// the low one.
    span: u32,
}

const CHAINED: u32 = 1;
/// Where the bytes of an empty buffer are: behind all its headroom.
const EMPTY: u32 = (HEADROOM as u32) << 16;

/// The place `skip` bytes behind the headroom, for [`Buf::describe_behind`].
pub(crate) const fn behind(skip: u32) -> u32 {
    EMPTY + (skip << 16)
}

// SAFETY: a `Buf` is the only owner of its buffers; the pool's shared state is atomic.
unsafe impl Send for Buf {}
// SAFETY: through `&Buf` its bytes can only be read.
unsafe impl Sync for Buf {}

impl Buf {
    /// # Safety
    /// `at` is where a buffer of that pool begins, and it belongs to nobody else.
    pub(crate) unsafe fn new(pool: NonNull<PoolHeader>, at: u32) -> Buf {
        Buf { pool, at, span: EMPTY }
    }

    #[inline(always)]
    pub(crate) fn pool(&self) -> PoolRef {
        // SAFETY: a region is not given back while one of its buffers is not home.
        unsafe { PoolRef::new(self.pool) }
    }

    /// Low half of the device's address of the first byte.
    #[inline(always)]
    pub(crate) fn bus_low(&self) -> u32 {
        self.pool().bus_low(self.start())
    }

    #[inline(always)]
    fn place(&self) -> u32 {
        self.at & !CHAINED
    }

    /// Makes the buffer empty, its bytes to begin `offset` behind its start.
    #[cfg(feature = "adopt")]
    pub(crate) fn start_at(&mut self, offset: u32) {
        self.span = offset << 16;
    }

    /// Makes the buffer empty, with all its headroom.
    #[inline(always)]
    pub(crate) fn reset(&mut self) {
        debug_assert!(!self.is_chain());
        self.span = EMPTY;
    }

    /// The buffer, empty and with all its headroom: as [`Buf::reset`] for one that is on its way
    /// through CPU registers.
    #[inline(always)]
    pub(crate) fn emptied(self) -> Buf {
        debug_assert!(!self.is_chain());
        let buf = ManuallyDrop::new(self);
        Buf { pool: buf.pool, at: buf.at, span: EMPTY }
    }

    /// The buffer as words.
    #[inline(always)]
    pub(crate) fn pack(self) -> Packed {
        let buf = ManuallyDrop::new(self);
        Packed { pool: buf.pool, at: buf.at, span: buf.span }
    }

    /// Describes what the device stored: `len` bytes, of which the first `skip` are not the
    /// frame's.
    #[inline(always)]
    pub(crate) fn describe(&mut self, skip: u16, len: u16) {
        debug_assert!(usize::from(skip) + usize::from(len) <= self.pool().size() + HEADROOM);
        self.span = EMPTY + (u32::from(skip) << 16) + u32::from(len);
    }

    /// The same for `len` bytes, no more than 65,535, behind a place that [`behind`] made.
    #[inline(always)]
    pub(crate) fn describe_behind(&mut self, place: u32, len: u32) {
        debug_assert!(len <= 0xFFFF && place & 0xFFFF == 0);
        self.span = place + len;
    }

    /// Where its bytes are: their offset from the buffer's start in the high half, their number in
    /// the low one.
    #[inline(always)]
    pub(crate) fn span(&self) -> u32 {
        self.span
    }

    /// From the buffer's start to its first byte.
    #[inline(always)]
    fn offset(&self) -> u32 {
        self.span >> 16
    }

    fn set_len_to(&mut self, len: u16) {
        self.span = self.span & !0xFFFF | u32::from(len);
    }

    /// The first bytes of the part that the device writes. Any buffer has that many.
    #[inline(always)]
    pub(crate) fn front(&self) -> [u8; 8] {
        debug_assert!(!self.is_chain());
        let at = self.reading(self.at).wrapping_add(HEADROOM);
        // SAFETY: inside the buffer, whose bytes are initialised and owned.
        unsafe { at.cast::<[u8; 8]>().read_unaligned() }
    }

    /// Eight bytes from `at` on, in the headroom or right behind it: any buffer has them.
    pub(crate) fn load(&self, at: usize) -> [u8; 8] {
        debug_assert!(at <= HEADROOM + 8);
        // SAFETY: inside the buffer, whose bytes are initialised and owned.
        unsafe { self.reading(self.place() + at as u32).cast::<[u8; 8]>().read_unaligned() }
    }

    /// Whether a transmit control block can lie right in front of the first byte: there is room for
    /// it, and, unless it may lie `anywhere`, not at the places where erratum eTSEC12 spoils
    /// checksums, 25 to 31 bytes behind a multiple of 32 (HW 14). Buffers begin at such multiples.
    #[inline(always)]
    pub(crate) fn takes_fcb(&self, anywhere: bool) -> bool {
        // Without room the difference wraps to a number with the highest bit set.
        let places = if anywhere { 0x8000_0000 } else { 0x8000_001F };
        self.offset().wrapping_sub(TxFcb::LEN as u32) & places <= 0x18
    }

    /// Writes a control block right in front of the first byte, where `takes_fcb` saw that it may
    /// lie, and returns the low half of its address.
    #[inline(always)]
    pub(crate) fn put_fcb(&mut self, fcb: TxFcb) -> u32 {
        debug_assert!(self.takes_fcb(true));
        let at = (self.place() + self.offset()).wrapping_sub(TxFcb::LEN as u32);
        // SAFETY: the headroom is this buffer's, which is owned, and it is that large.
        unsafe { self.writing(at).cast::<[u8; 8]>().write_unaligned(fcb.bytes()) };
        self.pool().bus_low(at)
    }

    /// Writes a control block into the headroom, of 8 bytes or more, where it has a place of its
    /// own, a multiple of 8 (HW 4.4, 14), and returns the low half of its address.
    pub(crate) fn put_fcb_apart(&mut self, fcb: TxFcb) -> u32 {
        let at = (self.offset() as usize).wrapping_sub(TxFcb::LEN) & !7;
        self.store(at, fcb.bytes())
    }

    /// Writes eight bytes in front of the first one; returns the low half of their address.
    pub(crate) fn store(&mut self, at: usize, bytes: [u8; 8]) -> u32 {
        debug_assert!(at < self.offset() as usize && at + 8 <= self.offset() as usize);
        let place = self.place() + at as u32;
        // SAFETY: between the buffer's start and its first byte; the buffer is owned.
        unsafe { self.writing(place).cast::<[u8; 8]>().write_unaligned(bytes) };
        self.pool().bus_low(place)
    }

    /// Bytes of the first buffer of the frame.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "comes with Deref<Target = [u8]>")]
    pub fn len(&self) -> usize {
        (self.span & 0xFFFF) as usize
    }

    /// Bytes of the whole frame.
    #[must_use]
    pub fn total_len(&self) -> usize {
        let (mut part, mut total) = (self, self.len());
        while let Some(next) = part.next() {
            (part, total) = (next, total + next.len());
        }
        total
    }

    /// Whether the frame has more than one buffer.
    #[inline(always)]
    #[must_use]
    pub fn is_chain(&self) -> bool {
        MAX_CHAIN > 1 && self.at & CHAINED != 0
    }

    /// How many buffers the frame has.
    #[must_use]
    pub fn buffers(&self) -> usize {
        self.chain().count()
    }

    /// The frame's bytes, buffer by buffer.
    #[must_use]
    pub fn segments(&self) -> Segments<'_> {
        Segments::of(self.chain())
    }

    /// The frame's buffers, each dereferencing to its own bytes.
    pub(crate) fn chain(&self) -> Chain<'_> {
        Chain::from(self)
    }

    /// Copies the frame to the front of `to` and returns its length; what does not fit is left out.
    pub fn copy_to(&self, to: &mut [u8]) -> usize {
        let mut at = 0;
        for part in self.segments() {
            let n = part.len().min(to.len() - at);
            to[at..at + n].copy_from_slice(&part[..n]);
            at += n;
        }
        at
    }

    /// Most bytes the first buffer can hold from its present start.
    #[must_use]
    pub fn capacity(&self) -> usize {
        // The device may have written into the spare behind the buffer, and the start may be there.
        (HEADROOM + self.pool().size()).saturating_sub(self.headroom())
    }

    /// Bytes that can still be put in front.
    #[must_use]
    pub fn headroom(&self) -> usize {
        self.offset() as usize
    }

    /// Sets the number of bytes in the first buffer, at most [`Buf::capacity`]: a larger number
    /// counts as that.
    ///
    /// New bytes are whatever the buffer held before.
    pub fn set_len(&mut self, len: usize) {
        self.set_len_to(len.min(self.capacity()) as u16);
    }

    /// Makes room for `n` more bytes in front and returns them; `None` if the headroom is smaller.
    pub fn prepend(&mut self, n: usize) -> Option<&mut [u8]> {
        if n > self.headroom() {
            return None;
        }
        // From the one half to the other.
        self.span = self.span - ((n as u32) << 16) + n as u32;
        Some(&mut self[..n])
    }

    /// Drops up to `n` bytes at the front of the first buffer.
    pub fn trim_front(&mut self, n: usize) {
        let n = n.min(self.len()) as u32;
        self.span = self.span + (n << 16) - n;
    }

    /// Shortens the frame to `len` bytes, sending home buffers that are no longer needed. A longer
    /// `len` does nothing.
    pub fn truncate(&mut self, len: usize) {
        let (mut part, mut left) = (self, len);
        while left > part.len() {
            left -= part.len();
            match part.next_mut() {
                Some(next) => part = next,
                None => return,
            }
        }
        part.set_len_to(left as u16);
        drop(part.split());
    }

    /// Puts another frame behind this one without copying: both become one chain.
    ///
    /// # Errors
    /// The other frame, if together they had more than [`MAX_CHAIN`] buffers.
    pub fn append(&mut self, tail: Buf) -> Result<(), Buf> {
        if self.buffers() + tail.buffers() > MAX_CHAIN {
            return Err(tail);
        }
        let mut last = self;
        while last.is_chain() {
            // SAFETY: a frame owns all its buffers, and a chained one is linked.
            last = unsafe { &mut *last.pool().next(last.place()) };
        }
        last.at |= CHAINED;
        // SAFETY: this frame owns its last buffer.
        unsafe { last.pool().link(last.place(), tail) };
        Ok(())
    }

    /// Cuts the frame behind its first buffer and returns the rest.
    pub(crate) fn split(&mut self) -> Option<Buf> {
        if !self.is_chain() {
            return None;
        }
        self.at = self.place();
        // SAFETY: this buffer is owned and was linked; no longer chained, its link is not used
        // again.
        Some(unsafe { self.pool().next(self.at).read() })
    }

    pub(crate) fn next(&self) -> Option<&Buf> {
        // SAFETY: a frame owns all its buffers, and a chained one is linked.
        self.is_chain().then(|| unsafe { &*self.pool().next(self.place()) })
    }

    fn next_mut(&mut self) -> Option<&mut Buf> {
        // SAFETY: as in `next`; exclusive because `self` is.
        self.is_chain().then(|| unsafe { &mut *self.pool().next(self.place()) })
    }

    /// From the pool's header to the first byte.
    #[inline(always)]
    fn start(&self) -> u32 {
        self.place() + self.offset()
    }

    /// Where the CPU reads the byte `at` bytes behind the pool's header, one of this buffer's.
    #[inline(always)]
    fn reading(&self, at: u32) -> *const u8 {
        #[cfg(all(loom, test))]
        crate::word::witness::reads(self.pool().cpu(self.place()) as usize);
        self.pool().cpu(at)
    }

    /// What its bytes are, as a proof numbers writes.
    #[cfg(all(loom, test))]
    pub(crate) fn number(&self) -> u32 {
        crate::word::witness::reads(self.pool().cpu(self.place()) as usize)
    }

    /// Where it writes that byte.
    #[inline(always)]
    fn writing(&mut self, at: u32) -> *mut u8 {
        #[cfg(all(loom, test))]
        crate::word::witness::wrote(self.pool().cpu(self.place()) as usize);
        self.pool().cpu(at)
    }
}

impl Deref for Buf {
    type Target = [u8];
    #[inline(always)]
    fn deref(&self) -> &[u8] {
        // SAFETY: offset and length stay inside the buffer, whose bytes are initialised and owned.
        unsafe { slice::from_raw_parts(self.reading(self.start()), self.len()) }
    }
}

impl DerefMut for Buf {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, exclusively.
        unsafe { slice::from_raw_parts_mut(self.writing(self.start()), self.len()) }
    }
}

impl Drop for Buf {
    fn drop(&mut self) {
        if self.is_chain() {
            // SAFETY: the frame is owned, and gone after this.
            return drop_chain(unsafe { ptr::read(self) }.pack());
        }
        if mutant!("buf-double-free") {
            // SAFETY: none, that is the bug.
            unsafe { self.pool().put(self.at) };
        }
        // SAFETY: the buffer is owned, and gone after this.
        unsafe { self.pool().put(self.at) };
    }
}

/// Sends the buffers of a chain home. It is given as words, so that a frame that is none need not
/// be in memory to be dropped.
#[cold]
fn drop_chain(chain: Packed) {
    let mut rest = Some(chain.unpack());
    while let Some(mut buf) = rest {
        rest = buf.split();
    }
}

impl fmt::Debug for Buf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Buf({} bytes in {} at {:#010x})",
            self.total_len(),
            self.buffers(),
            self.bus_low()
        )
    }
}
