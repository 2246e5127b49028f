//! After the faults: everything that was wrong is put right, and then traffic has to pass again
//! within a bounded virtual time; and the end of a run, where everything has to come home.

use etsec_core::Bus;
use etsec_sim::cable::Side;
use etsec_sim::{Fault, Line};

use super::rules::{Broken, Check, Rule, check};
use super::script::Then;
use super::station::{Port, Station};
use super::{World, release, stranger};
use crate::readings::{LASTING, OF_A_FRAME, OF_A_STATUS};

/// How often a port is looked at.
const TICK_NS: u64 = 10_000_000;
/// Ticks until traffic has to pass again.
const TICKS: u32 = 60;
/// Frames that a ring may take to go around twice, whatever becomes of them.
const AROUND: u32 = 24;
/// Registers that tell why traffic does not pass (HW 2).
const SHOWN: [(&str, u16); 7] = [
    ("IEVENT", 0x010),
    ("DMACTRL", 0x02C),
    ("TSTAT", 0x104),
    ("TQUEUE", 0x114),
    ("RSTAT", 0x304),
    ("RQUEUE", 0x314),
    ("MACCFG1", 0x500),
];

/// Faults that end with the calm. A transmitter that hangs is not among them: the driver is to find
/// it, and the reset ends it.
fn armed() -> impl Iterator<Item = Fault> {
    let lasting = LASTING.into_iter().filter(|fault| *fault != Fault::TxHang);
    OF_A_FRAME.into_iter().chain(OF_A_STATUS).chain(lasting)
}

impl World {
    /// Ends all faults, and fails unless everything works afterwards.
    pub(super) fn calm(&mut self) -> Check {
        self.book.note(format_args!("{:>12} ns  all faults end", self.now));
        self.harms.iter_mut().for_each(|harms| harms.clear());
        for station in self.ends.iter_mut().flatten() {
            station.bus.revive();
            armed().for_each(|fault| station.mend(fault));
            station.plug(true);
            release(station)?;
        }
        let since = self.now;
        // What was broken off is picked up by the next look.
        self.look()?;
        self.until("come to rest", |world| world.rests())?;
        self.go_around()?;
        self.probe(1, true)?;
        let took = self.now - since;
        self.book.sums.recovery_ns = self.book.sums.recovery_ns.max(took);
        // More than a ring takes, so that each goes around.
        self.probe(11, false)?;
        for station in self.ends.iter_mut().flatten() {
            station.calmed();
            station.check()?;
            station.check_sums(&mut self.book)?;
        }
        Ok(())
    }

    /// A descriptor that was written over may be met long after. So rings that were hit go around
    /// before anything is expected of them.
    fn go_around(&mut self) -> Check {
        if !self.stations().any(Station::is_hit) {
            return Ok(());
        }
        for _ in 0..AROUND {
            for side in [Side::A, Side::B] {
                // A ring may be full of frames that a transmitter hangs at.
                self.probe_from(side, true)?;
            }
            // A queue and a hardware that disagree agree again in a pause of three looks.
            for _ in 0..3 {
                self.look()?;
                self.serve_all()?;
            }
        }
        self.until("come to rest", |world| world.rests())?;
        self.ends.iter_mut().flatten().for_each(Station::calmed);
        Ok(())
    }

    /// Serves everything and lets time pass until `done`.
    fn until(&mut self, what: &str, done: impl Fn(&World) -> bool) -> Check {
        for _ in 0..TICKS {
            self.serve_all()?;
            if done(self) {
                return Ok(());
            }
            self.look()?;
        }
        let mut why = format!("it did not {what} within {TICKS} ticks");
        for station in self.stations() {
            why += &format!("; {:?}: {}", station.side, station.state());
        }
        Err(Broken::new(Rule::Recovers, why))
    }

    /// The time of a tick passes, and every port has its look.
    fn look(&mut self) -> Check {
        self.advance(TICK_NS)?;
        for station in self.ends.iter_mut().flatten() {
            station.tick(&mut self.book)?;
        }
        self.carry()
    }

    fn serve_all(&mut self) -> Check {
        for station in self.ends.iter_mut().flatten() {
            if station.sim.line(Line::Err) {
                station.serve(&mut self.book, Line::Err)?;
            }
            if matches!(station.port, Port::Stopped(_)) {
                station.start(&mut self.book)?;
            }
            for ring in 0..station.rx.len() {
                station.receive(&mut self.book, ring, usize::MAX, false, Then::Refill)?;
                station.fill(ring, true)?;
            }
            for ring in 0..station.tx.len() {
                station.commit(ring)?;
            }
        }
        self.carry()?;
        for station in self.ends.iter_mut().flatten() {
            for ring in 0..station.tx.len() {
                station.reap(&mut self.book, ring, usize::MAX, false)?;
            }
        }
        self.ends.iter_mut().flatten().try_for_each(Station::check)
    }

    /// Nothing is under way any more.
    fn rests(&self) -> bool {
        self.cable.next_arrival_ns().is_none() && self.stations().all(Station::rests)
    }

    /// Sends frames on every ring to every ring, and fails unless they arrive: each, at once; or,
    /// if they `may_wait`, within the time of a recovery.
    fn probe(&mut self, frames: usize, may_wait: bool) -> Check {
        for _ in 0..frames {
            let first = self.book.frames.len() as u32;
            for side in [Side::A, Side::B] {
                self.probe_from(side, false)?;
            }
            let last = self.book.frames.len() as u32;
            let all = |world: &World| {
                (first..last).all(|number| world.book.frames.get(number).delivered > 0)
            };
            if may_wait {
                self.until("deliver every frame", |world| all(world) && world.rests())?;
                continue;
            }
            // Eight frames at 10 Mb/s.
            self.advance(5_000_000)?;
            self.serve_all()?;
            check(all(self), Rule::Recovers, || {
                let missing = (first..last).find(|n| self.book.frames.get(*n).delivered == 0);
                let record = missing.map(|number| self.book.frames.get(number));
                format!("frame {missing:?} is lost without a fault: {record:?}")
            })?;
        }
        Ok(())
    }

    /// A frame on every ring, to as many rings as there are in turn.
    fn probe_from(&mut self, side: Side, lenient: bool) -> Check {
        if self.ends[side as usize].is_none() {
            for (number, octets) in stranger::frames(&mut self.book, side, 3, 60) {
                self.put_in(side, number, octets);
            }
            return self.carry();
        }
        let Some(station) = &mut self.ends[side as usize] else { return Ok(()) };
        for ring in 0..station.tx.len().max(station.rx.len()) {
            let ring = station.tx_ring(ring);
            let sent = station.send(&mut self.book, ring, 1, 60, false)?;
            station.commit(ring)?;
            check(sent == 1 || lenient, Rule::Recovers, || format!("ring {ring} takes no frame"))?;
        }
        self.carry()
    }

    /// Stops everything; every buffer has to come home.
    pub(super) fn finish(&mut self) -> Check {
        for station in self.ends.iter_mut().flatten() {
            station.stop(&mut self.book)?;
        }
        self.carry()?;
        for station in &mut self.ends {
            let Some(mut station) = station.take() else { continue };
            station.drain();
            station.tally(&mut self.book);
            let Station { port, rx, tx, pool, arena, side, sim, .. } = station;
            let (free, all) = (pool.free(), pool.buffers());
            check(free == all, Rule::Owned, || {
                format!("{side:?}: {free} of {all} buffers came home")
            })?;
            drop((port, rx, tx, pool));
            let retired = arena.retire().is_ok();
            check(retired, Rule::Owned, || format!("{side:?}: somebody still holds memory"))?;
            let violations = sim.violations();
            check(violations.is_empty(), Rule::Manual, || format!("{}", violations[0]))?;
        }
        Ok(())
    }

    /// Adds what is left to be added, at the end of a run.
    pub(super) fn tally(&mut self) {
        self.book.sums.runs = 1;
        self.book.sums.virtual_ns = self.now;
        for station in self.ends.iter().flatten() {
            station.tally(&mut self.book);
            // What a broken run leaves behind is told already.
            drop(station.sim.violations());
        }
    }
}

impl Station {
    /// Plugs the cable in, or pulls it.
    pub(super) fn plug(&mut self, plugged: bool) {
        self.plugged = plugged;
        self.sim.set_link_up(plugged);
        if !plugged {
            self.was_unplugged = true;
            let flying = self.tx.iter_mut().flat_map(|tx| &mut tx.flying);
            flying.for_each(|frame| frame.unplugged = true);
        }
    }

    /// Nothing is under way in its rings, and receive rings are full.
    fn rests(&self) -> bool {
        let sent = self.tx.iter().all(|tx| tx.flying.is_empty());
        let taken = |rx: &super::station::Receiver| {
            (rx.expected.is_empty() || rx.hit) && rx.queue.space() == 0
        };
        sent && self.rx.iter().all(taken)
    }

    /// Whether one of its rings was hit since it was last calm.
    pub(super) fn is_hit(&self) -> bool {
        self.tx.iter().any(|tx| tx.hit) || self.rx.iter().any(|rx| rx.hit)
    }

    /// Rings that were hit work again.
    fn calmed(&mut self) {
        self.excuses = super::station::Excuses::default();
        for sender in &mut self.tx {
            sender.hit = false;
        }
        for receiver in &mut self.rx {
            if std::mem::take(&mut receiver.hit) {
                receiver.expected.clear();
            }
        }
    }

    /// What waits for what, in words.
    fn state(&self) -> String {
        let tx = self.tx.iter().map(|tx| tx.flying.len()).collect::<Vec<_>>();
        let rx = self.rx.iter().map(|rx| (rx.expected.len(), rx.queue.space())).collect::<Vec<_>>();
        let running = matches!(self.port, Port::Running(_));
        let registers = SHOWN.map(|(name, at)| format!("{name} {:#x}", self.sim.bus().read(at)));
        format!(
            "running {running}, in transmit rings {tx:?}, stored and space {rx:?}, {}",
            registers.join(" ")
        )
    }
}
