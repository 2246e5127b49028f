//! `etsec supervise`: a command that owns devices is started again when it dies, and its devices
//! are stopped if it is not to come back. The memory stays where it is all the while: in files that
//! outlive a process, or with the simulator. So the next one can adopt what the last one has left.

mod backoff;
mod child;
mod devices;
mod hearing;
mod manager;
mod stopping;

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use etsec_linux::Roots;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use serde::Serialize;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

use self::backoff::Backoff;
use self::child::{Child, in_words};
use self::hearing::Hearing;
use self::manager::{Held, Manager};
use crate::args::Supervise;
use crate::run::{Context, Usage};
use crate::signals::ONE_WISH;

/// The status of a command whose words were wrong: to say them again does not help.
const USAGE: i32 = 2;
/// The longest wait, for what no signal and no message tells.
const SLICE: Duration = Duration::from_secs(1);
/// The same while something is about to happen that no signal tells.
const SOON: Duration = Duration::from_millis(20);
/// How long a command that is watched may take to say its first word: one that waits for its link,
/// for example.
const BEGINNING: Duration = Duration::from_secs(30);

/// Runs the command.
pub fn run(args: &Supervise, context: &Context) -> Result<()> {
    // Whatever comes, the devices are to be stopped at the end.
    context.stop.outlive_signals();
    let roots = Roots::default();
    devices::check(&roots, &args.devices)?;
    let held = Held::open(&roots, &args.devices)?;
    context.stop.also_on_hangup().context("cannot catch signals")?;
    let mut supervisor = Supervisor {
        args,
        context,
        hearing: Hearing::open(&roots)?,
        wakes: woken_by(&[SIGCHLD]).context("cannot catch signals")?,
        wishes: woken_by(&[SIGHUP, SIGINT, SIGTERM]).context("cannot catch signals")?,
        manager: Manager::begin(&held),
        starts: 0,
    };
    let ended = supervisor.supervise();
    supervisor.manager.end();
    let stopped = stopping::stop_all(&args.devices, &roots);
    // Of two failures the first is the result, and the other has to be known as well.
    if let (Err(_), Err(error)) = (&ended, &stopped) {
        log::error!("{error:#}");
    }
    let starts = supervisor.starts;
    let told = context.out.show(&Told { event: "supervised", starts }, |told| {
        format!("started {}", times(told.starts))
    });
    ended.and(stopped).and(told)
}

/// How often, in words.
fn times(count: u32) -> String {
    format!("{count} {}", if count == 1 { "time" } else { "times" })
}

/// What is told at the end.
#[derive(Debug, Serialize)]
struct Told {
    event: &'static str,
    /// How often the command was started.
    starts: u32,
}

/// What becomes readable with each of these signals.
fn woken_by(signals: &[i32]) -> std::io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    for &signal in signals {
        signal_hook::low_level::pipe::register(signal, theirs.try_clone()?)?;
    }
    Ok(ours)
}

/// Takes all that is there to be read; returns whether there was anything.
fn drain(mut stream: &UnixStream) -> bool {
    let (mut bytes, mut any) = ([0; 64], false);
    while stream.read(&mut bytes).is_ok_and(|count| count > 0) {
        any = true;
    }
    any
}

struct Supervisor<'a> {
    args: &'a Supervise,
    context: &'a Context,
    hearing: Hearing,
    /// Readable when a child has ended.
    wakes: UnixStream,
    /// Readable when the user has asked for the end, and each time again.
    wishes: UnixStream,
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

impl End {
    /// Why the command is to be started again; `None` if it is not.
    fn why(self, limit: Option<Duration>) -> Result<Option<String>> {
        match self {
            End::Asked(status) if status.success() => Ok(None),
            // It had not come to catch that yet.
            End::Asked(status) if status.signal() == Some(SIGTERM) => Ok(None),
            End::Asked(status) => bail!("asked to end, the command {}", in_words(status)),
            End::Own(status) if status.success() => Ok(None),
            End::Own(status) if status.code() == Some(USAGE) => {
                bail!(Usage(format!("the command {}", in_words(status))))
            }
            End::Own(status) => Ok(Some(format!("the command {}", in_words(status)))),
            End::Silent => {
                let limit = limit.unwrap_or_default();
                Ok(Some(format!("the command has said nothing for {limit:?} and was killed")))
            }
        }
    }
}

impl Supervisor<'_> {
    /// Starts the command until there is no reason to.
    fn supervise(&mut self) -> Result<()> {
        let Supervise { pause, longest_pause, restarts, .. } = *self.args;
        let mut backoff = Backoff::new(pause, longest_pause, restarts);
        while !self.context.stop.asked() {
            // What the last one has said is not the next one's.
            self.hearing.take();
            let (why, ran) =
                match Child::start(&self.args.command, self.hearing.path(), self.limit()) {
                    Ok(mut child) => {
                        self.starts += 1;
                        self.tell_running(child.id());
                        match self.watch(&mut child)?.why(self.limit())? {
                            Some(why) => (why, child.age()),
                            None => return Ok(()),
                        }
                    }
                    // A machine may be short of something for a moment; at first it is a mistake.
                    Err(error) if self.starts > 0 => (format!("{error:#}"), Duration::ZERO),
                    Err(error) => return Err(error),
                };
            let Some(pause) = backoff.pause_after(ran) else {
                bail!("{why}, and was started again {} for nothing", times(restarts))
            };
            let next = format!("{why}; it is started again in {pause:?}");
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
        let mut limit = self.limit().map(|limit| limit.max(BEGINNING));
        let mut asked: Option<Instant> = None;
        let (mut silent, mut overdue) = (false, false);
        loop {
            let now = Instant::now();
            let again = drain(&self.wishes);
            overdue |= asked.is_some_and(|at| {
                let waited = now - at;
                waited >= self.args.grace || again && waited >= ONE_WISH
            });
            if let Some(status) = child.ended(asked.is_some() && !overdue)? {
                return Ok(match asked {
                    Some(_) => End::Asked(status),
                    None if silent => End::Silent,
                    None => End::Own(status),
                });
            }
            let words = self.hearing.take();
            if words.ready {
                log::info!("the command is ready");
                self.manager.ready();
            }
            if words.ready || words.alive {
                (heard, limit) = (now, self.limit());
            }
            if self.context.stop.asked() && asked.is_none() {
                asked = Some(now);
                child.signal(Signal::TERM);
            }
            // An orderly end has its own time.
            silent |= asked.is_none() && limit.is_some_and(|limit| now - heard >= limit);
            if silent || overdue {
                child.signal(Signal::KILL);
            }
            self.manager.alive(now);
            self.wait(if child.lingers() { SOON } else { self.slice() });
        }
    }

    /// Sleeps until something happens, `limit` at most.
    fn wait(&mut self, limit: Duration) {
        let mut files = [
            PollFd::new(&self.wakes, PollFlags::IN),
            PollFd::new(&self.wishes, PollFlags::IN),
            PollFd::new(&self.hearing, PollFlags::IN),
        ];
        let limit = Timespec::try_from(limit).ok();
        // Ready, interrupted or neither: everything is looked at afterwards.
        let _ = poll(&mut files, limit.as_ref());
        drain(&self.wakes);
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
