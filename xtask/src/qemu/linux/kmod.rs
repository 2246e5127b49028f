//! The project's own kernel module on QEMU's device tree as it is: the ethernet nodes become UIO
//! devices with all that a port needs, and traffic flows through them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::rig::{LIMIT, Rig};
use super::{echo, quiet};
use crate::guest::kernel::UIO;
use crate::guest::kmod::MODULE;

/// What the ports are called: the machine's tree numbers none.
pub const PORTS: [&str; 2] = ["ethernet@f00000000", "ethernet@f00001000"];
/// Bytes of DMA memory that each has.
pub const MEMORY_BYTES: usize = 4 << 20;
/// Frames that are sent one by one.
const SINGLE: u64 = 10;
/// In between, whoever waits for them falls asleep.
const PAUSE: Duration = Duration::from_millis(50);

/// Loads the module, and UIO's core if it is not there.
pub fn load(rig: &mut Rig, options: &str) -> Result<()> {
    if rig.guest.list("/sys/module")?.iter().all(|name| name != UIO[0]) {
        rig.guest.load(UIO[0], "")?;
    }
    rig.guest.load(MODULE, options)
}

/// Both ports are ready, on a machine that has no hugetlbfs.
pub fn probe(rig: &mut Rig) -> Result<String> {
    let found = found(rig)?;
    let ports: Vec<&Value> = found["ports"].as_array().into_iter().flatten().collect();
    let ready =
        |name| json!({ "device": format!("uio:{name}"), "memory": MEMORY_BYTES, "problems": [] });
    ensure!(ports == [&ready(PORTS[0]), &ready(PORTS[1])], "ports: {ports:?}");
    ensure!(found["machine"] == json!([]), "the machine: {}", found["machine"]);
    for (name, registers) in PORTS.into_iter().zip(["0xf00000000", "0xf00001000"]) {
        let maps = maps(&found, name);
        let [regs, dma] = &maps[..] else { anyhow::bail!("{name} has maps {maps:?}") };
        ensure!(*regs == format!("regs {registers}+0x1000"), "{name}: {regs}");
        ensure!(dma.starts_with("dma ") && dma.ends_with("+0x400000"), "{name}: {dma}");
    }
    Ok(format!("{} and {} are ready, without huge pages", PORTS[0], PORTS[1]))
}

/// Frames of every size come back through memory and interrupts of the module, while others look.
pub fn echo(rig: &mut Rig) -> Result<String> {
    let device = format!("uio:{}", PORTS[1]);
    let (program, _) = rig.start_port(&format!("echo --quiet --promiscuous --device {device}"))?;
    // Opening and closing it beside the owner is nothing to the owner.
    rig.registers(PORTS[1], "MACCFG1")?;
    let stats = rig.etsec(&format!("stats --device {device}"))?;
    ensure!(stats.status == Some(0), "stats: {}", stats.err());
    let count = echo::come_back(rig)?;
    rig.registers(PORTS[1], "MACCFG1")?;
    rig.stop(program)?;
    let words = quiet::stopped(rig, PORTS[1])?;
    Ok(format!("{count}/{count} frames of 60 to 1514 bytes came back identical; then {words}"))
}

/// Interrupts are counted by line, as the kernel counts them, and an idle port has none.
pub fn interrupts(rig: &mut Rig) -> Result<String> {
    let (program, _) = rig.start_port(&format!("echo --quiet --device uio:{}", PORTS[1]))?;
    std::thread::sleep(PAUSE);
    let before = counts(rig)?;
    let mut after = before;
    for n in 1..=SINGLE {
        rig.wires[1].send(&[0xff; 60])?;
        after = counted(rig, before[1] + n)?;
    }
    let [tx, rx, err] = [0, 1, 2].map(|line| after[line] - before[line]);
    // That a frame has been sent is told while the echo is still at work; let through with the
    // rest before it has been looked at, a line fires once more.
    let told =
        format!("interrupts for {SINGLE} frames one by one: {rx} of rx, {tx} of tx, {err} of err");
    ensure!((SINGLE..=2 * SINGLE).contains(&rx) && err == 0, "{told}");
    ensure!((1..=2 * SINGLE).contains(&tx), "{told}");
    for (line, count) in ["tx0", "rx0", "err0"].iter().zip(after) {
        let kernel = rig.interrupts(&format!("{}-{line}", PORTS[1]))?;
        ensure!(kernel == count, "{line}: /proc/interrupts says {kernel}, the module {count}");
    }
    std::thread::sleep(6 * PAUSE);
    ensure!(counts(rig)? == after, "interrupts while nothing arrives");
    rig.stop(program)?;
    Ok(format!("{rx} of rx and {tx} of tx for {SINGLE} frames one by one, none in silence"))
}

/// A node with two groups, an MDIO bus and a TBI elsewhere is one device with all of them.
pub fn groups(rig: &mut Rig) -> Result<String> {
    let found = found(rig)?;
    let maps = maps(&found, "eth5");
    let [first @ .., dma] = &maps[..] else { anyhow::bail!("no maps: {found}") };
    let expected = [
        "regs 0xf00000000+0x1000",
        "group1 0xf00001000+0x1000",
        "mdio 0xf00004000+0x1000",
        "tbi 0xf00005000+0x1000",
    ];
    ensure!(first == expected && dma.starts_with("dma "), "maps: {maps:?}");
    let lines = rig.guest.list("/sys/class/uio/uio0/device/interrupts")?;
    ensure!(lines == ["err0", "err1", "rx0", "rx1", "tx0", "tx1"], "lines: {lines:?}");
    for line in &lines {
        rig.interrupts(&format!("eth5-{line}"))?;
    }
    Ok(format!("eth5 has {} maps and {} lines", maps.len(), lines.len()))
}

/// What `etsec probe` finds.
pub fn found(rig: &mut Rig) -> Result<Value> {
    let said = rig.etsec("probe --json")?;
    said.values().pop().with_context(|| format!("probe said nothing: {}", said.err()))
}

/// The maps of the UIO device called `name`.
fn maps(found: &Value, name: &str) -> Vec<String> {
    let devices = found["uio"].as_array().into_iter().flatten();
    let maps = devices.filter(|device| device["name"] == name).map(|device| &device["maps"]);
    let maps = maps.flat_map(|maps| maps.as_array().into_iter().flatten());
    maps.filter_map(|map| Some(map.as_str()?.to_owned())).collect()
}

/// Waits until the receive line of the second port has fired `rx` times, and until no line fires
/// any more: a frame that came earlier would be seen to together with the one before.
fn counted(rig: &mut Rig, rx: u64) -> Result<[u64; 3]> {
    let until = Instant::now() + LIMIT;
    let mut before = counts(rig)?;
    loop {
        std::thread::sleep(PAUSE);
        let now = counts(rig)?;
        if now == before && now[1] >= rx {
            return Ok(now);
        }
        ensure!(Instant::now() < until, "tx, rx and err have fired {now:?} times, rx not {rx}");
        before = now;
    }
}

/// How often the lines of the second port have fired: tx, rx, err.
pub fn counts(rig: &mut Rig) -> Result<[u64; 3]> {
    let mut counts = [0; 3];
    for (count, line) in counts.iter_mut().zip(["tx0", "rx0", "err0"]) {
        let text = rig.guest.text(&format!("/sys/class/uio/uio1/device/interrupts/{line}"))?;
        *count = text.trim().parse().with_context(|| format!("{line} says {text:?}"))?;
    }
    Ok(counts)
}
