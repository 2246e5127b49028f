//! A packet socket with mapped rings. It knows the calls, and nothing of what is in the rings.

use std::io::{Error, ErrorKind, Result as IoResult};
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{NonNull, null, null_mut};

use anyhow::{Context, Result};
use libc::{c_int, c_short, socklen_t, tpacket_req3};

use crate::area::Area;

/// A ring that a socket can have.
#[derive(Debug, Clone, Copy)]
pub struct Ring {
    /// The socket option that makes it.
    pub option: c_int,
    /// Its shape.
    pub shape: tpacket_req3,
}

impl Ring {
    /// Bytes of it.
    pub fn len(&self) -> usize {
        (self.shape.tp_block_size * self.shape.tp_block_nr) as usize
    }
}

/// A packet socket.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl Socket {
    /// A socket that gets nothing yet.
    pub fn open() -> Result<Self> {
        // SAFETY: no memory is involved.
        let fd = check(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0) });
        // SAFETY: the call succeeded, so the descriptor is open and nobody else's.
        let socket = Self(unsafe { OwnedFd::from_raw_fd(fd.context("no packet socket")?) });
        let version = libc::tpacket_versions::TPACKET_V3 as c_int;
        socket.set(libc::PACKET_VERSION, &version).context("no rings of version 3")?;
        Ok(socket)
    }

    /// Frames that are sent go to the driver without a queueing discipline.
    pub fn bypass_queueing(&self) -> Result<()> {
        self.set(libc::PACKET_QDISC_BYPASS, &1).context("queueing cannot be bypassed")
    }

    /// Makes and maps rings, one behind the other.
    pub fn rings(&self, rings: &[Ring]) -> Result<Area> {
        for ring in rings {
            self.set(ring.option, &ring.shape).context("the kernel makes no such ring")?;
        }
        let len = rings.iter().map(Ring::len).sum();
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        // SAFETY: a new mapping takes nothing away from anybody.
        let at = unsafe { libc::mmap(null_mut(), len, access, flags, self.0.as_raw_fd(), 0) };
        let at = if at == libc::MAP_FAILED { None } else { NonNull::new(at.cast()) };
        let at = at.ok_or_else(Error::last_os_error).context("the rings cannot be mapped")?;
        // SAFETY: just mapped, with that length, and never unmapped.
        Ok(unsafe { Area::new(at, len) })
    }

    /// Ties the socket to an interface. Frames of `ethertype` are received from then on, if it is
    /// given.
    pub fn bind(&self, index: c_int, ethertype: Option<u16>) -> Result<()> {
        // SAFETY: all zeros are a value of this plain structure.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex = index;
        address.sll_protocol = ethertype.unwrap_or(0).to_be();
        let len = size_of::<libc::sockaddr_ll>() as socklen_t;
        // SAFETY: the address is valid for that length during the call.
        check(unsafe { libc::bind(self.0.as_raw_fd(), (&raw const address).cast(), len) })
            .context("the socket cannot be bound")
            .map(drop)
    }

    /// Waits until frames were received.
    pub fn wait(&self) -> Result<()> {
        self.poll(libc::POLLIN)
    }

    fn poll(&self, events: c_short) -> Result<()> {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events, revents: 0 };
        // SAFETY: one structure, valid during the call.
        check(unsafe { libc::poll(&raw mut poll, 1, -1) }).context("cannot wait").map(drop)
    }

    /// Has the kernel send what is in the ring, without waiting until it was sent; only for room to
    /// do so, if that is short.
    pub fn kick(&self) -> Result<()> {
        loop {
            // SAFETY: no bytes are given: the ring has them.
            let sent = unsafe { libc::send(self.0.as_raw_fd(), null(), 0, libc::MSG_DONTWAIT) };
            match check(sent as c_int) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.poll(libc::POLLOUT)?,
                sent => return sent.context("the kernel does not send").map(drop),
            }
        }
    }

    fn set<T>(&self, option: c_int, value: &T) -> IoResult<()> {
        let (at, len) = ((&raw const *value).cast(), size_of::<T>() as socklen_t);
        // SAFETY: the value is valid for that length during the call.
        let set =
            unsafe { libc::setsockopt(self.0.as_raw_fd(), libc::SOL_PACKET, option, at, len) };
        check(set).map(drop)
    }
}

/// The result of a call, or why it failed.
pub fn check(result: c_int) -> IoResult<c_int> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
}
