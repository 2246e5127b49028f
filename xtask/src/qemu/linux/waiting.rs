//! Waiting for frames, over UIO: an idle command uses no processor, one frame wakes it, none is
//! ever waited for in vain, and another process at the same UIO device takes nothing from it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use super::flow;
use super::rig::{LIMIT, NAPS, Rig};
use super::serve::{settle, ticks, wakes};
use crate::capture;
use crate::guest::Program;

/// For how long an idle command is watched.
const IDLE: Duration = Duration::from_secs(5);
/// Naps of a second that may end meanwhile, on a machine that stood still for a while, too.
const IDLE_WAKES: u64 = 9;
/// Rounds of random arrivals, and the most frames in one.
const ROUNDS: u64 = 1500;
const ROUND: u64 = 3;
/// A frame is back within that, on any host.
const SOON: Duration = Duration::from_secs(8);
/// Of the naps that nothing has ended, at least every other one is in vain; but for so many. One
/// frame that was not heard of takes a nap that is not.
const BY_CHANCE: u64 = 5;
/// The longest pause between rounds, in microseconds: within it the guest goes to sleep. A slow one
/// is given longer, up to a limit.
const PAUSE: u64 = 3000;
const PAUSE_MAX: u64 = 200_000;

/// Starts an echo that looks after its port every second and sleeps in between.
fn start(rig: &mut Rig) -> Result<Program> {
    let arguments = format!("echo --quiet --json --promiscuous --device uio:eth1 --config {NAPS}");
    let (program, _) = rig.start_port(&arguments)?;
    flow::empty(&mut rig.wires[1])?;
    settle(rig, "eth1")?;
    Ok(program)
}

/// Waits until `count` of our frames have come back.
fn back(rig: &mut Rig, count: u64, what: &str) -> Result<()> {
    let mut came = 0;
    while came < count {
        let frame = rig.wires[1].receive(SOON)?;
        let frame = frame.with_context(|| format!("{what}: {came} of {count} frames came back"))?;
        came += u64::from(capture::is_ours(frame));
    }
    Ok(())
}

/// While nothing arrives nothing is used; then one frame, and it is back.
pub fn idle(rig: &mut Rig) -> Result<String> {
    let program = start(rig)?;
    let before = (rig.interrupts("eth1-rx")?, ticks(rig, &program)?, wakes(rig, &program)?);
    std::thread::sleep(IDLE);
    let after = (rig.interrupts("eth1-rx")?, ticks(rig, &program)?, wakes(rig, &program)?);
    let (used, woke) = (after.1 - before.1, after.2 - before.2);
    ensure!(after.0 == before.0, "{} interrupts while idle", after.0 - before.0);
    ensure!(woke <= IDLE_WAKES, "it woke {woke} times while idle for {IDLE:?}");
    rig.wires[1].send(&capture::frames()[0])?;
    back(rig, 1, "after an idle time")?;
    settle(rig, "eth1")?;
    let woken = rig.interrupts("eth1-rx")? - after.0;
    ensure!(woken == 1, "{woken} interrupts for one frame");
    rig.stop(program)?;
    Ok(format!(
        "{used} ticks of 10 ms and {woke} wake-ups in {IDLE:?}, then one frame: one interrupt, and \
         it was back"
    ))
}

/// Frames come at random moments, also while the command is about to go to sleep.
pub fn random_arrivals(rig: &mut Rig) -> Result<String> {
    let program = start(rig)?;
    let frames = capture::frames();
    let mut seed = 0x9E37_79B9_u64;
    let mut random = |end: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % end
    };
    let before = rig.interrupts("eth1-rx")?;
    let (mut sent, mut rounds, mut pause) = (0, 0, PAUSE);
    let interrupts = loop {
        for _ in 0..ROUNDS {
            let count = 1 + random(ROUND);
            for _ in 0..count {
                rig.wires[1].send(&frames[random(frames.len() as u64) as usize])?;
                std::thread::sleep(Duration::from_micros(random(200)));
            }
            (sent, rounds) = (sent + count, rounds + 1);
            back(rig, count, &format!("round {rounds}"))?;
            std::thread::sleep(Duration::from_micros(random(pause)));
        }
        let interrupts = rig.interrupts("eth1-rx")? - before;
        // Fewer sleeps than that would prove little.
        if interrupts >= ROUNDS / 2 || pause > PAUSE_MAX {
            break interrupts;
        }
        pause *= 4;
    };
    let said = rig.stop(program)?;
    let counters = said.values();
    let counters = counters.iter().rfind(|value| value["event"] == "counters");
    let wait = counters.map(|counters| &counters["ports"][0]["wait"]).context("no counters")?;
    let number = |key: &str| wait[key].as_u64().with_context(|| format!("no {key} in {wait}"));
    let (slept, woken, spurious) = (number("slept")?, number("woken")?, number("spurious")?);
    ensure!(interrupts >= ROUNDS / 2, "{interrupts} interrupts in {rounds} rounds");
    ensure!(slept >= woken && woken >= spurious, "{wait}");
    let unheard = number("unheard")?;
    let most = BY_CHANCE + (slept - woken) / 2;
    ensure!(unheard <= most, "the end of a nap found frames {unheard} times: {wait}");
    Ok(format!(
        "{sent} frames in {rounds} rounds, {interrupts} interrupts; slept {slept} times, woken \
         {woken}, in vain {spurious}"
    ))
}

/// Another process reads the same UIO device: it is told of each interrupt as well, and neither
/// takes one nor lets one through.
pub fn two_at_one_device(rig: &mut Rig) -> Result<String> {
    let probe = rig.etsec("probe --json")?.values();
    let devices = probe.first().and_then(|found| found["uio"].as_array()).into_iter().flatten();
    let line = devices.clone().find(|device| device["name"] == "eth1-rx");
    let id = line.and_then(|device| device["id"].as_str()).context("no eth1-rx")?.to_owned();
    let program = start(rig)?;
    let reader = rig.guest.start(&["/init", "counts", &format!("/dev/{id}"), "2"])?;
    rig.guest
        .line(&reader, "a reader", LIMIT, |line| line.text.starts_with("waiting").then_some(()))?;
    rig.guest.signal(&program, Signal::STOP)?;
    let before = rig.interrupts("eth1-rx")?;
    let frames = capture::frames();
    rig.wires[1].send(&frames[0])?;
    rig.guest.line(&reader, "an interrupt", LIMIT, |l| l.text.parse::<u32>().ok())?;
    // It has read, and waits again; the owner, who would let the next one through, stands still.
    rig.wires[1].send(&frames[1])?;
    settle(rig, "eth1")?;
    let while_stopped = rig.interrupts("eth1-rx")? - before;
    ensure!(while_stopped == 1, "{while_stopped} interrupts, though nobody let a second through");
    rig.guest.signal(&program, Signal::CONT)?;
    back(rig, 2, "beside a reader")?;
    rig.wires[1].send(&frames[2])?;
    back(rig, 1, "beside a reader")?;
    rig.guest.line(&reader, "an interrupt", LIMIT, |l| l.text.parse::<u32>().ok())?;
    let ended = rig.guest.finish(reader, LIMIT)?;
    ensure!(ended.status == Some(0), "the reader: {}", ended.err());
    rig.stop(program)?;
    Ok("the reader let no interrupt through, and the owner missed none".to_owned())
}
