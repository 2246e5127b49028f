//! How the transmit rings share the wire.

use anyhow::Result;
use etsec_core::Schedule;
use etsec_linux::time::Delay;
use serde::{Deserialize, Serialize};

use super::{Live, Ready, Section, Settings, Wrong, fit};

/// Sharing of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Sched {
    /// Who is next.
    pub mode: Mode,
    /// Of each ring in units of 64 bytes a visit, for [`Mode::RoundRobin`]; 0 blocks a ring.
    pub weights: [i64; 8],
}

/// Who is next when a frame has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Always ring 0.
    Single,
    /// The lowest ring that has a frame.
    #[default]
    Priority,
    /// The rings in turn, by weight.
    RoundRobin,
}

impl Sched {
    /// Whether a ring never has its turn.
    pub fn blocks(self, ring: usize) -> bool {
        match self.mode {
            Mode::Single => ring != 0,
            Mode::Priority => false,
            Mode::RoundRobin => self.weights.get(ring).is_none_or(|weight| *weight == 0),
        }
    }

    fn schedule(self) -> Schedule {
        match self.mode {
            Mode::Single => Schedule::Single,
            Mode::Priority => Schedule::Priority,
            Mode::RoundRobin => Schedule::RoundRobin(self.weights.map(fit)),
        }
    }
}

impl Section for Sched {
    fn check(&self, all: &Settings) -> Result<(), Wrong> {
        for (n, weight) in self.weights.into_iter().enumerate() {
            Wrong::unless_in(&format!("sched.weights.{n}"), weight, (0, 255))?;
        }
        if (0..fit(all.rings.tx)).all(|ring| self.blocks(ring)) {
            let why = format!(
                "are 0 for each of the {} rings there are: nothing would ever be sent",
                all.rings.tx
            );
            return Err(Wrong::new("sched.weights", why));
        }
        Ok(())
    }

    fn begin(&self, ready: &mut Ready<'_>) -> Result<()> {
        let device = &mut *ready.device;
        device.port.set_schedule(self.schedule());
        Ok(())
    }

    fn change(&self, _: &Settings, live: &mut Live<'_>) -> Result<()> {
        Ok(live.port.set_schedule(self.schedule(), &mut Delay)?)
    }
}
