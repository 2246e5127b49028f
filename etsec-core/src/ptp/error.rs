//! What can be wrong with what a clock is asked for.

use core::fmt;

use super::{ClockSource, TIME_MAX_NS};

/// Why a clock did not do what it was asked for. Nothing has changed then, unless the error says
/// so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ClockError {
    /// The registers read all ones: the device, or the bus to it, is gone.
    Gone,
    /// Nanoseconds of a tick out of range.
    Period(u16),
    /// The input clock is no faster than the ticks.
    TooSlow {
        /// Frequency of the input.
        input_hz: u32,
        /// Nanoseconds of a tick.
        period_ns: u16,
    },
    /// Divisor of the output clock out of range.
    Divisor(u16),
    /// The timer was started and does not count.
    Still(ClockSource),
    /// Adjustment out of range.
    Adjustment {
        /// What was asked for.
        ppb: i32,
        /// The furthest either way.
        most: i32,
    },
    /// Period of a pulse out of range.
    Pulse {
        /// What was asked for.
        period_ns: u32,
        /// Nanoseconds of a tick.
        tick_ns: u16,
    },
    /// Alarm 1 starts the pulses.
    AlarmTaken,
    /// Time out of range.
    Time(u64),
    /// A step to a time out of range.
    Step {
        /// What was asked for.
        by_ns: i64,
        /// From when.
        now_ns: u64,
    },
}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Gone => f.write_str("the device is gone: its registers read all ones"),
            Self::Period(ns) => write!(f, "a tick of {ns} ns: 1 to 1023 are possible"),
            Self::TooSlow { input_hz, period_ns } => write!(
                f,
                "an input of {input_hz} Hz for ticks of {period_ns} ns: it must be faster than \
                 {} Hz, or the ticks longer",
                1_000_000_000 / u32::from(period_ns).max(1)
            ),
            Self::Divisor(n) => write!(f, "output divisor {n}: 2 to 65535 are possible"),
            Self::Still(source) => {
                write!(f, "the timer does not count: is there a clock at input {source:?}?")
            }
            Self::Adjustment { ppb, most } => {
                write!(f, "an adjustment by {ppb} ppb: {most} either way are possible")
            }
            Self::Pulse { period_ns, tick_ns } => write!(
                f,
                "pulses every {period_ns} ns: multiples of {tick_ns} from {} on are possible",
                2 * u32::from(tick_ns)
            ),
            Self::Time(ns) => write!(f, "a time of {ns} ns: 0 to {TIME_MAX_NS} are possible"),
            Self::Step { by_ns, now_ns } => write!(
                f,
                "a step by {by_ns} ns from {now_ns}: times from 0 to {TIME_MAX_NS} are possible"
            ),
            Self::AlarmTaken => f.write_str("alarm 1 starts the pulses: use alarm 2"),
        }
    }
}

impl core::error::Error for ClockError {}
