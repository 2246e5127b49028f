//! The fuzzer of `tests/src/fuzz/filer.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| etsec_tests::fuzz::run("filer", data));
