//! The tests of all packages on big-endian processors, under user-mode emulation: once for an
//! ordinary PowerPC with glibc, once for an e500v2 with the libraries that its programs are made
//! of, on a model of the processor that traps on floating-point instructions it has not got.

use anyhow::Result;

use super::host;
use crate::cross::{Kit, Target};
use crate::log::Log;
use crate::report::Verdict;
use crate::session::Session;

/// What is tested. The last package drives the model with the driver.
const WHAT: &str = "--package etsec-core --package etsec-sim --package etsec-linux \
    --package etsec-tests --all-features --no-fail-fast --lib --bins --tests";

/// Tests that cannot be had under user-mode emulation, and what judges the same thing elsewhere.
const NOT_EMULATED: [(&str, &str); 14] = [
    // The page map in /proc is of the host's addresses, not of the emulated program's.
    ("pagemap::tests::this_process_sees_its_own_pages", "suite guest: a real page map"),
    ("hugepage::tests::the_record_is_locked", "suite guest: real huge pages"),
    ("hugepage::tests::real_huge_pages_come_and_go", "suite guest: real huge pages"),
    // The emulator swaps the bytes of an event descriptor's counter, but not of its duplicate's.
    ("wait::tests::bells_are_taken", "suite tests; bells are of simulated devices only"),
    ("two_threads_are_woken_by_the_rings", "suite tests; bells are of simulated devices only"),
    ("another_descriptor_ends", "suite tests; bells are of simulated devices only"),
    ("frames_behind_one_interrupt", "suite tests; bells are of simulated devices only"),
    ("who_looks_too_early", "suite tests; bells are of simulated devices only"),
    ("no_wake_up_is_lost_by", "suite tests; bells are of simulated devices only"),
    ("two_waiters_on_one_device", "suite tests; bells are of simulated devices only"),
    ("each_frame_wakes_and", "suite tests; bells are of simulated devices only"),
    // It starts itself, as a program of this machine.
    ("memory_that_is_not_what_it_should_be", "suite tests: simulators run on this machine"),
    ("memory_outlives_an_owner_that_is_killed", "suite tests: simulators run on this machine"),
    // It runs the compiler.
    ("mistakes_do_not_compile", "suite tests: what compiles does so for every processor"),
];

/// On `powerpc-unknown-linux-gnu`.
///
/// # Errors
/// Ctrl-C, a log that cannot be written.
pub fn powerpc(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    run(Target::Powerpc, session, log)
}

/// On an e500v2: static, soft float, `panic = "abort"`.
///
/// # Errors
/// Ctrl-C, a log that cannot be written.
pub fn e500v2(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    run(Target::E500v2, session, log)
}

fn run(target: Target, session: &mut Session, log: &mut Log) -> Result<Verdict> {
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
    for (test, elsewhere) in NOT_EMULATED {
        session.progress.say(&format!("  not under emulation: {test} ({elsewhere})"));
    }
    let mut cargo = kit.cargo(session, "test");
    cargo
        .args(WHAT.split_whitespace())
        // Emulation is slow: a little of the optimiser saves more time than it takes.
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        // Who starts a program has to be alone: what the emulator makes of a fork waits for ever
        // for a lock that another thread had at that moment.
        .env("RUST_TEST_THREADS", "1")
        .env("ETSEC_RUNNER", kit.runner().join(" "))
        .arg("--");
    if target == Target::E500v2 {
        // Where a panic ends the program, the harness would start a process for each test.
        // What it says would be lost, so it is not captured.
        cargo.args(["-Zunstable-options", "--force-run-in-process", "--exclude-should-panic"]);
        cargo.arg("--nocapture");
    }
    cargo.args(NOT_EMULATED.iter().flat_map(|(test, _)| ["--skip", test]));
    host::judged(session, log, [cargo])
}
