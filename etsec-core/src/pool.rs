//! The buffer pool: equal buffers in one block of DMA memory, and the list of those that are free.
//!
//! All state lives inside the region; a [`Pool`] is a counted handle to it. A buffer is a line of
//! headroom, then a DMA area (design: any buffer can go out of any device, whatever padding it came
//! in with). The pool knows nothing of rings.
//!
//! | part of a buffer | bytes |
//! |---|---|
//! | headroom | 64 |
//! | DMA area, 64-byte aligned: MRBLR | `buffer_size` |
//! | spare, because QEMU's model writes a few bytes past MRBLR (HW 15.3) | 64 |

#[cfg(feature = "adopt")]
mod adopt;

use core::cell::UnsafeCell;
use core::fmt;
use core::mem::MaybeUninit;
use core::num::NonZeroU32;
use core::ptr::NonNull;

#[cfg(feature = "adopt")]
pub(crate) use self::adopt::bytes_at;
use crate::arena::{Handle, LINE, Place};
use crate::buf::Buf;
use crate::word::Word;

/// Bytes in front of the DMA area of each buffer.
pub const HEADROOM: usize = 64;
/// Bytes behind it that are the device's mistake to use, not ours.
pub(crate) const SPARE: usize = 64;
pub(crate) const MAX_BUFFERS: usize = 0xFFFF;
/// Larger buffers would serve no frame (MAXFRM is at most 9600) and outgrow the 16-bit offsets of a
/// [`Buf`].
const MAX_SIZE: usize = 0x8000;
const _: () = assert!(MAX_SIZE + HEADROOM + SPARE <= u16::MAX as usize);

/// End of the free list.
const NONE: u16 = u16::MAX;

/// What is known of one buffer beside its bytes.
struct Meta {
    /// The next free buffer, while this one is free.
    free: Word,
    /// The next segment of the frame, while this one is part of a chain.
    next: UnsafeCell<MaybeUninit<Buf>>,
}

/// Head of a pool inside its region. All but `head` is constant.
#[repr(C, align(64))]
pub(crate) struct PoolHeader {
    /// Low half of the device's address of this header, and its 4 GiB window.
    bus_low: u32,
    window: u32,
    buffers: u32,
    size: u32,
    /// Size and window in one word: buffers of one kind are as good as each other to any ring.
    kind: u32,
    stride: NonZeroU32,
    /// From this header to the first buffer.
    first: u32,
    /// Free list: index of the first free buffer, and above it a tag that changes with every step.
    head: Word,
}

/// A reference to a mapped pool.
#[derive(Clone, Copy)]
pub(crate) struct PoolRef(NonNull<PoolHeader>);

impl PoolRef {
    /// # Safety
    /// `header` was made by [`Pool::build`], and its region stays mapped while the result is used.
    #[inline(always)]
    pub(crate) unsafe fn new(header: NonNull<PoolHeader>) -> Self {
        PoolRef(header)
    }

    #[inline(always)]
    fn get(&self) -> &PoolHeader {
        // SAFETY: `new` promises a mapped header; it is never written but through its atomic.
        unsafe { self.0.as_ref() }
    }

    #[inline(always)]
    pub(crate) fn window(&self) -> u32 {
        self.get().window
    }

    #[inline(always)]
    pub(crate) fn size(&self) -> usize {
        self.get().size as usize
    }

    /// What a ring must know of a buffer, as a number that is not 0.
    #[inline(always)]
    pub(crate) fn kind(&self) -> u32 {
        self.get().kind
    }

    #[inline(always)]
    pub(crate) fn buffers(&self) -> usize {
        self.get().buffers as usize
    }

    /// The device's view (low half) of the byte `at` bytes behind the header.
    #[inline(always)]
    pub(crate) fn bus_low(&self, at: u32) -> u32 {
        self.get().bus_low.wrapping_add(at)
    }

    /// The CPU's view of the byte `at` bytes behind the header.
    #[inline(always)]
    pub(crate) fn cpu(&self, at: u32) -> *mut u8 {
        self.0.as_ptr().cast::<u8>().wrapping_add(at as usize)
    }

    fn meta(&self, index: u16) -> &Meta {
        debug_assert!(usize::from(index) < self.buffers());
        let table = self.0.as_ptr().wrapping_add(1).cast::<Meta>();
        // SAFETY: `build` laid out one `Meta` for each buffer behind the header, and every index is
        // of a buffer.
        unsafe { &*table.add(usize::from(index)) }
    }

    /// Takes a buffer off the free list.
    pub(crate) fn take(&self) -> Option<Buf> {
        let old = self.get().head.update(|head| match head as u16 {
            NONE => None,
            // A stale `free` is harmless: then the tag has changed and the step is tried again.
            first => Some(next_tag(head) | self.meta(first).free.load()),
        });
        let index = old.ok()? as u16;
        let at = self.get().first + u32::from(index) * self.get().stride.get();
        // SAFETY: the buffer was on the free list, so no other `Buf` has it.
        Some(unsafe { Buf::new(self.0, at) })
    }

    /// Puts a buffer back onto the free list.
    ///
    /// # Safety
    /// The caller owns the buffer and forgets it.
    pub(crate) unsafe fn put(&self, at: u32) {
        let index = self.index(at);
        let free = &self.meta(index).free;
        let _ = self.get().head.update(|head| {
            free.store(head & 0xFFFF);
            Some(next_tag(head) | u32::from(index))
        });
    }

    /// Remembers the next segment of the frame that the buffer at `at` is part of.
    ///
    /// # Safety
    /// The caller owns that buffer.
    pub(crate) unsafe fn link(&self, at: u32, next: Buf) {
        // SAFETY: the owner of the buffer is the only one who touches its `next`.
        unsafe { (*self.meta(self.index(at)).next.get()).write(next) };
    }

    /// The next segment, as [`PoolRef::link`] left it.
    ///
    /// # Safety
    /// The caller owns the buffer at `at` and has linked it.
    pub(crate) unsafe fn next(&self, at: u32) -> *mut Buf {
        self.meta(self.index(at)).next.get().cast()
    }

    /// The number of the buffer at `at`.
    fn index(&self, at: u32) -> u16 {
        ((at - self.get().first) / self.get().stride) as u16
    }

    /// How many buffers are free; exact while nobody takes one.
    pub(crate) fn home(&self) -> usize {
        let mut count = 0;
        let mut index = self.get().head.acquire() as u16;
        while index != NONE && count < self.buffers() {
            count += 1;
            index = self.meta(index).free.load() as u16;
        }
        count
    }
}

const fn next_tag(head: u32) -> u32 {
    (head & 0xFFFF_0000).wrapping_add(0x1_0000)
}

/// A handle to a pool. Clones refer to the same pool.
#[derive(Clone)]
pub struct Pool {
    pool: PoolRef,
    #[cfg_attr(not(feature = "adopt"), allow(dead_code, reason = "it is kept to be dropped"))]
    region: Handle,
}

// SAFETY: the pool's shared state is atomic; buffers are owned by whoever took them.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

impl Pool {
    /// # Safety
    /// `place` is [`bytes`] long, cache-line aligned, used by nobody else, and lives as long as
    /// `region`.
    pub(crate) unsafe fn build(region: Handle, place: &Place, buffers: usize, size: usize) -> Pool {
        let header = place.cpu.cast::<PoolHeader>();
        let table = header.as_ptr().wrapping_add(1).cast::<Meta>();
        for index in 0..buffers {
            let next = if index + 1 == buffers { u32::from(NONE) } else { index as u32 + 1 };
            let meta = Meta { free: Word::new(next), next: UnsafeCell::new(MaybeUninit::uninit()) };
            // SAFETY: `bytes` counts one `Meta` for each buffer behind the header.
            unsafe { table.add(index).write(meta) };
        }
        let fresh = PoolHeader {
            bus_low: place.bus.low(),
            window: place.bus.window(),
            buffers: buffers as u32,
            size: size as u32,
            // A size is a multiple of 64, a window has four bits.
            kind: size as u32 | place.bus.window(),
            stride: NonZeroU32::new(stride(size) as u32).unwrap_or(NonZeroU32::MIN),
            first: first(buffers) as u32,
            head: Word::new(0),
        };
        // SAFETY: the place is ours and large enough.
        unsafe { header.write(fresh) };
        Pool { pool: PoolRef(header), region }
    }

    pub(crate) fn header(&self) -> NonNull<PoolHeader> {
        self.pool.0
    }

    /// Takes an empty buffer, or `None` when all are in use.
    #[must_use]
    pub fn alloc(&self) -> Option<Buf> {
        self.pool.take()
    }

    /// Takes as many buffers as `bytes` needs, chained if more than one, and copies it there.
    ///
    /// `None`, and nothing taken, if the pool has too few or more than
    /// [`MAX_CHAIN`](crate::buf::MAX_CHAIN) were needed.
    #[must_use]
    pub fn frame(&self, bytes: &[u8]) -> Option<Buf> {
        let mut parts = bytes.chunks(self.buffer_size());
        let mut frame = self.part(parts.next().unwrap_or(&[]))?;
        for part in parts {
            frame.append(self.part(part)?).ok()?;
        }
        Some(frame)
    }

    fn part(&self, bytes: &[u8]) -> Option<Buf> {
        let mut buf = self.alloc()?;
        buf.set_len(bytes.len());
        buf.copy_from_slice(bytes);
        Some(buf)
    }

    /// Bytes one buffer takes behind its headroom: the largest MRBLR of rings it can serve.
    #[must_use]
    pub fn buffer_size(&self) -> usize {
        self.pool.size()
    }

    /// How many buffers the pool has.
    #[must_use]
    pub fn buffers(&self) -> usize {
        self.pool.buffers()
    }

    /// How many of them are free at this moment. It counts them: for diagnosis, not for the data
    /// path.
    #[must_use]
    pub fn free(&self) -> usize {
        self.pool.home()
    }

    /// The 4 GiB window of bus addresses that the pool lies in (HW 4.5).
    #[must_use]
    pub fn window(&self) -> u32 {
        self.pool.window()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("buffers", &self.buffers())
            .field("buffer_size", &self.buffer_size())
            .field("free", &self.free())
            .finish()
    }
}

pub(crate) const fn size_is_valid(size: usize) -> bool {
    size >= 64 && size <= MAX_SIZE && size.is_multiple_of(64)
}

/// Bytes from one buffer to the next; saturates.
const fn stride(size: usize) -> usize {
    size.saturating_add(HEADROOM + SPARE)
}

/// Bytes in front of the first buffer; saturates.
const fn first(buffers: usize) -> usize {
    let table = buffers.saturating_mul(size_of::<Meta>());
    let end = table.saturating_add(size_of::<PoolHeader>());
    match end.checked_next_multiple_of(LINE) {
        Some(first) => first,
        None => usize::MAX,
    }
}

/// Bytes a pool takes; saturates where no region could hold it.
pub(crate) const fn bytes(buffers: usize, size: usize) -> usize {
    first(buffers).saturating_add(buffers.saturating_mul(stride(size)))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::arena::Arena;
    use crate::testing::Heap;

    fn pool(buffers: usize, size: usize) -> (Arena<Heap>, Pool) {
        let mut arena = Arena::new(Heap::new(1 << 20).0).map_err(|(_, e)| e).unwrap();
        let pool = arena.pool(buffers, size).unwrap();
        (arena, pool)
    }

    #[test]
    fn every_buffer_is_lent_once_and_comes_home() {
        let (_arena, pool) = pool(5, 128);
        let lent: Vec<Buf> = std::iter::from_fn(|| pool.alloc()).collect();
        assert_eq!((lent.len(), pool.free()), (5, 0));
        let mut places: Vec<u32> = lent.iter().map(Buf::bus_low).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 5);
        assert!(places.iter().all(|at| at % 64 == 0));
        drop(lent);
        assert_eq!(pool.free(), 5);
    }

    #[cfg(feature = "scatter")]
    #[test]
    fn a_long_frame_becomes_a_chain_and_a_pool_too_small_takes_nothing() {
        let (_arena, pool) = pool(3, 64);
        let bytes: Vec<u8> = (0..150).collect();
        let frame = pool.frame(&bytes).unwrap();
        assert_eq!((frame.buffers(), frame.len(), frame.total_len()), (3, 64, 150));
        let mut copy = [0; 200];
        assert_eq!(frame.copy_to(&mut copy), 150);
        assert_eq!(copy[..150], bytes[..]);
        assert!(pool.frame(&[0]).is_none());
        drop(frame);
        assert!(pool.frame(&[0; 193]).is_none());
        assert_eq!(pool.free(), 3);
    }

    #[cfg(feature = "scatter")]
    #[test]
    fn truncating_a_chain_sends_home_what_it_cuts_off() {
        let (_arena, pool) = pool(4, 64);
        let mut frame = pool.frame(&[1; 256]).unwrap();
        frame.truncate(300);
        assert_eq!((frame.total_len(), frame.buffers()), (256, 4));
        frame.truncate(129);
        assert_eq!((frame.total_len(), frame.buffers(), pool.free()), (129, 3, 1));
        frame.truncate(128);
        assert_eq!((frame.buffers(), pool.free()), (2, 2));
        frame.truncate(0);
        assert_eq!((frame.len(), frame.buffers(), pool.free()), (0, 1, 3));
    }

    #[cfg(feature = "scatter")]
    #[test]
    fn chains_grow_at_their_end_up_to_their_limit() {
        let (_arena, pool) = pool(600, 64);
        let mut frame = pool.frame(&[1; 100]).unwrap();
        frame.append(pool.frame(&[2; 100]).unwrap()).unwrap();
        assert_eq!((frame.buffers(), frame.total_len()), (4, 200));
        let lens: Vec<usize> = frame.segments().map(<[u8]>::len).collect();
        assert_eq!(lens, [64, 36, 64, 36]);
        for _ in frame.buffers()..crate::buf::MAX_CHAIN {
            frame.append(pool.frame(&[3]).unwrap()).unwrap();
        }
        let refused = frame.append(pool.frame(&[4]).unwrap()).unwrap_err();
        assert_eq!(&*refused, &[4]);
        drop((frame, refused));
        assert_eq!(pool.free(), 600);
    }

    #[test]
    fn headroom_is_used_and_bounded() {
        let (_arena, pool) = pool(1, 64);
        let mut buf = pool.frame(b"payload").unwrap();
        buf.prepend(4).unwrap().copy_from_slice(b"head");
        assert_eq!(&*buf, b"headpayload");
        assert!(buf.prepend(HEADROOM - 3).is_none());
        buf.trim_front(4);
        assert_eq!(&*buf, b"payload");
        buf.set_len(1000);
        assert_eq!(buf.len(), 64);
        buf.trim_front(1000);
        assert_eq!((buf.len(), buf.capacity()), (0, 0));
    }

    #[test]
    fn bytes_written_behind_a_buffer_give_no_capacity_there() {
        let (_arena, pool) = pool(1, 64);
        let mut buf = pool.alloc().unwrap();
        // What QEMU's model may do: HW 15.3.
        buf.describe(0, 64 + SPARE as u16);
        buf.trim_front(70);
        assert_eq!((buf.len(), buf.capacity()), (58, 0));
        buf.set_len(usize::MAX);
        assert_eq!(buf.len(), 0);
    }

    #[test]
    fn threads_share_a_pool() {
        let (_arena, pool) = pool(8, 64);
        let rounds = if cfg!(miri) { 50 } else { 5_000 };
        std::thread::scope(|scope| {
            for id in 0..4u8 {
                let pool = pool.clone();
                scope.spawn(move || {
                    for _ in 0..rounds {
                        let Some(mut buf) = pool.frame(&[id; 8]) else { continue };
                        assert_eq!(&*buf, &[id; 8]);
                        buf.fill(!id);
                    }
                });
            }
        });
        assert_eq!(pool.free(), 8);
    }
}
