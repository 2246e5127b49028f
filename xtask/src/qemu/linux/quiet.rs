//! The end of a port: after Ctrl-C it is quiet, and after `kill -9` the next start makes it so.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::rig::{HUGETLBFS, LIMIT, PAGE_BYTES, PAGES, PEER, Rig, SERVER};
use super::serve::{download, ping};
use crate::capture;

/// Frames that are sent at once. A ring has 256 descriptors; two times this many must fit into it,
/// beside the 32 that its owner may have in its hands: QEMU may die when it finds a ring full (HW
/// 15.3).
pub const FRAMES: usize = 100;
/// How long they are given to do harm.
const WAIT: Duration = Duration::from_millis(200);

/// After Ctrl-C the port receives nothing, writes nothing, interrupts nobody, and starts again.
pub fn interrupted(rig: &mut Rig) -> Result<String> {
    let (program, address) = rig.start_port("echo --quiet --device uio:eth1")?;
    let before = rig.guest.memory(address, PAGE_BYTES)?;
    send(rig, 1)?;
    // Else the rest would prove nothing.
    ensure!(rig.changes(address, &before)?, "no frame has arrived while it ran");
    rig.stop(program)?;
    let words = stopped(rig, "eth1")?;
    let before = state(rig, address)?;
    send(rig, 1)?;
    let after = state(rig, address)?;
    ensure!(after.0 == before.0, "interrupts were {:?}, then {:?}", before.0, after.0);
    for (one, two) in before.1.iter().zip(&after.1) {
        ensure!(one == two, "a register was {one:?}, then {two:?}");
    }
    let changed = before.2.iter().zip(&after.2).filter(|(a, b)| a != b).count();
    ensure!(changed == 0, "{changed} bytes of the memory it had have changed");
    ensure!(rig.free_pages()? == PAGES, "its memory was not given back");

    let server = rig.start_server()?;
    ping(rig, 1)?;
    rig.stop(server)?;
    let server = rig.start_server()?;
    ping(rig, 1)?;
    download(rig)?;
    rig.stop(server)?;
    stopped(rig, "eth0")?;
    Ok(format!("{words}; {FRAMES} frames changed no register and no byte; started twice more"))
}

/// A killed owner leaves its memory to the controller, and the next start cleans up.
pub fn killed(rig: &mut Rig) -> Result<String> {
    let server = rig.start_server()?;
    let mac = PEER.resolve(&mut rig.wires[0], SERVER, LIMIT)?;
    // In the middle of work, and with more to come.
    for n in 0..FRAMES as u16 {
        PEER.ping(&mut rig.wires[0], (mac, SERVER), n, &[7; 1000], Duration::ZERO)?;
    }
    let left = format!("etsec-eth0-{}", server.pid);
    rig.guest.signal(&server, Signal::KILL)?;
    for n in 0..FRAMES as u16 {
        PEER.ping(&mut rig.wires[0], (mac, SERVER), n, &[7; 1000], Duration::ZERO)?;
    }
    let ended = rig.guest.finish(server, LIMIT)?;
    ensure!(ended.signal == Some(9), "it ended with {:?}, {:?}", ended.status, ended.signal);
    let files = rig.guest.list(HUGETLBFS)?;
    ensure!(files == [left.as_str()], "instead of {left} there is {files:?}");

    let server = rig.start_server()?;
    ping(rig, 20)?;
    download(rig)?;
    let said = rig.stop(server)?;
    let deleted = format!("deleted {HUGETLBFS}/{left} of a dead owner");
    ensure!(said.err().contains(&deleted), "it did not say {deleted:?}: {}", said.err());
    ensure!(rig.free_pages()? == PAGES, "memory was not given back");
    stopped(rig, "eth0")?;
    Ok("the next start deleted what was left, and serves".to_owned())
}

/// Sends frames of several sizes to port number `port`, and gives them time to do harm.
pub fn send(rig: &mut Rig, port: usize) -> Result<()> {
    for frame in capture::frames().iter().take(FRAMES) {
        rig.wires[port].send(frame)?;
    }
    std::thread::sleep(WAIT);
    Ok(())
}

/// What must not change: interrupts, registers, and the memory that the port had.
type State = ([u64; 3], Vec<(String, Value)>, Vec<u8>);

fn state(rig: &mut Rig, address: u64) -> Result<State> {
    let counts =
        [rig.interrupts("eth1-tx")?, rig.interrupts("eth1-rx")?, rig.interrupts("eth1-err")?];
    Ok((counts, rig.registers("eth1", "")?, rig.guest.memory(address, PAGE_BYTES)?))
}

/// Whether the registers say that the port is stopped (HW 8.4): MAC off, DMA halted, no interrupt.
pub fn stopped(rig: &mut Rig, port: &str) -> Result<String> {
    let registers = rig.registers(port, "MACCFG1 DMACTRL IMASK")?;
    let field = |register: &str, field: &str| {
        let found = registers.iter().find(|(name, _)| name == register);
        let value = found.and_then(|(_, value)| match field {
            "" => value["value"].as_u64(),
            _ => value["fields"][field].as_u64(),
        });
        value.with_context(|| format!("etsec regs says no {register}[{field}]"))
    };
    for (register, name, wanted) in [
        ("MACCFG1", "RX_EN", 0),
        ("MACCFG1", "TX_EN", 0),
        ("DMACTRL", "GRS", 1),
        ("DMACTRL", "GTS", 1),
        ("IMASK", "", 0),
    ] {
        let found = field(register, name)?;
        ensure!(found == wanted, "{port}: {register}[{name}] is {found:#x}");
    }
    Ok("Rx_EN and Tx_EN 0, GRS and GTS 1, IMASK 0".to_owned())
}
