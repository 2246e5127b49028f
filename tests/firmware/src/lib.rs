//! What an image needs of the machine, a PowerPC e500v2 as QEMU's `ppce500` has it: entry,
//! exceptions, address map, console, clock, interrupt controller, power-off. It knows nothing of
//! the eTSEC but where its registers are.
#![no_std]

mod boot;
pub mod clock;
pub mod console;
pub mod cpu;
pub mod dma;
pub mod exceptions;
pub mod map;
#[cfg(not(feature = "stack"))]
mod mem;
mod mmio;
pub mod mpic;
pub mod power;
#[cfg(feature = "stack")]
pub mod report;
#[cfg(feature = "stack")]
pub mod tree;

pub use boot::Handoff;
