//! For tests that start a second process: themselves once more. It knows no test.

use std::ffi::OsString;

/// The words that start this test program again. Where it is not for this machine's processor,
/// `ETSEC_RUNNER` has the emulator and its options, as cargo has them in its runner.
pub(crate) fn itself() -> Vec<OsString> {
    let runner = std::env::var("ETSEC_RUNNER").unwrap_or_default();
    let this = std::env::current_exe().unwrap().into_os_string();
    runner.split_whitespace().map(OsString::from).chain([this]).collect()
}
