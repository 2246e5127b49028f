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
    next: u32,
    /// Frames that dead processes had seen and not worked on.
    pub in_hand: u32,
    /// How many more of these there may be.
    allowance: u32,
    /// Whether the process has looked at the ring and not come to the end of what it saw.
    pub looking: bool,
    /// How many frames were made to be sent.
    pub made: u32,
    /// Those that are staged.
    pub staged: BTreeSet<u32>,
    /// Those that were staged by processes that died.
    orphans: Vec<BTreeSet<u32>>,
    /// Those that were handed over.
    pub committed: BTreeSet<u32>,
    /// Those that have left.
    left: BTreeSet<u32>,
}

impl Ledger {
    /// A process has been given a frame.
    ///
    /// # Panics
    /// If it is not the next one, but for those that were in a dead one's hands; or not as it was
    /// sent.
    pub fn deliver(&mut self, bytes: &[u8]) {
        let n = number(bytes);
        if n == HOMELESS {
            return; // There was room after all.
        }
        assert!(n >= self.next, "frame {n} again");
        self.lose_up_to(n);
        assert_eq!(bytes, numbered(n), "frame {n} is not whole");
        self.next += 1;
    }

    /// What is missing in front of frame `n` was in the hands of processes that died.
    fn lose_up_to(&mut self, n: u32) {
        let lost = n - self.next;
        assert!(lost <= self.allowance, "{lost} frames are lost, {} in hand", self.allowance);
        self.in_hand += lost;
        (self.next, self.allowance) = (n, 0);
    }

    /// The process has died.
    pub fn bury(&mut self) {
        if std::mem::take(&mut self.looking) {
            self.allowance += BURST;
        }
        self.orphans.push(std::mem::take(&mut self.staged));
    }

    /// Nothing is on its way any more, and nothing in a ring.
    ///
    /// # Panics
    /// If anything is missing.
    pub fn close(&mut self, sim: &Sim) {
        self.watch_wire(sim);
        self.lose_up_to(self.arrived.get());
        assert!(self.committed.is_subset(&self.left), "{:?} not sent", self.committed);
        for burst in self.orphans.drain(..) {
            let gone = burst.intersection(&self.left).count();
            assert!(gone == 0 || gone == burst.len(), "{gone} of {burst:?}");
        }
    }

    /// Looks at what has left.
    ///
    /// # Panics
    /// If a frame has that nobody sent, or twice, or in a wrong order.
    pub fn watch_wire(&mut self, sim: &Sim) {
        while let Some(bytes) = sim.transmitted() {
            let n = number(&bytes);
            let asked = [&self.committed, &self.staged].into_iter().chain(&self.orphans);
            assert!(asked.into_iter().any(|frames| frames.contains(&n)), "frame {n} unasked");
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
