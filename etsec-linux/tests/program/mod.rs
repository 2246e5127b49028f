//! Starting the `etsec` command and reading what it says, for the tests beside this folder.

#![allow(dead_code, reason = "each test file uses some of it")]

pub mod owner;
pub mod running;
pub mod simd;

use std::process::Output;

use serde_json::Value;

/// The words that start the program. Where it is not for this machine's processor, `ETSEC_RUNNER`
/// has the emulator and its options.
pub fn words() -> Vec<String> {
    let runner = std::env::var("ETSEC_RUNNER").unwrap_or_default();
    let emulator = runner.split_whitespace().map(str::to_owned);
    emulator.chain([env!("CARGO_BIN_EXE_etsec").to_owned()]).collect()
}

/// Its exit status.
pub fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

/// What it said on standard error.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The objects on standard output whose `event` is `name`.
pub fn events(output: &[u8], name: &str) -> Vec<Value> {
    let text = String::from_utf8_lossy(output);
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|value| value["event"] == name).collect()
}
