//! One client's connection: what it asks for is checked, done and answered, one after the other.
//!
//! An observer may read registers, which changes nothing in an eTSEC but the latch of the 1588
//! time.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use etsec_core::Bus;
use rustix::net::sockopt::socket_peercred;

use super::message::{self, LINES, Op, Packet, Reply, Request, Status, VERSION};
use super::server::Hub;

/// What a reply takes along.
type Answer = (Reply, Vec<OwnedFd>);

/// Serves connection `number` to its end.
pub(super) fn serve(hub: &Hub, number: u64, socket: &OwnedFd) {
    let pid = socket_peercred(socket).map_or(0, |who| who.pid.as_raw_nonzero().get() as u32);
    let mut owner = None;
    while let Ok(Some(Packet { message, fds })) = message::receive_request(socket) {
        let (reply, beside) = match (message, owner) {
            (Some(Request { op: Op::Hello, at, value, .. }), None) => {
                let answer = hello(hub, number, pid, value, at == 1);
                owner = (answer.0.status == Status::Done).then_some(at == 1);
                answer
            }
            (Some(request), Some(owner)) if owner || may_look(request.op) => {
                answer(hub, pid, request, fds)
            }
            (Some(_), Some(_)) => bare(Status::NotOwner),
            _ => bare(Status::Wrong),
        };
        let beside: Vec<BorrowedFd<'_>> = beside.iter().map(AsFd::as_fd).collect();
        if message::send_reply(socket, reply, &beside).is_err() {
            return;
        }
    }
}

fn bare(status: Status) -> Answer {
    (Reply::new(status), Vec::new())
}

fn hello(hub: &Hub, number: u64, pid: u32, version: u32, owner: bool) -> Answer {
    if version != VERSION {
        return bare(Status::Version);
    }
    if !owner {
        return (Reply::value(hub.owner()), Vec::new());
    }
    match hub.own(number, pid) {
        Ok(events) => (Reply::value(pid), events.into()),
        Err((status, value)) => (Reply { value, ..Reply::new(status) }, Vec::new()),
    }
}

/// Whether an observer may ask for it.
fn may_look(op: Op) -> bool {
    matches!(op, Op::Read | Op::Violations | Op::Left)
}

fn answer(hub: &Hub, pid: u32, request: Request, mut fds: Vec<OwnedFd>) -> Answer {
    let Request { op, page, at, value, bus, len } = request;
    let memory = |found: Option<(OwnedFd, u64, u64)>| match found {
        Some((fd, bus, len)) => (Reply { bus, len, ..Reply::new(Status::Done) }, vec![fd]),
        None => bare(Status::NoMemory),
    };
    match op {
        Op::Hello => bare(Status::Wrong),
        Op::Read | Op::Write if !at.is_multiple_of(4) || at >= 4096 || page > 2 => {
            bare(Status::Wrong)
        }
        Op::Read => (Reply::value(read(hub, page, at)), Vec::new()),
        Op::Write => {
            write(hub, page, at, value);
            bare(Status::Done)
        }
        Op::Publish => {
            hub.runner.bus().publish();
            bare(Status::Done)
        }
        Op::Enable if usize::from(at) >= LINES => bare(Status::Wrong),
        Op::Enable => {
            hub.enable(usize::from(at));
            bare(Status::Done)
        }
        Op::Map => memory(hub.map(bus, len, pid)),
        Op::Adopt => memory(hub.adopt(pid)),
        Op::Look => memory(hub.look()),
        Op::Unmap => {
            hub.unmap();
            bare(Status::Done)
        }
        Op::Reach => match fds.pop().is_some_and(|fd| hub.reach(bus, len, fd)) {
            true => bare(Status::Done),
            false => bare(Status::NoMemory),
        },
        Op::Left => match hub.left() {
            Some((value, bus, len)) => (Reply { bus, len, ..Reply::value(value) }, Vec::new()),
            None => bare(Status::NoMemory),
        },
        Op::Violations => (Reply::value(hub.count_violations()), Vec::new()),
    }
}

fn read(hub: &Hub, page: u8, at: u16) -> u32 {
    match page {
        0 => hub.runner.bus().read(at),
        1 => hub.runner.second_bus().read(at),
        _ => hub.runner.mdio_bus().read(at),
    }
}

fn write(hub: &Hub, page: u8, at: u16, value: u32) {
    match page {
        0 => hub.runner.bus().write(at, value),
        1 => hub.runner.second_bus().write(at, value),
        _ => hub.runner.mdio_bus().write(at, value),
    }
}
