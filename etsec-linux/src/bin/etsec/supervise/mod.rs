//! `etsec supervise`: a command that owns devices is started again when it dies, and its devices
//! are stopped if it is not to come back. The memory stays where it is all the while: in files that
//! outlive a process, or with the simulator. So the next one can adopt what the last one has left.

mod backoff;
mod child;
mod hearing;
mod manager;

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use etsec_linux::{Error, Roots, Spec, reclaim};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use serde::Serialize;
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};

use self::backoff::Backoff;
use self::child::{Child, in_words};
use self::hearing::Hearing;
use self::manager::{Held, Manager};
use crate::args::Supervise;
use crate::run::{Context, Usage};

/// The status of a command whose words were wrong: to say them again does not help.
const USAGE: i32 = 2;
/// The longest wait, for what no signal and no message tells.
const SLICE: Duration = Duration::from_secs(1);

/// Runs the command.
pub fn run(args: &Supervise, context: &Context) -> Result<()> {
    let roots = Roots::default();
    let held = Held::open(&roots, &args.devices)?;
    let mut supervisor = Supervisor {
        args,
        context,
        hearing: Hearing::open(&roots)?,
        wakes: wakes().context("cannot catch signals")?,
        manager: Manager::begin(&held),
        starts: 0,
    };
    let ended = supervisor.supervise();
    supervisor.manager.end();
    let stopped = stop_all(args, &roots);
    let starts = supervisor.starts;
    let told = context.out.show(&Told { event: "supervised", starts }, |told| {
        format!("started {} {}", told.starts, if told.starts == 1 { "time" } else { "times" })
    });
    ended.and(stopped).and(told)
}

/// What is told at the end.
#[derive(Debug, Serialize)]
struct Told {
    event: &'static str,
    /// How often the command was started.
    starts: u32,
}

/// What becomes readable when a child has ended or the user wants to end.
fn wakes() -> std::io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    for signal in [SIGCHLD, SIGINT, SIGTERM] {
        signal_hook::low_level::pipe::register(signal, theirs.try_clone()?)?;
    }
    Ok(ours)
}

struct Supervisor<'a> {
    args: &'a Supervise,
    context: &'a Context,
    hearing: Hearing,
    wakes: UnixStream,
    manager: Manager,
    starts: u32,
}

/// Why a command does not run any more.
enum End {
    /// By itself.
    Own(ExitStatus),
    /// It said nothing for too long, and was killed.
    Silent,
    /// The user asked for it.
    Asked(ExitStatus),
}

impl Supervisor<'_> {
    /// Starts the command until there is no reason to.
    fn supervise(&mut self) -> Result<()> {
        let Supervise { pause, longest_pause, restarts, .. } = *self.args;
        let mut backoff = Backoff::new(pause, longest_pause, restarts);
        while !self.context.stop.asked() {
            // What the last one has said is not the next one's.
            self.hearing.take();
            let mut child = Child::start(&self.args.command, self.hearing.path(), self.limit())?;
            self.starts += 1;
            self.tell_running(child.id());
            let why = match self.watch(&mut child)? {
                End::Asked(status) if status.success() => return Ok(()),
                End::Asked(status) => bail!("asked to end, the command {}", in_words(status)),
                End::Own(status) if status.success() => return Ok(()),
                End::Own(status) if status.code() == Some(USAGE) => {
                    bail!(Usage(format!("the command {}", in_words(status))))
                }
                End::Own(status) => in_words(status),
                End::Silent => format!(
                    "has said nothing for {:?} and was killed",
                    self.limit().unwrap_or_default()
                ),
            };
            let Some(pause) = backoff.pause_after(child.age()) else {
                bail!("the command {why}, and was started again {restarts} times for nothing")
            };
            let next = format!("the command {why}; it is started again in {pause:?}");
            log::warn!("{next}");
            self.manager.status(&next);
            self.sleep(pause);
        }
        Ok(())
    }

    fn tell_running(&self, id: u32) {
        let again = self.starts - 1;
        log::info!("the command runs as process {id} (new starts: {again})");
        self.manager.status(&format!("process {id}, new starts: {again}"));
    }

    /// How long a command may say nothing.
    fn limit(&self) -> Option<Duration> {
        self.args.watchdog
    }

    /// The longest wait that is late for nobody.
    fn slice(&self) -> Duration {
        let ours = self.manager.every().unwrap_or(SLICE);
        SLICE.min(self.limit().unwrap_or(SLICE)).min(ours)
    }

    /// Waits for its end.
    fn watch(&mut self, child: &mut Child) -> Result<End> {
        let mut heard = Instant::now();
        let mut asked: Option<Instant> = None;
        let mut silent = false;
        loop {
            if let Some(status) = child.ended()? {
                return Ok(match asked {
                    Some(_) => End::Asked(status),
                    None if silent => End::Silent,
                    None => End::Own(status),
                });
            }
            let now = Instant::now();
            let words = self.hearing.take();
            if words.ready {
                self.manager.ready();
            }
            if words.ready || words.alive {
                heard = now;
            }
            if self.context.stop.asked() && asked.is_none() {
                asked = Some(now);
                child.signal(Signal::TERM);
            }
            let late = |since: Option<Instant>, limit| since.is_some_and(|at| now - at >= limit);
            silent |= self.limit().is_some_and(|limit| late(Some(heard), limit));
            if silent || late(asked, self.args.grace) {
                child.signal(Signal::KILL);
            }
            self.manager.alive(now);
            self.wait(self.slice());
        }
    }

    /// Sleeps until something happens, `limit` at most.
    fn wait(&mut self, limit: Duration) {
        let mut files =
            [PollFd::new(&self.wakes, PollFlags::IN), PollFd::new(&self.hearing, PollFlags::IN)];
        let limit = Timespec::try_from(limit).ok();
        // Ready, interrupted or neither: everything is looked at afterwards.
        let _ = poll(&mut files, limit.as_ref());
        let mut bytes = [0; 64];
        while (&self.wakes).read(&mut bytes).is_ok_and(|count| count > 0) {}
    }

    /// Sleeps for as long as the user does not want to end.
    fn sleep(&mut self, pause: Duration) {
        let start = Instant::now();
        while !self.context.stop.asked() {
            let now = Instant::now();
            let left = pause.saturating_sub(now - start);
            if left.is_zero() {
                return;
            }
            self.manager.alive(now);
            self.wait(left.min(self.slice()));
            self.hearing.take();
        }
    }
}

/// Stops the devices, which a dead command has left as they were, and frees its memory. One that
/// another process owns by now is that one's; one that was simulated by the command died with it.
fn stop_all(args: &Supervise, roots: &Roots) -> Result<()> {
    let mut result = Ok(());
    for device in args.devices.iter().filter(|device| !matches!(device.spec, Spec::Sim(_))) {
        match reclaim::free(roots, &device.to_string()) {
            Ok(()) => {}
            Err(error @ Error::Busy { .. }) => log::warn!("{device} is left as it is: {error}"),
            Err(error) => {
                let error = anyhow::Error::new(error).context(format!("{device} may still run"));
                result = result.and(Err(error));
            }
        }
    }
    result
}
