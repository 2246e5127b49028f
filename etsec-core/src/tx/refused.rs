//! Buffers that a queue, of either direction, did not take, and why.

use core::fmt;

use crate::buf::Buf;

/// Why a queue did not take a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Reason {
    /// The ring has too few free descriptors.
    Full,
    /// The frame has a buffer without bytes: such a descriptor halts the ring (HW 3.7).
    Empty,
    /// The frame, with its FCS, would not stay below MAXFRM (HW 4.2 TR).
    TooLong,
    /// A receive ring takes single buffers, and so does a stamp.
    Chain,
    /// The buffer is smaller than the ring's MRBLR.
    TooSmall,
    /// The buffer lies in another 4 GiB window than the ring (HW 4.5).
    Window,
    /// The port does not permit what the frame asks for (HW 3.15, 5.2), or the queue stamps no
    /// frame.
    NotPermitted,
    /// There is no place for a control block in front of the frame (HW 5.1, 14).
    Headroom,
    /// The controller makes no checksums of frames that long (erratum eTSEC76, HW 14).
    TooLongToSum,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the ring is full",
            Self::Empty => "the frame has an empty buffer",
            Self::TooLong => "the frame is longer than the MTU allows",
            Self::Chain => "single buffers are taken here, not chains",
            Self::TooSmall => "the buffer is smaller than the ring's receive buffers",
            Self::Window => "the buffer lies in another 4 GiB window of bus addresses",
            Self::NotPermitted => {
                "the port does not permit what the frame asks for: see Stopped::set_tx_offload and \
                 set_frame_options, TxQueue::permit_stamps"
            }
            Self::Headroom => {
                "the frame's control block needs 8 bytes of headroom, 15 where it may not lie \
                 right in front; and then the feature `scatter`"
            }
            Self::TooLongToSum => "the controller makes no checksums of frames that long",
        })
    }
}

impl core::error::Error for Reason {}

/// A buffer that a queue did not take, given back with the reason.
#[derive(Debug)]
pub struct Refused {
    /// The buffer.
    pub buf: Buf,
    /// Why it was not taken.
    pub why: Reason,
}
