//! Interrupt coalescing: frame events that wait for more frames, or for time (HW 9.3, 18.11). It
//! counts frames and knows nothing in them.

use crate::bits::{at, rxf, txf};
use crate::model::Model;
use crate::violation::{Breach, Direction, Violation, Who};

/// ICEN, ICCS, ICFT and ICTT (HW 3.9).
const ICEN: u32 = 0x8000_0000;
const ICCS: u32 = 0x4000_0000;
const ICFT_SHIFT: u32 = 21;
const ICTT: u32 = 0xFFFF;
/// 64 clocks of the eTSEC's own clock, of which only a number of the model's choice is known.
const SYSTEM_TICK_NS: u64 = 320;

/// One counter with its timer.
#[derive(Debug, Default, Clone, Copy)]
struct Counter {
    /// The register when ICEN went from 0 to 1: later thresholds do not count. 0: off.
    latched: u32,
    /// Frames that are missing until the event.
    left: u32,
    /// When the event comes in any case.
    due: Option<u64>,
    /// Rings that have completed a frame since the last event, 0x80 for ring 0.
    rings: u8,
}

/// The counters of both directions.
#[derive(Debug, Default)]
pub(crate) struct Coalescer {
    /// Of all rings, then of each.
    counters: [[Counter; 9]; 2],
}

const fn side(direction: Direction) -> usize {
    match direction {
        Direction::Tx => 0,
        Direction::Rx => 1,
    }
}

/// Whose register is at an offset.
fn place(at: u16) -> (Direction, usize) {
    match at {
        at::TXIC => (Direction::Tx, 0),
        at::RXIC => (Direction::Rx, 0),
        at if at >= at::TXIC0 => (Direction::Tx, 1 + usize::from((at - at::TXIC0) / 4)),
        at => (Direction::Rx, 1 + usize::from((at - at::RXIC0) / 4)),
    }
}

impl Model {
    /// TXIC, RXIC, TXICn or RXICn.
    pub(crate) fn write_coalescing(&mut self, at: u16, value: u32) {
        if crate::table::row(at).is_none() {
            return;
        }
        self.store(at, value);
        let (direction, place) = place(at);
        let new = self.reg(at);
        let counter = &mut self.coalescer.counters[side(direction)][place];
        if new & ICEN != 0 && counter.latched != 0 {
            // Thresholds count from ICEN 0 to 1 on.
            return;
        }
        // Frames counted so far are told when coalescing ends.
        let rings = counter.rings;
        *counter = Counter::default();
        let frames = new >> ICFT_SHIFT & 0xFF;
        if new & ICEN != 0 && frames != 0 && new & ICTT != 0 {
            *counter = Counter { latched: new, left: frames, ..Counter::default() };
        } else if new & ICEN != 0 {
            let who = Who::Register(at);
            self.report(Violation { who, at: 0, what: Breach::BadCoalescing { value: new } });
        }
        self.tell_frames(direction, rings);
    }

    /// A ring has completed a frame that is to be told.
    pub(crate) fn frame_done(&mut self, direction: Direction, ring: usize) {
        let counters = &self.coalescer.counters[side(direction)];
        let place = [1 + ring, 0].into_iter().find(|place| counters[*place].latched != 0);
        let Some(place) = place else {
            self.tell_frames(direction, 0x80 >> ring);
            return;
        };
        let ticks = u64::from(counters[place].latched & ICTT);
        let tick_ns = match counters[place].latched & ICCS {
            // 64 clocks of the interface: of 8, 40 or 400 ns (HW 9.3).
            0 => match self.mbps() {
                Some(10) => 25_600,
                Some(100) => 2560,
                _ => 512,
            },
            _ => SYSTEM_TICK_NS,
        };
        let due = self.now + ticks * tick_ns;
        let counter = &mut self.coalescer.counters[side(direction)][place];
        counter.rings |= 0x80 >> ring;
        counter.due.get_or_insert(due);
        counter.left -= 1;
        if counter.left == 0 {
            self.let_go(direction, place);
        }
    }

    /// The event comes, and counting begins anew.
    fn let_go(&mut self, direction: Direction, place: usize) {
        let counter = &mut self.coalescer.counters[side(direction)][place];
        let rings = core::mem::take(&mut counter.rings);
        counter.left = counter.latched >> ICFT_SHIFT & 0xFF;
        counter.due = None;
        self.tell_frames(direction, rings);
    }

    /// TXF or RXF with the bits of rings, 0x80 for ring 0.
    fn tell_frames(&mut self, direction: Direction, rings: u8) {
        for ring in (0..8).filter(|ring| rings & (0x80 >> ring) != 0) {
            match direction {
                Direction::Tx => self.set_reg(at::TSTAT, self.reg(at::TSTAT) | txf(ring)),
                Direction::Rx => self.set_reg(at::RSTAT, self.reg(at::RSTAT) | rxf(ring)),
            }
            self.raise_frame(direction, ring);
        }
    }

    /// Whether a frame has been completed that is not told of yet.
    #[must_use]
    pub fn coalescing_pending(&self) -> bool {
        self.coalescing_due().is_some()
    }

    /// When a timer runs out next.
    pub(crate) fn coalescing_due(&self) -> Option<u64> {
        self.coalescer.counters.as_flattened().iter().filter_map(|counter| counter.due).min()
    }

    pub(crate) fn poll_coalescing(&mut self) {
        for direction in [Direction::Tx, Direction::Rx] {
            for place in 0..9 {
                let due = self.coalescer.counters[side(direction)][place].due;
                if due.is_some_and(|due| due <= self.now) {
                    self.let_go(direction, place);
                }
            }
        }
    }
}
