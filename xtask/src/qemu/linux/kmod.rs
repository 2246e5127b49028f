//! The project's own kernel module on QEMU's device tree as it is: the ethernet nodes become UIO
//! devices with all that a port needs, and traffic flows through them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::rig::{LIMIT, NAPS, Rig};
use super::{echo, flow, quiet};
use crate::guest::Program;
use crate::guest::kernel::UIO;
use crate::guest::kmod::MODULE;

/// What the ports are called: the machine's tree numbers none.
pub const PORTS: [&str; 2] = ["ethernet@f00000000", "ethernet@f00001000"];
/// Bytes of DMA memory that each has.
pub const MEMORY_BYTES: usize = 4 << 20;
/// Frames that are sent one by one.
const SINGLE: u64 = 10;
/// How often that is tried.
const SERIES: u32 = 3;
/// The silence behind them.
const SILENCE: Duration = Duration::from_millis(300);

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

/// Interrupts are counted by line, as the kernel counts them: one for each frame that arrives in
/// silence, and none in silence.
///
/// That is so where nothing but a frame wakes the command. A wake-up of any other kind ends in a
/// write that lets all lines through, also one that has not fired: a frame that comes shortly
/// before that write rings its line, and, not being acknowledged yet, rings it again. It costs an
/// interrupt and loses nothing. Of 400 frames sent at random moments it happened to one where the
/// command looked after its port every 50 ms, as it does unless it is told otherwise, and to none
/// where it did so every 10 s. Here it does every second, so that of a few series the first is
/// exact, or the second.
///
/// That a frame has been sent is told while the echo is still at work, and again when all lines are
/// let through before that has been looked at: two of TX for each frame.
pub fn interrupts(rig: &mut Rig) -> Result<String> {
    let echo = format!("echo --quiet --device uio:{} --config {NAPS}", PORTS[1]);
    let (program, _) = rig.start_port(&echo)?;
    flow::empty(&mut rig.wires[1])?;
    let mut series = 1;
    let (tx, rx, after) = loop {
        let ([tx, rx, err], after) = one_by_one(rig, &program)?;
        let told = format!("for {SINGLE} frames one by one {rx} of rx, {tx} of tx, {err} of err");
        let twice = SINGLE..=2 * SINGLE;
        ensure!(twice.contains(&rx) && twice.contains(&tx) && err == 0, "{told}");
        if rx == SINGLE {
            break (tx, rx, after);
        }
        series += 1;
        ensure!(series <= SERIES, "in each of {SERIES} series more than one, at last {told}");
    };
    for (line, count) in ["tx0", "rx0", "err0"].iter().zip(after) {
        let kernel = rig.interrupts(&format!("{}-{line}", PORTS[1]))?;
        ensure!(kernel == count, "{line}: /proc/interrupts says {kernel}, the module {count}");
    }
    std::thread::sleep(SILENCE);
    ensure!(counts(rig)? == after, "interrupts while nothing arrives");
    rig.stop(program)?;
    Ok(format!("{rx} of rx and {tx} of tx for {SINGLE} frames one by one, none in silence"))
}

/// Sends frames one by one, each when the command sleeps; how often the lines have fired for them,
/// and in all: tx, rx, err.
fn one_by_one(rig: &mut Rig, program: &Program) -> Result<([u64; 3], [u64; 3])> {
    asleep(rig, program)?;
    let before = counts(rig)?;
    for n in 0..SINGLE {
        rig.wires[1].send(&[0xff; 60])?;
        ensure!(rig.wires[1].receive(LIMIT)?.is_some(), "frame {n} does not come back");
        asleep(rig, program)?;
    }
    let after = counts(rig)?;
    Ok(([0, 1, 2].map(|line| after[line] - before[line]), after))
}

/// Waits until a program sleeps: whoever waits for interrupts has let them through by then.
fn asleep(rig: &mut Rig, program: &Program) -> Result<()> {
    let until = Instant::now() + LIMIT;
    loop {
        let stat = rig.guest.text(&format!("/proc/{}/stat", program.pid))?;
        // The state is behind the name in parentheses.
        let state = stat.rsplit_once(") ").and_then(|(_, fields)| fields.split(' ').next());
        if state == Some("S") {
            return Ok(());
        }
        ensure!(Instant::now() < until, "it never sleeps: {stat:?}");
    }
}

/// What `etsec probe` finds.
pub fn found(rig: &mut Rig) -> Result<Value> {
    let said = rig.etsec("probe --json")?;
    said.values().pop().with_context(|| format!("probe said nothing: {}", said.err()))
}

/// The maps of the UIO device called `name`.
pub fn maps(found: &Value, name: &str) -> Vec<String> {
    let devices = found["uio"].as_array().into_iter().flatten();
    let maps = devices.filter(|device| device["name"] == name).map(|device| &device["maps"]);
    let maps = maps.flat_map(|maps| maps.as_array().into_iter().flatten());
    maps.filter_map(|map| Some(map.as_str()?.to_owned())).collect()
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
