//! `cargo xtask bless`: what comes out of the tests with a kept text is kept instead of it, to be
//! looked at before it is committed. It knows which tests those are.

use anyhow::{Result, ensure};
use clap::Args;

use crate::session::Session;
use crate::{Common, run};

/// Where the texts are.
const KEPT: &str = "tests/golden";
/// The tests that compare with them; told in their environment to write instead.
const TESTS: &str = "test --quiet --package etsec-tests --test traces";
const BLESS: &str = "ETSEC_BLESS";

/// Options of `bless`.
#[derive(Debug, Args)]
pub struct Options {}

/// Writes the texts, and shows what has changed.
///
/// # Errors
/// Where cargo cannot be started, or Ctrl-C came.
pub fn run(Options {}: &Options) -> Result<bool> {
    let mut session = Session::new(Common { strict: false, no_install: true })?;
    let mut log = session.log("bless")?;
    let mut cargo = session.cargo(TESTS);
    cargo.env(BLESS, "1");
    let ended = run::logged(cargo, &mut log, &mut session.progress)?;
    session.progress.finish();
    ensure!(ended.success(), "the tests do not run:\n{}", log.tail());
    let mut git = session.program("git");
    git.args(["diff", "--stat", "--", KEPT]);
    let changed = git.output().map(|said| said.stdout).unwrap_or_default();
    match String::from_utf8_lossy(&changed).trim_end() {
        "" => say!("{KEPT}: as it was"),
        changed => say!("{changed}\nlook at it with `git diff {KEPT}`, and commit it"),
    }
    Ok(true)
}
