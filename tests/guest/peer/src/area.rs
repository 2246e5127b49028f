//! Memory that is shared with the kernel: what is handed over is told by a word in it, which both
//! sides read and write.

use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

/// A part of a mapping that is never taken back.
#[derive(Debug)]
pub struct Area {
    at: NonNull<u8>,
    len: usize,
}

impl Area {
    /// # Safety
    /// `at` is aligned to a page and begins `len` bytes that are mapped, for reading and writing,
    /// as long as the process lives, and that nobody but the kernel and this value accesses.
    pub unsafe fn new(at: NonNull<u8>, len: usize) -> Self {
        Self { at, len }
    }

    /// The first `len` bytes, and the rest.
    pub fn split(self, len: usize) -> (Self, Self) {
        assert!(len.is_multiple_of(4096) && len <= self.len);
        // SAFETY: the second part begins inside the mapping, or at its end with no byte in it.
        let rest = Self { at: unsafe { self.at.add(len) }, len: self.len - len };
        (Self { at: self.at, len }, rest)
    }

    /// The word at `at`, a multiple of four.
    #[inline]
    pub fn word(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(4) && at < self.len);
        // SAFETY: an aligned word inside the mapping, which lives as long as the process.
        unsafe { self.at.add(at).cast().as_ref() }
    }

    /// The `len` bytes at `at`, which the kernel has handed over and leaves alone until they are
    /// handed back.
    #[inline]
    pub fn bytes(&self, at: usize, len: usize) -> &[u8] {
        assert!(at <= self.len && len <= self.len - at);
        // SAFETY: the bytes are inside the mapping; none of this value's other methods writes while
        // the slice is used, for they would need the area for themselves.
        unsafe { std::slice::from_raw_parts(self.at.add(at).as_ptr(), len) }
    }

    /// The same for writing.
    #[inline]
    pub fn bytes_mut(&mut self, at: usize, len: usize) -> &mut [u8] {
        assert!(at <= self.len && len <= self.len - at);
        // SAFETY: as above; exclusive because `self` is.
        unsafe { std::slice::from_raw_parts_mut(self.at.add(at).as_ptr(), len) }
    }
}
