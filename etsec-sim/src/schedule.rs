//! Which transmit ring is served next (HW 10). It knows weights and credits and no descriptor.

use crate::bits::{at, tctrl};
use crate::model::Model;

/// State of the modified weighted round robin.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    credit: [i64; 8],
    /// The ring being visited.
    visiting: Option<usize>,
    /// The last of rings 1–7 that was visited.
    last: usize,
}

impl Schedule {
    /// A frame of `len` bytes of this ring has left.
    pub(crate) fn sent(&mut self, ring: usize, len: usize) {
        self.credit[ring] -= len as i64;
    }

    /// The visit after the current one: ring 0 comes before each of rings 1–7.
    fn next_visit(&self, enabled: u8) -> usize {
        if self.visiting == Some(0) {
            let others = (1..=7).map(|step| (self.last + step - 1) % 7 + 1);
            return others.into_iter().find(|ring| enabled & (0x80 >> ring) != 0).unwrap_or(0);
        }
        0
    }
}

impl Model {
    /// The ring whose frame goes next, or `None` if none has one.
    pub(crate) fn choose_ring(&mut self) -> Option<usize> {
        match self.reg(at::TCTRL) & tctrl::TXSCHED {
            tctrl::TXSCHED_MWRR => self.choose_by_weight(),
            // Decided again after every frame (HW 17 item 2). The reserved code is taken as this
            // one.
            code if code & tctrl::TXSCHED_PRIORITY != 0 => (0..8).find(|ring| self.tx_ready(*ring)),
            _ => self.tx_ready(0).then_some(0),
        }
    }

    fn weight(&self, ring: usize) -> i64 {
        let word = self.reg(at::TR03WT + 4 * (ring / 4) as u16);
        i64::from(word.to_be_bytes()[ring % 4])
    }

    fn choose_by_weight(&mut self) -> Option<usize> {
        let (mut enabled, mut ready) = (0u8, 0u8);
        for ring in 0..8 {
            if self.tx_enabled(ring) {
                enabled |= 0x80 >> ring;
                if self.tx_ready(ring) {
                    ready |= 0x80 >> ring;
                } else if !self.paused() {
                    // When a ring empties its credit becomes 0. One that is held back by a pause is
                    // not empty.
                    self.tx.schedule.credit[ring] = 0;
                }
            }
        }
        let is_ready = |ring: usize| ready & (0x80 >> ring) != 0;
        // Weight 0 blocks a ring. Every round adds to the others, so the search ends.
        if !(0..8).any(|ring| is_ready(ring) && self.weight(ring) != 0) {
            return None;
        }
        loop {
            if let Some(ring) = self.tx.schedule.visiting
                && is_ready(ring)
                && self.tx.schedule.credit[ring] > 0
            {
                return Some(ring);
            }
            let ring = self.tx.schedule.next_visit(enabled);
            self.tx.schedule.visiting = Some(ring);
            if ring != 0 {
                self.tx.schedule.last = ring;
            }
            if is_ready(ring) {
                self.tx.schedule.credit[ring] += 64 * self.weight(ring);
            }
        }
    }
}
