//! A command that dies and is started again, as a user has it: `etsec supervise`.
#![cfg(feature = "cli")]

mod program;

use std::io::{BufRead, BufReader, Lines};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, ChildStderr};
use std::time::Duration;

use etsec_sim::remote::{Client, Role};
use program::owner::{Owner, etsec, run, text};
use program::running::Running;
use program::simd::Simd;
use program::*;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A supervisor that runs, and what is said by it and its command.
struct Supervised {
    child: Child,
    said: Lines<BufReader<ChildStderr>>,
    /// What the last command has said until it ran.
    began: String,
}

impl Supervised {
    /// `etsec echo` on `simd`, supervised with these options.
    fn start(simd: &Simd, options: &[&str]) -> Self {
        let device = simd.device();
        let etsec_words = program::words();
        let command: Vec<&str> = etsec_words.iter().map(String::as_str).collect();
        let echo = ["-v", "-q", "echo", "--adopt", "--device", &device];
        let ours = ["-v", "supervise", "--device", &device, "--pause", "0.01"];
        let words = [&ours, options, &["--"], &command, &echo].concat();
        let mut child = etsec(&words).spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        Supervised { child, said, began: String::new() }
    }

    /// Reads on to the line that says `what`; all that was said, with it.
    fn hear(&mut self, what: &str) -> String {
        let mut heard = String::new();
        for line in self.said.by_ref() {
            heard += &line.unwrap();
            heard.push('\n');
            if heard.contains(what) {
                return heard;
            }
        }
        panic!("never said: {what}\n{heard}");
    }

    /// The number of the command that runs from now on, when it has started its port.
    fn command(&mut self) -> Pid {
        let line = self.hear("runs as process");
        let number = line.split("runs as process ").nth(1).unwrap().split(' ').next().unwrap();
        self.began = self.hear(": started");
        Pid::from_raw(number.parse().unwrap()).unwrap()
    }

    /// Asks it to end, and sees that it ends well.
    fn end(mut self, signal: Signal) -> String {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.said.by_ref().for_each(drop);
        let output = self.child.wait_with_output().unwrap();
        assert_eq!(code(&output), Some(0));
        text(&output)
    }
}

fn simd() -> (TempDir, Simd) {
    let folder = tempfile::tempdir().unwrap();
    let simd = Simd::start(folder.path(), "socket", "null");
    (folder, simd)
}

fn is_running(simd: &Simd) -> bool {
    let regs = run(&["regs", "--device", &simd.device()]);
    assert_eq!(code(&regs), Some(0), "{}", program::said(&regs));
    text(&regs).lines().any(|line| line.contains(" MACCFG1 ") && line.contains("RX_EN"))
}

#[test]
fn a_killed_command_is_started_again_and_an_asked_one_is_not() {
    let (_folder, simd) = simd();
    let mut supervised = Supervised::start(&simd, &[]);
    let mut pid = supervised.command();
    for _ in 0..3 {
        kill_process(pid, Signal::KILL).unwrap();
        supervised.hear("was killed by signal 9");
        let from = format!("taken over from process {}:", pid.as_raw_nonzero());
        pid = supervised.command();
        assert!(supervised.began.contains(&from), "{}", supervised.began);
    }
    assert!(is_running(&simd));
    let told = supervised.end(Signal::TERM);
    assert!(told.contains("started 4 times"), "{told}");
    assert!(!is_running(&simd));
    simd.stop();
}

#[test]
fn a_command_that_stands_still_is_killed_and_started_again() {
    let (_folder, simd) = simd();
    let mut supervised = Supervised::start(&simd, &["--watchdog", "2"]);
    let pid = supervised.command();
    supervised.hear("the command is ready");
    kill_process(pid, Signal::STOP).unwrap();
    supervised.hear("has said nothing for");
    supervised.command();
    supervised.end(Signal::INT);
    simd.stop();
}

#[test]
fn a_service_manager_is_told_how_things_are() {
    let (folder, simd) = simd();
    let path = folder.path().join("manager");
    let manager = UnixDatagram::bind(&path).unwrap();
    // As long as a busy machine may take.
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let hear = |what: &str| {
        let mut message = [0; 1024];
        loop {
            let length = manager.recv(&mut message).unwrap_or_else(|_| panic!("no {what}"));
            let words = String::from_utf8_lossy(&message[..length]);
            if words.contains(what) {
                return;
            }
        }
    };
    let device = simd.device();
    let etsec_words = program::words();
    let command: Vec<&str> = etsec_words.iter().map(String::as_str).collect();
    let ours = ["supervise", "--device", &device, "--pause", "0.01", "--"];
    let echo = ["-q", "echo", "--device", &device];
    let mut supervisor = etsec(&[&ours, &command[..], &echo].concat());
    supervisor.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let mut supervisor = supervisor.spawn().unwrap();
    hear("STATUS=process ");
    hear("READY=1");
    hear("WATCHDOG=1");
    kill_process(Pid::from_child(&supervisor), Signal::TERM).unwrap();
    hear("STOPPING=1");
    assert!(supervisor.wait().unwrap().success());
    simd.stop();
}

#[test]
fn one_that_does_not_end_in_time_is_killed_and_its_device_stopped() {
    let (_folder, simd) = simd();
    let mut supervised = Supervised::start(&simd, &["--grace", "0.2"]);
    let pid = supervised.command();
    kill_process(pid, Signal::STOP).unwrap();
    kill_process(Pid::from_child(&supervised.child), Signal::TERM).unwrap();
    supervised.hear("asked to end, the command was killed by signal 9");
    assert_eq!(supervised.child.wait().unwrap().code(), Some(1));
    assert!(!is_running(&simd));
    simd.stop();
}

/// Sends it these signals at one moment.
fn signal_at_once(child: &Child, signals: &[Signal]) {
    let pid = Pid::from_child(child);
    // What comes while it is stopped is there all together when it goes on.
    kill_process(pid, Signal::STOP).unwrap();
    signals.iter().for_each(|&signal| kill_process(pid, signal).unwrap());
    kill_process(pid, Signal::CONT).unwrap();
}

#[test]
fn signals_that_come_together_ask_once_for_an_orderly_end() {
    let (_folder, simd) = simd();
    let mut supervised = Supervised::start(&simd, &["--grace", "1000"]);
    supervised.command();
    signal_at_once(&supervised.child, &[Signal::TERM, Signal::INT]);
    supervised.said.by_ref().for_each(drop);
    let ended = supervised.child.wait().unwrap();
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(!is_running(&simd));
    // So it is without a supervisor.
    let owner = Owner::start_on(simd.device(), &[]);
    signal_at_once(&owner.child, &[Signal::TERM, Signal::INT]);
    owner.end();
    assert!(!is_running(&simd));
    simd.stop();
}

#[test]
fn a_second_wish_to_end_is_one_for_force_and_leaves_nothing_behind() {
    let (_folder, simd) = simd();
    let device = simd.device();
    // Both the shell and what it has started.
    let script = "trap '' TERM; sleep 1000 & echo deaf >&2; while :; do sleep 1000; done";
    let ours = ["-v", "supervise", "--device", &device, "--grace", "1000", "--"];
    let mut child = etsec(&[&ours[..], &["sh", "-c", script]].concat()).spawn().unwrap();
    let said = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut supervised = Supervised { child, said, began: String::new() };
    supervised.hear("deaf");
    let pid = Pid::from_child(&supervised.child);
    kill_process(pid, Signal::INT).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    kill_process(pid, Signal::INT).unwrap();
    supervised.hear("asked to end, the command was killed by signal 9");
    // All that has been started holds the other end for as long as it lives.
    supervised.said.by_ref().for_each(drop);
    assert_eq!(supervised.child.wait().unwrap().code(), Some(1));
    simd.stop();
}

#[test]
fn one_that_is_given_up_leaves_a_device_that_is_stopped() {
    let (_folder, simd) = simd();
    let mut supervised = Supervised::start(&simd, &["--restarts", "1"]);
    for _ in 0..2 {
        let pid = supervised.command();
        assert!(is_running(&simd));
        kill_process(pid, Signal::KILL).unwrap();
    }
    supervised.hear("was started again 1 time for nothing");
    assert_eq!(supervised.child.wait().unwrap().code(), Some(1));
    assert!(!is_running(&simd));
    let left = run(&["reclaim", &simd.device()]);
    assert_eq!(text(&left), "nothing is left\n", "its memory is freed as well");
    simd.stop();
}

/// A supervisor whose command has ended while this process has the device, which runs.
fn held(simd: &Simd) -> (Child, Lines<BufReader<ChildStderr>>, Client) {
    let device = simd.device();
    Running::start(&["receive", "--device", &device]).kill();
    let owner = Client::connect(&simd.socket, Role::Owner).unwrap().client;
    let mut child = etsec(&["-v", "supervise", "--device", &device, "--", "true"]).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("is waited for: ")), "it is in use");
    (child, said, owner)
}

#[test]
fn a_device_that_a_dead_process_still_has_for_a_moment_is_stopped_all_the_same() {
    let (_folder, simd) = simd();
    let (child, said, owner) = held(&simd);
    drop(owner);
    said.for_each(drop);
    assert_eq!(code(&child.wait_with_output().unwrap()), Some(0));
    assert!(!is_running(&simd));
    simd.stop();
}

#[test]
fn a_device_that_stays_in_use_is_told_of_as_one_that_may_run() {
    let (_folder, simd) = simd();
    let (child, said, owner) = held(&simd);
    let said: Vec<String> = said.map(Result::unwrap).collect();
    assert_eq!(code(&child.wait_with_output().unwrap()), Some(1));
    let last = said.last().unwrap();
    assert!(last.contains("may still run: ") && last.contains("in use by process"), "{said:?}");
    assert!(is_running(&simd), "it was left alone");
    drop(owner);
    simd.stop();
}

#[test]
fn a_command_does_not_outlive_its_supervisor() {
    let (_folder, simd) = simd();
    let mut supervised = Supervised::start(&simd, &[]);
    supervised.command();
    supervised.child.kill().unwrap();
    supervised.child.wait().unwrap();
    // It holds the other end for as long as it lives.
    supervised.said.by_ref().for_each(drop);
    assert!(!is_running(&simd), "it has ended as it was asked to");
    simd.stop();
}

#[test]
fn devices_that_cannot_be_stopped_are_told_of_before_anything_is_started() {
    let (folder, simd) = simd();
    let device = simd.device();
    let supervise = |devices: &[&str]| {
        let devices = devices.iter().flat_map(|device| ["--device", *device]);
        let started = ["--", "sh", "-c", "echo it runs"];
        let words: Vec<&str> = ["supervise"].into_iter().chain(devices).chain(started).collect();
        let output = run(&words);
        assert_eq!(text(&output), "", "{devices:?}", devices = words);
        (code(&output), said(&output))
    };
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&simd.socket, &link).unwrap();
    let absent = format!("sim:{}/absent", folder.path().display());
    for (devices, status, why) in [
        (&["uio:no-such-port"][..], 1, "uio:no-such-port"),
        (&[&device, &absent], 1, "start one with `etsec-simd"),
        (&[&device, &device], 2, "it is named twice"),
        (&[&device, &format!("sim:{}", link.display())], 2, "it is named twice"),
        (&[&device, "sim"], 2, "sim: it would be simulated by the command itself"),
    ] {
        let (code, said) = supervise(devices);
        assert_eq!(code, Some(status), "{devices:?}: {said}");
        assert!(said.contains(why), "{devices:?}: {said}");
    }
    simd.stop();
}

#[test]
fn commands_that_cannot_run_are_told_of() {
    let (_folder, simd) = simd();
    let device = simd.device();
    let supervise = |words: &[&str]| {
        let ours = ["supervise", "--device", &device, "--pause", "0.01", "--restarts", "2", "--"];
        run(&[&ours, words].concat())
    };
    let none = supervise(&["/no/such/program"]);
    assert_eq!(code(&none), Some(1));
    assert!(said(&none).contains("/no/such/program"), "{}", said(&none));
    let wrong = supervise(&["sh", "-c", "exit 2"]);
    assert_eq!(code(&wrong), Some(2), "{}", said(&wrong));
    assert!(text(&wrong).contains("started 1 time\n"), "{}", text(&wrong));
    let failing = supervise(&["sh", "-c", "exit 7"]);
    assert_eq!(code(&failing), Some(1));
    assert!(text(&failing).contains("started 3 times"), "{}", text(&failing));
    assert!(said(&failing).contains("has failed with status 7"), "{}", said(&failing));
    let done = supervise(&["true"]);
    assert_eq!(code(&done), Some(0), "{}", said(&done));
    let nobody = run(&["supervise", "--", "true"]);
    assert_eq!(code(&nobody), Some(2));
    simd.stop();
}
