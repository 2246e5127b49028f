//! `etsec capture` on eth1: frames of every size, and the file they end up in.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::rig::{LIMIT, Rig};
use crate::capture;
use crate::fetch;
use crate::interrupt;

const FOLDER: &str = "/tmp";
const NAME: &str = "sizes.pcapng";
/// Frames that may be under way. Where there is more than the guest takes, the sockets in between
/// lose it, which is not what is tried here.
const WINDOW: usize = 32;
/// Between two looks at the length of the file.
const LOOK: Duration = Duration::from_millis(2);

/// Every frame is in the file, once, unchanged, in its place; and the file is a valid pcapng.
pub fn every_size(rig: &mut Rig) -> Result<String> {
    let sent = capture::frames();
    let count = sent.len();
    let file = format!("{FOLDER}/{NAME}");
    let arguments =
        format!("capture --quiet --json --device uio:eth1 --write {file} --count {count}");
    let (program, _) = rig.start_port(&arguments)?;
    let mut bytes = 0;
    for window in sent.chunks(WINDOW) {
        for frame in window {
            rig.wires[1].send(frame)?;
            bytes += frame.len() as u64;
        }
        // What has been written is longer than its frames.
        await_size(rig, &file, bytes)?;
    }
    let ended = rig.guest.finish(program, LIMIT)?;
    ensure!(ended.status == Some(0), "capture: {}", ended.err());
    // The other port brings it here; the serial line would take a while.
    let server = rig.start_server_of(FOLDER)?;
    let file = fetch::bytes(rig.http, &format!("/{NAME}"), LIMIT)?;
    rig.stop(server)?;
    let received = capture::parse(&file)?;
    let same = capture::identical(&sent, &received);
    ensure!(same == count && received.len() == count, "{same} of {count} frames are identical");
    Ok(format!("{same}/{count} frames of 60 to 1514 bytes identical, in {} bytes", file.len()))
}

fn await_size(rig: &mut Rig, file: &str, bytes: u64) -> Result<()> {
    let until = Instant::now() + LIMIT;
    loop {
        let size = rig.guest.size(file)?;
        if size >= bytes {
            return Ok(());
        }
        ensure!(Instant::now() < until, "{size} bytes captured, of {bytes}");
        interrupt::check()?;
        std::thread::sleep(LOOK);
    }
}
