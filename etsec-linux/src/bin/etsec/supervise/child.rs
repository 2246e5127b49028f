//! The supervised command: started, ended, buried with all it has started. It knows no device.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{self, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use etsec_linux::supervision;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// Where a process hears of its service manager. What ours says of itself is not the command's.
const NOTIFY: &str = "NOTIFY_SOCKET";
const LIMIT: &str = "WATCHDOG_USEC";
const OURS: [&str; 4] = ["WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// A command that runs.
#[derive(Debug)]
pub struct Child {
    process: process::Child,
    started: Instant,
}

impl Child {
    /// Starts it. It may say at `notify` that it is ready, and has to say at least every `watchdog`
    /// that it is alive.
    pub fn start(words: &[OsString], notify: &Path, watchdog: Option<Duration>) -> Result<Self> {
        let (program, rest) = words.split_first().context("no command")?;
        let mut command = Command::new(program);
        command.args(rest).env(NOTIFY, notify);
        for name in OURS {
            command.env_remove(name);
        }
        match watchdog {
            Some(limit) => command.env(LIMIT, limit.as_micros().to_string()),
            None => command.env_remove(LIMIT),
        };
        supervision::bind(&mut command);
        let process = command.spawn();
        let process = process.with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Child { process, started: Instant::now() })
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// How long it has run.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Sends `signal` to it and to all that it has started.
    pub fn signal(&self, signal: Signal) {
        // It may have ended this very moment.
        let _ = kill_process_group(Pid::from_child(&self.process), signal);
    }

    /// How it has ended, if it has; nothing that it has started is left then.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        // Its number stays its own until it is buried, so none but its group is hit.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let id = WaitId::Pid(Pid::from_child(&self.process));
        match waitid(id, options) {
            Ok(None) | Err(Errno::INTR) => return Ok(None),
            Ok(Some(_)) => self.signal(Signal::KILL),
            Err(error) => return Err(error).context("cannot wait for the command"),
        }
        self.process.wait().map(Some).context("cannot wait for the command")
    }
}

impl Drop for Child {
    /// A supervisor that fails leaves nothing running that it does not watch.
    fn drop(&mut self) {
        if let Ok(None) = self.ended() {
            self.signal(Signal::KILL);
            let _ = self.process.wait();
        }
    }
}

/// An end in words, to follow "the command".
pub fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "has ended".into(),
        (Some(code), _) => format!("has failed with status {code}"),
        (_, Some(signal)) => format!("was killed by signal {signal}"),
        _ => format!("has ended: {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        let words = ["sh", "-c", script].map(OsString::from);
        Child::start(&words, Path::new("/none"), Some(Duration::from_millis(1500))).unwrap()
    }

    fn end(child: &mut Child) -> ExitStatus {
        loop {
            if let Some(status) = child.ended().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn the_end_of_a_command_is_told() {
        let telling = [("exit 0", "has ended"), ("exit 3", "has failed with status 3")];
        for (script, words) in telling {
            assert_eq!(in_words(end(&mut shell(script))), words);
        }
        assert_eq!(in_words(end(&mut shell("kill -9 $$"))), "was killed by signal 9");
        assert!(Child::start(&[], Path::new("/none"), None).is_err());
        let none = Child::start(&["/no/such/program".into()], Path::new("/none"), None);
        assert!(none.unwrap_err().to_string().contains("/no/such/program"));
    }

    #[test]
    fn it_is_told_where_to_speak_and_nothing_of_our_own_manager() {
        let script = "test $NOTIFY_SOCKET = /none && test $WATCHDOG_USEC = 1500000 \
                      && test -z \"$WATCHDOG_PID$LISTEN_FDS\"";
        assert!(end(&mut shell(script)).success());
    }

    #[test]
    fn what_it_has_started_ends_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grandchild");
        let mut child = shell(&format!("sleep 1000 & echo $! > {}; exit 1", path.display()));
        assert_eq!(end(&mut child).code(), Some(1));
        let grandchild: i32 = std::fs::read_to_string(path).unwrap().trim().parse().unwrap();
        let lives = || {
            // Where nobody buries it it is dead all the same.
            let state = std::fs::read_to_string(format!("/proc/{grandchild}/stat"));
            state.is_ok_and(|state| !state.contains(") Z") && !state.contains(") X"))
        };
        // It was asleep for a thousand seconds: only a signal ends it.
        while lives() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
