//! The supervised command: started, ended, buried with all it has started. It knows no device.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{self, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use etsec_linux::supervision;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// Where a process hears of its service manager. What ours says of itself is not the command's.
const NOTIFY: &str = "NOTIFY_SOCKET";
const LIMIT: &str = "WATCHDOG_USEC";
const OURS: [&str; 4] = ["WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// How long what a dead command has started may take to be gone, once it is killed.
const BURIAL: Duration = Duration::from_secs(2);

/// A command that runs.
#[derive(Debug)]
pub struct Child {
    process: process::Child,
    /// It and its group.
    group: Pid,
    started: Instant,
    /// When and how it has ended itself.
    ended: Option<(Instant, ExitStatus)>,
    /// When all of it was first killed.
    killed: Option<Instant>,
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
        let group = Pid::from_child(&process);
        Ok(Child { process, group, started: Instant::now(), ended: None, killed: None })
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
    pub fn signal(&mut self, signal: Signal) {
        if signal == Signal::KILL {
            self.killed.get_or_insert_with(Instant::now);
        }
        // It may have ended this very moment.
        let _ = kill_process_group(self.group, signal);
    }

    /// How it has ended, if it has and nothing that it has started is left. That is killed, unless
    /// it is to be `spared` because it was asked to end.
    pub fn ended(&mut self, spared: bool) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            let status = self.process.try_wait().context("cannot wait for the command")?;
            self.ended = status.map(|status| (Instant::now(), status));
        }
        let Some((at, status)) = self.ended else { return Ok(None) };
        // Its number is nobody else's as long as its group has a member.
        if test_kill_process_group(self.group).is_err() {
            return Ok(Some(status));
        }
        if spared {
            return Ok(None);
        }
        self.signal(Signal::KILL);
        // What nobody buries is dead all the same. Time runs from when both were so: that it has
        // ended itself, and that the rest was killed.
        let since = self.killed.map_or(at, |killed| killed.max(at));
        Ok((since.elapsed() >= BURIAL).then_some(status))
    }

    /// Whether it has ended, but not all that it has started: no signal tells when that has.
    pub fn lingers(&self) -> bool {
        self.ended.is_some()
    }
}

impl Drop for Child {
    /// A supervisor that fails leaves nothing running that it does not watch.
    fn drop(&mut self) {
        if self.ended.is_none() {
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
            if let Some(status) = child.ended(false).unwrap() {
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
        // It was killed, and is gone as soon as the machine comes to it. Where nobody buries it it
        // is dead all the same.
        let lives = || {
            let state = std::fs::read_to_string(format!("/proc/{grandchild}/stat"));
            state.is_ok_and(|state| !state.contains(") Z") && !state.contains(") X"))
        };
        while lives() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn what_was_spared_is_killed_and_has_its_time_from_then_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ready");
        let spared = format!("(trap '' TERM; echo > {}; exec sleep 1000)", path.display());
        let mut child = shell(&format!("trap 'exit 0' TERM; {spared} & wait"));
        while !path.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        child.signal(Signal::TERM);
        while child.ended.is_none() {
            assert!(child.ended(true).unwrap().is_none(), "one does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        // The command itself has long been gone.
        let (at, _) = child.ended.as_mut().unwrap();
        *at -= 10 * BURIAL;
        assert!(child.ended(false).unwrap().is_none(), "the other was killed this very moment");
        assert!(end(&mut child).success());
    }

    #[test]
    fn what_was_asked_to_end_has_its_time() {
        // The shell goes first; what it has started would end by itself a little later.
        let mut child = shell("(trap '' TERM; sleep 0.3; exit 0) & trap 'exit 0' TERM; wait");
        // Until the traps are set.
        std::thread::sleep(Duration::from_millis(200));
        child.signal(Signal::TERM);
        while child.ended(true).unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(test_kill_process_group(child.group).is_err());
    }
}
