//! How many rings a port has, how long they are, and how many buffers there are for them.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{Ready, Section, Settings, Wrong, fit};

/// Rings and buffers, which are made at the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Rings {
    /// Receive rings.
    pub rx: i64,
    /// Transmit rings.
    pub tx: i64,
    /// Descriptors in each.
    pub descriptors: i64,
    /// Of each receive ring from 0 on: pause frames are sent while fewer descriptors are empty; 0,
    /// and rings that it does not reach: never.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lossless: Vec<i64>,
    /// Frame buffers; three rings' worth for a ring each way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buffers: Option<i64>,
}

impl Default for Rings {
    fn default() -> Self {
        Rings { rx: 1, tx: 1, descriptors: 256, lossless: Vec::new(), buffers: None }
    }
}

impl Rings {
    fn check_lossless(&self, pauses: bool) -> Result<(), Wrong> {
        let count = self.lossless.len();
        if fit::<usize>(self.rx) < count {
            let why = format!("has {count} numbers, but there are {} rings", self.rx);
            return Err(Wrong::new("rings.lossless", why));
        }
        for (n, threshold) in self.lossless.iter().enumerate().filter(|(_, n)| **n != 0) {
            let most = 255.min(self.descriptors - 1);
            Wrong::unless_in(&format!("rings.lossless.{n}"), *threshold, (2, most))?;
            if !pauses {
                let why = "needs pause frames, and pause.tx is off";
                return Err(Wrong::new("rings.lossless", why));
            }
        }
        Ok(())
    }
}

impl Section for Rings {
    fn check(&self, all: &Settings) -> Result<(), Wrong> {
        Wrong::unless_in("rings.rx", self.rx, (1, 8))?;
        Wrong::unless_in("rings.tx", self.tx, (1, 8))?;
        Wrong::unless_in("rings.descriptors", self.descriptors, (4, 65_536))?;
        self.check_lossless(all.pause.tx)?;
        self.buffers.map_or(Ok(()), |n| Wrong::unless_in("rings.buffers", n, (2, 65_535)))
    }

    // Numbers and lengths are what the device is opened with.

    fn begin(&self, ready: &mut Ready<'_>) -> Result<()> {
        let device = &mut *ready.device;
        for (queue, threshold) in device.rx.iter_mut().zip(&self.lossless) {
            if *threshold > 0 {
                device.port.set_lossless(queue, Some(fit(*threshold)))?;
            }
        }
        Ok(())
    }
}
