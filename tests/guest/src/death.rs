//! The death of a process after so many steps of its own: each instruction of its program is as
//! likely to be its last as any other, however little of the time it takes.

use anyhow::{Context, Result, bail};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

/// Lets `process` do `steps` instructions more, and kills it.
pub fn run(process: &str, steps: &str) -> Result<()> {
    let named = || format!("{process:?} and {steps:?} are no process and number of steps");
    let pid = Pid::from_raw(process.parse().with_context(named)?);
    let steps: u32 = steps.parse().with_context(named)?;
    ptrace::attach(pid).with_context(|| format!("cannot attach to {process}"))?;
    stopped(pid)?;
    for _ in 0..steps {
        ptrace::step(pid, None).context("cannot let it step")?;
        stopped(pid)?;
    }
    kill(pid, Signal::SIGKILL).context("cannot kill it")
}

fn stopped(pid: Pid) -> Result<()> {
    match waitpid(pid, None).context("cannot wait for it")? {
        WaitStatus::Stopped(..) => Ok(()),
        other => bail!("it has not stopped: {other:?}"),
    }
}
