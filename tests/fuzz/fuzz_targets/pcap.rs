//! The fuzzer of `tests/src/fuzz/pcap.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| etsec_tests::fuzz::run("pcap", data));
