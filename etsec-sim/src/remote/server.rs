//! The model's side: who is connected, who owns the device, and the memory that outlives them.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use etsec_core::{BusAddr, Region};
use memmap2::{MmapOptions, MmapRaw};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::{
    MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, ftruncate, memfd_create,
};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect,
    listen, shutdown, socket_with,
};

use super::message::{LINES, Status};
use super::session;
use crate::ends::{Wire, WireError};
use crate::memory::SimRegion;
use crate::place;
use crate::runner::Runner;
use crate::violation::Violation;
use crate::{Line, Sim};

/// How long a call of [`Server::run`] may overlook that it is to end.
const LOOK: Duration = Duration::from_millis(200);
/// How long a client that has hung up may take to be gone: as long as what it asked for last.
const FAREWELL: Duration = Duration::from_secs(30);
/// More than this no client gets: all of it is filled with a pattern.
const MOST_MEMORY: u64 = 256 << 20;

/// A model with a wire that runs by itself, for clients that come and go.
///
/// Dropping it takes the socket away and ends all connections. Violations that nobody has taken out
/// are then a panic, as with every model.
#[derive(Debug)]
pub struct Server {
    hub: Arc<Hub>,
    listener: OwnedFd,
    path: PathBuf,
}

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Hub {
    pub runner: Runner,
    /// Violations that were taken out.
    told: AtomicUsize,
    state: Mutex<State>,
    /// Told when a connection has ended.
    ended: Condvar,
    /// The owner's event descriptors. Apart, for the model's thread rings them.
    events: Arc<Mutex<Option<[OwnedFd; LINES]>>>,
}

#[derive(Debug, Default)]
struct State {
    owner: Option<Owner>,
    memory: Option<Held>,
    /// Memory of other devices, with its file.
    reached: Vec<(FileId, SimRegion)>,
    /// The connections, by number, to be ended with the server.
    connections: HashMap<u64, OwnedFd>,
    next: u64,
}

/// How the kernel tells files apart: file system and number.
type FileId = (u64, u64);

#[derive(Debug, Clone, Copy)]
struct Owner {
    connection: u64,
    pid: u32,
}

/// Memory of the device.
#[derive(Debug)]
struct Held {
    file: File,
    bus: u64,
    len: u64,
    /// The process that had it last.
    pid: u32,
    /// Kept mapped for the model.
    _region: SimRegion,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing behind these locks is left half done by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Lets `sim` run with `wire` at its other end, for clients that connect to `path`. A socket
    /// that a dead server has left there is replaced, and nothing else.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] if a server listens there, or something else than a socket is;
    /// what the system says.
    pub fn bind(path: &Path, sim: Sim, wire: Box<dyn Wire + Send>) -> io::Result<Server> {
        let listener = listen_at(path).map_err(|error| place::named(path, error))?;
        let runner = Runner::spawn(sim, wire)?;
        let events: Arc<Mutex<Option<[OwnedFd; LINES]>>> = Arc::default();
        let ringer = |first: usize| {
            let events = Arc::clone(&events);
            move |line: Line| {
                if let Some(events) = &*lock(&events) {
                    // It can only fail for a counter that is full, and then there is enough to see.
                    let _ = rustix::io::write(&events[first + line as usize], &1u64.to_ne_bytes());
                }
            }
        };
        runner.on_interrupt(ringer(0));
        runner.on_second_interrupt(ringer(3));
        let hub = Arc::new(Hub {
            runner,
            told: AtomicUsize::new(0),
            state: Mutex::default(),
            ended: Condvar::new(),
            events,
        });
        Ok(Server { hub, listener, path: path.into() })
    }

    /// Serves clients until `stop` is set.
    ///
    /// # Errors
    /// What the system says of the listening socket.
    pub fn run(&self, stop: &AtomicBool) -> io::Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let limit = Timespec::try_from(LOOK).ok();
            match poll(&mut [PollFd::new(&self.listener, PollFlags::IN)], limit.as_ref()) {
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            match accept_with(&self.listener, SocketFlags::CLOEXEC) {
                Ok(connection) => self.admit(connection)?,
                // The client has thought better of it.
                Err(Errno::CONNABORTED | Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The model.
    #[must_use]
    pub fn sim(&self) -> &Sim {
        self.hub.runner.sim()
    }

    /// As [`Runner::stand_still`].
    pub fn stand_still(&self) {
        self.hub.runner.stand_still();
    }

    /// Takes out why the wire has failed, if it has.
    #[must_use]
    pub fn wire_error(&self) -> Option<WireError> {
        self.hub.runner.error()
    }

    /// Takes out what the sanitizer has found.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let found = self.sim().violations();
        self.hub.told.fetch_add(found.len(), Ordering::Relaxed);
        found
    }

    fn admit(&self, connection: OwnedFd) -> io::Result<()> {
        let (hub, ours) = (Arc::clone(&self.hub), connection.try_clone()?);
        let number = {
            let mut state = lock(&self.hub.state);
            state.next += 1;
            let number = state.next;
            state.connections.insert(number, ours);
            number
        };
        thread::Builder::new().name("etsec-session".into()).spawn(move || {
            session::serve(&hub, number, &connection);
            hub.leave(number);
        })?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been taken away already.
        let _ = std::fs::remove_file(&self.path);
        for connection in lock(&self.hub.state).connections.values() {
            let _ = shutdown(connection, Shutdown::Both);
        }
        self.hub.runner.finish();
    }
}

/// A listening socket at `path`.
fn listen_at(path: &Path) -> io::Result<OwnedFd> {
    let fresh =
        || socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let (listener, address) = (fresh()?, SocketAddrUnix::new(path)?);
    match bind(&listener, &address) {
        Err(Errno::ADDRINUSE)
            if place::is_socket(path) && connect(fresh()?, &address) == Err(Errno::CONNREFUSED) =>
        {
            std::fs::remove_file(path)?;
            bind(&listener, &address)?;
        }
        bound => bound?,
    }
    listen(&listener, 16)?;
    Ok(listener)
}

impl Hub {
    /// Makes connection `number` the owner; returns its event descriptors.
    pub(super) fn own(&self, number: u64, pid: u32) -> Result<[OwnedFd; LINES], (Status, u32)> {
        let mut state = self.without_the_dead();
        if let Some(owner) = state.owner {
            return Err((Status::Owned, owner.pid));
        }
        let [ours, theirs] = events().map_err(|_| (Status::NoMemory, 0))?;
        state.owner = Some(Owner { connection: number, pid });
        *lock(&self.events) = Some(ours);
        drop(state);
        (0..LINES).for_each(|n| self.enable(n));
        Ok(theirs)
    }

    /// The state, once an owner that has hung up has left: what it had asked for is done by then.
    fn without_the_dead(&self) -> MutexGuard<'_, State> {
        let state = lock(&self.state);
        let left = self.ended.wait_timeout_while(state, FAREWELL, |state| {
            let connection = state.owner.and_then(|owner| state.connections.get(&owner.connection));
            connection.is_some_and(has_hung_up)
        });
        left.unwrap_or_else(PoisonError::into_inner).0
    }

    /// The process that owns the device; 0 if none does.
    pub(super) fn owner(&self) -> u32 {
        lock(&self.state).owner.map_or(0, |owner| owner.pid)
    }

    /// Lets line `n` of [`LINES`] ring again.
    pub(super) fn enable(&self, n: usize) {
        let line = [Line::Tx, Line::Rx, Line::Err][n % 3];
        match n < 3 {
            true => self.runner.enable(line),
            false => self.runner.enable_second(line),
        }
    }

    /// Connection `number` has ended. The device goes on, and its memory stays.
    fn leave(&self, number: u64) {
        let mut state = lock(&self.state);
        state.connections.remove(&number);
        if state.owner.is_some_and(|owner| owner.connection == number) {
            state.owner = None;
            *lock(&self.events) = None;
        }
        self.ended.notify_all();
    }

    /// New memory in the place of all there was; its file, address and length.
    pub(super) fn map(&self, bus: u64, len: u64, pid: u32) -> Option<(OwnedFd, u64, u64)> {
        let end = bus.checked_add(len)?;
        let placed = bus.is_multiple_of(64) && len.is_multiple_of(64) && end <= BusAddr::MAX.raw();
        if !placed || len == 0 || len > MOST_MEMORY {
            return None;
        }
        let mut state = lock(&self.state);
        state.memory = None;
        state.reached.clear();
        let file = memory_file(len).ok()?;
        let region = self.reach_at((bus != 0).then_some(bus), len, &file, true)?;
        let bus = region.bus().raw();
        let theirs = file.try_clone().ok()?.into();
        state.memory = Some(Held { file, bus, len, pid, _region: region });
        Some((theirs, bus, len))
    }

    /// The memory there is, which is that process's from here on.
    pub(super) fn adopt(&self, by: u32) -> Option<(OwnedFd, u64, u64)> {
        let mut state = lock(&self.state);
        let Held { file, bus, len, pid, .. } = state.memory.as_mut()?;
        let theirs = file.try_clone().ok()?.into();
        *pid = by;
        Some((theirs, *bus, *len))
    }

    /// The memory there is, which stays whose it was.
    pub(super) fn look(&self) -> Option<(OwnedFd, u64, u64)> {
        let state = lock(&self.state);
        let Held { file, bus, len, .. } = state.memory.as_ref()?;
        Some((file.try_clone().ok()?.into(), *bus, *len))
    }

    /// The process that had the memory last, and where that is.
    pub(super) fn left(&self) -> Option<(u32, u64, u64)> {
        lock(&self.state).memory.as_ref().map(|held| (held.pid, held.bus, held.len))
    }

    /// Gives the memory up: what the device still does there is a violation.
    pub(super) fn unmap(&self) {
        let mut state = lock(&self.state);
        state.memory = None;
        state.reached.clear();
    }

    /// Lets the device reach memory of another one; whether it could.
    pub(super) fn reach(&self, bus: u64, len: u64, fd: OwnedFd) -> bool {
        let file = File::from(fd);
        // A file that may shrink would take this process down with it.
        let sealed = fcntl_get_seals(&file).is_ok_and(|seals| seals.contains(SealFlags::SHRINK));
        let long = file.metadata().is_ok_and(|data| data.len() >= len);
        if !sealed || !long || len == 0 {
            return false;
        }
        let Ok(id) = file.metadata().map(|data| (data.dev(), data.ino())) else { return false };
        let mut state = lock(&self.state);
        let same = |(file, region): &(FileId, SimRegion)| {
            *file == id && region.bus().raw() == bus && region.len() as u64 == len
        };
        // An owner that takes over what another one had reaches the same memory again.
        if state.reached.iter().any(same) {
            return true;
        }
        let region = self.reach_at(Some(bus), len, &file, false);
        let reached = region.is_some();
        state.reached.extend(region.map(|region| (id, region)));
        reached
    }

    fn reach_at(&self, bus: Option<u64>, len: u64, file: &File, fresh: bool) -> Option<SimRegion> {
        let map: MmapRaw = MmapOptions::new().len(usize::try_from(len).ok()?).map_raw(file).ok()?;
        self.runner.sim().with(|model| model.memory.add_mapped(bus, map, fresh))
    }

    /// How many violations there were so far.
    pub(super) fn count_violations(&self) -> u32 {
        let left = self.runner.sim().with(|model| model.sanitizer.count());
        (self.told.load(Ordering::Relaxed) + left).try_into().unwrap_or(u32::MAX)
    }
}

/// Whether nobody is at the other end any more, whatever is still to be read.
fn has_hung_up(connection: &OwnedFd) -> bool {
    let mut looked = [PollFd::new(connection, PollFlags::RDHUP)];
    let seen = poll(&mut looked, Some(&Timespec::default()));
    seen.is_ok() && looked[0].revents().intersects(PollFlags::HUP | PollFlags::RDHUP)
}

/// An event descriptor for each line, and the same again for the other side.
fn events() -> io::Result<[[OwnedFd; LINES]; 2]> {
    let one = || -> io::Result<OwnedFd> {
        Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
    };
    let ours = [one()?, one()?, one()?, one()?, one()?, one()?];
    let [a, b, c, d, e, f] = ours.each_ref().map(OwnedFd::try_clone);
    Ok([ours, [a?, b?, c?, d?, e?, f?]])
}

/// A file in memory that neither grows nor shrinks.
fn memory_file(len: u64) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = File::from(memfd_create("etsec-sim", flags)?);
    ftruncate(&file, len)?;
    fcntl_add_seals(file.as_fd(), SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file)
}
