//! Time for the core, which has none of its own: delays, and a clock of milliseconds.

use std::time::{Duration, Instant};

use embedded_hal::delay::DelayNs;

/// Delays of this process: short ones spin, longer ones sleep.
#[derive(Debug, Clone, Copy, Default)]
pub struct Delay;

/// Below this a sleep would take much longer than asked for.
const SPIN_MAX_NS: u32 = 20_000;

impl DelayNs for Delay {
    fn delay_ns(&mut self, ns: u32) {
        let limit = Duration::from_nanos(ns.into());
        if ns > SPIN_MAX_NS {
            std::thread::sleep(limit);
            return;
        }
        let start = Instant::now();
        while start.elapsed() < limit {
            std::hint::spin_loop();
        }
    }
}

/// A clock of milliseconds since it was made; it wraps after 49 days, which its users expect.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Clock(Instant::now())
    }

    /// Milliseconds since the start, modulo 2³².
    #[must_use]
    pub fn now_ms(&self) -> u32 {
        self.0.elapsed().as_millis() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_last_at_least_as_long_as_asked() {
        for ns in [1_000, 3_000_000] {
            let start = Instant::now();
            Delay.delay_ns(ns);
            assert!(start.elapsed() >= Duration::from_nanos(ns.into()));
        }
        let clock = Clock(Instant::now() - Duration::from_millis(1500));
        assert!((1500..60_000).contains(&clock.now_ms()));
    }
}
