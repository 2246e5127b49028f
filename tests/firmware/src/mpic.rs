//! The interrupt controller: level-sensitive inputs, each masked from the moment it is taken until
//! its owner has dealt with it. Who is behind an input, it does not know.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::mmio::Device;

const MPIC: Device = Device::at(0x4_0000);
/// Global configuration, and its bits for a reset and for the mode with vectors.
const GCR: u32 = 0x1020;
const RESET: u32 = 0x8000_0000;
const MIXED: u32 = 0x2000_0000;
/// This processor's own registers: priority, acknowledge, end of interrupt.
const CTPR: u32 = 0x80;
const IACK: u32 = 0xA0;
const EOI: u32 = 0xB0;
/// The vector of an interrupt that has gone away again.
const SVR: u32 = 0x10E0;
const SPURIOUS: u32 = 0xFFFF;
/// Input `n`: vector and priority, and destination, every 0x20 bytes.
const EIVPR: u32 = 0x1_0000;
const EIDR: u32 = 0x1_0010;
const STRIDE: u32 = 0x20;
/// Fields of a vector/priority register.
const MASKED: u32 = 0x8000_0000;
const ACTIVE_HIGH: u32 = 0x0080_0000;
const LEVEL: u32 = 0x0040_0000;
const PRIORITY: u32 = 8 << 16;

/// How many inputs can be used.
pub const INPUTS: usize = 32;

/// Inputs that were taken and that nobody has looked at, a bit each.
static PENDING: AtomicU32 = AtomicU32::new(0);
/// Interrupts taken, by input.
static COUNTS: [AtomicU32; INPUTS] = [const { AtomicU32::new(0) }; INPUTS];
/// Interrupts that had gone away.
static GONE: AtomicU32 = AtomicU32::new(0);

/// An input of the controller, 0 to 31.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input(u32);

impl Input {
    /// Input `n`, or none where there is no such.
    pub const fn new(n: u32) -> Option<Self> {
        if n < INPUTS as u32 { Some(Self(n)) } else { None }
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Makes it level-sensitive, active high, for this processor, and lets it in.
    pub fn open(self) {
        MPIC.write32(EIDR + STRIDE * self.0, 1);
        self.unmask();
    }

    /// Lets the input in again. If it is raised at this moment, it interrupts.
    pub fn unmask(self) {
        let value = ACTIVE_HIGH | LEVEL | PRIORITY | self.0;
        MPIC.write32(EIVPR + STRIDE * self.0, value);
    }

    /// Keeps the input out.
    pub fn mask(self) {
        let value = MASKED | ACTIVE_HIGH | LEVEL | PRIORITY | self.0;
        MPIC.write32(EIVPR + STRIDE * self.0, value);
    }

    /// Whether it has interrupted, and nobody has looked at that.
    pub fn is_pending(self) -> bool {
        PENDING.load(Ordering::Relaxed) & 1 << self.0 != 0
    }

    /// Interrupts taken from it so far.
    pub fn count(self) -> u32 {
        COUNTS[self.0 as usize].load(Ordering::Relaxed)
    }
}

/// Resets the controller: all inputs masked, this processor taking every priority.
pub fn reset() {
    MPIC.write32(GCR, RESET);
    // The bit clears itself.
    for _ in 0..1000 {
        if MPIC.read32(GCR) & RESET == 0 {
            break;
        }
    }
    MPIC.write32(GCR, MIXED);
    MPIC.write32(SVR, SPURIOUS);
    MPIC.write32(CTPR, 0);
}

/// The inputs that have interrupted since the last call, a bit each. They stay masked until their
/// owner calls [`Input::unmask`].
pub fn take_pending() -> u32 {
    PENDING.swap(0, Ordering::Acquire)
}

/// Whether an input has interrupted that nobody has looked at.
pub fn is_pending() -> bool {
    PENDING.load(Ordering::Relaxed) != 0
}

/// Interrupts that had gone away before they were taken.
pub fn gone() -> u32 {
    GONE.load(Ordering::Relaxed)
}

/// The interrupt handler: masks the input, so that its line, which stays up until the owner has
/// cleared its events, does not interrupt for ever.
pub(crate) fn acknowledge() {
    match Input::new(MPIC.read32(IACK)) {
        Some(input) => {
            input.mask();
            COUNTS[input.0 as usize].fetch_add(1, Ordering::Relaxed);
            PENDING.fetch_or(1 << input.0, Ordering::Release);
        }
        None => {
            GONE.fetch_add(1, Ordering::Relaxed);
        }
    }
    MPIC.write32(EOI, 0);
}
