//! What a killed process leaves on huge pages: shown and freed by `etsec reclaim`; and what is not
//! what it left, which nobody takes over.

use anyhow::{Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::numbered::Numbered;
use super::quiet::{FRAMES, send, stopped};
use super::rig::{HUGETLBFS, LIMIT, PAGE_BYTES, PAGES, Rig};
use super::way::Way;
use crate::capture;
use crate::guest::Program;

/// What owns the port here.
const ECHO: &str = "echo --quiet --promiscuous --adopt --device uio:eth1";
/// Frames that fit into a ring nobody empties, several times.
const FEW: usize = 16;
/// Where in the memory its version stands, in the byte order of the CPU.
const VERSION_AT: u64 = 4;

/// What is in use is left alone; what a killed process has left is shown, goes on meanwhile, and is
/// freed once its controller has been stopped.
pub fn reclaimed(rig: &mut Rig) -> Result<String> {
    let (program, address) = rig.start_port(ECHO)?;
    let file = format!("{HUGETLBFS}/etsec-eth1-{}", program.pid);
    let found = reclaim(rig, "--free")?;
    let user = found["in_use_by"].as_str().unwrap_or_default();
    ensure!(user.contains(&format!("process {}", program.pid)), "in use by {user:?}");
    ensure!(found["freed"] == false && found["running"] == true, "in use: {found}");
    kill(rig, program)?;

    let found = reclaim(rig, "")?;
    let expected = json!({
        "event": "leftover", "device": "uio:eth1", "file": file, "bytes": PAGE_BYTES,
        "pid": program.pid, "running": true, "in_use_by": null, "beside": [], "freed": false,
    });
    ensure!(found == expected, "it shows {found}");
    let before = rig.guest.memory(address, PAGE_BYTES)?;
    for frame in capture::frames().iter().take(FEW) {
        rig.wires[1].send(frame)?;
    }
    ensure!(rig.changes(address, &before)?, "who only looked has stopped it");

    let found = reclaim(rig, "--free uio:eth1")?;
    ensure!(found["freed"] == true, "it says {found}");
    let files = rig.guest.list(HUGETLBFS)?;
    ensure!(files.is_empty() && rig.free_pages()? == PAGES, "there is still {files:?}");
    let before = rig.guest.memory(address, PAGE_BYTES)?;
    send(rig, 1)?;
    ensure!(rig.guest.memory(address, PAGE_BYTES)? == before, "a frame has changed what was freed");
    let words = stopped(rig, "eth1")?;
    let said = rig.etsec("reclaim")?.out();
    ensure!(said.trim() == "nothing is left", "then it says {said:?}");
    Ok(format!(
        "shown with its controller running; freed: {FRAMES} frames changed no byte, {words}"
    ))
}

/// Memory that is not what this driver has left is refused with the reason: the port starts anew,
/// and works.
pub fn foreign(rig: &mut Rig) -> Result<String> {
    let mut reasons = Vec::new();
    for (spoilt, reason) in [
        (Spoilt::Truncated, "length of memory in a file in bytes is 0"),
        (Spoilt::Foreign, "the memory is not this driver's"),
        (Spoilt::Version, "the memory is of version 777"),
    ] {
        let what = format!("{spoilt:?}");
        let (program, address) = rig.start_port(ECHO)?;
        kill(rig, program)?;
        spoilt.spoil(rig, &format!("{HUGETLBFS}/etsec-eth1-{}", program.pid), address)?;

        let heir = rig.start(&format!("-v {ECHO}"))?;
        let mut said = String::new();
        rig.guest.line(&heir, "a running port", LIMIT, |line| {
            if line.text.contains("taken over") {
                said.clone_from(&line.text);
            }
            line.text.contains(": started, station address ").then_some(())
        })?;
        let wanted = format!("not taken over, but reset: {reason}");
        ensure!(said.contains(&wanted), "{what}: instead of {wanted:?} it said {said:?}");
        let traffic = Numbered::start(rig)?;
        traffic.await_more(FEW as u64)?;
        let sums = traffic.finish()?;
        ensure!(sums.ok(), "{what}: {}", sums.render());
        rig.stop(heir)?;
        Way::HugePages.has_ended(rig)?;
        reasons.push(format!("{what}: {reason}"));
    }
    Ok(reasons.join("; "))
}

/// What has become of the memory meanwhile.
#[derive(Debug, Clone, Copy)]
enum Spoilt {
    Truncated,
    Foreign,
    Version,
}

impl Spoilt {
    /// Makes it so, of the file whose memory begins at physical address `at`.
    fn spoil(self, rig: &mut Rig, file: &str, at: u64) -> Result<()> {
        match self {
            Self::Truncated => rig.guest.write(file, ""),
            Self::Foreign => {
                let noise: Vec<u8> = (0..=255).cycle().take(4096).collect();
                rig.guest.set_memory(at, &noise)
            }
            Self::Version => rig.guest.set_memory(at + VERSION_AT, &777_u32.to_be_bytes()),
        }
    }
}

/// Runs `etsec reclaim`, which has to find one thing.
fn reclaim(rig: &mut Rig, arguments: &str) -> Result<Value> {
    let said = rig.etsec(&format!("reclaim --json {arguments}"))?;
    ensure!(said.status == Some(0), "reclaim: {}", said.err());
    let [found] = &said.values()[..] else { anyhow::bail!("it shows {:?}", said.out()) };
    Ok(found.clone())
}

fn kill(rig: &mut Rig, program: Program) -> Result<()> {
    rig.guest.signal(&program, Signal::KILL)?;
    let ended = rig.guest.finish(program, LIMIT)?;
    ensure!(ended.signal == Some(9), "it ended by itself: {}", ended.err());
    Ok(())
}
