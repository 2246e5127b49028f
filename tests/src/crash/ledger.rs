//! What has become of every frame, whoever had it.
//!
//! It knows numbers: what arrives has them in order, and so has what is sent.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use etsec_sim::Sim;
use etsec_sim::room::Room;

use crate::adopting::{number, numbered};

/// Most frames that a dead process may have had in its hands.
pub const BURST: u32 = 32;
/// The number of a frame that finds no room.
const HOMELESS: u32 = u32::MAX;

/// The account.
#[derive(Debug, Default)]
pub struct Ledger {
    /// How many frames have arrived in a ring.
    pub arrived: Rc<Cell<u32>>,
    /// The first frame that nobody has been given, nor lost.
    pub next: u32,
    /// Frames that a dead process had seen and not worked on.
    pub in_hand: u32,
    /// Whether the process has looked at the ring and not come to the end of what it saw.
    pub looking: bool,
    /// How many frames were made to be sent.
    pub made: u32,
    /// Those that are staged.
    pub staged: BTreeSet<u32>,
    /// Those that were handed over.
    pub committed: BTreeSet<u32>,
    /// Those that have left, and the last of them.
    pub left: BTreeSet<u32>,
}

impl Ledger {
    /// A process has been given a frame.
    ///
    /// # Panics
    /// If it is not the next one, or not as it was sent.
    pub fn deliver(&mut self, bytes: &[u8]) {
        let n = number(bytes);
        if n == HOMELESS {
            return; // There was room after all.
        }
        assert!(n >= self.next, "frame {n} again");
        assert_eq!(n, self.next, "frames are missing");
        assert_eq!(bytes, numbered(n), "frame {n} is not whole");
        self.next += 1;
    }

    /// A process has taken a ring over, and all that was in it: what is missing in front of that
    /// was in the dead one's hands.
    ///
    /// # Panics
    /// If it was not, or is too much, or anything behind it is not the next frame, or not whole.
    pub fn resume(&mut self, found: &[Vec<u8>]) {
        let first = found.iter().map(|bytes| number(bytes)).find(|n| *n != HOMELESS);
        let lost = first.unwrap_or(self.arrived.get()).checked_sub(self.next).expect("no repeat");
        assert!(self.looking || lost == 0, "{lost} frames are lost from the ring");
        assert!(lost <= BURST, "{lost} frames in hand");
        self.in_hand += lost;
        self.next += lost;
        self.looking = false;
        found.iter().for_each(|bytes| self.deliver(bytes));
    }

    /// Nothing is on its way any more.
    ///
    /// # Panics
    /// If anything is missing.
    pub fn close(&mut self, sim: &Sim) {
        self.watch_wire(sim);
        assert_eq!(self.next, self.arrived.get(), "frames are missing");
        assert!(self.committed.is_subset(&self.left), "{:?} not sent", self.committed);
        let gone = self.staged.intersection(&self.left).count();
        assert!(gone == 0 || gone == self.staged.len(), "{gone} of a burst");
        self.staged.clear();
        self.committed.clear();
    }

    /// Looks at what has left.
    ///
    /// # Panics
    /// If a frame has that nobody sent, or twice, or in a wrong order.
    pub fn watch_wire(&mut self, sim: &Sim) {
        while let Some(bytes) = sim.transmitted() {
            let n = number(&bytes);
            assert!(self.committed.contains(&n) || self.staged.contains(&n), "frame {n} unasked");
            assert!(self.left.last().is_none_or(|last| *last < n), "frame {n} again, or late");
            assert_eq!(bytes, numbered(n), "frame {n} is not whole");
            self.left.insert(n);
        }
    }
}

/// A frame arrives: the next one if there is room, else one that is nobody's.
pub fn arrive(sim: &Sim, arrived: &Cell<u32>, even_if_full: bool) {
    let bytes = numbered(arrived.get());
    match sim.with(|model| model.room(bytes.len())) {
        Room::Free => {
            sim.receive(&bytes);
            arrived.set(arrived.get() + 1);
        }
        Room::Full if even_if_full => sim.receive(&numbered(HOMELESS)),
        Room::Full | Room::Closed => {}
    }
}
