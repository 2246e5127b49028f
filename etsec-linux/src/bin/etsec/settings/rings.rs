//! How many rings a port has, how long they are, and how many buffers there are for them.

use serde::{Deserialize, Serialize};

use super::{Section, Wrong};

/// Rings and buffers, which are made at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Rings {
    /// Receive rings.
    pub rx: usize,
    /// Transmit rings.
    pub tx: usize,
    /// Descriptors in each.
    pub descriptors: usize,
    /// Frame buffers; three rings' worth for a ring each way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buffers: Option<usize>,
}

impl Default for Rings {
    fn default() -> Self {
        Rings { rx: 1, tx: 1, descriptors: 256, buffers: None }
    }
}

impl Section for Rings {
    fn check(&self) -> Result<(), Wrong> {
        Wrong::unless_in("rings.rx", self.rx, (1, 8))?;
        Wrong::unless_in("rings.tx", self.tx, (1, 8))?;
        Wrong::unless_in("rings.descriptors", self.descriptors, (4, 65_536))?;
        self.buffers.map_or(Ok(()), |n| Wrong::unless_in("rings.buffers", n, (2, 65_535)))
    }
}
