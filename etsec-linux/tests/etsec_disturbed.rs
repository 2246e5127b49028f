//! A command under traffic whose surroundings are disturbed: its cable is pulled, its PHY reset,
//! its service manager stands still, the process is stopped and continued, asked to end. The
//! simulated controller is in this process, the command in another.
#![cfg(feature = "cli")]

mod program;

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use etsec_linux::simulated;
use etsec_sim::ends::{CableEnd, Wire, cable};
use etsec_sim::remote::{Client, Role, Server};
use program::owner::etsec;
use program::*;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Frames that are under way at a time, so that no ring of 256 overflows.
const WINDOW: u64 = 64;
/// Longer than anything may take on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A controller with the far end of its cable, and `etsec echo` on it.
struct Bench {
    folder: TempDir,
    server: Arc<Server>,
    stop: Arc<AtomicBool>,
    serving: JoinHandle<()>,
    wire: CableEnd,
    echo: Child,
    said: Receiver<String>,
    /// The number of the next frame to send.
    next: u64,
    /// The number after that of the last frame that came back.
    seen: u64,
    /// Frames that came back.
    back: u64,
}

impl Bench {
    fn start() -> Bench {
        Self::start_with(&[], |_| ())
    }

    /// With these options of the command, and what `prepare` does to it.
    fn start_with(options: &[&str], prepare: impl FnOnce(&mut Command)) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (wire, far) = cable().unwrap();
        let server = Server::bind(&path, simulated::powered(), Box::new(far)).unwrap();
        let (server, stop) = (Arc::new(server), Arc::new(AtomicBool::new(false)));
        let serving = {
            let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
            thread::spawn(move || server.run(&stop).unwrap())
        };
        let device = format!("sim:{}", path.display());
        let words = ["-v", "--json", "echo", "--promiscuous", "--device", &device];
        let mut command = etsec(&[&words, options].concat());
        prepare(&mut command);
        let mut echo = command.spawn().unwrap();
        let (speaker, said) = channel();
        let lines = BufReader::new(echo.stderr.take().unwrap()).lines();
        thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| drop(speaker.send(line)))
        });
        let bench =
            Bench { folder, server, stop, serving, wire, echo, said, next: 0, seen: 0, back: 0 };
        // A negotiated link is up before it has started, a given one later.
        bench.hear_all(&["link up", ": started"]);
        bench
    }

    /// Waits until the command says `what`.
    fn hear(&self, what: &str) {
        self.hear_all(&[what]);
    }

    /// Waits until the command has said all of this, in whatever order.
    fn hear_all(&self, what: &[&str]) {
        let (mut heard, mut left) = (String::new(), what.to_vec());
        while let Ok(line) = self.said.recv_timeout(LONG) {
            left.retain(|what| !line.contains(what));
            if left.is_empty() {
                return;
            }
            heard = heard + &line + "\n";
        }
        panic!("never said: {left:?}\n{heard}");
    }

    /// Sends a frame, whatever becomes of it.
    fn send(&mut self) {
        let mut frame = [0x5A; 60];
        frame[..6].copy_from_slice(&[0x02, 0, 0, 0, 0, 1]);
        frame[6..12].copy_from_slice(&[0x02, 0, 0, 0, 0, 2]);
        frame[12..14].copy_from_slice(&[0x88, 0xB5]);
        frame[14..22].copy_from_slice(&self.next.to_be_bytes());
        self.wire.send(&frame).unwrap();
        self.next += 1;
    }

    /// Takes what has come back: in order, each once, and whole.
    fn take(&mut self) {
        let mut frame = Vec::new();
        while self.wire.receive(&mut frame).unwrap() {
            assert_eq!(frame[..6], [0x02, 0, 0, 0, 0, 2]);
            assert!(frame.len() == 60 && frame[22..].iter().all(|&byte| byte == 0x5A));
            let number = u64::from_be_bytes(frame[14..22].try_into().unwrap());
            assert!((self.seen..self.next).contains(&number), "{number} after {}", self.seen);
            self.seen = number + 1;
            self.back += 1;
        }
    }

    /// Sends `count` frames, of which none may be lost.
    fn pass(&mut self, count: u64) {
        let (end, back) = (self.next + count, self.back);
        // What is still under way from before is not waited for, but what is sent here is.
        let start = self.next;
        let since = Instant::now();
        while self.seen < end {
            let under_way = self.next - self.seen.max(start);
            if self.next < end && under_way < WINDOW {
                self.send();
            } else {
                thread::sleep(Duration::from_micros(50));
            }
            self.take();
            assert!(since.elapsed() < LONG, "no frame comes back");
        }
        assert!(self.back - back >= count, "{} of {count} came back", self.back - back);
    }

    /// Waits until all that was sent has come back or was dropped: a frame behind it comes back.
    fn settle(&mut self) {
        let since = Instant::now();
        while self.seen < self.next {
            self.send();
            let sent = Instant::now();
            while self.seen < self.next && sent.elapsed() < Duration::from_millis(200) {
                thread::sleep(Duration::from_micros(50));
                self.take();
            }
            assert!(since.elapsed() < LONG, "no frame comes back");
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.echo), signal).unwrap();
    }

    /// The command has been asked to end: sees how it does, and that nothing is left of it.
    fn end(mut self) -> Ended {
        let exited = {
            let wait = thread::spawn(move || self.echo.wait_with_output().unwrap());
            while !wait.is_finished() {
                thread::sleep(Duration::from_millis(1));
            }
            wait.join().unwrap()
        };
        let mut frame = Vec::new();
        while self.wire.receive(&mut frame).unwrap() {
            self.back += 1;
        }
        assert_eq!(code(&exited), Some(0));
        let violations = self.server.violations();
        assert!(violations.is_empty(), "{violations:?}");
        let path = self.folder.path().join("socket");
        let next = Client::connect(&path, Role::Owner).unwrap();
        assert!(next.client.adopt().unwrap().is_none(), "memory is left behind");
        // HW 3.14: the receiver and the transmitter are off.
        assert_eq!(etsec_core::Bus::read(&next.client.bus(), 0x500) & 0x5, 0);
        drop(next);
        self.stop.store(true, Ordering::Relaxed);
        self.serving.join().unwrap();
        Ended::new(&exited, self.back, self.next)
    }
}

/// What was counted.
struct Ended {
    received: u64,
    sent: u64,
    dropped: u64,
    /// Frames that came back, and that were sent by us.
    back: u64,
    ours: u64,
}

impl Ended {
    fn new(output: &Output, back: u64, ours: u64) -> Ended {
        let counters = events(&output.stdout, "counters").remove(0);
        let port = &counters["ports"][0];
        let number = |value: &serde_json::Value| value.as_u64().unwrap_or(0);
        Ended {
            received: number(&port["rx"]["frames"]),
            sent: number(&port["tx"]["frames"]),
            dropped: number(&port["mib"]["RDRP"]),
            back,
            ours,
        }
    }

    /// Nothing was lost but what was counted as dropped.
    fn check(&self) {
        assert_eq!((self.received, self.sent), (self.back, self.back));
        assert_eq!(self.back + self.dropped, self.ours);
    }
}

#[test]
fn a_cable_that_is_pulled_and_plugged_in_again() {
    let mut bench = Bench::start();
    bench.pass(2000);
    for _ in 0..2 {
        bench.server.sim().set_link_up(false);
        bench.hear("link down");
        bench.server.sim().set_link_up(true);
        bench.hear("link up");
        bench.pass(2000);
    }
    bench.signal(Signal::TERM);
    bench.end().check();
}

#[test]
fn a_phy_that_is_reset() {
    let mut bench = Bench::start();
    for _ in 0..3 {
        bench.pass(1000);
        bench.server.sim().reset_phy();
        bench.hear("link down");
        bench.hear("link up");
    }
    bench.pass(1000);
    bench.signal(Signal::INT);
    bench.end().check();
}

/// What the PHY was told at the start is not what it is set to after a reset.
#[test]
fn a_phy_that_is_reset_is_told_again() {
    for (link, up) in [("100/full", "link up, 100/full"), ("10/full", "link up, 10/full")] {
        let mut bench = Bench::start_with(&["--link", link], |_| ());
        for _ in 0..2 {
            bench.pass(100);
            bench.server.sim().reset_phy();
            bench.hear("link down");
            bench.hear("it is set again");
            bench.hear(up);
        }
        bench.pass(100);
        bench.signal(Signal::INT);
        bench.end().check();
    }
}

#[test]
fn a_process_that_is_stopped_and_continued() {
    let mut bench = Bench::start();
    for _ in 0..3 {
        bench.pass(1000);
        bench.signal(Signal::STOP);
        // Many more than there are descriptors.
        (0..2000).for_each(|_| bench.send());
        thread::sleep(Duration::from_millis(50));
        bench.signal(Signal::CONT);
        // What found room comes back, the rest was dropped and counted.
        bench.settle();
        bench.pass(1000);
    }
    bench.signal(Signal::TERM);
    bench.end().check();
}

/// As one that was stopped: it has heard so much that nothing more finds room.
#[test]
fn a_service_manager_that_stands_still_stops_no_frame() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manager");
    let manager = UnixDatagram::bind(&path).unwrap();
    let others = UnixDatagram::unbound().unwrap();
    others.set_nonblocking(true).unwrap();
    while others.send_to(b"STATUS=", &path).is_ok() {}
    let mut bench = Bench::start_with(&[], |command| {
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "80000");
    });
    // For several times as long as it may be silent.
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(400) {
        bench.pass(WINDOW);
    }
    // Continued, it hears what it was not told before.
    manager.set_read_timeout(Some(LONG)).unwrap();
    for word in ["READY=1\n", "WATCHDOG=1\n"] {
        let mut message = [0; 64];
        while !message.starts_with(word.as_bytes()) {
            manager.recv(&mut message).unwrap_or_else(|_| panic!("no {word}"));
        }
    }
    bench.signal(Signal::TERM);
    bench.end().check();
}

#[test]
fn a_process_that_is_asked_to_end() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut bench = Bench::start();
        bench.pass(1000);
        (0..WINDOW).for_each(|_| bench.send());
        bench.signal(signal);
        let ended = bench.end();
        // What came in before the end was seen is sent out; nothing is sent twice.
        assert_eq!((ended.received, ended.sent), (ended.back, ended.back));
        assert!(ended.back >= 1000 && ended.back <= ended.ours);
    }
}
