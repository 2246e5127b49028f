//! How many frames a second go through the driver and our model, its sanitizer on, and through the
//! driver and QEMU's eTSEC: what a test double costs who tests with it.
//!
//! Prints one JSON object. It measures the two models, not the driver: `cargo xtask bench --double`
//! makes a table of it.

use std::process::ExitCode;
use std::time::Duration;

use etsec_tests::conformance::speed::{Path, measure};
use etsec_tests::conformance::{Emulated, Simulated};
use serde_json::{Map, Value, json};

/// Frames for one doorbell.
const BURSTS: [usize; 2] = [1, 32];
const TIME: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match run() {
        Ok(all) => {
            println!("{}", json!({ "double": all }));
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("double_pps: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Value, String> {
    let mut all = Map::new();
    for path in Path::ALL {
        let mut row = Map::new();
        for burst in BURSTS {
            let named = |who: &str, why: String| format!("{who}, {}: {why}", path.name());
            let sim = measure(Simulated::new(), path, burst, TIME);
            let sim = sim.map_err(|why| named("simulator", why))?;
            let qemu = Emulated::new().map_err(|why| why.to_string())?;
            let qemu = measure(qemu, path, burst, TIME).map_err(|why| named("QEMU", why))?;
            let pair = json!({ "sim": sim.round() as u64, "qemu": qemu.round() as u64 });
            row.insert(burst.to_string(), pair);
        }
        all.insert(path.name().into(), Value::Object(row));
    }
    Ok(Value::Object(all))
}
