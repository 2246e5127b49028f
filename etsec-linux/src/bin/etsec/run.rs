//! What every running command shares: the user's general options, and when to end.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use etsec_linux::Roots;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::Value;

use crate::args::{DeviceName, Until};
use crate::control::{self, Request};
use crate::meter::{Meter, Totals};
use crate::notify::Notify;
use crate::output::Output;
use crate::signals::Stop;
use crate::station::Station;
use crate::tracer::Tracer;

/// Longest a running command usually sleeps: how often the port is looked after.
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
    /// What records the devices that are opened.
    pub tracer: Tracer,
}

impl Context {
    /// Asks the owner of a running port, until the user wants to end.
    ///
    /// # Errors
    /// As [`control::ask`].
    pub fn ask(&self, device: &DeviceName, request: &Request) -> Result<Value> {
        control::ask(&Roots::default(), &device.to_string(), request, &self.stop)
    }

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

/// A run of a command, from its start to its end: a loop of turns.
///
/// Where the C library has no vDSO to ask, the time costs a system call, which is as much as
/// several frames do. So the loop knows the time as of the last look, and looks when a wait says
/// that time has passed, or at the end of every so many turns that were too busy to wait. Those are
/// short.
#[derive(Debug)]
pub struct Run {
    stop: Stop,
    until: Until,
    started: Instant,
    looked: Instant,
    /// Turns since the last look.
    busy: u32,
    meter: Meter,
    notify: Notify,
}

/// How many busy turns pass between two looks at the clock.
const TURNS_A_LOOK: u32 = 16;

impl Run {
    /// Begins now.
    pub fn new(context: &Context, until: Until) -> Self {
        let now = Instant::now();
        Run {
            stop: context.stop.clone(),
            until,
            started: now,
            looked: now,
            busy: 0,
            meter: Meter::new(context.quiet),
            notify: Notify::ready(),
        }
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// When the clock was last looked at.
    pub fn looked(&self) -> Instant {
        self.looked
    }

    /// Whether it is time to end: asked to, or enough time or frames.
    pub fn is_over(&self, frames: u64) -> bool {
        self.stop.asked()
            || self.until.count.is_some_and(|count| frames >= count)
            || self.until.duration.is_some_and(|limit| self.looked - self.started >= limit)
    }

    /// How many more frames there may be.
    pub fn left(&self, frames: u64) -> u64 {
        self.until.count.map_or(u64::MAX, |count| count.saturating_sub(frames))
    }

    /// How long to sleep at most, if nothing happens; `None`: for the nap that a wait is anyway.
    pub fn nap(&self) -> Option<Duration> {
        // Who is silent for longer is taken for dead.
        let word = self.notify.every();
        let Some(end) = self.until.duration else { return word };
        let left = end.saturating_sub(self.looked - self.started);
        // A look at the clock is worth it near the end only.
        let left = if left < 2 * NAP { end.saturating_sub(self.elapsed()) } else { left };
        Some(word.map_or(left, |word| word.min(left)))
    }

    /// Whether it is time to look at the clock after a turn that had something to do.
    pub fn is_look_due(&mut self) -> bool {
        self.busy += 1;
        self.busy >= TURNS_A_LOOK
    }

    /// Looks at the clock, and prints the rates if it is time for that.
    pub fn look(&mut self, totals: impl FnOnce() -> Totals) {
        self.looked = Instant::now();
        self.busy = 0;
        self.notify.alive(self.looked);
        self.meter.update(self.looked, totals);
    }

    /// Ends a turn of a command with one device: sleeps if there is nothing more to do, looks at
    /// the clock if it is time, and then after the device.
    pub fn end_turn(&mut self, station: &mut Station, idle: bool) -> Result<()> {
        let look =
            if station.end_turn(idle) { station.wait(self.nap())? } else { self.is_look_due() };
        if look {
            self.look(|| station.totals());
            station.look_after(self.looked)?;
        }
        Ok(())
    }
}

/// Time since 1970; zero if the clock is set before that.
pub fn wall_clock() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
