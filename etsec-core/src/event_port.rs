//! Acknowledging events and restarting what an error halted (HW 8.6, 9.2).
//!
//! All it does is write ones to clear, so several of these may work on one controller, in several
//! threads: a waiter for each line and the periodic tick.

use core::fmt;

use crate::bus::Bus;
use crate::event::{Event, Line};
use crate::port::RINGS;
use crate::regs::Readable;
use crate::regs::control::IEVENT;
use crate::regs::receive::{RSTAT, Rstat};
use crate::regs::transmit::{TBPTR, TSTAT, Tstat};

/// Error events by cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FaultCounters {
    /// LC: late collisions.
    pub late_collisions: u64,
    /// CRL: retry limit or excessive deferral.
    pub retry_limits: u64,
    /// XFUN: transmit underruns.
    pub underruns: u64,
    /// EBERR: bus errors of either side.
    pub bus_errors: u64,
    /// BSY: a receive ring without a free descriptor. Not every one lost a frame.
    pub busy: u64,
    /// BABR: received frames longer than MAXFRM.
    pub babbling_receives: u64,
    /// BABT: transmitted frames that reached MAXFRM.
    pub babbling_transmits: u64,
    /// DPE: parity errors inside the controller.
    pub parity_errors: u64,
    /// PERR: frames whose headers contradict each other.
    pub parse_errors: u64,
    /// FIQ, FIR: frames the filer had no ring for.
    pub filer_errors: u64,
    /// TXE: transmit errors in all.
    pub transmit_errors: u64,
    /// Times the transmitter was found hanging.
    pub transmit_hangs: u64,
    /// Resets of the controller.
    pub resets: u64,
    /// Frames given up because the transmitter failed or hung at them again and again, or went on
    /// without a word of them. Their queues count them as underruns.
    pub given_up: u64,
    /// Frames that were inside the controller at a reset, transmit side.
    pub lost_in_transmit: u64,
    /// Frames that were inside the controller at a reset, receive side, as far as descriptors show.
    pub lost_in_receive: u64,
}

/// What [`EventPort::mend`] acknowledges: errors, and what a partner causes by a frame of its and
/// would hold the line up for ever: a pause, and a frame that the filer tells of, which may show on
/// this line (HW 9.1). The rest of the error line belongs to whoever caused it.
const RECOVERED: Event = Event::BABR
    .union(Event::RXC)
    .union(Event::BSY)
    .union(Event::EBERR)
    .union(Event::BABT)
    .union(Event::TXE)
    .union(Event::LC)
    .union(Event::CRL)
    .union(Event::XFUN)
    .union(Event::DPE)
    .union(Event::PERR)
    .union(Event::FIR)
    .union(Event::FIQ)
    .union(Event::FGPI);

/// What whoever stops a direction or sends a pause frame waits for, perhaps in another thread. No
/// mask has them, so they hold no line up.
const AWAITED: Event = Event::GRSC.union(Event::GTSC).union(Event::TXC);
/// Causes of TXE that close the descriptor of the frame they hit (HW 8.6).
const CLOSING: Event = Event::LC.union(Event::CRL).union(Event::XFUN);

/// The events of one interrupt group.
#[derive(Clone)]
pub struct EventPort<B> {
    bus: B,
    thlt: Tstat,
    qhlt: Rstat,
    /// Where the transmit rings stood at the last error that may recur, each with its lowest bit
    /// set, which is 0 in the register (HW 4.4); 0: there was none.
    stood: [u32; RINGS],
    faults: FaultCounters,
}

impl<B: Bus> EventPort<B> {
    pub(crate) fn new(bus: B, thlt: Tstat, qhlt: Rstat) -> Self {
        EventPort { bus, thlt, qhlt, stood: [0; RINGS], faults: FaultCounters::default() }
    }

    /// Restarts those rings from here on.
    pub(crate) fn aim(&mut self, thlt: Tstat, qhlt: Rstat) {
        (self.thlt, self.qhlt) = (thlt, qhlt);
    }

    /// The events of one line that are set; clears exactly those. Scan the rings after it (HW 9.2):
    /// what a frame has left in them before its event was set is seen from here on, and the event
    /// of a later one stays set. That costs a register read.
    ///
    /// GRSC, GTSC and TXC are left to who waits for a stop or a pause frame. Nothing is restarted
    /// here: for the error line, call [`EventPort::recover`] instead, or first. A bus without a
    /// device has no events.
    #[inline]
    pub fn take(&self, line: Line) -> Event {
        let seen = IEVENT.on(&self.bus).peek();
        let events = seen & line.mask().difference(AWAITED);
        if !events.is_empty() && seen.bits() != u32::MAX {
            IEVENT.on(&self.bus).clear(if mutant!("event-lost") { seen } else { events });
            self.settle();
            return events;
        }
        Event::empty()
    }

    /// Orders an acknowledgement before every later look at memory.
    ///
    /// A write to a register may be under way for a while, and no CPU holds a load of memory back
    /// for it: a frame could come behind such a load, and its event be cleared by the write that
    /// then arrives. Nobody would ever hear of that frame. Reading the register again takes until
    /// the write has arrived; and the load waits for that reading.
    #[inline]
    fn settle(&self) {
        let _ = IEVENT.on(&self.bus).peek();
        self.bus.observe();
    }

    /// Whether there is anything for [`EventPort::recover`]: for who is woken by one interrupt for
    /// all lines, and need not look after the controller for each frame. It reads one register, and
    /// acknowledges nothing. A bus without a device has always something: the tick tells of it.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        IEVENT.on(&self.bus).peek().intersects(RECOVERED)
    }

    /// As [`EventPort::mend`], and counts the events by cause. What failed before is seen in the
    /// rings from here on.
    pub fn recover(&mut self) -> Event {
        let events = self.mend();
        if !events.is_empty() {
            self.settle();
        }
        self.count(events);
        events
    }

    /// Acknowledges error events and restarts the rings they halted (HW 8.6).
    ///
    /// A halted ring whose descriptors are in order goes on where it stopped; a failed frame's
    /// descriptor is closed already and its queue counts it. A descriptor that fails again is left
    /// halted, so that interrupts end: [`Running::tick`](crate::Running::tick) restarts the ring,
    /// or gives the frame up.
    ///
    /// [`Event::DPE`] in the result asks for a [`Running::reset`](crate::Running::reset), which
    /// only the port's owner can do.
    pub fn mend(&mut self) -> Event {
        let seen = IEVENT.on(&self.bus).peek();
        let events = seen & RECOVERED;
        // All ones is a bus without a device.
        if events.is_empty() || seen.bits() == u32::MAX {
            return Event::empty();
        }
        if !mutant!("event-not-cleared") {
            IEVENT.on(&self.bus).clear(events);
        }
        let restarts = !mutant!("tx-not-restarted");
        if events.intersects(Event::TXE | Event::EBERR) && !self.recurs(events) && restarts {
            // TSTAT is cleared for every ring in use: an error of one halts all (HW 3.7).
            TSTAT.on(&self.bus).clear(self.thlt);
        }
        if events.intersects(Event::BSY | Event::EBERR) && !mutant!("rx-not-restarted") {
            RSTAT.on(&self.bus).clear(self.qhlt);
        }
        events
    }

    /// Whether no transmit ring has moved on since the last error that leaves its descriptor as it
    /// is.
    fn recurs(&mut self, events: Event) -> bool {
        let closed = events.intersects(CLOSING);
        let mut moved = closed;
        for (n, stood) in self.stood.iter_mut().enumerate() {
            let here = if closed { 0 } else { TBPTR.nth(n).on(&self.bus).get() | 1 };
            moved |= *stood != here;
            *stood = here;
        }
        !moved
    }

    fn count(&mut self, events: Event) {
        let (faults, has) = (&mut self.faults, |event| u64::from(events.intersects(event)));
        faults.late_collisions += has(Event::LC);
        faults.retry_limits += has(Event::CRL);
        faults.underruns += has(Event::XFUN);
        faults.bus_errors += has(Event::EBERR);
        faults.busy += has(Event::BSY);
        faults.babbling_receives += has(Event::BABR);
        faults.babbling_transmits += has(Event::BABT);
        faults.parity_errors += has(Event::DPE);
        faults.parse_errors += has(Event::PERR);
        faults.filer_errors += has(Event::FIR | Event::FIQ);
        faults.transmit_errors += has(Event::TXE);
    }
}

impl<B> EventPort<B> {
    /// The same port on another bus.
    pub(crate) fn on<C>(self, bus: C) -> EventPort<C> {
        let EventPort { thlt, qhlt, stood, faults, .. } = self;
        EventPort { bus, thlt, qhlt, stood, faults }
    }

    /// What this port has acknowledged so far.
    #[must_use]
    pub fn faults(&self) -> &FaultCounters {
        &self.faults
    }

    pub(crate) fn faults_mut(&mut self) -> &mut FaultCounters {
        &mut self.faults
    }
}

impl<B> fmt::Debug for EventPort<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventPort").field("faults", &self.faults).finish_non_exhaustive()
    }
}
