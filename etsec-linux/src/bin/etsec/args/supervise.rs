//! The options of `etsec supervise`.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use super::DeviceName;
use crate::units::parse_seconds;

/// `etsec supervise`.
#[derive(Debug, Args)]
pub struct Supervise {
    /// A device that the command owns; may be given several times.
    #[arg(short, long = "device", value_name = "DEVICE", required = true)]
    pub devices: Vec<DeviceName>,
    /// Seconds before the first new start; doubled from death to death.
    #[arg(long, value_name = "SECONDS", default_value = "0.1", value_parser = parse_seconds)]
    pub pause: Duration,
    /// Longest such pause in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    pub longest_pause: Duration,
    /// New starts in a row before the command is given up. After a minute's run they count anew.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub restarts: u32,
    /// Kill a command that says for so many seconds nothing of itself, in the way that systemd's
    /// services do (sd_notify): etsec's own commands speak. Without it one may be silent.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub watchdog: Option<Duration>,
    /// How many seconds a command has to end in, when it is asked to.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub grace: Duration,
    /// The command, behind `--`.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}
