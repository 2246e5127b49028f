//! Two signals: those that come at once are one wish to end, and a later one is for a command that
//! is stuck.
#![cfg(feature = "cli")]

mod program;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::time::Duration;

use program::owner::etsec;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};

/// A port that runs, and prints to `stdout`.
fn owner(stdout: Stdio) -> Child {
    let mut command = etsec(&["-v", "echo", "-d", "sim,wire=cable:signals"]);
    let mut child = command.stdout(stdout).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains(": started")), "it runs");
    std::thread::spawn(move || said.for_each(drop));
    child
}

fn kill(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn two_signals_at_once_are_one() {
    for signals in [[Signal::INT, Signal::TERM], [Signal::TERM, Signal::INT]] {
        let mut child = owner(Stdio::null());
        // It is stopped until both are there.
        kill(&child, Signal::STOP);
        signals.iter().for_each(|&signal| kill(&child, signal));
        kill(&child, Signal::CONT);
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_later_signal_ends_a_command_that_is_stuck() {
    // Nobody takes what it has to say at its end: the pipe is full.
    let (_reader, mut full) = std::io::pipe().unwrap();
    let usual = fcntl_getfl(&full).unwrap();
    fcntl_setfl(&full, usual | OFlags::NONBLOCK).unwrap();
    while full.write(&[0]).is_ok() {}
    fcntl_setfl(&full, usual).unwrap();
    let mut child = owner(full.into());
    kill(&child, Signal::INT);
    let ended = loop {
        std::thread::sleep(Duration::from_millis(200));
        kill(&child, Signal::TERM);
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
    };
    assert_eq!(ended.code(), Some(143), "{ended}");
}
