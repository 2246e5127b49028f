//! `etsec forward` between eth0 and eth1: frames of every size, in both directions at once.

use anyhow::{Context, Result, bail, ensure};

use super::flow::{self, Flow};
use super::rig::{LIMIT, Rig, memory_address};
use crate::capture;
use crate::guest::Program;

/// The ports as the device tree calls them.
pub const PORTS: [&str; 2] = ["eth0", "eth1"];
/// Frames that pass before anything else is done.
const FEW: usize = 60;

/// What goes in at one port comes out at the other, once, unchanged, in order.
pub fn both_ways(rig: &mut Rig) -> Result<String> {
    let (program, _) = start(rig, PORTS)?;
    let sent = capture::frames();
    let [there, back] = exchange(rig, &sent)?;
    rig.stop(program)?;
    flow::same(&sent, &there.came).context("eth0 to eth1")?;
    flow::same(&sent, &back.came).context("eth1 to eth0")?;
    Ok(format!("{0}/{0} frames of 60 to 1514 bytes identical, each way", sent.len()))
}

/// Starts a process that forwards between these ports, and has some frames go each way; where the
/// ports' memory is.
pub fn start(rig: &mut Rig, [one, two]: [&str; 2]) -> Result<(Program, [u64; 2])> {
    let program = rig.start(&format!("-v forward --quiet --json uio:{one} uio:{two}"))?;
    let (mut places, mut started) = (Vec::new(), 0);
    rig.guest.line(&program, "two running ports", LIMIT, |line| {
        places.extend(memory_address(&line.text));
        started += u32::from(line.text.contains(": started, station address "));
        (started == 2).then_some(())
    })?;
    let places = places.try_into().ok().context("etsec did not say where its memory is")?;
    let [there, back] = exchange(rig, &capture::frames()[..FEW])?;
    ensure!(there.came.len() == FEW && back.came.len() == FEW, "more came than were sent");
    Ok((program, places))
}

/// Sends the frames in at both ends, and returns what came out of the second and of the first.
fn exchange(rig: &mut Rig, sent: &[Vec<u8>]) -> Result<[Flow; 2]> {
    let [first, second] = &mut rig.wires[..] else { bail!("two wires are wanted") };
    flow::empty(first)?;
    flow::empty(second)?;
    let (mut there, mut back) = (Flow::default(), Flow::default());
    flow::until(2 * sent.len(), || {
        there.feed(first, sent)?;
        back.feed(second, sent)?;
        there.take(second)?;
        back.take(first)?;
        Ok(there.came.len() + back.came.len())
    })?;
    Ok([there, back])
}
