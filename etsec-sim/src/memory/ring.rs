//! The descriptors of a ring as they lie in memory, read many at a time.

use core::sync::atomic::{AtomicU32, Ordering};

use super::{Bd, RawBd};

/// The descriptors of a ring, to be read many at a time.
pub(crate) struct Ring<'a> {
    words: &'a [AtomicU32],
}

impl<'a> Ring<'a> {
    /// Words in pairs.
    pub(super) fn new(words: &'a [AtomicU32]) -> Self {
        Ring { words }
    }

    /// Descriptors up to the end of the region, or the limit given.
    pub(crate) fn len(&self) -> usize {
        self.words.len() / 2
    }

    /// The descriptor at `index`, below the length.
    pub(crate) fn get(&self, index: usize) -> Bd {
        let word = u32::from_be(self.words[2 * index].load(Ordering::Acquire));
        Bd { word, pointer: u32::from_be(self.words[2 * index + 1].load(Ordering::Relaxed)) }
    }

    /// The first descriptor from `from` on that differs from `copy`.
    pub(crate) fn change(&self, from: usize, copy: &[RawBd]) -> Option<usize> {
        let (there, _) = self.words.as_chunks::<2>();
        let mut pairs = there.iter().zip(copy).skip(from);
        let differs = |([word, pointer], known): (&[AtomicU32; 2], &RawBd)| {
            word.load(Ordering::Relaxed) != known[0] || pointer.load(Ordering::Relaxed) != known[1]
        };
        pairs.position(differs).map(|after| from + after)
    }
}
