//! The end of a port under the project's own kernel module: whatever becomes of its owner, DMA has
//! ended before anybody else can have the memory. What says so is the memory itself, looked at from
//! outside of the machine while frames go on arriving.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;

use super::flow;
use super::kmod::{MEMORY_BYTES, PORTS, counts, found, load};
use super::quiet::{FRAMES, send, stopped};
use super::rig::{LIMIT, Rig, refusal};
use crate::capture;
use crate::guest::Program;
use crate::guest::kmod::MODULE;

/// Frames that fit into a ring nobody empties, twice.
const FEW: usize = 16;
/// How long frames are given to do harm.
const WAIT: Duration = Duration::from_millis(200);
/// How often a port is killed, each time after more frames.
const KILLS: usize = 5;
/// Where the kernel takes devices from the module, and gives them to it.
pub const DRIVER: &str = "/sys/bus/platform/drivers/uio_etsec";
/// The same of its own driver.
const GIANFAR: &str = "/sys/bus/platform/drivers/fsl-gianfar";
/// The kernel's names of the ports' devices.
pub const DEVICES: [&str; 2] =
    ["platform@f00000000:ethernet@0", "platform@f00000000:ethernet@1000"];

/// Killed under traffic, the port writes nothing any more and interrupts nobody, before anybody has
/// opened it again; who does finds it stopped, and memory without a trace of the dead.
pub fn killed(rig: &mut Rig) -> Result<String> {
    let mut places = Vec::new();
    for kill in 1..=KILLS {
        let (program, address) = start(rig)?;
        places.push(address);
        kill_under_traffic(rig, &program, address, kill * FRAMES / KILLS)?;
        let before = (rig.guest.memory(address, MEMORY_BYTES)?, counts(rig)?);
        ensure!(before.0.iter().any(|byte| *byte != 0), "its memory has been zeroed too early");
        send(rig, 1)?;
        let after = (rig.guest.memory(address, MEMORY_BYTES)?, counts(rig)?);
        unchanged(&before.0, &after.0)?;
        ensure!(before.1 == after.1, "interrupts were {:?}, then {:?}", before.1, after.1);
        stopped(rig, PORTS[1])?;
        let found = rig.guest.memory(address, MEMORY_BYTES)?;
        ensure!(found.iter().all(|byte| *byte == 0), "who opened it found what the dead left");
    }
    places.dedup();
    ensure!(places.len() == 1, "its memory was at {places:x?}");
    Ok(format!("{KILLS} kills: {FRAMES} frames changed no byte and rang no line; then all zeros"))
}

/// Killed with half a frame in a ring that is full, the port does not come to rest between two
/// frames, on this machine never (HW 15.3). It is stopped all the same.
pub fn stuck(rig: &mut Rig) -> Result<String> {
    // Eight buffers of 128 bytes.
    let arguments = format!("echo --quiet --mtu 46 --ring 8 --device uio:{}", PORTS[0]);
    let (program, address) = rig.start_port(&arguments)?;
    rig.guest.signal(&program, Signal::STOP)?;
    let before = rig.guest.memory(address, MEMORY_BYTES)?;
    rig.wires[0].send(&[0xff; 1514])?;
    ensure!(rig.changes(address, &before)?, "nothing of the frame has arrived");
    std::thread::sleep(WAIT);
    rig.guest.signal(&program, Signal::KILL)?;
    let ended = rig.guest.finish(program, LIMIT)?;
    ensure!(ended.signal == Some(9), "it ended with {:?}, {:?}", ended.status, ended.signal);
    let before = rig.guest.memory(address, MEMORY_BYTES)?;
    send(rig, 0)?;
    unchanged(&before, &rig.guest.memory(address, MEMORY_BYTES)?)?;
    let said = std::fs::read(&rig.kernel_log)?;
    let line = "no graceful stop within 20 ms: reset";
    ensure!(String::from_utf8_lossy(&said).contains(line), "the module did not say {line:?}");
    stopped(rig, PORTS[0])?;
    Ok(format!("{line}; {FRAMES} frames changed no byte"))
}

/// Where somebody is to come for it, the port and its memory stay as they were; until it is said
/// that nobody comes.
pub fn kept(rig: &mut Rig) -> Result<String> {
    let keep = format!("/sys/bus/platform/devices/{}/keep", DEVICES[1]);
    rig.guest.write(&keep, "1")?;
    let (program, address) = start(rig)?;
    kill_under_traffic(rig, &program, address, 8)?;
    let before = rig.guest.memory(address, MEMORY_BYTES)?;
    few(rig)?;
    // All of them: until nothing more changes.
    let mut after = before.clone();
    while rig.guest.memory(address, MEMORY_BYTES)? != after || after == before {
        ensure!(rig.changes(address, &after)?, "it has stopped");
        after = rig.guest.memory(address, MEMORY_BYTES)?;
        std::thread::sleep(WAIT);
    }
    // This is what proves that the memory would show it, too, if a port went on elsewhere.
    let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
    let running = rig.registers(PORTS[1], "MACCFG1")?;
    let enabled = running.iter().any(|(_, value)| value["fields"]["RX_EN"] == 1);
    ensure!(enabled, "who looked found it stopped: {running:?}");
    unchanged(&after, &rig.guest.memory(address, MEMORY_BYTES)?)?;
    let sent = adopted(rig)?;

    rig.guest.write(&keep, "0")?;
    let before = rig.guest.memory(address, MEMORY_BYTES)?;
    few(rig)?;
    unchanged(&before, &rig.guest.memory(address, MEMORY_BYTES)?)?;
    stopped(rig, PORTS[1])?;
    let (program, _) = start(rig)?;
    rig.stop(program)?;
    Ok(format!(
        "{changed} bytes were written after the kill, {sent} frames sent on by who took it over, \
         and nothing was written once keep was 0"
    ))
}

/// Takes over what runs without an owner: what has arrived meanwhile goes on. How many frames; who
/// took it over is killed as well.
fn adopted(rig: &mut Rig) -> Result<usize> {
    flow::empty(&mut rig.wires[1])?;
    let program =
        rig.start(&format!("-v echo --quiet --promiscuous --adopt --device uio:{}", PORTS[1]))?;
    rig.guest.line(&program, "a port that is taken over", LIMIT, |line| {
        line.text.contains("taken over from a process that is no more").then_some(())
    })?;
    let mut flow = flow::Flow::default();
    flow::until(FEW, || {
        flow.take(&mut rig.wires[1])?;
        Ok(flow.came.len())
    })?;
    rig.guest.signal(&program, Signal::KILL)?;
    rig.guest.finish(program, LIMIT)?;
    Ok(flow.came.len())
}

/// A module in use stays; one that is not goes, and comes back with other sizes.
pub fn unloaded(rig: &mut Rig) -> Result<String> {
    let (program, address) = start(rig)?;
    let Err(error) = rig.guest.unload(MODULE) else { bail!("it was unloaded from under its user") };
    let before = rig.guest.memory(address, MEMORY_BYTES)?;
    few(rig)?;
    ensure!(rig.changes(address, &before)?, "the port has stopped");
    rig.stop(program)?;
    rig.guest.unload(MODULE)?;
    ensure!(found(rig)?["uio"].as_array().is_some_and(Vec::is_empty), "devices stay behind");

    load(rig, "dma_kib=512")?;
    let device = format!("uio:{}", PORTS[1]);
    let argv = [super::rig::ETSEC, "echo", "--device", &device];
    let line = rig.refused(&argv, &["512 KiB", "modprobe uio_etsec dma_kib="])?;
    rig.guest.unload(MODULE)?;
    // More than the kernel has in one piece: a port less, and no more harm than that.
    load(rig, "dma_kib=65536")?;
    ensure!(found(rig)?["uio"].as_array().is_some_and(Vec::is_empty), "64 MiB in one piece?");
    rig.guest.unload(MODULE)?;
    load(rig, "")?;
    let (program, _) = start(rig)?;
    rig.stop(program)?;
    Ok(format!("in use: {error:#}; with too little: {line}"))
}

/// Taken away from under its owner under traffic, the port stops; the owner sees a device that is
/// gone, and what was its memory is written to no more.
pub fn unbound(rig: &mut Rig) -> Result<String> {
    let (program, address) = start(rig)?;
    let traffic: Vec<_> = capture::frames().into_iter().take(FRAMES / 2).collect();
    for frame in &traffic {
        rig.wires[1].send(frame)?;
    }
    rig.guest.write(&format!("{DRIVER}/unbind"), DEVICES[1])?;
    let ended = rig.guest.finish(program, LIMIT).context("after the device was removed")?;
    ensure!(
        ended.status == Some(1),
        "status {:?}, signal {:?}: {}",
        ended.status,
        ended.signal,
        ended.err()
    );
    let line = refusal(&ended.err(), &["its driver in the kernel has let go of it"])?;
    // The memory is the kernel's now, and may have other uses: a frame is not among them.
    let mut mark = [0xff; 200];
    mark[12..].fill(0x5a);
    for _ in 0..FRAMES {
        rig.wires[1].send(&mark)?;
    }
    send(rig, 1)?;
    let memory = rig.guest.memory(address, MEMORY_BYTES)?;
    ensure!(memory.windows(64).all(|w| w.iter().any(|b| *b != 0x5a)), "a frame was written to it");

    rig.guest.write(&format!("{DRIVER}/bind"), DEVICES[1])?;
    stopped(rig, PORTS[1])?;
    let (program, _) = start(rig)?;
    rig.stop(program)?;
    Ok(line)
}

/// The kernel's own driver and the module have the ports in turn, on the same nodes.
pub fn in_turn(rig: &mut Rig) -> Result<String> {
    // While the module has them, gianfar finds none.
    rig.load_gianfar()?;
    let net = format!("/sys/bus/platform/devices/{}", DEVICES[1]);
    let interfaces = |rig: &mut Rig| {
        Ok::<_, anyhow::Error>(rig.guest.list(&net)?.iter().any(|name| name == "net"))
    };
    ensure!(!interfaces(rig)?, "gianfar has made an interface of a port of the module's");
    rig.guest.write(&format!("{DRIVER}/unbind"), DEVICES[1])?;
    rig.guest.write(&format!("{GIANFAR}/bind"), DEVICES[1])?;
    ensure!(interfaces(rig)?, "gianfar has not taken the port");
    rig.guest.write(&format!("{GIANFAR}/unbind"), DEVICES[1])?;
    rig.guest.write(&format!("{DRIVER}/bind"), DEVICES[1])?;
    let (program, _) = start(rig)?;
    rig.stop(program)?;
    Ok("gianfar took what the module let go of, and gave it back".to_owned())
}

/// Starts an echo on the second port; where its memory is.
fn start(rig: &mut Rig) -> Result<(Program, u64)> {
    rig.start_port(&format!("echo --quiet --promiscuous --device uio:{}", PORTS[1]))
}

/// Kills it in the middle of work, after this many frames and with more to come.
fn kill_under_traffic(rig: &mut Rig, program: &Program, at: u64, frames: usize) -> Result<()> {
    let before = rig.guest.memory(at, MEMORY_BYTES)?;
    let traffic: Vec<_> = capture::frames().into_iter().take(2 * frames).collect();
    for (n, frame) in traffic.iter().enumerate() {
        if n == frames {
            rig.guest.signal(program, Signal::KILL)?;
        }
        rig.wires[1].send(frame)?;
    }
    let ended = rig.guest.finish(*program, LIMIT)?;
    ensure!(ended.signal == Some(9), "it ended with {:?}, {:?}", ended.status, ended.signal);
    // Else the rest would prove nothing.
    ensure!(rig.guest.memory(at, MEMORY_BYTES)? != before, "no frame had arrived while it ran");
    Ok(())
}

/// Sends a few frames, and gives them time.
fn few(rig: &mut Rig) -> Result<()> {
    for frame in capture::frames().iter().take(FEW) {
        rig.wires[1].send(frame)?;
    }
    std::thread::sleep(WAIT);
    Ok(())
}

/// Sees that memory is as it was.
pub fn unchanged(before: &[u8], after: &[u8]) -> Result<()> {
    let changed = before.iter().zip(after).filter(|(a, b)| a != b).count();
    ensure!(changed == 0, "{changed} bytes of its memory have changed");
    Ok(())
}
