//! What we build for the guest: its first process, and the `etsec` command.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::cross::{Kit, Target, etsec};
use crate::log::Log;
use crate::run;
use crate::session::Session;

/// The first process's own package.
pub const MANIFEST: &str = "tests/guest/Cargo.toml";

/// The built programs.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The first process.
    pub init: PathBuf,
    /// The command.
    pub etsec: PathBuf,
    /// With what they were built, for the reader.
    pub toolchain: String,
}

/// Builds them; else what is missing, and the command that installs it.
///
/// # Errors
/// Ctrl-C, or code that does not build.
pub fn build(session: &mut Session, log: &mut Log) -> Result<Result<Programs, String>> {
    let kit = match Kit::find(Target::E500v2, session, log)? {
        Ok(kit) => kit,
        Err(missing) => return Ok(Err(missing)),
    };
    let etsec = match etsec(Target::E500v2, session, log)? {
        Ok(etsec) => etsec,
        Err(missing) => return Ok(Err(missing)),
    };
    let mut cargo = kit.cargo(session, "build");
    cargo.args(["--release", "--locked", "--manifest-path", MANIFEST]);
    let built = run::logged(cargo, log, &mut session.progress)?.success();
    ensure!(built, "{MANIFEST} does not build, see {}", log.path().display());
    let folder = kit.out(session, "release");
    Ok(Ok(Programs { init: folder.join("etsec-guest"), etsec, toolchain: kit.describe() }))
}
