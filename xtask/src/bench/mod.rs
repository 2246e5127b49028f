//! `cargo xtask bench`: what a packet costs, in instructions. On the host the driver's code alone
//! is counted; in a guest everything that happens, the kernel and its interrupts included.

mod double;
pub mod guest;
pub mod host;

use anyhow::Result;
use clap::Args;

use crate::Common;
use crate::guest::kernel::Version;
use crate::session::Session;

/// Options of `bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --guest numbers are for this machine's instruction set and the release profile. Registers
are plain memory and the device's work is done beforehand, so that only the driver is counted.
Counts are repeatable for the same build; packets per second are not.

With --double frames a second are measured through the driver and either of its two models, on this
machine and as it is loaded at the moment.

With --guest they are for an e500v2: everything that a Linux guest executes on QEMU's ppce500
machine, whose eTSECs are driven by `etsec` over UIO or by the kernel's gianfar. How is said with
the numbers.")]
pub struct Options {
    #[command(flatten)]
    common: Common,
    /// Instructions of a whole e500v2 guest per packet, beside the kernel's own driver.
    #[arg(long)]
    guest: bool,
    /// Frames a second through driver and simulator, and through driver and QEMU's eTSEC.
    #[arg(long, conflicts_with = "guest")]
    double: bool,
    /// The guest's kernel.
    #[arg(long, value_enum, default_value = "6.1", requires = "guest")]
    kernel: Version,
    /// Where the instructions of etsec in the guest go, by function.
    #[arg(long, requires = "guest")]
    profile: bool,
    /// Print the numbers as one JSON object in the last line.
    #[arg(long)]
    json: bool,
}

/// Runs the benchmarks; false when a number is missing.
///
/// # Errors
/// Ctrl-C, a benchmark that does not build or fails, tools missing under `--strict`.
pub fn run(options: &Options) -> Result<bool> {
    let mut session = Session::new(options.common)?;
    if options.double {
        double::run(&mut session, options.json)
    } else if options.guest {
        guest::run(&mut session, options.kernel, options.profile, options.json)
    } else {
        host::run(&mut session, options.json)
    }
}
