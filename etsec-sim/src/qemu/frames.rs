//! The wire: a pair of sockets, one datagram a frame. One end is ours, the other QEMU's; of the
//! latter we keep a duplicate, to see what QEMU has not taken yet.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::io::ioctl_fionread;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};

use super::QemuError;

/// More than any frame.
const FRAME_BYTES: usize = 0x1_0000;
/// Room for the longest bursts of a test; what the system gives may be less.
const BUFFER_BYTES: usize = 1 << 20;

/// Our end.
#[derive(Debug)]
pub(super) struct Frames {
    ours: UnixDatagram,
    theirs: UnixDatagram,
    given: AtomicUsize,
    /// Where a frame is put whose length is not known yet.
    scratch: Mutex<Box<[u8]>>,
}

impl Frames {
    /// Our end, and QEMU's.
    pub(super) fn new() -> Result<(Frames, OwnedFd), QemuError> {
        let refused = |why| QemuError::System { what: "pair of sockets", why };
        let pair = || -> io::Result<_> {
            let (ours, theirs) = UnixDatagram::pair()?;
            ours.set_nonblocking(true)?;
            for end in [&ours, &theirs] {
                set_socket_send_buffer_size(end, BUFFER_BYTES)?;
                set_socket_recv_buffer_size(end, BUFFER_BYTES)?;
            }
            let copy = theirs.try_clone()?;
            let scratch = Mutex::new(vec![0; FRAME_BYTES].into_boxed_slice());
            let given = AtomicUsize::new(0);
            Ok((Frames { ours, theirs: copy, given, scratch }, OwnedFd::from(theirs)))
        };
        pair().map_err(refused)
    }

    /// Sends a frame; `false` if there is no room.
    pub(super) fn send(&self, frame: &[u8]) -> bool {
        loop {
            match self.ours.send(frame) {
                Ok(_) => {
                    self.given.fetch_add(1, Ordering::Relaxed);
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }

    /// Frames sent since the last time QEMU had taken all.
    pub(super) fn given(&self) -> usize {
        self.given.load(Ordering::Relaxed)
    }

    pub(super) fn forget_given(&self) {
        self.given.store(0, Ordering::Relaxed);
    }

    /// Whether QEMU has taken all frames.
    pub(super) fn are_taken(&self) -> bool {
        // An empty frame would look the same; there is none.
        ioctl_fionread(&self.theirs).is_ok_and(|waiting| waiting == 0)
    }

    /// The next frame from QEMU.
    pub(super) fn receive(&self) -> Option<Vec<u8>> {
        let mut frame = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match self.ours.recv(&mut frame) {
                Ok(len) => return Some(frame[..len].to_vec()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_taken_is_seen() {
        let (frames, theirs) = Frames::new().expect("sockets");
        let theirs = UnixDatagram::from(theirs);
        assert!(frames.are_taken() && frames.receive().is_none());
        assert!(frames.send(b"one") && frames.send(b"two"));
        assert_eq!((frames.given(), frames.are_taken()), (2, false));
        let mut taken = [0; 8];
        assert_eq!(theirs.recv(&mut taken).expect("a frame"), 3);
        assert!(!frames.are_taken());
        assert_eq!(theirs.recv(&mut taken).expect("a frame"), 3);
        assert!(frames.are_taken());
        theirs.send(b"back").expect("sent");
        assert_eq!(frames.receive().as_deref(), Some(&b"back"[..]));
    }

    #[test]
    fn a_wire_that_nobody_empties_is_full_some_time() {
        let (frames, _theirs) = Frames::new().expect("sockets");
        assert!((0..1_000_000).any(|_| !frames.send(&[0; 1500])));
    }
}
