//! Flow control: whose pause frames are obeyed, and whether any are sent.

use anyhow::Result;
use etsec_core::link::{FlowControl, Pause as Ways};
use etsec_linux::time::Delay;
use serde::{Deserialize, Serialize};

use super::{Live, Ready, Section, Settings, Wrong, fit};

/// Flow control by pause frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Pause {
    /// What both ends agree on, of what is wished for; else just that.
    pub autoneg: bool,
    /// Pause frames are obeyed.
    pub rx: bool,
    /// Pause frames are sent.
    pub tx: bool,
    /// The time in the pause frames that are sent, in units of 512 bit times.
    pub time: i64,
}

impl Default for Pause {
    fn default() -> Self {
        Pause { autoneg: true, rx: true, tx: true, time: 0xFFFF }
    }
}

impl Pause {
    /// Where the link's flow control comes from.
    pub fn flow_control(self) -> FlowControl {
        let ways = Ways { rx: self.rx, tx: self.tx };
        if self.autoneg { FlowControl::Negotiated(ways) } else { FlowControl::Fixed(ways) }
    }
}

impl Section for Pause {
    fn check(&self, _: &Settings) -> Result<(), Wrong> {
        Wrong::unless_in("pause.time", self.time, (0, 0xFFFF))
    }

    // What the link has to know, it is opened with.

    fn begin(&self, ready: &mut Ready<'_>) -> Result<()> {
        let device = &mut *ready.device;
        device.port.set_pause_time(fit(self.time))?;
        Ok(())
    }

    fn change(&self, old: &Settings, live: &mut Live<'_>) -> Result<()> {
        // A link that is negotiated anew is told of when it is up again.
        if self.flow_control() != old.pause.flow_control()
            && let Some(link) = live.link.set_flow_control(self.flow_control())?
        {
            live.port.set_link(link, &mut Delay)?;
        }
        live.port.set_pause_time(fit(self.time))?;
        Ok(())
    }
}
