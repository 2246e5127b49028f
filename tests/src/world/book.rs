//! What a world keeps beside its stations: its frames, what has happened, and how often.

use std::collections::BTreeMap;
use std::fmt;

use super::frames::Frames;

/// The books of a run.
#[derive(Debug)]
pub struct Book {
    /// All frames.
    pub frames: Frames,
    /// What has happened, a line each, if somebody wants to know.
    trace: Option<Vec<String>>,
    /// Sums, for whoever wants to know what a lot of runs have been through.
    pub sums: Sums,
    rx_rings: usize,
    turn: usize,
}

/// What has happened in one run, or in many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// Runs.
    pub runs: u64,
    /// Steps.
    pub steps: u64,
    /// Frames that were accepted for sending.
    pub accepted: u64,
    /// Frames that were handed over at their destination.
    pub delivered: u64,
    /// Faults by name, as often as they have struck.
    pub struck: BTreeMap<String, u64>,
    /// Resets of a controller.
    pub resets: u64,
    /// Virtual time, in nanoseconds.
    pub virtual_ns: u64,
    /// The longest it took until traffic passed again after the last fault, in virtual nanoseconds.
    pub recovery_ns: u64,
}

impl Sums {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Sums) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.resets += other.resets;
        self.virtual_ns += other.virtual_ns;
        self.recovery_ns = self.recovery_ns.max(other.recovery_ns);
        for (name, times) in &other.struck {
            *self.struck.entry(name.clone()).or_default() += times;
        }
    }
}

impl Book {
    /// Empty books of a world with so many receive rings at each end.
    #[must_use]
    pub fn new(rx_rings: usize, traced: bool) -> Self {
        let trace = traced.then(Vec::new);
        Book { frames: Frames::default(), trace, sums: Sums::default(), rx_rings, turn: 0 }
    }

    /// The receive ring for the next frame: each in turn.
    pub fn next_ring(&mut self) -> usize {
        self.turn += 1;
        self.turn % self.rx_rings
    }

    /// Writes down what has happened.
    pub fn note(&mut self, what: fmt::Arguments<'_>) {
        if let Some(trace) = &mut self.trace {
            trace.push(what.to_string());
        }
    }

    /// A fault that is no fault of a device has struck.
    pub fn struck(&mut self, name: &str, times: u64) {
        if times > 0 {
            *self.sums.struck.entry(name.to_owned()).or_default() += times;
        }
    }

    /// What was written down.
    #[must_use]
    pub fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }
}
