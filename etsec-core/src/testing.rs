//! Plain memory that plays a region, for this crate's own tests.

use core::ptr::NonNull;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::rc::Rc;

#[cfg(feature = "adopt")]
use crate::arena::{Adopted, Arena, LeftError};
use crate::dma::{BusAddr, Region};

/// Zeroed heap memory with an invented bus address.
pub(crate) struct Heap {
    at: NonNull<u8>,
    len: usize,
    bus: BusAddr,
    /// Its only other owner can tell when the region has been given back.
    _alive: Rc<()>,
}

impl Heap {
    pub(crate) fn new(len: usize) -> (Self, Rc<()>) {
        Heap::at(len, BusAddr::new(0x1_2000_0000).unwrap())
    }

    pub(crate) fn at(len: usize, bus: BusAddr) -> (Self, Rc<()>) {
        let alive = Rc::new(());
        // SAFETY: the layout is not empty.
        let at = NonNull::new(unsafe { alloc_zeroed(Self::layout(len)) }).unwrap();
        (Heap { at, len, bus, _alive: alive.clone() }, alive)
    }

    fn layout(len: usize) -> Layout {
        Layout::from_size_align(len.max(64), 64).unwrap()
    }
}

// SAFETY: zeroed memory of that length, owned until dropped; no device reaches it.
unsafe impl Region for Heap {
    fn cpu(&self) -> NonNull<u8> {
        self.at
    }
    fn bus(&self) -> BusAddr {
        self.bus
    }
    fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        #[cfg(loom)]
        crate::word::witness::unmap();
        // SAFETY: allocated with the same layout.
        unsafe { dealloc(self.at.as_ptr(), Self::layout(self.len)) };
    }
}

/// What another process finds in memory of `len` bytes after one that has lived there is no more:
/// all that `lives` returns is forgotten, and has to be all there is.
#[cfg(feature = "adopt")]
pub(crate) fn after_death<T>(
    len: usize,
    lives: impl FnOnce(Arena<Heap>) -> T,
) -> Result<Adopted<Heap>, LeftError> {
    let (heap, alive) = Heap::new(len);
    let again = Heap { at: heap.at, len, bus: heap.bus, _alive: alive };
    let arena = Arena::new(heap).map_err(|(_, error)| error).unwrap();
    core::mem::forget(lives(arena));
    // SAFETY: who had it is forgotten.
    unsafe { Arena::adopt(again) }.map_err(|(region, error)| {
        drop(region);
        error
    })
}
