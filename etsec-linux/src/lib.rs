//! Linux shim of the eTSEC driver: UIO devices, huge pages, waiting, and the configuration of a
//! port.
//!
//! It finds and owns what the kernel lends a process: register pages, physically contiguous memory,
//! interrupts. What the registers mean is the business of `etsec-core`, which is handed all of it.

pub mod adopt;
#[cfg(feature = "async-io")]
pub mod async_waiter;
mod beside;
pub mod bus;
#[cfg(feature = "sim")]
mod cables;
pub mod config;
pub mod device;
pub mod devtree;
pub mod error;
pub mod ethernet;
pub mod handover;
pub mod handover_error;
pub mod hugepage;
pub mod leftover;
pub mod link;
pub mod lock;
pub mod mdio;
pub mod memory;
pub mod mounts;
mod names;
pub mod observer;
pub mod options;
pub mod pagemap;
pub mod part;
pub mod platform;
pub mod port;
pub mod reclaim;
pub mod region;
#[cfg(feature = "sim")]
pub mod remote;
pub mod roots;
#[cfg(feature = "sim")]
pub mod simulated;
#[cfg(feature = "sim")]
mod space;
pub mod spec;
pub mod strategy;
pub mod supervision;
mod switches;
mod sys;
#[cfg(test)]
mod testing;
pub mod time;
pub mod timer;
#[cfg(feature = "trace")]
mod trace;
pub mod uio;
pub mod uio_memory;
pub mod wait;
pub mod waits;
pub mod words;

pub use adopt::{Adoption, NotAdopted, Opened};
#[cfg(feature = "async-io")]
pub use async_waiter::AsyncWaiter;
pub use bus::AnyBus;
pub use config::PortConfig;
pub use device::Device;
pub use error::Error;
pub use handover_error::HandoverError;
pub use memory::Memory;
pub use options::Options;
pub use region::AnyRegion;
pub use roots::Roots;
pub use spec::{Spec, WireSpec};
pub use strategy::{Budget, Strategy};
pub use wait::{Lines, Waiter, Woken};
pub use waits::WaitCounters;
