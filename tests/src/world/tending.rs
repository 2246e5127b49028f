//! How a station looks after its port: interrupts, the periodic look, resets, stops and starts.

use etsec_core::coalesce::CoalescingError;
use etsec_core::error::Side;
use etsec_core::link::{Duplex, Speed};
use etsec_core::{Bus, Error, Event, Link, Running};
use etsec_sim::{Direction, Fault, Line, Place};

use super::book::Book;
use super::bus::Mortal;
use super::rules::{Broken, Check, Rule, check};
use super::script::{Scribble, Then};
use super::station::{Excuses, Port, Station, coalescing};
use crate::at;

/// Events that close the descriptor they hit, so that a restart cannot fail in the same way again.
const CLOSING: Event = Event::LC.union(Event::CRL).union(Event::XFUN);

/// W of a descriptor's first word (HW 4.2, 4.3).
const WRAP: u32 = 0x2000_0000;

/// Rx_EN and Tx_EN of MACCFG1 (HW 3.14).
const ENABLES: u32 = 0x5;

/// What a handler of `line` takes.
fn of_core(line: Line) -> etsec_core::Line {
    match line {
        Line::Tx => etsec_core::Line::Tx,
        Line::Rx => etsec_core::Line::Rx,
        Line::Err => etsec_core::Line::Err,
    }
}

impl Station {
    /// Serves an interrupt line as HW 9.2 wants it: acknowledge, then look.
    ///
    /// # Errors
    /// A rule that was broken.
    pub fn serve(&mut self, book: &mut Book, line: Line) -> Check {
        let _ = self.has_failed();
        let struck = self.strikes();
        let Some(handler) = &mut self.handler else { return Ok(()) };
        let events = match line {
            Line::Err => handler.recover(),
            _ => handler.take(of_core(line)),
        };
        let failed = self.has_failed();
        book.note(format_args!("    took {events:?}"));
        if failed {
            self.forgive();
        } else {
            // What was written over a descriptor may fail again as soon as its ring goes on.
            let fails = line == Line::Err && self.is_hit();
            let over = !self.sim.line(line) || self.strikes() != struck || fails;
            check(over, Rule::Acknowledged, || {
                format!("line {line:?} is still up after {events:?} was served")
            })?;
        }
        match line {
            Line::Tx => {
                for ring in 0..self.tx.len() {
                    self.reap(book, ring, usize::MAX, true)?;
                }
                self.excuses.unwoken_tx &= failed;
            }
            Line::Rx => {
                for ring in 0..self.rx.len() {
                    self.receive(book, ring, usize::MAX, true, Then::Refill)?;
                }
                self.excuses.unwoken_rx &= failed;
            }
            Line::Err => {
                if events.contains(Event::EBERR) && !events.intersects(CLOSING) {
                    // It may recur, and is then left to the next looks.
                    self.excuses.unkicked_tx = 2;
                }
                if events.contains(Event::DPE) {
                    self.on_port(book, |port, delay| port.reset(delay))?;
                }
            }
        }
        Ok(())
    }

    /// Acknowledges a line and forgets about it.
    pub fn oversleep(&mut self, line: Line) {
        let Some(handler) = &self.handler else { return };
        handler.take(of_core(line));
        match line {
            Line::Tx => self.excuses.unwoken_tx = true,
            Line::Rx => self.excuses.unwoken_rx = true,
            Line::Err => (self.excuses.unkicked_tx, self.excuses.unkicked_rx) = (2, 2),
        }
    }

    /// The periodic look; a port that could not be started is started.
    ///
    /// # Errors
    /// A rule that was broken.
    pub fn tick(&mut self, book: &mut Book) -> Check {
        if matches!(self.port, Port::Stopped(_)) {
            return self.start(book);
        }
        let now_ms = (self.sim.now_ns() / 1_000_000) as u32;
        let done = self.on_port(book, |port, delay| {
            let events = port.tick(now_ms, delay)?;
            Ok(events)
        })?;
        let Some(events) = done else { return Ok(()) };
        self.excuses.masked = false;
        let Excuses { unkicked_tx, unkicked_rx, .. } = &mut self.excuses;
        *unkicked_tx = unkicked_tx.saturating_sub(1);
        *unkicked_rx = unkicked_rx.saturating_sub(1);
        if events.contains(Event::EBERR) && !events.intersects(CLOSING) {
            self.excuses.unkicked_tx = 2;
        }
        Ok(())
    }

    /// Calls something on the running port. A call may fail only if the bus did.
    ///
    /// # Errors
    /// A rule that was broken.
    pub fn on_port<T: std::fmt::Debug>(
        &mut self,
        book: &mut Book,
        call: impl FnOnce(&mut Running<Mortal>, &mut etsec_sim::SimDelay) -> Result<T, Error>,
    ) -> Check<Option<T>> {
        let _ = self.has_failed();
        // What was broken off before is for the next ticks to pick up.
        let sound = self.excuses.unkicked_tx == 0;
        let Port::Running(port) = &mut self.port else { return Ok(None) };
        let before = port.faults().resets;
        let done = call(port, &mut self.delay);
        let resets = port.faults().resets - before;
        book.sums.resets += resets;
        book.note(format_args!("    {done:?}{}", if resets > 0 { ", with a reset" } else { "" }));
        let failed = self.has_failed();
        if failed || done.is_err() {
            self.forgive();
            self.excuses.masked = true;
        }
        if resets > 0 {
            // A reset forgets events: whoever waits for one has to look.
            (self.excuses.unwoken_tx, self.excuses.unwoken_rx) = (true, true);
        }
        if done.is_ok() && !failed && sound {
            let bus = self.sim.bus();
            let stops = bus.read(at::DMACTRL) & (at::GRS | at::GTS) != 0;
            let runs = bus.read(at::MACCFG1) & ENABLES == ENABLES;
            check(runs && !stops, Rule::Restarted, || "the port was left stopped".into())?;
        }
        match done {
            Ok(value) => Ok((!failed).then_some(value)),
            Err(Error::Gone) if failed => Ok(None),
            Err(error) => Err(Broken::new(Rule::Reason, format!("the port says: {error}"))),
        }
    }

    /// Sets the link's speed.
    ///
    /// # Errors
    /// A rule that was broken.
    pub fn set_link(&mut self, book: &mut Book, mbps: u32) -> Check {
        let speed = Speed::from_mbps(mbps).unwrap_or(Speed::Mbps1000);
        let link = Link::new(speed, Duplex::Full);
        self.on_port(book, |port, delay| port.set_link(link, delay)).map(drop)
    }

    /// Has events come for so many frames, or for each if that is 0.
    ///
    /// # Errors
    /// A rule that was broken.
    pub fn coalesce(&mut self, book: &mut Book, frames: u32) -> Check {
        let set = |port: &mut Running<Mortal>, _: &mut etsec_sim::SimDelay| {
            for side in [Side::Rx, Side::Tx] {
                match port.set_coalescing(side, coalescing(frames)) {
                    Err(CoalescingError::Port(error)) => return Err(error),
                    done => done.expect("it is there"),
                }
            }
            Ok(())
        };
        self.on_port(book, set).map(drop)
    }

    /// Writes the address filter anew.
    ///
    /// # Errors
    /// A rule that was broken.
    pub fn refilter(&mut self, book: &mut Book) -> Check {
        let again = |port: &mut Running<Mortal>, delay: &mut etsec_sim::SimDelay| {
            let filter = port.config().filter;
            port.set_filter(&filter, delay)
        };
        self.on_port(book, again).map(drop)
    }

    /// Stops the port.
    ///
    /// # Errors
    /// A rule that was broken.
    pub fn stop(&mut self, book: &mut Book) -> Check {
        let _ = self.has_failed();
        self.port = match std::mem::replace(&mut self.port, Port::Between) {
            Port::Running(port) => match port.stop(&mut self.delay) {
                Ok(stopped) => Port::Stopped(stopped),
                Err((port, error)) => {
                    book.note(format_args!("    not stopped: {error}"));
                    let excused = error == Error::Gone && self.has_failed();
                    self.port = Port::Running(port);
                    self.forgive();
                    self.excuses.masked = true;
                    return check(excused, Rule::Reason, || format!("stop says: {error}"));
                }
            },
            other => other,
        };
        Ok(())
    }

    /// Takes everything out of the queues of a stopped port.
    pub fn drain(&mut self) {
        if !matches!(self.port, Port::Stopped(_)) {
            return;
        }
        for sender in &mut self.tx {
            while sender.queue.drain().is_some() {}
            sender.flying.clear();
        }
        for receiver in &mut self.rx {
            while receiver.queue.drain().is_some() {}
            receiver.expected.clear();
        }
        self.buffers.drained();
        self.was_drained = true;
    }

    /// Starts a stopped port, its rings filled.
    ///
    /// # Errors
    /// A rule that was broken.
    pub fn start(&mut self, book: &mut Book) -> Check {
        for ring in 0..self.rx.len() {
            self.fill(ring, false)?;
        }
        let _ = self.has_failed();
        self.port = match std::mem::replace(&mut self.port, Port::Between) {
            Port::Stopped(port) => match port.start(&mut self.delay) {
                Ok(running) => {
                    self.handler = Some(running.events());
                    Port::Running(running)
                }
                Err((port, error)) => {
                    book.note(format_args!("    not started: {error}"));
                    let excused = error == Error::Gone && self.has_failed();
                    self.port = Port::Stopped(port);
                    return check(excused, Rule::Reason, || format!("start says: {error}"));
                }
            },
            other => other,
        };
        let failed = self.has_failed();
        let kicks = if failed { 2 } else { 0 };
        self.excuses.looks(kicks);
        self.excuses.masked = failed;
        Ok(())
    }

    /// The device goes wrong.
    pub fn inject(&mut self, fault: Fault, times: u32) {
        if fault.lasts() && self.sim.with(|model| model.armed(fault) > 0) {
            return;
        }
        if fault != Fault::Parity {
            self.dealt.inject(fault, times);
        }
        let ring_hit = match fault {
            Fault::TxStatusLost => (true, false),
            Fault::RxStatusLost => (false, true),
            _ => (false, false),
        };
        self.tx.iter_mut().for_each(|sender| sender.hit |= ring_hit.0);
        self.rx.iter_mut().for_each(|receiver| receiver.hit |= ring_hit.1);
        self.was_hit |= ring_hit.0 || ring_hit.1;
        self.sim.inject_times(fault, times);
    }

    /// A fault ends; what is left of it is taken back.
    pub fn mend(&mut self, fault: Fault) {
        let left = self.sim.with(|model| model.armed(fault));
        self.dealt.disarm(fault, left);
        self.sim.mend(fault);
    }

    /// A descriptor is written over. W stays: a ring without an end is a device that writes
    /// anywhere.
    pub fn scribble(
        &mut self,
        book: &mut Book,
        direction: Direction,
        ring: usize,
        bd: usize,
        what: Scribble,
    ) {
        let (ring, index) = match direction {
            Direction::Rx => (ring % self.rx.len(), bd % self.lengths.0[ring % self.rx.len()]),
            Direction::Tx => (ring % self.tx.len(), bd % self.lengths.1[ring % self.tx.len()]),
        };
        let change = |word: u32| match what {
            Scribble::Closed(bits) if word & at::OWNED == 0 => {
                word & WRAP | bits & !WRAP & !at::OWNED
            }
            Scribble::Taken => word & !at::OWNED,
            Scribble::Closed(_) => word,
        };
        let place = Place { direction, ring, index };
        let done = self.sim.with(|model| model.scribble(place, change));
        let Some((before, after)) = done.filter(|(before, after)| before != after) else { return };
        book.note(format_args!("    {place}: {before:#010x} becomes {after:#010x}"));
        book.struck("Scribble", 1);
        self.was_hit = true;
        match direction {
            Direction::Rx => self.rx[ring].hit = true,
            Direction::Tx => self.tx[ring].hit = true,
        }
    }

    /// How often faults have struck that raise events.
    fn strikes(&self) -> u64 {
        self.dealt.kinds().map(|fault| self.dealt.struck(fault, &self.sim)).sum()
    }

    /// Accesses went nowhere: anything may have been lost with them.
    fn forgive(&mut self) {
        self.was_dead = true;
        self.excuses.looks(2);
    }
}

impl Excuses {
    /// Whoever waits for an event has to look; restarts may have been lost for so many ticks.
    fn looks(&mut self, kicks: u8) {
        (self.unkicked_tx, self.unkicked_rx) = (kicks, kicks);
        (self.unwoken_tx, self.unwoken_rx) = (true, true);
    }
}
