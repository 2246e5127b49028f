//! A device that the kernel takes away from under its owner.

use anyhow::{Context, Result, ensure};

use super::forward;
use super::quiet::{send, stopped};
use super::rig::{LIMIT, PAGE_BYTES, PAGES, Rig, refusal};

/// Where the kernel takes devices from a driver, and gives them to it.
const DRIVER: &str = "/sys/bus/platform/drivers/uio_pdrv_genirq";
/// The kernel's name for the device with eth0's registers.
const DEVICE: &str = "f00000000.eth0-tx";
/// That with eth1's.
const SECOND: &str = "f00001000.eth1-tx";

/// The owner ends with an error, and the controller with it: nothing is written to memory that
/// has gone back to the kernel. Bound again, the device is there again.
pub fn unbound(rig: &mut Rig) -> Result<String> {
    let (program, address) = rig.start_port("echo --quiet --device uio:eth0")?;
    let before = rig.guest.memory(address, PAGE_BYTES)?;
    send(rig, 0)?;
    ensure!(rig.changes(address, &before)?, "no frame has arrived while it ran");
    rig.guest.write(&format!("{DRIVER}/unbind"), DEVICE)?;
    let ended = rig.guest.finish(program, LIMIT).context("after the device was removed")?;
    ensure!(ended.status == Some(1), "status {:?}: {}", ended.status, ended.err());
    let words = ["'eth0-tx' is gone", "its driver in the kernel has let go of it", "`etsec probe`"];
    let line = refusal(&ended.err(), &words)?;

    ensure!(rig.free_pages()? == PAGES, "its memory was not given back");
    let before = rig.guest.memory(address, PAGE_BYTES)?;
    send(rig, 0)?;
    ensure!(rig.guest.memory(address, PAGE_BYTES)? == before, "its memory has changed since");

    rig.guest.write(&format!("{DRIVER}/bind"), DEVICE)?;
    let probe = rig.etsec("probe")?.out();
    ensure!(probe.contains("uio:eth0: ready\n"), "probe: {probe}");
    Ok(line)
}

/// One of two ports between which frames are forwarded is taken away: the process ends with an
/// error and stops both, and their memory is given back, in which nothing is written any more.
pub fn one_of_two(rig: &mut Rig) -> Result<String> {
    let (program, places) = forward::start(rig, forward::PORTS)?;
    rig.guest.write(&format!("{DRIVER}/unbind"), SECOND)?;
    let ended = rig.guest.finish(program, LIMIT).context("after the device was removed")?;
    ensure!(ended.status == Some(1), "status {:?}: {}", ended.status, ended.err());
    let words = ["'eth1-tx' is gone", "its driver in the kernel has let go of it"];
    let line = refusal(&ended.err(), &words)?;
    ensure!(rig.free_pages()? == PAGES, "memory was not given back");
    let memory = |rig: &mut Rig| -> Result<[Vec<u8>; 2]> {
        let [one, two] = places;
        Ok([rig.guest.memory(one, PAGE_BYTES)?, rig.guest.memory(two, PAGE_BYTES)?])
    };
    let before = memory(rig)?;
    for port in 0..2 {
        send(rig, port)?;
    }
    ensure!(memory(rig)? == before, "memory has changed since");
    stopped(rig, "eth0")?;
    // It comes back, but without its interrupt: "irq: type mismatch", as board.md says.
    rig.guest.write(&format!("{DRIVER}/bind"), SECOND)?;
    stopped(rig, "eth1")?;
    Ok(line)
}
