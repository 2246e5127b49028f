//! Memory that a recorder looks at: descriptors word by word, and the first bytes of buffers. It
//! writes nothing, and knows no ring.

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};

use etsec_core::{BusAddr, Region};

use super::line::Words;
use super::recorder::Recorder;

/// A region as its recorder sees it, while the region is there.
pub(super) struct Window {
    cpu: NonNull<u8>,
    pub(super) bus: u64,
    len: usize,
}

// SAFETY: it is the address of plain memory that has no thread affinity; see `words` and `bytes`
// for who may touch it when.
unsafe impl Send for Window {}

impl Window {
    /// # Safety
    /// The region of which these are place and length outlives the window.
    unsafe fn new(cpu: NonNull<u8>, bus: u64, len: usize) -> Self {
        Window { cpu, bus, len }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many of `len` bytes from `bus` on are in the window, which has the first of them.
    pub(super) fn holds(&self, bus: u64, len: usize) -> Option<usize> {
        let offset = usize::try_from(bus.checked_sub(self.bus)?).ok()?;
        let left = self.len.checked_sub(offset).filter(|left| *left > 0)?;
        Some(left.min(len))
    }

    /// The descriptor at `bus`, a multiple of 8. Whoever handed it over has written before what it
    /// covers.
    pub(super) fn words(&self, bus: u64) -> Option<Words> {
        if self.holds(bus, 8) != Some(8) || !bus.is_multiple_of(8) {
            return None;
        }
        let word = |bus: u64| {
            let offset = (bus - self.bus) as usize;
            // SAFETY: in bounds and aligned by the lines above, for a region starts at a multiple
            // of 64 on both sides; mapped as long as the window is there. Drivers and devices use
            // descriptor words as 32-bit atomics.
            let word = unsafe { AtomicU32::from_ptr(self.cpu.as_ptr().add(offset).cast()) };
            u32::from_be(word.load(Ordering::Acquire))
        };
        Some(Words { word: word(bus), pointer: word(bus + 4) })
    }

    /// Up to `len` bytes of a buffer at `bus`, of which nobody writes a byte meanwhile: it has just
    /// been seen to change hands, and whoever has it now waits for the recorder before it goes on.
    pub(super) fn bytes(&self, bus: u64, len: usize) -> Vec<u8> {
        let Some(len) = self.holds(bus, len) else { return Vec::new() };
        let mut bytes = vec![0; len];
        // SAFETY: in bounds by the line above and initialised, as of any region; not written
        // meanwhile, as this function asks for. The two do not overlap.
        unsafe {
            let from = self.cpu.as_ptr().add((bus - self.bus) as usize);
            bytes.as_mut_ptr().copy_from_nonoverlapping(from, len);
        }
        bytes
    }
}

/// A region whose descriptors are recorded.
pub struct RecordedRegion<R: Region> {
    region: R,
    recorder: Recorder,
}

impl<R: Region> RecordedRegion<R> {
    pub(super) fn new(region: R, recorder: Recorder) -> Self {
        // SAFETY: the recorder forgets the window when this region is dropped. Until then, and for
        // good if it never is, the memory stays mapped, wherever the region is moved to.
        let window = unsafe { Window::new(region.cpu(), region.bus().raw(), region.len()) };
        recorder.look_at(window);
        RecordedRegion { region, recorder }
    }
}

impl<R: Region> Drop for RecordedRegion<R> {
    fn drop(&mut self) {
        // Before the region itself goes.
        self.recorder.forget(self.region.bus().raw());
    }
}

// SAFETY: each method passes on what the region inside says, and that region keeps the promise. The
// recorder only reads, at moments at which nobody writes.
unsafe impl<R: Region> Region for RecordedRegion<R> {
    fn cpu(&self) -> NonNull<u8> {
        self.region.cpu()
    }
    fn bus(&self) -> BusAddr {
        self.region.bus()
    }
    fn len(&self) -> usize {
        self.region.len()
    }
}

impl<R: Region + fmt::Debug> fmt::Debug for RecordedRegion<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedRegion").field("region", &self.region).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sim;

    #[test]
    fn only_what_is_in_it_is_seen() {
        let sim = Sim::default();
        let mut region = sim.region(128);
        let at = region.bus().raw();
        sim.store(&mut region, 120, &[0x80, 0, 0, 60, 0x10, 0, 0, 0x40]);
        // SAFETY: dropped before the region.
        let window = unsafe { Window::new(region.cpu(), at, 128) };
        let words = Words { word: 0x8000_003C, pointer: 0x1000_0040 };
        assert_eq!(window.words(at + 120), Some(words));
        for bus in [at + 124, at + 128, at - 8, 0, u64::MAX - 7] {
            assert_eq!(window.words(bus), None, "{bus:#x}");
        }
        assert_eq!(window.bytes(at + 123, 64), [60, 0x10, 0, 0, 0x40]);
        assert_eq!(window.bytes(at + 128, 64), []);
    }
}
