//! Interrupt events and lines, ECNTRL, DMACTRL with graceful stop, and the ring pointer registers.

use crate::bits::{at, dmactrl, ecntrl, ievent, maccfg1, qhlt, rctrl, tctrl, thlt};
use crate::fault::Fault;
use crate::model::Model;
use crate::sanitizer::RingState;
use crate::violation::{Breach, Direction, Violation, Who};

/// An interrupt line of the controller (HW 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Line {
    /// TXB, TXF.
    Tx,
    /// RXB, RXF.
    Rx,
    /// Every other event.
    Err,
}

impl Line {
    const fn events(self, fgpi_on_rx: bool) -> u32 {
        let tx = ievent::TXB | ievent::TXF;
        let fgpi = if fgpi_on_rx { ievent::FGPI } else { 0 };
        let rx = ievent::RXB | ievent::RXF | fgpi;
        match self {
            Line::Tx => tx,
            Line::Rx => rx,
            Line::Err => !(tx | rx),
        }
    }
}

impl Model {
    /// The level of a line: active while an enabled event of its is set (HW 9.1).
    pub fn line(&self, line: Line) -> bool {
        let dead = self.faults.is(Fault::BusDead);
        let events = line.events(self.config.switches.fgpi_on_rx);
        !dead && self.reg(at::IEVENT) & self.reg(at::IMASK) & events != 0
    }

    /// The level of a line of the second interrupt group (HW 9.4).
    pub fn second_line(&self, line: Line) -> bool {
        let dead = self.faults.is(Fault::BusDead);
        !dead
            && self.second.ievent & self.second.imask & line.events(self.config.switches.fgpi_on_rx)
                != 0
    }

    /// Sets events that belong to no ring.
    pub(crate) fn raise(&mut self, events: u32) {
        self.set_reg(at::IEVENT, self.reg(at::IEVENT) | events);
        if self.config.etsec2 && !self.config.switches.errors_in_group0 {
            self.second.ievent |= events;
        }
    }

    /// Sets the frame event of a ring.
    pub(crate) fn raise_frame(&mut self, direction: Direction, ring: usize) {
        let event = match direction {
            Direction::Tx => ievent::TXF,
            Direction::Rx => ievent::RXF,
        };
        self.raise_ring(direction, ring, event);
    }

    pub(crate) fn write_ecntrl(&mut self, value: u32) {
        // The interface bits are straps: read-only (HW 3.3).
        let writable = ecntrl::AUTOZ | ecntrl::STEN | ecntrl::R100M;
        self.set_reg(at::ECNTRL, (value & writable) | self.config.interface.strap());
        if value & ecntrl::CLRCNT != 0 {
            self.clear_counters();
        }
    }

    pub(crate) fn write_dmactrl(&mut self, value: u32) {
        let old = self.reg(at::DMACTRL);
        self.store(at::DMACTRL, value);
        // A stop completes once per 0→1 write (HW 18.10).
        let asked = value & !old;
        if asked & dmactrl::GRS != 0 {
            self.rx.stop_pending = true;
        }
        if asked & dmactrl::GTS != 0 {
            self.tx.stop_pending = true;
        }
        if value & dmactrl::GRS == 0 {
            self.rx.stop_pending = false;
        }
        if value & dmactrl::GTS == 0 {
            self.tx.stop_pending = false;
        }
        if value & dmactrl::TOD != 0 {
            // Transmit on demand looks at ring 0 now (HW 3.4).
            self.restart_tx(thlt(0));
        }
        self.stop_if_asked();
        self.run_transmitter();
    }

    /// Completes the stops that can complete: that side is idle, or its MAC is off (HW 8.3, 18.10).
    pub(crate) fn stop_if_asked(&mut self) {
        if self.rx.stop_pending
            && !self.status_late(Direction::Rx)
            && !self.faults.is(Fault::GrsNeverCompletes)
            && !self.config.switches.a002
        {
            self.rx.stop_pending = false;
            self.raise(ievent::GRSC);
        }
        if self.tx.stop_pending && self.tx_idle() && !self.faults.is(Fault::GtsNeverCompletes) {
            self.tx.stop_pending = false;
            self.raise(ievent::GTSC);
        }
    }

    /// Nothing on the wire, and no pause that a stop would have to wait for (HW 8.3).
    fn tx_idle(&self) -> bool {
        if self.tx.sending.is_some() || self.status_late(Direction::Tx) {
            return false;
        }
        !self.mac_runs(Direction::Tx) || !(self.paused() || self.faults.is(Fault::TxHang))
    }

    pub(crate) fn write_tctrl(&mut self, value: u32) {
        self.store(at::TCTRL, value);
        let flow = self.reg(at::MACCFG1) & maccfg1::TX_FLOW != 0;
        if value & tctrl::TFC_PAUSE != 0 && flow {
            self.tx.pause_wanted = true;
        }
        self.run_transmitter();
    }

    pub(crate) fn read_tctrl(&self) -> u32 {
        let mut value = self.reg(at::TCTRL);
        if self.paused() {
            value |= tctrl::RFC_PAUSE;
        }
        if self.tx.pause_wanted {
            value |= tctrl::TFC_PAUSE;
        }
        value
    }

    /// TSTAT or RSTAT of a group's page; who reads a halt knows it.
    pub(crate) fn read_status(&mut self, at: u16, group: usize) -> u32 {
        let value = self.reg(at) & self.status_mask(at, group);
        let (direction, halts) = match at {
            at::TSTAT => (Direction::Tx, value >> 24),
            _ => (Direction::Rx, value >> 16),
        };
        self.sanitizer.saw_halts(direction, halts as u8);
        value
    }

    /// Writes TSTAT in a group's page: rings of the other are left alone (HW 9.4).
    pub(crate) fn write_tstat(&mut self, value: u32, group: usize) {
        let value = value & self.status_mask(at::TSTAT, group);
        self.ring_doorbells(Direction::Tx, (value >> 24) as u8);
        self.store(at::TSTAT, value);
        self.restart_tx(value & 0xFF00_0000);
        self.run_transmitter();
    }

    /// Writes RSTAT, likewise.
    pub(crate) fn write_rstat(&mut self, value: u32, group: usize) {
        let value = value & self.status_mask(at::RSTAT, group);
        self.ring_doorbells(Direction::Rx, (value >> 16) as u8);
        let halted = self.reg(at::RSTAT);
        self.store(at::RSTAT, value);
        self.restart_rx(value & 0x00FF_0000, halted);
    }

    /// Lets the sanitizer judge a restart of `rings`, 0x80 for ring 0.
    fn ring_doorbells(&mut self, direction: Direction, rings: u8) {
        if !self.sanitizer.is_on() {
            return;
        }
        for ring in (0..8).filter(|ring| rings & (0x80 >> ring) != 0) {
            let state = self.ring_state(direction, ring);
            self.sanitizer.doorbell(&self.memory, direction, ring, state);
        }
    }

    /// RCTRL may change with the receiver stopped only, except PROM (HW 3.11).
    pub(crate) fn write_rctrl(&mut self, value: u32) {
        let old = self.reg(at::RCTRL);
        self.store(at::RCTRL, value);
        let changed = (self.reg(at::RCTRL) ^ old) & !rctrl::PROM;
        if changed != 0 && !self.stopped(Direction::Rx) {
            let who = Who::Register(at::RCTRL);
            self.report(Violation { who, at: 0, what: Breach::ChangedWhileRunning });
        }
        self.run_transmitter();
    }

    pub(crate) fn write_mrblr(&mut self, value: u32) {
        self.store(at::MRBLR, value);
        if value == 0 || value & !0xFFC0 != 0 {
            let who = Who::Register(at::MRBLR);
            self.report(Violation { who, at: 0, what: Breach::BadMrblr { value } });
        }
        self.sanitizer.forget_spans();
    }

    /// xBASEn or xBPTRn (HW 3.21).
    pub(crate) fn write_pointer(&mut self, direction: Direction, at: u16, value: u32) {
        if crate::table::row(at).is_none() {
            return;
        }
        let is_base = matches!(at, 0x204..=0x23C | 0x404..=0x43C);
        let ring = (usize::from((at & 0x7F) - 4) / 8) & 7;
        let state = self.ring_state(direction, ring);
        let who = Who::Ring(direction, ring);
        if value & 7 != 0 {
            self.report(Violation { who, at: value.into(), what: Breach::UnalignedRing });
        }
        if !state.quiet && !state.halted && state.base & 0xFFFF_FFFF != 0 {
            self.report(Violation { who, at: value.into(), what: Breach::PointerWhileRunning });
        }
        self.store(at, value);
        if is_base {
            let pointer = self.reg(at);
            self.set_reg(pointer_at(direction, ring), pointer);
            if direction == Direction::Rx {
                // Writing RBASEn sets RFBPTRn too (HW 3.20).
                self.set_reg(at::RFBPTR0 + 8 * ring as u16, pointer);
                self.rebased(ring);
            }
            let state = self.ring_state(direction, ring);
            self.sanitizer.based(&self.memory, direction, ring, state);
        }
    }

    /// What the sanitizer needs to know of a ring.
    pub(crate) fn ring_state(&self, direction: Direction, ring: usize) -> RingState {
        let n = ring as u16;
        match direction {
            Direction::Tx => RingState {
                base: self.bus_address(at::TBASEH, at::TBASE0 + 8 * n),
                window: u64::from(self.reg(at::TBDBPH)) << 32,
                span: 0,
                quiet: !self.sends(ring) && (self.stopped(direction) || !self.tx_enabled(ring)),
                halted: self.reg(at::TSTAT) & thlt(ring) != 0,
            },
            Direction::Rx => RingState {
                base: self.bus_address(at::RBASEH, at::RBASE0 + 8 * n),
                window: u64::from(self.reg(at::RBDBPH)) << 32,
                span: self.reg(at::MRBLR),
                quiet: self.stopped(direction) || !self.rx_enabled(ring),
                halted: self.reg(at::RSTAT) & qhlt(ring) != 0,
            },
        }
    }

    /// A pointer register with the high register that goes with it (HW 4.5).
    pub(crate) fn bus_address(&self, high: u16, low: u16) -> u64 {
        u64::from(self.reg(high) & 0xF) << 32 | u64::from(self.reg(low))
    }

    /// Moves a ring pointer on by one descriptor, or back to the base after W (HW 3.21).
    pub(crate) fn next_pointer(
        &self,
        direction: Direction,
        ring: usize,
        now: u64,
        wraps: bool,
    ) -> u64 {
        let (high, base) = match direction {
            Direction::Tx => (at::TBASEH, at::TBASE0),
            Direction::Rx => (at::RBASEH, at::RBASE0),
        };
        if wraps {
            return self.bus_address(high, base + 8 * ring as u16);
        }
        now & !0xFFFF_FFFF | u64::from((now as u32).wrapping_add(8))
    }
}

/// The offset of xBPTRn.
pub(crate) const fn pointer_at(direction: Direction, ring: usize) -> u16 {
    let first = match direction {
        Direction::Tx => at::TBPTR0,
        Direction::Rx => at::RBPTR0,
    };
    first + 8 * ring as u16
}
