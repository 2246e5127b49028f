//! Judges what the driver does to rings and buffers, from what it published and not from what DMA
//! happens to read.
//!
//! Of every ring whose base was written it keeps a copy as of the last `publish`. A descriptor
//! whose R or E is set is *live*: the device may look at it at any moment, so from then on its
//! buffer belongs to the device. It changes no memory and no register.

use std::thread::ThreadId;

use crate::lines::Lines;
use crate::memory::{Bd, DmaFault, Memory, RawBd};
use crate::violation::{Breach, Direction, Place, Violation, Who};

/// A ring as the registers describe it at this moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RingState {
    /// Bus address of the first descriptor.
    pub base: u64,
    /// Bits 35–32 of all buffers of the direction.
    pub window: u64,
    /// RX: bytes the device may write into a buffer. TX: 0, the descriptor says.
    pub span: u32,
    /// The device does not touch the ring: its direction is off, stopped, or the ring disabled.
    pub quiet: bool,
    /// THLTn or QHLTn.
    pub halted: bool,
}

/// A buffer the device owns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Span {
    start: u64,
    len: usize,
}

/// What is known of one ring.
#[derive(Debug, Default)]
struct Watch {
    base: u64,
    /// Descriptors as last published or closed by the device.
    copy: Vec<RawBd>,
    /// The live ones' buffers as entered in `lines`; length 0: none.
    spans: Vec<Span>,
    /// Whether `spans` is up to date. It is not kept up while the device does not look.
    entered: bool,
    /// The driver read THLTn/QHLTn as 1 since the last doorbell: it knows that nobody looks.
    known_halted: bool,
    /// Nothing was published yet when the base was written.
    unpublished: bool,
    /// Who rings this ring's doorbell.
    ringer: Ringer,
}

/// Who has rung a doorbell so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Ringer {
    #[default]
    Nobody,
    /// Always the same caller.
    One(Option<ThreadId>),
    Many,
}

const LONGEST_RING: usize = 65536;

/// The judge.
#[derive(Debug)]
pub(crate) struct Sanitizer {
    on: bool,
    found: Vec<Violation>,
    rings: [[Watch; 8]; 2],
    lines: Lines,
    published: bool,
    caller: Option<ThreadId>,
}

fn id(place: Place) -> u32 {
    let direction = (place.direction == Direction::Rx) as u32;
    1 + (direction << 19 | (place.ring as u32) << 16 | place.index as u32)
}

fn place(id: u32) -> Place {
    let id = id - 1;
    let direction = if id >> 19 == 1 { Direction::Rx } else { Direction::Tx };
    Place { direction, ring: (id >> 16 & 7) as usize, index: (id & 0xFFFF) as usize }
}

impl Sanitizer {
    /// Violations beyond this many are not kept.
    const LIMIT: usize = 1000;

    pub(crate) fn new(on: bool) -> Self {
        Sanitizer {
            on,
            found: Vec::new(),
            rings: Default::default(),
            lines: Lines::default(),
            published: false,
            caller: None,
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    pub(crate) fn report(&mut self, violation: Violation) {
        if self.on && self.found.len() < Self::LIMIT {
            self.found.push(violation);
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Violation> {
        core::mem::take(&mut self.found)
    }

    /// How many violations wait to be taken.
    #[cfg(feature = "remote")]
    pub(crate) fn count(&self) -> usize {
        self.found.len()
    }

    fn blame(&mut self, place: Place, at: u64, what: Breach) {
        self.report(Violation { who: Who::Bd(place), at, what });
    }

    /// A DMA access that reached no memory.
    pub(crate) fn blame_dma(&mut self, place: Place, at: u64, len: usize, fault: DmaFault) {
        match fault {
            DmaFault::Outside => self.blame(place, at, Breach::OutsideRegion { len }),
            DmaFault::Retired => self.blame(place, at, Breach::RetiredRegion { len }),
            DmaFault::Injected => {}
        }
    }

    /// The driver has read which rings are halted.
    pub(crate) fn saw_halts(&mut self, direction: Direction, rings: u8) {
        for (ring, watch) in self.rings[direction as usize].iter_mut().enumerate() {
            watch.known_halted |= rings & (0x80 >> ring) != 0;
        }
    }

    /// A high register or MRBLR changed: buffers are elsewhere, or longer.
    pub(crate) fn forget_spans(&mut self) {
        for direction in [Direction::Tx, Direction::Rx] {
            for ring in 0..8 {
                self.release_all(direction, ring);
            }
        }
    }

    /// xBASEn was written: the ring is copied as it is.
    pub(crate) fn based(&mut self, m: &Memory, d: Direction, ring: usize, state: RingState) {
        if !self.on {
            return;
        }
        self.copy_ring(m, d, ring, state);
        self.rings[d as usize][ring].unpublished = !self.published;
    }

    fn copy_ring(&mut self, memory: &Memory, direction: Direction, ring: usize, state: RingState) {
        self.release_all(direction, ring);
        let watch = &mut self.rings[direction as usize][ring];
        watch.base = state.base;
        watch.copy.clear();
        let mut ended = false;
        for index in 0..LONGEST_RING as u64 {
            let Ok(bd) = memory.descriptor(state.base + 8 * index) else { break };
            watch.copy.push(bd.into());
            if bd.wraps() {
                ended = true;
                break;
            }
        }
        if !ended {
            watch.copy.clear();
        }
        watch.spans.clear();
        watch.spans.resize(watch.copy.len(), Span::default());
    }

    /// There was a `publish`; each ring that has a base comes next.
    pub(crate) fn published(&mut self) {
        self.published = true;
        self.rings.iter_mut().flatten().for_each(|watch| watch.unpublished = false);
    }

    /// `publish`: the driver's stores so far are what the device may see of a ring.
    pub(crate) fn publish(&mut self, m: &Memory, d: Direction, ring: usize, state: RingState) {
        let watch = &mut self.rings[d as usize][ring];
        if state.quiet || watch.base != state.base || watch.copy.is_empty() {
            self.copy_ring(m, d, ring, state);
        } else {
            self.compare(m, d, ring, state);
        }
    }

    /// Judges what changed in a ring between two publishes.
    fn compare(&mut self, memory: &Memory, direction: Direction, ring: usize, state: RingState) {
        self.enter_all(direction, ring, state);
        let there = memory.ring(state.base, self.rings[direction as usize][ring].copy.len());
        let mut from = 0;
        while let Some(index) = there.change(from, &self.rings[direction as usize][ring].copy) {
            from = index + 1;
            let watch = &self.rings[direction as usize][ring];
            let (old, bd) = (Bd::from(watch.copy[index]), there.get(index));
            let harmless = state.halted && watch.known_halted;
            let place = Place { direction, ring, index };
            let at = state.base + 8 * index as u64;
            if old.live() {
                if !state.halted {
                    self.blame(place, at, Breach::Rewritten { was: old.word, now: bd.word });
                }
            } else if bd.live() && old.pointer != bd.pointer && !harmless {
                self.blame(place, at, Breach::PublishedTogether);
            }
            self.update(place, bd, state);
        }
    }

    /// Tells who makes the next accesses. Callers are told apart and nothing more.
    pub(crate) fn set_caller(&mut self, caller: ThreadId) {
        self.caller = Some(caller);
    }

    /// THLTn or QHLTn is written: what is live must have been published.
    ///
    /// After an error a ring may be restarted by another than its owner, who may be in the middle
    /// of a hand-over. So a ring is judged only as long as all its doorbells come from one caller.
    pub(crate) fn doorbell(&mut self, m: &Memory, d: Direction, ring: usize, state: RingState) {
        let watch = &mut self.rings[d as usize][ring];
        watch.known_halted = false;
        let unpublished = core::mem::take(&mut watch.unpublished);
        watch.ringer = match watch.ringer {
            Ringer::Nobody => Ringer::One(self.caller),
            Ringer::One(first) if first == self.caller => Ringer::One(first),
            _ => Ringer::Many,
        };
        if watch.ringer == Ringer::Many || watch.base != state.base {
            return;
        }
        let there = m.ring(state.base, watch.copy.len());
        if unpublished {
            // One is enough: it is true of all.
            if let Some(index) = (0..there.len()).find(|index| there.get(*index).live()) {
                let place = Place { direction: d, ring, index };
                self.blame(place, state.base + 8 * index as u64, Breach::NotPublished);
            }
            return;
        }
        let mut from = 0;
        while let Some(index) = there.change(from, &self.rings[d as usize][ring].copy) {
            from = index + 1;
            let bd = there.get(index);
            if bd.live() {
                let place = Place { direction: d, ring, index };
                self.blame(place, state.base + 8 * index as u64, Breach::NotPublished);
                self.update(place, bd, state);
            }
        }
    }

    /// The device reads a live descriptor.
    pub(crate) fn fetch(
        &mut self,
        memory: &Memory,
        place: Place,
        at: u64,
        bd: Bd,
        state: RingState,
    ) {
        if !self.on {
            return;
        }
        let watch = &self.rings[place.direction as usize][place.ring];
        if watch.base != state.base || watch.copy.is_empty() {
            self.copy_ring(memory, place.direction, place.ring, state);
        }
        self.enter_all(place.direction, place.ring, state);
        let watch = &self.rings[place.direction as usize][place.ring];
        let Some(old) = watch.copy.get(place.index).copied().map(Bd::from) else {
            let len = watch.copy.len();
            let what = if len == 0 { Breach::EndlessRing } else { Breach::BeyondRing { len } };
            self.blame(place, at, what);
            return;
        };
        let entered = watch.spans[place.index].len != 0;
        // R or E alone may be seen before its publish: the pointer may not.
        if old.pointer != bd.pointer {
            self.blame(place, at, Breach::NotPublished);
        }
        if old != bd || !entered {
            self.update(place, bd, state);
        }
    }

    /// The device hands a descriptor back.
    pub(crate) fn close(&mut self, place: Place, word: u32) {
        if !self.on {
            return;
        }
        self.release(place);
        let watch = &mut self.rings[place.direction as usize][place.ring];
        if let Some([flags, _]) = watch.copy.get_mut(place.index) {
            *flags = word.to_be();
        }
    }

    fn update(&mut self, place: Place, bd: Bd, state: RingState) {
        self.release(place);
        self.rings[place.direction as usize][place.ring].copy[place.index] = bd.into();
        if bd.live() && self.rings[place.direction as usize][place.ring].entered {
            self.enter(place, bd, state);
        }
    }

    fn enter_all(&mut self, direction: Direction, ring: usize, state: RingState) {
        let watch = &mut self.rings[direction as usize][ring];
        if watch.entered {
            return;
        }
        watch.entered = true;
        for index in 0..watch.copy.len() {
            let bd = Bd::from(self.rings[direction as usize][ring].copy[index]);
            if bd.live() {
                self.enter(Place { direction, ring, index }, bd, state);
            }
        }
    }

    fn enter(&mut self, place: Place, bd: Bd, state: RingState) {
        let len = match place.direction {
            Direction::Tx => bd.len(),
            Direction::Rx => state.span as usize,
        };
        let span = Span { start: state.window | u64::from(bd.pointer), len };
        if len == 0 || span.start + len as u64 > 1 << 36 {
            return;
        }
        self.rings[place.direction as usize][place.ring].spans[place.index] = span;
        if self.lines.insert(span.start, len, id(place)) {
            return;
        }
        // Somebody is in one of its lines already; whether bytes are shared is seen exactly.
        for other in self.lines.others(span.start, len, id(place)) {
            let with = self::place(other);
            let Some(theirs) =
                self.rings[with.direction as usize][with.ring].spans.get(with.index).copied()
            else {
                continue;
            };
            let apart = theirs.start + theirs.len as u64 <= span.start
                || span.start + len as u64 <= theirs.start;
            if !apart {
                self.blame(place, span.start, Breach::Overlap { with });
            }
        }
    }

    fn release(&mut self, place: Place) {
        let watch = &mut self.rings[place.direction as usize][place.ring];
        let Some(span) = watch.spans.get_mut(place.index) else { return };
        if span.len != 0 {
            let Span { start, len } = core::mem::take(span);
            self.lines.remove(start, len, id(place));
        }
    }

    fn release_all(&mut self, direction: Direction, ring: usize) {
        let watch = &mut self.rings[direction as usize][ring];
        watch.entered = false;
        for index in 0..self.rings[direction as usize][ring].spans.len() {
            self.release(Place { direction, ring, index });
        }
    }
}
