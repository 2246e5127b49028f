//! Our end of an eTSEC's wire: frames as UDP datagrams on the loopback interface. It neither makes
//! frames nor understands them.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::machine::Netdev;
use crate::interrupt;
use crate::run::POLL;

/// More than any frame.
const FRAME_BYTES: usize = 16384;

/// A wire with one end free.
#[derive(Debug)]
pub struct Wire {
    socket: UdpSocket,
    frame: Vec<u8>,
}

impl Wire {
    /// A wire, and the other end's description for QEMU.
    ///
    /// # Errors
    /// Where the loopback interface gives no two ports.
    pub fn new() -> Result<(Self, Netdev)> {
        let open = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
        let socket = open().context("no UDP port on the loopback interface")?;
        // QEMU binds its port itself: one that is free now. Should somebody take it within the next
        // moment, QEMU says so and ends.
        let theirs = open().and_then(|other| other.local_addr()).context("no second UDP port")?;
        socket.connect(theirs)?;
        socket.set_nonblocking(true)?;
        let netdev = Netdev::Datagrams(theirs.port(), socket.local_addr()?.port());
        Ok((Self { socket, frame: vec![0; FRAME_BYTES] }, netdev))
    }

    /// The same end once more, for another thread: who receives a frame has it alone.
    ///
    /// # Errors
    /// Where there are no more descriptors.
    pub fn another(&self) -> Result<Self> {
        let socket = self.socket.try_clone().context("a second hand at a wire")?;
        Ok(Self { socket, frame: vec![0; FRAME_BYTES] })
    }

    /// Sends a frame; false when it was lost at once, for want of room or of a machine.
    ///
    /// # Errors
    /// Any other failure of the socket.
    pub fn send(&self, frame: &[u8]) -> Result<bool> {
        match self.socket.send(frame) {
            Ok(_) => Ok(true),
            Err(error) if lost(error.kind()) => Ok(false),
            Err(error) => Err(error).context("cannot send to the machine"),
        }
    }

    /// The next frame; none when none came in time.
    ///
    /// # Errors
    /// A failure of the socket; Ctrl-C.
    pub fn receive(&mut self, limit: Duration) -> Result<Option<&[u8]>> {
        let started = Instant::now();
        let len = loop {
            match self.socket.recv(&mut self.frame) {
                Ok(len) => break len,
                Err(error) if lost(error.kind()) => {}
                Err(error) => return Err(error).context("cannot receive from the machine"),
            }
            interrupt::check()?;
            let left = limit.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            let pause = Timespec::try_from(left.min(POLL)).context("too long a wait")?;
            match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&pause)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("cannot wait for the machine"),
            }
        };
        Ok(Some(&self.frame[..len]))
    }
}

/// Whether it means no more than that nothing passed: nobody there (yet), no room, nothing there.
fn lost(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_pass_both_ways_and_none_in_time_is_none() {
        let (mut wire, netdev) = Wire::new().expect("a wire");
        let Netdev::Datagrams(theirs, ours) = netdev else { panic!("datagrams") };
        assert!(wire.send(b"lost").is_ok(), "nobody there is no error");
        let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, theirs)).expect("the far end");
        far.connect((Ipv4Addr::LOCALHOST, ours)).expect("connected");
        // The refusal of the first datagram may still be reported once.
        assert!((0..2).any(|_| wire.send(b"ping").expect("sent")));
        let mut got = [0; 16];
        assert_eq!(far.recv(&mut got).expect("received"), 4);
        far.send(b"pong").expect("sent");
        let limit = Duration::from_secs(20);
        assert_eq!(wire.receive(limit).expect("works"), Some(&b"pong"[..]));
        assert_eq!(wire.receive(Duration::from_millis(20)).expect("works"), None);
    }
}
