//! The core built for a target without std and without compare-and-swap. The target comes from the
//! toolchain in use, or from Debian's Rust with its own copy of the sources.

use anyhow::Result;

use crate::cross::{Kit, Target};
use crate::log::Log;
use crate::report::Verdict;
use crate::run;
use crate::session::Session;

/// Features that a bare-metal user takes.
const FEATURE_SETS: [&str; 2] = ["", "log,defmt,smoltcp"];

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
