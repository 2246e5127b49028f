//! A software model of the eTSEC.
//!
//! # What it is
//! [`Model`] is a state machine: `read`, `write`, `receive`, `advance`. It has no thread, no clock
//! and no callback; time is a number that [`Model::advance`] moves, and an interrupt line is a
//! level that is asked for. [`Sim`] shares one model between a driver and a test. Memory the device
//! reaches is a [`SimRegion`]; every access of the device to it is judged, and what a driver did
//! wrong is a [`Violation`].
//!
//! The model is written from `docs/hardware.md` ("HW" below) alone and shares no table with any
//! driver.
//!
//! What of a register's bits has no effect, and why, is in [`effects`]: writing such a bit is
//! refused, or kept account of.
//!
//! # What is done in some way because nobody knows the right one
//! | what | here |
//! |---|---|
//! | the hash of hash filing (HW 6.5) | equal properties have equal hashes, and no more |

mod bits;
pub mod cable;
#[cfg(feature = "pcap")]
pub mod capture;
mod coalesce;
pub mod config;
mod control;
mod crc;
mod descriptor;
pub mod effects;
pub mod ends;
pub mod fault;
pub mod filer;
mod filing;
mod filter;
mod groups;
mod lines;
mod lossless;
mod mac;
pub mod memory;
mod mib;
pub mod miim;
pub mod model;
mod offload;
mod outgoing;
pub mod parser;
pub mod partner;
mod pause;
pub mod phy;
#[cfg(feature = "runner")]
mod place;
#[cfg(feature = "qemu")]
pub mod qemu;
pub mod random;
mod receive;
#[cfg(feature = "remote")]
pub mod remote;
pub mod room;
#[cfg(feature = "runner")]
pub mod runner;
mod sanitizer;
mod schedule;
mod sim;
pub mod status;
mod store;
pub mod table;
#[cfg(feature = "tap")]
pub mod tap;
pub mod tbi;
pub mod timer;
pub mod trace;
mod transmit;
pub mod violation;
pub mod wire;

pub use config::{Interface, MemoryOrder, SimConfig, Switches, WireSpeed};
pub use control::Line;
pub use effects::Effect;
pub use fault::Fault;
pub use memory::SimRegion;
pub use model::Model;
pub use sim::{Sim, SimBus, SimDelay};
pub use status::Stored;
pub use timer::{TimerConfig, TimerPin};
pub use violation::{Breach, Direction, Place, Violation, Who};
pub use wire::{Fcs, WireFrame};
