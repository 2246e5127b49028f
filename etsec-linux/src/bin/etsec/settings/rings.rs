//! How many rings a port has, how long they are, and how many buffers there are for them.

use anyhow::Result;
use etsec_linux::options::Options;
use serde::{Deserialize, Serialize};

use super::{Ready, Section, Settings, Wrong, fit};
use crate::args::LinkArg;

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
    /// Buffers that each receive ring is filled with at the start.
    fn lent(&self) -> i64 {
        let options = Options {
            rx_rings: fit(self.rx),
            tx_rings: fit(self.tx),
            ring: fit(self.descriptors),
            buffers: self.buffers.map(fit),
            ..Options::default()
        };
        // Numbers out of range are named by those who check them.
        let lent = options.sizes().map_or(0, |sizes| sizes.lent());
        i64::try_from(lent).unwrap_or(i64::MAX)
    }

    fn check_lossless(&self, all: &Settings) -> Result<(), Wrong> {
        let count = self.lossless.len();
        if fit::<usize>(self.rx) < count {
            let why = format!("has {count} numbers, but there are {} rings", self.rx);
            return Err(Wrong::new("rings.lossless", why));
        }
        for (n, threshold) in self.lossless.iter().enumerate().filter(|(_, n)| **n != 0) {
            let most = 255.min(self.descriptors - 1);
            let key = format!("rings.lossless.{n}");
            Wrong::unless_in(&key, *threshold, (2, most))?;
            let lent = self.lent();
            if *threshold >= lent {
                // The partner would be held from the start on.
                let why = format!(
                    "is {threshold}, and a ring is filled with {lent} buffers: take a lower one, \
                     or more rings.buffers"
                );
                return Err(Wrong::new(&key, why));
            }
        }
        if self.lossless.iter().all(|threshold| *threshold == 0) {
            return Ok(());
        }
        match no_pauses(all) {
            None => Ok(()),
            Some(why) => {
                Err(Wrong::new("rings.lossless", format!("needs pause frames, and {why}")))
            }
        }
    }
}

/// Why a port sends no pause frames that would hold anybody, if it does not.
fn no_pauses(all: &Settings) -> Option<String> {
    if !all.pause.tx {
        return Some("pause.tx is off".into());
    }
    if all.pause.time == 0 {
        return Some("pause.time is 0".into());
    }
    match all.link {
        LinkArg::Fixed(link) if !link.effective_pause().tx => {
            Some(format!("the fixed link {link} has none: write {}/full/tx", link.speed))
        }
        _ => None,
    }
}

impl Section for Rings {
    fn check(&self, all: &Settings) -> Result<(), Wrong> {
        Wrong::unless_in("rings.rx", self.rx, (1, 8))?;
        Wrong::unless_in("rings.tx", self.tx, (1, 8))?;
        Wrong::unless_in("rings.descriptors", self.descriptors, (4, 65_536))?;
        self.buffers.map_or(Ok(()), |n| Wrong::unless_in("rings.buffers", n, (2, 65_535)))?;
        self.check_lossless(all)
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
