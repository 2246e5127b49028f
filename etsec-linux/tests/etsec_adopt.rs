//! Is a port whose process was killed taken over by `--adopt` as it runs, with every frame that was
//! in a ring; and is it reset, with the reason told, where it cannot be?
#![cfg(feature = "cli")]

mod program;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use etsec_core::Region;
use etsec_sim::capture::CaptureReader;
use etsec_sim::remote::{Client, Role};
use program::owner::{run, text};
use program::running::Running;
use program::simd::Simd;
use program::*;

/// Most frames that a killed process had in its hands.
const BURST: usize = 32;

/// Numbers of the frames of a capture file, in order. The last one may be written at this moment: a
/// frame that is cut off is not there yet.
fn numbers(path: &Path) -> Vec<u64> {
    let mut reader = CaptureReader::open(path).unwrap();
    let mut found = Vec::new();
    while let Ok(Some(frame)) = reader.next_frame() {
        // A pattern begins with a sequence number, behind the header.
        found.push(u32::from_be_bytes(frame.data[14..18].try_into().unwrap()).into());
    }
    found
}

/// A capture file with `count` numbered frames.
fn input(folder: &Path, count: u64) -> String {
    let path = folder.join("in.pcap").display().to_string();
    let device = format!("sim,wire=pcap:,{path}");
    let sent = run(&["send", "--device", &device, "--count", &count.to_string()]);
    assert_eq!(code(&sent), Some(0), "{}", said(&sent));
    path
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if done() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{what} took too long");
}

#[test]
fn frames_in_rings_outlive_processes_that_are_killed() {
    const FRAMES: usize = 20_000;
    const KILLS: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let (input, back) = (input(folder.path(), FRAMES as u64), folder.path().join("back.pcap"));
    let simd = Simd::start(folder.path(), "one", &format!("pcap:{input},{}", back.display()));
    let device = simd.device();
    let words = ["echo", "--promiscuous", "--adopt", "--device", &device];
    let first = Running::start(&words);
    assert!(first.has_said(": not taken over: no process has left it"), "{:?}", first.said);
    let station = first.said.last().unwrap().clone();
    let mut before = first;
    for n in 0..KILLS {
        thread::sleep(Duration::from_millis(n as u64));
        let pid = before.kill();
        let next = Running::start(&words);
        assert!(next.has_said(&format!("taken over from process {pid}: ")), "{:?}", next.said);
        // The random address of the first is the one of all.
        assert_eq!(next.said.last(), Some(&station));
        before = next;
    }
    let mut seen = Vec::new();
    wait_until("the last frame", || {
        seen = numbers(&back);
        seen.last() == Some(&(FRAMES as u64 - 1))
    });
    let once: BTreeSet<u64> = seen.iter().copied().collect();
    assert_eq!(once.len(), seen.len(), "a frame came twice");
    assert!(seen.is_sorted());
    let lost = FRAMES - seen.len();
    assert!(lost <= KILLS * BURST, "{lost} frames are missing after {KILLS} kills");
    // No reset has ended a count.
    let stats = text(&run(&["--json", "stats", "--device", &device]));
    let counted = serde_json::from_str::<serde_json::Value>(&stats).unwrap();
    assert_eq!(counted["counters"]["RPKT"], FRAMES, "{stats}");
    before.end();
    simd.stop();
}

#[test]
fn a_port_that_is_asked_for_otherwise_is_reset_and_the_reason_told() {
    let folder = tempfile::tempdir().unwrap();
    let simd = Simd::start(folder.path(), "one", "null");
    let device = simd.device();
    let words = ["echo", "--adopt", "--device", &device];
    for (other, why) in [
        (&["--ring", "128"][..], "transmit rings of 256, and 768 buffers of 1536 bytes, not"),
        (&["--buffers", "700"], "and 768 buffers of 1536 bytes, not"),
        (&["--mtu", "1400", "--ring", "256"], "buffers of"),
        (&["--mac", "02:00:00:00:00:77"], "register 0x54"),
        (&["--link", "100"], "its PHY is set to another link"),
    ] {
        let dead =
            Running::start(&words[..1].iter().chain(&words[2..]).copied().collect::<Vec<_>>());
        dead.kill();
        let next = Running::start(&[&words, other].concat());
        assert!(next.has_said("not taken over, but reset: "), "{other:?}: {:?}", next.said);
        assert!(next.has_said(why), "{other:?}: {:?}", next.said);
        next.kill();
        // What has been reset once is taken over by the same again.
        let same = Running::start(&[&words, other].concat());
        assert!(same.has_said(": taken over from process "), "{other:?}: {:?}", same.said);
        same.end();
    }
    simd.stop();
}

#[test]
fn flow_control_that_was_changed_is_taken_over_and_then_set() {
    let folder = tempfile::tempdir().unwrap();
    let simd = Simd::start(folder.path(), "one", "null");
    let device = simd.device();
    let now = || {
        let shown = text(&run(&["--json", "pause", "--device", &device]));
        let shown = serde_json::from_str::<serde_json::Value>(&shown).unwrap();
        (shown["rx-now"] == true, shown["tx-now"] == true)
    };
    let dead = Running::start(&["echo", "--device", &device]);
    let words = ["pause", "--device", &device, "autoneg", "off", "rx", "on", "tx", "off"];
    let set = run(&words);
    assert_eq!(code(&set), Some(0), "{}", said(&set));
    wait_until("what it is set to", || now() == (true, false));
    dead.kill();
    let next = Running::start(&["echo", "--adopt", "--device", &device, "--link", "1000"]);
    assert!(next.has_said(": taken over from process "), "{:?}", next.said);
    wait_until("what both ends agree on", || now() == (true, true));
    next.end();
    simd.stop();
}

#[test]
fn a_phy_that_was_forced_negotiates_again_when_nothing_else_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let simd = Simd::start(folder.path(), "one", "null");
    let device = simd.device();
    // BMCR[12], by the address at which a PHY answers, while nobody has the device.
    let scan = text(&run(&["--json", "mdio", "scan", "--device", &device]));
    let found = serde_json::from_str::<serde_json::Value>(&scan).unwrap();
    let phy = found[0]["phy"].to_string();
    let negotiates = || {
        let read = run(&["--json", "mdio", "read", "--device", &device, &phy, "0"]);
        let read = serde_json::from_str::<serde_json::Value>(&text(&read)).unwrap();
        read["value"].as_u64().unwrap() & 1 << 12 != 0
    };
    let link = || {
        let shown = text(&run(&["--json", "link", "--device", &device]));
        serde_json::from_str::<serde_json::Value>(&shown).unwrap()["phy"]["link"].clone()
    };
    // A link that is down would be negotiated anyway.
    let force = || {
        let forced = Running::start(&["echo", "--device", &device, "--link", "100/full"]);
        wait_until("the link", || link() == "100/full");
        forced
    };
    let adopt = || Running::start(&["echo", "--adopt", "--device", &device]);
    // By a start.
    force().end();
    assert!(!negotiates());
    Running::start(&["echo", "--device", &device]).kill();
    assert!(negotiates());
    let next = adopt();
    assert!(next.has_said(": taken over from process "), "{:?}", next.said);
    next.end();
    // And by the reset that follows a refusal.
    force().kill();
    let refused = adopt();
    assert!(refused.has_said("its PHY is set to another link"), "{:?}", refused.said);
    refused.kill();
    assert!(negotiates());
    let next = adopt();
    assert!(next.has_said(": taken over from process "), "{:?}", next.said);
    next.end();
    simd.stop();
}

#[test]
fn rules_of_the_filter_stay_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let simd = Simd::start(folder.path(), "one", "null");
    let device = simd.device();
    let rules = |name: &str, rules: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, rules).unwrap();
        path.display().to_string()
    };
    let usual = rules("usual", "udp dst-port 1-7 drop\nip4 tcp dst-port 80 queue 8\n");
    let others = rules("others", "udp dst-port 1-8 drop\n");
    let with = |file| ["echo", "--adopt", "--device", &device, "--filter", file];
    Running::start(&with(&usual)).kill();
    for _ in 0..2 {
        let next = Running::start(&with(&usual));
        assert!(next.has_said(": taken over from process "), "{:?}", next.said);
        next.kill();
    }
    // Others take their place, without a reset.
    let other = Running::start(&with(&others));
    assert!(other.has_said(": taken over from process "), "{:?}", other.said);
    let listed = text(&run(&["filter", "list", "--device", &device]));
    assert!(listed.contains("1-8 drop") && !listed.contains("80"), "{listed}");
    other.kill();
    // Where there was no filter the parser is off.
    let without = Running::start(&["echo", "--adopt", "--device", &device]);
    assert!(without.has_said("not taken over, but reset: register 0x300 holds"));
    without.kill();
    let again = Running::start(&with(&others));
    assert!(
        again.has_said("not taken over, but reset: filter: the filter is off"),
        "{:?}",
        again.said
    );
    again.end();
    simd.stop();
}

#[test]
fn another_address_filter_is_taken_over_and_then_set() {
    let folder = tempfile::tempdir().unwrap();
    let simd = Simd::start(folder.path(), "one", "null");
    let device = simd.device();
    // RCTRL[PROM].
    let is_promiscuous = || {
        let bus = Client::connect(&simd.socket, Role::Observer).unwrap().client.bus();
        etsec_core::Bus::read(&bus, 0x300) & 8 != 0
    };
    let words = ["echo", "--adopt", "--device", &device];
    Running::start(&words).kill();
    for promiscuous in [true, false, false, true] {
        let more = if promiscuous { &["--promiscuous"][..] } else { &[] };
        let next = Running::start(&[&words, more].concat());
        assert!(next.has_said(": taken over from process "), "{:?}", next.said);
        assert_eq!(is_promiscuous(), promiscuous);
        next.kill();
    }
    let other = Running::start(&[&words[..], &["--mac", "02:00:00:00:00:77"]].concat());
    assert!(other.has_said("not taken over, but reset: register 0x54"), "{:?}", other.said);
    other.end();
    simd.stop();
}

#[test]
fn an_orderly_end_leaves_nothing_to_take_over() {
    let folder = tempfile::tempdir().unwrap();
    let simd = Simd::start(folder.path(), "one", "null");
    let device = simd.device();
    for _ in 0..2 {
        let owner = Running::start(&["receive", "--adopt", "--device", &device]);
        assert!(owner.has_said("not taken over: no process has left it"), "{:?}", owner.said);
        let client = Client::connect(&simd.socket, Role::Observer).unwrap().client;
        assert!(client.left().unwrap().is_some());
        owner.end();
        assert!(client.left().unwrap().is_none(), "the memory was given back");
    }
    simd.stop();
}

#[test]
fn two_ports_that_hold_each_others_buffers_are_taken_over_together() {
    const FRAMES: usize = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (input(folder.path(), FRAMES as u64), folder.path().join("out.pcap"));
    let a = Simd::start(folder.path(), "a", &format!("pcap:{input}"));
    let b = Simd::start(folder.path(), "b", &format!("pcap:,{}", out.display()));
    let words = ["forward", "--adopt", &a.device(), &b.device()];
    let mut before = Running::start(&words);
    for n in 0..4 {
        thread::sleep(Duration::from_millis(3 * n));
        before.kill();
        before = Running::start(&words);
        let taken = before.said.iter().filter(|line| line.contains(": taken over from")).count();
        assert_eq!(taken, 2, "{:?}", before.said);
    }
    let mut seen = Vec::new();
    wait_until("the last frame", || {
        seen = numbers(&out);
        seen.last() == Some(&(FRAMES as u64 - 1))
    });
    let once: BTreeSet<u64> = seen.iter().copied().collect();
    assert_eq!(once.len(), seen.len(), "a frame came twice");
    before.kill();
    // One of them is stopped: neither is taken over.
    let client = Client::connect(&b.socket, Role::Owner).unwrap().client;
    // MACCFG1: it neither sends nor receives.
    etsec_core::Bus::write(&client.bus(), 0x500, 0);
    drop(client);
    let both = Running::start(&words);
    let refused = both.said.iter().filter(|line| line.contains("not taken over")).count();
    assert_eq!(refused, 2, "{:?}", both.said);
    assert!(both.has_said("may hold each other's buffers"), "{:?}", both.said);
    both.end();
    a.stop();
    b.stop();
}

#[test]
fn what_is_left_is_shown_and_freed_and_what_is_in_use_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let simd = Simd::start(folder.path(), "one", "null");
    let device = simd.device();
    let reclaim = |words: &[&str]| {
        let output = run(&[&["reclaim", &device], words].concat());
        assert_eq!(code(&output), Some(0), "{}", said(&output));
        text(&output)
    };
    assert_eq!(reclaim(&[]), "nothing is left\n");
    let owner = Running::start(&["echo", "--device", &device]);
    let in_use = format!("in use by process {}; its controller runs\n", owner.child.id());
    assert!(reclaim(&["--free"]).ends_with(&in_use));
    let pid = owner.kill();
    let left = format!("in the simulator, left by process {pid}; its controller runs");
    assert!(reclaim(&[]).contains(&left), "{}", reclaim(&[]));
    let shown = run(&["--json", "reclaim", &device]);
    let [shown] = &events(&shown.stdout, "leftover")[..] else { panic!("{}", text(&shown)) };
    assert_eq!((&shown["pid"], &shown["running"]), (&pid.into(), &true.into()), "{shown}");
    assert!(shown["in_use_by"].is_null() && shown["file"].is_null(), "{shown}");
    assert!(reclaim(&["--free"]).ends_with("; freed\n"));
    assert_eq!(reclaim(&[]), "nothing is left\n");
    let regs = text(&run(&["--json", "regs", "--device", &device, "MACCFG1"]));
    assert!(regs.contains("\"RX_EN\":0"), "{regs}");
    // The device was stopped before its memory went: else the simulator would complain.
    simd.stop();
}

/// Where the child of the last test finds the simulator, and what it is to change.
const SPOIL: &str = "ETSEC_TEST_SPOIL";

/// What a process does that dies with memory in its hands: this test by itself does nothing.
#[test]
fn the_process_that_spoils_memory() {
    let Ok(words) = std::env::var(SPOIL) else { return };
    let [socket, at, value] = words.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let (at, value): (usize, u32) = (at.parse().unwrap(), value.parse().unwrap());
    let client = Client::connect(Path::new(socket), Role::Owner).unwrap().client;
    let region = client.adopt().unwrap().expect("memory that was left");
    assert!(at + 4 <= region.len());
    // SAFETY: mapped, aligned, and inside; the owner is dead, and the device does not read there.
    unsafe { region.cpu().add(at).cast::<u32>().write(value) };
    // Ending without giving the memory back.
    std::mem::forget(region);
}

/// Changes a word of the memory that a dead owner has left.
fn spoil(simd: &Simd, at: usize, value: u32) {
    let runner = std::env::var("ETSEC_RUNNER").unwrap_or_default();
    let this = std::env::current_exe().unwrap().display().to_string();
    let mut words = runner.split_whitespace().chain([this.as_str()]);
    let status = Command::new(words.next().unwrap())
        .args(words)
        .args(["--exact", "the_process_that_spoils_memory"])
        .env(SPOIL, format!("{} {at} {value}", simd.socket.display()))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn memory_that_is_not_what_it_should_be_is_never_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let simd = Simd::start(folder.path(), "one", "null");
    let device = simd.device();
    let words = ["echo", "--adopt", "--device", &device];
    for (at, value, why) in [
        (0, 0x1234_5678, "the memory is not this driver's"),
        (4, 99, "the memory is of version 99, or of another kind of CPU"),
        (12, 4096, "the memory says to be 4096 bytes long, and is not"),
        (16, 2, "or of another kind of CPU"),
        (24, 0x40, "the memory has no ring at 0x40, where it says"),
        (28, 0x80, "the memory has no pool where it says"),
        (36, 99, "the memory says to have 99 rings, and they are not found"),
    ] {
        Running::start(&words).kill();
        spoil(&simd, at, value);
        let next = Running::start(&words);
        assert!(next.has_said("not taken over, but reset: "), "{at}: {:?}", next.said);
        assert!(next.has_said(why), "{at}: {:?}", next.said);
        next.end();
    }
    // A controller that somebody has given other rings, or has stopped, in between.
    Running::start(&words).kill();
    let client = Client::connect(&simd.socket, Role::Owner).unwrap().client;
    // RBASE0, while MACCFG1 lets it neither send nor receive.
    for (at, value) in [(0x500, 0), (0x404, 64), (0x500, 5)] {
        etsec_core::Bus::write(&client.bus(), at, value);
    }
    drop(client);
    let next = Running::start(&words);
    assert!(next.has_said("not taken over, but reset: its rings are in other memory than what"));
    next.end();
    Running::start(&words).kill();
    let client = Client::connect(&simd.socket, Role::Owner).unwrap().client;
    // MACCFG1: neither sends nor receives.
    etsec_core::Bus::write(&client.bus(), 0x500, 0);
    drop(client);
    let next = Running::start(&words);
    assert!(next.has_said("not taken over, but reset: the controller does not run"));
    next.end();
    simd.stop();
}
