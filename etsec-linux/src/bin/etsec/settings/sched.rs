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
    fn schedule(self) -> Schedule {
        match self.mode {
            Mode::Single => Schedule::Single,
            Mode::Priority => Schedule::Priority,
            Mode::RoundRobin => Schedule::RoundRobin(self.weights.map(fit)),
        }
    }
}

impl Section for Sched {
    fn check(&self, _: &Settings) -> Result<(), Wrong> {
        for (n, weight) in self.weights.into_iter().enumerate() {
            Wrong::unless_in(&format!("sched.weights.{n}"), weight, (0, 255))?;
        }
        if self.mode == Mode::RoundRobin && self.weights == [0; 8] {
            return Err(Wrong::new("sched.weights", "are all 0: nothing would ever be sent"));
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
