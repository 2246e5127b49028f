//! `etsec forward` between eth0 and eth1: frames of every size, in both directions at once.

use anyhow::{Context, Result, bail};

use super::flow::{self, Flow};
use super::rig::{LIMIT, Rig};
use crate::capture;

/// What goes in at one port comes out at the other, once, unchanged, in order.
pub fn both_ways(rig: &mut Rig) -> Result<String> {
    let program = rig.start("-v forward --quiet --json uio:eth0 uio:eth1")?;
    let mut started = 0;
    rig.guest.line(&program, "two running ports", LIMIT, |line| {
        started += u32::from(line.text.contains(": started, station address "));
        (started == 2).then_some(())
    })?;
    let sent = capture::frames();
    let [there, back] = exchange(rig, &sent)?;
    rig.stop(program)?;
    flow::same(&sent, &there.came).context("eth0 to eth1")?;
    flow::same(&sent, &back.came).context("eth1 to eth0")?;
    Ok(format!("{0}/{0} frames of 60 to 1514 bytes identical, each way", sent.len()))
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
