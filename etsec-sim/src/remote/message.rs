//! What is said between the model's process and its clients, and how it travels: one packet a
//! request, one a reply, file descriptors beside them.
//!
//! It knows sizes and numbers, and refuses what is not one of them. What a request does is the
//! session's business.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Both sides must have the same.
pub(super) const VERSION: u32 = 3;
/// Interrupt lines: those of the first group, then those of the second (HW 9.4).
pub(super) const LINES: usize = 6;
/// Most descriptors beside a message: an event for each line.
const MOST_FDS: usize = LINES;

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Op {
    /// Who it is: `value` is its version, `at` 1 for the owner. Comes first, and once. The reply
    /// has the owner's process, and, to an owner, its event descriptors.
    Hello = 1,
    /// The register at `at` of `page`.
    Read = 2,
    /// `value` into the register at `at` of `page`.
    Write = 3,
    /// Everything stored so far is the device's to see.
    Publish = 4,
    /// Interrupt line `at`, of [`LINES`], may ring again.
    Enable = 5,
    /// Memory of `len` bytes at bus address `bus`, or anywhere for 0, in the place of all there
    /// was.
    Map = 6,
    /// The memory that an owner before has left.
    Adopt = 7,
    /// The memory is no longer used.
    Unmap = 8,
    /// The memory in the descriptor beside it, of another device, at bus address `bus`.
    Reach = 9,
    /// How many violations there were; they stay for the server to tell.
    Violations = 10,
    /// Where the memory is, and the process that asked for it.
    Left = 11,
    /// The same memory as for [`Op::Adopt`], which stays that of the owner before.
    Look = 12,
}

impl Op {
    const ALL: [Op; 12] = [
        Op::Hello,
        Op::Read,
        Op::Write,
        Op::Publish,
        Op::Enable,
        Op::Map,
        Op::Adopt,
        Op::Unmap,
        Op::Reach,
        Op::Violations,
        Op::Left,
        Op::Look,
    ];
}

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub op: Op,
    pub page: u8,
    pub at: u16,
    pub value: u32,
    pub bus: u64,
    pub len: u64,
}

impl Request {
    pub(super) const BYTES: usize = 24;

    /// A question with nothing beside its kind.
    pub(super) fn new(op: Op) -> Request {
        Request { op, page: 0, at: 0, value: 0, bus: 0, len: 0 }
    }

    fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        (bytes[0], bytes[1]) = (self.op as u8, self.page);
        bytes[2..4].copy_from_slice(&self.at.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.value.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.bus.to_be_bytes());
        bytes[16..].copy_from_slice(&self.len.to_be_bytes());
        bytes
    }

    /// `None`: nothing this version knows.
    fn decode(bytes: &[u8; Self::BYTES]) -> Option<Request> {
        let [op, page, a0, a1, v0, v1, v2, v3, ..] = *bytes;
        let op = Op::ALL.into_iter().find(|known| *known as u8 == op)?;
        let long = |from: usize| bytes[from..].first_chunk().copied().map(u64::from_be_bytes);
        Some(Request {
            op,
            page,
            at: u16::from_be_bytes([a0, a1]),
            value: u32::from_be_bytes([v0, v1, v2, v3]),
            bus: long(8)?,
            len: long(16)?,
        })
    }
}

/// How a question was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Status {
    Done = 0,
    /// Not understood, or not at this point.
    Wrong = 1,
    /// Another version.
    Version = 2,
    /// Somebody else owns the device; `value` is their process.
    Owned = 3,
    /// It is the owner's to ask.
    NotOwner = 4,
    /// There is no such memory, or no room for it.
    NoMemory = 5,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reply {
    pub status: Status,
    pub value: u32,
    pub bus: u64,
    pub len: u64,
}

impl Reply {
    pub(super) const BYTES: usize = 24;

    pub(super) fn new(status: Status) -> Reply {
        Reply { status, value: 0, bus: 0, len: 0 }
    }

    pub(super) fn value(value: u32) -> Reply {
        Reply { value, ..Reply::new(Status::Done) }
    }

    fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&(self.status as u32).to_be_bytes());
        bytes[4..8].copy_from_slice(&self.value.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.bus.to_be_bytes());
        bytes[16..].copy_from_slice(&self.len.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8; Self::BYTES]) -> Option<Reply> {
        use Status::*;
        let word = |from: usize| bytes[from..].first_chunk().copied().map(u32::from_be_bytes);
        let long = |from: usize| bytes[from..].first_chunk().copied().map(u64::from_be_bytes);
        let status = word(0)?;
        let all = [Done, Wrong, Version, Owned, NotOwner, NoMemory];
        let status = all.into_iter().find(|known| *known as u32 == status)?;
        Some(Reply { status, value: word(4)?, bus: long(8)?, len: long(16)? })
    }
}

/// A packet as it came: a message, or something else.
#[derive(Debug)]
pub(super) struct Packet<T> {
    /// `None`: what came is none.
    pub message: Option<T>,
    pub fds: Vec<OwnedFd>,
}

pub(super) fn send_request(
    socket: impl AsFd,
    request: Request,
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    send(socket, &request.encode(), fds)
}

pub(super) fn send_reply(
    socket: impl AsFd,
    reply: Reply,
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    send(socket, &reply.encode(), fds)
}

/// The next question; `None` at the end.
pub(super) fn receive_request(socket: impl AsFd) -> io::Result<Option<Packet<Request>>> {
    receive(socket, Request::decode)
}

/// The next answer; `None` at the end.
pub(super) fn receive_reply(socket: impl AsFd) -> io::Result<Option<Packet<Reply>>> {
    receive(socket, Reply::decode)
}

fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("too many descriptors for one message"));
    }
    loop {
        match sendmsg(&socket, &[IoSlice::new(bytes)], &mut beside, SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn receive<T, const N: usize>(
    socket: impl AsFd,
    decode: impl Fn(&[u8; N]) -> Option<T>,
) -> io::Result<Option<Packet<T>>> {
    // One byte more than a message has: a longer packet is none.
    let mut bytes = [0; 32];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let length = loop {
        let into = &mut [IoSliceMut::new(&mut bytes)];
        match recvmsg(&socket, into, &mut beside, RecvFlags::CMSG_CLOEXEC) {
            Ok(received) => break received.bytes,
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    };
    let mut fds = Vec::new();
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    if length == 0 {
        return Ok(None);
    }
    let whole = if length == N { bytes.first_chunk() } else { None };
    Ok(Some(Packet { message: whole.and_then(decode), fds }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_as_they_went_in() {
        for op in Op::ALL {
            let request = Request { op, page: 2, at: 0x504, value: 7, bus: 1 << 35, len: 1 << 20 };
            assert_eq!(Request::decode(&request.encode()), Some(request));
        }
        let reply = Reply { status: Status::Owned, value: 4711, bus: 1 << 35, len: 3 };
        assert_eq!(Reply::decode(&reply.encode()), Some(reply));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let mut bytes = Request::new(Op::Read).encode();
        for op in [0, Op::ALL.len() as u8 + 1, 255] {
            bytes[0] = op;
            assert_eq!(Request::decode(&bytes), None);
        }
        assert_eq!(Reply::decode(&[0xFF; Reply::BYTES]), None);
    }
}
