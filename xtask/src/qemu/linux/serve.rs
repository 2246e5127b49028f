//! `etsec serve` on eth0, with us and the host's own TCP as its clients.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::flow;
use super::rig::{ETSEC, FILE, LIMIT, PEER, Rig, SERVER, WWW};
use crate::fetch;
use crate::guest::Program;
use crate::run::POLL;

/// How many pings are sent.
const PINGS: u16 = 20;
/// The longest payload of a ping in one frame.
const PING_MAX: usize = 1472;
/// Without an interrupt for so long, nothing is under way any more.
const SETTLE: Duration = Duration::from_millis(300);
/// For how long an idle server is watched.
const IDLE: Duration = Duration::from_secs(1);
/// How often that is tried.
const WATCHES: u32 = 10;
/// Bytes of a frame that tell what it is.
const HEADERS: usize = 54;
/// How often it looks after its port in a second, and ends a sleep for that.
const BEATS: u64 = 20;

/// Pings of all lengths are answered, and a file is downloaded whole.
pub fn ping_and_download(rig: &mut Rig) -> Result<String> {
    let server = rig.start_server()?;
    let pings = ping(rig, PINGS)?;
    let seconds = download(rig)?;
    let said = rig.stop(server)?;
    let counters = said.values();
    let counters = counters.iter().rfind(|value| value["event"] == "counters");
    let counters = counters.context("no counters at the end")?;
    ensure!(counters["services"]["http"]["ok"] == 1, "services: {}", counters["services"]);
    let faults = counters["ports"][0]["faults"].as_object().context("no faults are counted")?;
    ensure!(faults.values().all(|count| count == 0), "faults: {faults:?}");
    Ok(format!("{pings}/{PINGS} pings, 4 MiB in {seconds:.1} s, sha256 ok"))
}

/// Pings the server; returns how many answers came, which has to be all.
pub fn ping(rig: &mut Rig, count: u16) -> Result<u16> {
    let wire = &mut rig.wires[0];
    let mac = PEER.resolve(wire, SERVER, LIMIT)?;
    let step = PING_MAX / usize::from(count);
    let content = fetch::content(PING_MAX);
    let mut answers = 0;
    for n in 0..count {
        let payload = &content[..usize::from(n) * step];
        answers += u16::from(PEER.ping(wire, (mac, SERVER), n, payload, LIMIT)?);
    }
    ensure!(answers == count, "{answers} of {count} pings were answered");
    Ok(answers)
}

/// Downloads the file by the host's own TCP; returns how long that took.
pub fn download(rig: &mut Rig) -> Result<f64> {
    let started = Instant::now();
    let got = fetch::get(rig.http, &format!("/{FILE}"), LIMIT).context("the download")?;
    let expected = fetch::digest(&rig.file);
    ensure!(got == expected, "{} bytes with SHA-256 {}, not {expected:?}", got.len, got.sha256);
    Ok(started.elapsed().as_secs_f64())
}

/// Each frame that arrives in silence wakes the server by an interrupt, and nothing else does.
pub fn interrupts(rig: &mut Rig) -> Result<String> {
    let server = rig.start_server()?;
    ping(rig, 1)?;
    let (rx, tx) = (rig.interrupts("eth0-rx")?, rig.interrupts("eth0-tx")?);
    let mac = PEER.resolve(&mut rig.wires[0], SERVER, LIMIT)?;
    for n in 0..PINGS {
        // In between the server falls asleep.
        std::thread::sleep(POLL);
        let answered = PEER.ping(&mut rig.wires[0], (mac, SERVER), n, b"awake?", LIMIT)?;
        ensure!(answered, "ping {n} was not answered");
    }
    settle(rig, "eth0")?;
    let (rx, tx) = (rig.interrupts("eth0-rx")? - rx, rig.interrupts("eth0-tx")? - tx);
    // One for the question who has the address, and one for each ping.
    let least = u64::from(PINGS);
    ensure!(rx >= least && tx >= least, "{rx} rx and {tx} tx interrupts for {PINGS} pings");

    let idle = idle(rig, &server)?;
    rig.stop(server)?;
    Ok(format!("{rx} rx, {tx} tx for {PINGS} pings; {idle}"))
}

/// Watches a server that has nothing to do: nothing interrupts it, and it wakes for its beats
/// alone. QEMU's own network is at the same wire, and may speak for reasons of its own: a second in
/// which a frame was on the wire, where we hear it as well, does not count, and the frame is told.
fn idle(rig: &mut Rig, server: &Program) -> Result<String> {
    let mut heard = None;
    for _ in 0..WATCHES {
        flow::empty(&mut rig.wires[0])?;
        let watched = Instant::now();
        let before = (all_interrupts(rig, "eth0")?, ticks(rig, server)?, wakes(rig, server)?);
        std::thread::sleep(IDLE);
        let after = (all_interrupts(rig, "eth0")?, ticks(rig, server)?, wakes(rig, server)?);
        if let Some(frame) = rig.wires[0].receive(Duration::ZERO)? {
            heard = Some(format!("{:02x?}", &frame[..frame.len().min(HEADERS)]));
            continue;
        }
        let (used, woke) = (after.1 - before.1, after.2 - before.2);
        ensure!(after.0 == before.0, "interrupts while idle: {:?}, then {:?}", before.0, after.0);
        let beats = BEATS * (watched.elapsed().as_secs() + 1);
        ensure!(woke <= 2 * beats, "it woke {woke} times while idle, with {beats} beats at most");
        let words = format!("none and {used} ticks in an idle second");
        return Ok(heard.map_or(words.clone(), |heard| format!("{words}, after {heard}")));
    }
    bail!("the wire is never silent: {}", heard.unwrap_or_default())
}

/// Each interrupt of the receive line ends a blocking read of its UIO device. Here it is somebody
/// else's; `etsec` lets the interrupts through.
pub fn blocking_read(rig: &mut Rig) -> Result<String> {
    let probe = rig.etsec("probe --json")?.values();
    let devices = probe.first().and_then(|found| found["uio"].as_array()).into_iter().flatten();
    let line = devices.clone().find(|device| device["name"] == "eth0-rx");
    let id = line.and_then(|device| device["id"].as_str()).context("no eth0-rx")?.to_owned();
    let server = rig.start_server()?;
    let mac = PEER.resolve(&mut rig.wires[0], SERVER, LIMIT)?;
    let (device, times) = (format!("/dev/{id}"), PINGS.to_string());
    let reader = rig.guest.start(&["/init", "counts", &device, &times])?;
    rig.guest
        .line(&reader, "a reader", LIMIT, |line| line.text.starts_with("waiting").then_some(()))?;
    let mut counts: Vec<u32> = Vec::new();
    for n in 0..PINGS {
        let answered = PEER.ping(&mut rig.wires[0], (mac, SERVER), n, b"read?", LIMIT)?;
        ensure!(answered, "ping {n} was not answered");
        counts.push(rig.guest.line(&reader, "an interrupt", LIMIT, |l| l.text.parse().ok())?);
    }
    ensure!(counts.is_sorted_by(|a, b| a < b), "the counts are {counts:?}");
    let ended = rig.guest.finish(reader, LIMIT)?;
    ensure!(ended.status == Some(0), "the reader: {}", ended.err());
    rig.stop(server)?;
    Ok(format!("{PINGS} reads of /dev/{id} ended, one by each ping"))
}

/// Waits until what has been asked for is done with: no interrupt comes in a while.
pub fn settle(rig: &mut Rig, port: &str) -> Result<()> {
    let until = Instant::now() + LIMIT;
    let mut before = all_interrupts(rig, port)?;
    loop {
        std::thread::sleep(SETTLE);
        let now = all_interrupts(rig, port)?;
        if now == before {
            return Ok(());
        }
        ensure!(Instant::now() < until, "interrupts do not end: {now:?}");
        before = now;
    }
}

fn all_interrupts(rig: &mut Rig, port: &str) -> Result<[u64; 3]> {
    let mut count = |line| rig.interrupts(&format!("{port}-{line}"));
    Ok([count("tx")?, count("rx")?, count("err")?])
}

/// How much of the processor's time a program has used, in ticks of 10 ms.
pub fn ticks(rig: &mut Rig, program: &Program) -> Result<u64> {
    let stat = rig.guest.text(&format!("/proc/{}/stat", program.pid))?;
    // After the name in parentheses: state, ten numbers, then user and system time.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let numbers: Vec<u64> = fields.split(' ').skip(11).map_while(|f| f.parse().ok()).collect();
    ensure!(numbers.len() > 1, "/proc/{}/stat says {stat:?}", program.pid);
    Ok(numbers[0] + numbers[1])
}

/// How often a program has gone to sleep by itself.
pub fn wakes(rig: &mut Rig, program: &Program) -> Result<u64> {
    let status = rig.guest.text(&format!("/proc/{}/status", program.pid))?;
    let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    let count = count.and_then(|count| count.trim().parse().ok());
    count.with_context(|| format!("/proc/{}/status says {status:?}", program.pid))
}

/// A port has one owner; who only looks is welcome.
pub fn second_opener(rig: &mut Rig) -> Result<String> {
    let server = rig.start_server()?;
    let owner = format!("in use by process {}", server.pid);
    let argv = [ETSEC, "serve", "--device", "uio:eth0", "--address", "10.0.2.16/24"];
    let line = rig.refused(&argv, &["'eth0-tx'", &owner, "stop that one first"])?;
    for look in ["regs --device uio:eth0", "stats --device uio:eth0", "link --device uio:eth0"] {
        let said = rig.etsec(look)?;
        ensure!(said.status == Some(0), "etsec {look}: {}", said.err());
    }
    let probe = rig.etsec("probe")?.out();
    ensure!(probe.contains(&format!("uio:eth0: {owner}\n")), "probe: {probe}");
    // None of it has disturbed the owner.
    ping(rig, PINGS)?;
    download(rig)?;
    rig.stop(server)?;
    // The folder is served to the last.
    ensure!(rig.guest.list(WWW)? == [FILE]);
    Ok(line)
}
