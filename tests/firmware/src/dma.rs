//! Memory that CPU and controller share: a static block in low memory, where an address is the same
//! for both.

use core::cell::UnsafeCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use etsec_core::{BusAddr, Region};

/// A block of `N` bytes for a `static`, cleared at the start of the image.
#[repr(C, align(64))]
pub struct Block<const N: usize> {
    bytes: UnsafeCell<[u8; N]>,
    taken: AtomicBool,
}

// SAFETY: the bytes are reached only through the one `Memory` that `take` gives.
unsafe impl<const N: usize> Sync for Block<N> {}

impl<const N: usize> Block<N> {
    /// A block that nobody has taken.
    #[expect(clippy::new_without_default, reason = "for statics only")]
    pub const fn new() -> Self {
        Self { bytes: UnsafeCell::new([0; N]), taken: AtomicBool::new(false) }
    }

    /// The memory, to share with a controller; once.
    #[inline(never)]
    pub fn take(&'static self) -> Option<Memory> {
        let base = NonNull::new(self.bytes.get().cast::<u8>())?;
        self.claim().then_some(Memory { base, len: N })
    }

    /// The memory, as bytes; once, and not after [`Block::take`].
    pub fn take_bytes(&'static self) -> Option<&'static mut [u8]> {
        // SAFETY: whoever claims the block first is the only one who has it.
        self.claim().then(|| unsafe { &mut *self.bytes.get() }.as_mut_slice())
    }

    fn claim(&self) -> bool {
        !self.taken.swap(true, Ordering::Relaxed)
    }
}

/// A block that was taken.
#[derive(Debug)]
pub struct Memory {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: whoever has the value has the bytes.
unsafe impl Send for Memory {}

// SAFETY: a static, taken once, cleared by the entry. Low memory is mapped one to one, and the
// controller snoops the caches.
unsafe impl Region for Memory {
    fn cpu(&self) -> NonNull<u8> {
        self.base
    }

    fn bus(&self) -> BusAddr {
        BusAddr::new(self.base.as_ptr() as usize as u64).unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.len
    }
}
