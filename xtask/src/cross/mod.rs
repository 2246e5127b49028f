//! Building for other machines: which there are, which toolchain does it, and the C library of one.

mod command;
mod kit;
mod musl;
mod target;

pub use command::etsec;
pub use kit::Kit;
pub use target::Target;
