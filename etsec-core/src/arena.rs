//! Memory carved once: an [`Arena`] cuts a [`Region`] into descriptor rings and one buffer pool,
//! and lends them for good.
//!
//! Nothing is allocated or translated afterwards. What has been carved refers to the region by
//! counted handles, not by borrows, so it can go to any thread. The region is given back only when
//! nothing of it is in use any more; if the device may still write to it, it stays mapped for ever.

#[cfg(feature = "adopt")]
mod adopt;
#[cfg(feature = "adopt")]
mod partners;

use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

#[cfg(feature = "adopt")]
pub use self::adopt::{Adopted, LeftError, LeftRing, partners};
#[cfg(feature = "adopt")]
pub use self::partners::{MOST_PARTNERS, NAME_BYTES, Partner, PartnerError, Partners};
use crate::dma::{BusAddr, Region};
#[cfg(feature = "adopt")]
use crate::mib::{self, KeptCounters};
use crate::pool::{self, Pool};
use crate::ring::{self, RingMemory};
use crate::word::Word;

/// Everything carved starts on a cache line.
pub(crate) const LINE: usize = 64;

/// The first bytes of a region: what finds its way back to it.
#[repr(C, align(64))]
pub(crate) struct ArenaHeader {
    magic: Word,
    version: Word,
    handles: Word,
    #[cfg(feature = "adopt")]
    contents: adopt::Contents,
}

const MAGIC: u32 = 0x6554_5345; // "eTSE"
/// Of what lies in a region: another one is not taken over.
const VERSION: u32 = 3;
/// A count that reached the top stays there: the region is never given back.
const PINNED: u32 = u32::MAX;

/// A counted reference to a region that something carved from it still uses.
pub(crate) struct Handle(NonNull<ArenaHeader>);

// SAFETY: the header is made of atomics and outlives every handle.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    /// # Safety
    /// As of [`Handle::take`].
    unsafe fn new(header: NonNull<ArenaHeader>) -> Self {
        // SAFETY: the caller's.
        unsafe { Handle::take(header) };
        Handle(header)
    }

    /// Counts one more handle, of somebody who keeps the pointer instead of a `Handle`.
    ///
    /// # Safety
    /// The region is mapped.
    #[inline(always)]
    pub(crate) unsafe fn take(header: NonNull<ArenaHeader>) {
        // SAFETY: the caller's.
        unsafe { Handle::count(header, 1) };
    }

    /// Gives back what [`Handle::take`] has taken.
    ///
    /// # Safety
    /// Once for each `take`; the region is not used on behalf of that one any more.
    #[inline(always)]
    pub(crate) unsafe fn release(header: NonNull<ArenaHeader>) {
        // SAFETY: a region is not given back while a handle to it exists.
        unsafe { Handle::count(header, -1) };
    }

    /// # Safety
    /// The region is mapped.
    unsafe fn count(header: NonNull<ArenaHeader>, by: i32) {
        // SAFETY: the caller's.
        let header = unsafe { header.as_ref() };
        // At the top the count is left alone; that is the pinned state.
        let step = |n: u32| (n != PINNED).then_some(n.wrapping_add_signed(by));
        let _ = header.handles.update(step);
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        // SAFETY: this handle keeps it mapped.
        unsafe { Handle::new(self.0) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: taken by `new`, and dropped once.
        unsafe { Handle::release(self.0) };
    }
}

/// Why memory could not be carved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum MemoryError {
    /// The region starts at an address, CPU's or device's, that is not a multiple of 64.
    Misaligned,
    /// The region does not end inside the 4 GiB window it starts in (or beyond 36 bits): one high
    /// register serves all of it (HW 4.5).
    CrossesWindow,
    /// The region has too few bytes left.
    TooSmall {
        /// Bytes that were asked for.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// A ring has 4 to 65,536 descriptors (HW 4.4).
    RingLength(usize),
    /// A pool has 1 to 65,535 buffers.
    BufferCount(usize),
    /// A buffer's size is a multiple of 64 from 64 to 32,768 bytes (HW 3.13).
    BufferSize(usize),
    /// An arena has one pool, and this one has it already.
    SecondPool,
    /// An arena has one place for counters, and this one has it already.
    SecondCounters,
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned => f.write_str("region does not start at a multiple of 64 bytes"),
            Self::CrossesWindow => f.write_str("region crosses a 4 GiB boundary of bus addresses"),
            Self::TooSmall { needed, left } => {
                write!(f, "region too small: {needed} bytes needed, {left} left")
            }
            Self::RingLength(n) => write!(f, "ring of {n} descriptors: 4 to 65536 are possible"),
            Self::BufferCount(n) => write!(f, "pool of {n} buffers: 1 to 65535 are possible"),
            Self::BufferSize(n) => {
                write!(f, "buffers of {n} bytes: multiples of 64 from 64 to 32768 are possible")
            }
            Self::SecondPool => f.write_str("the arena has its pool already"),
            Self::SecondCounters => f.write_str("the arena has its place for counters already"),
        }
    }
}

impl core::error::Error for MemoryError {}

/// A region being carved.
///
/// Dropping an arena gives the region back if nothing carved from it is in use, and leaks it
/// otherwise: memory that a device may still reach must not be unmapped.
pub struct Arena<R: Region> {
    region: ManuallyDrop<R>,
    header: NonNull<ArenaHeader>,
    used: usize,
    pool: Option<NonNull<pool::PoolHeader>>,
}

// SAFETY: the pointers lead into the region, which moves with the arena; all shared state in it is
// atomic.
unsafe impl<R: Region + Send> Send for Arena<R> {}

impl<R: Region> fmt::Debug for Arena<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena")
            .field("bus", &self.region.bus())
            .field("len", &self.region.len())
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

/// A place in a region: the same bytes as CPU and device see them.
pub(crate) struct Place {
    pub cpu: NonNull<u8>,
    pub bus: BusAddr,
}

impl<R: Region> Arena<R> {
    /// Takes a region to carve.
    ///
    /// # Errors
    /// [`MemoryError::Misaligned`], [`MemoryError::CrossesWindow`] or [`MemoryError::TooSmall`],
    /// with the region.
    pub fn new(region: R) -> Result<Self, (R, MemoryError)> {
        let header = region.cpu().cast::<ArenaHeader>();
        match check(&region) {
            Err(error) => Err((region, error)),
            Ok(()) => {
                #[cfg(feature = "adopt")]
                adopt::disown(&region);
                let fresh = ArenaHeader {
                    magic: Word::new(if cfg!(feature = "adopt") { 0 } else { MAGIC }),
                    version: Word::new(VERSION),
                    handles: Word::new(0),
                    #[cfg(feature = "adopt")]
                    contents: adopt::Contents::new(region.len()),
                };
                // SAFETY: `check` found room and alignment, and `Region` promises that the bytes
                // are ours.
                unsafe { header.write(fresh) };
                #[cfg(feature = "adopt")]
                adopt::own(&region);
                let used = size_of::<ArenaHeader>();
                Ok(Arena { region: ManuallyDrop::new(region), header, used, pool: None })
            }
        }
    }

    /// Bytes not yet carved.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.region.len() - self.used
    }

    /// Carves a ring of `len` descriptors, which takes [`ring_bytes`]`(len)`.
    ///
    /// # Errors
    /// [`MemoryError::RingLength`] outside 4 to 65,536, [`MemoryError::TooSmall`]. Nothing is
    /// carved then.
    pub fn ring(&mut self, len: usize) -> Result<RingMemory, MemoryError> {
        if !(ring::MIN_LEN..ring::MAX_LEN + 1).contains(&len) {
            return Err(MemoryError::RingLength(len));
        }
        let place = self.carve(ring_bytes(len))?;
        // SAFETY: `place` is carved for this ring alone, of the size `ring_bytes` says, cache-line
        // aligned.
        let ring = unsafe { RingMemory::build(self.header, &place, len) };
        #[cfg(feature = "adopt")]
        self.note_ring(&ring, ring_bytes(len));
        Ok(ring)
    }

    /// Carves the pool: `buffers` buffers that each take frames or parts of frames of `buffer_size`
    /// bytes ([`pool_bytes`]).
    ///
    /// # Errors
    /// [`MemoryError::BufferCount`], [`MemoryError::BufferSize`], [`MemoryError::TooSmall`] or
    /// [`MemoryError::SecondPool`]. Nothing is carved then.
    pub fn pool(&mut self, buffers: usize, buffer_size: usize) -> Result<Pool, MemoryError> {
        if self.pool.is_some() {
            return Err(MemoryError::SecondPool);
        }
        if !(1..pool::MAX_BUFFERS + 1).contains(&buffers) {
            return Err(MemoryError::BufferCount(buffers));
        }
        if !pool::size_is_valid(buffer_size) {
            return Err(MemoryError::BufferSize(buffer_size));
        }
        let place = self.carve(pool_bytes(buffers, buffer_size))?;
        // SAFETY: the arena's region is mapped as long as the arena lives.
        let handle = unsafe { Handle::new(self.header) };
        // SAFETY: `place` is carved for this pool alone, of the size `pool_bytes` says, cache-line
        // aligned.
        let pool = unsafe { Pool::build(handle, &place, buffers, buffer_size) };
        self.pool = Some(pool.header());
        #[cfg(feature = "adopt")]
        self.note_pool(pool_bytes(buffers, buffer_size));
        Ok(pool)
    }

    /// Carves a place for the totals of a port's counters, which takes [`COUNTERS_BYTES`]. A region
    /// has one.
    ///
    /// # Errors
    /// [`MemoryError::TooSmall`], [`MemoryError::SecondCounters`].
    #[cfg(feature = "adopt")]
    pub fn counters(&mut self) -> Result<KeptCounters, MemoryError> {
        if self.has_counters() {
            return Err(MemoryError::SecondCounters);
        }
        let place = self.carve(COUNTERS_BYTES)?;
        // SAFETY: the arena's region is mapped as long as the arena lives.
        let handle = unsafe { Handle::new(self.header) };
        // SAFETY: `place` is carved for this alone, of that size, cache-line aligned.
        let counters = unsafe { KeptCounters::build(handle, &place) };
        self.note_counters(COUNTERS_BYTES);
        Ok(counters)
    }

    /// Gives the region back, if no handle, queue, device or buffer refers to it any more; the
    /// arena otherwise.
    ///
    /// # Errors
    /// The arena itself, to be asked again later or dropped (which leaks the region).
    pub fn retire(self) -> Result<R, Self> {
        if !self.is_quiet() {
            return Err(self);
        }
        let mut this = ManuallyDrop::new(self);
        #[cfg(feature = "adopt")]
        adopt::disown(&*this.region);
        // SAFETY: `this` is never used again, so the region is taken out once.
        Ok(unsafe { ManuallyDrop::take(&mut this.region) })
    }

    fn carve(&mut self, bytes: usize) -> Result<Place, MemoryError> {
        let left = self.remaining();
        if bytes > left {
            return Err(MemoryError::TooSmall { needed: bytes, left });
        }
        let place = Place {
            // SAFETY: `used` is at most `len`.
            cpu: unsafe { self.region.cpu().add(self.used) },
            // `new` has checked that the region ends inside its window.
            bus: self.region.bus().inside(self.used),
        };
        self.used += bytes;
        Ok(place)
    }

    fn is_quiet(&self) -> bool {
        // SAFETY: the region is still mapped: it leaves only through `retire` and `drop`.
        let handles = unsafe { self.header.as_ref() }.handles.acquire();
        // Without a handle nobody can take a buffer, so the count below can only grow.
        handles == 0
            && self.pool.is_none_or(|pool| {
                // SAFETY: as above.
                let pool = unsafe { pool::PoolRef::new(pool) };
                pool.home() == pool.buffers()
            })
    }
}

impl<R: Region> Drop for Arena<R> {
    fn drop(&mut self) {
        if self.is_quiet() {
            #[cfg(feature = "adopt")]
            adopt::disown(&*self.region);
            // SAFETY: dropped once, here; nothing refers to the region.
            unsafe { ManuallyDrop::drop(&mut self.region) };
        }
    }
}

/// Bytes of a region that an arena itself needs.
pub const HEADER_BYTES: usize = size_of::<ArenaHeader>();

/// Bytes of a region that the totals of counters take.
#[cfg(feature = "adopt")]
pub const COUNTERS_BYTES: usize = mib::KEPT_BYTES;

/// Bytes of a region that a ring of `len` descriptors takes; [`usize::MAX`] for more than there can
/// be.
#[must_use]
pub const fn ring_bytes(len: usize) -> usize {
    ring::bytes(len)
}

/// Bytes of a region that a pool of `buffers` buffers of `buffer_size` bytes takes, at most
/// [`usize::MAX`].
#[must_use]
pub const fn pool_bytes(buffers: usize, buffer_size: usize) -> usize {
    pool::bytes(buffers, buffer_size)
}

fn check(region: &impl Region) -> Result<(), MemoryError> {
    let (bus, len) = (region.bus(), region.len());
    if !(region.cpu().as_ptr() as usize).is_multiple_of(LINE)
        || !bus.raw().is_multiple_of(LINE as u64)
    {
        return Err(MemoryError::Misaligned);
    }
    if len < HEADER_BYTES {
        return Err(MemoryError::TooSmall { needed: HEADER_BYTES, left: len });
    }
    match bus.checked_add(len as u64 - 1) {
        Some(last) if last.window() == bus.window() => Ok(()),
        _ => Err(MemoryError::CrossesWindow),
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::testing::Heap;

    #[test]
    fn a_region_comes_back_only_when_nothing_of_it_is_in_use() {
        let (region, alive) = Heap::new(64 * 1024);
        let mut arena = Arena::new(region).map_err(|(_, e)| e).unwrap();
        let pool = arena.pool(4, 256).unwrap();
        let ring = arena.ring(8).unwrap();
        let arena = arena.retire().map(drop).unwrap_err();
        drop(ring);
        let buf = pool.alloc().unwrap();
        let arena = arena.retire().map(drop).unwrap_err();
        drop(pool);
        let arena = arena.retire().map(drop).unwrap_err();
        drop(buf);
        assert!(arena.retire().is_ok());
        assert_eq!(Rc::strong_count(&alive), 1);
    }

    #[test]
    fn a_dropped_arena_gives_its_region_back_if_it_can_and_leaks_it_if_not() {
        let (region, alive) = Heap::new(64 * 1024);
        let mut arena = Arena::new(region).map_err(|(_, e)| e).unwrap();
        let pool = arena.pool(1, 64).unwrap();
        drop((pool, arena));
        assert_eq!(Rc::strong_count(&alive), 1);

        let (region, alive) = Heap::new(64 * 1024);
        let mut arena = Arena::new(region).map_err(|(_, e)| e).unwrap();
        let mut buf = arena.pool(1, 64).unwrap().alloc().unwrap();
        drop(arena);
        assert_eq!(Rc::strong_count(&alive), 2);
        // Still mapped.
        buf.set_len(64);
        buf.fill(7);
        std::mem::forget(alive);
    }

    #[test]
    fn regions_that_no_device_could_use_are_refused_and_given_back() {
        let at = |raw| Heap::at(4096, BusAddr::new(raw).unwrap()).0;
        let refusal = |region| Arena::new(region).map(drop).map_err(|(_, e)| e);
        assert_eq!(refusal(at(0xFFFF_F040)), Err(MemoryError::CrossesWindow));
        assert_eq!(refusal(at(0xF_FFFF_F040)), Err(MemoryError::CrossesWindow));
        assert_eq!(refusal(at(0xFFFF_F000)), Ok(()));
        assert_eq!(refusal(at(0x1008)), Err(MemoryError::Misaligned));
        let tiny = Heap::new(32).0;
        assert_eq!(refusal(tiny), Err(MemoryError::TooSmall { needed: HEADER_BYTES, left: 32 }));
    }

    #[test]
    fn sizes_out_of_range_are_named_and_carve_nothing() {
        let (region, _alive) = Heap::new(4096);
        let mut arena = Arena::new(region).map_err(|(_, e)| e).unwrap();
        let left = arena.remaining();
        assert_eq!(arena.ring(3).unwrap_err(), MemoryError::RingLength(3));
        assert_eq!(arena.ring(65_537).unwrap_err(), MemoryError::RingLength(65_537));
        assert_eq!(arena.pool(0, 64).unwrap_err(), MemoryError::BufferCount(0));
        assert_eq!(arena.pool(65_536, 64).unwrap_err(), MemoryError::BufferCount(65_536));
        assert_eq!(arena.pool(1, 100).unwrap_err(), MemoryError::BufferSize(100));
        assert_eq!(arena.pool(1, 32_832).unwrap_err(), MemoryError::BufferSize(32_832));
        let needed = pool_bytes(100, 1536);
        assert_eq!(arena.pool(100, 1536).unwrap_err(), MemoryError::TooSmall { needed, left });
        assert_eq!(arena.remaining(), left);
        arena.pool(1, 64).unwrap();
        assert_eq!(arena.pool(1, 64).unwrap_err(), MemoryError::SecondPool);
    }
}
