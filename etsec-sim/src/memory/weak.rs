//! Memory whose two sides see each other's stores late: what the barriers of a driver are for.
//!
//! A host whose processor stores in order, and whose model runs between two instructions of the
//! driver, would never miss a barrier. So the device is given a picture of memory as it was at the
//! last `publish`, in which a word stored since may be seen or not, by chance; and what the device
//! has written into a buffer may be seen by the CPU only after the next `observe`. A word that has
//! been seen stays seen. It knows words, not descriptors.

use core::cell::RefCell;

use super::{Block, Memory};
use crate::config::MemoryOrder;
use crate::random::Random;

/// What was written and is not seen yet, and what was seen of a block.
#[derive(Debug)]
pub(super) struct Weak {
    random: Random,
    pictures: Vec<Picture>,
    hidden: Vec<Hidden>,
}

/// A block as the device sees it, word by word in memory order.
#[derive(Debug)]
struct Picture {
    bus: u64,
    words: Vec<u32>,
}

/// Bytes that the device has written and the CPU does not see.
#[derive(Debug)]
pub(super) struct Hidden {
    pub at: u64,
    pub bytes: Vec<u8>,
}

impl Weak {
    pub(super) fn new(seed: u64) -> Self {
        Weak { random: Random::new(seed), pictures: Vec::new(), hidden: Vec::new() }
    }

    /// A picture of a block that is new, or of all of it again.
    pub(super) fn publish(&mut self, block: &Block) {
        let picture = self.picture(block);
        for (word, now) in picture.words.iter_mut().zip(block.words(0, block.len / 4)) {
            *word = now.load(core::sync::atomic::Ordering::Relaxed);
        }
    }

    fn picture(&mut self, block: &Block) -> &mut Picture {
        let (bus, count) = (block.bus, block.len / 4);
        let known = self.pictures.iter().position(|picture| picture.bus == bus);
        let at = known.unwrap_or_else(|| {
            self.pictures.push(Picture { bus, words: Vec::new() });
            self.pictures.len() - 1
        });
        // Another block may have come to where one was.
        self.pictures[at].words.resize(count, 0);
        &mut self.pictures[at]
    }

    /// Forgets blocks that are no longer there.
    pub(super) fn retain(&mut self, there: impl Fn(u64) -> bool) {
        self.pictures.retain(|picture| there(picture.bus));
        self.hidden.retain(|hidden| there(hidden.at));
    }

    /// The word at `offset`, a multiple of 4, as the device sees it now.
    pub(super) fn see(&mut self, block: &Block, offset: usize) -> u32 {
        let now = block.word(offset).load(core::sync::atomic::Ordering::Acquire);
        let seen = self.picture(block).words[offset / 4];
        if now == seen || self.random.chance(500_000) {
            return seen;
        }
        self.picture(block).words[offset / 4] = now;
        now
    }

    /// Appends the bytes of a range as the device sees them.
    pub(super) fn append(&mut self, block: &Block, offset: usize, len: usize, out: &mut Vec<u8>) {
        let (first, end) = (offset & !3, (offset + len).next_multiple_of(4));
        let start = out.len();
        for at in (first..end).step_by(4) {
            out.extend_from_slice(&self.see(block, at).to_ne_bytes());
        }
        out.drain(start..start + offset - first);
        out.truncate(start + len);
    }

    /// The device has written these bytes. `true`: the CPU does not see them before
    /// [`Weak::take_hidden`].
    pub(super) fn wrote(&mut self, block: &Block, offset: usize, bytes: &[u8]) -> bool {
        let picture = self.picture(block);
        for (at, byte) in (offset..).zip(bytes) {
            let word = &mut picture.words[at / 4];
            let mut four = word.to_ne_bytes();
            four[at % 4] = *byte;
            *word = u32::from_ne_bytes(four);
        }
        let hides = self.random.chance(500_000);
        if hides {
            let at = block.bus + offset as u64;
            self.hidden.push(Hidden { at, bytes: bytes.to_vec() });
        }
        hides
    }

    /// These bytes are nobody's any more: both sides see the same.
    pub(super) fn poisoned(&mut self, block: &Block, offset: usize, len: usize) {
        let (first, end) = (offset.next_multiple_of(8), (offset + len) & !7);
        let picture = self.picture(block);
        for at in (first..end).step_by(4) {
            picture.words[at / 4] = block.word(at).load(core::sync::atomic::Ordering::Relaxed);
        }
    }

    /// The device has written this word, which everybody sees.
    pub(super) fn wrote_word(&mut self, block: &Block, offset: usize, word: u32) {
        self.picture(block).words[offset / 4] = word;
    }

    /// What was hidden and is to be seen from now on, oldest first.
    pub(super) fn take_hidden(&mut self) -> Vec<Hidden> {
        core::mem::take(&mut self.hidden)
    }
}

impl Memory {
    pub(crate) fn new(order: MemoryOrder) -> Self {
        let weak = match order {
            MemoryOrder::Strong => None,
            MemoryOrder::Weak { seed } => Some(Box::new(RefCell::new(Weak::new(seed)))),
        };
        Memory { weak, ..Memory::default() }
    }

    /// The CPU's stores so far are visible to the device, and the device's to the CPU.
    pub(crate) fn publish(&self) {
        self.observe();
        if let Some(weak) = &self.weak {
            let mut weak = weak.borrow_mut();
            weak.retain(|at| self.blocks.iter().any(|b| at.wrapping_sub(b.bus) < b.len as u64));
            self.blocks.iter().for_each(|block| weak.publish(block));
        }
    }

    /// What the device has written so far is visible to the CPU.
    pub(crate) fn observe(&self) {
        let Some(weak) = &self.weak else { return };
        let hidden = weak.borrow_mut().take_hidden();
        for hidden in hidden {
            if let Ok((block, offset)) = self.find(hidden.at, hidden.bytes.len()) {
                block.copy_in(offset, &hidden.bytes);
            }
        }
    }

    /// A block is new, and seen by both sides as it is.
    pub(super) fn picture(&self, block: &Block) {
        if let Some(weak) = &self.weak {
            weak.borrow_mut().publish(block);
        }
    }
}
