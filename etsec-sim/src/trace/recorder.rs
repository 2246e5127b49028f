//! The recorder, and the bus it puts in front of a bus.
//!
//! Each access ends with one write to the file, so what a process did before it was killed is in
//! there: of a register write even before the device sees it. Its own memory is a line and a copy
//! of the descriptors.

use core::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use core::num::NonZeroU64;

use etsec_core::{Bus, Region};

use super::line::{Access, Change, Line, Page, Ring, What, Words};
use super::rings::{Became, Copy};
use super::window::{RecordedRegion, Window};
use super::{BYTES, BYTES_MAX, Header, MAGIC, VERSION};
use crate::bits::{at, maccfg1};
use crate::violation::Direction;

/// What a recorder writes to, and what it may write.
#[derive(Debug, Clone)]
pub struct Limits {
    /// First bytes of each buffer that are recorded, at most [`BYTES_MAX`].
    pub buffer_bytes: usize,
    /// Bytes of the whole trace, about: what comes later is not recorded.
    pub file_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { buffer_bytes: BYTES, file_bytes: 1 << 30 }
    }
}

/// Records what is done to one controller. Clones are handles to the same recording, which ends
/// with the last of them, and of the pages and regions that were made with it.
#[derive(Clone)]
pub struct Recorder(Arc<Mutex<State>>);

struct State {
    clock: Box<dyn Fn() -> u64 + Send>,
    limits: Limits,
    /// `None` once it is full or has failed.
    file: Option<Box<dyn Write + Send>>,
    /// What is to be written with the next access.
    text: String,
    written: u64,
    failure: Option<io::Error>,
    windows: Vec<Window>,
    /// Transmit, then receive.
    rings: [Option<Copy>; 16],
    high: High,
    maccfg1: u32,
    mrblr: u32,
}

/// High halves of addresses, as last written (HW 4.5).
#[derive(Debug, Default)]
struct High {
    tbase: u32,
    rbase: u32,
    tbdbp: u32,
    rbdbp: u32,
}

impl Recorder {
    /// Begins a recording with its header. `clock` tells nanoseconds since now, and never goes
    /// back.
    ///
    /// # Errors
    /// The header could not be written.
    pub fn new(
        mut file: impl Write + Send + 'static,
        header: &Header,
        limits: Limits,
        clock: impl Fn() -> u64 + Send + 'static,
    ) -> io::Result<Self> {
        let mut text = format!("{MAGIC} {VERSION}\n");
        for (key, value) in [("device", &header.device), ("part", &header.part), ("by", &header.by)]
        {
            if !value.is_empty() {
                // A value is a line's rest.
                text.push_str(&format!("{key} {}\n", value.replace(['\n', '\r'], " ")));
            }
        }
        text.push('\n');
        file.write_all(text.as_bytes())?;
        Ok(Recorder(Arc::new(Mutex::new(State {
            clock: Box::new(clock),
            limits,
            file: Some(Box::new(file)),
            written: text.len() as u64,
            text: String::new(),
            failure: None,
            windows: Vec::new(),
            rings: Default::default(),
            high: High::default(),
            maccfg1: 0,
            mrblr: 0,
        }))))
    }

    /// Records what is done on `bus`, which is that page.
    pub fn page<B: Bus>(&self, page: Page, bus: B) -> Recorded<B> {
        Recorded { bus, page, recorder: self.clone() }
    }

    /// Records what becomes of descriptors in a region.
    pub fn region<R: Region>(&self, region: R) -> RecordedRegion<R> {
        RecordedRegion::new(region, self.clone())
    }

    /// Takes out why the file could not be written, if that is so: what came later is not recorded.
    #[must_use]
    pub fn failure(&self) -> Option<io::Error> {
        self.with(|state| state.failure.take())
    }

    pub(super) fn look_at(&self, window: Window) {
        self.with(|state| {
            let (bus, len) = (window.bus, window.len() as u64);
            state.windows.push(window);
            if let Some(len) = NonZeroU64::new(len) {
                state.line(What::Memory { bus, len });
            }
            state.flush();
        });
    }

    pub(super) fn forget(&self, bus: u64) {
        self.with(|state| {
            state.windows.retain(|window| window.bus != bus);
            let windows = &state.windows;
            let seen = |bus| windows.iter().any(|window| window.words(bus).is_some());
            for ring in &mut state.rings {
                ring.take_if(|ring| !seen(ring.bus));
            }
            state.line(What::Forget { bus });
            state.flush();
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        // A panic elsewhere leaves at worst a line that is not flushed.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|state| {
            f.debug_struct("Recorder").field("written", &state.written).finish_non_exhaustive()
        })
    }
}

impl State {
    fn line(&mut self, what: What) {
        use core::fmt::Write as _;
        if self.file.is_some() {
            let line = Line { at_ns: (self.clock)(), what };
            // A String takes everything.
            let _ = writeln!(self.text, "{line}");
        }
    }

    /// Gives the file what there is.
    fn flush(&mut self) {
        let Some(file) = &mut self.file else { return };
        if self.text.is_empty() {
            return;
        }
        let written = file.write_all(self.text.as_bytes());
        self.written += self.text.len() as u64;
        self.text.clear();
        if let Err(error) = written {
            self.failure = Some(error);
            self.file = None;
        } else if self.written >= self.limits.file_bytes {
            let limit = self.limits.file_bytes;
            self.line(What::Note(format!("{limit} bytes are enough: what follows is missing")));
            self.end();
        }
    }

    fn end(&mut self) {
        self.line(What::End);
        if let Some(mut file) = self.file.take() {
            let ended = file.write_all(self.text.as_bytes()).and_then(|()| file.flush());
            self.failure = ended.err();
        }
    }

    fn look(windows: &[Window], bus: u64) -> Option<Words> {
        windows.iter().find_map(|window| window.words(bus))
    }

    /// Writes down which descriptors have changed hands.
    fn scan(&mut self) {
        for n in 0..self.rings.len() {
            let Some(mut copy) = self.rings[n].take() else { continue };
            let (ring, runs) = (ring(n), self.runs(ring(n).direction));
            let mut changes = Vec::new();
            let look = |bus| Self::look(&self.windows, bus);
            copy.update(ring, runs, look, |index, bd, became| changes.push((index, bd, became)));
            for (index, bd, became) in changes {
                self.note_change(ring, index, bd, became);
            }
            self.rings[n] = Some(copy);
        }
    }

    /// Whether a direction's half of the controller is let run.
    fn runs(&self, direction: Direction) -> bool {
        let enable = match direction {
            Direction::Tx => maccfg1::TX_EN,
            Direction::Rx => maccfg1::RX_EN,
        };
        self.maccfg1 & enable != 0
    }

    fn note_change(&mut self, ring: Ring, index: u32, bd: Words, became: Became) {
        let say = |state: &mut State, change| state.line(What::Descriptor { ring, index, change });
        if matches!(became, Became::LostAndSet | Became::LostAndGiven) {
            say(self, Change::Lost);
        }
        match became {
            Became::Given | Became::LostAndGiven => {
                let bytes = match ring.direction {
                    Direction::Tx => self.bytes(ring.direction, bd),
                    // There is nothing in it yet.
                    Direction::Rx => Vec::new(),
                };
                say(self, Change::Given { bd, bytes });
            }
            Became::Done => {
                let bytes = match ring.direction {
                    Direction::Rx => self.bytes(ring.direction, bd),
                    Direction::Tx => Vec::new(),
                };
                say(self, Change::Done { bd, bytes });
            }
            Became::Back => say(self, Change::Back { bd }),
            Became::Set | Became::LostAndSet => say(self, Change::Set { bd }),
        }
    }

    /// The first bytes of the buffer behind a descriptor.
    fn bytes(&self, direction: Direction, bd: Words) -> Vec<u8> {
        // A frame in several buffers has its whole length in the last one, and it is the device
        // that says so: behind the buffer's end is somebody else's.
        let (high, room) = match direction {
            Direction::Tx => (self.high.tbdbp, 0xFFFF),
            Direction::Rx => (self.high.rbdbp, self.mrblr),
        };
        let bus = u64::from(high) << 32 | u64::from(bd.pointer);
        let len = (bd.word & 0xFFFF).min(room) as usize;
        let len = len.min(self.limits.buffer_bytes).min(BYTES_MAX);
        let window = self.windows.iter().find(|window| window.holds(bus, 1).is_some());
        window.map(|window| window.bytes(bus, len)).unwrap_or_default()
    }

    /// Learns from a register write to the controller's page.
    fn learn(&mut self, at: u16, value: u32) {
        match at {
            at::TBASEH => self.high.tbase = value & 0xF,
            at::RBASEH => self.high.rbase = value & 0xF,
            at::TBDBPH => self.high.tbdbp = value & 0xF,
            at::RBDBPH => self.high.rbdbp = value & 0xF,
            at::MACCFG1 => self.maccfg1 = value,
            at::MRBLR => self.mrblr = value & 0xFFFF,
            _ => {}
        }
        for (first, high, n) in [(at::TBASE0, self.high.tbase, 0), (at::RBASE0, self.high.rbase, 8)]
        {
            let offset = at.wrapping_sub(first);
            if offset < 64 && offset.is_multiple_of(8) {
                let bus = u64::from(high) << 32 | u64::from(value & !7);
                self.ring_at(n + usize::from(offset / 8), bus);
            }
        }
    }

    /// The device has been told that ring `n` is at `bus`.
    fn ring_at(&mut self, n: usize, bus: u64) {
        self.rings[n] = Copy::find(bus, |bus| Self::look(&self.windows, bus));
        let ring = ring(n);
        match &self.rings[n] {
            Some(copy) => {
                let len = copy.len();
                self.line(What::Ring { ring, bus, len });
            }
            None => {
                let missing = format!("ring {ring} at {bus:#011x} is not in recorded memory");
                self.line(What::Note(missing));
            }
        }
    }
}

/// Ring number `n` of both directions.
fn ring(n: usize) -> Ring {
    let direction = if n < 8 { Direction::Tx } else { Direction::Rx };
    Ring { direction, number: (n % 8) as u8 }
}

impl Drop for State {
    fn drop(&mut self) {
        // Who panics has not come to its end.
        if !std::thread::panicking() {
            self.end();
        }
    }
}

/// A bus that is recorded.
pub struct Recorded<B> {
    bus: B,
    page: Page,
    recorder: Recorder,
}

impl<B: Clone> Clone for Recorded<B> {
    fn clone(&self) -> Self {
        let Recorded { bus, page, recorder } = self;
        Recorded { bus: bus.clone(), page: *page, recorder: recorder.clone() }
    }
}

impl<B: fmt::Debug> fmt::Debug for Recorded<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded").field("bus", &self.bus).field("page", &self.page).finish()
    }
}

impl<B> Recorded<B> {
    /// Whether this is a page of the controller itself, which events and doorbells are in.
    fn is_group(&self) -> bool {
        matches!(self.page, Page::Group0 | Page::Group1)
    }
}

// The access itself is made under the recorder's lock, so that the file has them in the order in
// which the device has.
impl<B: Bus> Bus for Recorded<B> {
    fn read(&self, at: u16) -> u32 {
        self.recorder.with(|state| {
            // What the device has done so far may be what the answer is about.
            if self.is_group() {
                state.scan();
            }
            let value = self.bus.read(at);
            // What has raised an event was in memory before it.
            if self.is_group() && at == at::IEVENT && value != 0 {
                state.scan();
            }
            state.line(What::Read(Access { page: self.page, at, value }));
            state.flush();
            value
        })
    }

    fn write(&self, at: u16, value: u32) {
        self.recorder.with(|state| {
            let doorbell = self.is_group() && matches!(at, at::TSTAT | at::RSTAT);
            // What the device has done so far is not an effect of this. Before it rings, a queue
            // has published.
            if self.is_group() && !doorbell {
                state.scan();
            }
            state.line(What::Write(Access { page: self.page, at, value }));
            if self.page == Page::Group0 {
                state.learn(at, value);
            }
            state.flush();
            self.bus.write(at, value);
            if doorbell {
                state.scan();
                state.flush();
            }
        });
    }

    fn publish(&self) {
        self.recorder.with(|state| {
            self.bus.publish();
            state.scan();
            state.line(What::Publish);
            state.flush();
        });
    }

    fn observe(&self) {
        self.recorder.with(|state| {
            self.bus.observe();
            state.scan();
            state.flush();
        });
    }
}
