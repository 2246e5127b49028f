//! Processes that run a device for another one, and do not outlive it.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::sys;

/// Makes `command` the leader of a process group of its own, which signals from a terminal do not
/// reach. The command itself, not what it starts, gets SIGTERM when the calling thread ends,
/// however that happens.
pub fn bind(command: &mut Command) {
    command.process_group(0);
    sys::end_with_parent(command);
}
