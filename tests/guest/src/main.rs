//! The first process of the test guest. It mounts what programs expect to find, then does what the
//! host asks for in lines of JSON, and answers in lines of JSON. It knows nothing of what is being
//! tested.
//!
//! Called as `init run-without CAPABILITY PROGRAM ARGUMENT…` it is a small tool instead: it gives
//! up the capability for good and becomes the program.

mod answer;
mod mounts;
mod programs;
mod request;
mod without;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use rustix::system::{RebootCommand, reboot};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use answer::Answers;

/// The line to the host. The kernel's console is another one, so that its messages and our answers
/// never mix.
const HOST: &str = "/dev/ttyS0";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == "run-without") {
        let error = without::run(arguments);
        eprintln!("init: {error:#}");
        return ExitCode::FAILURE;
    }
    if let Err(error) = serve() {
        eprintln!("init: {error:#}");
    }
    // An init that ends is a kernel panic, which the host would take for one.
    let error = reboot(RebootCommand::PowerOff);
    eprintln!("init: cannot power off: {error:?}");
    ExitCode::FAILURE
}

/// Does what the host asks until it asks to power off.
fn serve() -> Result<()> {
    mounts::all()?;
    let line = open_line().with_context(|| format!("the line to the host, {HOST}"))?;
    let answers = Answers::new(line.try_clone()?);
    answers.ready();
    let mut programs = programs::Programs::new(answers.clone());
    for asked in BufReader::new(line).lines() {
        let asked = asked.context("reading from the host")?;
        match request::parse(&asked) {
            Err(error) => answers.failed(None, &error),
            Ok((_, request::Action::PowerOff)) => return Ok(()),
            Ok((id, action)) => match request::act(id, action, &mut programs) {
                Ok(outcome) => answers.done(id, outcome),
                Err(error) => answers.failed(Some(id), &error),
            },
        }
    }
    bail!("the host has closed the line")
}

/// Opens the line and makes it carry bytes as they are: no echo, no editing, lines of any length.
fn open_line() -> Result<File> {
    let mut line = File::options().read(true).write(true).open(HOST)?;
    let mut mode = tcgetattr(&line)?;
    mode.make_raw();
    tcsetattr(&line, OptionalActions::Now, &mode)?;
    // What was sent before this moment may have been echoed: the host reads whole lines.
    line.write_all(b"\n")?;
    Ok(line)
}
