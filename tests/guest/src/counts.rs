//! Reading a device that blocks, as UIO's do until an interrupt comes: each answer is a count.

use std::fs::File;
use std::io::{Read, Write};

use anyhow::{Context, Result};

/// Reads `path` until it has given `times` counts, and prints each.
pub fn run(path: &str, times: &str) -> Result<()> {
    let times: u32 = times.parse().with_context(|| format!("{times:?} is no number"))?;
    let mut device = File::open(path).with_context(|| format!("cannot open {path}"))?;
    println!("waiting for {path}");
    for _ in 0..times {
        let mut count = [0; 4];
        device.read_exact(&mut count).with_context(|| format!("cannot read {path}"))?;
        println!("{}", u32::from_ne_bytes(count));
        std::io::stdout().flush()?;
    }
    Ok(())
}
