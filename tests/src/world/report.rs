//! Setups, steps and sums in words.

use std::fmt;

use super::book::Sums;
use super::script::{Setup, What};

/// How a world is built.
#[derive(Debug)]
pub struct Built<'a>(pub &'a Setup);

impl fmt::Display for Built<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setup {
            switches,
            wire,
            weak,
            rx,
            tx,
            buffer_size,
            spare,
            delay_ns,
            stranger,
            coalesced,
            ..
        } = self.0;
        let other = if *stranger { "a stranger" } else { "a driver" };
        write!(f, "A: a driver, B: {other}; receive rings {rx:?}, transmit rings {tx:?}; ")?;
        write!(f, "buffers of {buffer_size} bytes, {spare} to spare; cable {delay_ns} ns; ")?;
        write!(f, "wire {wire:?}; memory {}", if *weak { "weak" } else { "strong" })?;
        if *coalesced > 0 {
            write!(f, "; events for {coalesced} frames")?;
        }
        let switches = format!("{switches:?}");
        let on = switches.split([' ', ',', '{', '}']).collect::<Vec<_>>();
        for pair in on.windows(2).filter(|pair| pair[1] == "true") {
            write!(f, "; {}", pair[0].trim_end_matches(':'))?;
        }
        Ok(())
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let debug = format!("{self:?}");
        f.write_str(&debug.replace("18446744073709551615", "all"))
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} runs of {} steps: {} frames accepted, {} delivered, {} resets, {:.1} s of virtual \
             time, at most {:.1} ms until traffic passed again",
            self.runs,
            self.steps,
            self.accepted,
            self.delivered,
            self.resets,
            self.virtual_ns as f64 / 1e9,
            self.recovery_ns as f64 / 1e6
        )?;
        write!(f, "faults:")?;
        for (name, times) in &self.struck {
            write!(f, " {name} {times}")?;
        }
        Ok(())
    }
}
