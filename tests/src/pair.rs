//! A sender and a slow receiver with a cable between them, for tests of flow control: whoever lets
//! time pass at one end lets it pass at both, and frames carry numbers.

use std::sync::{Arc, Mutex};

use embedded_hal::delay::DelayNs;
use etsec_core::mib::Counter;
use etsec_core::{AddressFilter, Bus, Config, Running};
use etsec_sim::cable::{Cable, CableConfig};
use etsec_sim::{Sim, SimBus, SimConfig, Switches, WireSpeed};

use crate::rig::{Live, PEER, Plan, Rig, Rx, STATION, frame};

/// Descriptors of each ring of a [`Pair`].
pub const RING: usize = 32;

/// Both ends and their cable, as time sees them.
#[derive(Debug, Clone)]
pub struct Line {
    a: Sim,
    b: Sim,
    cable: Arc<Mutex<Cable>>,
}

impl DelayNs for Line {
    fn delay_ns(&mut self, ns: u32) {
        for step in (0..ns).step_by(500) {
            let ns = (ns - step).min(500).into();
            self.a.advance(ns);
            self.b.advance(ns);
            self.cable.lock().expect("no test panics in it").step(&self.a, &self.b);
        }
    }
}

/// The receiver's registers, where each access takes time, as on silicon.
#[derive(Debug, Clone)]
pub struct Timed {
    bus: SimBus,
    line: Line,
    access_ns: u32,
}

impl Bus for Timed {
    fn read(&self, at: u16) -> u32 {
        self.line.clone().delay_ns(self.access_ns);
        self.bus.read(at)
    }
    fn write(&self, at: u16, value: u32) {
        self.line.clone().delay_ns(self.access_ns);
        self.bus.write(at, value);
    }
    fn publish(&self) {
        self.bus.publish();
    }
    fn observe(&self) {
        self.bus.observe();
    }
}

/// A sender, a slow receiver and a cable.
#[derive(Debug)]
pub struct Pair<B: Bus + Clone = SimBus> {
    /// The sender.
    pub a: Live,
    /// The receiver.
    pub b: Live<B>,
    line: Line,
    /// The number of the next frame.
    pub next: u32,
    /// How much longer than the shortest the longest frame is.
    pub lengths: usize,
    got: Vec<u32>,
}

/// From the end of the addresses on, frames carry their number.
fn numbered(number: u32, lengths: usize) -> Vec<u8> {
    let mut bytes = frame(STATION, PEER, 60 + (number as usize * 37) % lengths, number as u8);
    bytes[14..18].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// The times of the pause frames among those that have left a port, and how many others there were.
#[must_use]
pub fn pauses<B: Bus + Clone>(live: &Live<B>) -> (Vec<u16>, usize) {
    let sent = live.sent();
    let is_pause = |bytes: &&Vec<u8>| bytes[12..16] == [0x88, 0x08, 0x00, 0x01];
    let time = |bytes: &Vec<u8>| u16::from_be_bytes([bytes[16], bytes[17]]);
    let times: Vec<u16> = sent.iter().filter(is_pause).map(time).collect();
    let others = sent.len() - times.len();
    (times, others)
}

/// The sender's plan, and the receiver's.
fn plans(sender: &str, receiver: &str, switches: Switches) -> (Plan, Plan) {
    let mut filter = AddressFilter::new(PEER).expect("a station address");
    filter.promiscuous = true;
    let link = |text: &str| text.parse().expect("a link");
    let mut config = Config { link: link(sender), ..Config::new(filter) };
    let plan = |config| Plan {
        sim: SimConfig { wire: WireSpeed::Link, switches, ..SimConfig::default() },
        config,
        rx: vec![RING],
        tx: vec![RING],
        buffers: 4 * RING,
        ..Plan::default()
    };
    let sends = plan(config.clone());
    config.filter = AddressFilter::new(STATION).expect("a station address");
    (config.link, config.pause_time) = (link(receiver), 32);
    (sends, plan(config))
}

impl Pair {
    /// `sender` is what the sending end does with pause frames.
    #[must_use]
    pub fn new(sender: &str, threshold: Option<u8>, switches: Switches) -> Pair {
        Pair::build(plans(sender, "1000/full/tx", switches), threshold, |bus, _| bus)
    }
}

impl Pair<Timed> {
    /// The same on a link of which one end obeys pause frames and the other sends them, with a
    /// receiver that is not lossless yet and whose register accesses take `access_ns` each.
    #[must_use]
    pub fn timed(link: &str, access_ns: u32, switches: Switches) -> Pair<Timed> {
        let plans = plans(&format!("{link}/rx"), &format!("{link}/tx"), switches);
        Pair::build(plans, None, |bus, line| Timed { bus, line, access_ns })
    }
}

impl<B: Bus + Clone> Pair<B> {
    fn build(
        (sends, receives): (Plan, Plan),
        threshold: Option<u8>,
        bus: impl FnOnce(SimBus, Line) -> B,
    ) -> Pair<B> {
        let cable = Cable::new(CableConfig { delay_ns: 300, ..CableConfig::default() });
        let (a, b) = (Sim::new(sends.sim.clone()), Sim::new(receives.sim.clone()));
        let line = Line { a, b, cable: Arc::new(Mutex::new(cable)) };
        let a = Rig::on(&line.a, &sends).start();
        let mut b = Rig::through(&line.b, &receives, bus(line.b.bus(), line.clone()));
        b.port.set_lossless(&mut b.rx[0], threshold).expect("a threshold");
        Pair { a, b: b.start(), line, next: 0, lengths: 300, got: Vec::new() }
    }

    /// Gives the sender `most` frames, or as many as its ring has room for.
    pub fn load(&mut self, most: usize) {
        self.a.reap();
        for _ in 0..most.min(self.a.tx[0].space()) {
            let bytes = numbered(self.next, self.lengths);
            let buf = self.a.pool.frame(&bytes).expect("a buffer");
            self.a.tx[0].stage(buf).expect("room");
            self.next += 1;
        }
        self.a.tx[0].commit();
    }

    /// `us` microseconds in which `a` sends as fast as it can, and `b` takes a frame each
    /// `each_us`, 0: none.
    pub fn run(&mut self, us: usize, each_us: usize) {
        for step in 0..2 * us {
            if step % 8 == 0 {
                self.load(RING);
            }
            self.line.delay_ns(500);
            if each_us != 0 && step % (2 * each_us) == 0 {
                self.take();
            }
        }
    }

    /// `us` microseconds in which what there is to send is sent, and nothing is taken.
    pub fn run_on(&mut self, us: u32) {
        self.line.delay_us(us);
    }

    /// Lets the receiver do something that takes time.
    pub fn at_b<R>(&mut self, f: impl FnOnce(&mut Running<B>, &mut Rx<B>, &mut Line) -> R) -> R {
        f(&mut self.b.port, &mut self.b.rx[0], &mut self.line)
    }

    fn take(&mut self) {
        if let Some(bytes) = self.b.receive(0) {
            let number = u32::from_be_bytes([bytes[14], bytes[15], bytes[16], bytes[17]]);
            assert_eq!(bytes, numbered(number, self.lengths), "arrived changed");
            self.got.push(number);
        }
    }

    /// Frames that the receiver has dropped.
    pub fn dropped(&mut self) -> u64 {
        self.b.port.mib().total(Counter::RDRP)
    }

    /// Lets everything that was sent arrive, and returns how many frames were lost.
    ///
    /// # Panics
    /// If frames arrive out of order, or are lost and not counted.
    #[must_use]
    pub fn end(mut self) -> usize {
        for step in 0..40_000 {
            self.line.delay_ns(500);
            if step % 20 == 0 {
                self.a.reap();
                self.take();
            }
        }
        assert_eq!(self.a.tx[0].pending(), 0, "the sender is stuck");
        let lost = self.next as usize - self.got.len();
        assert!(self.got.is_sorted(), "out of order");
        // A controller that is being reset counts nothing.
        let uncounted = lost - self.dropped() as usize;
        assert!(uncounted <= 2 * self.b.port.faults().resets as usize, "{uncounted} uncounted");
        while self.a.sim.transmitted().is_some() {}
        self.a.finish();
        self.b.finish();
        lost
    }
}
