//! What every running command shares: the user's general options, and when to end.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::args::Until;
use crate::meter::Meter;
use crate::output::Output;
use crate::signals::Stop;

/// Longest a running command sleeps: how late it may notice Ctrl-C, and how often the port is
/// looked after.
pub const NAP: Duration = Duration::from_millis(50);

/// A command line that is well formed and makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// The general options, and the user's wish to end.
#[derive(Debug, Clone)]
pub struct Context {
    /// Standard output.
    pub out: Output,
    /// No rates.
    pub quiet: bool,
    /// The processor to run on.
    pub cpu: Option<usize>,
    /// Ctrl-C and SIGTERM.
    pub stop: Stop,
}

impl Context {
    /// Keeps this thread on the processor the user chose, if any. Threads it has started before
    /// stay where they are.
    pub fn pin(&self) -> Result<()> {
        let Some(cpu) = self.cpu else { return Ok(()) };
        let highest = CpuSet::MAX_CPU - 1;
        ensure!(cpu <= highest, Usage(format!("--cpu {cpu}: the highest number is {highest}")));
        let mut set = CpuSet::new();
        set.set(cpu);
        let count = std::thread::available_parallelism().map_or(0, usize::from);
        sched_setaffinity(None, &set).with_context(|| {
            format!("--cpu {cpu}: not a processor of this process, which has {count}")
        })
    }
}

/// A run of a command, from its start to its end.
#[derive(Debug)]
pub struct Run {
    stop: Stop,
    until: Until,
    started: Instant,
    /// The line of rates.
    pub meter: Meter,
}

impl Run {
    /// Begins now.
    pub fn new(context: &Context, until: Until) -> Self {
        Run {
            stop: context.stop.clone(),
            until,
            started: Instant::now(),
            meter: Meter::new(context.quiet),
        }
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether it is time to end: asked to, or enough time or frames.
    pub fn is_over(&self, frames: u64) -> bool {
        self.stop.asked()
            || self.until.count.is_some_and(|count| frames >= count)
            || self.until.duration.is_some_and(|limit| self.elapsed() >= limit)
    }

    /// How many more frames there may be.
    pub fn left(&self, frames: u64) -> u64 {
        self.until.count.map_or(u64::MAX, |count| count.saturating_sub(frames))
    }

    /// How long to sleep at most, if nothing happens.
    pub fn nap(&self) -> Duration {
        match self.until.duration {
            Some(limit) => NAP.min(limit.saturating_sub(self.elapsed())),
            None => NAP,
        }
    }
}

/// Time since 1970; zero if the clock is set before that.
pub fn wall_clock() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
