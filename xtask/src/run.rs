//! Starting a program and waiting for it, with a time limit, a progress line, and Ctrl-C that takes
//! the program's children along. It knows nothing of what the program is for.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::interrupt;
use crate::log::Log;
use crate::progress::Progress;

/// How often a waiting loop looks around.
pub const POLL: Duration = Duration::from_millis(25);

/// How long a program may take to stop when asked.
const GRACE: Duration = Duration::from_secs(3);

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Exit(ExitStatus),
    /// We stopped it: its time was over.
    TimedOut,
}

impl Ended {
    /// By itself and with success.
    pub fn success(self) -> bool {
        matches!(self, Self::Exit(status) if status.success())
    }
}

/// A program that ends when we do, however that comes about.
pub fn tied(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(program);
    command
}

/// Runs `command` to its end, its output into `log`.
///
/// # Errors
/// Where it cannot be started, or Ctrl-C came.
pub fn logged(command: Command, log: &mut Log, progress: &mut Progress) -> Result<Ended> {
    limited(command, log, progress, None)
}

/// As [`logged`], for at most `limit`.
///
/// # Errors
/// Where it cannot be started, or Ctrl-C came.
pub fn limited(
    mut command: Command,
    log: &mut Log,
    progress: &mut Progress,
    limit: Option<Duration>,
) -> Result<Ended> {
    log.attach(&mut command)?;
    let mut group = Group::start(&mut command)?;
    group.wait(limit, || progress.tick(|| log.last_line()))
}

/// A child in a process group of its own: whatever it starts ends with it.
#[derive(Debug)]
pub struct Group {
    child: Child,
    running: bool,
}

impl Group {
    /// Starts `command`.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
        Ok(Self { child, running: true })
    }

    /// The child itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Whether it has ended, and how.
    ///
    /// # Errors
    /// Where the kernel refuses to say.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        self.running = status.is_none();
        Ok(status)
    }

    /// Waits for the end; `look` is called while waiting.
    ///
    /// # Errors
    /// Ctrl-C; then the group has been stopped.
    pub fn wait(&mut self, limit: Option<Duration>, mut look: impl FnMut()) -> Result<Ended> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(Ended::Exit(status));
            }
            if let Err(interrupted) = interrupt::check() {
                self.stop();
                return Err(interrupted.into());
            }
            if limit.is_some_and(|limit| started.elapsed() >= limit) {
                self.stop();
                return Ok(Ended::TimedOut);
            }
            look();
            std::thread::sleep(POLL);
        }
    }

    /// Asks the group to end, and kills it when it does not.
    pub fn stop(&mut self) {
        if !self.running {
            return;
        }
        self.signal(Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < GRACE {
            if !matches!(self.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(POLL);
        }
        self.signal(Signal::KILL);
        let _ = self.child.wait();
        self.running = false;
    }

    /// Sends a signal to the whole group.
    pub fn signal(&self, signal: Signal) {
        // The group may have ended a moment ago; that is what we want anyway.
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_takes_too_long_is_stopped_with_its_children() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 60 & echo $!; wait"]).stdout(std::process::Stdio::piped());
        let mut group = Group::start(&mut shell).expect("started");
        let mut grandchild = String::new();
        let out = group.child().stdout.take().expect("a pipe");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut grandchild)
            .expect("its id");
        let ended = group.wait(Some(Duration::from_millis(50)), || ()).expect("waited");
        assert_eq!(ended, Ended::TimedOut);
        let path = format!("/proc/{}/stat", grandchild.trim());
        // It was told to end, not waited for; and it may stay a zombie until init reaps it.
        let ended = || std::fs::read_to_string(&path).map_or(true, |stat| stat.contains(") Z "));
        assert!((0..200).any(|_| {
            std::thread::sleep(POLL);
            ended()
        }));
    }

    #[test]
    fn an_exit_code_is_not_success() {
        let mut group = Group::start(Command::new("sh").args(["-c", "exit 3"])).expect("started");
        let ended = group.wait(None, || ()).expect("waited");
        assert!(!ended.success());
        assert!(matches!(ended, Ended::Exit(status) if status.code() == Some(3)));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Group::start(&mut Command::new("no-such-program-here")).expect_err("no");
        assert_eq!(error.to_string(), "cannot start no-such-program-here");
    }
}
