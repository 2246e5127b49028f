//! `cargo xtask test`: the list of suites, and running them in order. What each does is in the
//! files beside this one.

mod cost;
mod device_tree;
mod emulated;
mod host;
mod miri;
mod portable;
mod proofs;
mod stores;
mod supply;

use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

use crate::interrupt::Interrupted;
use crate::log::Log;
use crate::qemu::{firmware, linux};
use crate::report::{Report, Verdict};
use crate::session::Session;
use crate::tidy;
use crate::{Common, asm, bench, conformance, crash, sim, size};

pub use miri::nightly;

/// Options of `test`.
#[derive(Debug, Args)]
#[command(after_help = SUITES_HELP)]
pub struct Options {
    #[command(flatten)]
    common: Common,
    /// The inner loop: style, lints of the default features, and the host's tests.
    #[arg(long)]
    quick: bool,
    /// Only this suite; may be given several times.
    #[arg(long, value_name = "SUITE")]
    only: Vec<String>,
    /// Only the tests on this machine, emulated; the same as `--only` with the suite of that name.
    #[arg(long, value_name = "MACHINE", value_parser = ["powerpc", "e500v2"])]
    target: Vec<String>,
}

/// One suite.
struct Suite {
    name: &'static str,
    /// Whether `--quick` runs it.
    quick: bool,
    run: fn(&mut Session, &mut Log) -> Result<Verdict>,
}

const SUITES: &[Suite] = &[
    Suite { name: "fmt", quick: true, run: host::fmt },
    Suite { name: "tidy", quick: true, run: tidy::suite },
    Suite { name: "clippy", quick: true, run: host::clippy },
    Suite { name: "features", quick: false, run: host::features },
    Suite { name: "tests", quick: true, run: host::tests },
    Suite { name: "sim", quick: false, run: sim::suite },
    Suite { name: "stores", quick: false, run: stores::suite },
    Suite { name: "crash", quick: false, run: crash::suite },
    Suite { name: "dts", quick: false, run: device_tree::suite },
    Suite { name: "doctests", quick: false, run: host::doctests },
    Suite { name: "docs", quick: false, run: host::docs },
    Suite { name: "no-std", quick: false, run: portable::no_std },
    Suite { name: "powerpc", quick: false, run: emulated::powerpc },
    Suite { name: "e500v2", quick: false, run: emulated::e500v2 },
    Suite { name: "armv7", quick: false, run: portable::little_endian },
    Suite { name: "asm", quick: false, run: asm::suite },
    Suite { name: "msrv", quick: false, run: supply::msrv },
    Suite { name: "package", quick: false, run: supply::package },
    Suite { name: "deny", quick: false, run: supply::deny },
    Suite { name: "cost", quick: false, run: cost::suite },
    Suite { name: "size", quick: false, run: size::suite },
    Suite { name: "conformance", quick: false, run: conformance::suite },
    Suite { name: "firmware", quick: false, run: firmware::suite },
    Suite { name: "guest", quick: false, run: linux::suite },
    Suite { name: "guest-cost", quick: false, run: bench::guest::suite },
    Suite { name: "proofs", quick: false, run: proofs::suite },
    Suite { name: "miri", quick: false, run: miri::suite },
];

const SUITES_HELP: &str = "\
Suites, in order (* with --quick):
  fmt*      rustfmt has nothing to change
  tidy*     our own rules: see `xtask/src/tidy/`
  clippy*   no warning in any target, all features
  features  no warning in each package with each set of features
  tests*    unit and integration tests
  sim       10,000 deterministic worlds with faults on every edge: `cargo xtask sim`
  stores    a process dies at each store it makes, and another takes over
  crash     50 processes killed under traffic, and each frame accounted for: `cargo xtask crash`
  dts       the overlays, merged with the trees they are for and read by the driver
  doctests  examples in the documentation
  docs      the documentation builds without a warning
  no-std    the core builds for thumbv6m: no std, no compare-and-swap
  powerpc   the tests on a big-endian PowerPC, emulated
  e500v2    the same on an e500v2, with what its programs are made of
  armv7     the command links and the core's tests pass on a little-endian host of the eTSEC
  asm       what is built for an e500v2 holds nothing that it cannot execute
  msrv      the stated minimum Rust version is stated everywhere and true of all dependencies
  package   `cargo package` of the core
  deny      licences, bans and sources of dependencies, offline
  cost      instructions per packet within their limits (x86-64; valgrind)
  size      what the core brings into the smallest image, within its limit: `cargo xtask size`
  conformance  the same on our model and on QEMU's eTSEC: `cargo xtask conformance`
  firmware  the bare-metal image on QEMU's eTSEC: `cargo xtask qemu firmware`
  guest     etsec on Linux, over UIO, on QEMU's eTSEC: `cargo xtask qemu linux`
  guest-cost  instructions per packet of that guest within their limits
  proofs    what threads and the device share, in every order, under a model checker (x86-64)
  miri      unsafe code of the core under miri, where rustup can supply it";

/// Runs the suites; true when nothing failed.
///
/// # Errors
/// Ctrl-C, a wrong `--only`, or a target directory that cannot be written.
pub fn run(options: &Options) -> Result<bool> {
    let chosen = choose(options)?;
    let mut session = Session::new(options.common)?;
    let mut report = Report::new(session.strict);
    for suite in chosen {
        let started = Instant::now();
        session.progress.start(suite.name);
        let mut log = session.log(suite.name)?;
        let verdict = match (suite.run)(&mut session, &mut log) {
            Ok(verdict) => verdict,
            Err(error) if error.is::<Interrupted>() => return Err(error),
            // The others run all the same.
            Err(error) => Verdict::failed(format!("{error:#}")),
        };
        session.progress.finish();
        let verdict = report.add(suite.name, verdict, started.elapsed());
        let (word, why) = verdict.words();
        let seconds = started.elapsed().as_secs_f64();
        say!("{}", format!("{}: {word} in {seconds:.1} s  {why}", suite.name).trim_end());
        if matches!(verdict, Verdict::Failed { .. }) {
            say!("{}", log.tail());
        }
    }
    say!("\n{}", report.render());
    Ok(report.ok())
}

fn choose(options: &Options) -> Result<Vec<&'static Suite>> {
    let named: Vec<&String> = options.only.iter().chain(&options.target).collect();
    for name in &named {
        if !SUITES.iter().any(|s| s.name == *name) {
            let names: Vec<_> = SUITES.iter().map(|s| s.name).collect();
            bail!("no suite is named {name:?}; there are {}", names.join(", "));
        }
    }
    let wanted = |suite: &&Suite| {
        if named.is_empty() {
            return suite.quick || !options.quick;
        }
        named.iter().any(|name| *name == suite.name)
    };
    Ok(SUITES.iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(quick: bool, only: &[&str]) -> Result<Vec<&'static str>> {
        let common = Common { strict: false, no_install: true };
        let only = only.iter().map(|s| (*s).to_owned()).collect();
        let options = Options { common, quick, only, target: Vec::new() };
        Ok(choose(&options)?.iter().map(|s| s.name).collect())
    }

    #[test]
    fn suites_are_chosen_by_name_or_speed() {
        assert_eq!(names(false, &[]).expect("all").len(), SUITES.len());
        assert_eq!(names(true, &[]).expect("quick"), ["fmt", "tidy", "clippy", "tests"]);
        assert_eq!(names(true, &["deny", "fmt"]).expect("named"), ["fmt", "deny"]);
    }

    #[test]
    fn an_unknown_suite_is_an_error_that_lists_them() {
        let error = names(false, &["fmt", "nope"]).expect_err("unknown").to_string();
        assert!(error.starts_with("no suite is named \"nope\"; there are fmt, "), "{error}");
    }

    #[test]
    fn the_page_on_testing_has_every_suite_in_order() {
        let row = |suite: &Suite| {
            let quick = if suite.quick { "yes" } else { "" };
            (format!("`{}`", suite.name), quick.to_owned())
        };
        let page = include_str!("../../../docs/TESTING.md");
        let rows = page.lines().filter_map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let [_, name, _, _, quick, _] = cells[..] else { return None };
            name.starts_with('`').then(|| (name.to_owned(), quick.to_owned()))
        });
        assert_eq!(rows.collect::<Vec<_>>(), SUITES.iter().map(row).collect::<Vec<_>>());
    }

    #[test]
    fn the_help_names_every_suite() {
        for suite in SUITES {
            let star = if suite.quick { "*" } else { "" };
            let line = format!("\n  {}{star} ", suite.name);
            assert!(SUITES_HELP.contains(&line), "{} is not in the help", suite.name);
        }
    }
}
