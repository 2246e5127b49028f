//! Programs in the guest: started, signalled, their lines and their end told to the host.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::answer::Answers;

/// The programs that have been started, by the request that started them.
#[derive(Debug)]
pub struct Programs {
    answers: Answers,
    started: HashMap<u64, Pid>,
}

impl Programs {
    /// None yet.
    pub fn new(answers: Answers) -> Self {
        Self { answers, started: HashMap::new() }
    }

    /// Starts a program whose lines and end are told as those of request `id`; returns its number.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(&mut self, id: u64, argv: &[String]) -> Result<u32> {
        let (program, arguments) = argv.split_first().context("no program was named")?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        let pid = child.id();
        self.started.insert(id, Pid::from_child(&child));
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let readers = [
            out.map(|pipe| self.tell_lines(id, "out", pipe)),
            err.map(|pipe| self.tell_lines(id, "err", pipe)),
        ];
        let answers = self.answers.clone();
        thread::spawn(move || wait(id, child, readers.into_iter().flatten(), &answers));
        Ok(pid)
    }

    /// Sends a signal to the program of request `to`.
    ///
    /// # Errors
    /// Where there is no such program, or no such signal.
    pub fn signal(&self, to: u64, number: i32) -> Result<()> {
        let pid = self.started.get(&to);
        send(*pid.with_context(|| format!("request {to} has started no program"))?, number)
    }

    fn tell_lines(
        &self,
        id: u64,
        from: &'static str,
        pipe: impl Read + Send + 'static,
    ) -> thread::JoinHandle<()> {
        let answers = self.answers.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                answers.line(id, from, String::from_utf8_lossy(&line).into_owned());
            }
        })
    }
}

/// Sends a signal to any process, by its number.
///
/// # Errors
/// Where there is no such process, or no such signal.
pub fn signal(process: &str, number: &str) -> Result<()> {
    let named = || format!("{process:?} and {number:?} are no process and signal");
    let pid = Pid::from_raw(process.parse().with_context(named)?).with_context(named)?;
    send(pid, number.parse().with_context(named)?)
}

fn send(pid: Pid, number: i32) -> Result<()> {
    let signal = Signal::from_named_raw(number);
    let signal = signal.with_context(|| format!("there is no signal {number}"))?;
    kill_process(pid, signal).with_context(|| format!("cannot signal {pid:?}"))
}

/// Tells the end of a program, after all it has said.
fn wait(
    id: u64,
    mut child: Child,
    readers: impl Iterator<Item = thread::JoinHandle<()>>,
    answers: &Answers,
) {
    for reader in readers {
        // A reader that failed has told what it could.
        let _ = reader.join();
    }
    let status = child.wait().ok();
    let code = status.and_then(|status| status.code());
    answers.ended(id, code, status.and_then(|status| status.signal()));
}
