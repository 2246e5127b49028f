//! `cargo xtask qemu linux`: the `etsec` command on Linux, over UIO and huge pages, on a machine
//! and an eTSEC that others wrote. Each scenario is a function in a file beside this one; here is
//! the list of them, and who prepares what they need.

mod capture;
mod echo;
mod flow;
mod forward;
mod handover;
mod lacking;
mod look;
mod outcome;
mod quiet;
mod removed;
mod rig;
mod serve;
mod trees;

use std::time::Instant;

use anyhow::Result;
use clap::Args;

use super::machine;
use crate::Common;
use crate::guest::kernel::{self, Kernel, Version};
use crate::guest::{Programs, programs};
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

/// On a machine that has all it needs, in this order: each leaves the guest as the next wants it.
const WHOLE: [Scenario; 16] = [
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
    let outcomes = judge(&mut session, &mut log, &needed)?;
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
    let outcomes = judge(session, log, &needed)?;
    log.line(&outcomes.render())?;
    Ok(outcomes.verdict())
}

/// What the scenarios need.
#[derive(Debug)]
struct Needed {
    programs: Programs,
    kernels: Vec<Kernel>,
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
            Ok(kernel) => kernels.push(kernel),
            Err(missing) => return Ok(Err(missing)),
        }
    }
    session.progress.finish();
    Ok(Ok(Needed { programs, kernels }))
}

/// Runs all scenarios on all kernels.
fn judge(session: &mut Session, log: &mut Log, needed: &Needed) -> Result<Outcomes> {
    let mut outcomes = Outcomes::default();
    for kernel in &needed.kernels {
        let name = kernel.version().name();
        session.progress.start(&format!("guest with Linux {name}"));
        for (machine, list) in
            [(WHOLE_TREE, &WHOLE[..]), (TREE_FOR_BOTH, &FOR_BOTH), (WRONG_TREE, &WRONG)]
        {
            let rig = Rig::boot(session, log, kernel, &needed.programs, &machine);
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
