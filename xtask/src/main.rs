//! Every chore of the project, one verb each. It starts programs and links none of the project's
//! crates, so that it builds fast and still runs when they do not compile.

#[macro_use]
mod say;

mod asm;
mod bench;
mod bless;
mod build;
mod cache;
mod capture;
mod conformance;
mod counts;
mod coverage;
mod crash;
mod cross;
mod demo;
mod fetch;
mod fuzz;
mod guest;
mod interrupt;
mod log;
mod progress;
mod qemu;
mod report;
mod run;
mod session;
mod sim;
mod size;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

const AFTER_HELP: &str = "\
Start with `cargo xtask demo` (see it work) and `cargo xtask test` (check everything).
Logs are kept in target/xtask.
Exit codes: 0 all well, 1 something failed, 2 wrong usage, 130 interrupted.";

/// Every chore of the eTSEC driver, one verb each.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    arg_required_else_help = true,
    after_help = AFTER_HELP
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run every check: style, lints, tests, documentation, features, packaging, licences.
    Test(test::Options),
    /// See it work: the Linux kernel pings, and downloads from, a simulated eTSEC.
    Demo(demo::Options),
    /// Build the command, or the core, for another machine.
    Build(build::Options),
    /// Boot what was built on QEMU, on an eTSEC that others wrote.
    Qemu(qemu::Options),
    /// Run the same scenarios on our own model and on QEMU's eTSEC, and compare.
    Conformance(conformance::Options),
    /// Look at code built for an e500v2: forbidden instructions, length of the data path's steps.
    Asm(asm::Options),
    /// Measure what the core brings into the smallest image that uses it.
    Size(size::Options),
    /// Kill processes under traffic, let others take their port over, and account for each frame.
    Crash(crash::Options),
    /// Drivers, models and a cable in one thread, with faults on every edge, from one seed.
    Sim(sim::Options),
    /// Count instructions per packet, and packets per second against the model.
    Bench(bench::Options),
    /// Look for inputs that parsers, driver or model do not survive.
    Fuzz(fuzz::Options),
    /// See which lines and branches of the core and the model the tests reach.
    Coverage(coverage::Options),
    /// Keep what comes out of tests that compare with a kept text, such as the trace of bring-up.
    Bless(bless::Options),
    /// The part of `demo` that runs in the network namespace; not for people.
    #[command(hide = true)]
    DemoInside(demo::inside::Options),
}

/// What every verb that may need tools understands.
#[derive(Debug, Clone, Copy, Args)]
struct Common {
    /// A skipped step is a failure (but for what only rustup can supply and it cannot).
    #[arg(long)]
    strict: bool,
    /// Install nothing: name what is missing, the command that installs it, and skip its steps.
    #[arg(long)]
    no_install: bool,
}

fn main() -> ExitCode {
    interrupt::watch();
    let done = match Cli::parse().verb {
        Verb::Test(options) => test::run(&options),
        Verb::Demo(options) => demo::run(&options),
        Verb::Build(options) => build::run(&options),
        Verb::Qemu(options) => qemu::run(&options),
        Verb::Conformance(options) => conformance::run(&options),
        Verb::Asm(options) => asm::run(&options),
        Verb::Size(options) => size::run(&options),
        Verb::Sim(options) => sim::run(&options),
        Verb::Crash(options) => crash::run(&options),
        Verb::Bench(options) => bench::run(&options),
        Verb::Fuzz(options) => fuzz::run(&options),
        Verb::Coverage(options) => coverage::run(&options),
        Verb::Bless(options) => bless::run(&options),
        Verb::DemoInside(options) => demo::inside::run(&options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if error.is::<interrupt::Interrupted>() => {
            eprintln!("xtask: interrupted");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
