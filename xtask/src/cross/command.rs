//! The `etsec` command for another machine.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::kit::Kit;
use super::target::Target;
use crate::log::Log;
use crate::run;
use crate::session::Session;

/// Builds the command for that machine and returns its path; else says what is missing.
///
/// # Errors
/// Ctrl-C, code that does not build.
pub fn etsec(
    target: Target,
    session: &mut Session,
    log: &mut Log,
) -> Result<Result<PathBuf, String>> {
    let kit = match Kit::find(target, session, log)? {
        Ok(kit) => kit,
        Err(missing) => return Ok(Err(missing)),
    };
    let mut cargo = kit.cargo(session, "build");
    cargo.args(["--release", "--locked", "--package", "etsec-linux", "--features", "cli"]);
    if !run::logged(cargo, log, &mut session.progress)?.success() {
        let (triple, log) = (target.triple(), log.path().display());
        bail!("etsec does not build for {triple}, see {log}");
    }
    Ok(Ok(kit.out(session, "release").join("etsec")))
}
