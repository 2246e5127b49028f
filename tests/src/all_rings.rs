//! A port with all its rings, and traffic on every one of them: the proof that nothing is stuck.
//!
//! Received frames are steered by their source address, so that every ring can be reached from the
//! wire.

use etsec_core::filer::{FilerEntry, FilerTable};
use etsec_core::{Bus, MacAddr, Region, TxCounters};
use etsec_sim::{Sim, SimConfig, Switches};

use crate::readings::{self, SWITCHES};
use crate::rig::{Live, PEER, Plan, Rig, STATION, config, frame};

/// Rings of each direction.
pub const RINGS: usize = 8;
/// Descriptors of each ring.
pub const LEN: usize = 8;

/// The station whose frames go to receive ring `ring`.
#[must_use]
pub fn talker(ring: usize) -> MacAddr {
    MacAddr([0x02, 0, 0, 0, 1, ring as u8])
}

/// Eight rings each way, on the model `sim` describes.
#[must_use]
pub fn plan(sim: SimConfig) -> Plan {
    let mut config = config();
    config.parser = true;
    config.hang_ms = 100;
    Plan {
        sim,
        config,
        rx: vec![LEN; RINGS],
        tx: vec![LEN; RINGS],
        buffers: 3 * RINGS * LEN,
        ..Plan::default()
    }
}

/// Loads the rules that steer the talkers' frames; everything else goes to ring 0.
pub fn steer<B: Bus + Clone, R: Region>(rig: &mut Rig<B, R>) {
    let mut table = FilerTable::new(0);
    for ring in 1..RINGS {
        // HW 6.3: property 6 is the low half of the source address; equal.
        let control = (ring as u32) << 10 | 6;
        table.push(FilerEntry { control, property: 0x0000_0100 | ring as u32 }).expect("room");
    }
    rig.port.set_filer(&table).expect("the parser is on");
}

/// A running port with all rings.
#[must_use]
pub fn start(sim: SimConfig) -> Live {
    start_on(&Sim::new(sim))
}

/// The same on a model that is there already.
#[must_use]
pub fn start_on(sim: &Sim) -> Live {
    start_as(sim, &plan(SimConfig::default()))
}

/// The same with a plan that began as [`plan`].
#[must_use]
pub fn start_as(sim: &Sim, plan: &Plan) -> Live {
    let mut rig = Rig::on(sim, plan);
    steer(&mut rig);
    rig.start()
}

/// The normal model, each switch alone that a driver has to work with whatever its options, and all
/// that go together.
#[must_use]
pub fn readings() -> Vec<Switches> {
    // Erratum NMG_eTSEC129 makes a receiver deaf until it is tested (HW 14).
    let each = SWITCHES.into_iter().map(readings::alone).filter(|switches| !switches.nmg129);
    [Switches::default()].into_iter().chain(each).chain([readings::together()]).collect()
}

impl<B: Bus + Clone, R: Region> Live<B, R> {
    /// Sends a frame on every transmit ring and one to every receive ring, and fails unless all of
    /// them arrive whole and nothing else does.
    ///
    /// # Panics
    /// If one does not.
    pub fn exchange(&mut self, seed: u8) {
        for ring in 0..self.tx.len() {
            let out = frame(PEER, STATION, 60 + ring, seed.wrapping_add(ring as u8));
            self.send(ring, &out);
            self.delay_us(200);
            assert_eq!(self.sim.transmitted().as_ref(), Some(&out), "transmit ring {ring}");
            assert_eq!(self.reap(), 1, "transmit ring {ring}");
        }
        assert_eq!(self.sim.transmitted(), None);
        for ring in 0..self.rx.len() {
            let come = frame(STATION, talker(ring), 61 + ring, seed.wrapping_add(ring as u8));
            self.sim.receive(&come);
            assert_eq!(self.receive(ring).as_ref(), Some(&come), "receive ring {ring}");
        }
        for ring in 0..self.rx.len() {
            assert_eq!(self.receive(ring), None, "receive ring {ring}");
        }
    }

    /// Puts four frames into every transmit ring and returns them in the order in which they leave
    /// by priority.
    ///
    /// # Panics
    /// If there is no room.
    pub fn load(&mut self, seed: u8) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for ring in 0..self.tx.len() {
            for n in 0..4 {
                let bytes = frame(PEER, STATION, 300 + 10 * ring + n, seed);
                let buf = self.pool.frame(&bytes).expect("a free buffer");
                self.tx[ring].stage(buf).expect("room in the ring");
                all.push(bytes);
            }
            assert_eq!(self.tx[ring].commit(), 4);
        }
        all
    }

    /// What all transmit queues together have done with their frames.
    #[must_use]
    pub fn tx_counters(&self) -> TxCounters {
        self.tx.iter().fold(TxCounters::default(), |sum, tx| {
            let one = tx.counters();
            TxCounters {
                frames: sum.frames + one.frames,
                late_collisions: sum.late_collisions + one.late_collisions,
                retry_limits: sum.retry_limits + one.retry_limits,
                underruns: sum.underruns + one.underruns,
                truncated: sum.truncated + one.truncated,
                ..sum
            }
        })
    }

    /// Everything that has left so far.
    #[must_use]
    pub fn sent(&self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.sim.transmitted()).collect()
    }

    /// Fails unless exactly these frames of [`Live::load`] have left, those of each ring in order.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    pub fn assert_sent(&self, expected: &[Vec<u8>]) {
        let (mut sent, mut expected) = (self.sent(), expected.to_vec());
        let ring = |frame: &Vec<u8>| frame.len() / 10;
        sent.sort_by_key(ring);
        expected.sort_by_key(ring);
        let lengths = |frames: &[Vec<u8>]| frames.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(&sent), lengths(&expected));
        assert!(sent == expected, "frames have changed");
    }

    /// Lets `ticks` times 10 ms pass, with a tick of the port after each.
    ///
    /// # Panics
    /// If the device is gone.
    pub fn settle(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.delay_us(10_000);
            let now_ms = (self.sim.now_ns() / 1_000_000) as u32;
            self.port.tick(now_ms, &mut self.delay).expect("the device is there");
        }
    }

    /// Lets virtual time pass.
    pub fn delay_us(&mut self, us: u32) {
        use embedded_hal::delay::DelayNs as _;
        self.delay.delay_us(us);
    }
}
