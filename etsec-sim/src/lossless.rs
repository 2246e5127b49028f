//! Lossless flow control: how many descriptors of a ring are empty, and the pause frames that the
//! controller sends by itself (HW 11.2, 18.15). It knows pointers and no frame.

use crate::bits::{at, maccfg1, rctrl};
use crate::control::pointer_at;
use crate::model::Model;
use crate::violation::{Breach, Direction, Violation, Who};

/// What the receiver remembers of it.
#[derive(Debug, Default)]
pub(crate) struct Lossless {
    /// Rings in which RBPTRn has come to RFBPTRn since software wrote that, 0x80 for ring 0.
    caught_up: u8,
    /// The partner is being held back.
    short: bool,
    /// When it is to be told again.
    repeat_at: u64,
}

impl Model {
    /// RQPRMn: not while it is in use (HW 11.2).
    pub(crate) fn write_rqprm(&mut self, at: u16, value: u32) {
        let in_use = self.reg(at::RCTRL) & rctrl::LFC != 0 && !self.stopped(Direction::Rx);
        if in_use && value != self.reg(at) {
            let who = Who::Register(at);
            self.report(Violation { who, at: 0, what: Breach::ChangedWhileRunning });
        }
        self.store(at, value);
        self.run_transmitter();
    }

    /// RFBPTRn: the last empty descriptor.
    pub(crate) fn write_rfbptr(&mut self, at: u16, value: u32) {
        if crate::table::row(at).is_none() {
            return;
        }
        self.store(at, value);
        let ring = usize::from((at - at::RFBPTR0) / 8);
        self.rx.lossless.caught_up &= !(0x80 >> ring);
        let who = Who::Register(at);
        let (free, next) = (self.reg(at), self.reg(pointer_at(Direction::Rx, ring)));
        if self.reg(at::RCTRL) & rctrl::LFC != 0 {
            if (free ^ next) >> 28 != 0 {
                self.report(Violation { who, at: 0, what: Breach::FreeFarAway });
            } else if free == next && !self.all_empty(ring) {
                self.report(Violation { who, at: 0, what: Breach::FreeAmbiguous });
            }
        }
        self.run_transmitter();
    }

    /// RBASEn has been written, and RFBPTRn with it (HW 3.20).
    pub(crate) fn rebased(&mut self, ring: usize) {
        self.rx.lossless.caught_up &= !(0x80 >> ring);
    }

    /// RBPTRn has moved on by itself.
    pub(crate) fn moved_on(&mut self, ring: usize, to: u32) {
        if to == self.reg(at::RFBPTR0 + 8 * ring as u16) {
            self.rx.lossless.caught_up |= 0x80 >> ring;
        }
    }

    fn all_empty(&self, ring: usize) -> bool {
        let mut at = self.bus_address(at::RBASEH, pointer_at(Direction::Rx, ring));
        for _ in 0..self.reg(at::RQPRM0 + 4 * ring as u16) & 0x00FF_FFFF {
            match self.memory.descriptor(at) {
                Ok(bd) if bd.live() => at = self.next_pointer(Direction::Rx, ring, at, bd.wraps()),
                _ => return false,
            }
        }
        true
    }

    /// Empty descriptors by the arithmetic of HW 11.2.
    fn free(&self, ring: usize) -> u32 {
        let len = self.reg(at::RQPRM0 + 4 * ring as u16) & 0x00FF_FFFF;
        let free = self.reg(at::RFBPTR0 + 8 * ring as u16);
        let next = self.reg(pointer_at(Direction::Rx, ring));
        let caught_up = self.rx.lossless.caught_up & (0x80 >> ring) != 0;
        if caught_up && (free == next || !self.config.switches.free_wraps) {
            return 0;
        }
        match free.cmp(&next) {
            core::cmp::Ordering::Equal => len,
            core::cmp::Ordering::Greater => (free - next) / 8,
            core::cmp::Ordering::Less => len.saturating_sub((next - free) / 8),
        }
    }

    /// Asks for a pause frame when a ring has become short, again before the pause ends, and for
    /// its end when none is.
    pub(crate) fn watch_free(&mut self) {
        if self.reg(at::RCTRL) & rctrl::LFC == 0 {
            self.rx.lossless.short = false;
            return;
        }
        let able = self.reg(at::MACCFG1) & maccfg1::TX_FLOW != 0
            && self.full_duplex()
            && self.mac_runs(Direction::Tx);
        let threshold = |ring: usize| self.reg(at::RQPRM0 + 4 * ring as u16) >> 24;
        let short =
            able && (0..8).any(|ring| self.rx_enabled(ring) && self.free(ring) < threshold(ring));
        let was = core::mem::replace(&mut self.rx.lossless.short, short);
        if short && (!was || self.now >= self.rx.lossless.repeat_at) {
            let time = self.reg(at::PTV) as u16;
            self.tx.flow_wanted = Some(time);
            // Half of the pause is a choice; 0 would end one instead of asking for one.
            let half = u64::from(time) * self.quantum_ns() / 2;
            self.rx.lossless.repeat_at =
                if time == 0 { u64::MAX } else { self.now + half.max(self.wire_ns(64)).max(1) };
        }
        if was && !short && able && !self.config.switches.no_xon {
            self.tx.flow_wanted = Some(0);
        }
    }

    /// When the partner is to be told again.
    pub(crate) fn repeat_due(&self) -> Option<u64> {
        let idle = self.tx.sending.is_none() && self.mac_runs(Direction::Tx);
        (self.rx.lossless.short && idle).then_some(self.rx.lossless.repeat_at)
    }
}
