//! Which frames a port receives, by their destination.

use anyhow::Result;
use etsec_linux::time::Delay;
use serde::{Deserialize, Serialize};

use super::{Live, Section, Settings, Wrong};

/// What is received besides frames to the station, to groups that are listened to, and to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Address {
    /// Frames to everybody.
    pub promiscuous: bool,
    /// Frames to any group.
    pub all_multicast: bool,
}

impl Section for Address {
    fn check(&self, _: &Settings) -> Result<(), Wrong> {
        Ok(())
    }

    // At the start this is part of how the port is opened.

    fn change(&self, _: &Settings, live: &mut Live<'_>) -> Result<()> {
        let mut filter = live.port.config().filter;
        filter.promiscuous = self.promiscuous;
        filter.all_multicast = self.all_multicast;
        Ok(live.port.set_filter(&filter, &mut Delay)?)
    }
}
