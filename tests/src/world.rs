//! The deterministic world: drivers, models, a cable and a virtual clock in one thread, from one
//! seed, with faults on every edge.
//!
//! A seed makes a [`Script`]: how the world is built, and a list of steps. [`run`] is a function of
//! the script and of nothing else, so that a script that fails can be cut down ([`shrink`]) to the
//! few steps that matter. After every step the rules of [`Rule`] are checked; a [`What::Calm`] ends
//! all faults, and then traffic has to pass again within a bounded time.
//!
//! What is known of a frame or a buffer is kept here, beside the driver, and learned at the edges:
//! what goes into a queue and comes out of it, what leaves a model and what it stores.

pub mod book;
pub mod buffers;
pub mod bus;
mod calm;
pub mod frames;
mod receiving;
pub mod report;
pub mod rules;
pub mod script;
mod seed;
mod sending;
pub mod shrink;
pub mod station;
mod stranger;
mod sums;
mod tending;
mod waiting;

use std::collections::VecDeque;

use etsec_sim::cable::{Cable, CableConfig, Side};
use etsec_sim::{Direction, WireFrame};

use self::book::{Book, Sums};
use self::rules::{Broken, Check, Rule, check};
pub use self::script::Script;
use self::script::{Harm, Setup, Step, What};
pub use self::seed::script;
use self::station::{Port, Station};

/// While frames are under way, time passes in steps of at most so many nanoseconds.
const SLICE_NS: u64 = 50_000;
/// How long the cable holds a frame back.
const HELD_NS: u64 = 20_000;
const SURE: u32 = 1_000_000;

/// A run that broke a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which, and how.
    pub broken: Broken,
    /// In which step of the script; one past the last: in what follows it.
    pub step: usize,
}

/// What has come of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What broke, if anything did.
    pub failure: Option<Failure>,
    /// Sums over the run.
    pub sums: Sums,
    /// What has happened, if it was asked for.
    pub trace: Vec<String>,
}

/// Both ends of a cable, and what is between them.
#[derive(Debug)]
struct World {
    ends: [Option<Station>; 2],
    cable: Cable,
    delay_ns: u64,
    /// What the cable does to the next frames from each end.
    harms: [VecDeque<Harm>; 2],
    now: u64,
    book: Book,
}

/// Runs a script to its end, or to the first rule that breaks.
#[must_use]
pub fn run(script: &Script, traced: bool) -> Outcome {
    let mut world = World::new(&script.setup, traced);
    let mut failure = None;
    for (step, what) in script.steps.iter().enumerate() {
        world.book.sums.steps += 1;
        if let Err(broken) = world.step(what) {
            failure = Some(Failure { broken, step });
            break;
        }
    }
    if failure.is_none()
        && let Err(broken) = world.calm().and_then(|()| world.finish())
    {
        failure = Some(Failure { broken, step: script.steps.len() });
    }
    if let Some(failure) = &failure {
        world.book.note(format_args!("{:>12} ns  BROKEN {}", world.now, failure.broken));
    }
    world.tally();
    Outcome { failure, sums: world.book.sums.clone(), trace: world.book.take_trace() }
}

impl World {
    fn new(setup: &Setup, traced: bool) -> Self {
        let a = Station::new(Side::A, setup);
        let b = (!setup.stranger).then(|| Station::new(Side::B, setup));
        let cable = Cable::new(CableConfig { seed: setup.seed, ..CableConfig::default() });
        let mut world = World {
            ends: [Some(a), b],
            cable,
            delay_ns: setup.delay_ns,
            harms: [VecDeque::new(), VecDeque::new()],
            now: 0,
            book: Book::new(setup.rx.len(), traced),
        };
        world.now = world.latest();
        world.book.note(format_args!("{}", report::Built(setup)));
        world
    }

    /// The latest time of any clock: a call into a driver lets its own one go on.
    fn latest(&self) -> u64 {
        self.stations().map(|station| station.sim.now_ns()).fold(self.now, u64::max)
    }

    fn stations(&self) -> impl Iterator<Item = &Station> {
        self.ends.iter().flatten()
    }

    fn step(&mut self, step: &Step) -> Check {
        self.advance(step.gap_ns)?;
        self.book.note(format_args!("{:>12} ns  {:?} {}", self.now, step.at, step.what));
        if step.what == What::Calm {
            return self.calm();
        }
        self.act(step.at, step.what)?;
        self.carry()?;
        self.ends.iter_mut().flatten().try_for_each(Station::check)
    }

    /// Lets time pass, and frames with it.
    fn advance(&mut self, ns: u64) -> Check {
        let end = self.latest().max(self.now + ns);
        loop {
            let flies = |station: &Station| station.tx.iter().any(|tx| !tx.flying.is_empty());
            let busy = self.stations().any(flies) || self.cable.next_arrival_ns().is_some();
            let slice = if busy { SLICE_NS } else { u64::MAX };
            let next = self.cable.next_arrival_ns().unwrap_or(u64::MAX).max(self.now);
            let to = end.min(self.now.saturating_add(slice)).min(next);
            for station in self.ends.iter_mut().flatten() {
                station.sim.advance(to.saturating_sub(station.sim.now_ns()));
            }
            self.now = to;
            self.carry()?;
            if to == end {
                return Ok(());
            }
        }
    }

    /// Frames go from models onto the cable, and from the cable into models.
    fn carry(&mut self) -> Check {
        for side in [Side::A, Side::B] {
            while let Some(frame) =
                self.ends[side as usize].as_ref().and_then(|end| end.sim.transmitted_raw())
            {
                self.leave(side, frame)?;
            }
        }
        for side in [Side::A, Side::B] {
            while let Some(octets) = self.cable.deliver(side, self.now) {
                self.come(side, octets)?;
            }
        }
        Ok(())
    }

    /// A frame has left a model.
    fn leave(&mut self, side: Side, frame: WireFrame) -> Check {
        let good = frame.fcs.is_right(&frame.data);
        let number = self.book.frames.identify(&frame.data).filter(|_| good);
        let Some(station) = &mut self.ends[side as usize] else { return Ok(()) };
        let Some(number) = number else {
            let hit = station.tx.iter().any(|tx| tx.hit);
            return check(hit, Rule::Bytes, || {
                format!("station {side:?} sends {} bytes that it was not given", frame.data.len())
            });
        };
        self.book.note(format_args!("    frame {number} leaves {side:?}"));
        station.left(&mut self.book, number)?;
        self.put_in(side, number, frame.into_bytes());
        Ok(())
    }

    /// Puts a frame into the cable, which may harm it.
    fn put_in(&mut self, side: Side, number: u32, octets: Vec<u8>) {
        let base = CableConfig { delay_ns: self.delay_ns, ..CableConfig::default() };
        let harm = self.harms[side as usize].pop_front();
        let config = match harm {
            None => base,
            Some(Harm::Lose) => CableConfig { loss_ppm: SURE, ..base },
            Some(Harm::Corrupt) => CableConfig { corrupt_ppm: SURE, ..base },
            Some(Harm::Double) => CableConfig { duplicate_ppm: SURE, ..base },
            Some(Harm::Hold) => CableConfig { reorder_ppm: SURE, reorder_ns: HELD_NS, ..base },
        };
        if let Some(harm) = harm {
            self.book.note(format_args!("    the cable: {harm:?}"));
            self.book.struck(&format!("Cable{harm:?}"), 1);
        }
        if harm == Some(Harm::Double) {
            self.book.frames.get_mut(number).copies += 1;
        }
        self.cable.set_config(config);
        self.cable.send(side, octets, self.now);
    }

    /// A frame has arrived at an end.
    fn come(&mut self, side: Side, octets: Vec<u8>) -> Check {
        let Some(frame) = WireFrame::with_fcs(octets) else { return Ok(()) };
        let good = frame.fcs.is_right(&frame.data);
        let number = self.book.frames.identify(&frame.data).filter(|_| good);
        let Some(station) = &mut self.ends[side as usize] else {
            return number.map_or(Ok(()), |number| stranger::take(&mut self.book, number));
        };
        let stored = station.arrive(frame, number)?;
        let fate = if stored { "is stored" } else { "is not taken" };
        self.book.note(format_args!("    frame {number:?} {fate} at {side:?}"));
        Ok(())
    }

    /// One step at one end.
    fn act(&mut self, side: Side, what: What) -> Check {
        match what {
            What::Cable(harm, frames) => {
                self.harms[side as usize].extend((0..frames).map(|_| harm));
            }
            What::Send { frames, len, .. } if self.ends[side as usize].is_none() => {
                for (number, octets) in stranger::frames(&mut self.book, side, frames, len) {
                    self.put_in(side, number, octets);
                }
            }
            What::Stray(odd) => {
                let frame = stranger::odd(side, odd);
                if let Some(station) = &mut self.ends[side as usize] {
                    self.book.struck(&format!("Stray{odd:?}"), 1);
                    station.arrive(frame, None)?;
                }
            }
            What::Restart { drain } => self.restart(side, drain)?,
            _ => {
                if let Some(station) = &mut self.ends[side as usize] {
                    act_at(station, &mut self.book, what)?;
                }
            }
        }
        Ok(())
    }
}

impl World {
    /// Stops a station's port and starts it again; what leaves while it stops is still seen.
    fn restart(&mut self, side: Side, drain: bool) -> Check {
        if let Some(station) = &mut self.ends[side as usize] {
            station.stop(&mut self.book)?;
        }
        self.carry()?;
        let Some(station) = &mut self.ends[side as usize] else { return Ok(()) };
        if drain {
            station.drain();
        }
        match station.port {
            Port::Stopped(_) => station.start(&mut self.book),
            _ => Ok(()),
        }
    }
}

/// One step of a station.
fn act_at(station: &mut Station, book: &mut Book, what: What) -> Check {
    let (rx, tx) = (|ring| ring % station.rx.len(), |ring| ring % station.tx.len());
    match what {
        What::Send { ring, frames, len, burst, commit } => {
            let ring = tx(ring);
            station.send(book, ring, frames, len, burst)?;
            if commit {
                station.commit(ring)?;
            }
        }
        What::Commit { ring } => drop(station.commit(tx(ring))?),
        What::Reap { ring, most, burst } => drop(station.reap(book, tx(ring), most, burst)?),
        What::Receive { ring, most, burst, then } => {
            station.receive(book, rx(ring), most, burst, then)?;
        }
        What::Fill { ring, burst } => station.fill(rx(ring), burst)?,
        What::Hoard { buffers } => {
            for _ in 0..buffers {
                let Some(buf) = station.alloc()? else { break };
                station.kept.push(buf);
            }
        }
        What::Release => release(station)?,
        _ => return act_on_port(station, book, what),
    }
    Ok(())
}

fn release(station: &mut Station) -> Check {
    let kept = std::mem::take(&mut station.kept);
    kept.into_iter().try_for_each(|buf| station.discard(buf))
}

/// One step that concerns a station's port or device.
fn act_on_port(station: &mut Station, book: &mut Book, what: What) -> Check {
    match what {
        What::Wake(line) if station.sim.line(line) => station.serve(book, line)?,
        What::Spurious(line) => {
            book.struck("SpuriousInterrupt", 1);
            station.serve(book, line)?;
        }
        What::Overslept(line) => {
            book.struck("LostInterrupt", 1);
            station.oversleep(line);
        }
        What::Tick => station.tick(book)?,
        What::Reset => drop(station.on_port(book, |port, delay| port.reset(delay))?),
        What::Filter => station.refilter(book)?,
        What::Coalesce(frames) => station.coalesce(book, frames)?,
        What::Link(mbps) => station.set_link(book, mbps)?,
        What::Inject(fault, times) => station.inject(fault, times),
        What::Mend(fault) => station.mend(fault),
        What::Die(accesses) => {
            book.struck("RegisterBusDies", 1);
            station.bus.die_after(accesses);
        }
        What::Revive => station.bus.revive(),
        What::Unplug | What::Plug => {
            book.struck("LinkFlap", u64::from(what == What::Unplug));
            station.plug(what == What::Plug);
        }
        What::Scribble { receive, ring, bd, what } => {
            let direction = if receive { Direction::Rx } else { Direction::Tx };
            station.scribble(book, direction, ring, bd, what);
        }
        _ => {}
    }
    Ok(())
}
