//! The line of rates on standard error while a command runs. It knows frames and bytes, no device.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::units::{bit_rate, grouped};

/// What has passed so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Frames received.
    pub rx_frames: u64,
    /// Bytes of them.
    pub rx_bytes: u64,
    /// Frames sent.
    pub tx_frames: u64,
    /// Bytes of them.
    pub tx_bytes: u64,
    /// Frames lost, in either direction.
    pub lost: u64,
}

impl Totals {
    /// What has passed through both of two devices.
    pub fn plus(self, other: &Totals) -> Totals {
        Totals {
            rx_frames: self.rx_frames + other.rx_frames,
            rx_bytes: self.rx_bytes + other.rx_bytes,
            tx_frames: self.tx_frames + other.tx_frames,
            tx_bytes: self.tx_bytes + other.tx_bytes,
            lost: self.lost + other.lost,
        }
    }
}

/// Shows rates: in place on a terminal, as a line a second elsewhere.
#[derive(Debug)]
pub struct Meter {
    /// How often to print; `None`: never.
    every: Option<Duration>,
    in_place: bool,
    last: Instant,
    before: Totals,
}

impl Meter {
    /// A meter that prints unless `quiet`.
    pub fn new(quiet: bool) -> Self {
        let in_place = io::stderr().is_terminal();
        let every = Duration::from_millis(if in_place { 250 } else { 1000 });
        let every = (!quiet).then_some(every);
        Meter { every, in_place, last: Instant::now(), before: Totals::default() }
    }

    /// Prints the rates since the last print, if it is time. `totals` is called only then.
    pub fn update(&mut self, now: Instant, totals: impl FnOnce() -> Totals) {
        let Some(every) = self.every else { return };
        let elapsed = now.saturating_duration_since(self.last);
        if elapsed < every {
            return;
        }
        let passed = totals();
        let line = rates(&self.before, &passed, elapsed);
        // A closed standard error is no reason to stop working.
        let _ = match self.in_place {
            true => write!(io::stderr(), "\r{line}\x1b[K"),
            false => writeln!(io::stderr(), "{line}"),
        };
        self.last = now;
        self.before = passed;
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.every.is_some() && self.in_place {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn rates(before: &Totals, now: &Totals, elapsed: Duration) -> String {
    let direction = |name: &str, frames: u64, bytes: u64| {
        let seconds = elapsed.as_secs_f64();
        let pps = (frames as f64 / seconds).round() as u64;
        // FCS, preamble and the gap between frames take their share of the wire: 24 bytes a frame.
        let bits = (bytes + 24 * frames) as f64 * 8.0 / seconds;
        format!("{name} {} pps {}", grouped(pps), bit_rate(bits))
    };
    let rx = direction("rx", now.rx_frames - before.rx_frames, now.rx_bytes - before.rx_bytes);
    let tx = direction("tx", now.tx_frames - before.tx_frames, now.tx_bytes - before.tx_bytes);
    let lost = if now.lost > 0 { format!("  {} lost", grouped(now.lost)) } else { String::new() };
    format!("{rx}  {tx}{lost}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_time_between() {
        let before = Totals { rx_frames: 1000, rx_bytes: 60_000, ..Totals::default() };
        let now =
            Totals { rx_frames: 3000, rx_bytes: 180_000, tx_frames: 1, tx_bytes: 60, lost: 7 };
        assert_eq!(
            rates(&before, &now, Duration::from_millis(500)),
            "rx 4,000 pps 2.7 Mbit/s  tx 2 pps 1.3 kbit/s  7 lost"
        );
    }
}
