//! The `stores` suite: a process that dies in front of each store it makes, and another that takes
//! over (`tests/tests/stores.rs`). The core is built with a watch on its stores (`--cfg
//! etsec_stores`).
//!
//! The flag reaches the compiler through a wrapper, for the packages of the workspace alone: what
//! they depend on is there already, and nothing that other suites have built is replaced.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::counts;
use crate::log::Log;
use crate::report::Verdict;
use crate::run;
use crate::session::Session;

const WRAPPER: &str = "\
#!/bin/sh
exec \"$@\" --cfg etsec_stores
";

/// Runs the tests.
///
/// # Errors
/// Ctrl-C, or a log or a wrapper that cannot be written.
pub fn suite(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let mut cargo = session.cargo("test --package etsec-tests --test stores");
    cargo.env("RUSTC_WORKSPACE_WRAPPER", wrapper(&session.target.join("stores"))?);
    let success = run::logged(cargo, log, &mut session.progress)?.success();
    Ok(counts::judge(success, &counts::closings(&log.text()?)))
}

/// The compiler, wrapped.
fn wrapper(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("rustc");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&path, WRAPPER))
        .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
