//! A device that the kernel takes away from under its owner.

use anyhow::{Context, Result, ensure};

use super::quiet::send;
use super::rig::{LIMIT, PAGE_BYTES, PAGES, Rig, refusal};

/// Where the kernel takes devices from a driver, and gives them to it.
const DRIVER: &str = "/sys/bus/platform/drivers/uio_pdrv_genirq";
/// The kernel's name for the device with eth0's registers.
const DEVICE: &str = "f00000000.eth0-tx";

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
