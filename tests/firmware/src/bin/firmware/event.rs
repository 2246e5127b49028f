//! What the image says. Names and fields are for a program; `tests/firmware/README.md` lists them.

use etsec_core::{Error, MacAddr};
use etsec_firmware::report::as_text;
use serde::Serialize;

/// An event.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// A port is up.
    Port {
        /// 0 is the one with the stack.
        port: u32,
        #[serde(serialize_with = "as_text")]
        mac: MacAddr,
        registers: u64,
        interrupts: [u32; 3],
        rx_descriptors: usize,
        tx_rings: usize,
    },
    /// Commands and echoes are answered from here on.
    Ready {
        #[serde(serialize_with = "as_text")]
        address: smoltcp::wire::Ipv4Cidr,
        /// Whether all of this was in the device tree.
        device_tree: bool,
    },
    /// A command is obeyed.
    Mode { mode: &'static str },
    /// A burst has gone out.
    Burst { ring: usize, staged: usize, sent: u64 },
    /// The second port is left alone.
    Deaf,
    /// And looked after again.
    Listening,
    /// What the first port has counted.
    Counters(Counters),
    /// What the second port has counted.
    Scatter { received: u64, resyncs: u64, damaged: u32, in_pieces: u32 },
    /// An unknown command.
    Unknown,
    /// It could not start.
    Failed { what: &'static str },
    /// A controller has gone.
    Gone {
        #[serde(serialize_with = "as_text")]
        error: Error,
    },
    /// A bug.
    Panic {
        #[serde(serialize_with = "as_text")]
        message: core::panic::PanicMessage<'a>,
    },
    /// It powers off.
    End,
}

/// What the first port has counted since the start.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Counters {
    pub received: u64,
    pub receive_errors: u64,
    pub resyncs: u64,
    pub sent: u64,
    pub send_errors: u64,
    pub echoed: u32,
    /// Frames the stack could not take at once, and those it never could.
    pub exhausted: u64,
    pub refused: u64,
    /// Interrupts taken, by line.
    pub tx_interrupts: u32,
    pub rx_interrupts: u32,
    pub err_interrupts: u32,
    /// Frames that interrupted, and those that only a tick has found.
    pub by_interrupt: u64,
    pub by_tick: u64,
    /// How often it went to sleep.
    pub sleeps: u32,
    pub ticks: u32,
}
