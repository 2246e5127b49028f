//! A trace played to a model: it is written what the driver wrote, its memory holds what the driver
//! put there, the frames arrive that arrived; and what it answers is compared with what was
//! recorded.
//!
//! A model is as fast as it likes and a recorded device was as slow as it was, so time is not
//! compared. The model's clock goes a little behind the recording's; where an answer differs, time
//! passes until it agrees, or long enough. What is read again at once is compared at the last of
//! these reads: that is a driver that waits.

mod frames;
mod setup;

use core::fmt;
use std::collections::HashMap;

use super::error::{Problem, TraceError};
use super::line::{Access, Change, Line, Page, Ring, What, Words};
use crate::bits::{at, maccfg1, rxbd};
use crate::fault::Fault;
use crate::memory::SimRegion;
use crate::model::Model;
use crate::violation::{Direction, Violation};
use frames::Closed;
pub use setup::Setup;

/// Virtual time before the first line: the board has been switched on for a while, and its PHY has
/// found its link.
const POWERED_NS: u64 = 10_000_000_000;
/// How far the model's clock goes behind the recording's.
const BEHIND_NS: u64 = 2_000_000;
/// How far it may go ahead for an answer, and in which steps: fine ones first.
const AHEAD_NS: u64 = 100_000_000;
const FINE: (u64, u32) = (1_000, 4_000);
const COARSE_NS: u64 = 100_000;
/// How long it may take in any case, where it has gone ahead in vain before.
const LEAST_NS: u64 = 10_000_000;
/// Most memory of all regions together, unless told otherwise.
const MEMORY_MAX: u64 = 1 << 30;

/// W of a descriptor (HW 4.2, 4.3).
const WRAP: u32 = 0x2000_0000;

/// Registers that tell the time, which no replay repeats, or noise (HW 3.23).
fn tells_time(at: u16) -> bool {
    matches!(at, at::TMR_TXTS1_ID..=0x2FF | at::TMR_RXTS_H..=0x4FF)
        || matches!(at, at::TMR_STAT..=at::TMR_CNT_L | at::TMR_ACC | at::TMR_ETTS1_H..=at::TMR_LAST)
}

/// Reads a register of the model.
fn ask(model: &mut Model, Access { page, at, .. }: Access) -> u32 {
    match page {
        Page::Group0 | Page::Tbi => model.read(at),
        Page::Group1 => model.read_second(at),
        Page::Mdio => model.read_mdio(at),
    }
}

/// An answer of the model that is not the recorded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The line of the trace.
    pub line: u64,
    /// Nanoseconds since the recording began.
    pub at_ns: u64,
    /// What differs.
    pub what: Differs,
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Differs {
    /// A register was read.
    Register {
        /// As recorded.
        recorded: Access,
        /// What the model says.
        model: u32,
    },
    /// A descriptor was handed back.
    Descriptor {
        /// Whose.
        ring: Ring,
        /// Its position.
        index: u32,
        /// As recorded; `None`: whatever it was.
        recorded: Option<Words>,
        /// What the model has there.
        model: Words,
    },
}

/// What has been compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compared {
    /// Register reads.
    pub reads: u64,
    /// Descriptors handed back.
    pub descriptors: u64,
    /// Reads of registers that are not compared.
    pub ignored: u64,
}

/// A replay under way.
pub struct Replay {
    model: Model,
    ignore: Box<dyn Fn(Page, u16) -> bool>,
    memory_left: u64,
    regions: HashMap<u64, SimRegion>,
    rings: HashMap<Ring, (u64, u32)>,
    /// A read that has differed: line, time, what was recorded, what the model said. It is judged
    /// with the next line.
    pending: Option<(u64, u64, Access, u32)>,
    /// What the device has closed of a frame that has not ended.
    parts: HashMap<Ring, Vec<(u32, Closed)>>,
    compared: Compared,
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("model", &self.model)
            .field("compared", &self.compared)
            .finish_non_exhaustive()
    }
}

impl Replay {
    /// A new model as `setup` has learned; reads of registers that `ignore` picks are not compared,
    /// nor those of registers that tell the time.
    pub fn new(setup: &Setup, ignore: impl Fn(Page, u16) -> bool + 'static) -> Self {
        Self::within(setup, MEMORY_MAX, ignore)
    }

    /// The same with at most so many bytes of memory.
    pub fn within(
        setup: &Setup,
        memory: u64,
        ignore: impl Fn(Page, u16) -> bool + 'static,
    ) -> Self {
        let mut model = Model::new(setup.config());
        model.advance(POWERED_NS);
        let ignore = Box::new(ignore);
        let (rings, parts) = (HashMap::new(), HashMap::new());
        let mut replay = Replay {
            model,
            ignore,
            memory_left: memory,
            regions: HashMap::new(),
            rings,
            pending: None,
            parts,
            compared: Compared::default(),
        };
        for (from, end) in setup.foreign() {
            // What does not fit is missed where it is used.
            let _ = replay.add_memory(from, end - from);
        }
        replay
    }

    /// Plays a line, with its number, and returns what differs.
    ///
    /// # Errors
    /// A line that is well formed and cannot be.
    pub fn play(&mut self, number: u64, line: &Line) -> Result<Option<Difference>, TraceError> {
        let wrong = |what| TraceError { line: number, problem: Problem::Wrong(what) };
        let again = matches!((&line.what, &self.pending),
            (What::Read(Access { page, at, .. }), Some((_, _, before, _)))
            if (before.page, before.at) == (*page, *at));
        let before = if again { None } else { self.end() };
        self.pending = None;
        self.catch_up(line.at_ns);
        let now = self.now(number, line).map_err(wrong)?;
        Ok(before.or(now))
    }

    /// Whether the last answer differs, which is not judged before it is known that the driver has
    /// not asked again: to be called behind the last line.
    pub fn end(&mut self) -> Option<Difference> {
        let (line, at_ns, recorded, model) = self.pending.take()?;
        let agrees = self.settle(at_ns, |model| ask(model, recorded) == recorded.value);
        let what = Differs::Register { recorded, model };
        (!agrees).then_some(Difference { line, at_ns, what })
    }

    /// What has been compared so far.
    #[must_use]
    pub fn compared(&self) -> Compared {
        self.compared
    }

    /// Takes out what the model says the driver did wrong.
    pub fn violations(&mut self) -> Vec<Violation> {
        self.model.violations()
    }

    fn now(&mut self, number: u64, line: &Line) -> Result<Option<Difference>, String> {
        let differs = |what| Difference { line: number, at_ns: line.at_ns, what };
        match &line.what {
            What::Read(access) => {
                let differs = self.read(*access);
                self.pending = differs.map(|model| (number, line.at_ns, *access, model));
            }
            What::Write(Access { page, at, value }) => match page {
                Page::Group0 | Page::Tbi => self.model.write(*at, *value),
                Page::Group1 => self.model.write_second(*at, *value),
                Page::Mdio => self.model.write_mdio(*at, *value),
            },
            What::Publish => self.model.publish(),
            What::Memory { bus, len } => self.add_memory(*bus, len.get())?,
            What::Forget { bus } => {
                if let Some(region) = self.regions.remove(bus) {
                    self.memory_left += etsec_core::Region::len(&region) as u64;
                }
            }
            What::Ring { ring, bus, len } => {
                self.rings.insert(*ring, (*bus, *len));
                self.parts.remove(ring);
                // The driver's until it gives them: the trace does not say what is in them.
                for n in 0..*len {
                    let word = if n + 1 == *len { WRAP } else { 0 };
                    self.store(bus + 8 * u64::from(n), Words { word, pointer: 0 });
                }
            }
            What::Descriptor { ring, index, change } => {
                let at = self.place(*ring, *index)?;
                return Ok(self.change(*ring, *index, at, change, line.at_ns).map(differs));
            }
            What::Note(_) | What::End => {}
        }
        Ok(None)
    }

    fn add_memory(&mut self, bus: u64, len: u64) -> Result<(), String> {
        let left = self.memory_left.checked_sub(len);
        let left = left.ok_or_else(|| format!("{len} bytes of memory are too many to replay"))?;
        let region = self.model.region_at(bus, len as usize).ok_or_else(|| {
            format!("memory at {bus:#011x}: not a multiple of 64, beyond 36 bits, or there already")
        })?;
        self.memory_left = left;
        self.regions.insert(bus, region);
        Ok(())
    }

    /// The bus address of a descriptor.
    fn place(&self, ring: Ring, index: u32) -> Result<u64, String> {
        let (bus, len) = self.rings.get(&ring).ok_or_else(|| {
            format!("{ring}: no line before this one has told where that ring is")
        })?;
        if index >= *len {
            return Err(format!("{ring} has {len} descriptors, and none at {index}"));
        }
        Ok(bus + 8 * u64::from(index))
    }

    /// Lets the model's time follow the recording's.
    fn catch_up(&mut self, at_ns: u64) {
        let target = POWERED_NS.saturating_add(at_ns.saturating_sub(BEHIND_NS));
        self.model.advance(target.saturating_sub(self.model.now_ns()));
    }

    /// Lets time pass until `done`, for as long as the model may be ahead. Returns whether it is.
    fn settle(&mut self, at_ns: u64, mut done: impl FnMut(&mut Model) -> bool) -> bool {
        let latest = POWERED_NS.saturating_add(at_ns).saturating_add(AHEAD_NS);
        let latest = latest.max(self.model.now_ns().saturating_add(LEAST_NS));
        let mut steps = 0;
        while !done(&mut self.model) {
            if self.model.now_ns() >= latest {
                return false;
            }
            self.model.advance(if steps < FINE.1 { FINE.0 } else { COARSE_NS });
            steps += 1;
        }
        true
    }

    /// Reads a register; what the model says if that is not what was recorded.
    fn read(&mut self, access: Access) -> Option<u32> {
        let model = ask(&mut self.model, access);
        if tells_time(access.at) || (self.ignore)(access.page, access.at) {
            self.compared.ignored += 1;
            return None;
        }
        self.compared.reads += 1;
        (model != access.value).then_some(model)
    }

    fn change(
        &mut self,
        ring: Ring,
        index: u32,
        at: u64,
        change: &Change,
        at_ns: u64,
    ) -> Option<Differs> {
        match change {
            Change::Given { bd, bytes } => {
                self.give(ring, at, *bd, bytes);
                None
            }
            Change::Set { bd } | Change::Back { bd } => {
                self.store(at, *bd);
                None
            }
            Change::Lost => self.await_closed(ring, index, at, at_ns),
            Change::Done { bd, bytes } => {
                let closed = Closed { bd: *bd, bytes: bytes.clone() };
                match ring.direction {
                    Direction::Tx => self.compare(ring, index, at, *bd, at_ns),
                    Direction::Rx => self.received(ring, index, closed, at_ns),
                }
            }
        }
    }

    /// The device has handed a descriptor back, whatever it wrote.
    fn await_closed(&mut self, ring: Ring, index: u32, at: u64, at_ns: u64) -> Option<Differs> {
        let owned = |model: &Model| model.memory.descriptor(at).is_ok_and(|bd| bd.live());
        if self.settle(at_ns, |model| !owned(model)) {
            return None;
        }
        Some(Differs::Descriptor { ring, index, recorded: None, model: self.words(at) })
    }

    fn words(&self, at: u64) -> Words {
        let bd = self.model.memory.descriptor(at).unwrap_or_default();
        Words { word: bd.word, pointer: bd.pointer }
    }

    /// Puts a descriptor into memory: what it covers, its pointer, and in the end its word. What is
    /// not in memory is what the device will complain of.
    fn give(&mut self, ring: Ring, at: u64, bd: Words, bytes: &[u8]) {
        if ring.direction == Direction::Tx {
            let high = u64::from(self.model.reg(at::TBDBPH) & 0xF) << 32;
            let mut all = bytes.to_vec();
            // What was not recorded was written all the same.
            all.resize((bd.word & 0xFFFF) as usize, 0);
            let _ = self.model.memory.write(high | u64::from(bd.pointer), &all);
        }
        self.store(at, bd);
    }

    fn store(&mut self, at: u64, bd: Words) {
        let memory = &self.model.memory;
        let _ = memory.write(at + 4, &bd.pointer.to_be_bytes());
        let _ = memory.close(at, bd.word);
    }

    /// A descriptor that the device has handed back, compared.
    fn compare(
        &mut self,
        ring: Ring,
        index: u32,
        at: u64,
        recorded: Words,
        at_ns: u64,
    ) -> Option<Differs> {
        self.compared.descriptors += 1;
        let found = |model: &Model| {
            let bd = model.memory.descriptor(at).unwrap_or_default();
            Words { word: bd.word, pointer: bd.pointer } == recorded
        };
        if self.settle(at_ns, |model| found(model)) {
            return None;
        }
        let model = self.words(at);
        Some(Differs::Descriptor { ring, index, recorded: Some(recorded), model })
    }

    /// The device has closed a receive descriptor: the frame arrives once all of it is there.
    fn received(&mut self, ring: Ring, index: u32, closed: Closed, at_ns: u64) -> Option<Differs> {
        let ended = closed.flags() & rxbd::L != 0;
        let parts = self.parts.entry(ring).or_default();
        parts.push((index, closed));
        if !ended {
            return None;
        }
        let parts = self.parts.remove(&ring).unwrap_or_default();
        let looped = self.model.reg(at::MACCFG1) & maccfg1::LOOP_BACK != 0;
        if !looped {
            let closed: Vec<Closed> = parts.iter().map(|(_, closed)| closed.clone()).collect();
            if closed.iter().any(|closed| closed.flags() & rxbd::OV != 0) {
                self.model.inject(Fault::Overrun, 1);
            }
            let frame = frames::frame(&self.model, &closed);
            self.model.receive(&frame);
        }
        let mut first = None;
        for (index, closed) in parts {
            let at = self.place(ring, index).ok()?;
            let differs = self.compare(ring, index, at, closed.bd, at_ns);
            first = first.or(differs);
        }
        first
    }
}
