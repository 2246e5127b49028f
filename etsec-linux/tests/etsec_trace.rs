//! Traces as a user makes and reads them: `--trace`, and `etsec trace`.
#![cfg(feature = "cli")]

mod program;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use program::*;
use tempfile::TempDir;

/// A device of its own: of others, which other tests have at the same time, the owner is asked.
const DEVICE: &str = "sim,wire=cable:etsec-trace";

fn run(words: &[&str]) -> Output {
    let program = program::words();
    let mut command = Command::new(&program[0]);
    command.args(&program[1..]).arg("--quiet").args(words).stdin(Stdio::null());
    command.output().unwrap()
}

fn good(words: &[&str]) -> String {
    let output = run(words);
    assert_eq!(code(&output), Some(0), "{words:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder and the name of a file in it.
fn file() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trace");
    (dir, path)
}

#[test]
fn every_command_that_opens_a_device_records_it() {
    let commands: [&[&str]; 6] = [
        &["regs"],
        &["stats"],
        &["link"],
        &["mdio", "scan"],
        &["send", "--count", "3"],
        &["receive", "--duration", "0.1"],
    ];
    for command in commands {
        let (_dir, path) = file();
        good(&[command, &["--device", DEVICE, "--trace", shown(&path)]].concat());
        let text = good(&["trace", "show", shown(&path)]);
        let first = format!("{DEVICE}, recorded by etsec ");
        assert!(text.starts_with(&first), "{command:?}: {text}");
        assert!(text.trim_end().ends_with("  end"), "{command:?}: {text}");
        assert!(text.lines().count() > 10, "{command:?}: {text}");
    }
    let (_dir, path) = file();
    let probed = run(&["probe", "--trace", shown(&path)]);
    assert_eq!(code(&probed), Some(2), "{}", said(&probed));
    assert!(!path.exists());
}

#[test]
fn two_devices_have_a_file_each_and_no_file_is_overwritten() {
    let (dir, path) = file();
    let words = ["forward", "sim,wire=cable:a", "sim,wire=cable:b", "--until-idle", "0.05"];
    good(&[&words[..], &["--trace", shown(&path)]].concat());
    let other = dir.path().join("trace.2");
    assert!(good(&["trace", "show", shown(&path)]).starts_with("sim,wire=cable:a, "));
    assert!(good(&["trace", "show", shown(&other)]).starts_with("sim,wire=cable:b, "));
    let again = run(&["regs", "--device", DEVICE, "--trace", shown(&path)]);
    assert_eq!(code(&again), Some(2));
    assert!(said(&again).contains("is there already; name a new file"), "{}", said(&again));
}

#[test]
fn registers_flags_and_frames_are_shown_by_name() {
    let (_dir, path) = file();
    let send = ["send", "--device", "sim", "--count", "2", "--size", "200", "--trace-bytes", "6"];
    good(&[&send[..], &["--trace", shown(&path)]].concat());
    let text = good(&["trace", "show", shown(&path), "tx", "maccfg2"]);
    let given: Vec<&str> = text.lines().filter(|line| line.contains(" give ")).collect();
    assert_eq!(given.len(), 2, "{text}");
    // The last of a burst asks for an interrupt.
    assert!(given[1].ends_with("R I L 200 bytes: ffffffffffff"), "{text}");
    assert!(text.contains("MACCFG2        0x00007205  PREAMBLE_LENGTH=7 IF_MODE=2 "), "{text}");
    assert!(!text.contains("MIIMIND"), "{text}");
    let json = good(&["--json", "trace", "show", shown(&path), "MACCFG1"]);
    let first = &events(json.as_bytes(), "trace")[0];
    assert_eq!((&first["what"], &first["name"]), (&"read".into(), &"MACCFG1".into()));
    assert_eq!(first["fields"]["RX_EN"], 0);
}

#[test]
fn traces_are_compared_by_what_the_driver_did() {
    let (dir, one) = file();
    let (two, three) = (dir.path().join("two"), dir.path().join("three"));
    let send = ["send", "--device", "sim", "--mac", "02:00:00:00:00:07", "--count", "1"];
    let three_frames = ["send", "--device", "sim", "--mac", "02:00:00:00:00:07", "--count", "2"];
    good(&[&send[..], &["--trace", shown(&one)]].concat());
    good(&[&send[..], &["--trace", shown(&two)]].concat());
    good(&[&three_frames[..], &["--trace", shown(&three)]].concat());
    let differs = run(&["trace", "diff", shown(&one), shown(&three)]);
    assert_eq!(code(&differs), Some(1));
    let text = String::from_utf8_lossy(&differs.stdout).into_owned();
    assert!(text.contains("+tx 0 [1] give 0x9800003c"), "{text}");
    assert!(said(&differs).contains(" differ: "), "{}", said(&differs));
    let itself = good(&["trace", "diff", shown(&one), shown(&one)]);
    assert!(itself.starts_with("the same "), "{itself}");
}

#[test]
fn a_trace_is_played_to_a_model() {
    let (dir, path) = file();
    let capture = dir.path().join("in.pcap");
    let made = format!("sim,wire=pcap:,{}", shown(&capture));
    good(&["send", "--device", &made, "--count", "50", "--size", "300"]);
    let device = format!("sim,wire=pcap:{},", shown(&capture));
    let words = ["echo", "--device", &device, "--duration", "0.5", "--promiscuous"];
    good(&[&words[..], &["--trace", shown(&path)]].concat());
    let json = good(&["--json", "trace", "replay", shown(&path)]);
    let outcome = &events(json.as_bytes(), "replay")[0];
    assert_eq!((&outcome["differences"], &outcome["violations"]), (&0.into(), &0.into()));
    // Each frame came and went.
    assert!(outcome["descriptors"].as_u64().unwrap() >= 100, "{json}");

    // Another controller: its counters stand elsewhere, and it has met an error.
    let text = std::fs::read_to_string(&path).unwrap();
    let other = dir.path().join("other");
    let counter = " read group0 0x6e4 0x";
    let at = text.rfind(counter).unwrap() + counter.len();
    std::fs::write(&other, format!("{}7{}", &text[..at], &text[at + 1..])).unwrap();
    let differs = run(&["trace", "replay", shown(&other)]);
    assert_eq!(code(&differs), Some(1));
    let out = String::from_utf8_lossy(&differs.stdout).into_owned();
    let line = text[..at].lines().count();
    assert!(out.starts_with(&format!("line {line}, ")), "{out}");
    assert!(out.contains("read of TPKT: recorded 0x70"), "{out}");
    good(&["trace", "replay", shown(&other), "--ignore", "tpkt"]);
    good(&["trace", "replay", shown(&other), "--ignore", "mib"]);
    let unknown = run(&["trace", "replay", shown(&other), "--ignore", "nothing"]);
    assert_eq!(code(&unknown), Some(2));
}

#[test]
fn what_is_no_trace_or_only_the_beginning_of_one_is_told() {
    let (dir, path) = file();
    good(&["regs", "--device", DEVICE, "--trace", shown(&path)]);
    let whole = std::fs::read_to_string(&path).unwrap();
    let bad = dir.path().join("bad");
    std::fs::write(&bad, &whole[..whole.len() - 30]).unwrap();
    let output = run(&["trace", "show", shown(&bad)]);
    assert_eq!(code(&output), Some(0));
    let lines = whole.lines().count() - 1;
    assert!(
        said(&output).contains(&format!("line {lines}: the recording stops")),
        "{}",
        said(&output)
    );
    for (text, why) in [
        ("[eth0]\n", "line 1: this is no trace"),
        ("etsec-trace 9\n\n", "line 1: a trace of version 9"),
        ("etsec-trace 1\n\n0.000000000 red\n", "line 3: 'red' is nothing that happens"),
    ] {
        std::fs::write(&bad, text).unwrap();
        for verb in ["show", "diff", "replay"] {
            let files = [shown(&bad), shown(&bad)];
            let words = [&["trace", verb], &files[..if verb == "diff" { 2 } else { 1 }]].concat();
            let output = run(&words);
            assert_eq!(code(&output), Some(1), "{words:?}");
            assert!(said(&output).contains(why), "{}", said(&output));
        }
    }
}
