//! Does a model in a process of its own do what a model here does, and outlive its clients?
#![cfg(feature = "remote")]

use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use etsec_core::{Bus, Region};
use etsec_sim::ends::Null;
use etsec_sim::remote::{Client, Connection, RemoteError, Role, Server};
use etsec_sim::{Line, Sim};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const TSEC_ID: u16 = 0;
const IMASK: u16 = 0x14;
const IEVENT: u16 = 0x10;
const MAXFRM: u16 = 0x510;

/// A server in a thread.
struct Serving {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Serving {
    fn start() -> Serving {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let server = Server::bind(&path, Sim::default(), Box::new(Null)).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = std::thread::spawn(move || server.run(&asked).unwrap());
        Serving { stop, thread: Some(thread), path, _folder: folder }
    }

    fn own(&self) -> Client {
        Client::connect(&self.path, Role::Owner).unwrap().client
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

#[test]
fn registers_are_those_of_the_model() {
    let serving = Serving::start();
    let client = serving.own();
    let bus = client.bus();
    assert_eq!(bus.read(TSEC_ID) >> 16, 0x0124);
    bus.write(MAXFRM, 0x600);
    assert_eq!(bus.read(MAXFRM), 0x600);
    assert_eq!(client.mdio_bus().read(0x520), bus.read(0x520));
    // What no register page has is no answer.
    assert_eq!(bus.read(2), u32::MAX);
    assert_eq!(bus.read(4096), u32::MAX);
}

#[test]
fn there_is_one_owner_and_observers_only_look() {
    let serving = Serving::start();
    let owner = serving.own();
    let second = Client::connect(&serving.path, Role::Owner).unwrap_err();
    let RemoteError::Owned { pid } = second else { panic!("{second}") };
    assert_eq!(pid, std::process::id());
    let Connection { client: observer, events, owner: seen } =
        Client::connect(&serving.path, Role::Observer).unwrap();
    assert_eq!((events.len(), seen), (0, Some(pid)));
    owner.bus().write(MAXFRM, 0x601);
    observer.bus().write(MAXFRM, 0x602);
    assert_eq!(observer.bus().read(MAXFRM), 0x601);
    assert!(matches!(observer.map(4096, None), Err(RemoteError::NotOwner)));
    assert!(matches!(observer.enable(false, Line::Rx), Err(RemoteError::NotOwner)));
    drop(owner);
    serving.own();
}

/// Where the child of the next test finds the server.
const CHILD: &str = "ETSEC_TEST_SOCKET";

/// What a killed process does before: this test by itself does nothing.
#[test]
fn the_process_that_is_killed() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let client = Client::connect(Path::new(&path), Role::Owner).unwrap().client;
    let region = client.map(8192, None).unwrap();
    client.bus().write(MAXFRM, 0x603);
    // SAFETY: it is mapped, 8192 bytes long, and the device has not been told of it.
    unsafe { region.cpu().add(4096).write(0x5A) };
    println!("ready");
    loop {
        std::thread::park();
    }
}

#[test]
fn memory_outlives_an_owner_that_is_killed_and_not_one_that_gives_it_back() {
    let serving = Serving::start();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--nocapture"])
        .env(CHILD, &serving.path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("ready")));
    child.kill().unwrap();
    child.wait().unwrap();

    // At once: what the dead one has asked for last is done, and it is gone.
    let client = serving.own();
    assert_eq!(client.bus().read(MAXFRM), 0x603, "the device goes on");
    let left = client.left().unwrap().expect("the same, only to know of it");
    assert_eq!((left.pid, left.len), (child.id(), 8192));
    let region = client.adopt().unwrap().expect("what the killed owner has left");
    assert_eq!(region.len(), 8192);
    assert_eq!(left.bus, region.bus());
    assert_eq!(client.left().unwrap().map(|left| left.pid), Some(std::process::id()));
    // SAFETY: mapped, and the device has not been told of it.
    assert_eq!(unsafe { region.cpu().add(4096).read() }, 0x5A);
    drop(region);
    assert!(client.adopt().unwrap().is_none(), "given back");
    assert!(client.left().unwrap().is_none());
    let fresh = client.map(4096, Some(0x4000_0000)).unwrap();
    assert_eq!(fresh.bus().raw(), 0x4000_0000);
    for (len, bus) in
        [(4096, 0x4000_0010), (4095, 0), (0, 0), (usize::MAX & !63, 0), (4096, 1 << 36)]
    {
        let bad = client.map(len, Some(bus));
        assert!(matches!(bad, Err(RemoteError::NoMemory)), "{len} at {bus:#x}");
    }
    assert!(client.adopt().unwrap().is_some(), "what cannot be changes nothing");
}

#[test]
fn memory_of_one_device_is_reached_by_another() {
    let [one, two] = [(); 2].map(|()| Serving::start());
    let (owner, other) = (one.own(), two.own());
    let region = owner.map(4096, Some(0x5000_0000)).unwrap();
    other.reach(&region.shared()).unwrap();
    other.reach(&region.shared()).expect("who takes a device over reaches it once more");
    let third = Serving::start();
    let elsewhere = third.own().map(4096, Some(0x5000_0000)).unwrap();
    let again = other.reach(&elsewhere.shared());
    assert!(matches!(again, Err(RemoteError::NoMemory)), "something else is there already");
    let own = other.map(4096, Some(0x5000_0000)).unwrap();
    assert_eq!(own.bus(), region.bus(), "a new start forgets the memory of others");
}

#[test]
fn a_line_rings_once_until_it_is_enabled_again() {
    let serving = Serving::start();
    let Connection { client, events, .. } = Client::connect(&serving.path, Role::Owner).unwrap();
    let rang = |limit_ms: i64| {
        let limit = Timespec { tv_sec: 0, tv_nsec: limit_ms * 1_000_000 };
        let count = poll(&mut [PollFd::new(&events[2], PollFlags::IN)], Some(&limit)).unwrap();
        if count > 0 {
            rustix::io::read(&events[2], &mut [0; 8]).unwrap();
        }
        count > 0
    };
    let bus = client.bus();
    // An error event that stays: the line is high from here on.
    bus.write(IMASK, u32::MAX);
    assert!(!rang(0));
    // MACCFG1[GRS]: a graceful stop of an idle receiver is done at once.
    bus.write(0x2C, 0xD0);
    while bus.read(IEVENT) == 0 {}
    assert!(rang(900));
    assert!(!rang(50), "not enabled");
    client.enable(false, Line::Err).unwrap();
    assert!(rang(900));
}

#[test]
fn a_dead_server_s_socket_is_replaced_and_a_living_one_s_is_not() {
    let serving = Serving::start();
    let again = Server::bind(&serving.path, Sim::default(), Box::new(Null)).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AddrInUse);
    // The refused one has not taken the socket of the other away.
    assert_eq!(serving.own().bus().read(TSEC_ID) >> 16, 0x0124);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("left");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let nobody = Client::connect(&path, Role::Owner).unwrap_err().to_string();
    assert!(nobody.contains("etsec-simd"), "{nobody}");
    drop(Server::bind(&path, Sim::default(), Box::new(Null)).unwrap());
    assert!(!path.exists());
}

#[test]
fn a_model_that_is_gone_reads_all_ones() {
    let serving = Serving::start();
    let client = serving.own();
    drop(serving);
    assert_eq!(client.bus().read(TSEC_ID), u32::MAX);
    client.bus().write(MAXFRM, 1);
    client.bus().publish();
    assert!(matches!(client.violations(), Err(RemoteError::Gone(_))));
}
