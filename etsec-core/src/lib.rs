//! Register-level driver core for the Freescale/NXP eTSEC gigabit Ethernet controller.
//!
//! The crate is `no_std`, allocates nothing, keeps no clock and knows no operating system. Whoever hosts it hands in
//! three things: a [`Bus`] (one 4 KiB register page), a [`Region`] (memory the device can reach) and a
//! [`DelayNs`](embedded_hal::delay::DelayNs). It does not know whether it drives silicon or a model.
//!
//! References of the form `HW 8.6` are sections of the project's `docs/hardware.md`.
#![no_std]
#![warn(clippy::missing_safety_doc)]

#[cfg(test)]
extern crate std;

pub mod adapters;
pub mod addr;
pub mod arena;
pub mod barrier;
pub mod bd;
pub mod buf;
pub mod bus;
pub mod dma;
pub mod event;
pub mod fcb;
pub mod pool;
pub mod regs;
pub mod ring;
pub mod rx;
mod rx_frame;
pub mod tx;
pub mod word;

pub use arena::{Arena, MemoryError};
pub use buf::Buf;
pub use bus::{Bus, Doorbell, Mmio, Pages};
pub use dma::{BusAddr, Region};
pub use pool::Pool;
pub use ring::RingMemory;
pub use rx::{RxCounters, RxMeta, RxQueue};
pub use tx::{Reason, Refused, TxCounters, TxQueue};
