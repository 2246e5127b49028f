//! The grammar of `etsec trace`.

use std::path::PathBuf;

use clap::Subcommand;

/// The actions of `etsec trace`.
#[derive(Debug, Subcommand)]
pub enum TraceAction {
    /// Print a trace with registers and flags by name.
    Show {
        /// The file that `--trace` has written.
        file: PathBuf,
        /// Only registers whose name begins with one of these, in any case; `tx` and `rx` are
        /// descriptors.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Play a trace to a simulated controller: what the driver did is done again, the frames
    /// arrive that arrived, and what the controller answers is compared with what it answered.
    /// Exit status 1 if anything differs, or the driver did what it must not.
    Replay {
        /// The file that `--trace` has written.
        file: PathBuf,
        /// Registers that are not compared, by the beginning of their names, in any case; `mib` is
        /// all counters. May be given several times.
        #[arg(long, value_name = "NAME")]
        ignore: Vec<String>,
        /// Go on behind the first difference.
        #[arg(long)]
        all: bool,
    },
    /// Compare two traces by what the driver did: time, places in memory and how often it asked
    /// while it waited make no difference. Exit status 1 if there is any.
    Diff {
        /// The one.
        old: PathBuf,
        /// The other.
        new: PathBuf,
        /// Steps shown around a difference.
        #[arg(short = 'U', long, value_name = "N", default_value_t = 3)]
        context: usize,
    },
}
