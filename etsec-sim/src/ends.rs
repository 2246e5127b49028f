//! Ends of the wire: whatever takes the frames a model sends and supplies those it receives.
//!
//! Frames here are the octets from DA to payload, without FCS. An end knows no model; `runner.rs`
//! moves frames between the two.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

#[cfg(feature = "pcap")]
mod pcap;
#[cfg(feature = "pcap")]
pub use pcap::PcapWire;

/// One end of a wire.
pub trait Wire {
    /// Sends a frame. An end that is full at the moment drops it, as a wire would.
    ///
    /// # Errors
    /// The end is gone or has failed for good.
    fn send(&mut self, frame: &[u8]) -> Result<(), WireError>;

    /// Puts the next frame that has arrived into `frame`, whose content is replaced; `false` if
    /// there is none at the moment. It never waits.
    ///
    /// # Errors
    /// The end is gone or has failed for good. A condition is reported once and not again.
    fn receive(&mut self, frame: &mut Vec<u8>) -> Result<bool, WireError>;

    /// What becomes readable when a frame arrives; `None`: the end has to be asked.
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Whether no frame will ever arrive again, as at the end of a capture file.
    fn ended(&self) -> bool {
        false
    }
}

/// Why a wire has failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum WireError {
    /// The other end of a cable in this process is gone.
    Unplugged,
    /// A capture file.
    #[cfg(feature = "pcap")]
    Capture(crate::capture::CaptureError),
    /// A TAP device.
    #[cfg(feature = "tap")]
    Tap(crate::tap::TapError),
    /// Anything else an end may be made of.
    Io(std::io::Error),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::Unplugged => f.write_str("the other end of the cable is gone"),
            #[cfg(feature = "pcap")]
            WireError::Capture(error) => error.fmt(f),
            #[cfg(feature = "tap")]
            WireError::Tap(error) => error.fmt(f),
            WireError::Io(error) => write!(f, "the wire has failed: {error}"),
        }
    }
}

impl std::error::Error for WireError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            WireError::Unplugged => None,
            #[cfg(feature = "pcap")]
            WireError::Capture(error) => error.source(),
            #[cfg(feature = "tap")]
            WireError::Tap(error) => error.source(),
            WireError::Io(error) => Some(error),
        }
    }
}

#[cfg(feature = "pcap")]
impl From<crate::capture::CaptureError> for WireError {
    fn from(error: crate::capture::CaptureError) -> Self {
        WireError::Capture(error)
    }
}

#[cfg(feature = "tap")]
impl From<crate::tap::TapError> for WireError {
    fn from(error: crate::tap::TapError) -> Self {
        WireError::Tap(error)
    }
}

/// A wire that leads nowhere: nothing arrives, what is sent vanishes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Null;

impl Wire for Null {
    fn send(&mut self, _frame: &[u8]) -> Result<(), WireError> {
        Ok(())
    }

    fn receive(&mut self, _frame: &mut Vec<u8>) -> Result<bool, WireError> {
        Ok(false)
    }

    fn ended(&self) -> bool {
        true
    }
}

/// One end of a cable whose other end is in the same process.
///
/// It loses nothing and takes no time; for a bad one see [`crate::cable::Cable`]. What has not been
/// received waits, without a limit.
#[derive(Debug)]
pub struct CableEnd {
    sender: Sender<Vec<u8>>,
    receiver: Receiver<Vec<u8>>,
    unplugged: bool,
}

/// The two ends of a new cable.
#[must_use]
pub fn cable() -> (CableEnd, CableEnd) {
    let (to_b, from_a) = channel();
    let (to_a, from_b) = channel();
    let a = CableEnd { sender: to_b, receiver: from_b, unplugged: false };
    let b = CableEnd { sender: to_a, receiver: from_a, unplugged: false };
    (a, b)
}

impl CableEnd {
    fn unplug(&mut self) -> Result<(), WireError> {
        if std::mem::replace(&mut self.unplugged, true) {
            return Ok(());
        }
        Err(WireError::Unplugged)
    }
}

impl Wire for CableEnd {
    fn send(&mut self, frame: &[u8]) -> Result<(), WireError> {
        match self.sender.send(frame.to_vec()) {
            Ok(()) => Ok(()),
            Err(_) => self.unplug(),
        }
    }

    fn receive(&mut self, frame: &mut Vec<u8>) -> Result<bool, WireError> {
        match self.receiver.try_recv() {
            Ok(next) => {
                *frame = next;
                Ok(true)
            }
            Err(TryRecvError::Empty) => Ok(false),
            Err(TryRecvError::Disconnected) => self.unplug().map(|()| false),
        }
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
        let (mut a, mut b) = cable();
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
        assert!(b.ended());
    }

    #[test]
    fn nothing_comes_out_of_null() {
        let mut frame = Vec::new();
        Null.send(&[1]).unwrap();
        assert!(!Null.receive(&mut frame).unwrap());
    }
}
