//! Deaths on this machine: `etsec echo --adopt` on an `etsec-simd`, which goes on with its rings
//! and its memory whatever becomes of the process. It judges nothing but that each process was the
//! heir of the one before.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::ledger::Sums;
use super::random::Random;
use super::traffic::Traffic;
use crate::interrupt;
use crate::log::Log;
use crate::run::{self, Group, POLL};
use crate::session::Session;

/// The longest life of a process from its start on, its beginnings in which it takes over included.
const LIFE: Duration = Duration::from_millis(60);
/// How long a program may take to start or to stop, and the last frames to come back.
const LIMIT: Duration = Duration::from_secs(60);
/// Nothing has come back for this long: nothing will.
const STILL: Duration = Duration::from_secs(10);

/// Kills `kills` processes at random instants; what became of the frames.
///
/// # Errors
/// Ctrl-C; a program that does not start or end as it should; a port that was not taken over.
pub fn run(session: &mut Session, log: &mut Log, kills: u64, seed: u64) -> Result<Sums> {
    let programs = build(session, log)?;
    let bed = Bed::start(session, programs)?;
    let mut random = Random::new(seed);
    let mut owner = Owner::start(&bed, Beginning::First)?;
    owner.runs()?;
    let traffic = Traffic::start(&bed.wire)?;
    session.progress.start(&format!("{kills} kills"));
    for n in 0..kills {
        interrupt::check()?;
        session.progress.tick(|| format!("{n} kills, {} frames came back", traffic.out()));
        std::thread::sleep(random.time(LIFE));
        let from = traffic.next();
        owner.kill()?;
        // More than that it cannot have had.
        traffic.died(from, traffic.sent());
        owner = Owner::start(&bed, Beginning::Heir)?;
        // Every second one may die before it runs.
        if random.below(2) == 0 {
            owner.runs()?;
        }
    }
    owner.runs()?;
    traffic.stop_sending();
    let accepted = settled(&bed, &traffic)?;
    owner.end()?;
    bed.end()?;
    let ledger = traffic.finish()?;
    session.progress.finish();
    Ok(ledger.sums(accepted))
}

/// Waits until the last frame has come back, for rings keep the order, or nothing does any more;
/// how many frames the hardware has counted.
fn settled(bed: &Bed, traffic: &Traffic) -> Result<u64> {
    let started = Instant::now();
    let (mut out, mut moved) = (traffic.out(), Instant::now());
    loop {
        interrupt::check()?;
        std::thread::sleep(POLL);
        if traffic.out() > out {
            (out, moved) = (traffic.out(), Instant::now());
        }
        if traffic.next() == traffic.sent() || moved.elapsed() >= STILL {
            let accepted = bed.accepted()?;
            if accepted == traffic.sent() {
                return Ok(accepted);
            }
        }
        ensure!(
            started.elapsed() < LIMIT,
            "{} frames were sent, and {} accepted",
            traffic.sent(),
            bed.accepted()?
        );
    }
}

/// Builds the programs; where they are.
fn build(session: &mut Session, log: &mut Log) -> Result<PathBuf> {
    let cargo = session.cargo("build --release --package etsec-linux --features cli --bins");
    if !run::logged(cargo, log, &mut session.progress)?.success() {
        bail!("etsec does not build, see {}", log.path().display());
    }
    Ok(session.target.join("release"))
}

/// The simulator, and where everything is.
struct Bed {
    simd: Group,
    programs: PathBuf,
    device: String,
    wire: PathBuf,
    // Last: sockets are in it.
    _folder: TempDir,
}

impl Bed {
    fn start(session: &Session, programs: PathBuf) -> Result<Self> {
        // Names of sockets are short.
        let folder = tempfile::tempdir()?;
        let (socket, wire) = (folder.path().join("simd"), folder.path().join("wire"));
        let mut command = run::tied(programs.join("etsec-simd"));
        command.arg(&socket).arg("--wire").arg(format!("socket:{}", wire.display()));
        let said = std::fs::File::create(session.target.join("xtask/crash-simd.log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(said);
        let mut simd = Group::start(&mut command)?;
        let lines = simd.child().stdout.take().context("etsec-simd has no output")?;
        let mut first = String::new();
        BufReader::new(lines).read_line(&mut first)?;
        ensure!(first.contains("drivers may name"), "etsec-simd did not start");
        let device = format!("sim:{}", socket.display());
        Ok(Self { simd, programs, device, wire, _folder: folder })
    }

    fn etsec(&self) -> Command {
        let mut command = run::tied(self.programs.join("etsec"));
        command.stdin(Stdio::null());
        command
    }

    /// How many frames the hardware has accepted, by its own count.
    fn accepted(&self) -> Result<u64> {
        let mut command = self.etsec();
        command.args(["--json", "stats", "--device", &self.device]);
        let output = command.output().context("cannot start etsec stats")?;
        let said: Value = serde_json::from_slice(&output.stdout).context("etsec stats")?;
        said["counters"]["RPKT"].as_u64().context("etsec stats says no RPKT")
    }

    /// Asks the simulator to end; it fails if a driver did what the device does not allow.
    fn end(mut self) -> Result<()> {
        self.simd.signal(Signal::TERM);
        let ended = self.simd.wait(Some(LIMIT), || ())?;
        ensure!(ended.success(), "etsec-simd: {ended:?}; see target/xtask/crash-simd.log");
        Ok(())
    }
}

/// Whether somebody has had the port before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    First,
    Heir,
}

/// A process that has the port.
struct Owner {
    group: Group,
    said: Receiver<String>,
    seen: Vec<String>,
    beginning: Beginning,
}

impl Owner {
    fn start(bed: &Bed, beginning: Beginning) -> Result<Self> {
        let mut command = bed.etsec();
        command.args(["-v", "--quiet", "echo", "--adopt", "--device", &bed.device]);
        command.args(["--mac", "02:00:00:00:00:02"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut group = Group::start(&mut command)?;
        let lines = group.child().stderr.take().context("etsec has no standard error")?;
        let (sender, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { group, said, seen: Vec::new(), beginning })
    }

    /// Waits until it runs.
    fn runs(&mut self) -> Result<()> {
        let started = Instant::now();
        while !self.seen.iter().any(|line| line.contains(": started")) {
            interrupt::check()?;
            match self.said.recv_timeout(POLL) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("etsec ended: {:?}", self.seen),
            }
            ensure!(started.elapsed() < LIMIT, "etsec does not start: {:?}", self.seen);
        }
        self.is_heir()
    }

    /// Whether it has taken the port over, as far as it has said anything of that.
    fn is_heir(&self) -> Result<()> {
        let mut refusals = self.seen.iter().filter(|line| line.contains("not taken over"));
        match (self.beginning, refusals.next()) {
            (Beginning::Heir, Some(line)) => bail!("{line}"),
            _ => Ok(()),
        }
    }

    /// Kills it, and sees that it had not ended by itself.
    fn kill(mut self) -> Result<()> {
        let ended = self.group.try_wait()?;
        self.group.signal(Signal::KILL);
        self.group.wait(Some(LIMIT), || ())?;
        self.seen.extend(self.said.iter());
        ensure!(ended.is_none(), "etsec ended by itself: {:?}", self.seen);
        self.is_heir()
    }

    /// Ends it orderly.
    fn end(mut self) -> Result<()> {
        self.group.signal(Signal::INT);
        let ended = self.group.wait(Some(LIMIT), || ())?;
        ensure!(ended.success(), "etsec: {ended:?}: {:?}", self.said.iter().collect::<Vec<_>>());
        Ok(())
    }
}
