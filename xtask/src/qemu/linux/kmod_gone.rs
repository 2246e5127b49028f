//! A port of the project's own kernel module that is taken away from under those who have it: its
//! memory goes back to the kernel when nobody's DMA can reach it any more, and whoever has its
//! registers mapped is told.

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use super::forward;
use super::kmod::{MEMORY_BYTES, PORTS};
use super::kmod_end::{DEVICES, DRIVER, unchanged};
use super::quiet::{send, stopped};
use super::rig::{LIMIT, Rig, refusal};
use super::way::Way;
use crate::capture;
use crate::guest::Program;

/// Frames that fit into a ring nobody empties, several times.
const FEW: usize = 16;
/// Of the memory of a port this much is seen in the sum of all that is free, whatever else the
/// guest does.
const SEEN_KIB: u64 = 3 << 10;

/// One port of a pair goes away: who forwards between them ends and stops the other one.
pub fn one_of_two(rig: &mut Rig) -> Result<String> {
    let (program, [one, two]) = forward::start(rig, PORTS)?;
    rig.guest.write(&format!("{DRIVER}/unbind"), DEVICES[0])?;
    let ended = rig.guest.finish(program, LIMIT).context("after the device was removed")?;
    ensure!(ended.status == Some(1), "status {:?}: {}", ended.status, ended.err());
    let name = format!("'{}'", PORTS[0]);
    let line = refusal(&ended.err(), &[&name, "its driver in the kernel has let go of it"])?;
    let before = [rig.guest.memory(one, MEMORY_BYTES)?, rig.guest.memory(two, MEMORY_BYTES)?];
    for port in 0..2 {
        send(rig, port)?;
    }
    // What was the first one's is the kernel's now, which may do with it what it likes.
    unchanged(&before[1], &rig.guest.memory(two, MEMORY_BYTES)?)?;
    stopped(rig, PORTS[1])?;
    rig.guest.write(&format!("{DRIVER}/bind"), DEVICES[0])?;
    stopped(rig, PORTS[0])?;
    Ok(line)
}

/// One port goes away, and the process cannot react and dies, while the other one is to go on: the
/// kernel does not get the memory of the first before the second has stopped, which may have
/// buffers of it in its rings.
pub fn one_of_two_kept(rig: &mut Rig) -> Result<String> {
    Way::Module.keep(rig, true)?;
    let (program, [one, two]) = forward::start(rig, PORTS)?;
    rig.guest.signal(&program, Signal::STOP)?;
    rig.guest.write(&format!("{DRIVER}/unbind"), DEVICES[0])?;
    kill(rig, program)?;

    let before = rig.guest.memory(two, MEMORY_BYTES)?;
    for frame in capture::frames().iter().take(FEW) {
        rig.wires[1].send(frame)?;
    }
    ensure!(rig.changes(two, &before)?, "the second port does not go on");
    let before = rig.guest.memory(one, MEMORY_BYTES)?;
    send(rig, 0)?;
    unchanged(&before, &rig.guest.memory(one, MEMORY_BYTES)?)?;

    let held = free_kib(rig)?;
    Way::Module.keep(rig, false)?;
    let given = free_kib(rig)?.saturating_sub(held);
    ensure!(given >= SEEN_KIB, "{given} KiB were given back when the second port was stopped");
    stopped(rig, PORTS[1])?;
    rig.guest.write(&format!("{DRIVER}/bind"), DEVICES[0])?;
    let (program, _) = forward::start(rig, PORTS)?;
    rig.stop(program)?;
    Ok(format!("its memory was given back with the stop of the other: {given} KiB"))
}

/// Who only looks at a port that goes away reads ones, and says that it is gone.
pub fn looked_at(rig: &mut Rig) -> Result<String> {
    let device = format!("uio:{}", PORTS[1]);
    let program = rig.start(&format!("stats --json --watch 0.05 --device {device}"))?;
    rig.guest.line(&program, "counters", LIMIT, |l| l.text.contains("\"added\"").then_some(()))?;
    rig.guest.write(&format!("{DRIVER}/unbind"), DEVICES[1])?;
    let ended = rig.guest.finish(program, LIMIT).context("after the device was removed")?;
    ensure!(ended.status == Some(1), "status {:?}: {}", ended.status, ended.err());
    let line = refusal(&ended.err(), &[&device, "is gone", "its registers read all ones"])?;
    rig.guest.write(&format!("{DRIVER}/bind"), DEVICES[1])?;
    stopped(rig, PORTS[1])?;
    Ok(line)
}

fn kill(rig: &mut Rig, program: Program) -> Result<()> {
    rig.guest.signal(&program, Signal::KILL)?;
    let ended = rig.guest.finish(program, LIMIT)?;
    ensure!(ended.signal == Some(9), "it ended with {:?}, {:?}", ended.status, ended.signal);
    Ok(())
}

/// How much memory the kernel has to give.
fn free_kib(rig: &mut Rig) -> Result<u64> {
    let table = rig.guest.text("/proc/meminfo")?;
    let row = table.lines().find_map(|row| row.strip_prefix("MemFree:"));
    let free = row.and_then(|row| row.split_whitespace().next()?.parse().ok());
    free.with_context(|| format!("/proc/meminfo says {table:?}"))
}
