//! Whether the receiver has somewhere to put a frame: for ends of the wire that can wait.
//!
//! It looks at descriptors as the device would and changes nothing.

use crate::bits::{at, qhlt, rctrl};
use crate::control::pointer_at;
use crate::model::Model;
use crate::violation::Direction;

/// What would become of a frame that arrives now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It would vanish: the link is down or the receiver does not run.
    Closed,
    /// It would be lost for want of descriptors.
    Full,
    /// It would be stored.
    Free,
}

/// RxFCB, the longest padding and a preamble (HW 5.4).
const HEAD_MAX: usize = 8 + 31 + 8;

impl Model {
    /// Whether a frame of `len` bytes (without FCS) would find room in every ring it may go to.
    #[must_use]
    pub fn room(&self, len: usize) -> Room {
        let runs = self.mac_runs(Direction::Rx) && !self.stop_asked(Direction::Rx);
        if !self.link_up || !runs {
            return Room::Closed;
        }
        let filing = self.reg(at::RCTRL) & rctrl::FILREN != 0;
        // Without the filer all frames go to ring 0; with it to any that is set up (HW 6.1).
        let used =
            |ring: &usize| self.rx_enabled(*ring) && self.reg(at::RBASE0 + 8 * *ring as u16) != 0;
        let last = if filing { 7 } else { 0 };
        if (0..=last).filter(used).all(|ring| self.ring_has_room(ring, len)) {
            Room::Free
        } else {
            Room::Full
        }
    }

    fn ring_has_room(&self, ring: usize, len: usize) -> bool {
        if self.reg(at::RSTAT) & qhlt(ring) != 0 {
            return false;
        }
        // A ring without a buffer size is the driver's mistake, which a frame brings to light.
        let need = match self.reg(at::MRBLR) as usize {
            0 => 0,
            size => (len + 4 + HEAD_MAX).div_ceil(size),
        };
        let first = self.bus_address(at::RBASEH, pointer_at(Direction::Rx, ring));
        let mut next = first;
        for _ in 0..need {
            match self.memory.descriptor(next) {
                Ok(bd) if bd.live() => {
                    next = self.next_pointer(Direction::Rx, ring, next, bd.wraps())
                }
                Ok(_) => return false,
                // A bus error is the receiver's to find.
                Err(_) => return true,
            }
            if next == first {
                return true;
            }
        }
        true
    }
}
