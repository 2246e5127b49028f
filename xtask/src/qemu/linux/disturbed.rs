//! `etsec echo` under traffic while its process is stopped and continued, and when it is asked to
//! end: every frame is accounted for.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use super::numbered::Numbered;
use super::rig::{LIMIT, Rig};
use super::way::Way;

/// How often it is stopped, and for how long: its ring fills with all that may be under way.
const STOPS: u64 = 3;
const STOPPED: Duration = Duration::from_millis(100);
/// Frames that come back in between.
const BETWEEN: u64 = 300;

/// Stopped and continued, nothing is lost; asked to end, nothing is that it says it has taken.
pub fn signals(rig: &mut Rig) -> Result<String> {
    let arguments = "echo --quiet --json --promiscuous --device uio:eth1";
    let (program, _) = rig.start_port(arguments)?;
    let traffic = Numbered::start(rig)?;
    for _ in 0..STOPS {
        traffic.await_more(BETWEEN)?;
        rig.guest.signal(&program, Signal::STOP)?;
        std::thread::sleep(STOPPED);
        rig.guest.signal(&program, Signal::CONT)?;
    }
    traffic.await_more(BETWEEN)?;
    let first = traffic.finish()?;
    ensure!(first.ok() && first.in_hands == 0, "stopped and continued: {}", first.render());

    let traffic = Numbered::start(rig)?;
    traffic.await_more(BETWEEN)?;
    rig.guest.signal(&program, Signal::TERM)?;
    let ended = rig.guest.finish(program, LIMIT)?;
    ensure!(ended.status == Some(0), "status {:?}: {}", ended.status, ended.err());
    let values = ended.values();
    let counters = values.iter().rfind(|value| value["event"] == "counters");
    let port = &counters.context("no counters at the end")?["ports"][0];
    let taken = port["rx"]["frames"].as_u64().with_context(|| format!("no frames in {port}"))?;
    ensure!(port["tx"]["frames"] == taken, "{taken} were taken, and not as many sent: {port}");
    let second = traffic.finish_at(taken - first.frames_out)?;
    let back = first.frames_out + second.frames_out;
    ensure!(back == taken && second.repeated == 0, "{taken} were taken: {}", second.render());
    Way::HugePages.has_ended(rig)?;
    Ok(format!(
        "{STOPS} stops: {} frames, none lost; at SIGTERM {} of {} had been taken, and all of those \
         came back",
        first.frames_in, second.frames_out, second.frames_in
    ))
}
