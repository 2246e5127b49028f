//! The ways of a packet that are measured: sent, received and dropped, sent back, forwarded. Each
//! is run by an ordinary program as a user would start it, or by the kernel alone.

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;

use super::bed::{Bed, Cost, Driver, FRAME, INTERRUPT, LIMIT, MACS, NAPS, PEER};
use super::snapshot::Snapshot;
use super::wire;
use crate::guest::{Finished, Program};

/// Frames in a burst.
pub const BURST: u64 = 32;
/// Frames before anything is counted, and those that are.
const WARM: u64 = 640;
const COUNT: u64 = 6400;
/// A sender is never idle: it is run for two lengths, and the difference is counted. Starts and
/// ends of a program differ by some hundred thousand instructions, which a packet of etsec's must
/// not feel.
const SENT: [u64; 2] = [12_800, 38_400];
const SENT_BY_ETSEC: [u64; 2] = [20_000, 180_000];
/// Picks of the walk through memory, likewise.
const PICKS: [u64; 2] = [20_000, 420_000];
/// Who sends the frames, and who is behind the second port.
const HOST: [u8; 6] = [2, 0, 0, 0, 0, 8];
const BEHIND: [u8; 6] = [2, 0, 0, 0, 0, 9];

/// A way of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// Made by a program and sent.
    Tx,
    /// Received by a program and dropped.
    Rx,
    /// Received by a program and sent back.
    Echo,
    /// From one port to the other.
    Forward,
}

impl Path {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tx, Self::Rx, Self::Echo, Self::Forward];

    /// Of how many packets of etsec's the counts are.
    pub fn packets(self) -> u64 {
        if self == Self::Tx { SENT_BY_ETSEC[1] - SENT_BY_ETSEC[0] } else { COUNT }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tx => "tx",
            Self::Rx => "rx",
            Self::Echo => "echo",
            Self::Forward => "forward",
        }
    }
}

/// What a packet of `size` bytes costs on a way, and what was executed for all of them.
///
/// # Errors
/// Frames are lost, the guest does not come to rest; Ctrl-C.
pub fn measure(bed: &mut Bed, path: Path, size: u64) -> Result<(Cost, Snapshot)> {
    let measured = match path {
        Path::Tx => sent(bed, size),
        _ => received(bed, path, size),
    };
    measured.with_context(|| format!("{} of {size} bytes by {:?}", path.name(), bed.driver))
}

/// What touching a buffer somewhere in 16 MiB costs, in pages of `mib` MiB; 0: in ordinary ones.
///
/// # Errors
/// The guest has no such pages; Ctrl-C.
pub fn walk(bed: &mut Bed, mib: u32) -> Result<Cost> {
    let (cost, _) = of_two_lengths(bed, PICKS, |bed, picks| {
        let (mib, picks) = (mib.to_string(), picks.to_string());
        succeeded(bed.guest.run(&[PEER, "walk", &mib, &picks])?).map(drop)
    })?;
    Ok(cost)
}

fn sent(bed: &mut Bed, size: u64) -> Result<(Cost, Snapshot)> {
    let size = size.to_string();
    let lengths = if bed.driver == Driver::Etsec { SENT_BY_ETSEC } else { SENT };
    of_two_lengths(bed, lengths, |bed, count| {
        let number = count.to_string();
        if bed.driver != Driver::Etsec {
            return succeeded(bed.guest.run(&[PEER, "send", "eth0", &size, &number])?).map(drop);
        }
        let words = ["send", "--device", "uio:eth0", "--size", &size, "--count", &number];
        let said = succeeded(bed.guest.run(&[&ETSEC[..], &words, &LAZY].concat())?)?;
        ensure!(counted(&said, 0, "tx")? == count, "not all frames were sent: {}", said.out());
        Ok(())
    })
}

/// What each of the things cost that one run has more than another.
fn of_two_lengths(
    bed: &mut Bed,
    lengths: [u64; 2],
    run: impl Fn(&mut Bed, u64) -> Result<()>,
) -> Result<(Cost, Snapshot)> {
    let [short, long] = lengths;
    // What is only done the first time is of no interest.
    run(bed, short)?;
    let before = bed.rest()?;
    run(bed, short)?;
    let between = bed.rest()?;
    run(bed, long)?;
    let short_run = between.since(&before);
    let long_run = bed.rest()?.since(&between);
    let cost = bed.cost(&long_run).more_than(bed.cost(&short_run), long - short);
    Ok((cost, long_run.since(&short_run)))
}

fn received(bed: &mut Bed, path: Path, size: u64) -> Result<(Cost, Snapshot)> {
    let program = start(bed, path)?;
    let to = if path == Path::Forward { BEHIND } else { MACS[0] };
    if path == Path::Forward {
        // A bridge learns from this one who is where.
        let hello = wire::burst(1, 60, [0xFF; 6], BEHIND);
        bed.wires[1].send(&hello)?;
        bed.rest()?;
    }
    let burst = wire::burst(BURST as usize, size as usize, to, HOST);
    feed(bed, path, &burst, WARM)?;
    let before = bed.rest()?;
    feed(bed, path, &burst, COUNT)?;
    let counts = bed.rest()?.since(&before);
    if let Some(program) = program {
        stop(bed, path, program)?;
    }
    let cost = bed.cost(&counts).more_than(Cost::default(), COUNT);
    let bursts = cost.interrupts * BURST as f64;
    ensure!(bursts > 0.95, "bursts ran together: {bursts:.2} interrupts for each");
    Ok((cost, counts))
}

/// The command of ours, and how it is to speak.
const ETSEC: [&str; 4] = ["/bin/etsec", "--quiet", "--json", "-v"];
/// And when it is to look after its ports.
const LAZY: [&str; 2] = ["--config", NAPS];

/// Starts what moves the frames, and waits until it is ready; none where the kernel does it.
fn start(bed: &mut Bed, path: Path) -> Result<Option<Program>> {
    if bed.driver == Driver::Etsec {
        let (words, ports): (&[&str], _) = match path {
            Path::Echo => (&["echo", "--device", "uio:eth0"], 1),
            Path::Forward => (&["forward", "uio:eth0", "uio:eth1"], 2),
            Path::Rx | Path::Tx => (&["receive", "--device", "uio:eth0"], 1),
        };
        let program = bed.guest.start(&[&ETSEC[..], words, &LAZY].concat())?;
        let mut started = 0;
        bed.guest.line(&program, "a running port", LIMIT, |line| {
            started += u32::from(line.text.contains(": started, station address "));
            (started == ports).then_some(())
        })?;
        return Ok(Some(program));
    }
    if path == Path::Forward {
        succeeded(bed.guest.run(&[PEER, "bridge", "eth0", "eth1"])?)?;
        // A port of a bridge forwards after a moment.
        std::thread::sleep(std::time::Duration::from_secs(1));
        return Ok(None);
    }
    let word = if path == Path::Echo { "echo" } else { "receive" };
    let program = bed.guest.start(&[PEER, word, "eth0"])?;
    bed.guest
        .line(&program, "a running program", LIMIT, |line| (line.text == "ready").then_some(()))?;
    Ok(Some(program))
}

/// Ends the program; ours has to have seen every frame.
fn stop(bed: &mut Bed, path: Path, program: Program) -> Result<()> {
    if bed.driver != Driver::Etsec {
        bed.guest.signal(&program, Signal::KILL)?;
        return bed.guest.finish(program, LIMIT).map(drop);
    }
    bed.guest.signal(&program, Signal::INT)?;
    let said = succeeded(bed.guest.finish(program, LIMIT)?)?;
    let (port, direction) = match path {
        Path::Forward => (1, "tx"),
        Path::Echo => (0, "tx"),
        Path::Rx | Path::Tx => (0, "rx"),
    };
    let frames = counted(&said, port, direction)?;
    ensure!(frames == WARM + COUNT, "{frames} of {} frames: {}", WARM + COUNT, said.out());
    Ok(())
}

/// Sends frames, burst by burst: the next one when the guest has slept after it has taken the one
/// before, and what is to come back has come.
fn feed(bed: &mut Bed, path: Path, burst: &[u8], count: u64) -> Result<()> {
    let back = match path {
        Path::Echo => Some(0),
        Path::Forward => Some(1),
        Path::Rx | Path::Tx => None,
    };
    for _ in 0..count / BURST {
        let came = |bed: &Bed| back.map_or(0, |n| bed.wires[n].came());
        let wanted = came(bed) + if back.is_some() { BURST } else { 0 };
        let (interrupts, frames) = (bed.counter.seen(INTERRUPT)?, bed.counter.seen(FRAME)?);
        bed.wires[0].send(burst)?;
        let kernel = bed.driver != Driver::Etsec;
        let done = bed.counter.until(LIMIT, || {
            let taken = if kernel {
                bed.counter.seen(FRAME)? >= frames + BURST
            } else {
                bed.counter.seen(INTERRUPT)? > interrupts
            };
            Ok(taken && came(bed) >= wanted)
        })?;
        ensure!(done, "a burst did not come through: {} of {wanted} frames", came(bed));
    }
    Ok(())
}

fn succeeded(finished: Finished) -> Result<Finished> {
    let (status, said) = (finished.status, finished.err());
    ensure!(status == Some(0), "status {status:?}: {said}");
    Ok(finished)
}

/// Frames that a port has counted in one direction.
fn counted(said: &Finished, port: usize, direction: &str) -> Result<u64> {
    let values = said.values();
    let counters = values.iter().rfind(|value| value["event"] == "counters");
    match counters.and_then(|counters| counters["ports"][port][direction]["frames"].as_u64()) {
        Some(frames) => Ok(frames),
        None => bail!("no counters at the end: {}", said.out()),
    }
}
