//! `kill -9` under traffic, and `--adopt`: the next process goes on with the rings, in its own huge
//! pages, and every frame is accounted for.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;

use super::flow;
use super::rig::{HUGETLBFS, LIMIT, PAGES, Rig};
use crate::crash::{BURST, Ledger, Random, Sums, frame, number};
use crate::guest::Program;

/// Frames that may be under way. A ring has 256 descriptors, and QEMU may die when it finds one
/// full (HW 15.3); those that a dead process had in its hands count as well until later ones come.
const WINDOW: u64 = 48;
/// The longest time between the start of a process and its end.
const LIFE: Duration = Duration::from_millis(400);
/// How long to wait for a frame before looking elsewhere.
const TURN: Duration = Duration::from_millis(1);
/// Nothing has come for this long: nothing will.
const STILL: Duration = Duration::from_millis(500);

/// Kills `kills` processes at random instants; what became of the frames.
pub fn kill(rig: &mut Rig, kills: u64, seed: u64) -> Result<Sums> {
    flow::empty(&mut rig.wires[1])?;
    let mut random = Random::new(seed);
    let mut traffic = Traffic::default();
    let mut owner = start(rig, None)?;
    for _ in 0..kills {
        traffic.pass(rig, random.time(LIFE))?;
        let from = traffic.ledger.next();
        rig.guest.signal(&owner, Signal::KILL)?;
        let pid = owner.pid;
        let ended = rig.guest.finish(owner, LIMIT)?;
        ensure!(ended.signal == Some(9), "it ended by itself: {}", ended.err());
        traffic.ledger.died(from, traffic.sent);
        // Into a ring that nobody looks at.
        traffic.pass(rig, random.time(LIFE / 4))?;
        let files = rig.guest.list(HUGETLBFS)?;
        let left = format!("etsec-eth1-{pid}");
        ensure!(files == [left.as_str()], "instead of {left} there is {files:?}");
        owner = start(rig, Some(pid))?;
    }
    traffic.drain(rig)?;
    rig.stop(owner)?;
    let files = rig.guest.list(HUGETLBFS)?;
    ensure!(files.is_empty(), "an orderly end has left {files:?}");
    ensure!(rig.free_pages()? == PAGES, "memory was not given back");
    let sums = traffic.ledger.sums(traffic.sent);
    ensure!(sums.in_hands <= kills * BURST, "{}", sums.render());
    Ok(sums)
}

/// Starts a process that has to take over from process `before`, and waits until it runs.
fn start(rig: &mut Rig, before: Option<u32>) -> Result<Program> {
    let program = rig.start("-v echo --quiet --promiscuous --adopt --device uio:eth1")?;
    let mut adoption = None;
    rig.guest.line(&program, "a running port", LIMIT, |line| {
        if line.text.contains("taken over") {
            adoption = Some(line.text.clone());
        }
        line.text.contains(": started, station address ").then_some(())
    })?;
    let wanted = match before {
        Some(pid) => format!(": taken over from process {pid}: "),
        None => ": not taken over: no process has left it".to_owned(),
    };
    let said = adoption.unwrap_or_default();
    ensure!(said.contains(&wanted), "instead of {wanted:?} it said {said:?}");
    Ok(program)
}

/// Numbered frames on the wire of eth1.
#[derive(Debug, Default)]
struct Traffic {
    ledger: Ledger,
    sent: u64,
}

impl Traffic {
    /// Sends and takes for that long.
    fn pass(&mut self, rig: &mut Rig, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            while self.sent < self.ledger.next() + WINDOW {
                if !rig.wires[1].send(&frame(self.sent))? {
                    break;
                }
                self.sent += 1;
            }
            self.take(rig)?;
        }
        Ok(())
    }

    /// Takes until nothing comes any more.
    fn drain(&mut self, rig: &mut Rig) -> Result<()> {
        let (mut out, mut moved) = (self.ledger.out(), Instant::now());
        while moved.elapsed() < STILL {
            self.take(rig)?;
            if self.ledger.out() > out {
                (out, moved) = (self.ledger.out(), Instant::now());
            }
        }
        Ok(())
    }

    fn take(&mut self, rig: &mut Rig) -> Result<()> {
        let mut limit = TURN;
        while let Some(bytes) = rig.wires[1].receive(limit)? {
            // What is not ours is the guest's, or QEMU's.
            if let Some(n) = number(bytes) {
                self.ledger.came(n);
            }
            limit = Duration::ZERO;
        }
        Ok(())
    }
}
