//! The `etsec` command as we call it, and what it says in JSON: one object a line, each with an
//! `event`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::Value;

use crate::interrupt;
use crate::run::{self, Ended, Group, POLL};

/// How long `serve` may take to be ready, and to stop when asked.
const SERVE_LIMIT: Duration = Duration::from_secs(15);

/// The built program.
#[derive(Debug, Clone)]
pub struct Etsec(PathBuf);

impl Etsec {
    /// The program at that path.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Serves `folder` on a simulated device whose wire is the TAP interface `tap`.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn serve(&self, tap: &str, address: &str, folder: &Path, log: &Path) -> Result<Serving> {
        let named = || format!("cannot write {}", log.display());
        let errors = std::fs::File::create(log).with_context(named)?;
        let mut command = run::tied(&self.0);
        command.args(["serve", "--json", "--quiet", "--device"]).arg(format!("sim,wire=tap:{tap}"));
        command.args(["--address", address, "--http-dir"]).arg(folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut group = Group::start(&mut command)?;
        let lines = group.child().stdout.take().context("etsec has no output")?;
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Serving { group, events, seen: Vec::new() })
    }

    /// Serves itself: a second stack on the other end of a cable pings and downloads.
    pub fn self_test(&self, bytes: usize, pings: u32) -> Command {
        let mut command = Command::new(&self.0);
        command.args(["serve", "--json", "--quiet", "--self-test", "--device"]);
        command.args(["sim,wire=cable:demo", "--address", "10.0.83.2/24"]);
        command.arg("--bytes").arg(bytes.to_string());
        command.arg("--pings").arg(pings.to_string());
        command.stdin(Stdio::null());
        command
    }

    /// Forwards capture `input` through two simulated devices into capture `output`.
    pub fn forward(&self, input: &Path, output: &Path) -> Command {
        let mut command = Command::new(&self.0);
        command.args(["forward", "--json", "--quiet"]);
        command.arg(format!("sim,wire=pcap:{},", input.display()));
        command.arg(format!("sim,wire=pcap:,{}", output.display()));
        command
    }
}

/// A running `etsec serve`; dropped, it is stopped.
#[derive(Debug)]
pub struct Serving {
    group: Group,
    events: Receiver<String>,
    seen: Vec<Value>,
}

impl Serving {
    /// Waits for the `ready` event.
    ///
    /// # Errors
    /// Where the program ends before, or takes too long; Ctrl-C.
    pub fn ready(&mut self) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < SERVE_LIMIT {
            interrupt::check()?;
            match self.events.recv_timeout(POLL) {
                Ok(line) => self.seen.extend(events(&line)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("etsec serve ended at once"),
            }
            if event(&self.seen, "ready").is_some() {
                return Ok(());
            }
        }
        bail!("etsec serve was not ready within {} s", SERVE_LIMIT.as_secs())
    }

    /// Asks it to stop, and returns the counters it ends with.
    ///
    /// # Errors
    /// Where it does not stop well, or says no counters.
    pub fn stop(mut self) -> Result<Value> {
        self.group.signal(Signal::TERM);
        match self.group.wait(Some(SERVE_LIMIT), || ())? {
            Ended::Exit(status) if status.success() => {}
            Ended::Exit(status) => bail!("etsec serve ended with {status}"),
            Ended::TimedOut => bail!("etsec serve did not stop when asked"),
        }
        // The sender's end of the channel closes with the program's output.
        while let Ok(line) = self.events.recv_timeout(SERVE_LIMIT) {
            self.seen.extend(events(&line));
        }
        event(&self.seen, "counters").cloned().context("etsec serve ended without its counters")
    }
}

/// The JSON objects among these lines.
pub fn events(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The last event of that name.
pub fn event<'a>(events: &'a [Value], name: &str) -> Option<&'a Value> {
    events.iter().rev().find(|e| e["event"] == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_event_of_a_name_counts() {
        let said = "ready soon\n{\"event\":\"a\",\"n\":1}\n{\"event\":\"a\",\"n\":2}\n{broken\n";
        let found = events(said);
        assert_eq!(found.len(), 2);
        assert_eq!(event(&found, "a").map(|e| &e["n"]), Some(&Value::from(2)));
        assert_eq!(event(&found, "b"), None);
    }
}
