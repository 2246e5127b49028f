//! `cargo xtask qemu`: what we built, on a machine that others wrote: QEMU's `ppce500` with its own
//! eTSEC. Each guest is a file beside this one; `machine`, `console`, `wire`, `packet`, `peer`,
//! `qtest` are for all of them.

pub mod console;
pub mod firmware;
pub mod linux;
pub mod machine;
mod packet;
mod peer;
mod qtest;
mod wire;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Options of `qemu`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    guest: Guest,
}

#[derive(Debug, Subcommand)]
enum Guest {
    /// Boot the bare-metal image and put it through its paces over its wire.
    Firmware(firmware::Options),
    /// Boot Linux with `etsec` over UIO: everything it promises, on two kernels.
    Linux(linux::Options),
}

/// Runs a guest; true when all went well.
///
/// # Errors
/// Ctrl-C, an image that does not build, a log that cannot be written.
pub fn run(options: &Options) -> Result<bool> {
    match &options.guest {
        Guest::Firmware(options) => firmware::run(options),
        Guest::Linux(options) => linux::run(options),
    }
}
