//! What can be wrong with a trace file, and where. It knows no line's grammar.

use core::fmt;
use std::io;

/// Why a trace could not be read, with the line.
#[derive(Debug)]
pub struct TraceError {
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line of a trace.
#[derive(Debug)]
#[non_exhaustive]
pub enum Problem {
    /// The file is something else.
    NoTrace {
        /// How it begins.
        begins: String,
    },
    /// It is of another version.
    Version {
        /// Which.
        version: String,
    },
    /// The line makes no sense.
    Wrong(String),
    /// It is longer than any line of a trace.
    TooLong,
    /// It is no text.
    NotText,
    /// The time goes back.
    TimeGoesBack,
    /// There is more behind the `end`.
    AfterEnd,
    /// The file ends before its `end`.
    CutOff,
    /// It cannot be read.
    Io(io::Error),
}

impl TraceError {
    /// Whether all that is wrong is that the recording has no end, as of a process that was killed:
    /// what was read before is good.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        matches!(self.problem, Problem::CutOff)
    }
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::NoTrace { begins } => write!(
                f,
                "this is no trace: it begins with '{begins}' instead of '{} {}'",
                super::MAGIC,
                super::VERSION
            ),
            Problem::Version { version } => write!(
                f,
                "a trace of version {version}; this program reads version {}",
                super::VERSION
            ),
            Problem::Wrong(what) => f.write_str(what),
            Problem::TooLong => f.write_str("longer than any line of a trace"),
            Problem::NotText => f.write_str("this is no text"),
            Problem::TimeGoesBack => f.write_str("it happens before the line above it"),
            Problem::AfterEnd => f.write_str("more behind the end: are these two traces?"),
            Problem::CutOff => f.write_str(
                "the recording stops here without an end: its program was killed, or the file is \
                 cut off",
            ),
            Problem::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TraceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Io(error) => Some(error),
            _ => None,
        }
    }
}
