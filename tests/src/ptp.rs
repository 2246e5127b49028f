//! Two stations on a cable that keep one time: as much of IEEE 1588 as a test of clocks and stamps
//! needs. Messages are those of its annex for Ethernet, two-step, with the delay measured end to
//! end; there is one master, and nobody elects it.

use etsec_core::PtpClock;
use etsec_sim::cable::{Cable, CableConfig};
use etsec_sim::random::Random;
use etsec_sim::{Sim, SimBus, SimConfig, TimerConfig, WireSpeed};

use crate::rig::{Live, PEER, STATION};
use crate::stamping::stamping;

const SYNC: u8 = 0;
const DELAY_REQ: u8 = 1;
const FOLLOW_UP: u8 = 8;
const DELAY_RESP: u8 = 9;
const SECOND: u64 = 1_000_000_000;

/// One end: a port that stamps, and its clock.
#[derive(Debug)]
pub struct Station {
    /// The port.
    pub live: Live,
    /// Its clock.
    pub clock: PtpClock<SimBus>,
}

impl Station {
    /// A station whose oscillator is `error_ppb` too fast and whose clock begins at `time_ns`.
    #[must_use]
    pub fn new(error_ppb: i32, time_ns: u64) -> Station {
        let timer = TimerConfig { error_ppb, ..TimerConfig::default() };
        let wire = WireSpeed::Link;
        let sim = Sim::new(SimConfig { timer, wire, ..SimConfig::default() });
        let (live, clock) = stamping(&sim, time_ns);
        Station { live, clock }
    }
}

/// A message: type, sequence number, and the time it carries.
fn message(kind: u8, sequence: u16, time_ns: u64) -> Vec<u8> {
    let mut bytes = [STATION.0, PEER.0].concat();
    bytes.extend([0x88, 0xF7, kind, 2, 0, 44]);
    bytes.resize(14 + 30, 0);
    bytes.extend(sequence.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(&(time_ns / SECOND).to_be_bytes()[2..]);
    bytes.extend(((time_ns % SECOND) as u32).to_be_bytes());
    bytes
}

/// What [`message`] has put in.
fn read(bytes: &[u8]) -> (u8, u16, u64) {
    let number = |at: usize, len: usize| {
        bytes[at..at + len].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    };
    assert_eq!(number(12, 2), 0x88F7);
    (bytes[14] & 0xF, number(44, 2) as u16, number(48, 6) * SECOND + number(54, 4))
}

/// What a slave has measured.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Nanoseconds its clock is ahead of the master's.
    pub offset_ns: i64,
    /// Nanoseconds from one station to the other.
    pub delay_ns: i64,
}

/// A master, a slave, and the cable between them.
#[derive(Debug)]
pub struct Network {
    /// The one whose time counts.
    pub master: Station,
    /// The one that follows.
    pub slave: Station,
    cable: Cable,
    random: Random,
    sequence: u16,
}

impl Network {
    /// Two stations and `delay_ns` of cable.
    #[must_use]
    pub fn new(master: Station, slave: Station, delay_ns: u64) -> Network {
        assert_eq!(master.live.sim.now_ns(), slave.live.sim.now_ns(), "both began together");
        let cable = Cable::new(CableConfig { delay_ns, ..CableConfig::default() });
        Network { master, slave, cable, random: Random::new(1588), sequence: 0 }
    }

    /// Lets time pass for both.
    pub fn advance(&mut self, ns: u64) {
        self.master.live.sim.advance(ns);
        self.slave.live.sim.advance(ns);
    }

    /// Nanoseconds the slave's clock is ahead, seen from outside.
    #[must_use]
    pub fn truth(&mut self) -> i64 {
        self.slave.clock.now().wrapping_sub(self.master.clock.now()).cast_signed()
    }

    /// Sends one message and gives it to the other side; returns the stamps of both ends.
    fn carry(&mut self, from_master: bool, bytes: &[u8]) -> (Vec<u8>, u64, u64) {
        let (from, to) = match from_master {
            true => (&mut self.master.live, &mut self.slave.live),
            false => (&mut self.slave.live, &mut self.master.live),
        };
        from.send_stamped(bytes);
        // In steps of a tick, so that the cable takes and gives the frame in time.
        for _ in 0..1000 {
            from.sim.advance(8);
            to.sim.advance(8);
            let ends = if from_master { (&from.sim, &to.sim) } else { (&to.sim, &from.sim) };
            self.cable.step(ends.0, ends.1);
            if let Some((bytes, stamp)) = to.receive_stamped() {
                let sent = from.sent_stamp().expect("it has left").expect("a stamp");
                return (bytes, sent, stamp.expect("a stamp"));
            }
        }
        panic!("nothing arrived in 8 µs");
    }

    /// The time a station takes to answer: up to a millisecond.
    fn think(&mut self) {
        let ns = self.random.below(1_000_000);
        self.advance(ns);
    }

    /// Sync, Follow_Up, Delay_Req, Delay_Resp: what the slave learns from them. Each side uses its
    /// own stamps, and those of the other only as far as messages tell.
    pub fn exchange(&mut self) -> Measured {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let (sync, sent, t2) = self.carry(true, &message(SYNC, sequence, 0));
        assert_eq!(read(&sync), (SYNC, sequence, 0));
        self.think();
        let (follow, ..) = self.carry(true, &message(FOLLOW_UP, sequence, sent));
        let (FOLLOW_UP, _, t1) = read(&follow) else { panic!("no Follow_Up") };
        self.think();
        let (_, t3, received) = self.carry(false, &message(DELAY_REQ, sequence, 0));
        self.think();
        let (answer, ..) = self.carry(true, &message(DELAY_RESP, sequence, received));
        let (DELAY_RESP, _, t4) = read(&answer) else { panic!("no Delay_Resp") };
        let there = t2.wrapping_sub(t1).cast_signed();
        let back = t4.wrapping_sub(t3).cast_signed();
        Measured { offset_ns: (there - back) / 2, delay_ns: (there + back) / 2 }
    }
}

/// A proportional and integral servo, for one measurement a second.
#[derive(Debug, Default)]
pub struct Servo {
    /// What the oscillator is thought to be off, in 10⁻¹⁰.
    drift: i64,
    begun: bool,
}

impl Servo {
    /// Steers `clock` by what was measured: the first time by a step.
    ///
    /// # Panics
    /// If the clock refuses the step or the adjustment.
    pub fn steer(&mut self, clock: &mut PtpClock<SimBus>, measured: Measured) {
        let offset = measured.offset_ns;
        if !self.begun {
            clock.step(-offset).expect("a time that can be");
            self.begun = true;
            return;
        }
        self.drift += 3 * offset;
        let most = i64::from(clock.config().range_ppb());
        let ppb = (-(7 * offset + self.drift) / 10).clamp(-most, most);
        clock.adjust(ppb as i32).expect("within the range");
    }
}
