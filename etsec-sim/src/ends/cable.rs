//! A cable between two wires of one process.
//!
//! It loses nothing and takes no time; for a bad one see [`crate::cable::Cable`].

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use crate::ends::{Wire, WireError};

/// One end of a cable whose other end is in the same process.
///
/// Frames nobody has received wait, without a limit.
#[derive(Debug)]
pub struct CableEnd {
    sender: Sender<Vec<u8>>,
    receiver: Receiver<Vec<u8>>,
    /// A byte in it is what makes the other end's descriptor readable.
    bell: UnixStream,
    /// Whether there is a byte for the other end, or for this one.
    rung: [Arc<AtomicBool>; 2],
    unplugged: bool,
}

/// The two ends of a new cable.
///
/// # Errors
/// The system has no more file descriptors.
pub fn cable() -> io::Result<(CableEnd, CableEnd)> {
    let (to_b, from_a) = channel();
    let (to_a, from_b) = channel();
    let (bell_a, bell_b) = UnixStream::pair()?;
    bell_a.set_nonblocking(true)?;
    bell_b.set_nonblocking(true)?;
    let (for_a, for_b) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let end =
        |sender, receiver, bell, rung| CableEnd { sender, receiver, bell, rung, unplugged: false };
    let a = end(to_b, from_b, bell_a, [Arc::clone(&for_b), Arc::clone(&for_a)]);
    let b = end(to_a, from_a, bell_b, [for_a, for_b]);
    Ok((a, b))
}

impl CableEnd {
    /// Notes that the other end is gone, which is an error once.
    fn unplug(&mut self) -> Result<(), WireError> {
        if std::mem::replace(&mut self.unplugged, true) {
            return Ok(());
        }
        Err(WireError::Unplugged)
    }

    /// Takes the byte out of the bell. Whoever rings from now on rings anew.
    fn silence(&mut self) {
        let _ = self.bell.read(&mut [0; 8]);
        self.rung[1].swap(false, Ordering::AcqRel);
    }
}

impl Wire for CableEnd {
    fn send(&mut self, frame: &[u8]) -> Result<(), WireError> {
        if self.sender.send(frame.to_vec()).is_err() {
            return self.unplug();
        }
        if !self.rung[0].swap(true, Ordering::AcqRel) {
            // It fails only if the other end is going, which the next frame will tell.
            let _ = self.bell.write(&[1]);
        }
        Ok(())
    }

    fn receive(&mut self, frame: &mut Vec<u8>) -> Result<bool, WireError> {
        let mut next = self.receiver.try_recv();
        if next == Err(TryRecvError::Empty) {
            self.silence();
            // A frame sent before the bell fell silent did not ring it again.
            next = self.receiver.try_recv();
        }
        match next {
            Ok(next) => {
                *frame = next;
                Ok(true)
            }
            Err(TryRecvError::Empty) => Ok(false),
            Err(TryRecvError::Disconnected) => self.unplug().map(|()| false),
        }
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        // Without an other end it is readable for ever.
        (!self.unplugged).then(|| self.bell.as_fd())
    }

    fn ended(&self) -> bool {
        self.unplugged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cable_carries_both_ways_and_tells_once_when_it_is_unplugged() {
        let (mut a, mut b) = cable().unwrap();
        let mut frame = vec![9; 3];
        assert!(!b.receive(&mut frame).unwrap());
        a.send(&[1]).unwrap();
        a.send(&[2, 2]).unwrap();
        b.send(&[3]).unwrap();
        assert!(b.receive(&mut frame).unwrap());
        assert_eq!(frame, [1]);
        drop(a);
        assert!(b.receive(&mut frame).unwrap(), "what is on the cable still arrives");
        assert_eq!(frame, [2, 2]);
        assert!(matches!(b.receive(&mut frame), Err(WireError::Unplugged)));
        assert!(!b.receive(&mut frame).unwrap());
        b.send(&[4]).unwrap();
        assert!(b.ended() && b.fd().is_none());
    }

    #[test]
    fn the_bell_rings_for_every_frame_that_finds_the_end_empty() {
        let (mut a, mut b) = cable().unwrap();
        let mut frame = Vec::new();
        for round in 0..1000u32 {
            for _ in 0..round % 4 {
                a.send(&round.to_be_bytes()).unwrap();
            }
            let mut byte = [0];
            let readable = (&b.bell).read(&mut byte).is_ok();
            assert_eq!(readable, round % 4 > 0, "{round}");
            while b.receive(&mut frame).unwrap() {
                assert_eq!(frame, round.to_be_bytes());
            }
        }
    }
}
