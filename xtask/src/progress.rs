//! What a person sees while a long step runs: a spinner with the time and the last line of output
//! on a terminal, plain lines elsewhere. Results go to standard output, this to standard error.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Without a terminal, how often a long step says that it still runs.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// The progress line of a session.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    bar: Option<ProgressBar>,
    name: String,
    started: Instant,
    spoken: Instant,
}

impl Progress {
    /// Nothing is shown before [`start`](Self::start).
    pub fn new() -> Self {
        let terminal = std::io::stderr().is_terminal() && std::env::var_os("CI").is_none();
        let now = Instant::now();
        Self { terminal, bar: None, name: String::new(), started: now, spoken: now }
    }

    /// A step begins.
    pub fn start(&mut self, name: &str) {
        self.finish();
        self.name = name.to_owned();
        self.started = Instant::now();
        self.spoken = self.started;
        if self.terminal {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) =
                ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg:.dim}")
            {
                bar.set_style(style);
            }
            bar.set_prefix(self.name.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
            self.bar = Some(bar);
        } else {
            eprintln!("{name} …");
        }
    }

    /// The step goes on; `line` is what it said last.
    pub fn tick(&mut self, line: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_message(line());
        } else if !self.terminal && !self.name.is_empty() && self.spoken.elapsed() >= HEARTBEAT {
            self.spoken = Instant::now();
            eprintln!("{} … {} s", self.name, self.started.elapsed().as_secs());
        }
    }

    /// Prints a line without tearing the spinner.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say!("{line}")),
            None => say!("{line}"),
        }
    }

    /// The step has ended; the spinner goes.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.name.clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
