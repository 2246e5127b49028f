//! A simulated controller in a process of its own, as a user has it: `etsec-simd`, and `--device
//! sim:SOCKET` of the commands.
#![cfg(feature = "cli")]

mod program;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::Duration;

use program::owner::{etsec, run, text};
use program::simd::{Simd, simd};
use program::*;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept, bind, listen, socket_with,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Bytes of a capture file with `frames` frames of the smallest size.
fn capture_of(frames: u64) -> u64 {
    24 + frames * (16 + 60)
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |data| data.len())
}

/// A folder with a capture of `frames` frames.
fn input(frames: u64) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.pcap");
    let device = format!("sim,wire=pcap:,{}", path.display());
    let sent = run(&["send", "--device", &device, "--count", &frames.to_string()]);
    assert_eq!(code(&sent), Some(0), "{}", said(&sent));
    assert_eq!(size(&path), capture_of(frames));
    (folder, path)
}

/// Waits until a file has as many bytes, for as long as something may take on a busy machine.
fn wait_for(path: &Path, bytes: u64) {
    for _ in 0..1000 {
        if size(path) >= bytes {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{} has {} bytes, not {bytes}", path.display(), size(path));
}

#[test]
fn frames_come_back_through_it_and_go_on_to_another() {
    let (folder, frames) = input(500);
    let back = folder.path().join("back.pcap");
    let wire = format!("pcap:{},{}", frames.display(), back.display());
    let simd = Simd::start(folder.path(), "one", &wire);
    let echoed = etsec(&["echo", "--device", &simd.device()]).spawn().unwrap();
    wait_for(&back, capture_of(500));
    end(echoed);
    simd.stop();

    let out = folder.path().join("out.pcap");
    let one = Simd::start(folder.path(), "one", &format!("pcap:{}", frames.display()));
    let two = Simd::start(folder.path(), "two", &format!("pcap:,{}", out.display()));
    let forwarded = etsec(&["forward", &one.device(), &two.device()]).spawn().unwrap();
    wait_for(&out, capture_of(500));
    end(forwarded);
    one.stop();
    two.stop();
}

/// Ends a command that runs until it is told to.
fn end(child: Child) {
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), Some(0), "{}", said(&output));
}

#[test]
fn one_command_has_it_and_the_others_may_look() {
    let folder = tempfile::tempdir().unwrap();
    let simd = Simd::start(folder.path(), "socket", "null");
    let mut owner = etsec(&["-v", "echo", "--device", &simd.device()]).spawn().unwrap();
    let mut lines = BufReader::new(owner.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains(": started")));
    for verb in ["regs", "link"] {
        let seen = run(&[verb, "--device", &simd.device()]);
        assert_eq!(code(&seen), Some(0), "{verb}: {}", said(&seen));
    }
    let pid = owner.id().to_string();
    for words in [&["echo"][..], &["mdio", "scan"]] {
        let refused = run(&[words, &["--device", &simd.device()]].concat());
        assert_eq!(code(&refused), Some(1), "{words:?}");
        assert!(said(&refused).contains(&pid), "{words:?}: {}", said(&refused));
    }
    let regs = text(&run(&["regs", "--device", &simd.device()]));
    assert!(regs.contains("MACCFG1") && regs.contains("RX_EN"), "still running: {regs}");
    thread::spawn(move || lines.for_each(drop));
    end(owner);
    simd.stop();
}

#[test]
fn a_killed_command_leaves_a_device_that_the_next_one_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let simd = Simd::start(folder.path(), "socket", "null");
    for n in 0..20 {
        let mut sender = etsec(&["send", "--device", &simd.device(), "--count", "100000000"]);
        let mut sender = sender.spawn().unwrap();
        // Somewhere between its start and its sending.
        thread::sleep(Duration::from_millis(20 + 7 * n));
        sender.kill().unwrap();
        sender.wait().unwrap();
    }
    let sent = run(&["send", "--device", &simd.device(), "--count", "100"]);
    assert_eq!(code(&sent), Some(0), "{}", said(&sent));
    simd.stop();
}

#[test]
fn what_is_not_there_is_told_with_a_cure() {
    let folder = tempfile::tempdir().unwrap();
    let device = format!("sim:{}/none", folder.path().display());
    for verb in ["echo", "regs", "link"] {
        let output = run(&[verb, "--device", &device]);
        assert_eq!(code(&output), Some(1), "{verb}");
        let said = said(&output);
        assert!(said.contains("etsec-simd") && said.contains("none"), "{verb}: {said}");
    }
}

/// What it says, and how it ends, when it cannot serve.
fn refused(words: &[&str]) -> (Option<i32>, String) {
    let output = simd().args(words).output().unwrap();
    (code(&output), said(&output))
}

#[test]
fn what_is_no_socket_is_nobodys_to_remove() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let (file, link) = (place("notes.txt"), place("link"));
    std::fs::write(&file, "precious").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let wire = format!("socket:{file}");
    for words in [&[&*file][..], &[&*link], &["--wire", &wire, &place("socket")]] {
        let (code, said) = refused(words);
        assert_eq!(code, Some(1), "{words:?}: {said}");
        assert!(said.contains("no socket") && said.contains("another path"), "{words:?}: {said}");
        assert_eq!(said.matches("no socket").count(), 1, "{said}");
    }
    assert_eq!(std::fs::read_to_string(&link).unwrap(), "precious");
    // Nor is anybody told to run it there.
    let output = run(&["link", "--device", &format!("sim:{file}")]);
    assert_eq!(code(&output), Some(1));
    let text = said(&output);
    assert!(text.contains("name the socket") && !text.contains("start one"), "{text}");
}

#[test]
fn errors_are_said_once_and_wrong_words_are_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket").display().to_string();
    let (code, said) = refused(&[&socket, "--wire", "pcap:/nonexistent/in,"]);
    assert_eq!((code, said.matches("No such file").count()), (Some(1), 1), "{said}");
    assert_eq!(said.matches("etsec-simd").count(), 1, "{said}");
    let (code, said) = refused(&[&socket, "--wire", "cable:1"]);
    assert_eq!(code, Some(2), "{said}");
    // Nobody listens to what it says.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut deaf = simd().arg(&socket).stdout(full).spawn().unwrap();
    while !run(&["regs", "--device", &format!("sim:{socket}")]).status.success() {
        assert_eq!(deaf.try_wait().unwrap(), None, "it ended");
        thread::sleep(Duration::from_millis(20));
    }
    end(deaf);
}

#[test]
fn a_simulator_that_goes_away_is_told_as_that() {
    let folder = tempfile::tempdir().unwrap();
    let one = Simd::start(folder.path(), "one", "null");
    let mut owner = etsec(&["-v", "echo", "--device", &one.device()]).spawn().unwrap();
    let mut lines = BufReader::new(owner.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains(": started")));
    kill_process(one.pid(), Signal::KILL).unwrap();
    let last = lines.map(Result::unwrap).last().unwrap();
    assert_eq!(owner.wait().unwrap().code(), Some(1), "{last}");
    assert!(last.contains("the simulator is gone"), "{last}");
    assert!(last.contains("start etsec-simd again"), "{last}");

    // One that hangs up at once is none, whoever asks.
    let place = folder.path().join("other");
    let listener =
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let listener = listener.unwrap();
    bind(&listener, &SocketAddrUnix::new(&place).unwrap()).unwrap();
    listen(&listener, 8).unwrap();
    thread::spawn(move || while accept(&listener).is_ok() {});
    let device = format!("sim:{}", place.display());
    for words in [&["echo"][..], &["link"], &["reclaim", "--free"], &["stats"]] {
        let words = [words, if words[0] == "reclaim" { &[] } else { &["--device"] }, &[&*device]];
        for _ in 0..6 {
            let output = run(&words.concat());
            assert_eq!(code(&output), Some(1), "{words:?}: {}", said(&output));
            assert!(said(&output).contains("the simulator is gone"), "{}", said(&output));
        }
    }
}
