//! What the project's own kernel module makes of device trees: a port with two interrupt groups,
//! and ports as older parts have them.
//!
//! The second group's page is that of another eTSEC: QEMU's have one group each. So its registers
//! and lines are real, and nothing steers rings to it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::flow;
use super::kmod::{found, maps};
use super::rig::{ETSEC, LIMIT, Rig};
use crate::capture;
use crate::guest::Program;
use crate::qemu::qtest::Qtest;

/// The registers of both MACs, of which the second is a second group here, and of those what makes
/// its lines rise (HW 2).
const FIRST: u64 = 0xF_0000_0000;
const GROUP: u64 = 0xF_0000_1000;
const IEVENT: u64 = GROUP + 0x010;
const IMASK: u64 = GROUP + 0x014;
const DMACTRL: u64 = GROUP + 0x02C;
const TSTAT: u64 = GROUP + 0x104;
const TBASE0: u64 = GROUP + 0x204;
const MRBLR: u64 = GROUP + 0x340;
const RBASE0: u64 = GROUP + 0x404;
const MACCFG1: u64 = GROUP + 0x500;
/// In either page: whom MDIO asked last.
const MIIMADD: u64 = 0x528;
/// The only UIO device, its lines, and what lets them through.
const DEVICE: &str = "/dev/uio0";
const LINES: [&str; 6] = ["tx0", "rx0", "err0", "tx1", "rx1", "err1"];
const COUNTS: &str = "/sys/class/uio/uio0/device/interrupts";
const THROUGH: &str = "\0\0\0\x01";
/// In it whatever is to ring has rung.
const PAUSE: Duration = Duration::from_millis(50);

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
    let lines = rig.guest.list(COUNTS)?;
    ensure!(lines == ["err0", "err1", "rx0", "rx1", "tx0", "tx1"], "lines: {lines:?}");
    for line in &lines {
        rig.interrupts(&format!("eth5-{line}"))?;
    }
    Ok(format!("eth5 has {} maps and {} lines", maps.len(), lines.len()))
}

/// Each line of the second group is counted as what it is, ends a read of the one device, is masked
/// until it is let through, and rings again then if nobody has acknowledged it.
pub fn second_group(rig: &mut Rig) -> Result<String> {
    let found = found(rig)?;
    let maps = maps(&found, "eth5");
    let memory = maps.last().and_then(|map| map.strip_prefix("dma 0x")?.split_once('+'));
    let memory = memory.and_then(|(at, _)| u64::from_str_radix(at, 16).ok());
    let memory = memory.with_context(|| format!("maps: {maps:?}"))?;
    let reader = rig.guest.start(&["/init", "counts", DEVICE, "6"])?;
    rig.guest.line(&reader, "a reader", LIMIT, |l| l.text.starts_with("waiting").then_some(()))?;
    flow::empty(&mut rig.wires[1])?;
    for (line, rise) in [(3, send as Rise), (4, receive), (5, stop)] {
        rings(rig, &reader, line, |rig| rise(rig, memory))
            .with_context(|| LINES[line].to_owned())?;
    }
    let ended = rig.guest.finish(reader, LIMIT)?;
    ensure!(ended.status == Some(0), "the reader: {}", ended.err());
    Ok("tx1, rx1, err1: each counted alone, masked, and again while it stayed up".to_owned())
}

/// Makes a line rise.
type Rise = fn(&mut Rig, u64) -> Result<()>;

/// Lets lines through, has number `line` rise, and sees what comes of it.
fn rings(
    rig: &mut Rig,
    reader: &Program,
    line: usize,
    rise: impl Fn(&mut Rig) -> Result<()>,
) -> Result<()> {
    let before = counts(rig)?;
    let mut expected = before;
    rig.guest.write(DEVICE, THROUGH)?;
    rise(rig)?;
    for times in 1..=2 {
        rig.guest.line(reader, "an interrupt", LIMIT, |l| l.text.parse::<u32>().ok())?;
        std::thread::sleep(PAUSE);
        expected[line] += 1;
        let now = counts(rig)?;
        ensure!(now == expected, "after {times}: {now:?} instead of {expected:?}");
        if times == 1 {
            rig.guest.write(DEVICE, THROUGH)?;
        }
    }
    let qtest = bus(rig)?;
    qtest.write(IMASK, 0)?;
    qtest.write(IEVENT, u32::MAX)?;
    rig.guest.write(DEVICE, THROUGH)?;
    std::thread::sleep(PAUSE);
    let now = counts(rig)?;
    ensure!(now == expected, "acknowledged: {now:?} instead of {expected:?}");
    Ok(())
}

/// A frame is sent: TXF.
fn send(rig: &mut Rig, memory: u64) -> Result<()> {
    let qtest = bus(rig)?;
    // R, W, I, L; 60 bytes (HW 4.1).
    qtest.write(memory, 0xB800_003C)?;
    qtest.write(memory + 4, memory as u32 + 0x1000)?;
    qtest.write(TBASE0, memory as u32)?;
    qtest.write(IMASK, 0x0010_0000)?;
    qtest.write(MACCFG1, 0x1)?;
    qtest.write(TSTAT, 0x8000_0000)?;
    ensure!(rig.wires[1].receive(LIMIT)?.is_some(), "no frame was sent");
    Ok(())
}

/// A frame is received: RXF.
fn receive(rig: &mut Rig, memory: u64) -> Result<()> {
    let qtest = bus(rig)?;
    // E, W, I (HW 4.2).
    qtest.write(memory + 0x80, 0xB000_0000)?;
    qtest.write(memory + 0x84, memory as u32 + 0x2000)?;
    qtest.write(RBASE0, memory as u32 + 0x80)?;
    qtest.write(MRBLR, 0x600)?;
    qtest.write(IMASK, 0x0000_0080)?;
    qtest.write(MACCFG1, 0x4)?;
    rig.wires[1].send(&[0xff; 60])?;
    Ok(())
}

/// A graceful stop of the transmitter completes: GTSC.
fn stop(rig: &mut Rig, _memory: u64) -> Result<()> {
    let qtest = bus(rig)?;
    qtest.write(MACCFG1, 0)?;
    qtest.write(IMASK, 0x0200_0000)?;
    qtest.write(DMACTRL, 0x8)?;
    ensure!(qtest.read(IEVENT)? & 0x0200_0000 != 0, "the stop is not told");
    qtest.write(DMACTRL, 0)
}

fn bus(rig: &mut Rig) -> Result<&mut Qtest> {
    rig.qtest.as_mut().context("this machine has no line for tests")
}

/// How often each line has fired.
fn counts(rig: &mut Rig) -> Result<[u64; 6]> {
    let mut counts = [0; 6];
    for (count, line) in counts.iter_mut().zip(LINES) {
        let text = rig.guest.text(&format!("{COUNTS}/{line}"))?;
        *count = text.trim().parse().with_context(|| format!("{line} says {text:?}"))?;
    }
    Ok(counts)
}

/// Nodes as of older parts: the MDIO bus in the first MAC's own page is no map of its, and one of
/// the second's. Both ports reach their PHYs by it, and frames come back.
pub fn older(rig: &mut Rig) -> Result<String> {
    let found = found(rig)?;
    for (name, expected) in [
        ("eth0", &["regs 0xf00000000+0x1000"][..]),
        ("eth1", &["regs 0xf00001000+0x1000", "mdio 0xf00000000+0x1000"]),
    ] {
        let maps = maps(&found, name);
        let [first @ .., dma] = &maps[..] else { anyhow::bail!("{name} has no maps: {found}") };
        ensure!(first == expected && dma.starts_with("dma "), "{name}: {maps:?}");
    }
    // HW 8.7: PHY and register of the last access.
    for (name, phy, address) in [("eth0", 3, 0x0301), ("eth1", 4, 0x0401)] {
        let said = rig.etsec(&format!("mdio read --json --device uio:{name} {phy} 1"))?;
        ensure!(said.status == Some(0), "{name}: {}", said.err());
        let asked = bus(rig)?.read(FIRST + MIIMADD)?;
        ensure!(asked == address, "{name}: the first MAC's page was asked for {asked:#06x}");
        let asked = bus(rig)?.read(GROUP + MIIMADD)?;
        ensure!(asked == 0, "{name}: the second MAC's page was asked for {asked:#06x}");
        // QEMU's have no identifiers (HW 15.3).
        let none = format!("{name}: no PHY answers at address {phy}");
        rig.refused(&[ETSEC, "echo", "--device", &format!("uio:{name}")], &[&none])?;
    }
    for (port, name) in ["eth0", "eth1"].into_iter().enumerate() {
        let (program, _) =
            rig.start_port(&format!("echo --quiet --link 1000 --device uio:{name}"))?;
        flow::empty(&mut rig.wires[port])?;
        rig.wires[port].send(&capture::frames()[0])?;
        let came = rig.wires[port].receive(LIMIT)?.is_some_and(capture::is_ours);
        ensure!(came, "{name}: no frame came back");
        rig.stop(program)?;
    }
    Ok("both PHYs were asked by the first MAC's page, and frames came back".to_owned())
}
