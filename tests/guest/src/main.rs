//! The first process of the test guest. It mounts what programs expect to find, then does what the
//! host asks for in lines of JSON, and answers in lines of JSON. It knows nothing of what is being
//! tested.
//!
//! Called with arguments it is a small tool instead: `run-without CAPABILITY PROGRAM ARGUMENT…`
//! gives up the capability for good and becomes the program; `counts DEVICE TIMES` reads a device
//! that blocks, and prints what comes; `signal PROCESS NUMBER` signals a process that another one
//! has started, and `die-after PROCESS STEPS` kills one after so many of its instructions.

mod address;
mod answer;
mod counts;
mod death;
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
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // The kernel hands what it does not understand of its command line to its first process.
    if std::process::id() != 1 {
        return match tool(&words) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("init: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    if let Err(error) = serve() {
        eprintln!("init: {error:#}");
    }
    // An init that ends is a kernel panic, which the host would take for one.
    let error = reboot(RebootCommand::PowerOff);
    eprintln!("init: cannot power off: {error:?}");
    ExitCode::FAILURE
}

/// Does what one program in the guest is to do.
fn tool(words: &[&str]) -> Result<()> {
    match words {
        ["run-without", capability, program, arguments @ ..] => {
            Err(without::run(capability, program, arguments))
        }
        ["counts", device, times] => counts::run(device, times),
        ["signal", process, number] => programs::signal(process, number),
        ["die-after", process, steps] => death::run(process, steps),
        _ => bail!("{words:?} is nothing that can be done here"),
    }
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
