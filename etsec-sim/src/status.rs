//! Writing the status of a finished descriptor back, in time or not, and what of received frames
//! has reached the rings (HW 3.4 WWR, 4.2, 4.3).

use crate::bits::{at, dmactrl, ievent, rxbd};
use crate::control::pointer_at;
use crate::fault::Fault;
use crate::model::Model;
use crate::violation::{Direction, Place};

/// How long a late write takes.
const LATE_NS: u64 = 3_000;

/// A status on its way to memory.
#[derive(Debug)]
struct Late {
    due: u64,
    place: Place,
    at: u64,
    word: u32,
    /// The event is raised with it.
    tells: bool,
}

/// Frames that were written into a receive ring to their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stored {
    /// Without an error.
    pub good: u64,
    /// With an error that their last descriptor names.
    pub bad: u64,
}

/// What is on its way, and what has been stored.
#[derive(Debug, Default)]
pub(crate) struct Status {
    late: Vec<Late>,
    pub stored: [Stored; 8],
}

impl Status {
    /// A frame was stored whole, with this status in its last descriptor.
    pub(crate) fn count(&mut self, ring: usize, status: u16) {
        let stored = &mut self.stored[ring];
        *if status & rxbd::ERRORS != 0 { &mut stored.bad } else { &mut stored.good } += 1;
    }
}

impl Model {
    /// Frames written into receive ring `ring` to their end so far. Those whose status was lost are
    /// not among them.
    #[must_use]
    pub fn stored(&self, ring: usize) -> Stored {
        self.status.stored.get(ring).copied().unwrap_or_default()
    }

    /// Whether the status of a descriptor is still on its way to memory.
    #[must_use]
    pub fn status_pending(&self) -> bool {
        !self.status.late.is_empty()
    }

    /// Whether the next descriptor of a ring is the device's: there is a frame to send, or room for
    /// one that comes.
    #[must_use]
    pub fn is_ready(&self, direction: Direction, ring: usize) -> bool {
        let at = self.bus_address(
            if direction == Direction::Tx { at::TBASEH } else { at::RBASEH },
            pointer_at(direction, ring),
        );
        let there = self.memory.ring(at, 1);
        there.len() == 1 && there.get(0).live()
    }

    /// Whether THLTn or QHLTn of a ring is set. Who asks here is not the driver.
    #[must_use]
    pub fn is_halted(&self, direction: Direction, ring: usize) -> bool {
        self.ring_state(direction, ring).halted
    }

    /// Writes over flags and length of a descriptor, as nobody should: what `change` makes of the
    /// word there. Returns the word before and after; `None` where there is no such descriptor.
    pub fn scribble(
        &mut self,
        place: Place,
        change: impl FnOnce(u32) -> u32,
    ) -> Option<(u32, u32)> {
        let base = self.ring_state(place.direction, place.ring).base;
        let at = base + 8 * place.index as u64;
        let there = self.memory.ring(at, 1);
        let before = (base != 0 && there.len() == 1).then(|| there.get(0).word)?;
        let after = change(before);
        self.close(place, at, after);
        Some((before, after))
    }

    /// The events that are set, enabled or not (IEVENT of the first group).
    #[must_use]
    pub fn events(&self) -> u32 {
        self.reg(at::IEVENT)
    }

    /// Writes a closed descriptor's status, and says whether that tells of the frame at once;
    /// `None`: it is lost.
    pub(crate) fn write_status(&mut self, place: Place, at: u64, word: u32) -> Option<bool> {
        let (late, lost) = match place.direction {
            Direction::Tx => (Fault::TxStatusLate, Fault::TxStatusLost),
            Direction::Rx => (Fault::RxStatusLate, Fault::RxStatusLost),
        };
        if self.faults.take(lost) {
            return None;
        }
        // Writes of one direction do not overtake each other.
        let queue = self.status.late.iter().filter(|late| late.place.direction == place.direction);
        let behind = queue.map(|late| late.due).max();
        let delay = if self.faults.take(late) { Some(self.now + LATE_NS) } else { None };
        if let Some(due) = delay.max(behind) {
            let tells = self.reg(at::DMACTRL) & dmactrl::WWR != 0;
            self.status.late.push(Late { due, place, at, word, tells });
            return Some(!tells);
        }
        self.close(place, at, word);
        Some(true)
    }

    fn close(&mut self, place: Place, at: u64, word: u32) {
        // The descriptor was readable a moment ago; if its region is gone now there is nobody to
        // tell.
        if let Err(fault) = self.memory.close(at, word) {
            self.sanitizer.blame_dma(place, at, 8, fault);
        }
        self.sanitizer.close(place, word);
    }

    /// Raises the event of a closed descriptor, if it asks for one.
    pub(crate) fn tell_closed(&mut self, place: Place, word: u32) {
        let flags = (word >> 16) as u16;
        if flags & rxbd::I == 0 {
            return;
        }
        // I and L are the same bits in both directions (HW 4.2, 4.3).
        let parts = if place.direction == Direction::Tx { ievent::TXB } else { ievent::RXB };
        if flags & rxbd::L != 0 {
            self.frame_done(place.direction, place.ring);
        } else {
            self.raise_ring(place.direction, place.ring, parts);
        }
    }

    /// When the next late status arrives.
    pub(crate) fn late_due(&self) -> Option<u64> {
        self.status.late.iter().map(|late| late.due).min()
    }

    /// Writes what is due by `now`.
    pub(crate) fn write_late(&mut self, now: u64) {
        while let Some(next) = self.status.late.iter().position(|late| late.due <= now) {
            let Late { place, at, word, tells, .. } = self.status.late.remove(next);
            self.close(place, at, word);
            if tells {
                self.tell_closed(place, word);
            }
            // HW 8.3: a direction has stopped when all of it is in memory.
            self.stop_if_asked();
        }
    }

    /// Whether something of a direction is on its way.
    pub(crate) fn status_late(&self, direction: Direction) -> bool {
        self.status.late.iter().any(|late| late.place.direction == direction)
    }

    /// A device reads what it has written itself: nothing of the descriptor at `at` may be on its
    /// way when it is fetched again.
    pub(crate) fn settle_status(&mut self, at: u64) {
        if self.status.late.iter().any(|late| late.at == at) {
            self.write_late(u64::MAX);
        }
    }
}
