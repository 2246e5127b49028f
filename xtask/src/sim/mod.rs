//! `cargo xtask sim`: deterministic worlds, in which drivers, models and a cable meet every fault
//! there is, many at once or one line by line. The worlds are `tests/src/world`; this builds and
//! starts their program.

mod mutants;

use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;

use crate::Common;
use crate::log::Log;
use crate::report::Verdict;
use crate::run::{self, Group};
use crate::session::Session;

/// Seeds that `cargo xtask test` runs.
const SEEDS: u64 = 10_000;

/// Options of `sim`.
#[derive(Debug, Args)]
#[command(after_help = "\
A seed is a run, the same at any time and on any machine. A seed that fails is printed and cut down
to the few steps that matter. What is checked, and how, is in docs/TESTING.md.")]
pub struct Options {
    #[command(flatten)]
    common: Common,
    /// Runs so many seeds on all processors.
    #[arg(long, value_name = "N", default_value_t = SEEDS)]
    seeds: u64,
    /// The first of them.
    #[arg(long, value_name = "S", default_value_t = 0)]
    first: u64,
    /// Runs one seed.
    #[arg(long, value_name = "S", conflicts_with_all = ["seeds", "first"])]
    seed: Option<u64>,
    /// Prints everything that happens, with its virtual time.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Builds deliberate bugs into the driver, one at a time: each has to be found.
    #[arg(long, conflicts_with_all = ["seeds", "first", "seed"])]
    mutants: bool,
}

impl Options {
    /// What the program is asked for.
    fn words(&self) -> Vec<String> {
        match self.seed {
            Some(seed) if self.trace => vec!["trace".into(), seed.to_string()],
            Some(seed) => vec!["replay".into(), seed.to_string()],
            None => vec!["seeds".into(), self.first.to_string(), self.seeds.to_string()],
        }
    }
}

/// Builds the worlds and runs them; false if a rule was broken.
///
/// # Errors
/// Ctrl-C, worlds that do not build.
pub fn run(options: &Options) -> Result<bool> {
    let mut session = Session::new(options.common)?;
    if options.mutants {
        let mut log = session.log("mutants")?;
        return mutants::run(&mut session, &mut log);
    }
    let mut log = session.log("sim-build")?;
    session.progress.start("build");
    let mut worlds = build(&mut session, &mut log)?;
    session.progress.finish();
    worlds.args(options.words());
    Ok(Group::start(&mut worlds)?.wait(None, || ())?.success())
}

/// The seeds that are part of `test`.
///
/// # Errors
/// Ctrl-C, worlds that do not build.
pub fn suite(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let mut worlds = build(session, log)?;
    worlds.args(["seeds", "0", &SEEDS.to_string()]);
    let ended = run::logged(worlds, log, &mut session.progress)?;
    Ok(match ended.success() {
        true => Verdict::PASSED,
        false => Verdict::failed("a rule was broken; see the log for the seed"),
    })
}

/// Builds the program.
fn build(session: &mut Session, log: &mut Log) -> Result<Command> {
    let cargo = session
        .cargo("build --quiet --profile world --package etsec-tests --bin world --color never");
    if !run::logged(cargo, log, &mut session.progress)?.success() {
        bail!("the worlds do not build, see {}", log.path().display());
    }
    Ok(session.program(session.target.join("world/world")))
}
