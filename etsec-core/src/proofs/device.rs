//! The other side of a ring, made from HW 4.4 and 8.5 alone: a bus master that takes descriptors in
//! order. Of the driver it knows where memory is, and what a shared word is.
//!
//! It does what it does in order, and sees memory as late as the driver's barriers allow.

use std::vec::Vec;

use crate::barrier;
use crate::dma::Region;
use crate::testing::Heap;
use crate::word::{Word, witness};

/// Ready or empty: the descriptor is the device's.
const OWNED: u32 = 1 << 31;
const WRAP: u32 = 1 << 29;
const LAST: u32 = 1 << 27;
const FIRST: u32 = 1 << 26;

/// The memory as the device finds it.
#[derive(Debug, Clone)]
pub struct Memory {
    cpu: usize,
    bus: u32,
    /// Buffers: where the device finds the first byte behind the headroom.
    buffers: Vec<u32>,
}

impl Memory {
    pub fn of(region: &Heap) -> Memory {
        let (cpu, bus) = (region.cpu().as_ptr() as usize, region.bus().low());
        Memory { cpu, bus, buffers: Vec::new() }
    }

    /// Watches the buffer whose bytes begin there.
    pub fn watch(&mut self, at: u32) {
        witness::watch(self.place(at));
        self.buffers.push(at);
    }

    /// Where the buffer with that address begins, as the witness knows it.
    fn place(&self, at: u32) -> usize {
        self.cpu + (at - self.bus) as usize - crate::pool::HEADROOM
    }

    fn buffer(&self, at: u32) -> usize {
        assert!(self.buffers.contains(&at), "the device is sent to {at:#x}, which is no buffer");
        self.place(at)
    }

    fn word(&self, at: u32) -> &Word {
        let place = self.cpu + (at - self.bus) as usize;
        // SAFETY: a descriptor's word, inside memory that outlives the device's run.
        unsafe { &*(place as *const Word) }
    }
}

/// One ring's DMA engine.
#[derive(Debug)]
pub struct Engine {
    memory: Memory,
    base: u32,
    at: u32,
    /// What the buffers sent held, or what was stored, as the witness numbers it.
    pub log: Vec<u32>,
}

impl Engine {
    pub fn new(memory: Memory, base: u32, at: u32) -> Engine {
        Engine { memory, base, at: base + 8 * at, log: Vec::new() }
    }

    /// Goes on at the descriptor with that address.
    pub fn go_on_at(&mut self, at: u32) {
        self.at = at;
    }

    /// The address of the descriptor it goes on at.
    pub fn at(&self) -> u32 {
        self.at
    }

    /// The descriptor at `at`, if it is the device's: flags and length, and the buffer.
    fn fetch(&self, at: u32) -> Option<(u32, usize)> {
        let control = u32::from_be(self.memory.word(at).load());
        if control & OWNED == 0 {
            return None;
        }
        barrier::observe();
        let pointer = u32::from_be(self.memory.word(at + 4).load());
        Some((control, self.memory.buffer(pointer)))
    }

    /// Gives a descriptor back, after all that was done with its buffer. The ring's W is kept.
    fn close(&self, at: u32, control: u32) {
        barrier::publish();
        self.memory.word(at).store(control.to_be());
    }

    fn after(&self, at: u32, control: u32) -> u32 {
        if control & WRAP != 0 { self.base } else { at + 8 }
    }

    /// Sends the next frame, if its first descriptor is ready. All of it is read before anything
    /// is sent, and so has to be ready, too (HW 4.4).
    pub fn send(&mut self) -> bool {
        let mut bds = Vec::new();
        let mut at = self.at;
        while let Some((control, buffer)) = self.fetch(at) {
            bds.push((at, control, buffer));
            at = self.after(at, control);
            if control & LAST != 0 {
                break;
            }
        }
        let Some(&(_, last, _)) = bds.last() else { return false };
        assert!(last & LAST != 0, "a frame without its end was met: an underrun (HW 4.4)");
        for &(at, control, buffer) in &bds {
            self.log.push(witness::reads(buffer));
            self.close(at, control & !OWNED);
        }
        self.at = at;
        true
    }

    /// Stores a frame in the next buffer, if there is an empty one.
    pub fn store(&mut self) -> bool {
        let Some((control, buffer)) = self.fetch(self.at) else { return false };
        self.log.push(witness::wrote(buffer));
        let flags = control & WRAP | FIRST | LAST;
        self.close(self.at, flags | 64);
        self.at = self.after(self.at, control);
        true
    }
}
