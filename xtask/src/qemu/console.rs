//! A machine's serial console as lines, each waited for with a time limit. What they mean is the
//! caller's business; what comes without an end of line (a prompt) is not seen.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::interrupt;
use crate::log::Log;
use crate::run::POLL;

/// The console of a running machine.
#[derive(Debug)]
pub struct Console {
    input: ChildStdin,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Console {
    /// The console is the child's standard input and output; what it says goes into `log`, too.
    ///
    /// # Errors
    /// Where the child has no pipes.
    pub fn new(child: &mut Child, log: &Log) -> Result<Self> {
        let input = child.stdin.take().context("the machine has no input")?;
        let output = child.stdout.take().context("the machine has no output")?;
        let mut copy = log.appender()?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                // The log is for people; without it the run goes on.
                let _ = copy.write_all(&line);
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                if sender.send(text).is_err() {
                    return;
                }
                line.clear();
            }
        });
        Ok(Self { input, lines, log: log.path().to_path_buf() })
    }

    /// Where everything the machine said is kept.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Types a line.
    ///
    /// # Errors
    /// Where the machine has gone.
    pub fn type_line(&mut self, text: &str) -> Result<()> {
        let typed = writeln!(self.input, "{text}").and_then(|()| self.input.flush());
        typed.with_context(|| format!("the machine takes no input, see {}", self.log.display()))
    }

    /// The next line; none when none came in time.
    ///
    /// # Errors
    /// The machine has ended and all its lines were taken; Ctrl-C.
    pub fn line(&mut self, limit: Duration) -> Result<Option<String>> {
        let started = Instant::now();
        loop {
            interrupt::check()?;
            let left = limit.saturating_sub(started.elapsed());
            match self.lines.recv_timeout(left.min(POLL)) {
                Ok(line) => return Ok(Some(line)),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the machine has ended, see {}", self.log.display())
                }
            }
        }
    }

    /// Takes lines until `wanted` makes something of one; `what` names it in errors.
    ///
    /// # Errors
    /// None came in time, or the machine ended before; Ctrl-C.
    pub fn expect<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut wanted: impl FnMut(&str) -> Option<T>,
    ) -> Result<T> {
        let started = Instant::now();
        loop {
            let left = limit.saturating_sub(started.elapsed());
            let line = self.line(left).with_context(|| format!("{what} was awaited"))?;
            let Some(line) = line else {
                let (seconds, log) = (limit.as_secs(), self.log.display());
                bail!("{what} did not come within {seconds} s, see {log}");
            };
            if let Some(found) = wanted(&line) {
                return Ok(found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::run::Group;

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(30);

    /// A shell in the machine's place, and its console.
    fn shell(script: &str) -> (Group, Console, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let log = Log::create(folder.path().join("x.log")).expect("a log");
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut group = Group::start(&mut command).expect("a shell");
        let console = Console::new(group.child(), &log).expect("pipes");
        (group, console, folder)
    }

    #[test]
    fn lines_come_in_order_and_go_into_the_log() {
        let (_group, mut console, _folder) = shell("printf 'one\\r\\ntwo: 2\\n'; read x; echo $x");
        let two = console.expect("two", LONG, |l| l.strip_prefix("two: ").map(str::to_owned));
        assert_eq!(two.expect("came"), "2");
        assert_eq!(console.line(SHORT).expect("still runs"), None);
        console.type_line("typed").expect("it reads");
        assert_eq!(console.line(LONG).expect("came"), Some("typed".into()));
        let error = console.expect("more", LONG, |_| Some(())).expect_err("it ended");
        assert!(format!("{error:#}").starts_with("more was awaited: the machine has ended, see "));
        let log = std::fs::read_to_string(console.log()).expect("the log");
        assert_eq!(log, "one\r\ntwo: 2\ntyped\n");
    }

    #[test]
    fn what_does_not_come_in_time_is_named() {
        let (_group, mut console, _folder) = shell("echo other; sleep 60");
        let error = console.expect("a word", SHORT, |l| (l == "word").then_some(()));
        let error = error.expect_err("nothing").to_string();
        assert!(error.starts_with("a word did not come within 0 s"), "{error}");
    }
}
