//! The core built for a target without std and without compare-and-swap. The target comes from the
//! toolchain in use, or from Debian's Rust with its own copy of the sources.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::log::Log;
use crate::report::Verdict;
use crate::run;
use crate::session::Session;
use crate::tools::{self, DEBIAN_RUST};

const TARGET: &str = "thumbv6m-none-eabi";

/// Features that a bare-metal user takes.
const FEATURE_SETS: [&str; 2] = ["", "log,defmt,smoltcp"];

/// Builds the core for [`TARGET`].
pub fn no_std(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let rustup_has_it = target_installed();
    if !rustup_has_it && let Err(missing) = DEBIAN_RUST.ensure(session)? {
        let or = if tools::find("rustup").is_some() {
            format!("; or `rustup target add {TARGET}`")
        } else {
            String::new()
        };
        return Ok(Verdict::Skipped { why: format!("{missing}{or}") });
    }
    let mut passed = 0;
    for features in FEATURE_SETS {
        let mut cargo =
            if rustup_has_it { session.cargo("check") } else { debian_cargo(session, log)? };
        cargo.args(["--package", "etsec-core", "--target", TARGET, "--features", features]);
        if !run::logged(cargo, log, &mut session.progress)?.success() {
            let why = format!("etsec-core with [{features}] does not build for {TARGET}");
            return Ok(Verdict::Failed { passed, failed: 1, why });
        }
        passed += 1;
    }
    Ok(Verdict::Passed { passed, ignored: 0 })
}

/// Whether the toolchain in use has the target's `core`.
fn target_installed() -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let Ok(said) = Command::new(rustc).args(["--print", "sysroot"]).output() else { return false };
    let sysroot = PathBuf::from(String::from_utf8_lossy(&said.stdout).trim());
    sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir()
}

/// Debian's cargo and rustc; `core` is built from Debian's sources, in a target directory of its
/// own, since it is another compiler.
fn debian_cargo(session: &Session, log: &mut Log) -> Result<Command> {
    log.line("with Debian's Rust, `core` built from its sources:")?;
    let mut cargo = session.program("/usr/bin/cargo");
    cargo
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTDOC", "/usr/bin/rustdoc")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", session.target.join("debian-rust"))
        .env_remove("RUSTUP_TOOLCHAIN")
        .args(["check", "-Zbuild-std=core"]);
    Ok(cargo)
}
