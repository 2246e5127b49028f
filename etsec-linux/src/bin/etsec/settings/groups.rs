//! Which rings interrupt through the second of an eTSEC2's two groups (HW 9.4).

use anyhow::{Result, ensure};
use etsec_core::Group;
use etsec_linux::device::Device;
use serde::{Deserialize, Serialize};

use super::{Ready, Section, Settings, Wrong, fit};

/// Rings of the second group; all others are in the first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Groups {
    /// Receive rings.
    pub rx: Vec<i64>,
    /// Transmit rings.
    pub tx: Vec<i64>,
}

impl Groups {
    /// Whether there is a second group.
    pub fn are_two(&self) -> bool {
        !self.rx.is_empty() || !self.tx.is_empty()
    }
}

impl Section for Groups {
    fn check(&self, all: &Settings) -> Result<(), Wrong> {
        let lists = [("rx", &self.rx, all.rings.rx), ("tx", &self.tx, all.rings.tx)];
        for (side, rings, count) in lists {
            for (n, ring) in rings.iter().enumerate() {
                let key = format!("groups.{side}.{n}");
                Wrong::unless_in(&key, *ring, (0, count - 1))?;
                if rings[..n].contains(ring) {
                    return Err(Wrong::new(&key, format!("is {ring}, which is there already")));
                }
            }
        }
        Ok(())
    }

    fn begin(&self, ready: &mut Ready<'_>) -> Result<()> {
        let device = &mut *ready.device;
        if !self.are_two() {
            return Ok(());
        }
        let Device { port, rx, tx, second, .. } = device;
        for ring in &self.rx {
            port.set_rx_group(&mut rx[fit::<usize>(*ring)], Group::One)?;
        }
        for ring in &self.tx {
            port.set_tx_group(&mut tx[fit::<usize>(*ring)], Group::One)?;
        }
        ensure!(
            second.is_some(),
            "the port has no interrupts for a second group: its device tree has no devices \
             NAME-group1-tx, -rx and -err"
        );
        Ok(())
    }
}
