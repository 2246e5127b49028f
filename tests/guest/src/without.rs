//! Becoming a program that lacks a capability which root would otherwise have.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, anyhow, bail};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};

/// Becomes the program `arguments` name, behind the capability's name. Returns only if it cannot.
pub fn run(arguments: impl Iterator<Item = OsString>) -> anyhow::Error {
    match become_program(arguments) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn become_program(
    mut arguments: impl Iterator<Item = OsString>,
) -> anyhow::Result<std::convert::Infallible> {
    let name = arguments.next().context("no capability was named")?;
    let known = name.to_str().and_then(CapabilitySet::from_name);
    let Some(capability) = known else { bail!("there is no capability {name:?}") };
    // Root's programs get what the bounding set holds, so this is all there is to it.
    remove_capability_from_bounding_set(capability).context("cannot give it up")?;
    let program = arguments.next().context("no program was named")?;
    let error = Command::new(&program).args(arguments).exec();
    Err(anyhow!(error).context(format!("cannot start {program:?}")))
}
