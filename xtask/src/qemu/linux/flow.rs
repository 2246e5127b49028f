//! Frames sent into the guest at one wire while those that come out at a wire are taken, as many
//! under way as nothing in between loses. What the guest makes of them is for others to judge.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::rig::LIMIT;
use crate::capture;
use crate::qemu::wire::Wire;

/// Frames that may be under way in each direction; see `capture`.
const WINDOW: usize = 16;
/// How long to wait for a frame before looking elsewhere.
const TURN: Duration = Duration::from_millis(5);

/// One direction.
#[derive(Debug, Default)]
pub struct Flow {
    sent: usize,
    /// What has come out, but for what is not ours.
    pub came: Vec<Vec<u8>>,
}

impl Flow {
    /// Sends of `frames` what may be under way.
    pub fn feed(&mut self, wire: &Wire, frames: &[Vec<u8>]) -> Result<()> {
        while self.sent < frames.len() && self.sent < self.came.len() + WINDOW {
            wire.send(&frames[self.sent])?;
            self.sent += 1;
        }
        Ok(())
    }

    /// Takes what has come.
    pub fn take(&mut self, wire: &mut Wire) -> Result<()> {
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

/// Empties a wire: what came before has filled our end's buffer, and would be the first thing to go
/// lost.
pub fn empty(wire: &mut Wire) -> Result<()> {
    while wire.receive(Duration::ZERO)?.is_some() {}
    Ok(())
}

/// Takes turns until `wanted` frames have come in all; `turn` says how many there are.
pub fn until(wanted: usize, mut turn: impl FnMut() -> Result<usize>) -> Result<()> {
    let (mut count, mut moved) = (0, Instant::now());
    while count < wanted {
        let now = turn()?;
        if now > count {
            (count, moved) = (now, Instant::now());
        }
        ensure!(moved.elapsed() < LIMIT, "{count} of {wanted} frames came, then none");
    }
    Ok(())
}

/// That `came` is what was `sent`, once, in order.
pub fn same(sent: &[Vec<u8>], came: &[Vec<u8>]) -> Result<()> {
    let (count, same) = (sent.len(), capture::identical(sent, came));
    ensure!(
        same == count && came.len() == count,
        "{same} of {count} frames are identical, {} came",
        came.len()
    );
    Ok(())
}
