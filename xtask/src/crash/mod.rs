//! `cargo xtask crash`: processes that own a port under traffic are killed at random instants, and
//! others take the port over. Every frame is accounted for: what was in a ring comes back once.
//! Where that happens is in the files beside this one.

mod host;
mod ledger;
mod random;
mod traffic;

use anyhow::Result;
use clap::Args;
use serde_json::json;

pub use ledger::{BURST, Ledger, Sums};
pub use random::Random;
pub use traffic::{frame, number};

use crate::Common;
use crate::guest::kernel::Version;
use crate::log::Log;
use crate::qemu::linux::{self, Way};
use crate::report::Verdict;
use crate::session::Session;

/// Kills that `cargo xtask test` does.
const KILLS: u64 = 50;
/// The seed of those.
const SEED: u64 = 1;

/// Options of `crash`.
#[derive(Debug, Args)]
#[command(after_help = "\
The last line is what became of the frames. `in dead hands` are frames that a process had taken from
its receive ring and not yet given to a transmit ring when it was killed, 32 at most for each. Exit
code 0: nothing was lost from a ring, nothing came twice, and the columns add up.")]
pub struct Options {
    #[command(flatten)]
    common: Common,
    /// Kills so many processes.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    kills: u64,
    /// Repeats the random instants of a run; what else the machine does is not repeated.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// On Linux in QEMU, over UIO and huge pages, instead of on a simulator of this machine.
    #[arg(long)]
    guest: bool,
    /// With --guest: only on this kernel.
    #[arg(long, value_enum, requires = "guest")]
    kernel: Option<Version>,
    /// With --guest: over the project's own kernel module and its memory.
    #[arg(long, requires = "guest")]
    kmod: bool,
    /// Prints the sums as one JSON object in the last line.
    #[arg(long)]
    json: bool,
}

/// Kills and accounts; true if nothing was lost from a ring or repeated.
///
/// # Errors
/// Ctrl-C, programs that do not build or run, a port that was not taken over.
pub fn run(options: &Options) -> Result<bool> {
    let mut session = Session::new(options.common)?;
    let mut log = session.log("crash")?;
    let seed = options.seed.unwrap_or_else(random::fresh_seed);
    say!("seed {seed}");
    let sums = if options.guest {
        let versions = options.kernel.map_or(Version::ALL.to_vec(), |version| vec![version]);
        let way = if options.kmod { Way::Module } else { Way::HugePages };
        match linux::crash(&mut session, &mut log, &versions, way, (options.kills, seed))? {
            Ok(sums) => sums,
            Err(missing) => {
                say!("not run: {missing}");
                return Ok(false);
            }
        }
    } else {
        host::run(&mut session, &mut log, options.kills, seed)?
    };
    say!("{}", sums.met());
    say!("{}", sums.render());
    if options.json {
        say!("{}", json!({ "crash": sums.json() }));
    }
    Ok(sums.ok())
}

/// Some kills on this machine, as a suite of `cargo xtask test`.
///
/// # Errors
/// As [`run`].
pub fn suite(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let sums = host::run(session, log, KILLS, SEED)?;
    log.line(&sums.render())?;
    Ok(match sums.ok() {
        true => Verdict::PASSED,
        false => Verdict::failed(sums.render()),
    })
}
