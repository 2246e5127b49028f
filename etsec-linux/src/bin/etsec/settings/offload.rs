//! Work that the controller takes off the processor: checksums, and padding that aligns headers.

use anyhow::{Result, ensure};
use etsec_core::offload::{RxOffload, TxOffload};
use etsec_linux::time::Delay;
use serde::{Deserialize, Serialize};

use super::{Live, Section, Settings, Wrong, fit};

/// Offloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Offload {
    /// Checksums of received frames are verified, IP's and those of TCP and UDP.
    pub rx_checksum: bool,
    /// Checksums of frames that are sent may be left to the controller.
    pub tx_checksum: bool,
    /// Bytes before each received frame; 2 put an IP header at a multiple of 4.
    pub rx_padding: i64,
}

impl Offload {
    /// For received frames.
    pub fn rx(self) -> RxOffload {
        RxOffload {
            ip_checksum: self.rx_checksum,
            l4_checksum: self.rx_checksum,
            padding: fit(self.rx_padding),
            ..RxOffload::default()
        }
    }

    /// For frames that are sent.
    pub fn tx(self) -> TxOffload {
        if self.tx_checksum { TxOffload::All } else { TxOffload::Off }
    }
}

impl Section for Offload {
    fn check(&self, _: &Settings) -> Result<(), Wrong> {
        let most = RxOffload::PADDING_MAX.into();
        Wrong::unless_in("offload.rx-padding", self.rx_padding, (0, most))
    }

    // Queues are made for it: a device is opened with it.

    fn change(&self, old: &Settings, live: &mut Live<'_>) -> Result<()> {
        let late =
            "cannot be changed while the port runs; set it at the start, in the --config file";
        ensure!(self.tx_checksum == old.offload.tx_checksum, "tx-checksum {late}");
        ensure!(self.rx_padding == old.offload.rx_padding, "rx-padding {late}");
        let wanted = RxOffload { vlan_extract: old.vlan.extract, ..self.rx() };
        ensure!(
            wanted == RxOffload::default() || live.port.config().parser,
            "rx-checksum needs the receiver's parser, which cannot be switched on while the port \
             runs; set rx-checksum, or filter.enabled, at the start with --config"
        );
        Ok(live.port.set_rx_offload(wanted, &mut Delay)?)
    }
}
