//! Whether this machine lets us make a network namespace with a TAP device, and how to enter one.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::tools::{self, IP};

/// The device that TAP interfaces are made through.
const TUN: &str = "/dev/net/tun";

/// Why there can be no namespace with a TAP device, if there cannot.
pub fn forbidden() -> Option<String> {
    if let Err(error) = File::options().read(true).write(true).open(TUN) {
        return Some(format!("{TUN}: {error}"));
    }
    // Only the real thing tells: there are many ways to forbid it.
    let mut probe = enter();
    probe.arg(ip()).args(["tuntap", "add", "dev", "probe", "mode", "tap"]);
    match probe.stdin(Stdio::null()).output() {
        Ok(said) if said.status.success() => None,
        Ok(said) => Some(String::from_utf8_lossy(&said.stderr).trim().to_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    }
}

/// The `ip` program.
pub fn ip() -> PathBuf {
    tools::find(IP.program).unwrap_or_else(|| IP.program.into())
}

/// The beginning of a command that runs in a new network namespace, and dies with us. One who is
/// not root becomes root of a user namespace of his own, which has power over that network only.
pub fn enter() -> Command {
    let mut command = Command::new("unshare");
    command.arg("--net");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    // Entering a user namespace forgets the death signal, so it is set afterwards.
    command.args(["--", "setpriv", "--pdeathsig", "TERM", "--"]);
    command
}
