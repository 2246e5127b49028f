//! What a descriptor's change means, judged by what it held before. It looks at words and writes
//! none.

use super::line::{Ring, Words};
use crate::violation::Direction;

/// R of a transmit descriptor, E of a receive descriptor: the device owns it (HW 4.2, 4.3).
const OWNED: u32 = 0x8000_0000;
/// W: the next one is the ring's first (HW 4.2, 4.3).
const WRAP: u32 = 0x2000_0000;
/// What the device may change of a transmit descriptor: R, and its status (HW 4.2).
const TX_STATUS: u32 = OWNED | 0x02FF_0000;
/// Most descriptors of a ring (HW 4.4).
const MOST: u32 = 0x1_0000;

/// A ring as it was when it was last looked at.
#[derive(Debug)]
pub(super) struct Copy {
    /// Bus address of its first descriptor.
    pub bus: u64,
    words: Vec<Words>,
    /// Behind the last one that the device has handed back: where it goes on.
    next: usize,
}

/// What has become of a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Became {
    /// The driver has written to its own.
    Set,
    /// The driver has handed it over.
    Given,
    /// The device has handed it back.
    Done,
    /// So it has, what it wrote is gone, and the driver has written to it.
    LostAndSet,
    /// So it has, what it wrote is gone, and the driver has handed it over again.
    LostAndGiven,
    /// The driver took it from a device that does not run.
    Back,
}

impl Copy {
    /// The ring at `bus`, none of which has been seen yet; `look` reads a descriptor. `None` if it
    /// has no end within sight.
    pub(super) fn find(bus: u64, look: impl Fn(u64) -> Option<Words>) -> Option<Self> {
        for n in 0..MOST {
            if look(bus + 8 * u64::from(n))?.word & WRAP != 0 {
                return Some(Copy { bus, words: vec![Words::default(); n as usize + 1], next: 0 });
            }
        }
        None
    }

    pub(super) fn len(&self) -> u32 {
        self.words.len() as u32
    }

    /// Looks at all descriptors, in the order in which the device uses them, and calls `changed`
    /// with the position of each that has changed, what it is now, and what became of it. `runs`:
    /// whether the device may have done it.
    pub(super) fn update(
        &mut self,
        ring: Ring,
        runs: bool,
        look: impl Fn(u64) -> Option<Words>,
        mut changed: impl FnMut(u32, Words, Became),
    ) {
        let first = self.next;
        for index in (first..self.words.len()).chain(0..first) {
            let Some(now) = look(self.bus + 8 * index as u64) else { return };
            let known = &mut self.words[index];
            let Some(became) = became(ring.direction, *known, now, runs) else { continue };
            *known = now;
            if !matches!(became, Became::Set | Became::Given | Became::Back) {
                self.next = (index + 1) % self.words.len();
            }
            changed(index as u32, now, became);
        }
    }
}

/// What became of a descriptor that was `known` and is `now`; `None`: nothing.
fn became(direction: Direction, known: Words, now: Words, runs: bool) -> Option<Became> {
    match (known.word & OWNED != 0, now.word & OWNED != 0) {
        _ if known == now => None,
        (false, false) => Some(Became::Set),
        (false, true) => Some(Became::Given),
        (true, true) => Some(Became::LostAndGiven),
        (true, false) if !runs => Some(Became::Back),
        (true, false) => {
            let alike = match direction {
                Direction::Tx => (known.word ^ now.word) & !TX_STATUS == 0,
                Direction::Rx => true,
            };
            let same = known.pointer == now.pointer;
            Some(if same && alike { Became::Done } else { Became::LostAndSet })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tx(known: u32, now: u32) -> Option<Became> {
        let words = |word| Words { word, pointer: 64 };
        became(Direction::Tx, words(known), words(now), true)
    }

    #[test]
    fn changes_are_judged_by_what_was_there_before() {
        assert_eq!(tx(0x1800_003C, 0x1800_003C), None);
        assert_eq!(tx(0x1800_003C, 0x0800_0040), Some(Became::Set));
        assert_eq!(tx(0x1800_003C, 0x9800_003C), Some(Became::Given));
        assert_eq!(tx(0x9800_003C, 0x9800_003C), None);
        assert_eq!(tx(0x9800_003C, 0x1800_003C), Some(Became::Done));
        // A late collision.
        assert_eq!(tx(0x9800_003C, 0x1880_003C), Some(Became::Done));
        // Another frame lies there already.
        assert_eq!(tx(0x9800_003C, 0x0800_0040), Some(Became::LostAndSet));
        assert_eq!(tx(0x9800_003C, 0x9800_0040), Some(Became::LostAndGiven));
        let (known, now) = (Words { word: 0x9000_0000, pointer: 64 }, Words::default());
        assert_eq!(became(Direction::Rx, known, now, true), Some(Became::LostAndSet));
        assert_eq!(became(Direction::Rx, known, now, false), Some(Became::Back));
    }

    #[test]
    fn a_ring_ends_with_the_descriptor_that_wraps() {
        let look = |bus: u64| match bus {
            0x100 | 0x108 => Some(Words::default()),
            0x110 => Some(Words { word: WRAP, pointer: 0 }),
            _ => None,
        };
        assert_eq!(Copy::find(0x100, look).map(|ring| ring.len()), Some(3));
        assert!(Copy::find(0x108, |bus| look(bus).filter(|words| words.word == 0)).is_none());
        assert!(Copy::find(0, |_| Some(Words::default())).is_none());
    }
}
