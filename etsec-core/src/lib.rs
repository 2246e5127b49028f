//! Register-level driver core for the Freescale/NXP eTSEC gigabit Ethernet controller.
//!
//! The crate is `no_std`, allocates nothing, keeps no clock and knows no operating system. Whoever
//! hosts it hands in three things: a [`Bus`] (one 4 KiB register page), a [`Region`] (memory the
//! device can reach) and a [`DelayNs`](embedded_hal::delay::DelayNs). It does not know whether it
//! drives silicon or a model.
//!
//! References of the form `HW 8.6` are sections of the project's `docs/hardware.md`.
#![no_std]
#![warn(clippy::missing_safety_doc)]

#[cfg(any(test, etsec_stores))]
extern crate std;

#[macro_use]
mod mutant;

pub mod adapters;
pub mod addr;
#[cfg(feature = "adopt")]
pub mod adopt;
pub mod arena;
pub mod barrier;
pub mod bd;
pub mod buf;
pub mod bus;
pub mod checksum;
pub mod coalesce;
pub mod config;
mod controller;
pub mod device;
pub mod dma;
pub mod errata;
pub mod error;
pub mod event;
pub mod event_port;
pub mod fcb;
pub mod filer;
pub mod flow;
pub mod frame_options;
pub mod groups;
mod halt;
mod headers;
pub mod link;
pub mod mdio;
pub mod mib;
pub mod offload;
pub mod park;
pub mod phy;
pub mod pool;
mod port;
#[cfg(all(test, loom))]
mod proofs;
pub mod ptp;
#[cfg(test)]
mod queue_tests;
pub mod queues;
pub mod reception;
pub mod regs;
mod report;
pub mod ring;
pub mod rx;
mod rx_counters;
mod rx_form;
mod rx_frame;
pub mod schedule;
mod settings;
mod stamp;
pub mod stash;
pub mod tbi;
#[cfg(test)]
mod testing;
pub mod tx;
mod watch;
pub mod word;

pub use addr::{AddressFilter, MacAddr};
pub use arena::{Arena, MemoryError};
pub use buf::Buf;
pub use bus::{Bus, Doorbell, Mmio, PageBell, Pages};
pub use coalesce::Coalescing;
pub use config::Config;
pub use device::{Running, Sleeping, Stopped};
pub use dma::{BusAddr, Region};
pub use error::Error;
pub use event::{Event, Line};
pub use event_port::{EventPort, FaultCounters};
pub use fcb::{Checksum, RxFcb, TxFcb};
pub use frame_options::{Ending, FrameOptions};
pub use groups::Group;
pub use link::Link;
pub use mib::Mib;
pub use offload::{RxOffload, TxOffload};
pub use pool::Pool;
pub use ptp::{ClockConfig, ClockSource, PtpClock};
pub use queues::{Layout, Queues};
pub use ring::RingMemory;
pub use rx::{Arrived, Refiller, RxCounters, RxMeta, RxQueue};
pub use schedule::Schedule;
pub use stash::Stash;
pub use tx::{Reason, Refused, Sent, Stager, TxCounters, TxQueue};

// The example of the crate's front page is compiled with the other documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct FrontPage;
