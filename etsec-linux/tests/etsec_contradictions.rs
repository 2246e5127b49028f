//! Settings that contradict each other: each is possible by itself, and nothing is touched.
#![cfg(feature = "cli")]

mod program;

use std::path::PathBuf;

use program::owner::{run, text};
use program::*;
use tempfile::TempDir;

/// A file that says this of the device `sim`.
fn file(lines: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("etsec.toml");
    std::fs::write(&path, format!("[port.sim]\n{lines}")).unwrap();
    (dir, path)
}

#[test]
fn a_file_with_a_contradiction_is_told_of_with_its_place() {
    for (lines, line, named) in [
        ("rings.lossless = [200]\nrings.buffers = 100", 2, "a ring is filled with 75 buffers"),
        ("pause.time = 0\nrings.lossless = [20]", 3, "pause.time is 0"),
        ("link = '1000/full'\nrings.lossless = [20]", 3, "write 1000/full/tx"),
        ("link = '100/half'\nrings.lossless = [20]", 3, "the fixed link 100/half has none"),
        ("pause.tx = false\nrings.lossless = [20]", 3, "pause.tx is off"),
        (
            "sched.mode = 'round-robin'\nsched.weights = [0, 1, 0, 0, 0, 0, 0, 0]",
            3,
            "for each of the 1 rings",
        ),
        ("coalesce.rx-frames = [5]\ncoalesce.rx-usecs = 9", 2, "5,0 for ring 0 alone"),
        ("coalesce.rx-frames = []", 2, "has no number"),
        ("mac = 'ff:ff:ff:ff:ff:ff'", 2, "mac cannot be"),
        ("mac = '01:00:5e:00:00:01'", 2, "mac cannot be"),
        ("mac = '00:00:00:00:00:00'", 2, "mac cannot be"),
    ] {
        let (_dir, path) = file(lines);
        let checked = run(&["config", "check", path.to_str().unwrap()]);
        assert_eq!(code(&checked), Some(1), "{lines}: {}", text(&checked));
        let said = said(&checked);
        assert!(said.contains(named), "{lines}: {said}");
        assert!(said.contains(&format!("etsec.toml:{line}:")), "{lines}: {said}");
    }
    let (_dir, path) = file("link = '1000/full/tx'\nrings.lossless = [20]");
    let checked = run(&["config", "check", path.to_str().unwrap()]);
    assert_eq!(code(&checked), Some(0), "{}", said(&checked));
}

#[test]
fn a_command_that_cannot_work_with_a_file_says_so_first() {
    for (lines, words, named) in [
        ("sched.mode = 'single'", &["send", "--queue", "3"][..], "never gives transmit ring 3"),
        (
            "sched.mode = 'round-robin'\nsched.weights = [1, 1, 0, 0, 0, 0, 0, 0]",
            &["send", "--queue", "2"],
            "never gives transmit ring 2",
        ),
        (
            "rings.buffers = 2",
            &["serve", "--address", "192.0.2.1/24"],
            "--buffers 2, or rings.buffers",
        ),
        ("rings.rx = 2", &["serve", "--address", "192.0.2.1/24"], "set rings.rx to 1"),
    ] {
        let (_dir, path) = file(lines);
        let config = ["--device", "sim", "--config", path.to_str().unwrap()];
        let refused = run(&[words, &config].concat());
        assert_eq!(code(&refused), Some(2), "{lines}: {}", said(&refused));
        assert!(said(&refused).contains(named), "{lines}: {}", said(&refused));
    }
}

#[test]
fn a_clock_counts_what_there_is() {
    for input in ["none", "on", "quartz"] {
        let refused = run(&["ptp", "start", "--device", "sim", input, "5"]);
        assert_eq!(code(&refused), Some(2), "{input}");
        let said = said(&refused);
        assert!(said.contains("external") && said.contains("rtc"), "{said}");
    }
}
