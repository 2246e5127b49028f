//! A Linux guest on QEMU's `ppce500`: its kernel, its root file system, its device tree, and the
//! way we ask it to do things. What is tested in it is the caller's business.

mod boot;
pub mod coalesced;
mod control;
mod initramfs;
pub mod kernel;
pub mod kmod;
mod mend;
pub mod programs;
mod tree;

pub use boot::{Boot, Guest};
pub use control::{Finished, Program};
pub use kernel::Kernel;
pub use programs::Programs;
