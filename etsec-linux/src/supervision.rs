//! Processes that run a device for another one, and do not outlive it.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::sys;

/// Makes `command` the leader of a process group of its own, which gets SIGTERM when the calling
/// thread ends, however that happens. Signals from a terminal do not reach it.
pub fn bind(command: &mut Command) {
    command.process_group(0);
    sys::end_with_parent(command);
}
