//! What a shared word is while a proof runs (`--cfg loom`): four bytes, as in the real thing, that
//! name an atomic of the checker. So descriptors and headers keep their layout, and what is proven
//! is the code that is shipped, with the orderings it asks for.
//!
//! It also knows, of each buffer that a proof watches, which write was the last, so that whoever
//! reads the buffer and cannot have seen that one is found; and whether the memory is still there.
//! It knows nothing of what words and buffers are for.

use core::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::vec::Vec;

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU32 as Checked;

loom::lazy_static! {
    /// Of the present execution; the checker makes a new one for each.
    static ref MEMORY: Memory = Memory::default();
}

#[derive(Default)]
struct Memory {
    state: Mutex<State>,
    /// Read with each access, written when the memory goes: the checker finds a use that is not
    /// over by then.
    mapping: UnsafeCell<()>,
}

// SAFETY: the checker runs one thread at a time, and looks whether uses of the cell could meet.
unsafe impl Sync for Memory {}
// SAFETY: as above.
unsafe impl Send for Memory {}

#[derive(Default)]
struct State {
    words: Vec<Arc<(Checked, Turn)>>,
    /// By the address where it begins: the buffer's bytes, as one word, and the last write to them.
    buffers: BTreeMap<usize, (Arc<Checked>, u32)>,
    writes: u32,
    weakness: Weakness,
    gone: bool,
}

/// What a proof leaves out to show that it would be missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Weakness {
    /// Nothing.
    #[default]
    None,
    /// Words are loaded without acquiring.
    NoAcquire,
    /// Words are stored without releasing.
    NoRelease,
    /// A replacement does not see that the high half, a tag, has changed.
    NoTag,
    /// A replacement does not look at all.
    NoLook,
}

/// The memory's bookkeeping, for a moment in which no thread is switched.
fn state() -> MutexGuard<'static, State> {
    MEMORY.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Whether a proof has failed: what is dropped on the way out is not looked at any more.
fn failed() -> bool {
    std::thread::panicking()
}

/// Leaves something out in the rest of this execution.
pub(crate) fn weaken(weakness: Weakness) {
    state().weakness = weakness;
}

/// Ends the memory's life: from here on every access is a mistake, and one that is not over a race.
pub(crate) fn unmap() {
    if failed() {
        return;
    }
    state().gone = true;
    MEMORY.mapping.with_mut(|_| ());
}

fn weakened(order: Ordering) -> Ordering {
    match (state().weakness, order) {
        (Weakness::NoAcquire, Acquire) => Relaxed,
        (Weakness::NoAcquire, AcqRel) => Release,
        (Weakness::NoRelease, Release) => Relaxed,
        (Weakness::NoRelease, AcqRel) => Acquire,
        _ => order,
    }
}

/// Whose turn it is, in each order.
///
/// The checker tries a store before the last access to the same word, and no earlier one: that of a
/// thread that loads the word first is never tried before what others have loaded by then. So every
/// load first takes part in an exchange that always fails. It orders nothing but the trials.
#[derive(Debug, Default)]
struct Turn(Checked);

impl Turn {
    fn take(&self) {
        let _ = self.0.compare_exchange(1, 1, Relaxed, Relaxed);
    }
}

/// The number of an atomic that lives as long as the execution.
#[repr(transparent)]
#[derive(Debug)]
pub(super) struct AtomicU32(u32);

impl AtomicU32 {
    pub(super) fn new(value: u32) -> Self {
        let mut state = state();
        state.words.push(Arc::new((Checked::new(value), Turn::default())));
        AtomicU32(state.words.len() as u32)
    }

    fn checked(&self) -> Arc<(Checked, Turn)> {
        let state = state();
        assert!(!state.gone, "a word is used after its memory has gone");
        MEMORY.mapping.with(|_| ());
        // Numbers begin at 1: plain zeros are no word.
        state.words[self.0 as usize - 1].clone()
    }

    pub(super) fn load(&self, order: Ordering) -> u32 {
        if failed() {
            // A count that is pinned, a list that is empty, a ring that is in no state.
            return u32::MAX;
        }
        let word = self.checked();
        word.1.take();
        word.0.load(weakened(order))
    }

    pub(super) fn store(&self, value: u32, order: Ordering) {
        if failed() {
            return;
        }
        let word = &self.checked().0;
        match order {
            // Two threads may store to such a word. To the checker their order is open even where
            // one of them replaces and so must have come first; that of exchanges is not.
            Release => _ = word.swap(value, weakened(order)),
            _ => word.store(value, weakened(order)),
        }
    }

    pub(super) fn compare_exchange(
        &self,
        old: u32,
        new: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        if failed() {
            return Err(u32::MAX);
        }
        let (success, failure) = (weakened(success), weakened(failure));
        let word = &self.checked().0;
        let mut found = word.compare_exchange(old, new, success, failure);
        while let Err(now) = found {
            let blind = match state().weakness {
                Weakness::NoTag => now as u16 == old as u16,
                Weakness::NoLook => true,
                _ => false,
            };
            if !blind {
                break;
            }
            found = word.compare_exchange(now, new, success, failure);
        }
        found
    }

    /// As the standard library's, step by step.
    pub(super) fn fetch_update(
        &self,
        success: Ordering,
        failure: Ordering,
        mut f: impl FnMut(u32) -> Option<u32>,
    ) -> Result<u32, u32> {
        let mut old = self.load(failure);
        while !failed()
            && let Some(new) = f(old)
        {
            match self.compare_exchange(old, new, success, failure) {
                Ok(old) => return Ok(old),
                Err(now) => old = now,
            }
        }
        Err(old)
    }
}

impl Default for AtomicU32 {
    fn default() -> Self {
        AtomicU32::new(0)
    }
}

/// Begins to watch the bytes of the buffer that begins there.
pub(crate) fn watch(buffer: usize) {
    state().buffers.insert(buffer, (Arc::new(Checked::new(0)), 0));
}

/// Whoever calls has written to that buffer. What it holds now has a number of its own, which is
/// returned; 0 for a buffer that nobody watches.
///
/// To a bus master, and to other CPUs, the bytes of memory are words stored without ordering.
pub(crate) fn wrote(buffer: usize) -> u32 {
    let (cell, number) = {
        let mut state = state();
        assert!(!state.gone, "a buffer is written to after its memory has gone");
        MEMORY.mapping.with(|_| ());
        let number = state.writes + 1;
        let Some((cell, last)) = state.buffers.get_mut(&buffer) else { return 0 };
        *last = number;
        let cell = cell.clone();
        state.writes = number;
        (cell, number)
    };
    cell.store(number, Relaxed);
    number
}

/// Whoever calls reads from that buffer, which must be what was last written there. Returns its
/// number.
pub(crate) fn reads(buffer: usize) -> u32 {
    let (cell, last) = {
        let state = state();
        assert!(!state.gone, "a buffer is read after its memory has gone");
        MEMORY.mapping.with(|_| ());
        let Some((cell, last)) = state.buffers.get(&buffer) else { return 0 };
        (cell.clone(), *last)
    };
    let seen = cell.load(Relaxed);
    assert_eq!(seen, last, "stale bytes: not what was last written to that buffer");
    seen
}
