//! The interrupt lines of a port, as a set. It knows no descriptor.

use etsec_core::event::Line;

/// The interrupt lines a wake-up stands for (HW 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lines {
    /// The transmit line.
    pub tx: bool,
    /// The receive line.
    pub rx: bool,
    /// The error line.
    pub err: bool,
}

impl Lines {
    /// No line.
    pub const NONE: Lines = Lines { tx: false, rx: false, err: false };
    /// The transmit line alone.
    pub const TX: Lines = Lines { tx: true, ..Lines::NONE };
    /// The receive line alone.
    pub const RX: Lines = Lines { rx: true, ..Lines::NONE };
    /// The error line alone.
    pub const ERR: Lines = Lines { err: true, ..Lines::NONE };
    /// All lines: a device with one interrupt for everything.
    pub const ALL: Lines = Lines { tx: true, rx: true, err: true };

    /// Whether there is any.
    #[must_use]
    pub const fn any(self) -> bool {
        self.tx || self.rx || self.err
    }

    /// Whether there is any that `other` has as well.
    #[must_use]
    pub const fn meets(self, other: Lines) -> bool {
        self.tx && other.tx || self.rx && other.rx || self.err && other.err
    }

    /// Calls `f` for those of its lines that tell of frames.
    pub fn each_of_frames(self, mut f: impl FnMut(Line)) {
        for (is_in, line) in [(self.tx, Line::Tx), (self.rx, Line::Rx)] {
            if is_in {
                f(line);
            }
        }
    }

    pub(super) fn add(&mut self, other: Lines) {
        self.tx |= other.tx;
        self.rx |= other.rx;
        self.err |= other.err;
    }

    pub(super) const fn to_bits(self) -> u64 {
        self.tx as u64 | (self.rx as u64) << 1 | (self.err as u64) << 2
    }

    pub(super) const fn from_bits(bits: u64) -> Lines {
        Lines { tx: bits & 1 != 0, rx: bits & 2 != 0, err: bits & 4 != 0 }
    }
}
