//! Interrupt events and the lines they raise (HW 3.2, 9.1).
//!
//! One table for IEVENT, IMASK and EDIS. It knows what each event means, not what a driver does
//! about it.

use bitflags::bitflags;

use crate::regs::catalog::flag_layouts;

bitflags! {
    /// A set of events: what IEVENT shows, IMASK lets through and EDIS disables (HW 3.2).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Event: u32 {
        /// A frame longer than MAXFRM was received.
        const BABR = 0x8000_0000;
        /// A control (pause) frame was received.
        const RXC = 0x4000_0000;
        /// No free RxBD; the ring is halted. Does not prove that a frame was lost.
        const BSY = 0x2000_0000;
        /// System bus error while a descriptor or data was moved.
        const EBERR = 0x1000_0000;
        /// A counter wrapped whose carry is not masked.
        const MSRO = 0x0400_0000;
        /// Graceful transmit stop is complete.
        const GTSC = 0x0200_0000;
        /// A transmitted frame reached the MAXFRM limit and was cut.
        const BABT = 0x0100_0000;
        /// A pause frame was sent.
        const TXC = 0x0080_0000;
        /// Transmit error; accompanies LC, CRL and XFUN and halts rings.
        const TXE = 0x0040_0000;
        /// A TxBD with I = 1 that does not end its frame was closed.
        const TXB = 0x0020_0000;
        /// A TxBD with I = 1 that ends its frame was closed.
        const TXF = 0x0010_0000;
        /// Late collision.
        const LC = 0x0004_0000;
        /// Retry limit reached, or deferred for too long.
        const CRL = 0x0002_0000;
        /// Transmit FIFO underrun, or a frame whose descriptors were not all ready.
        const XFUN = 0x0001_0000;
        /// An RxBD with I = 1 that does not end its frame was closed.
        const RXB = 0x0000_8000;
        /// A magic packet was received.
        const MAG = 0x0000_0800;
        /// MII management read done (on eTSEC2 in IEVENTM instead).
        const MMRD = 0x0000_0400;
        /// MII management write done (on eTSEC2 in IEVENTM instead).
        const MMWR = 0x0000_0200;
        /// Graceful receive stop is complete.
        const GRSC = 0x0000_0100;
        /// An RxBD with I = 1 that ends its frame was closed.
        const RXF = 0x0000_0080;
        /// A filer rule with GPI = 1 matched, and the frame is in memory.
        const FGPI = 0x0000_0010;
        /// The filer found no rule, or not in time.
        const FIR = 0x0000_0008;
        /// The filer chose a ring that is not enabled; the frame was dropped.
        const FIQ = 0x0000_0004;
        /// Parity error in an internal memory.
        const DPE = 0x0000_0002;
        /// The parser found inconsistent headers; the frame is received.
        const PERR = 0x0000_0001;
    }
}

flag_layouts!(Event);

impl Event {
    /// What a driver listens to unless it has reasons of its own: 0xF1710083 (HW 8.2).
    pub const DEFAULT_MASK: Event = Event::BABR
        .union(Event::RXC)
        .union(Event::BSY)
        .union(Event::EBERR)
        .union(Event::BABT)
        .union(Event::TXE)
        .union(Event::TXB)
        .union(Event::TXF)
        .union(Event::XFUN)
        .union(Event::RXF)
        .union(Event::DPE)
        .union(Event::PERR);
}

#[cfg(feature = "defmt")]
impl defmt::Format for Event {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Event({=u32:#010x})", self.bits());
    }
}

/// One of the three interrupt lines of a group (HW 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Line {
    /// Transmit completions.
    Tx,
    /// Receive completions.
    Rx,
    /// Errors and everything else.
    Err,
}

impl Line {
    /// All lines, in the order device trees list them.
    pub const ALL: [Line; 3] = [Line::Tx, Line::Rx, Line::Err];

    /// The events a handler of this line takes.
    ///
    /// The sources disagree on where FGPI shows, so both the RX and the ERR handler take it: the
    /// one that is woken clears it (HW 9.1).
    #[must_use]
    pub const fn mask(self) -> Event {
        let transmit = Event::TXB.union(Event::TXF);
        let receive = Event::RXB.union(Event::RXF);
        match self {
            Line::Tx => transmit,
            Line::Rx => receive.union(Event::FGPI),
            Line::Err => Event::all().difference(transmit).difference(receive),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_mask_is_the_documented_number() {
        assert_eq!(Event::DEFAULT_MASK.bits(), 0xF171_0083); // HW 8.2
    }

    #[test]
    fn every_event_has_a_line_and_only_fgpi_has_two() {
        let [tx, rx, err] = Line::ALL.map(Line::mask);
        assert_eq!(tx | rx | err, Event::all());
        assert_eq!(tx & rx, Event::empty());
        assert_eq!(tx & err, Event::empty());
        assert_eq!(rx & err, Event::FGPI);
        assert_eq!(tx.bits(), 0x0030_0000); // HW 9.2
    }
}
