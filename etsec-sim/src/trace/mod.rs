//! Traces: what a driver does to a controller, written to a file while it does it, and played again
//! to a model.
//!
//! A [`Recorder`] wraps register pages and memory of any kind; a driver in front of it is none the
//! wiser, and one that is not recorded pays nothing. What it writes is text, one line for each
//! register access and for each descriptor that changes hands (the grammar is in
//! [`line`](mod@line)), after a header:
//!
//! ```text
//! etsec-trace 1
//! device uio:eth0
//! part P1020
//! by etsec 0.1.0
//!
//! 0.000013250 read group0 0x000 0x01240000
//! ```
//!
//! An empty line ends the header. Its keys are words in small letters, and those that a reader does
//! not know are skipped.
//!
//! Descriptors are found by comparing the rings' memory with what it held before, whenever the
//! driver publishes or observes, and at each access to the controller's registers. A queue does
//! that before it goes on with what it has given away or got back, so nothing is missed but what a
//! sent descriptor said that was used again at once: that is told as `lost`.
//!
//! [`Replay`] plays a trace to a model.
//!
//! Nothing here knows a driver, or what registers mean beyond where rings are.

mod error;
pub mod line;
mod reader;
mod recorder;
mod replay;
mod rings;
mod steps;
mod window;

pub use error::{Problem, TraceError};
pub use line::{Access, Change, Line, Page, Ring, What, Words};
pub use reader::Reader;
pub use recorder::{Limits, Recorded, Recorder};
pub use replay::{Compared, Difference, Differs, Replay, Setup};
pub use steps::Steps;
pub use window::RecordedRegion;

/// The first word of a trace.
const MAGIC: &str = "etsec-trace";
/// The version that is written and read here.
const VERSION: u32 = 1;

/// Most bytes of a buffer that a line holds.
pub const BYTES_MAX: usize = 16_384;

/// How many bytes of a buffer are recorded unless told otherwise: the headers of a frame, up to
/// TCP's, behind a control block.
pub const BYTES: usize = 64;

/// What a trace says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// The device, as its user named it.
    pub device: String,
    /// The part it is in, if that is known.
    pub part: String,
    /// The program that recorded, with its version.
    pub by: String,
}
