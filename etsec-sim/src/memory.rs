//! Memory that CPU and model share, and the model's DMA into it.
//!
//! A region is filled with a pattern that depends on the address, so that words nobody wrote can be
//! told. It knows what a descriptor looks like in memory (two big-endian words) and nothing of what
//! the words mean.

mod ring;
mod weak;

use core::alloc::Layout;
use core::cell::RefCell;
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::alloc::{alloc, dealloc, handle_alloc_error};
use std::sync::Arc;

use etsec_core::{BusAddr, Region};

pub(crate) use self::ring::Ring;
use self::weak::Weak;
pub(crate) use crate::descriptor::{Bd, RawBd};

const ALIGN: usize = 64;

/// The pattern of the aligned 8-byte word at `at`, least significant byte first, so that a run is
/// the same on hosts of either byte order. Its sequence over addresses is a plain addition: filling
/// is fast.
const fn pattern(at: u64) -> u64 {
    (at >> 3).wrapping_mul(STEP).wrapping_add(0x5D2C_91E3_7A84_F06B)
}

const STEP: u64 = 0x9E6D_62D0_6F6A_3C15;

/// One piece of memory. It lives as long as the region handle or the model, whichever is longer.
pub(crate) struct Block {
    start: NonNull<u8>,
    len: usize,
    bus: u64,
    retired: AtomicBool,
    backing: Backing,
}

/// Where a block's memory is from, and goes to.
enum Backing {
    Heap,
    /// A file that another process maps as well.
    #[cfg(feature = "remote")]
    Mapped {
        /// Ends the mapping when it goes.
        _map: memmap2::MmapRaw,
    },
}

// SAFETY: a block is plain memory with a fixed address. Who may touch which byte at what time is
// the ownership rule of descriptors (HW 4.4); descriptor words are only accessed as atomics here.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    fn layout(len: usize) -> Layout {
        Layout::from_size_align(len, ALIGN).expect("a region's length is checked before")
    }

    fn new(bus: u64, len: usize) -> Arc<Block> {
        let layout = Self::layout(len);
        // SAFETY: `len` is not 0: the caller rounds it up to a multiple of 64 that is at least 64.
        let start = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        let retired = AtomicBool::new(false);
        let block = Block { start, len, bus, retired, backing: Backing::Heap };
        block.poison(0, len);
        Arc::new(block)
    }

    /// What `map` maps; `None` if it is no whole number of lines.
    #[cfg(feature = "remote")]
    fn mapped(bus: u64, map: memmap2::MmapRaw) -> Option<Arc<Block>> {
        let (start, len) = (NonNull::new(map.as_mut_ptr())?, map.len());
        let whole = len.is_multiple_of(ALIGN) && start.as_ptr().addr().is_multiple_of(ALIGN);
        let (retired, backing) = (AtomicBool::new(false), Backing::Mapped { _map: map });
        whole.then(|| Arc::new(Block { start, len, bus, retired, backing }))
    }

    /// The word at `offset`, which is a multiple of 4 and at most `len - 4`.
    #[inline]
    fn word(&self, offset: usize) -> &AtomicU32 {
        debug_assert!(offset.is_multiple_of(4) && offset + 4 <= self.len);
        // SAFETY: in bounds and aligned by the line above (callers check), alive as long as `self`;
        // descriptor words are accessed as 32-bit atomics by both sides.
        unsafe { AtomicU32::from_ptr(self.start.as_ptr().add(offset).cast()) }
    }

    /// `count` words from `offset` on, a multiple of 4; all within the block.
    fn words(&self, offset: usize, count: usize) -> &[AtomicU32] {
        debug_assert!(offset.is_multiple_of(4) && offset + 4 * count <= self.len);
        // SAFETY: in bounds and aligned as above; as in `word`.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr().add(offset).cast(), count) }
    }

    /// Stores bytes that the CPU has handed to the device. `offset + bytes.len()` is in bounds.
    #[inline]
    fn copy_in(&self, offset: usize, bytes: &[u8]) {
        debug_assert!(offset <= self.len && bytes.len() <= self.len - offset);
        // SAFETY: the target is in bounds, as the callers have found; the bytes are the device's.
        unsafe {
            let to = self.start.as_ptr().add(offset);
            to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
    }

    /// Fills the whole aligned words of a range with their pattern. `offset + len` is in bounds.
    fn poison(&self, offset: usize, len: usize) {
        let first = offset.next_multiple_of(8);
        let count = ((offset + len) & !7).saturating_sub(first) / 8;
        let mut value = pattern(self.bus + first as u64);
        // SAFETY: `first` is within the block, or one past its end with a count of 0.
        let start = unsafe { self.start.as_ptr().add(first.min(self.len)) }.cast::<u64>();
        for i in 0..count {
            // SAFETY: 8-aligned, as the block is 64-aligned and `first` a multiple of 8; `first + 8
            // * count` is at most `offset + len`. The range belongs to the device.
            unsafe { start.add(i).write(value.to_le()) };
            value = value.wrapping_add(STEP);
        }
    }

    /// The offset of the first whole aligned word of a range that still holds its pattern.
    fn unwritten(&self, offset: usize, len: usize) -> Option<usize> {
        let mut at = offset.next_multiple_of(8);
        let end = (offset + len) & !7;
        let mut value = pattern(self.bus + at as u64);
        while at < end {
            // SAFETY: as in `poison`; the range was handed to the device, so nobody writes it now.
            if unsafe { self.start.as_ptr().add(at).cast::<u64>().read() } == value.to_le() {
                return Some(at);
            }
            value = value.wrapping_add(STEP);
            at += 8;
        }
        None
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        match self.backing {
            // SAFETY: allocated in `new` with the same layout; the last owner is gone.
            Backing::Heap => unsafe { dealloc(self.start.as_ptr(), Self::layout(self.len)) },
            #[cfg(feature = "remote")]
            Backing::Mapped { .. } => {}
        }
    }
}

/// Memory that the model's DMA reaches. Its bus address has nothing to do with its pointer.
///
/// It starts out filled with a pattern: a word that is sent before the CPU wrote it is a
/// [`Violation`](crate::Violation). Dropping it retires the memory: later DMA into it is a
/// violation, not a fault of this process.
pub struct SimRegion {
    block: Arc<Block>,
    len: usize,
}

impl fmt::Debug for SimRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimRegion").field("bus", &self.bus()).field("len", &self.len).finish()
    }
}

impl Drop for SimRegion {
    fn drop(&mut self) {
        // What unwinds plays a process that dies: its memory is a file, which stays.
        if !std::thread::panicking() {
            self.block.retired.store(true, Ordering::Release);
        }
    }
}

// SAFETY: the block is allocated, initialised with the pattern, 64-byte aligned on both sides
// (`Memory::add` checks the bus address), reached by the model at the same offsets, and never
// moved; nothing but the model's DMA uses it.
unsafe impl Region for SimRegion {
    fn cpu(&self) -> NonNull<u8> {
        self.block.start
    }
    fn bus(&self) -> BusAddr {
        BusAddr::new(self.block.bus).expect("checked when the region was made")
    }
    fn len(&self) -> usize {
        self.len
    }
}

impl SimRegion {
    /// Stores bytes at `offset`, as a CPU would, for tests that have no driver.
    ///
    /// Not to be used while another thread advances the model: [`Sim::store`](crate::Sim::store)
    /// does it under its lock.
    ///
    /// # Panics
    /// Beyond the end of the region.
    pub(crate) fn store(&mut self, offset: usize, bytes: &[u8]) {
        assert!(offset <= self.len && bytes.len() <= self.len - offset, "store beyond the region");
        if bytes.len().is_multiple_of(4) && offset.is_multiple_of(4) {
            // Descriptor words may be looked at by the model in the same moment, so whole words are
            // stored as atomics.
            for (i, word) in bytes.chunks_exact(4).enumerate() {
                let value = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
                self.block.word(offset + 4 * i).store(value, Ordering::Relaxed);
            }
            return;
        }
        // SAFETY: in bounds by the assertion; `&mut self` and the model's lock keep everybody else
        // out.
        unsafe {
            let to = self.block.start.as_ptr().add(offset);
            to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
    }

    /// Loads bytes from `offset`; the counterpart of [`SimRegion::store`].
    ///
    /// # Panics
    /// Beyond the end of the region.
    pub(crate) fn load(&self, offset: usize, bytes: &mut [u8]) {
        assert!(offset <= self.len && bytes.len() <= self.len - offset, "load beyond the region");
        // SAFETY: in bounds by the assertion; the model's lock keeps DMA out, `&self` every other
        // store.
        unsafe {
            let from = self.block.start.as_ptr().add(offset);
            bytes.as_mut_ptr().copy_from_nonoverlapping(from, bytes.len());
        }
    }
}

/// Why an access failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DmaFault {
    /// In no region.
    Outside,
    /// In a region that was dropped.
    Retired,
    /// A fault was injected.
    Injected,
}

/// All regions of one model, and DMA to them.
#[derive(Default)]
pub(crate) struct Memory {
    blocks: Vec<Arc<Block>>,
    next: u64,
    /// Only where the two sides see each other's stores late.
    weak: Option<Box<RefCell<Weak>>>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("regions", &self.blocks.len()).finish()
    }
}

/// Where the first region without a wish goes: not 0, and inside the lowest 4 GiB.
const FIRST: u64 = 0x1000_0000;
/// Regions are this far apart, so that running over an end is noticed.
const GAP: u64 = 0x10_0000;

impl Memory {
    /// A region at an address of the model's choice. `None`: 4 GiB are used up.
    pub(crate) fn add(&mut self, len: usize) -> Option<SimRegion> {
        let (at, end) = self.free(len)?;
        let region = self.add_at(at, len)?;
        self.next = end;
        Some(region)
    }

    /// A place that no region had yet, and where the one after it goes.
    fn free(&self, len: usize) -> Option<(u64, u64)> {
        let at = self.next.max(FIRST);
        let end = at.checked_add(len as u64)?.checked_add(GAP)?.next_multiple_of(GAP);
        (end <= 1 << 32).then_some((at, end))
    }

    /// Memory that another process maps, at a given address or at one of the model's choice;
    /// with the pattern, or with what is in it.
    #[cfg(feature = "remote")]
    pub(crate) fn add_mapped(
        &mut self,
        at: Option<u64>,
        map: memmap2::MmapRaw,
        fresh: bool,
    ) -> Option<SimRegion> {
        let len = map.len();
        let (at, end) = match at {
            Some(at) => (at, self.next),
            None => self.free(len)?,
        };
        self.make_room(at, len)?;
        let block = Block::mapped(at, map)?;
        if fresh {
            block.poison(0, len);
        }
        self.picture(&block);
        self.next = end;
        self.blocks.push(Arc::clone(&block));
        Some(SimRegion { block, len })
    }

    /// A region at a given address. `None`: not 64-byte aligned, beyond 36 bits, or over a region
    /// still in use.
    pub(crate) fn add_at(&mut self, at: u64, len: usize) -> Option<SimRegion> {
        let size = len.max(1).checked_next_multiple_of(ALIGN)?;
        self.make_room(at, size)?;
        let block = Block::new(at, size);
        self.picture(&block);
        self.blocks.push(Arc::clone(&block));
        Some(SimRegion { block, len })
    }

    /// Forgets retired regions where a new one of `size` bytes is to be; `None`: it cannot be.
    fn make_room(&mut self, at: u64, size: usize) -> Option<()> {
        let end = at.checked_add(size as u64)?;
        if !at.is_multiple_of(ALIGN as u64)
            || end > BusAddr::MAX.raw() + 1
            || isize::try_from(size).is_err()
        {
            return None;
        }
        let over = |b: &Block| at < b.bus + b.len as u64 && b.bus < end;
        if self.blocks.iter().any(|b| over(b) && !b.retired.load(Ordering::Acquire)) {
            return None;
        }
        // A retired region makes room for a new one at the same address.
        self.blocks.retain(|b| !over(b));
        Some(())
    }

    /// A second handle to the oldest region in use.
    pub(crate) fn again(&self) -> Option<SimRegion> {
        let in_use = |block: &&Arc<Block>| !block.retired.load(Ordering::Acquire);
        let block = self.blocks.iter().find(in_use)?;
        Some(SimRegion { len: block.len, block: Arc::clone(block) })
    }

    /// The blocks of all regions in use, for [`Memory::reach`] of another model.
    pub(crate) fn blocks(&self) -> Vec<Arc<Block>> {
        let in_use = |block: &&Arc<Block>| !block.retired.load(Ordering::Acquire);
        self.blocks.iter().filter(in_use).cloned().collect()
    }

    /// Makes another model's regions reachable: two devices on one memory. `false`: one of them
    /// overlaps a region in use, and none was added.
    pub(crate) fn reach(&mut self, theirs: &[Arc<Block>]) -> bool {
        self.blocks.retain(|block| !block.retired.load(Ordering::Acquire));
        let overlaps =
            |a: &Block, b: &Block| a.bus < b.bus + b.len as u64 && b.bus < a.bus + a.len as u64;
        let new = |block: &&Arc<Block>| !self.blocks.iter().any(|ours| Arc::ptr_eq(ours, block));
        let new: Vec<_> = theirs.iter().filter(new).cloned().collect();
        if new.iter().any(|block| self.blocks.iter().any(|ours| overlaps(ours, block))) {
            return false;
        }
        self.blocks.extend(new);
        true
    }

    #[inline]
    fn find(&self, at: u64, len: usize) -> Result<(&Block, usize), DmaFault> {
        for block in &self.blocks {
            let offset = at.wrapping_sub(block.bus);
            if offset < block.len as u64 {
                let offset = offset as usize;
                if len > block.len - offset {
                    return Err(DmaFault::Outside);
                }
                if block.retired.load(Ordering::Acquire) {
                    return Err(DmaFault::Retired);
                }
                return Ok((block, offset));
            }
        }
        Err(DmaFault::Outside)
    }

    /// Whether the device reaches the whole range.
    pub(crate) fn check(&self, at: u64, len: usize) -> Result<(), DmaFault> {
        self.find(at, len).map(|_| ())
    }

    /// Reads the descriptor at `at`, a multiple of 8. What was stored before its R or E is visible
    /// afterwards.
    #[inline]
    pub(crate) fn descriptor(&self, at: u64) -> Result<Bd, DmaFault> {
        let (block, offset) = self.find(at, 8)?;
        let Some(weak) = &self.weak else { return Ok(load(block, offset)) };
        let mut weak = weak.borrow_mut();
        let [word, pointer] = [offset, offset + 4].map(|at| weak.see(block, at));
        Ok([word, pointer].into())
    }

    /// Writes flags and length of the descriptor at `at` back. Everything written before is visible
    /// to who sees it.
    #[inline]
    pub(crate) fn close(&self, at: u64, word: u32) -> Result<(), DmaFault> {
        let (block, offset) = self.find(at, 8)?;
        if let Some(weak) = &self.weak {
            weak.borrow_mut().wrote_word(block, offset, word.to_be());
        }
        block.word(offset).store(word.to_be(), Ordering::Release);
        Ok(())
    }

    /// The descriptors from `at`, a multiple of 8, to the end of their region, at most `max`.
    pub(crate) fn ring(&self, at: u64, max: usize) -> Ring<'_> {
        match self.find(at, 8) {
            Ok((block, offset)) => {
                let len = max.min((block.len - offset) / 8);
                Ring::new(block.words(offset, 2 * len))
            }
            Err(_) => Ring::new(&[]),
        }
    }

    /// Appends `len` bytes from `at` to `out`.
    pub(crate) fn append(&self, at: u64, len: usize, out: &mut Vec<u8>) -> Result<(), DmaFault> {
        let (block, offset) = self.find(at, len)?;
        if let Some(weak) = &self.weak {
            weak.borrow_mut().append(block, offset, len, out);
            return Ok(());
        }
        out.reserve(len);
        // SAFETY: the source is in bounds of the block; `reserve` made room; the two never overlap.
        // The CPU has handed these bytes to the device; a driver that writes them meanwhile is what
        // the sanitizer is to find.
        unsafe {
            let to = out.as_mut_ptr().add(out.len());
            to.copy_from_nonoverlapping(block.start.as_ptr().add(offset), len);
            out.set_len(out.len() + len);
        }
        Ok(())
    }

    /// Writes bytes at `at`.
    #[inline]
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> Result<(), DmaFault> {
        let (block, offset) = self.find(at, bytes.len())?;
        if let Some(weak) = &self.weak
            && weak.borrow_mut().wrote(block, offset, bytes)
        {
            return Ok(());
        }
        block.copy_in(offset, bytes);
        Ok(())
    }

    /// The address of the first byte from `at` on that differs from `bytes`.
    pub(crate) fn difference(&self, at: u64, bytes: &[u8]) -> Option<u64> {
        let (block, offset) = self.find(at, bytes.len()).ok()?;
        for (i, byte) in bytes.iter().enumerate() {
            // SAFETY: in bounds by `find`; owned by the device as in `append`.
            if unsafe { block.start.as_ptr().add(offset + i).read() } != *byte {
                return Some(at + i as u64);
            }
        }
        None
    }

    /// Fills what the device now owns with the pattern.
    pub(crate) fn poison(&self, at: u64, len: usize) {
        if let Ok((block, offset)) = self.find(at, len) {
            block.poison(offset, len);
            if let Some(weak) = &self.weak {
                weak.borrow_mut().poisoned(block, offset, len);
            }
        }
    }

    /// The address of the first word of a range that nobody has written.
    pub(crate) fn unwritten(&self, at: u64, len: usize) -> Option<u64> {
        let (block, offset) = self.find(at, len).ok()?;
        block.unwritten(offset, len).map(|found| block.bus + found as u64)
    }
}

#[inline]
fn load(block: &Block, offset: usize) -> Bd {
    let word = u32::from_be(block.word(offset).load(Ordering::Acquire));
    let pointer = u32::from_be(block.word(offset + 4).load(Ordering::Relaxed));
    Bd { word, pointer }
}

#[cfg(test)]
mod tests;
