//! Device trees with a mistake (`tests/guest/dts/wrong.dtso`): the command is refused with one line
//! that names the device and the cure.

use anyhow::Result;

use super::rig::{ETSEC, Rig};

/// There is `one-tx`, and neither `one-rx` nor `one-err`.
pub fn one_line(rig: &mut Rig) -> Result<String> {
    refused(rig, "uio:one", &["'one-tx' has no companion 'one-rx'", "a node for each", "board.md"])
}

/// Without `linux,uio-name` the device has its node's name.
pub fn no_name(rig: &mut Rig) -> Result<String> {
    let words = ["no UIO device is called 'eth0' or 'eth0-tx'", "ethernet", "board.md#device-tree"];
    refused(rig, "uio:eth0", &words)
}

/// A device without registers.
pub fn no_registers(rig: &mut Rig) -> Result<String> {
    refused(rig, "uio:bare", &["etsec: uio", "no register map", "reg and reg-names", "board.md"])
}

/// A device whose `reg` leads somewhere else.
pub fn wrong_registers(rig: &mut Rig) -> Result<String> {
    refused(rig, "uio:astray", &["eTSEC", "reg", "board.md#device-tree"])
}

/// A device without an interrupt.
pub fn no_interrupts(rig: &mut Rig) -> Result<String> {
    refused(
        rig,
        "uio:deaf",
        &["etsec: uio", "no interrupt to wait for", "needs interrupts", "board.md"],
    )
}

fn refused(rig: &mut Rig, device: &str, expected: &[&str]) -> Result<String> {
    let argv = [ETSEC, "capture", "--device", device, "--write", "/tmp/none.pcapng"];
    rig.refused(&argv, expected)
}
