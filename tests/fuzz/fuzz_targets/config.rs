//! The fuzzer of configuration files. What reads them is a part of the `etsec` command, which is no
//! library, so that part is compiled here once more.
#![no_main]
#![allow(dead_code, unused_imports, reason = "the command uses all of it")]

#[path = "../../../etsec-linux/src/bin/etsec/settings/mod.rs"]
mod settings;

#[path = "../../../etsec-linux/src/bin/etsec/args/values.rs"]
mod values;

mod args {
    pub use crate::values::{AddressArg, DeviceName, LinkArg};
}

mod run {
    use std::time::{Duration, SystemTime};

    /// As in the command.
    pub fn wall_clock() -> Duration {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }
}

#[path = "../../../etsec-linux/src/bin/etsec/settings/hostile.rs"]
mod hostile;
use settings::File;

libfuzzer_sys::fuzz_target!(|data: &[u8]| hostile::target(data));
