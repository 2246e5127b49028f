//! Memory that a driver and a hostile device share: of exactly the size it is said to have, so that
//! an address sanitizer notices a word beyond its end.

use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use etsec_core::{BusAddr, Region};

/// A cache line of words.
#[derive(Debug)]
#[repr(align(64))]
struct Line([AtomicU32; 16]);

/// Where the device finds it.
const BUS: u64 = 0x1000_0000;

/// The memory; clones are handles to the same one.
#[derive(Debug, Clone)]
pub(super) struct Memory(Arc<[Line]>);

thread_local! {
    /// Memory of runs before.
    static KEPT: RefCell<Vec<Memory>> = const { RefCell::new(Vec::new()) };
}

impl Memory {
    /// Memory full of zeros, perhaps of a run before: of a device that did not stop, a driver never
    /// gives any back, and a fuzzer tries many.
    pub(super) fn again(bytes: usize) -> Self {
        KEPT.with_borrow_mut(|kept| {
            let lines = bytes.div_ceil(64);
            if let Some(memory) = kept.iter().find(|memory| memory.0.len() == lines) {
                let words = memory.0.iter().flat_map(|line| &line.0);
                words.for_each(|word| word.store(0, Ordering::Relaxed));
                return memory.clone();
            }
            let memory = Memory::new(bytes);
            kept.push(memory.clone());
            memory
        })
    }

    pub(super) fn new(bytes: usize) -> Self {
        let line = || Line(std::array::from_fn(|_| AtomicU32::new(0)));
        Memory((0..bytes.div_ceil(64)).map(|_| line()).collect())
    }

    fn word(&self, bus: u64) -> Option<&AtomicU32> {
        let at = usize::try_from(bus.checked_sub(BUS)? / 4).ok()?;
        self.0.get(at / 16).map(|line| &line.0[at % 16])
    }

    /// Reads a big-endian word; 0 where there is none.
    pub(super) fn get(&self, bus: u64) -> u32 {
        self.word(bus).map_or(0, |word| u32::from_be(word.load(Ordering::Acquire)))
    }

    /// Writes a big-endian word, where there is one.
    pub(super) fn put(&self, bus: u64, value: u32) {
        if let Some(word) = self.word(bus) {
            word.store(value.to_be(), Ordering::Release);
        }
    }
}

// SAFETY: words on the heap that live as long as any handle, initialised, 64-byte aligned; beside
// the driver only the target's device uses them, in the same thread and between the driver's calls.
unsafe impl Region for Memory {
    fn cpu(&self) -> NonNull<u8> {
        NonNull::from(&*self.0).cast()
    }
    fn bus(&self) -> BusAddr {
        BusAddr::new(BUS).expect("36 bits")
    }
    fn len(&self) -> usize {
        size_of_val(&*self.0)
    }
}
