//! `etsec echo` on eth1: every frame comes back to its sender, and nothing else of it has changed.

use anyhow::Result;

use super::flow::{self, Flow};
use super::rig::Rig;
use crate::capture;

/// The station address that the device tree gives eth1.
const STATION: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// Frames of every size come back, once, in order, with the addresses exchanged.
pub fn every_size(rig: &mut Rig) -> Result<String> {
    let (program, _) = rig.start_port("echo --quiet --promiscuous --device uio:eth1")?;
    let count = come_back(rig)?;
    rig.stop(program)?;
    Ok(format!("{count}/{count} frames of 60 to 1514 bytes came back identical"))
}

/// Sends frames of every size to an echo on the second port, which have to come back; how many.
pub fn come_back(rig: &mut Rig) -> Result<usize> {
    let sent = capture::frames();
    let wire = &mut rig.wires[1];
    flow::empty(wire)?;
    let mut flow = Flow::default();
    flow::until(sent.len(), || {
        flow.feed(wire, &sent)?;
        flow.take(wire)?;
        Ok(flow.came.len())
    })?;
    let expected: Vec<_> = sent.iter().map(|frame| answered(frame)).collect();
    flow::same(&expected, &flow.came)?;
    Ok(sent.len())
}

/// What a frame has to come back as.
fn answered(frame: &[u8]) -> Vec<u8> {
    [&frame[6..12], &STATION, &frame[12..]].concat()
}
