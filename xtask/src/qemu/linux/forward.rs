//! `etsec forward` between eth0 and eth1: frames of every size, in both directions at once.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::rig::{LIMIT, Rig};
use crate::capture;
use crate::qemu::wire::Wire;

/// Frames that may be under way in each direction; see `capture`.
const WINDOW: usize = 16;
/// How long to wait for a frame before looking at the other wire.
const TURN: Duration = Duration::from_millis(5);

/// What goes in at one port comes out at the other, once, unchanged, in order.
pub fn both_ways(rig: &mut Rig) -> Result<String> {
    let program = rig.start("-v forward --quiet --json uio:eth0 uio:eth1")?;
    let mut started = 0;
    rig.guest.line(&program, "two running ports", LIMIT, |line| {
        started += u32::from(line.text.contains(": started, station address "));
        (started == 2).then_some(())
    })?;
    let sent = capture::frames();
    let came = exchange(rig, &sent)?;
    rig.stop(program)?;
    let count = sent.len();
    for (way, received) in [("eth0 to eth1", &came[0]), ("eth1 to eth0", &came[1])] {
        let same = capture::identical(&sent, received);
        ensure!(
            same == count && received.len() == count,
            "{way}: {same} of {count} frames are identical, {} came",
            received.len()
        );
    }
    Ok(format!("{count}/{count} frames of 60 to 1514 bytes identical, each way"))
}

/// Sends the frames in at both ends, and returns what came out of the second and of the first.
fn exchange(rig: &mut Rig, sent: &[Vec<u8>]) -> Result<[Vec<Vec<u8>>; 2]> {
    let [first, second] = &mut rig.wires[..] else { anyhow::bail!("two wires are wanted") };
    // What came before has filled our end's buffer, and would be the first thing to go lost.
    for wire in [&mut *first, &mut *second] {
        while wire.receive(Duration::ZERO)?.is_some() {}
    }
    let mut there = Way::default();
    let mut back = Way::default();
    let mut moved = Instant::now();
    while there.came.len() < sent.len() || back.came.len() < sent.len() {
        let before = there.came.len() + back.came.len();
        there.feed(first, sent)?;
        back.feed(second, sent)?;
        there.take(second)?;
        back.take(first)?;
        if there.came.len() + back.came.len() > before {
            moved = Instant::now();
        }
        let counts = [there.came.len(), back.came.len()];
        let lost = moved.elapsed() >= LIMIT;
        ensure!(!lost, "{counts:?} of {} frames came each way, then none", sent.len());
    }
    Ok([there.came, back.came])
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    sent: usize,
    came: Vec<Vec<u8>>,
}

impl Way {
    fn feed(&mut self, wire: &Wire, frames: &[Vec<u8>]) -> Result<()> {
        while self.sent < frames.len() && self.sent < self.came.len() + WINDOW {
            wire.send(&frames[self.sent])?;
            self.sent += 1;
        }
        Ok(())
    }

    /// Takes what has come, but for what is not ours.
    fn take(&mut self, wire: &mut Wire) -> Result<()> {
        let mut limit = TURN;
        while let Some(frame) = wire.receive(limit)? {
            if capture::is_ours(frame) {
                self.came.push(frame.to_vec());
            }
            limit = Duration::ZERO;
        }
        Ok(())
    }
}
