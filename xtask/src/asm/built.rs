//! What there is to look at: our own programs for an e500v2, built, or files that were named.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::cross::{Kit, Target, etsec};
use crate::log::Log;
use crate::qemu::firmware;
use crate::run;
use crate::session::Session;
use crate::tools::POWERPC_BINUTILS;

/// Files with code for an e500v2.
#[derive(Debug, Default)]
pub struct Built {
    /// Programs.
    pub programs: Vec<PathBuf>,
    /// The library with the steps of the data path.
    pub hot_path: Option<PathBuf>,
}

/// Builds the command, the bare-metal images and the steps of the data path; else says what is
/// missing.
///
/// # Errors
/// Ctrl-C, code that does not build.
pub fn ours(session: &mut Session, log: &mut Log) -> Result<Result<Built, String>> {
    let mut built = Built::default();
    match etsec(Target::E500v2, session, log)? {
        Ok(path) => built.programs.push(path),
        Err(missing) => return Ok(Err(missing)),
    }
    let kit = match Kit::find(Target::E500v2None, session, log)? {
        Ok(kit) => kit,
        Err(missing) => return Ok(Err(missing)),
    };
    let Some(images) = firmware::build(session, log, &kit)? else {
        bail!("the firmware does not build, see {}", log.path().display())
    };
    built.programs.extend([images.firmware, images.minimal]);
    let mut cargo = kit.cargo(session, "rustc");
    // With what the command has; the library's own code, not an intermediate form of it that waits
    // for a linker.
    cargo.args(["--release", "--package", "etsec-core", "--features", "scatter"]);
    cargo.args(["--example", "hot_path", "--", "-Clinker-plugin-lto=no"]);
    if !run::logged(cargo, log, &mut session.progress)?.success() {
        bail!("the steps of the data path do not build, see {}", log.path().display());
    }
    built.hot_path = Some(kit.out(session, "release").join("examples/libhot_path.rlib"));
    Ok(Ok(built))
}

/// The files that were named.
///
/// # Errors
/// Ctrl-C, a log that cannot be written.
pub fn given(session: &mut Session, files: &[PathBuf]) -> Result<Result<Built, String>> {
    if let Err(missing) = POWERPC_BINUTILS.ensure(session)? {
        return Ok(Err(missing));
    }
    // Programs run in the workspace's root; the names are from where we were started.
    let here = std::env::current_dir()?;
    let programs = files.iter().map(|file| here.join(file)).collect();
    Ok(Ok(Built { programs, hot_path: None }))
}
