//! Linux shim of the eTSEC driver: UIO devices, huge pages, waiting, and the configuration of a port.
//!
//! It finds and owns what the kernel lends a process: register pages, physically contiguous memory, interrupts. What the
//! registers mean is the business of `etsec-core`, which is handed all of it.

pub mod config;
pub mod devtree;
pub mod error;
pub mod hugepage;
pub mod lock;
pub mod mounts;
pub mod pagemap;
pub mod port;
pub mod roots;
mod sys;
pub mod spec;
pub mod uio;
pub mod wait;

pub use error::Error;
pub use roots::Roots;
