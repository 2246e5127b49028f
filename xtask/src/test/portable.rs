//! Builds for machines unlike the P1020: a processor without std and without compare-and-swap, and
//! a little-endian host of the eTSEC. The target comes from the toolchain in use, or from Debian's
//! Rust with its own copy of the sources.

use anyhow::Result;

use super::host;
use crate::cross::{Kit, Target};
use crate::log::Log;
use crate::report::Verdict;
use crate::run;
use crate::session::Session;

/// Features that a bare-metal user takes.
const FEATURE_SETS: [&str; 2] = ["", "log,defmt,smoltcp,scatter"];

/// Builds the core for a target without a standard library.
pub fn no_std(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let kit = match Kit::compiler(Target::Thumbv6m, session)? {
        Ok(kit) => kit,
        Err(why) => return Ok(Verdict::Skipped { why }),
    };
    log.line(&kit.describe())?;
    let mut passed = 0;
    for features in FEATURE_SETS {
        let mut cargo = kit.cargo(session, "check");
        cargo.args(["--package", "etsec-core", "--features", features]);
        if !run::logged(cargo, log, &mut session.progress)?.success() {
            let why = format!("etsec-core with [{features}] does not build without std");
            return Ok(Verdict::Failed { passed, failed: 1, why });
        }
        passed += 1;
    }
    Ok(Verdict::Passed { passed, ignored: 0 })
}

/// The command links, and the core's tests pass, on ARM: the LS1021A has eTSECs whose registers and
/// descriptors are big-endian on a little-endian host (HW 1.3).
pub fn little_endian(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let target = Target::Armv7;
    let kit = match Kit::find(target, session, log)? {
        Ok(kit) => kit,
        Err(why) => return Ok(Verdict::Skipped { why }),
    };
    if let Some((emulator, _)) = target.runner()
        && let Err(why) = emulator.ensure(session)?
    {
        return Ok(Verdict::Skipped { why });
    }
    session.progress.say(&format!("  {}", kit.describe()));
    let quick = |command: &str, words: &str| {
        let mut cargo = kit.cargo(session, command);
        cargo.args(words.split_whitespace()).env("CARGO_PROFILE_DEV_DEBUG", "0");
        cargo
    };
    let link = quick("build", "--package etsec-linux --all-features");
    let test = quick("test", "--package etsec-core --features log,defmt,smoltcp,scatter --lib");
    if !run::logged(link, log, &mut session.progress)?.success() {
        return Ok(Verdict::failed("etsec-linux does not build for a little-endian host"));
    }
    host::judged(session, log, [test])
}
