//! `kill -9` under traffic, and `--adopt`: the next process goes on with the rings, in the memory
//! of the dead one, and every frame is accounted for.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::numbered::Numbered;
use super::rig::{LIMIT, Rig};
use super::way::Way;
use crate::crash::{BURST, Random, Sums};
use crate::guest::Program;

/// Kills in a scenario, and the seed of their instants.
const FEW: u64 = 5;
const SEED: u64 = 1;
/// The longest time between the start of a process and its end.
const LIFE: Duration = Duration::from_millis(400);

/// Three of four die within so many instructions of their program: a look at a ring that finds as
/// much as it can, and all that comes of it, are some thousand. At any other moment a process
/// hardly ever has a frame in its hands: it sleeps, or QEMU sends what it has been told to send,
/// and nobody can be killed meanwhile.
const STEPS: u64 = 8000;

/// A few kills over huge pages.
pub fn huge_pages(rig: &mut Rig) -> Result<String> {
    few(rig, Way::HugePages)
}

/// The same over the module.
pub fn module(rig: &mut Rig) -> Result<String> {
    few(rig, Way::Module)
}

fn few(rig: &mut Rig, way: Way) -> Result<String> {
    let sums = kill(rig, way, FEW, SEED)?;
    ensure!(sums.ok(), "{}", sums.render());
    Ok(format!("{}; {}", sums.render(), sums.met()))
}

/// Kills `kills` processes at random instants; what became of the frames.
pub fn kill(rig: &mut Rig, way: Way, kills: u64, seed: u64) -> Result<Sums> {
    way.keep(rig, true)?;
    let mut random = Random::new(seed);
    let mut owner = start(rig, way, None)?;
    let traffic = Numbered::start(rig)?;
    for _ in 0..kills {
        std::thread::sleep(random.time(LIFE));
        let from = traffic.next();
        match random.below(4) {
            0 => rig.kill_from_beside(owner.pid)?,
            _ => rig.kill_after(owner.pid, random.below(STEPS))?,
        }
        let pid = owner.pid;
        let ended = rig.guest.finish(owner, LIMIT)?;
        ensure!(ended.signal == Some(9), "it ended by itself: {}", ended.err());
        traffic.died(from);
        // Into a ring that nobody looks at.
        std::thread::sleep(random.time(LIFE / 4));
        way.has_left(rig, pid)?;
        owner = start(rig, way, Some(pid))?;
    }
    let sums = traffic.finish()?;
    rig.stop(owner)?;
    way.has_ended(rig)?;
    way.keep(rig, false)?;
    ensure!(sums.in_hands <= kills * BURST, "{}", sums.render());
    Ok(sums)
}

/// Starts a process that has to take over from process `before`, and waits until it runs.
fn start(rig: &mut Rig, way: Way, before: Option<u32>) -> Result<Program> {
    let arguments = format!("-v echo --quiet --promiscuous --adopt --device {}", way.device());
    let program = rig.start(&arguments)?;
    let mut adoption = None;
    rig.guest.line(&program, "a running port", LIMIT, |line| {
        if line.text.contains("taken over") {
            adoption = Some(line.text.clone());
        }
        line.text.contains(": started, station address ").then_some(())
    })?;
    let wanted = match before {
        Some(pid) => way.heir_of(pid),
        None => ": not taken over: no process has left it".to_owned(),
    };
    let said = adoption.unwrap_or_default();
    ensure!(said.contains(&wanted), "instead of {wanted:?} it said {said:?}");
    Ok(program)
}
