//! What must be true in a world at every step, as names; and how a breach is told.

use std::fmt;

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Every buffer has one owner, and none is missing.
    Owned,
    /// Nothing is sent or delivered twice.
    Twice,
    /// What is sent and delivered is what was given.
    Bytes,
    /// Frames of one ring keep their order.
    Order,
    /// What a ring was given comes out of it.
    Arrives,
    /// What is told as sent has left, and what is told as failed was hit.
    Told,
    /// Counters are the sums of what has happened.
    Counters,
    /// A ring that has something to do is not left waiting.
    Restarted,
    /// Whoever waits for an interrupt is woken.
    Woken,
    /// An interrupt that was served is over.
    Acknowledged,
    /// A call fails only for a reason.
    Reason,
    /// After the last fault traffic passes again.
    Recovers,
    /// The device is used as the manual says.
    Manual,
    /// Nothing panics.
    Panics,
}

/// A rule that was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub rule: Rule,
    /// In words.
    pub what: String,
}

/// What a check gives.
pub type Check<T = ()> = Result<T, Broken>;

impl Broken {
    /// A breach of `rule`.
    #[must_use]
    pub fn new(rule: Rule, what: impl Into<String>) -> Self {
        Broken { rule, what: what.into() }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

/// Fails with `rule` unless `holds`.
///
/// # Errors
/// If it does not.
pub fn check(holds: bool, rule: Rule, what: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(Broken::new(rule, what())) }
}
