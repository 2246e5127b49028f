//! Ends of the wire: whatever takes the frames a model sends and supplies those it receives.
//!
//! Frames here are the octets from DA to payload, without FCS. An end knows no model; `runner.rs`
//! moves frames between the two.

use std::fmt;
use std::os::fd::BorrowedFd;

mod cable;
#[cfg(feature = "pcap")]
mod pcap;
#[cfg(feature = "runner")]
mod socket;

pub use cable::{CableEnd, cable};
#[cfg(feature = "pcap")]
pub use pcap::PcapWire;
#[cfg(feature = "runner")]
pub use socket::SocketWire;

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

    /// Whether its frames wait while the receiver is off, as in a file, or are lost, as on a cable.
    fn waits(&self) -> bool {
        false
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_out_of_null() {
        let mut frame = Vec::new();
        Null.send(&[1]).unwrap();
        assert!(!Null.receive(&mut frame).unwrap());
    }
}
