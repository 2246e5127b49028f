//! A port of the `etsec` command that runs while a test talks to it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{code, said};

/// The program with these words.
pub fn etsec(words: &[&str]) -> Command {
    let program = super::words();
    let mut command = Command::new(&program[0]);
    command.args(&program[1..]).arg("--quiet").args(words).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end.
pub fn run(words: &[&str]) -> Output {
    etsec(words).output().unwrap()
}

/// What it said on standard output.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A port that runs until it is told not to.
pub struct Owner {
    pub child: Child,
    pub device: String,
}

impl Owner {
    /// A device of its own, so that tests beside this one do not meet it.
    pub fn start(dir: &Path, words: &[&str]) -> Self {
        Self::start_on(format!("sim,wire=pcap:,{}/sent.pcap", dir.display()), words)
    }

    /// A device that no other test has.
    pub fn start_on(device: String, words: &[&str]) -> Self {
        let words = [&["-v", "echo", "--device", &device], words].concat();
        let mut child = etsec(&words).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(said.any(|line| line.unwrap().contains(": started")), "it runs");
        // It goes on reading, so that the program can go on speaking.
        std::thread::spawn(move || said.for_each(drop));
        Owner { child, device }
    }

    /// The section that `verb` shows.
    pub fn show(&self, verb: &str) -> Value {
        let output = run(&["--json", verb, "--device", &self.device]);
        assert_eq!(code(&output), Some(0), "{}", said(&output));
        serde_json::from_str(&text(&output)).unwrap()
    }

    /// What `verb` makes of these words.
    pub fn set(&self, verb: &str, words: &[&str]) -> Output {
        run(&[&[verb, "--device", &self.device], words].concat())
    }

    /// Sees that it ends well, as it has been asked to.
    pub fn end(mut self) {
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{ended}");
    }

    /// Ends it; nobody runs the port then.
    pub fn stop(mut self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).unwrap();
        assert!(self.child.wait().unwrap().success());
        let after = run(&["rings", "--device", &self.device]);
        assert_eq!(code(&after), Some(1));
        assert!(said(&after).contains("nobody runs it"), "{}", said(&after));
    }
}

impl Drop for Owner {
    /// A test that has failed leaves nothing running.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
