//! Tests of unsafe code under miri, which judges it. Only rustup supplies miri; where it cannot,
//! the suite is *not available* and nobody is blamed.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::counts;
use crate::log::Log;
use crate::report::Verdict;
use crate::run;
use crate::session::Session;
use crate::tools;

/// How long rustup may try to fetch the components.
const FETCH_LIMIT: Duration = Duration::from_secs(60);

/// A big-endian machine of 32 bits, as most that have an eTSEC. Miri plays its processor.
const BIG_ENDIAN: &str = "powerpc-unknown-linux-gnu";

/// What it judges, and on which other machine: the driver's unsafe code, the model's, and both on
/// one memory. The filer has none, and its tests compile whole tables, which takes miri the better
/// part of an hour. What maps files or asks the kernel for more than miri plays (most of
/// `etsec-linux`, and of the model the memory that it shares with another process) it cannot run:
/// docs/TESTING.md says what judges that instead.
const TESTS: [(Option<&str>, &str); 6] = [
    (None, "--package etsec-core --features adopt,scatter --lib -- --skip filer::"),
    (None, "--package etsec-sim --lib -- memory:: trace::window::"),
    (None, "--package etsec-tests --test bursts"),
    (
        None,
        "--package etsec-linux --features sim --lib -- sys::tests::a_lock sys::tests::random \
         simulated::tests::memory_at_a_place",
    ),
    // On the other machine what knows the layout of memory.
    (
        Some(BIG_ENDIAN),
        "--package etsec-core --features adopt,scatter --lib -- adopt:: arena:: bd:: buf:: bus:: \
         dma:: fcb:: halt:: pool:: queue_tests:: rx tx::",
    ),
    (Some(BIG_ENDIAN), "--package etsec-sim --lib -- memory:: trace::window::"),
];

/// Runs the suite.
pub fn suite(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    if tools::find("rustup").is_none() {
        return Ok(Verdict::Unavailable { why: "there is no rustup here".into() });
    }
    let Some(nightly) = nightly() else {
        let why = "no nightly: `rustup toolchain install nightly --component miri,rust-src`";
        return Ok(Verdict::Unavailable { why: why.into() });
    };
    let add = ["component", "add", "--toolchain", &nightly, "miri", "rust-src"];
    if !works(&nightly) {
        let command = format!("rustup {}", add.join(" "));
        if !session.install {
            return Ok(Verdict::Unavailable { why: format!("miri is missing: `{command}`") });
        }
        session.progress.say(&format!("installing miri: {command}"));
        let mut rustup = session.program("rustup");
        rustup.args(add);
        run::limited(rustup, log, &mut session.progress, Some(FETCH_LIMIT))?;
        if !works(&nightly) {
            return Ok(Verdict::Unavailable { why: format!("`{command}` did not supply it") });
        }
    }
    let mut success = true;
    for (machine, tests) in TESTS {
        let mut miri = session.program("rustup");
        miri.args(["run", &nightly, "cargo", "miri", "test"])
            .args(machine.into_iter().flat_map(|machine| ["--target", machine]))
            .args(tests.split_whitespace())
            .env("CARGO_TARGET_DIR", session.target.join("miri"))
            // Memory that a device may still write to is leaked, not freed: that is the design. A
            // lock is a file's, which is the host's.
            .env("MIRIFLAGS", "-Zmiri-ignore-leaks -Zmiri-disable-isolation")
            .env_remove("RUSTUP_TOOLCHAIN");
        success &= run::logged(miri, log, &mut session.progress)?.success();
    }
    Ok(counts::judge(success, &counts::closings(&log.text()?)))
}

/// The first installed nightly toolchain.
pub fn nightly() -> Option<String> {
    let said = Command::new("rustup").args(["toolchain", "list"]).output().ok()?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    text.lines().filter_map(first).find(|name| name.starts_with("nightly"))
}

/// Whether miri and the library sources it needs are there.
fn works(nightly: &str) -> bool {
    let run = |program: &[&str]| {
        let said = Command::new("rustup").args(["run", nightly]).args(program).output().ok()?;
        said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
    };
    let sources = run(&["rustc", "--print", "sysroot"])
        .is_some_and(|root| std::path::Path::new(&root).join("lib/rustlib/src/rust").is_dir());
    sources && run(&["cargo", "miri", "--version"]).is_some()
}
