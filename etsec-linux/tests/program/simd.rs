//! A simulated controller in a process of its own, for a test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A running `etsec-simd`.
pub struct Simd {
    child: Child,
    pub socket: PathBuf,
}

/// The program.
pub fn simd() -> Command {
    let mut words = super::words();
    words.pop();
    words.push(env!("CARGO_BIN_EXE_etsec-simd").into());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

impl Simd {
    /// The process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Starts it, and waits until it listens.
    pub fn start(folder: &Path, name: &str, wire: &str) -> Simd {
        let socket = folder.join(name);
        let mut command = simd();
        command.arg(&socket).args(["--wire", wire]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().contains("drivers may name"));
        Simd { child, socket }
    }

    /// The device it serves.
    pub fn device(&self) -> String {
        format!("sim:{}", self.socket.display())
    }

    /// Ends it; a driver that did something wrong would have made it fail.
    pub fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut said).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {said}");
        assert!(!self.socket.exists());
    }
}

impl Drop for Simd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
