//! What the fuzzers try: one function for each target, which takes any bytes and must not panic.
//!
//! `tests/fuzz` makes fuzzers of them; `tests/tests/fuzz_corpora.rs` plays the inputs that they
//! have found in every run of the tests. The target of configuration files is beside what reads
//! them, in the `etsec` command.

mod device;
mod filer;
mod frames;
mod input;
mod memory;
mod pcap;
mod registers;
mod trace;

/// A target: its name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets here.
pub const TARGETS: [Target; 6] = [
    ("registers", registers::target),
    ("device", device::target),
    ("filer", filer::target),
    ("frames", frames::target),
    ("pcap", pcap::target),
    ("trace", trace::target),
];

/// Tries bytes on the target of that name.
///
/// # Panics
/// If there is no such target, or the target has found something.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    target(data);
}
