//! The receive filer's table: up to 256 entries that choose a ring for each frame (HW 6).
//!
//! This file knows the table, not the rules that people write.

use core::fmt;

use crate::bus::Bus;
use crate::regs::Writeable;
use crate::regs::filer::{RQFAR, RQFCR, RQFPR, Rqfcr};

/// Entries of the hardware's table.
pub const ENTRIES: usize = 256;

/// One entry: a control word (RQFCR) and a property word (RQFPR).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FilerEntry {
    /// Control word: property, comparison, chaining and action (HW 3.12).
    pub control: u32,
    /// What the property is compared with, or the new mask.
    pub property: u32,
}

impl FilerEntry {
    /// Fails under every reading of the manual and leaves the mask alone: SAH < 0 (HW 6.1).
    const FILLER: FilerEntry = FilerEntry { control: 0x65, property: 0 };

    /// Always matches and files to `queue`, 0 to 63 (HW 6.1).
    #[must_use]
    pub fn default_to(queue: u8) -> Self {
        let control = Rqfcr::CMP::NotLess + Rqfcr::Q.val(u32::from(queue & 0x3F));
        FilerEntry { control: control.into(), property: 0 }
    }
}

/// The table is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilerFull;

impl fmt::Display for FilerFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the filer table is full: it has {ENTRIES} entries, one of them the default rule")
    }
}

impl core::error::Error for FilerFull {}

/// A filer table: entries in order, then a default rule that always matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilerTable {
    entries: heapless::Vec<FilerEntry, { ENTRIES - 1 }>,
    default: FilerEntry,
}

impl FilerTable {
    /// A table that files every frame to `queue`.
    #[must_use]
    pub fn new(queue: u8) -> Self {
        FilerTable { entries: heapless::Vec::new(), default: FilerEntry::default_to(queue) }
    }

    /// Adds an entry before the default rule.
    ///
    /// # Errors
    /// [`FilerFull`]; the table is as before.
    pub fn push(&mut self, entry: FilerEntry) -> Result<(), FilerFull> {
        self.entries.push(entry).map_err(|_| FilerFull)
    }

    /// Adds entries before the default rule, all of them or none.
    ///
    /// # Errors
    /// [`FilerFull`]; the table is as before.
    pub fn extend(&mut self, entries: &[FilerEntry]) -> Result<(), FilerFull> {
        self.entries.extend_from_slice(entries).map_err(|_| FilerFull)
    }

    /// Writes all 256 entries: what is not written is undefined (HW 6.1). For a stopped receiver.
    pub(crate) fn load<B: Bus>(&self, bus: &B) {
        let filler = core::iter::repeat(FilerEntry::FILLER);
        let before = self.entries.iter().copied().chain(filler).take(ENTRIES - 1);
        for (at, entry) in (0..).zip(before.chain(core::iter::once(self.default))) {
            RQFAR.on(bus).set(at);
            RQFCR.on(bus).set(entry.control);
            RQFPR.on(bus).set(entry.property);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::vec::Vec;

    use super::*;

    /// Notes what is written where.
    #[derive(Default)]
    struct Notes(RefCell<Vec<(u16, u32)>>);

    impl Bus for Notes {
        fn read(&self, _: u16) -> u32 {
            0
        }
        fn write(&self, at: u16, value: u32) {
            self.0.borrow_mut().push((at, value));
        }
        fn publish(&self) {}
        fn observe(&self) {}
    }

    #[test]
    fn all_entries_are_written_in_order_with_fillers_before_the_default() {
        let mut table = FilerTable::new(3);
        let rule = FilerEntry { control: 0x0A0B, property: 0x0C0D_0E0F };
        table.push(rule).unwrap();
        let notes = Notes::default();
        table.load(&notes);
        let notes = notes.0.into_inner();
        assert_eq!(notes.len(), 3 * 256);
        for (n, words) in notes.chunks(3).enumerate() {
            let (control, property) = match n {
                0 => (rule.control, rule.property),
                255 => (3 << 10 | 0x20, 0),
                _ => (0x65, 0), // HW 6.1: fails under every reading
            };
            assert_eq!(words, [(0x334, n as u32), (0x338, control), (0x33C, property)]);
        }
    }

    #[test]
    fn default_rule_is_the_manuals_word() {
        // HW 6.1: default file to queue q is (q << 10) | 0x20.
        assert_eq!(FilerEntry::default_to(5).control, 5 << 10 | 0x20);
    }

    #[test]
    fn a_full_table_takes_nothing_and_keeps_its_default() {
        let mut table = FilerTable::new(0);
        for _ in 0..ENTRIES - 1 {
            table.push(FilerEntry::FILLER).unwrap();
        }
        let full = table.clone();
        assert_eq!(table.push(FilerEntry::FILLER), Err(FilerFull));
        assert_eq!(table, full);
    }
}
