//! How a command waits for frames: how long it looks at its rings before it sleeps, and how long a
//! sleep lasts at most.

use std::time::Duration;

use anyhow::{Result, bail};
use etsec_linux::Budget;
use serde::{Deserialize, Serialize};

use super::{Live, Section, Settings, Wrong, fit};
use crate::run::NAP;

/// Milliseconds of the longest sleep, from and to. A controller has to be looked after at least
/// once a second, or hangs and errors are not ended in time.
const NAPS: (i64, i64) = (10, 1000);

/// Waiting for frames.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Wait {
    /// Whether rings are looked at before a sleep.
    pub mode: Mode,
    /// For so many microseconds, or so many at most.
    pub usecs: i64,
    /// Milliseconds of the longest sleep: as often is the port looked after.
    pub nap_msecs: i64,
}

/// How long is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Not at all.
    #[default]
    Off,
    /// Always as long.
    Fixed,
    /// As long as it is worth it.
    Adaptive,
}

impl Default for Wait {
    fn default() -> Self {
        Wait { mode: Mode::Off, usecs: 50, nap_msecs: NAP.as_millis() as i64 }
    }
}

impl Wait {
    /// How long to look.
    pub fn budget(&self) -> Budget {
        let time = Duration::from_micros(fit(self.usecs));
        match self.mode {
            Mode::Off => Budget::Off,
            Mode::Fixed => Budget::Fixed(time),
            Mode::Adaptive => Budget::Adaptive(time),
        }
    }

    /// How long to sleep at most.
    pub fn nap(&self) -> Duration {
        Duration::from_millis(fit(self.nap_msecs))
    }
}

impl Section for Wait {
    fn check(&self, _: &Settings) -> Result<(), Wrong> {
        let most = Budget::MAX.as_micros() as i64;
        Wrong::unless_in("wait.usecs", self.usecs, (0, most))?;
        Wrong::unless_in("wait.nap-msecs", self.nap_msecs, NAPS)
    }

    fn change(&self, old: &Settings, _: &mut Live<'_>) -> Result<()> {
        // The owner takes the rest from the settings.
        if self.nap_msecs != old.wait.nap_msecs {
            bail!("nap-msecs cannot be changed while the port runs; set it in the --config file");
        }
        Ok(())
    }
}
