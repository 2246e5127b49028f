//! Our model in another process, as a driver meets it: registers by messages, memory mapped from a
//! file of the model's, its wire moved by a thread. Only the socket is used of the driver's side,
//! so it makes no difference that the model's side is a thread here. Its clock stands still but for
//! what a scenario says, so that none depends on how fast a machine is.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use etsec_sim::ends::{Wire, WireError};
use etsec_sim::remote::{Client, Connection, RemoteBus, RemoteRegion, Role, Server};
use etsec_sim::{Fcs, Line, SimDelay, Switches, WireFrame};
use rustix::event::{EventfdFlags, eventfd};
use tempfile::TempDir;

use super::Device;
use super::device::{MIN, SETTLE_NS, sim};

/// A model behind a socket.
#[derive(Debug)]
pub struct Remote {
    server: Arc<Server>,
    client: Client,
    /// The connection is open as long as these are.
    _events: Vec<OwnedFd>,
    desk: Arc<Desk>,
    stop: Arc<AtomicBool>,
    _folder: TempDir,
}

impl Remote {
    /// A model with those switches, and a connection to it.
    ///
    /// # Panics
    /// If the machine has no more threads, files or room for a socket.
    #[must_use]
    pub fn of(switches: Switches) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, desk) = (folder.path().join("etsec"), Arc::new(Desk::new()));
        let wire = Box::new(End(Arc::clone(&desk)));
        let server = Arc::new(Server::bind(&path, sim(switches), wire).expect("a socket"));
        server.stand_still();
        let stop = Arc::new(AtomicBool::new(false));
        let (serving, until) = (Arc::clone(&server), Arc::clone(&stop));
        thread::spawn(move || serving.run(&until));
        let connected = Client::connect(&path, Role::Owner).expect("a server that listens");
        let Connection { client, events, .. } = connected;
        Remote { server, client, _events: events, desk, stop, _folder: folder }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // The thread looks now and then, and takes the server with it.
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Device for Remote {
    type Bus = RemoteBus;
    type Region = RemoteRegion;
    type Delay = SimDelay;

    fn bus(&self) -> RemoteBus {
        self.client.bus()
    }
    fn region(&mut self, len: usize) -> RemoteRegion {
        self.client.map(len, None).unwrap_or_else(|why| panic!("{len} bytes: {why}"))
    }
    fn delay(&self) -> SimDelay {
        self.server.sim().delay()
    }
    fn arrive(&mut self, frame: &[u8]) {
        if frame.len() < MIN {
            let frame = WireFrame::exact(frame.to_vec(), Fcs::Right);
            return self.server.sim().receive_raw(frame);
        }
        self.server.sim().receive(frame);
    }
    fn settle(&mut self) {
        self.server.sim().advance(SETTLE_NS);
    }
    fn left(&mut self) -> Option<Vec<u8>> {
        self.desk.take()
    }
    fn line(&mut self, line: Line) -> bool {
        self.server.sim().line(line)
    }
    fn store(&self, region: &mut RemoteRegion, offset: usize, bytes: &[u8]) {
        self.server.sim().with(|_| region.store(offset, bytes)).expect("bytes of the region");
    }
    fn load(&self, region: &RemoteRegion, offset: usize, bytes: &mut [u8]) {
        self.server.sim().with(|_| region.load(offset, bytes)).expect("bytes of the region");
    }
    fn complaint(&mut self) -> Option<String> {
        let violations = self.server.violations();
        let first = violations.first()?;
        Some(format!("{} DMA violations, the first: {first}", violations.len()))
    }
}

/// Where the model's thread puts the frames that have left.
#[derive(Debug)]
struct Desk {
    frames: Mutex<VecDeque<Vec<u8>>>,
    /// How often the thread has come by.
    rounds: AtomicU32,
    /// Makes it come.
    bell: OwnedFd,
}

impl Desk {
    fn new() -> Self {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let bell = eventfd(0, flags).expect("an event descriptor");
        Desk { frames: Mutex::default(), rounds: AtomicU32::new(0), bell }
    }

    fn next(&self) -> Option<Vec<u8>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// The next frame that has left the model by now, or `None` if there is none: the thread then
    /// begins a round, in which it finds all there is, and another one, before which it has put
    /// them here.
    fn take(&self) -> Option<Vec<u8>> {
        let rounds = self.rounds.load(Ordering::Acquire);
        while self.rounds.load(Ordering::Acquire).wrapping_sub(rounds) < 2 {
            if let Some(frame) = self.next() {
                return Some(frame);
            }
            let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
            thread::yield_now();
        }
        self.next()
    }
}

/// The wire's end at the model: nothing comes from there, and what leaves is kept.
struct End(Arc<Desk>);

impl Wire for End {
    fn send(&mut self, frame: &[u8]) -> Result<(), WireError> {
        let mut frames = self.0.frames.lock().unwrap_or_else(PoisonError::into_inner);
        frames.push_back(frame.to_vec());
        Ok(())
    }

    fn receive(&mut self, _frame: &mut Vec<u8>) -> Result<bool, WireError> {
        let _ = rustix::io::read(&self.0.bell, &mut [0; 8]);
        self.0.rounds.fetch_add(1, Ordering::AcqRel);
        Ok(false)
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.bell.as_fd())
    }
}
