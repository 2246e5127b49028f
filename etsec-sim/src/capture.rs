//! Capture files, pcap and pcapng, as sources and sinks of frames (feature `pcap`).
//!
//! The formats are pcap-file's business. This file adds what a wire needs: either format from its
//! first bytes, a position in every error, and no panic on any bytes. It knows no controller.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use reader::CaptureReader;
pub use writer::CaptureWriter;

/// A frame from a capture file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedFrame {
    /// Time since 1970; 0 where the file says none.
    pub timestamp: Duration,
    /// The octets captured, without FCS.
    pub data: Vec<u8>,
    /// How long the frame was on the wire; more than `data` holds if the capture cut it.
    pub original_len: usize,
}

/// What is wrong with a capture file.
#[derive(Debug)]
pub enum CaptureError {
    /// It cannot be opened, read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: "open", "create", "read" or "write".
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// It begins like neither a pcap nor a pcapng file.
    NotACapture {
        /// The file.
        path: PathBuf,
    },
    /// It does not hold Ethernet frames.
    LinkType {
        /// The file.
        path: PathBuf,
        /// The link type it names; Ethernet is 1.
        link_type: u32,
    },
    /// A record contradicts the format; nothing behind it is read.
    Broken {
        /// The file.
        path: PathBuf,
        /// Where the record begins, in bytes.
        offset: u64,
        /// What is wrong with it.
        why: String,
    },
    /// It ends in the middle of a record. All frames before were delivered.
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where the cut record begins, in bytes.
        offset: u64,
    },
    /// The name of a file to be written ends in neither `.pcap` nor `.pcapng`.
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// A frame that no capture file can hold.
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        len: usize,
    },
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CaptureError::Io { path, action, source } => {
                write!(f, "cannot {action} capture file {}: {source}", path.display())
            }
            CaptureError::NotACapture { path } => {
                write!(f, "{} is neither a pcap nor a pcapng file", path.display())
            }
            CaptureError::LinkType { path, link_type } => write!(
                f,
                "{} holds frames of link type {link_type}; only Ethernet (1) can be used",
                path.display()
            ),
            CaptureError::Broken { path, offset, why } => {
                write!(f, "{} is broken at byte {offset}: {why}", path.display())
            }
            CaptureError::Truncated { path, offset } => write!(
                f,
                "{} ends in the middle of the record at byte {offset}; the frames before are good",
                path.display()
            ),
            CaptureError::Extension { path } => write!(
                f,
                "cannot tell the format of {}: let its name end in .pcap or .pcapng",
                path.display()
            ),
            CaptureError::TooLong { path, len } => write!(
                f,
                "a frame of {len} bytes does not fit into {}: the limit is {}",
                path.display(),
                writer::FRAME_MAX
            ),
        }
    }
}

impl std::error::Error for CaptureError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CaptureError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
