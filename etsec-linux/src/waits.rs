//! What is counted of waiting: how often it was worth it to sleep, and how late a sleeper is.
//!
//! It knows numbers; what happened is its caller's to know.

use std::time::Duration;

/// How waits have ended. Every wait ends in one of `polled`, `in_time` and `slept`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WaitCounters {
    /// Polling found something within its budget.
    pub polled: u64,
    /// Interrupts were let through, and the look behind that found something.
    pub in_time: u64,
    /// The thread was put to sleep.
    pub slept: u64,
    /// Of those sleeps: an interrupt of a frame ended it. The others ended with the time-out, the
    /// beat, the error line or another descriptor.
    pub woken: u64,
    /// Of those: there was nothing to do.
    pub spurious: u64,
    /// Something else ended a sleep, and there was something to do all the same: as chance will
    /// have it now and then. If it was so each time, interrupts would not arrive.
    pub unheard: u64,
    /// How late the thread was back from its sleep.
    pub latency: Latency,
}

/// How often something took how long, in powers of two of a microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latency {
    /// Less than a microsecond; from 1, 2, 4, 8 … microseconds on; the last one has no end.
    buckets: [u64; Self::BUCKETS],
}

impl Latency {
    /// How many there are: the last one begins at about four seconds.
    const BUCKETS: usize = 24;

    /// Counts one.
    pub fn note(&mut self, time: Duration) {
        let micros = time.as_micros();
        let bucket = (u128::BITS - micros.leading_zeros()) as usize;
        self.buckets[bucket.min(Self::BUCKETS - 1)] += 1;
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The buckets that are not empty, the shortest times first: the microseconds that all of them
    /// stay below, `None` for the last one, and how many there were.
    pub fn rows(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        let end = |bucket| (bucket < Self::BUCKETS - 1).then_some(1_u64 << bucket);
        let rows = self.buckets.iter().enumerate().map(move |(n, count)| (end(n), *count));
        rows.filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_below_the_next_power_of_two() {
        let mut latency = Latency::default();
        for micros in [0, 1, 2, 3, 4, 1000, 1023, 1024] {
            latency.note(Duration::from_micros(micros));
        }
        latency.note(Duration::from_nanos(999));
        latency.note(Duration::MAX);
        let rows: Vec<_> = latency.rows().collect();
        let below = [(1, 2), (2, 1), (4, 2), (8, 1), (1024, 2), (2048, 1)];
        let mut expected: Vec<_> = below.map(|(end, count)| (Some(end), count)).into();
        expected.push((None, 1));
        assert_eq!(rows, expected);
        assert_eq!(latency.count(), 10);
    }
}
