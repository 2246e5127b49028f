//! `cargo xtask qemu linux`: the `etsec` command on Linux, over UIO and huge pages, on a machine
//! and an eTSEC that others wrote. Each scenario is a function in a file beside this one; here is
//! the list of them, and who prepares what they need.

mod capture;
mod crash;
mod echo;
mod flow;
mod forward;
mod handover;
mod kmod;
mod kmod_end;
mod lacking;
mod look;
mod outcome;
mod quiet;
mod removed;
mod rig;
mod serve;
mod trees;
mod waiting;

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
use outcome::Outcomes;
use rig::{ALL_NODES, Description, Rig};

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

/// One thing that is tried: it says in a few words what was seen, or why it failed.
struct Scenario {
    name: &'static str,
    run: fn(&mut Rig) -> Result<String>,
}

/// Two eTSECs, handed to UIO as they should be.
const WHOLE_TREE: Description = Description {
    name: "whole",
    overlays: &["etsec-linux/dts/qemu-ppce500-eth0.dtso", "etsec-linux/dts/qemu-ppce500-eth1.dtso"],
    prepare: |_| Ok(()),
};
/// Eth0 for the kernel and for UIO in turn.
const TREE_FOR_BOTH: Description = Description {
    name: "both",
    overlays: &["etsec-linux/dts/qemu-ppce500-eth0.dtso", "tests/guest/dts/both.dtso"],
    prepare: Rig::mount_huge_pages,
};
/// A device tree full of mistakes.
const WRONG_TREE: Description = Description {
    name: "wrong tree",
    overlays: &["tests/guest/dts/wrong.dtso"],
    prepare: |rig| {
        rig.load_uio(ALL_NODES)?;
        rig.mount_huge_pages()
    },
};

/// QEMU's own tree, as it is, for the project's own kernel module.
const TREE_AS_IT_IS: Description =
    Description { name: "kmod", overlays: &[], prepare: |rig| kmod::load(rig, "") };
/// The same with a port of two interrupt groups, as a P1020 has them.
const TREE_OF_GROUPS: Description = Description {
    name: "kmod groups",
    overlays: &["tests/guest/dts/groups.dtso"],
    prepare: |rig| kmod::load(rig, ""),
};

/// On a machine that has all it needs, in this order: each leaves the guest as the next wants it.
const WHOLE: [Scenario; 19] = [
    Scenario { name: "no UIO module", run: lacking::no_module },
    Scenario { name: "no hugetlbfs", run: lacking::no_hugetlbfs },
    Scenario { name: "no huge pages", run: lacking::no_pages },
    Scenario { name: "no CAP_SYS_ADMIN", run: lacking::no_capability },
    Scenario { name: "probe", run: look::probe },
    Scenario { name: "huge page and its address", run: look::memory },
    Scenario { name: "ping and download", run: serve::ping_and_download },
    Scenario { name: "interrupts and sleep", run: serve::interrupts },
    Scenario { name: "blocking read", run: serve::blocking_read },
    Scenario { name: "second opener", run: serve::second_opener },
    Scenario { name: "capture", run: capture::every_size },
    Scenario { name: "echo", run: echo::every_size },
    Scenario { name: "forward", run: forward::both_ways },
    Scenario { name: "idle, and one frame", run: waiting::idle },
    Scenario { name: "random arrivals", run: waiting::random_arrivals },
    Scenario { name: "two at one UIO device", run: waiting::two_at_one_device },
    Scenario { name: "Ctrl-C", run: quiet::interrupted },
    Scenario { name: "kill -9", run: quiet::killed },
    Scenario { name: "device removed", run: removed::unbound },
];

/// On a machine whose device tree offers a port to the kernel as well.
const FOR_BOTH: [Scenario; 6] = [
    Scenario { name: "gianfar's at first", run: handover::booted },
    Scenario { name: "bind refused", run: handover::refused },
    Scenario { name: "bind", run: handover::taken },
    Scenario { name: "unbind after kill -9", run: handover::given_back },
    Scenario { name: "bind --force", run: handover::by_force },
    Scenario { name: "two drivers", run: handover::both },
];

/// On a machine whose device tree is wrong.
const WRONG: [Scenario; 5] = [
    Scenario { name: "tree: one line of three", run: trees::one_line },
    Scenario { name: "tree: no uio-name", run: trees::no_name },
    Scenario { name: "tree: no reg", run: trees::no_registers },
    Scenario { name: "tree: wrong reg", run: trees::wrong_registers },
    Scenario { name: "tree: no interrupts", run: trees::no_interrupts },
];

/// With the project's own kernel module, without huge pages.
const WITH_KMOD: [Scenario; 9] = [
    Scenario { name: "kmod: probe", run: kmod::probe },
    Scenario { name: "kmod: echo beside observers", run: kmod::echo },
    Scenario { name: "kmod: interrupts", run: kmod::interrupts },
    Scenario { name: "kmod: kill -9", run: kmod_end::killed },
    Scenario { name: "kmod: kill -9, kept", run: kmod_end::kept },
    Scenario { name: "kmod: rmmod", run: kmod_end::unloaded },
    Scenario { name: "kmod: unbind", run: kmod_end::unbound },
    Scenario { name: "kmod: gianfar in turn", run: kmod_end::in_turn },
    Scenario { name: "kmod: kill -9, stuck", run: kmod_end::stuck },
];

/// With a port of two groups.
const OF_GROUPS: [Scenario; 1] = [Scenario { name: "kmod: two groups", run: kmod::groups }];

/// What is tried on which machine.
const MACHINES: [(Description, &[Scenario]); 5] = [
    (WHOLE_TREE, &WHOLE),
    (TREE_FOR_BOTH, &FOR_BOTH),
    (WRONG_TREE, &WRONG),
    (TREE_AS_IT_IS, &WITH_KMOD),
    (TREE_OF_GROUPS, &OF_GROUPS),
];

/// The names that `--machine` takes.
fn names() -> Vec<&'static str> {
    MACHINES.map(|(machine, _)| machine.name).to_vec()
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
    kills: u64,
    seed: u64,
) -> Result<Result<Sums, String>> {
    let needed = match prepare(session, log, versions)? {
        Ok(needed) => needed,
        Err(missing) => return Ok(Err(missing)),
    };
    let mut all = Sums::NONE;
    for (kernel, module) in &needed.kernels {
        let name = kernel.version().name();
        session.progress.start(&format!("guest with Linux {name}"));
        let mut rig = Rig::boot(session, log, (kernel, module), &needed.programs, &WHOLE_TREE)?;
        rig.load_uio(ALL_NODES)?;
        rig.mount_huge_pages()?;
        let sums = crash::kill(&mut rig, kills, seed)?;
        rig.power_off()?;
        session.progress.say(&format!("Linux {name}: {}", sums.render()));
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
