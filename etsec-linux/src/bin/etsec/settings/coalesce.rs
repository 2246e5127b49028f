//! When frames interrupt: each at once, or some of them together.

use anyhow::Result;
use etsec_core::Coalescing;
use etsec_core::coalesce::CoalescingError;
use etsec_core::error::Side;
use serde::{Deserialize, Serialize};

use super::{Live, Ready, Section, Settings, Wrong, fit};

/// Frames and microseconds, whichever is reached first; without frames, the time alone. Without
/// either, an interrupt at once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Coalesce {
    /// Received frames.
    pub rx_frames: PerRing,
    /// Microseconds after the first of them.
    pub rx_usecs: PerRing,
    /// Bursts that were sent.
    pub tx_frames: PerRing,
    /// Microseconds after the first of them.
    pub tx_usecs: PerRing,
}

/// A number for all rings alike, or one for each from ring 0 on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number, or a list with one for each ring")]
pub enum PerRing {
    /// All alike.
    All(i64),
    /// One each; 0 for the rings that it does not reach.
    Each(Vec<i64>),
}

impl Default for PerRing {
    fn default() -> Self {
        PerRing::All(0)
    }
}

impl PerRing {
    fn of(&self, ring: usize) -> i64 {
        match self {
            PerRing::All(number) => *number,
            PerRing::Each(numbers) => numbers.get(ring).copied().unwrap_or(0),
        }
    }

    fn is_each(&self) -> bool {
        matches!(self, PerRing::Each(_))
    }
}

impl Coalesce {
    fn of(&self, side: Side) -> (&PerRing, &PerRing, [&'static str; 2]) {
        match side {
            Side::Rx => (&self.rx_frames, &self.rx_usecs, ["rx-frames", "rx-usecs"]),
            Side::Tx => (&self.tx_frames, &self.tx_usecs, ["tx-frames", "tx-usecs"]),
        }
    }

    /// What ring `n` waits for.
    fn wanted(&self, side: Side, n: usize) -> Result<Option<Coalescing>, Wrong> {
        let (frames, usecs, keys) = self.of(side);
        let (most, longest) = (Coalescing::FRAMES_MAX.into(), Coalescing::TIME_MAX_US.into());
        let keys = keys.map(|key| format!("coalesce.{key}"));
        let (frames, usecs) = (frames.of(n), usecs.of(n));
        Wrong::unless_in(&keys[0], frames, (0, most))?;
        if (frames, usecs) == (0, 0) {
            return Ok(None);
        }
        // A time is always wanted: without one the last frames would wait for others for ever.
        Wrong::unless_in(&keys[1], usecs, (1, longest))?;
        let frames = if frames == 0 { most } else { frames };
        let wanted = Coalescing::new(fit(frames), fit(usecs));
        wanted.map(Some).map_err(|error| Wrong::new(&keys[0], format!("cannot be: {error}")))
    }

    /// Hands the wishes to a port: all rings at once, or one after the other.
    fn tell<F>(&self, mut tell: F) -> Result<()>
    where
        F: FnMut(Side, Option<usize>, Option<Coalescing>) -> Result<(), CoalescingError>,
    {
        for side in [Side::Rx, Side::Tx] {
            let (frames, usecs, _) = self.of(side);
            if !frames.is_each() && !usecs.is_each() {
                tell(side, None, self.wanted(side, 0)?)?;
                continue;
            }
            for n in 0..8 {
                tell(side, Some(n), self.wanted(side, n)?)?;
            }
        }
        Ok(())
    }
}

impl Section for Coalesce {
    fn check(&self, _: &Settings) -> Result<(), Wrong> {
        for side in [Side::Rx, Side::Tx] {
            let (frames, usecs, keys) = self.of(side);
            for (numbers, key) in [frames, usecs].into_iter().zip(keys) {
                let PerRing::Each(numbers) = numbers else { continue };
                let key = format!("coalesce.{key}");
                match numbers[..] {
                    [] => return Err(Wrong::new(&key, "has no number")),
                    // It would look like one for all.
                    [one] => {
                        let why = format!(
                            "is a list of one: write {one} for all rings, or {one},0 for ring 0 \
                             alone"
                        );
                        return Err(Wrong::new(&key, why));
                    }
                    _ if numbers.len() > 8 => {
                        let why = format!("has {} numbers, but there are 8 rings", numbers.len());
                        return Err(Wrong::new(&key, why));
                    }
                    _ => {}
                }
            }
            (0..8).try_for_each(|n| self.wanted(side, n).map(drop))?;
        }
        Ok(())
    }

    fn begin(&self, ready: &mut Ready<'_>) -> Result<()> {
        let device = &mut *ready.device;
        // What nobody asks for costs no register write.
        if *self == Coalesce::default() {
            return Ok(());
        }
        let port = &mut device.port;
        self.tell(|side, ring, wanted| match ring {
            None => port.set_coalescing(side, wanted),
            Some(ring) => port.set_ring_coalescing(side, ring, wanted),
        })
    }

    fn change(&self, old: &Settings, live: &mut Live<'_>) -> Result<()> {
        let mut put = |wanted: &Coalesce| {
            wanted.tell(|side, ring, wanted| match ring {
                None => live.port.set_coalescing(side, wanted),
                Some(ring) => live.port.set_ring_coalescing(side, ring, wanted),
            })
        };
        put(self).inspect_err(|_| {
            // What was in force has been in force before.
            let _ = put(&old.coalesce);
        })
    }
}
