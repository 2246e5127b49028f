//! How many rings a port has, how long they are, and how many buffers there are for them.

use anyhow::Result;
use etsec_linux::device::Device;
use serde::{Deserialize, Serialize};

use super::{Section, Wrong};

/// Rings and buffers, which are made at the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Rings {
    /// Receive rings.
    pub rx: usize,
    /// Transmit rings.
    pub tx: usize,
    /// Descriptors in each.
    pub descriptors: usize,
    /// Of each receive ring from 0 on: pause frames are sent while fewer descriptors are empty; 0,
    /// and rings that it does not reach: never.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lossless: Vec<u8>,
    /// Frame buffers; three rings' worth for a ring each way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buffers: Option<usize>,
}

impl Default for Rings {
    fn default() -> Self {
        Rings { rx: 1, tx: 1, descriptors: 256, lossless: Vec::new(), buffers: None }
    }
}

impl Section for Rings {
    fn check(&self) -> Result<(), Wrong> {
        Wrong::unless_in("rings.rx", self.rx, (1, 8))?;
        Wrong::unless_in("rings.tx", self.tx, (1, 8))?;
        Wrong::unless_in("rings.descriptors", self.descriptors, (4, 65_536))?;
        Wrong::unless_in("rings.lossless", self.lossless.len(), (0, self.rx)).map_err(|_| {
            let why =
                format!("has {} numbers, but there are {} rings", self.lossless.len(), self.rx);
            Wrong::new("rings.lossless", why)
        })?;
        self.buffers.map_or(Ok(()), |n| Wrong::unless_in("rings.buffers", n, (2, 65_535)))
    }

    // Numbers and lengths are what the device is opened with.

    fn begin(&self, device: &mut Device) -> Result<()> {
        for (queue, threshold) in device.rx.iter_mut().zip(&self.lossless) {
            if *threshold > 0 {
                device.port.set_lossless(queue, Some(*threshold))?;
            }
        }
        Ok(())
    }
}
