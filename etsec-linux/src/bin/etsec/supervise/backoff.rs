//! How long to wait before a command is started again, and when to give it up. It keeps no clock.

use std::time::Duration;

/// A command that has run for this long was well: what happens to it then is a new story.
const WELL: Duration = Duration::from_secs(60);

/// Pauses that double from death to death.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    /// Deaths in a row to give up after.
    most: u32,
    deaths: u32,
}

impl Backoff {
    /// Pauses of `first` and up to `longest`; no more after `most` deaths in a row.
    pub fn new(first: Duration, longest: Duration, most: u32) -> Self {
        Backoff { first, longest, most, deaths: 0 }
    }

    /// The pause after a command has died that `ran` for so long; `None`: it is given up.
    pub fn pause_after(&mut self, ran: Duration) -> Option<Duration> {
        if ran >= WELL {
            self.deaths = 0;
        }
        self.deaths += 1;
        if self.deaths > self.most {
            return None;
        }
        let doubled = 2u32.saturating_pow(self.deaths - 1);
        Some(self.first.saturating_mul(doubled).min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const S: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_longest_and_end() {
        let mut backoff = Backoff::new(100 * MS, S, 6);
        let pauses: Vec<_> = (0..7).map(|_| backoff.pause_after(S)).collect();
        let wanted = [100, 200, 400, 800, 1000, 1000].map(|ms| Some(ms * MS));
        assert_eq!(pauses[..6], wanted);
        assert_eq!(pauses[6], None);
    }

    #[test]
    fn a_command_that_was_well_has_all_its_lives_again() {
        let mut backoff = Backoff::new(100 * MS, S, 1);
        assert_eq!(backoff.pause_after(59 * S), Some(100 * MS));
        assert_eq!(backoff.pause_after(60 * S), Some(100 * MS));
        assert_eq!(backoff.pause_after(S), None);
    }

    #[test]
    fn no_number_is_too_large() {
        let mut backoff = Backoff::new(Duration::MAX, Duration::MAX, u32::MAX);
        for _ in 0..100 {
            assert_eq!(backoff.pause_after(S), Some(Duration::MAX));
        }
        assert_eq!(Backoff::new(MS, S, 0).pause_after(S), None);
    }
}
