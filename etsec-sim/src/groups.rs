//! The second interrupt group of an eTSEC2: a page with events, mask and halts of its own rings (HW
//! 9.4). Everything else is in the first page.

use crate::bits::at;
use crate::model::Model;
use crate::table;
use crate::violation::{Breach, Direction, Violation, Who};

/// What is there twice.
#[derive(Debug, Default)]
pub(crate) struct Second {
    pub ievent: u32,
    pub imask: u32,
}

impl Model {
    /// The rings that ISRGn steers to a group, 0x80 for ring 0. While no ISRGn steers any, all are
    /// in the first.
    fn rings_of(&self, group: u16, direction: Direction) -> u8 {
        let steers = |group: u16| self.reg(at::ISRG0 + 4 * group);
        if (0..4).all(|group| steers(group) == 0) {
            return if group == 0 { 0xFF } else { 0 };
        }
        let [rx, tx, ..] = steers(group).to_be_bytes();
        if direction == Direction::Tx { tx } else { rx }
    }

    /// Sets events of a ring in the groups it is steered to.
    pub(crate) fn raise_ring(&mut self, direction: Direction, ring: usize, events: u32) {
        let [first, second] =
            [0, 1].map(|group| self.rings_of(group, direction) & (0x80 >> ring) != 0);
        if first {
            self.set_reg(at::IEVENT, self.reg(at::IEVENT) | events);
        }
        if second {
            self.second.ievent |= events;
        }
    }

    /// The bits of TSTAT or RSTAT that belong to rings of a group. A ring that is steered to none
    /// can be started in the first.
    pub(crate) fn status_mask(&self, at: u16, group: usize) -> u32 {
        let direction = if at == at::TSTAT { Direction::Tx } else { Direction::Rx };
        let [first, second] = [0, 1].map(|group| self.rings_of(group, direction));
        let rings = u32::from(if group == 0 { first | !second } else { second });
        match direction {
            Direction::Tx => rings << 24 | rings << 8,
            Direction::Rx => rings << 16 | rings,
        }
    }

    /// Reads the page of the second group.
    pub fn read_second(&mut self, at: u16) -> u32 {
        match at {
            _ if self.faults.is(crate::Fault::BusDead) => 0xFFFF_FFFF,
            _ if !self.proper(at) || !self.config.etsec2 => 0,
            at::IEVENT => self.second.ievent,
            at::IMASK => self.second.imask,
            at::TSTAT | at::RSTAT => self.read_status(at, 1),
            _ => 0,
        }
    }

    /// Writes the page of the second group.
    pub fn write_second(&mut self, at: u16, value: u32) {
        let dead = self.faults.is(crate::Fault::BusDead);
        if dead || !self.proper(at) || !self.config.etsec2 {
            return;
        }
        match at {
            at::IEVENT => self.second.ievent &= !value,
            at::IMASK => self.second.imask = value & table::row(at).map_or(0, |row| row.mask),
            at::TSTAT => self.write_tstat(value, 1),
            at::RSTAT => self.write_rstat(value, 1),
            _ => self.report(Violation { who: Who::Register(at), at: 0, what: Breach::NotInGroup }),
        }
    }
}
