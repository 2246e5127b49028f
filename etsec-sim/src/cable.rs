//! A cable between two stations, in virtual time: it delays, loses, doubles, reorders and corrupts
//! frames, all from one seed.
//!
//! It is a struct without a clock: the caller says what time it is. Only `step` knows models.

use std::collections::BTreeMap;

use crate::Sim;
use crate::random::Random;
use crate::wire::WireFrame;

/// What a cable does to frames. Chances are in parts per million, each drawn per frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CableConfig {
    /// From the sender's end to the receiver's, in nanoseconds.
    pub delay_ns: u64,
    /// Chance that a frame vanishes.
    pub loss_ppm: u32,
    /// Chance that a frame arrives twice.
    pub duplicate_ppm: u32,
    /// Chance that one bit of a frame is flipped, so that its FCS is wrong.
    pub corrupt_ppm: u32,
    /// Chance that a frame is held back by `reorder_ns`, so that later ones overtake it.
    pub reorder_ppm: u32,
    /// How long a frame chosen by `reorder_ppm` is held back, in nanoseconds.
    pub reorder_ns: u64,
    /// Where all chances come from: the same seed and the same frames give the same run.
    pub seed: u64,
}

/// One end of a cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first station.
    A,
    /// The second station.
    B,
}

impl Side {
    /// The other end.
    #[must_use]
    pub fn other(self) -> Side {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }
}

/// A frame on the cable: all octets from DA through FCS.
pub type Frame = Vec<u8>;

/// What has happened to the frames sent so far, both directions together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CableCounters {
    /// Frames put in.
    pub sent: u64,
    /// Frames that vanished.
    pub lost: u64,
    /// Frames that arrive twice.
    pub duplicated: u64,
    /// Copies with a flipped bit.
    pub corrupted: u64,
    /// Copies held back.
    pub reordered: u64,
}

/// A cable with frames in flight. There is no limit to how many: whoever sends should deliver.
#[derive(Debug, Clone)]
pub struct Cable {
    config: CableConfig,
    random: Random,
    counters: CableCounters,
    /// Frames towards each side by their time of arrival, then in the order they were sent.
    towards: [BTreeMap<(u64, u64), Frame>; 2],
    sequence: u64,
}

impl Cable {
    /// An idle cable.
    #[must_use]
    pub fn new(config: CableConfig) -> Self {
        Cable {
            config,
            random: Random::new(config.seed),
            counters: CableCounters::default(),
            towards: [BTreeMap::new(), BTreeMap::new()],
            sequence: 0,
        }
    }

    /// What has happened so far.
    #[must_use]
    pub fn counters(&self) -> CableCounters {
        self.counters
    }

    /// Changes what the cable does from the next frame on; the seed's sequence goes on.
    pub fn set_config(&mut self, config: CableConfig) {
        self.config = config;
    }

    /// Puts a frame in at end `from` at time `now_ns`.
    pub fn send(&mut self, from: Side, frame: Frame, now_ns: u64) {
        self.counters.sent += 1;
        if self.random.chance(self.config.loss_ppm) {
            self.counters.lost += 1;
            return;
        }
        if self.random.chance(self.config.duplicate_ppm) {
            self.counters.duplicated += 1;
            self.carry(from, frame.clone(), now_ns);
        }
        self.carry(from, frame, now_ns);
    }

    /// The next frame that has arrived at end `to` by `now_ns`, earliest first.
    pub fn deliver(&mut self, to: Side, now_ns: u64) -> Option<Frame> {
        let first = self.towards[to as usize].first_entry()?;
        (first.key().0 <= now_ns).then(|| first.remove())
    }

    /// When the next frame arrives at either end, if one is in flight.
    #[must_use]
    pub fn next_arrival_ns(&self) -> Option<u64> {
        self.towards.iter().filter_map(|side| side.keys().next()).map(|&(due, _)| due).min()
    }

    /// Moves frames between model `a` at end A and model `b` at end B: what they have sent is put
    /// in, what has arrived is received. Returns how many frames arrived.
    ///
    /// Each model's own virtual time counts; whoever advances them should advance both alike.
    pub fn step(&mut self, a: &Sim, b: &Sim) -> usize {
        for (side, sim) in [(Side::A, a), (Side::B, b)] {
            let now_ns = sim.now_ns();
            while let Some(frame) = sim.transmitted_raw() {
                let fcs = frame.fcs.bytes(&frame.data);
                let mut octets = frame.data;
                octets.extend(fcs);
                self.send(side, octets, now_ns);
            }
        }
        let mut arrived = 0;
        for (side, sim) in [(Side::A, a), (Side::B, b)] {
            let now_ns = sim.now_ns();
            while let Some(octets) = self.deliver(side, now_ns) {
                // A frame without room for an FCS is noise.
                if let Some(frame) = WireFrame::with_fcs(octets) {
                    sim.receive_raw(frame);
                    arrived += 1;
                }
            }
        }
        arrived
    }

    fn carry(&mut self, from: Side, mut frame: Frame, now_ns: u64) {
        let mut due = now_ns.saturating_add(self.config.delay_ns);
        if self.random.chance(self.config.corrupt_ppm) && !frame.is_empty() {
            self.counters.corrupted += 1;
            let bit = self.random.below(frame.len() as u64 * 8) as usize;
            frame[bit / 8] ^= 1 << (bit % 8);
        }
        if self.random.chance(self.config.reorder_ppm) {
            self.counters.reordered += 1;
            due = due.saturating_add(self.config.reorder_ns);
        }
        self.sequence += 1;
        self.towards[from.other() as usize].insert((due, self.sequence), frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u32) -> Frame {
        number.to_be_bytes().to_vec()
    }

    /// Sends 1000 numbered frames from A, 1 µs apart, and returns what arrives at B.
    fn run(config: CableConfig) -> (Vec<Frame>, CableCounters) {
        let mut cable = Cable::new(config);
        for number in 0..1000 {
            cable.send(Side::A, frame(number), u64::from(number) * 1000);
        }
        let arrived = std::iter::from_fn(|| cable.deliver(Side::B, u64::MAX)).collect();
        assert_eq!(cable.deliver(Side::A, u64::MAX), None);
        (arrived, cable.counters())
    }

    #[test]
    fn a_good_cable_keeps_order_and_time() {
        let mut cable = Cable::new(CableConfig { delay_ns: 500, ..CableConfig::default() });
        cable.send(Side::A, frame(1), 1000);
        cable.send(Side::A, frame(2), 1000);
        cable.send(Side::B, frame(3), 1200);
        assert_eq!(cable.next_arrival_ns(), Some(1500));
        assert_eq!(cable.deliver(Side::B, 1499), None);
        assert_eq!(cable.deliver(Side::B, 1500), Some(frame(1)));
        assert_eq!(cable.deliver(Side::B, 1500), Some(frame(2)));
        assert_eq!(cable.deliver(Side::B, 1500), None);
        assert_eq!(cable.next_arrival_ns(), Some(1700));
        assert_eq!(cable.deliver(Side::A, 1700), Some(frame(3)));
    }

    #[test]
    fn one_seed_one_run() {
        let config = CableConfig {
            loss_ppm: 100_000,
            duplicate_ppm: 100_000,
            corrupt_ppm: 100_000,
            reorder_ppm: 100_000,
            reorder_ns: 10_000,
            seed: 42,
            ..CableConfig::default()
        };
        assert_eq!(run(config), run(config));
        assert_ne!(run(config).0, run(CableConfig { seed: 43, ..config }).0);
    }

    #[test]
    fn each_fault_alone_does_what_it_says() {
        let good: Vec<Frame> = (0..1000).map(frame).collect();
        let base = CableConfig { seed: 3, ..CableConfig::default() };
        assert_eq!(run(base).0, good);

        let (arrived, counters) = run(CableConfig { loss_ppm: 200_000, ..base });
        assert_eq!(arrived.len() as u64, 1000 - counters.lost);
        assert!((150..250).contains(&counters.lost));

        let (arrived, counters) = run(CableConfig { duplicate_ppm: 200_000, ..base });
        assert_eq!(arrived.len() as u64, 1000 + counters.duplicated);
        assert!((150..250).contains(&counters.duplicated));

        let (arrived, counters) = run(CableConfig { corrupt_ppm: 1_000_000, ..base });
        assert_eq!(counters.corrupted, 1000);
        for (sent, arrived) in good.iter().zip(&arrived) {
            let flipped: u32 = sent.iter().zip(arrived).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!(flipped, 1);
        }

        let (mut arrived, counters) =
            run(CableConfig { reorder_ppm: 50_000, reorder_ns: 5_500, ..base });
        assert!(counters.reordered > 20 && arrived != good);
        arrived.sort();
        assert_eq!(arrived, good);
    }
}
