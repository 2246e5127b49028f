//! The `etsec` command.
fn main() {}
