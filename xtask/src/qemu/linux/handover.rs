//! A port that changes hands: from the kernel's own driver to UIO and back, and once more.

use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::rig::{LIMIT, PEER, Rig, SERVER};
use super::serve::{download, ping};
use crate::interrupt;
use crate::run::POLL;

/// The kernel's interface.
const INTERFACE: &str = "/sys/class/net/eth0";
/// Its flags when it is up (`IFF_BROADCAST`, `IFF_MULTICAST` and `IFF_UP`), and when it is not.
const UP: &str = "0x1003";
const DOWN: &str = "0x1002";

/// Gianfar receives, `etsec` serves, gianfar receives, `etsec` serves, gianfar receives.
pub fn there_and_back(rig: &mut Rig) -> Result<String> {
    rig.load_gianfar()?;
    rig.load_uio("")?;
    kernel_receives(rig).context("before")?;
    for turn in ["first", "second"] {
        let bound = rig.etsec("bind eth0")?;
        let said = bound.out();
        ensure!(said.contains("taken from fsl-gianfar (eth0)"), "{said}{}", bound.err());
        serves(rig).with_context(|| format!("the {turn} time"))?;
        let given = rig.etsec("unbind eth0")?;
        let said = given.out();
        ensure!(said.contains("given to fsl-gianfar (eth0)"), "{said}{}", given.err());
        kernel_receives(rig).with_context(|| format!("after the {turn} time"))?;
    }
    Ok("twice; each time etsec served and gianfar received".to_owned())
}

fn serves(rig: &mut Rig) -> Result<()> {
    let server = rig.start_server()?;
    ping(rig, 20)?;
    download(rig)?;
    rig.stop(server)?;
    Ok(())
}

/// Brings the interface up, sends it a frame, waits until it has counted it, and takes it down.
fn kernel_receives(rig: &mut Rig) -> Result<()> {
    let flags = format!("{INTERFACE}/flags");
    rig.guest.write(&flags, UP)?;
    let before = received(rig)?;
    let until = Instant::now() + LIMIT;
    while received(rig)? == before {
        ensure!(Instant::now() < until, "gianfar has received nothing");
        // Nobody has that address; the question is a frame like any other.
        PEER.ask(&rig.wires[0], SERVER)?;
        interrupt::check()?;
        std::thread::sleep(POLL);
    }
    rig.guest.write(&flags, DOWN)
}

fn received(rig: &mut Rig) -> Result<u64> {
    let text = rig.guest.text(&format!("{INTERFACE}/statistics/rx_packets"))?;
    text.trim().parse().with_context(|| format!("rx_packets says {text:?}"))
}
