//! Rate pacing: how many frames are due by now. It keeps no clock; time is handed in.

use std::time::Duration;

/// Releases frames at a steady rate.
#[derive(Debug)]
pub struct Pace {
    per_second: u64,
    released: u64,
    /// Where counting began; moved forward when the sender could not keep up.
    origin: Duration,
}

/// How much of a delay is made up for by sending faster afterwards. Longer gaps are forgotten: a
/// burst of minutes after a suspended laptop helps nobody.
const CATCH_UP: Duration = Duration::from_millis(100);

impl Pace {
    /// `per_second` frames a second from time `now` on.
    pub fn new(per_second: u64, now: Duration) -> Self {
        Pace { per_second, released: 0, origin: now }
    }

    /// How many frames may be sent at `now`.
    pub fn due(&mut self, now: Duration) -> u64 {
        let allowed = self.by(now);
        let late = allowed.saturating_sub(self.released);
        let most = self.in_time(CATCH_UP).max(1);
        if late > most {
            self.origin = now.saturating_sub(CATCH_UP);
            self.released = 0;
            return self.by(now).min(most);
        }
        late
    }

    /// Takes note that `frames` of those due were sent.
    pub fn sent(&mut self, frames: u64) {
        self.released += frames;
    }

    /// How long after `now` the next frame is due; zero if one is due already.
    pub fn wait(&self, now: Duration) -> Duration {
        let at = u128::from(self.released) * 1_000_000_000 / u128::from(self.per_second);
        let at = self.origin + Duration::from_nanos(u64::try_from(at).unwrap_or(u64::MAX));
        at.saturating_sub(now)
    }

    /// Frames allowed from the origin to `now`; the first one is due at the origin itself.
    fn by(&self, now: Duration) -> u64 {
        now.checked_sub(self.origin).map_or(0, |elapsed| self.in_time(elapsed).saturating_add(1))
    }

    fn in_time(&self, time: Duration) -> u64 {
        let frames = time.as_nanos() * u128::from(self.per_second) / 1_000_000_000;
        u64::try_from(frames).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_rate_is_kept_over_a_second() {
        let mut pace = Pace::new(1234, ms(5));
        let mut total = 0;
        for now in 5..1005 {
            let due = pace.due(ms(now));
            pace.sent(due);
            total += due;
        }
        assert!((1233..=1235).contains(&total), "{total}");
    }

    #[test]
    fn what_was_not_sent_stays_due() {
        let mut pace = Pace::new(1000, ms(0));
        assert_eq!(pace.due(ms(9)), 10);
        pace.sent(4);
        assert_eq!(pace.due(ms(9)), 6);
        assert_eq!(pace.wait(ms(9)), ms(0));
        pace.sent(6);
        assert_eq!(pace.wait(ms(9)), ms(1));
    }

    #[test]
    fn a_long_gap_is_not_made_up_for() {
        let mut pace = Pace::new(1000, ms(0));
        pace.sent(1);
        let due = pace.due(ms(60_000));
        assert!(due <= 101, "{due}");
        pace.sent(due);
        assert!(pace.due(ms(60_001)) <= 2);
    }

    #[test]
    fn slow_rates_do_not_round_to_never_or_always() {
        let mut pace = Pace::new(1, ms(0));
        assert_eq!(pace.due(ms(0)), 1);
        pace.sent(1);
        assert_eq!(pace.due(ms(999)), 0);
        assert_eq!(pace.due(ms(1000)), 1);
    }
}
