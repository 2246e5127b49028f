//! `cargo xtask qemu linux`: the `etsec` command on Linux, over UIO and huge pages, on a machine
//! and an eTSEC that others wrote. Each scenario is a function in a file beside this one, and
//! `machines` is the list of them; here is who prepares what they need, and runs them.

mod capture;
mod crash;
mod disturbed;
mod echo;
mod flow;
mod forward;
mod handover;
mod kmod;
mod kmod_end;
mod kmod_gone;
mod kmod_tree;
mod lacking;
mod left;
mod look;
mod machines;
mod numbered;
mod outcome;
mod quiet;
mod removed;
mod rig;
mod serve;
mod supervised;
mod trees;
mod waiting;
mod way;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::machine;
use crate::Common;
use crate::crash::Sums;
use crate::guest::kernel::{self, Kernel, Version};
use crate::guest::{self, Programs, programs};
use crate::interrupt::Interrupted;
use crate::log::Log;
use crate::report::Verdict;
use crate::session::Session;
use crate::tools::{DTC, SETPRIV};
use machines::{MACHINES, Scenario, TREE_AS_IT_IS, WHOLE_TREE, names};
use outcome::Outcomes;
use rig::{ALL_NODES, Description, Rig};
pub use way::Way;

/// Options of `qemu linux`.
#[derive(Debug, Args)]
#[command(after_help = "\
The first run builds the kernels from Debian's source packages, some minutes each; they are kept in
$ETSEC_CACHE, else $XDG_CACHE_HOME/etsec, else ~/.cache/etsec. What guest and kernel say is kept in
target/xtask/linux-*.log.")]
pub struct Options {
    #[command(flatten)]
    common: Common,
    /// Only this kernel.
    #[arg(long, value_enum)]
    kernel: Option<Version>,
    /// Only this machine, several times if need be.
    #[arg(long, value_parser = PossibleValuesParser::new(names()))]
    machine: Vec<String>,
    /// Print the outcomes as one JSON object in the last line.
    #[arg(long)]
    json: bool,
}

/// Runs the scenarios; true when all passed.
///
/// # Errors
/// Ctrl-C, a build that fails, or a target directory that cannot be written.
pub fn run(options: &Options) -> Result<bool> {
    let mut session = Session::new(options.common)?;
    let versions = options.kernel.map_or(Version::ALL.to_vec(), |version| vec![version]);
    let mut log = session.log("linux")?;
    let needed = match prepare(&mut session, &mut log, &versions)? {
        Ok(needed) => needed,
        Err(missing) => {
            say!("not run: {missing}");
            return Ok(false);
        }
    };
    say!("{}", needed.programs.toolchain);
    let outcomes = judge(&mut session, &mut log, &needed, &options.machine)?;
    say!("\n{}", outcomes.render());
    if options.json {
        say!("{}", outcomes.json());
    }
    Ok(outcomes.ok())
}

/// The same as a suite of `cargo xtask test`: each scenario on each kernel is a check.
///
/// # Errors
/// As [`run`].
pub fn suite(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let needed = match prepare(session, log, &Version::ALL)? {
        Ok(needed) => needed,
        Err(why) => return Ok(Verdict::Skipped { why }),
    };
    let outcomes = judge(session, log, &needed, &[])?;
    log.line(&outcomes.render())?;
    Ok(outcomes.verdict())
}

/// Kills processes in guests, one guest after the other; what became of the frames of all. Else
/// what is missing, and the command that installs it.
///
/// # Errors
/// As [`run`].
pub fn crash(
    session: &mut Session,
    log: &mut Log,
    versions: &[Version],
    way: Way,
    (kills, seed): (u64, u64),
) -> Result<Result<Sums, String>> {
    let needed = match prepare(session, log, versions)? {
        Ok(needed) => needed,
        Err(missing) => return Ok(Err(missing)),
    };
    let mut all = Sums::NONE;
    for (kernel, module) in &needed.kernels {
        let name = kernel.version().name();
        session.progress.start(&format!("guest with Linux {name}"));
        let machine = match way {
            Way::HugePages => &WHOLE_TREE,
            Way::Module => &TREE_AS_IT_IS,
        };
        let mut rig = Rig::boot(session, log, (kernel, module), &needed.programs, machine)?;
        if way == Way::HugePages {
            rig.load_uio(ALL_NODES)?;
            rig.mount_huge_pages()?;
        }
        let sums = crash::kill(&mut rig, way, kills, seed)?;
        rig.power_off()?;
        session.progress.say(&format!("Linux {name}: {}; {}", sums.met(), sums.render()));
        all = all.plus(sums);
    }
    session.progress.finish();
    Ok(Ok(all))
}

/// What the scenarios need.
#[derive(Debug)]
struct Needed {
    programs: Programs,
    /// Each with the project's own module for it.
    kernels: Vec<(Kernel, PathBuf)>,
}

/// Builds and installs; else what is missing, and the command that installs it.
fn prepare(
    session: &mut Session,
    log: &mut Log,
    versions: &[Version],
) -> Result<Result<Needed, String>> {
    // The cheap question first.
    if let Err(wrong) = machine::available(session)? {
        return Ok(Err(wrong));
    }
    for tool in [DTC, SETPRIV] {
        if let Err(missing) = tool.ensure(session)? {
            return Ok(Err(missing));
        }
    }
    session.progress.start("programs for the guest");
    let programs = match programs::build(session, log)? {
        Ok(programs) => programs,
        Err(missing) => return Ok(Err(missing)),
    };
    let mut kernels = Vec::new();
    for version in versions {
        session.progress.start(&format!("Linux {}", version.name()));
        match kernel::supply(session, log, *version)? {
            Ok(kernel) => {
                let module = guest::kmod::build(session, log, &kernel)?;
                kernels.push((kernel, module));
            }
            Err(missing) => return Ok(Err(missing)),
        }
    }
    session.progress.finish();
    Ok(Ok(Needed { programs, kernels }))
}

/// Runs all scenarios of the machines called so, or of all, on all kernels.
fn judge(
    session: &mut Session,
    log: &mut Log,
    needed: &Needed,
    only: &[String],
) -> Result<Outcomes> {
    let mut outcomes = Outcomes::default();
    for (kernel, module) in &needed.kernels {
        let name = kernel.version().name();
        session.progress.start(&format!("guest with Linux {name}"));
        for (machine, list) in MACHINES {
            if !only.is_empty() && !only.iter().any(|name| name == machine.name) {
                continue;
            }
            let rig = Rig::boot(session, log, (kernel, module), &needed.programs, &machine);
            let mut run = Run { session, kernel: name, outcomes: &mut outcomes };
            match rig {
                Ok(rig) => run.scenarios(rig, &machine, list)?,
                Err(error) => {
                    run.add(&format!("{}: boot", machine.name), Err(error), Instant::now())?
                }
            }
        }
    }
    session.progress.finish();
    Ok(outcomes)
}

/// The scenarios on one kernel.
struct Run<'a> {
    session: &'a mut Session,
    kernel: &'static str,
    outcomes: &'a mut Outcomes,
}

impl Run<'_> {
    /// Runs scenarios on one guest, and switches it off.
    fn scenarios(&mut self, mut rig: Rig, machine: &Description, list: &[Scenario]) -> Result<()> {
        for Scenario { name, run } in list {
            let started = Instant::now();
            let outcome = run(&mut rig);
            if outcome.is_err() {
                // The next one is not to suffer from what this one has left behind.
                rig.clear();
            }
            self.add(name, outcome, started)?;
        }
        let started = Instant::now();
        self.add(&format!("{}: the end", machine.name), the_end(rig), started)
    }

    /// Adds an outcome and tells of it; Ctrl-C is none.
    fn add(&mut self, name: &str, outcome: Result<String>, started: Instant) -> Result<()> {
        if outcome.as_ref().is_err_and(|error| error.is::<Interrupted>()) {
            return outcome.map(drop);
        }
        let line = self.outcomes.add(self.kernel, name, outcome, started);
        self.session.progress.say(&line);
        Ok(())
    }
}

/// The kernel has complained of nothing, and the machine powers itself off.
fn the_end(mut rig: Rig) -> Result<String> {
    let seen = look::kernel_log(&mut rig)?;
    rig.power_off()?;
    Ok(seen)
}
