//! The `etsec` command as a user meets it: output, exit status, signals, files.
#![cfg(feature = "cli")]

mod program;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use pcap_file::pcap::{PcapPacket, PcapReader, PcapWriter};
use pcap_file::pcapng::{Block, PcapNgReader};
use program::*;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The program, ready to be given its words.
fn program() -> Command {
    let words = program::words();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

fn etsec(words: &[&str]) -> Command {
    let mut command = program();
    command.arg("--quiet").args(words).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(words: &[&str]) -> Output {
    etsec(words).output().unwrap()
}

/// Frames of many lengths, none below the Ethernet minimum.
fn frames(count: usize) -> Vec<Vec<u8>> {
    let frame = |n: usize| {
        let mut frame = vec![2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x88, 0xB5];
        frame.extend((0..46 + n * 37 % 1454).map(|at| (at * 7 + n) as u8));
        frame
    };
    (0..count).map(frame).collect()
}

fn write_pcap(path: &Path, frames: &[Vec<u8>]) {
    let mut writer = PcapWriter::new(fs::File::create(path).unwrap()).unwrap();
    for frame in frames {
        let packet = PcapPacket::new(Duration::ZERO, frame.len() as u32, frame);
        writer.write_packet(&packet).unwrap();
    }
}

fn read_pcap(path: &Path) -> Vec<Vec<u8>> {
    let mut reader = PcapReader::new(fs::File::open(path).unwrap()).unwrap();
    let mut frames = Vec::new();
    while let Some(packet) = reader.next_packet() {
        frames.push(packet.unwrap().data.into_owned());
    }
    frames
}

fn read_pcapng(path: &Path) -> Vec<Vec<u8>> {
    let mut reader = PcapNgReader::new(fs::File::open(path).unwrap()).unwrap();
    let mut frames = Vec::new();
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = block.unwrap() {
            frames.push(packet.data.into_owned());
        }
    }
    frames
}

#[test]
fn every_command_has_help() {
    let all = String::from_utf8(run(&["--help"]).stdout).unwrap();
    let commands = "probe bind unbind regs mdio link stats send receive capture echo forward \
                    serve config rings address frames stash vlan groups \
                    filter offload pause coalesce sched \
                    ptp wol completions";
    for command in commands.split_whitespace() {
        assert!(all.contains(&format!("\n  {command} ")), "{command}");
        let help = run(&[command, "--help"]);
        assert_eq!(code(&help), Some(0), "{command}");
        assert!(help.stdout.len() > 100, "{command}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = String::from_utf8(run(&["completions", shell]).stdout).unwrap();
        assert!(script.contains("capture"), "{shell}");
    }
}

#[test]
fn wrong_words_are_2_and_name_what_is_wrong() {
    for (words, named) in [
        (&["frobnicate"][..], "frobnicate"),
        (&["send", "-d", "eth0"], "'eth0' names no device"),
        (&["echo", "-d", "sim,wire=rope"], "sim,wire=rope"),
        (&["echo", "-d", "sim", "--mtu", "45"], "from 46 to 9578"),
        (&["echo", "-d", "sim", "--ring", "3"], "from 4 to 65536"),
        (&["echo", "-d", "sim", "--buffers", "1"], "from 2 to 65535"),
        (&["echo", "-d", "sim", "--link", "1000/half"], "--link"),
        (&["echo", "-d", "sim", "--mac", "1:2:3"], "--mac"),
        (&["echo", "-d", "sim", "--cpu", "5000"], "--cpu 5000"),
        (&["send", "-d", "sim", "--size", "59"], "--size 59"),
        (&["send", "-d", "sim", "--queue", "8"], "--queue"),
        (&["serve", "-d", "sim", "-a", "10.0.0.1"], "192.0.2.2/24"),
        (&["serve", "-d", "sim", "-a", "10.0.0.1/24", "--self-test"], "sim,wire=cable:1"),
        (&["serve", "-d", "sim", "-a", "10.0.0.1/24", "--buffers", "3"], "--buffers 3"),
        (&["mdio", "read", "-d", "sim", "32", "0"], "0 to 31"),
        (&["mdio", "read", "-d", "sim", "1", "40"], "0 to 31"),
        (&["mdio", "write", "-d", "sim", "1", "0x20", "0"], "0 to 31"),
        (&["echo", "-d", "sim", "--phy", "40"], "0 to 31"),
        (&["regs", "-d", "sim", "nosuch"], "nosuch"),
        (&["wol", "-d", "sim", "--on", "magic,arp"], "magic is looked for alone"),
        (&["wol", "-d", "sim", "--on", "noise"], "noise"),
    ] {
        let output = run(words);
        assert_eq!(code(&output), Some(2), "{words:?}: {}", said(&output));
        assert!(said(&output).contains(named), "{words:?}: {}", said(&output));
    }
}

#[test]
fn failures_are_1_and_name_the_thing() {
    for (words, named) in [
        (&["link", "-d", "uio:nosuch"][..], "nosuch"),
        (&["send", "-d", "sim", "--pcap", "/nonexistent.pcap"], "/nonexistent.pcap"),
        (&["echo", "-d", "sim,wire=pcap:/nonexistent.pcap,"], "/nonexistent.pcap"),
        (&["capture", "-d", "sim", "-w", "/nonexistent/x"], "/nonexistent/x"),
        (&["capture", "-d", "sim", "-t", "0.2", "-w", "/dev/full"], "/dev/full"),
        (&["serve", "-d", "sim", "-a", "10.0.0.1/24", "--http-dir", "/none"], "/none"),
        (&["send", "-d", "sim", "--size", "3000", "-n", "1"], "3000 bytes"),
    ] {
        let output = run(words);
        assert_eq!(code(&output), Some(1), "{words:?}: {}", said(&output));
        let text = said(&output);
        assert!(text.starts_with("etsec: ") && text.contains(named), "{words:?}: {text}");
    }
}

#[test]
fn the_self_test_passes() {
    let words = ["serve", "--self-test", "--json", "-d", "sim,wire=cable:t", "-a", "10.0.0.1/24"];
    let output = run(&[&words[..], &["--bytes", "2Mi", "--pings", "5"]].concat());
    assert_eq!(code(&output), Some(0), "{}", said(&output));
    assert_eq!(events(&output.stdout, "ready")[0]["address"], "10.0.0.1/24");
    let verdict = &events(&output.stdout, "self-test")[0];
    assert_eq!(verdict["pings"], serde_json::json!([5, 5]));
    assert_eq!(verdict["bytes"], 2 << 20);
    assert_eq!(verdict["sha256_ok"], true);
    let counters = &events(&output.stdout, "counters")[0];
    assert!(counters["ports"][0]["tx"]["frames"].as_u64().unwrap() > 1400);
}

/// However few buffers there are, the receive ring leaves one to send with.
#[test]
fn the_self_test_passes_with_the_fewest_buffers() {
    for (ring, buffers) in [("4", "4"), ("4", "5"), ("256", "4")] {
        let words = ["serve", "--self-test", "-d", "sim,wire=cable:t", "-a", "10.0.0.1/24"];
        let few = ["--ring", ring, "--buffers", buffers, "--bytes", "20k", "--pings", "3"];
        let output = run(&[&words[..], &few].concat());
        assert_eq!(code(&output), Some(0), "{ring} {buffers}: {}", said(&output));
    }
}

#[test]
fn forwarding_changes_nothing_and_ends_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(format!("{name}.pcap"));
    let (there, back) = (frames(3000), frames(500));
    write_pcap(&path("there"), &there);
    write_pcap(&path("back"), &back);
    let device = |input: &str, output: &str| {
        format!("sim,wire=pcap:{},{}", path(input).display(), path(output).display())
    };
    let (a, b) = (device("there", "from-b"), device("back", "from-a"));
    let output = run(&["forward", "--json", &a, &b]);
    assert_eq!(code(&output), Some(0), "{}", said(&output));
    assert!(read_pcap(&path("from-a")) == there);
    assert!(read_pcap(&path("from-b")) == back);
    let ports = &events(&output.stdout, "counters")[0]["ports"];
    assert_eq!(ports[0]["rx"]["frames"], 3000);
    assert_eq!(ports[1]["tx"]["frames"], 3000);

    let output = run(&["forward", "--one-way", &a, &b]);
    assert_eq!(code(&output), Some(0), "{}", said(&output));
    assert!(read_pcap(&path("from-a")) == there);
    assert!(read_pcap(&path("from-b")).is_empty());
}

#[test]
fn a_capture_holds_what_arrived_and_can_be_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.pcap"), dir.path().join("out.pcapng"));
    // Several times what a ring holds.
    let sent = frames(1300);
    write_pcap(&input, &sent);
    let device = format!("sim,wire=pcap:{},", input.display());
    let captured = run(&["capture", "-d", &device, "-n", "1250", "-w", output.to_str().unwrap()]);
    assert_eq!(code(&captured), Some(0), "{}", said(&captured));
    assert!(read_pcapng(&output) == sent[..1250]);

    let words = ["send", "--json", "-d", "sim", "--pcap", output.to_str().unwrap()];
    let resent = run(&words);
    assert_eq!(code(&resent), Some(0), "{}", said(&resent));
    let port = &events(&resent.stdout, "counters")[0]["ports"][0];
    let bytes: usize = sent[..1250].iter().map(Vec::len).sum();
    assert_eq!(port["tx"]["frames"], 1250);
    assert_eq!(port["tx"]["bytes"], bytes);
}

#[test]
fn what_is_received_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in.pcap");
    let sent = frames(700);
    write_pcap(&input, &sent);
    let device = format!("sim,wire=pcap:{},", input.display());
    for count in [1, 300, 700] {
        let number = count.to_string();
        let words = ["receive", "--json", "--promiscuous", "-d", &device, "-n", &number];
        let received = run(&words);
        assert_eq!(code(&received), Some(0), "{}", said(&received));
        let port = &events(&received.stdout, "counters")[0]["ports"][0];
        let bytes: usize = sent[..count].iter().map(Vec::len).sum();
        assert_eq!((&port["rx"]["frames"], &port["rx"]["bytes"]), (&count.into(), &bytes.into()));
    }
}

#[test]
fn a_file_none_of_whose_frames_can_be_sent_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (long, empty) = (dir.path().join("long.pcap"), dir.path().join("empty.pcap"));
    write_pcap(&long, &[vec![1; 9700], vec![2; 9700]]);
    write_pcap(&empty, &[]);
    for (path, limit, named) in [
        (&long, &["-n", "5"][..], "none of its 2 frames"),
        (&long, &["-t", "10"], "none of its 2 frames"),
        (&long, &[], "none of its 2 frames"),
        (&empty, &["-n", "5"], "none of its 0 frames"),
    ] {
        let words = ["send", "-d", "sim", "--ring", "32", "--pcap", path.to_str().unwrap()];
        let output = run(&[&words[..], limit].concat());
        assert_eq!(code(&output), Some(1), "{limit:?}: {}", said(&output));
        assert!(said(&output).contains(named), "{limit:?}: {}", said(&output));
        assert!(said(&output).contains(path.to_str().unwrap()), "{}", said(&output));
    }
    let once = run(&["send", "-d", "sim", "--pcap", empty.to_str().unwrap()]);
    assert_eq!(code(&once), Some(0), "{}", said(&once));
    write_pcap(&long, &[vec![1; 9700], vec![2; 60]]);
    let words = ["send", "--json", "-d", "sim", "-n", "5", "--pcap", long.to_str().unwrap()];
    let some = run(&words);
    assert_eq!(code(&some), Some(0), "{}", said(&some));
    assert_eq!(events(&some.stdout, "counters")[0]["ports"][0]["tx"]["frames"], 5);
}

#[test]
fn sending_keeps_to_count_and_rate() {
    let output = run(&["send", "--json", "-d", "sim", "-n", "1234", "--queue", "7"]);
    assert_eq!(code(&output), Some(0), "{}", said(&output));
    let port = &events(&output.stdout, "counters")[0]["ports"][0];
    assert_eq!(port["tx"]["frames"], 1234);

    let output = run(&["send", "--json", "-d", "sim", "-t", "1", "--rate", "2k"]);
    let counters = &events(&output.stdout, "counters")[0];
    let sent = counters["ports"][0]["tx"]["frames"].as_u64().unwrap();
    // Never more than the rate; less only where the machine did not let us run.
    assert!((1..=2010).contains(&sent), "{sent}");
}

#[test]
fn every_frame_that_was_sent_is_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.pcap"), dir.path().join("out.pcap"));
    let given = frames(5000);
    write_pcap(&input, &given);
    let device = format!("sim,wire=pcap:,{}", output.display());
    let sent = run(&["send", "-d", &device, "--pcap", input.to_str().unwrap()]);
    assert_eq!(code(&sent), Some(0), "{}", said(&sent));
    assert!(read_pcap(&output) == given);

    // Many more than there are buffers, each with its own number in front of the same payload.
    let sent = run(&["send", "-d", &device, "-n", "3000", "--size", "100", "--pattern", "random"]);
    assert_eq!(code(&sent), Some(0), "{}", said(&sent));
    let found = read_pcap(&output);
    let numbers = found.iter().map(|frame| u32::from_be_bytes(frame[14..18].try_into().unwrap()));
    assert!(numbers.eq(0..3000));
    assert!(found.iter().all(|frame| frame[18..] == found[0][18..] && frame.len() == 100));
}

#[test]
fn a_run_that_fails_midway_still_tells_what_it_did() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.pcap"), dir.path().join("out.pcapng"));
    write_pcap(&input, &frames(40));
    let whole = fs::read(&input).unwrap();
    fs::write(&input, &whole[..whole.len() - 1]).unwrap();
    let cut = format!("sim,wire=pcap:{},", input.display());
    let into = output.to_str().unwrap();
    for (words, received) in [
        (&["echo", "-t", "20", "--promiscuous", "-d", &cut][..], Some(39)),
        (&["capture", "-t", "20", "-w", into, "-d", &cut], Some(39)),
        (&["forward", "-t", "20", &cut, "sim"], Some(39)),
        (&["serve", "-t", "20", "-a", "10.0.0.1/24", "-d", &cut], None),
        (&["send", "-t", "20", "-d", "sim", "--pcap", input.to_str().unwrap()], Some(0)),
    ] {
        let output = run(&[&["--json"], words].concat());
        assert_eq!(code(&output), Some(1), "{words:?}: {}", said(&output));
        let cause = if words[0] == "send" { "after frame 39" } else { "the wire has failed" };
        assert!(said(&output).contains(cause), "{words:?}: {}", said(&output));
        let counters = events(&output.stdout, "counters");
        assert_eq!(counters.len(), 1, "{words:?}");
        let frames = counters[0]["ports"][0]["rx"]["frames"].as_u64();
        assert!(received.is_none() || frames == received, "{words:?}: {frames:?}");
    }
    assert!(read_pcapng(&output) == frames(40)[..39]);
}

#[test]
fn no_command_overwrites_what_it_reads() {
    let dir = tempfile::tempdir().unwrap();
    let (input, link) = (dir.path().join("in.pcap"), dir.path().join("link.pcap"));
    write_pcap(&input, &frames(3));
    std::os::unix::fs::symlink(&input, &link).unwrap();
    let before = fs::read(&input).unwrap();
    let (file, link) = (input.to_str().unwrap(), link.to_str().unwrap());
    let (reader, writer) = (format!("sim,wire=pcap:{file},"), format!("sim,wire=pcap:,{link}"));
    let both = format!("sim,wire=pcap:{file},{link}");
    for words in [
        &["capture", "-d", &reader, "-w", link][..],
        &["send", "--pcap", file, "-d", &writer],
        &["forward", &reader, &writer],
        &["echo", "-d", &both],
        &["serve", "-a", "10.0.0.1/24", "-d", &both],
    ] {
        let output = run(&[words, &["-t", "5"]].concat());
        assert_eq!(code(&output), Some(2), "{words:?}: {}", said(&output));
        assert!(said(&output).contains(".pcap: "), "{words:?}: {}", said(&output));
        assert!(fs::read(&input).unwrap() == before, "{words:?}");
    }
}

#[test]
fn the_frames_before_a_break_are_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.pcap"), dir.path().join("out.pcap"));
    let good = frames(41);
    write_pcap(&input, &good);
    let whole = fs::read(&input).unwrap();
    fs::write(&input, &whole[..whole.len() - 1]).unwrap();
    let (from, to) = (input.display(), output.display());
    let (reader, writer) = (format!("sim,wire=pcap:{from},"), format!("sim,wire=pcap:,{to}"));
    let both = format!("sim,wire=pcap:{from},{to}");
    for words in [
        &["send", "--pcap", input.to_str().unwrap(), "-d", &writer][..],
        &["send", "-n", "50", "--pcap", input.to_str().unwrap(), "-d", &writer],
        &["forward", &reader, &writer],
        &["forward", "--one-way", &reader, &writer],
        &["echo", "--promiscuous", "-d", &both],
    ] {
        let output_of = run(words);
        assert_eq!(code(&output_of), Some(1), "{words:?}: {}", said(&output_of));
        let sent = read_pcap(&output);
        if words[0] == "echo" {
            assert_eq!(sent.len(), 40);
        } else {
            assert!(sent == good[..40], "{words:?}: {} frames", sent.len());
        }
    }
}

/// Starts a command, lets it run, and ends it by `signal`. On a busy machine it may not have got as
/// far by then as to heed signals, or as to have done what it is to do; it gets more time.
fn interrupted(
    words: &[&str],
    signal: Signal,
    done: impl Fn(&Output) -> bool,
) -> (Output, Duration) {
    let mut patience = Duration::from_millis(600);
    loop {
        let child = etsec(words).spawn().unwrap();
        std::thread::sleep(patience);
        let asked = Instant::now();
        kill(&child, signal);
        let output = child.wait_with_output().unwrap();
        if code(&output).is_some() && done(&output) || patience > Duration::from_secs(10) {
            return (output, asked.elapsed());
        }
        patience *= 4;
    }
}

fn kill(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn signals_end_every_running_command_orderly() {
    let dir = tempfile::tempdir().unwrap();
    let (input, capture) = (dir.path().join("in.pcap"), dir.path().join("out.pcapng"));
    let sent = frames(100);
    write_pcap(&input, &sent);
    let recorded = format!("sim,wire=pcap:{},", input.display());
    for words in [
        &["echo", "-d", "sim,wire=cable:lonely"][..],
        &["send", "-d", "sim"],
        &["receive", "-d", "sim"],
        &["capture", "-d", &recorded, "-w", capture.to_str().unwrap()],
        &["forward", "sim,wire=cable:a", "sim,wire=cable:b"],
        &["serve", "-d", "sim", "-a", "10.0.0.1/24"],
        &["serve", "-d", "sim", "-a", "dhcp"],
    ] {
        for signal in [Signal::INT, Signal::TERM] {
            let whole = || words[0] != "capture" || read_pcapng(&capture) == sent;
            let (output, time) = interrupted(&[&["--json"], words].concat(), signal, |_| whole());
            assert_eq!(code(&output), Some(0), "{words:?}: {}", said(&output));
            assert!(time < Duration::from_secs(30), "{words:?}: {time:?}");
            assert_eq!(events(&output.stdout, "counters").len(), 1, "{words:?}");
        }
    }
    assert!(read_pcapng(&capture) == sent);
    let said = |output: &Output| {
        String::from_utf8_lossy(&output.stdout).contains("no counter has changed")
    };
    let (output, _) = interrupted(&["stats", "-d", "sim", "--watch", "0.1"], Signal::INT, said);
    assert_eq!(code(&output), Some(0));
    assert!(said(&output));
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    // It has left before the first byte, and the device is nobody else's in these tests.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = etsec(&["regs", "-d", "sim,wire=cable:left"]).stdout(writer).output().unwrap();
    assert_eq!(code(&output), Some(0), "{}", said(&output));
    assert!(!said(&output).contains("etsec: "), "{}", said(&output));
}

#[test]
fn rates_are_printed_to_standard_error_once_a_second() {
    let mut command = program();
    let output = command.args(["send", "-d", "sim", "-t", "4.5", "--rate", "1k"]).output().unwrap();
    let lines: Vec<String> = said(&output).lines().map(str::to_owned).collect();
    assert!((1..=5).contains(&lines.len()), "{lines:?}");
    assert!(lines.iter().all(|line| line.contains(" pps ")), "{lines:?}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains(" pps "));
}

#[test]
fn a_phy_that_is_not_there_reads_ones_and_is_noted() {
    let scanned = run(&["--json", "mdio", "scan", "-d", "sim"]);
    let found: Value = serde_json::from_slice(&scanned.stdout).unwrap();
    let here = found[0]["phy"].as_u64().unwrap();
    let nobody = ((here + 1) % 32).to_string();
    for reg in [&["1"][..], &[]] {
        let absent = run(&[&["mdio", "read", "-d", "sim", &nobody][..], reg].concat());
        assert_eq!(code(&absent), Some(0), "{}", said(&absent));
        let text = String::from_utf8_lossy(&absent.stdout).into_owned();
        assert!(text.lines().all(|line| line.ends_with("0xffff")), "{text}");
        let note = said(&absent);
        assert_eq!(note.lines().count(), 1, "{note}");
        assert!(note.contains(&format!("PHY {nobody}: 0xffff")), "{note}");
        let present = run(&[&["mdio", "read", "-d", "sim", &here.to_string()][..], reg].concat());
        assert_eq!((code(&present), said(&present)), (Some(0), String::new()));
    }
}
