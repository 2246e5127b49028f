//! A command with ports that run, to be killed or ended.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::code;
use super::owner::etsec;

/// An `etsec` that owns a device, and what it said when it began.
pub struct Running {
    pub child: Child,
    pub said: Vec<String>,
}

impl Running {
    /// Starts it and waits until its ports run.
    pub fn start(words: &[&str]) -> Running {
        let ports = if words[0] == "forward" { 2 } else { 1 };
        let mut child = etsec(&[&["-v"], words].concat()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        for line in lines.by_ref().map_while(Result::ok) {
            said.push(line);
            let started = said.iter().filter(|line| line.contains(": started")).count();
            if started == ports {
                thread::spawn(move || lines.for_each(drop));
                return Running { child, said };
            }
        }
        let status = child.wait();
        panic!("it ended: {status:?}, {said:?}");
    }

    /// Whether it has said that in a line.
    pub fn has_said(&self, words: &str) -> bool {
        self.said.iter().any(|line| line.contains(words))
    }

    /// Kills it; returns its number.
    pub fn kill(mut self) -> u32 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child.id()
    }

    /// Ends it orderly.
    pub fn end(self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        let output = self.child.wait_with_output().unwrap();
        assert_eq!(code(&output), Some(0));
    }
}
