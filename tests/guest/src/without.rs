//! Becoming a program that lacks a capability which root would otherwise have.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::anyhow;
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};

/// Becomes `program`, without the capability of that name. Returns only if it cannot.
pub fn run(capability: &str, program: &str, arguments: &[&str]) -> anyhow::Error {
    let Some(set) = CapabilitySet::from_name(capability) else {
        return anyhow!("there is no capability {capability:?}");
    };
    // Root's programs get what the bounding set holds, so this is all there is to it.
    if let Err(error) = remove_capability_from_bounding_set(set) {
        return anyhow!(error).context(format!("cannot give {capability} up"));
    }
    let error = Command::new(program).args(arguments).exec();
    anyhow!(error).context(format!("cannot start {program}"))
}
