//! The driver's side: a connection to a model in another process, and its register pages.
//!
//! A model that is gone looks like a device that has left the bus: registers read all ones.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use etsec_core::{Bus, BusAddr};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType, connect, shutdown,
    socket_with,
};

use super::message::{self, LINES, Op, Packet, Reply, Request, Status, VERSION};
use super::region::{RemoteRegion, Shared};
use crate::Line;
use crate::place;

/// How long an answer may take: on a busy machine a process may stand still for seconds.
const PATIENCE: Duration = Duration::from_secs(20);
const START: &str = "start one with `etsec-simd";

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It drives the device. There is one.
    Owner,
    /// It reads registers.
    Observer,
}

/// Why a model in another process does not do what it is asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum RemoteError {
    /// Nobody listens there.
    Connect(PathBuf, io::Error),
    /// It is another version of the simulator.
    Version,
    /// Another process owns the device.
    Owned {
        /// Its number.
        pid: u32,
    },
    /// Observers may only read.
    NotOwner,
    /// There is no room for that memory, or something is at the address.
    NoMemory,
    /// It did not understand the question, or the answer was none.
    Protocol,
    /// It has said nothing for so long that it is no longer asked.
    Silent,
    /// It is gone.
    Gone(io::Error),
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(path, error) => {
                let shown = path.display();
                write!(f, "no simulator at {shown}: {error}")?;
                let cure = match error.kind() {
                    io::ErrorKind::PermissionDenied => "it is its user's to allow that",
                    io::ErrorKind::NotFound => return write!(f, "; {START} {shown}`"),
                    io::ErrorKind::ConnectionRefused if place::is_socket(path) => {
                        return write!(f, "; {START} {shown}`");
                    }
                    _ => "name the socket of an etsec-simd",
                };
                write!(f, "; {cure}")
            }
            Self::Silent => {
                f.write_str("the simulator does not answer; is it stopped (`kill -CONT`)?")
            }
            Self::Version => f.write_str("the simulator is of another version; restart it"),
            Self::Owned { pid } => {
                write!(f, "the simulated device is in use by process {pid}; stop that one first")
            }
            Self::NotOwner => f.write_str("only the owner of the simulated device may do that"),
            Self::NoMemory => f.write_str("the simulator has no room for that memory"),
            Self::Protocol => {
                f.write_str("the simulator and this program do not understand each other")
            }
            Self::Gone(error) => {
                write!(f, "the simulator is gone: {error}; start etsec-simd again")
            }
        }
    }
}

impl std::error::Error for RemoteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect(_, error) | Self::Gone(error) => Some(error),
            _ => None,
        }
    }
}

/// What connecting gives.
#[derive(Debug)]
pub struct Connection {
    /// The connection.
    pub client: Client,
    /// An owner's event descriptors.
    pub events: Vec<OwnedFd>,
    /// The process that owns the device.
    pub owner: Option<u32>,
}

/// Memory that a model in another process keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// The process that had it last.
    pub pid: u32,
    /// Where the device finds it.
    pub bus: BusAddr,
    /// Bytes.
    pub len: u64,
}

/// A connection to a model in another process. Clones share it.
#[derive(Clone)]
pub struct Client {
    /// One question at a time.
    socket: Arc<Mutex<OwnedFd>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// Connects to the simulator that listens at `path`. An owner gets an event descriptor for each
    /// line, transmit, receive and error of the first interrupt group and of the second, which
    /// rings as UIO does: once, until the line is [enabled](Client::enable) again. All lines are
    /// enabled at first.
    ///
    /// # Errors
    /// [`RemoteError::Connect`], [`RemoteError::Version`], [`RemoteError::Owned`].
    pub fn connect(path: &Path, role: Role) -> Result<Connection, RemoteError> {
        let not = |error: io::Error| RemoteError::Connect(path.into(), error);
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(|error| not(error.into()))?;
        let address = SocketAddrUnix::new(path).map_err(|error| not(error.into()))?;
        for side in [Timeout::Recv, Timeout::Send] {
            set_socket_timeout(&socket, side, Some(PATIENCE)).map_err(|error| not(error.into()))?;
        }
        connect(&socket, &address).map_err(|error| not(error.into()))?;
        let client = Client { socket: Arc::new(Mutex::new(socket)) };
        let at = u16::from(role == Role::Owner);
        let (reply, events) =
            client.ask(Request { at, value: VERSION, ..Request::new(Op::Hello) }, &[])?;
        let owner = (reply.value != 0).then_some(reply.value);
        match (role, events.len()) {
            (Role::Owner, LINES) | (Role::Observer, 0) => Ok(Connection { client, events, owner }),
            _ => Err(RemoteError::Protocol),
        }
    }

    /// The group 0 register page.
    #[must_use]
    pub fn bus(&self) -> RemoteBus {
        RemoteBus { client: self.clone(), page: 0 }
    }

    /// The page of the second interrupt group.
    #[must_use]
    pub fn second_bus(&self) -> RemoteBus {
        RemoteBus { client: self.clone(), page: 1 }
    }

    /// The separate MDIO page.
    #[must_use]
    pub fn mdio_bus(&self) -> RemoteBus {
        RemoteBus { client: self.clone(), page: 2 }
    }

    /// Lets a line ring again, of the first interrupt group or the second; if it is high, it rings
    /// at once.
    ///
    /// # Errors
    /// [`RemoteError::Gone`], [`RemoteError::NotOwner`].
    pub fn enable(&self, second: bool, line: Line) -> Result<(), RemoteError> {
        let at = line as u16 + if second { 3 } else { 0 };
        self.ask(Request { at, ..Request::new(Op::Enable) }, &[]).map(drop)
    }

    /// New memory of `len` bytes, at bus address `bus` if there is a wish. What owners before have
    /// left is given up: the device must have been stopped.
    ///
    /// # Errors
    /// [`RemoteError::NoMemory`], [`RemoteError::NotOwner`], [`RemoteError::Gone`].
    pub fn map(&self, len: usize, bus: Option<u64>) -> Result<RemoteRegion, RemoteError> {
        let (len, bus) = (len as u64, bus.unwrap_or(0));
        let reply = self.ask(Request { len, bus, ..Request::new(Op::Map) }, &[])?;
        self.region(reply)
    }

    /// The memory that the owner before has left, as it is; `None` if there is none.
    ///
    /// # Errors
    /// [`RemoteError::NotOwner`], [`RemoteError::Gone`].
    pub fn adopt(&self) -> Result<Option<RemoteRegion>, RemoteError> {
        match self.ask(Request::new(Op::Adopt), &[]) {
            Ok(reply) => self.region(reply).map(Some),
            Err(RemoteError::NoMemory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same to look at, as long as nobody takes it over or puts other memory in its place: it
    /// stays what that owner has left.
    ///
    /// # Errors
    /// As [`Client::adopt`].
    pub fn look(&self) -> Result<Option<RemoteRegion>, RemoteError> {
        match self.ask(Request::new(Op::Look), &[]) {
            Ok(reply) => self.region(reply).map(|region| Some(region.looked_at())),
            Err(RemoteError::NoMemory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What memory there is, whoever has or had it; `None` if there is none.
    ///
    /// # Errors
    /// [`RemoteError::Gone`].
    pub fn left(&self) -> Result<Option<Left>, RemoteError> {
        let Reply { value: pid, bus, len, .. } = match self.ask(Request::new(Op::Left), &[]) {
            Ok((reply, _)) => reply,
            Err(RemoteError::NoMemory) => return Ok(None),
            Err(error) => return Err(error),
        };
        let bus = BusAddr::new(bus).ok_or(RemoteError::Protocol)?;
        Ok(Some(Left { pid, bus, len }))
    }

    /// How many violations the model's sanitizer has found.
    ///
    /// # Errors
    /// [`RemoteError::Gone`].
    pub fn violations(&self) -> Result<u32, RemoteError> {
        self.ask(Request::new(Op::Violations), &[]).map(|(reply, _)| reply.value)
    }

    pub(super) fn unmap(&self) -> Result<(), RemoteError> {
        self.ask(Request::new(Op::Unmap), &[]).map(drop)
    }

    /// Lets the device reach memory of another one, at the bus addresses it has there.
    ///
    /// # Errors
    /// [`RemoteError::NoMemory`] if something is there already; [`RemoteError::NotOwner`],
    /// [`RemoteError::Gone`].
    pub fn reach(&self, memory: &Shared) -> Result<(), RemoteError> {
        let Shared { file, bus, len } = memory;
        let request = Request { bus: *bus, len: *len, ..Request::new(Op::Reach) };
        self.ask(request, &[file.as_fd()]).map(drop)
    }

    fn region(&self, reply: (Reply, Vec<OwnedFd>)) -> Result<RemoteRegion, RemoteError> {
        let (Reply { bus, len, .. }, mut fds) = reply;
        let (Some(fd), true) = (fds.pop(), fds.is_empty()) else {
            return Err(RemoteError::Protocol);
        };
        RemoteRegion::map(self.clone(), fd, bus, len).map_err(RemoteError::Gone)
    }

    fn ask(
        &self,
        request: Request,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(Reply, Vec<OwnedFd>), RemoteError> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                // Its answer, if it comes, would be taken for that to the next question.
                let _ = shutdown(&*socket, Shutdown::Both);
                RemoteError::Silent
            }
            _ => RemoteError::Gone(error),
        };
        message::send_request(&*socket, request, fds).map_err(failed)?;
        let packet = message::receive_reply(&*socket).map_err(failed)?;
        let Some(Packet { message, fds }) = packet else {
            return Err(RemoteError::Gone(io::ErrorKind::UnexpectedEof.into()));
        };
        let reply = message.ok_or(RemoteError::Protocol)?;
        match reply.status {
            Status::Done => Ok((reply, fds)),
            Status::Wrong => Err(RemoteError::Protocol),
            Status::Version => Err(RemoteError::Version),
            Status::Owned => Err(RemoteError::Owned { pid: reply.value }),
            Status::NotOwner => Err(RemoteError::NotOwner),
            Status::NoMemory => Err(RemoteError::NoMemory),
        }
    }
}

/// A register page of a model in another process.
#[derive(Debug, Clone)]
pub struct RemoteBus {
    client: Client,
    page: u8,
}

impl Bus for RemoteBus {
    fn read(&self, at: u16) -> u32 {
        let request = Request { page: self.page, at, ..Request::new(Op::Read) };
        // All ones is what a bus gives for a device that is gone.
        self.client.ask(request, &[]).map_or(u32::MAX, |(reply, _)| reply.value)
    }

    fn write(&self, at: u16, value: u32) {
        let request = Request { page: self.page, at, value, ..Request::new(Op::Write) };
        // Nor does a device that is gone say so when it is written to.
        let _ = self.client.ask(request, &[]);
    }

    fn publish(&self) {
        fence(Ordering::SeqCst);
        let _ = self.client.ask(Request::new(Op::Publish), &[]);
    }

    fn observe(&self) {
        fence(Ordering::Acquire);
    }
}
