//! The device-tree overlays: compiled, merged, and read by the driver. This file sees to the tools;
//! what is asked is in `etsec-linux/tests/device_tree`.

use anyhow::Result;

use super::host;
use crate::log::Log;
use crate::report::Verdict;
use crate::run;
use crate::session::Session;
use crate::tools::{DTC, QEMU};

/// A target that plain `cargo test` and `clippy --all-targets` leave out.
const TARGET: &str = "--package etsec-linux --test device_tree";

/// Runs the tests of the overlays.
pub fn suite(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    for tool in [DTC, QEMU] {
        if let Err(missing) = tool.ensure(session)? {
            return Ok(Verdict::Skipped { why: missing });
        }
    }
    let clippy = session.cargo(&format!("clippy {TARGET} -- -D warnings"));
    if !run::logged(clippy, log, &mut session.progress)?.success() {
        return Ok(Verdict::failed("clippy has something to say, see the log"));
    }
    let cargo = session.cargo(&format!("test {TARGET}"));
    host::judged(session, log, [cargo])
}
