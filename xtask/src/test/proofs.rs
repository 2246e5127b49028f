//! The `proofs` suite: what the core's threads and the device share, under a model checker. The
//! core is built for that, its words and fences being the checker's (`--cfg loom`).

use anyhow::Result;

use crate::counts;
use crate::log::Log;
use crate::report::Verdict;
use crate::run;
use crate::session::Session;

/// Runs the proofs.
///
/// # Errors
/// Ctrl-C, or a log that cannot be written.
pub fn suite(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    if !cfg!(target_arch = "x86_64") {
        let why = "elsewhere barriers are instructions, which the checker cannot see into";
        return Ok(Verdict::Skipped { why: why.into() });
    }
    let tests = "test --profile proofs --package etsec-core --features scatter --lib -- proofs::";
    let mut cargo = session.cargo(tests);
    cargo.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", session.target.join("proofs"));
    let success = run::logged(cargo, log, &mut session.progress)?.success();
    Ok(counts::judge(success, &counts::closings(&log.text()?)))
}
