//! What can go wrong between driver and device.

use core::fmt;

use crate::config::Config;
use crate::link::LinkError;

/// Which side of the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Side {
    /// Transmit.
    Tx,
    /// Receive.
    Rx,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Tx => "transmit",
            Side::Rx => "receive",
        })
    }
}

/// An error of a port. Nothing was changed unless the error says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The page does not show the ID of an eTSEC (HW 3.1); the value found.
    NotAnEtsec(u32),
    /// The registers read all ones: the device, or the bus to it, is gone.
    Gone,
    /// MTU out of range.
    Mtu(usize),
    /// Receive buffer size out of range.
    BufferSize(usize),
    /// Frames longer than a receive buffer need the feature `scatter`.
    Scatter {
        /// Bytes of a buffer.
        buffer_size: usize,
        /// Bytes of the longest frame.
        least: usize,
    },
    /// TBI address above 31.
    TbiAddress(u8),
    /// Time that counts as a hang of the transmitter, out of range.
    HangTime(u32),
    /// A link that no eTSEC can have.
    Link(LinkError),
    /// There is no ring of this number.
    RingNumber(Side, usize),
    /// The ring of this number has been added already.
    RingTaken(Side, usize),
    /// A queue, in another thread, is being drained at this moment; start again afterwards.
    Draining,
    /// The queue belongs to another port.
    Stranger(Side),
    /// The controller has one interrupt group: [`Pages::group1`](crate::Pages::group1) is `None`.
    OneGroup,
    /// Filer and receive offloads need [`Config::parser`] (HW 5.2).
    ParserOff,
    /// The controller does not keep a filer's table; QEMU's model has none (HW 15.3).
    NoFiler,
    /// Time stamps of received frames need 8 bytes of padding; this is what there is.
    StampPadding(u8),
    /// More padding of received frames than there can be.
    Padding(u8),
    /// A part of frames that cannot be stashed.
    Stash {
        /// Bytes.
        length: u16,
        /// From which byte on.
        index: u16,
    },
    /// A preamble that frames cannot have.
    Preamble(u8),
    /// Queues of this side are there already, which would not know of the change.
    HasQueues(Side),
    /// The ring lies in another 4 GiB window of bus addresses than the port's first one (HW 4.5).
    Window {
        /// Window of the port's rings.
        port: u32,
        /// Window of the ring that was to be added.
        ring: u32,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnEtsec(id) => {
                write!(f, "no eTSEC at this page: its ID register reads {id:#010x}, not 0x0124____")
            }
            Self::Gone => f.write_str("the device is gone: its registers read all ones"),
            Self::Mtu(mtu) => {
                write!(f, "MTU {mtu}: {} to {} are possible", Config::MTU_MIN, Config::MTU_MAX)
            }
            Self::BufferSize(n) => {
                write!(
                    f,
                    "receive buffers of {n} bytes: multiples of 64 from 64 to 32768 are possible"
                )
            }
            Self::Scatter { buffer_size, least } => write!(
                f,
                "receive buffers of {buffer_size} bytes for frames of {least}: take larger ones, \
                 or the feature `scatter` of etsec-core"
            ),
            Self::TbiAddress(n) => write!(f, "TBI address {n}: 0 to 31 are possible"),
            Self::HangTime(ms) => write!(
                f,
                "a hang after {ms} ms: {} or more are possible, for a frame takes up to 7.7 ms",
                Config::HANG_MS_MIN
            ),
            Self::Link(error) => error.fmt(f),
            Self::RingNumber(side, n) => write!(f, "{side} ring {n}: 0 to 7 are possible"),
            Self::RingTaken(side, n) => write!(f, "{side} ring {n} is there already"),
            Self::Draining => f.write_str("a queue is being drained: start the port afterwards"),
            Self::NoFiler => f.write_str(
                "this controller has no filer: its table does not keep what is written to it",
            ),
            Self::Stranger(side) => write!(f, "the {side} queue belongs to another port"),
            Self::OneGroup => f.write_str("the controller has one interrupt group, group 0"),
            Self::ParserOff => {
                f.write_str("filer and receive offloads need the parser: set Config::parser")
            }
            Self::StampPadding(n) => write!(
                f,
                "time stamps of received frames need a padding of 8 bytes or more, not {n}: see \
                 Stopped::set_rx_offload"
            ),
            Self::Padding(n) => write!(f, "padding of {n} bytes: 0 to 31 are possible"),
            Self::Stash { length, index } => write!(
                f,
                "stashing {length} bytes from {index} on: multiples of 8 up to 16376 from \
                 multiples of 64 up to 16320 are possible"
            ),
            Self::Preamble(n) => write!(f, "preamble of {n} octets: 1 to 15 are possible"),
            Self::HasQueues(side) => {
                write!(f, "this is chosen before the first {side} queue is made")
            }
            Self::Window { port, ring } => write!(
                f,
                "the ring lies in the 4 GiB window {ring:#x} of bus addresses, \
                 the port's other rings in {port:#x}"
            ),
        }
    }
}

impl core::error::Error for Error {}
