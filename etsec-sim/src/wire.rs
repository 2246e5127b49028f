//! What goes over the wire: frames with their check sequence, the queue of those that left, and how
//! long each takes.
//!
//! It knows no register and no descriptor.

use std::collections::VecDeque;

use crate::crc;

/// The four bytes after a frame's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fcs {
    /// The right check sequence, worked out when somebody looks.
    Right,
    /// These four bytes, in wire order.
    Given([u8; 4]),
}

impl Fcs {
    /// The four bytes that follow `data`.
    pub fn bytes(self, data: &[u8]) -> [u8; 4] {
        match self {
            Fcs::Right => crc::fcs(data),
            Fcs::Given(bytes) => bytes,
        }
    }

    /// Whether it is the right one for `data`.
    pub fn is_right(self, data: &[u8]) -> bool {
        match self {
            Fcs::Right => true,
            Fcs::Given(bytes) => bytes == crc::fcs(data),
        }
    }

    /// A check sequence that is certainly wrong for `data`.
    pub fn wrong(data: &[u8]) -> Fcs {
        Fcs::Given(crc::fcs(data).map(|byte| !byte))
    }
}

/// A frame as it is on the wire, whatever is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireFrame {
    /// Destination address to the last byte before the FCS, padding included.
    pub data: Vec<u8>,
    /// The FCS.
    pub fcs: Fcs,
    /// It ends in the middle of an octet (with a wrong FCS that is an alignment error).
    pub dribble: bool,
    /// A symbol error happened inside.
    pub symbol_error: bool,
    /// Seven preamble octets and the SFD, if not the usual ones.
    pub preamble: Option<[u8; 8]>,
}

impl WireFrame {
    /// A good frame: `data` padded to 60 bytes, and the right FCS.
    pub fn good(data: &[u8]) -> Self {
        let mut data = data.to_vec();
        if data.len() < 60 {
            data.resize(60, 0);
        }
        Self::exact(data, Fcs::Right)
    }

    /// Exactly these bytes and this FCS; a frame of less than 60 bytes stays short.
    pub fn exact(data: Vec<u8>, fcs: Fcs) -> Self {
        WireFrame { data, fcs, dribble: false, symbol_error: false, preamble: None }
    }

    /// The bytes of a frame that ends with its FCS; `None` if there are less than four.
    pub fn with_fcs(mut bytes: Vec<u8>) -> Option<Self> {
        let at = bytes.len().checked_sub(4)?;
        let fcs = Fcs::Given([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        bytes.truncate(at);
        Some(Self::exact(bytes, fcs))
    }

    /// All bytes from DA through FCS.
    pub fn into_bytes(self) -> Vec<u8> {
        let fcs = self.fcs.bytes(&self.data);
        let mut bytes = self.data;
        bytes.extend_from_slice(&fcs);
        bytes
    }

    /// Length on the wire, DA to FCS.
    pub fn wire_len(&self) -> usize {
        self.data.len() + 4
    }
}

/// Frames that have left, oldest first, and buffers to be used again.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    frames: VecDeque<WireFrame>,
    spare: Vec<Vec<u8>>,
    lost: u64,
}

impl Sent {
    /// Frames nobody fetches are forgotten beyond this many, the oldest first.
    const LIMIT: usize = 65536;
    const SPARE: usize = 1024;

    pub(crate) fn push(&mut self, data: &[u8], fcs: Fcs, preamble: Option<[u8; 8]>) {
        if self.frames.len() == Self::LIMIT {
            self.lost += 1;
            let oldest = self.frames.pop_front();
            self.recycle(oldest.map(|frame| frame.data).unwrap_or_default());
        }
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(data);
        self.frames.push_back(WireFrame { preamble, ..WireFrame::exact(copy, fcs) });
    }

    pub(crate) fn pop(&mut self) -> Option<WireFrame> {
        self.frames.pop_front()
    }

    pub(crate) fn recycle(&mut self, buffer: Vec<u8>) {
        if self.spare.len() < Self::SPARE {
            self.spare.push(buffer);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }
}

/// Nanoseconds a frame of `len` bytes (with FCS) takes behind that many octets of preamble: with
/// the SFD and a gap of 12.
pub(crate) fn frame_ns(len: usize, preamble: usize, mbps: u32) -> u64 {
    (len + preamble + 1 + 12) as u64 * 8_000 / u64::from(mbps)
}
