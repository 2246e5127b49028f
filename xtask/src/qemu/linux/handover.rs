//! A port that gianfar and user space have in turn: `etsec bind` and `etsec unbind`, with traffic
//! through whoever has it. The device tree offers it to both.

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::rig::{ETSEC, HUGETLBFS, LIMIT, PAGES, Rig, SERVER};
use super::serve::{download, ping};

/// The platform device that gianfar drives.
const ETHERNET: &str = "/sys/bus/platform/devices/platform@f00000000:ethernet@0";
/// The platform devices that are UIO's.
const PARTS: [&str; 3] =
    ["f00000000.eth0-tx", "platform@f00000000:eth0-rx", "platform@f00000000:eth0-err"];
/// The bus they are on.
const PLATFORM: &str = "/sys/bus/platform";
/// How many pings are sent through each driver.
const PINGS: u16 = 20;

/// After booting it is gianfar's.
pub fn booted(rig: &mut Rig) -> Result<String> {
    rig.load_gianfar()?;
    let interface = ping_gianfar(rig)?;
    let probe = rig.etsec("probe")?.out();
    ensure!(probe.contains("uio:eth0: not ready\n"), "probe: {probe}");
    Ok(format!("{PINGS}/{PINGS} pings through {interface}"))
}

/// What would go wrong is refused, and changes nothing.
pub fn refused(rig: &mut Rig) -> Result<String> {
    let bind = [ETSEC, "bind", "eth0"];
    let cure = "`modprobe uio_pdrv_genirq` (CONFIG_UIO_PDRV_GENIRQ)";
    rig.refused(&bind, &["cannot make UIO devices of 'eth0'", cure])?;
    // It takes no node by itself.
    rig.load_uio("")?;
    let interface = interface(rig)?;
    let down = format!("`ip link set {interface} down`");
    let line = rig.refused(&bind, &["which is up", &down, "--force"])?;
    rig.refused(&[ETSEC, "bind", "eth7"], &["no UIO node called 'eth7'", "there is: eth0-"])?;
    let pings = ping(rig, PINGS)?;
    ensure!(pings == PINGS, "the interface was disturbed");
    Ok(line)
}

/// It is taken, and serves.
pub fn taken(rig: &mut Rig) -> Result<String> {
    set_up(rig, false)?;
    let done = change(rig, "bind", true)?;
    ensure!(done["kernel"]["driver"] == "fsl-gianfar", "taken from {}", done["kernel"]);
    ensure!(done["uio"].as_array().map(Vec::len) == Some(3), "UIO devices: {}", done["uio"]);
    ensure!(rig.guest.list(ETHERNET)?.iter().all(|name| name != "driver"), "gianfar has it still");
    // A second time there is nothing to do.
    change(rig, "bind", false)?;
    let server = rig.start_server()?;
    ping(rig, PINGS)?;
    let seconds = download(rig)?;
    let owner = format!("in use by process {}", server.pid);
    for words in [&[ETSEC, "unbind", "eth0"][..], &[ETSEC, "unbind", "eth0", "--force"]] {
        rig.refused(words, &["'eth0-tx'", &owner])?;
    }
    ping(rig, PINGS)?;
    rig.stop(server)?;
    Ok(format!("{PINGS}/{PINGS} pings and 4 MiB in {seconds:.1} s through UIO; not from its owner"))
}

/// It is given back by an owner that was killed in the middle of work.
pub fn given_back(rig: &mut Rig) -> Result<String> {
    let server = rig.start_server()?;
    ping(rig, 1)?;
    rig.guest.signal(&server, Signal::KILL)?;
    rig.guest.finish(server, LIMIT)?;
    ensure!(rig.guest.list(HUGETLBFS)?.len() == 1, "the killed owner has left no memory");
    let done = change(rig, "unbind", true)?;
    ensure!(done["kernel"]["driver"] == "fsl-gianfar", "given to {}", done["kernel"]);
    let (free, files) = (rig.free_pages()?, rig.guest.list(HUGETLBFS)?);
    ensure!(free == PAGES && files.is_empty(), "{free} pages are free, and there is {files:?}");
    change(rig, "unbind", false)?;
    let interface = ping_gianfar(rig)?;
    Ok(format!("stopped, its memory deleted, {PINGS}/{PINGS} pings through {interface}"))
}

/// An interface that is up is interrupted by force, and there and back again is there and back.
pub fn by_force(rig: &mut Rig) -> Result<String> {
    for _ in 0..3 {
        let said = rig.etsec("bind eth0 --force")?;
        ensure!(said.status == Some(0), "bind --force: {}", said.err());
        let server = rig.start_server()?;
        ping(rig, 1)?;
        rig.stop(server)?;
        change(rig, "unbind", true)?;
        ping_gianfar(rig)?;
    }
    Ok("three times there and back".to_owned())
}

/// A port that somebody has given to both drivers belongs to gianfar until it is put right.
pub fn both(rig: &mut Rig) -> Result<String> {
    set_up(rig, false)?;
    for part in PARTS {
        let device = format!("{PLATFORM}/devices/{part}/driver_override");
        rig.guest.write(&device, "uio_pdrv_genirq")?;
        rig.guest.write(&format!("{PLATFORM}/drivers/uio_pdrv_genirq/bind"), part)?;
    }
    let argv = [ETSEC, "echo", "--device", "uio:eth0"];
    let line = rig.refused(&argv, &["driven by the kernel's fsl-gianfar", "`etsec bind eth0`"])?;
    let probe = rig.etsec("probe")?.out();
    ensure!(probe.contains("uio:eth0: in use by the kernel's fsl-gianfar\n"), "probe: {probe}");
    change(rig, "bind", true)?;
    let server = rig.start_server()?;
    ping(rig, PINGS)?;
    rig.stop(server)?;
    change(rig, "unbind", true)?;
    ping_gianfar(rig)?;
    Ok(line)
}

/// Runs `etsec bind` or `unbind`, which has to have something to do or not; what it says.
fn change(rig: &mut Rig, verb: &str, changed: bool) -> Result<Value> {
    let said = rig.etsec(&format!("{verb} eth0 --json"))?;
    ensure!(said.status == Some(0), "{verb}: {}", said.err());
    let done = said.values().pop().with_context(|| format!("{verb} said nothing"))?;
    let expected = [("event", json!(verb)), ("device", json!("uio:eth0"))];
    ensure!(expected.iter().all(|(key, value)| done[key] == *value), "{verb}: {done}");
    ensure!(done["changed"] == changed, "{verb}: {done}");
    Ok(done)
}

/// Sets the interface up, with the server's address, and pings the kernel; the interface's name.
fn ping_gianfar(rig: &mut Rig) -> Result<String> {
    let interface = set_up(rig, true)?;
    rig.guest.address(&interface, SERVER, 24)?;
    ping(rig, PINGS)?;
    Ok(interface)
}

/// Sets the interface up or down; its name.
fn set_up(rig: &mut Rig, up: bool) -> Result<String> {
    // From Linux's netdevice(7): broadcast and multicast are its own, up is ours to say.
    let flags = if up { "0x1003" } else { "0x1002" };
    let interface = interface(rig)?;
    rig.guest.write(&format!("/sys/class/net/{interface}/flags"), flags)?;
    Ok(interface)
}

/// The network interface that gianfar has made of the port.
fn interface(rig: &mut Rig) -> Result<String> {
    let mut names = rig.guest.list(&format!("{ETHERNET}/net"))?;
    names.pop().context("gianfar has made no interface of the port")
}
