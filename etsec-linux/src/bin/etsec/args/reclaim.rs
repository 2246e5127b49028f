//! The grammar of `etsec reclaim`.

use clap::Args;

use super::DeviceName;

/// `etsec reclaim`.
#[derive(Debug, Args)]
pub struct Reclaim {
    /// Stop the controllers of what nobody uses, and free it.
    #[arg(long)]
    pub free: bool,
    /// Only of these devices, `uio:NAME` or `sim:SOCKET` [default: all but what simulators have].
    #[arg(value_name = "DEVICE")]
    pub devices: Vec<DeviceName>,
}
