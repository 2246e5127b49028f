//! The fuzzer of `tests/src/fuzz/trace.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| etsec_tests::fuzz::run("trace", data));
