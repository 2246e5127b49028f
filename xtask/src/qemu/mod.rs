//! `cargo xtask qemu`: what we built, on a machine that others wrote: QEMU's `ppce500` with its own
//! eTSEC. Each guest is a file beside this one; `machine`, `console`, `wire` are for all of them.

#![allow(dead_code, reason = "the guests come next")]

mod console;
mod machine;
mod wire;
