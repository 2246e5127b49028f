//! Suites that need nothing but cargo on this machine: format, lints, feature sets, tests,
//! documentation.

use std::process::Command;

use anyhow::Result;

use crate::counts;
use crate::fuzz::MANIFEST as FUZZ;
use crate::guest::programs::MANIFEST as GUEST;
use crate::log::Log;
use crate::qemu::firmware::MANIFEST as FIRMWARE;
use crate::report::Verdict;
use crate::run;
use crate::session::Session;
use crate::tools::{IP, PING, UNSHARE};

/// Each package with each set of features it offers, one by one: features only add, and none may
/// lean on another being there.
const FEATURE_SETS: [(&str, &[&str]); 3] = [
    (
        "etsec-core",
        &["", "scatter", "adopt", "log", "defmt", "smoltcp", "log,defmt,smoltcp,scatter"],
    ),
    ("etsec-sim", &["", "pcap", "qemu", "tap"]),
    ("etsec-linux", &["", "sim", "trace"]),
];

/// Packages with a workspace of their own: what concerns the text of all packages concerns them.
pub const APART: [&str; 3] = [FIRMWARE, GUEST, FUZZ];

/// rustfmt has nothing to change, in the workspace and in the packages that are their own.
pub fn fmt(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let mut verdict = one(session, log, "fmt --all --check", "run `cargo fmt --all`")?;
    for manifest in APART {
        if verdict == Verdict::PASSED {
            let command = format!("fmt --check --manifest-path {manifest}");
            let cure = format!("run `cargo fmt --manifest-path {manifest}`");
            verdict = one(session, log, &command, &cure)?;
        }
    }
    Ok(verdict)
}

/// No warning in any target, with all features; the guest's init is a program of this machine as
/// well, the firmware is looked at where it is built.
pub fn clippy(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let command = "clippy --workspace --all-targets --all-features -- -D warnings";
    let verdict = one(session, log, command, "see the log")?;
    if verdict != Verdict::PASSED {
        return Ok(verdict);
    }
    let mut cargo = session.cargo(&format!("clippy --manifest-path {GUEST} --all-targets"));
    cargo.arg("--target-dir").arg(session.target.join("guest")).args(["--", "-D", "warnings"]);
    let ended = run::logged(cargo, log, &mut session.progress)?;
    Ok(if ended.success() { Verdict::PASSED } else { Verdict::failed("see the log") })
}

/// No warning with any single set of features.
pub fn features(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let (mut passed, mut bad) = (0, Vec::new());
    for (package, sets) in FEATURE_SETS {
        for set in sets {
            let features = if set.is_empty() { String::new() } else { format!("--features {set}") };
            let command = format!(
                "clippy --package {package} --no-default-features {features} -- -D warnings"
            );
            let cargo = session.cargo(&command);
            if run::logged(cargo, log, &mut session.progress)?.success() {
                passed += 1;
            } else {
                bad.push(format!("{package} with [{set}]"));
            }
        }
    }
    if bad.is_empty() {
        return Ok(Verdict::Passed { passed, ignored: 0 });
    }
    Ok(Verdict::Failed { passed, failed: bad.len() as u64, why: bad.join(", ") })
}

/// Unit and integration tests of all packages; the core's also without `scatter`, where frames in
/// several buffers are to be given up instead of put together.
pub fn tests(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    // One test drives the command over a TAP; without these it says so and is skipped.
    for tool in [IP, PING, UNSHARE] {
        if let Err(missing) = tool.ensure(session)? {
            log.line(&missing)?;
        }
    }
    let all = "test --workspace --all-features --no-fail-fast --lib --bins --tests --examples";
    let commands = [all, "test --package etsec-core --no-fail-fast --lib"];
    let cargos = commands.map(|command| session.cargo(command));
    judged(session, log, cargos)
}

/// Examples in the documentation.
pub fn doctests(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let cargo = session.cargo("test --workspace --all-features --no-fail-fast --doc");
    judged(session, log, [cargo])
}

/// The documentation builds without a warning.
pub fn docs(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let mut cargo = session.cargo("doc --workspace --all-features --no-deps");
    cargo.env("RUSTDOCFLAGS", "-D warnings");
    let ended = run::logged(cargo, log, &mut session.progress)?;
    Ok(if ended.success() { Verdict::PASSED } else { Verdict::failed("see the log") })
}

/// Runs one cargo command that is one check.
fn one(session: &mut Session, log: &mut Log, command: &str, cure: &str) -> Result<Verdict> {
    let cargo = session.cargo(command);
    let ended = run::logged(cargo, log, &mut session.progress)?;
    Ok(if ended.success() { Verdict::PASSED } else { Verdict::failed(cure) })
}

/// Runs `cargo test` commands, shows each binary's closing line, and judges by them.
pub(super) fn judged(
    session: &mut Session,
    log: &mut Log,
    cargos: impl IntoIterator<Item = Command>,
) -> Result<Verdict> {
    let mut success = true;
    for mut cargo in cargos {
        if session.strict {
            // A test that would skip itself fails then, and says what this machine lacks.
            cargo.env("ETSEC_STRICT", "1");
        }
        success &= run::logged(cargo, log, &mut session.progress)?.success();
    }
    let closings = counts::closings(&log.text()?);
    for closing in closings.iter().filter(|c| c.passed + c.failed + c.ignored > 0) {
        let counts::Closing { name, passed, failed, ignored } = closing;
        let line = format!("  {name}: {passed} passed, {failed} failed, {ignored} ignored");
        session.progress.say(&line);
    }
    Ok(counts::judge(success, &closings))
}
