//! What can be wrong with rules.

use core::fmt;

use super::ENTRIES;
use crate::error::Error;

/// Rules that were not taken. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FilerError {
    /// A rule, by its index from 0.
    Rule(usize, RuleError),
    /// The action for frames that no rule matches.
    Default(RuleError),
    /// The port.
    Port(Error),
}

impl FilerError {
    /// An error of rule number `index` of `rules`; the one behind the last is the default.
    pub(super) const fn at(index: usize, rules: usize, error: RuleError) -> Self {
        if index < rules { FilerError::Rule(index, error) } else { FilerError::Default(error) }
    }
}

impl From<Error> for FilerError {
    fn from(error: Error) -> Self {
        FilerError::Port(error)
    }
}

impl fmt::Display for FilerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(index, error) => write!(f, "rule {index}: {error}"),
            Self::Default(error) => write!(f, "default rule: {error}"),
            Self::Port(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for FilerError {}

/// Why a rule cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RuleError {
    /// A value out of its range.
    Range {
        /// What it is.
        name: &'static str,
        /// The value.
        value: u32,
        /// The least there is.
        least: u32,
        /// The greatest there is.
        most: u32,
    },
    /// A range that ends before it begins.
    Backwards {
        /// What it is.
        name: &'static str,
        /// Its first value.
        first: u16,
        /// Its last value.
        last: u16,
    },
    /// A condition that every value meets.
    SaysNothing(&'static str),
    /// An IPv6 prefix longer than the hardware sees.
    Prefix(&'static str, u8),
    /// Two conditions that no frame can meet at once.
    Contradiction(&'static str, &'static str),
    /// A parse flag that must be set and must not be.
    BothWays(&'static str),
    /// Two conditions on the same byte.
    SameByte,
    /// Bytes at more places than the hardware can look at.
    Places,
    /// Nothing to hash.
    NothingToHash,
    /// More lists of rings to spread over than there is room for.
    Maps,
    /// The controller cannot spread frames: it keeps nothing in RIRn.
    NoSpreading,
    /// A queue whose ring the port has not got.
    NoRing {
        /// The queue.
        queue: u8,
        /// Its ring.
        ring: u8,
    },
    /// No room in the table.
    Full {
        /// Entries that the rules before it take.
        before: usize,
        /// Entries it needs.
        needs: usize,
    },
}

impl RuleError {
    pub(super) const fn range(name: &'static str, value: u32, least: u32, most: u32) -> Self {
        RuleError::Range { name, value, least, most }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Range { name, value, least, most } => {
                write!(f, "{name} {value}: {least} to {most} are possible")
            }
            Self::Backwards { name, first, last } => {
                write!(f, "{name} {first}-{last}: the range ends before it begins")
            }
            Self::SaysNothing(name) => {
                write!(
                    f,
                    "{name}: every value would match; leave the condition out, or name the header \
                     alone (tag, ip4, ip6, tcp, udp)"
                )
            }
            Self::Prefix(name, prefix) => write!(
                f,
                "{name}: a prefix of {prefix} bits; the hardware sees the first 32 bits of an IPv6 \
                 address, so 1 to 32 are possible"
            ),
            Self::Contradiction(one, other) => {
                write!(f, "{one} and {other}: no frame can be both")
            }
            Self::BothWays(name) => write!(f, "{name} and no-{name}: no frame can be both"),
            Self::SameByte => f.write_str("two conditions on the same byte: join them"),
            Self::Places => f.write_str(
                "bytes at more than 4 places: that is all the hardware looks at, in all rules \
                 together",
            ),
            Self::NothingToHash => f.write_str("spread by nothing: name a property to hash"),
            Self::Maps => f.write_str("a third list of rings to spread over: 2 are possible"),
            Self::NoSpreading => f.write_str(
                "this controller cannot spread frames over rings: only an eTSEC2 can; file to a \
                 queue instead",
            ),
            Self::NoRing { queue, ring } => {
                write!(f, "queue {queue} is ring {ring}, which this port has not got")
            }
            Self::Full { before, needs } => write!(
                f,
                "the filer's table is full: {needs} entries are needed, and {before} of {ENTRIES} \
                 are taken by the rules before"
            ),
        }
    }
}

impl core::error::Error for RuleError {}
