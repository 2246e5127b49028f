//! The receive filer's table: up to 256 entries that choose a ring for each frame (HW 6).
//!
//! This file knows the table, not what its entries mean.

use core::fmt;

use super::error::FilerError;
use super::layout::{FILLER, Placed};
use super::rule::{Action, Rule};
use crate::bus::Bus;
use crate::regs::filer::{RBIFX, RIR, RQFAR, RQFCR, RQFPR, Rqfcr};
use crate::regs::{Readable, Writeable};

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
    /// Always matches and files to `queue`, 0 to 63 (HW 6.1).
    #[must_use]
    pub fn default_to(queue: u8) -> Self {
        let control = Rqfcr::CMP::NotLess + Rqfcr::Q.val(u32::from(queue & 0x3F));
        FilerEntry { control: control.into(), property: 0 }
    }

    /// Writes it to its place. What a search makes of it in between is undefined.
    pub(super) fn write<B: Bus>(self, bus: &B, at: usize) {
        RQFAR.on(bus).set(at as u32);
        RQFCR.on(bus).set(self.control);
        RQFPR.on(bus).set(self.property);
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

/// A filer table, and the registers that belong to it.
///
/// Made by [`FilerTable::compile`] from rules, or entry by entry: [`FilerTable::new`] files every
/// frame to one queue, [`FilerTable::push`] puts entries before that.
#[derive(Clone)]
pub struct FilerTable {
    entries: [FilerEntry; ENTRIES],
    /// How many entries have been pushed.
    len: usize,
    /// RBIFX: which bytes make up the property ARB (HW 3.12).
    pub rbifx: u32,
    /// RIR0–3: the ring for each value of the hash (eTSEC2, HW 3.22).
    pub rir: [u32; 4],
}

impl FilerTable {
    /// A table that files every frame to `queue`.
    #[must_use]
    pub fn new(queue: u8) -> Self {
        let mut entries = [FILLER; ENTRIES];
        entries[ENTRIES - 1] = FilerEntry::default_to(queue);
        FilerTable { entries, len: 0, rbifx: 0, rir: [0; 4] }
    }

    /// The table for rules that are tried in order, and for what none of them matches.
    ///
    /// It is laid out for [`Running::set_rules`](crate::Running::set_rules): entry 0 says which of
    /// two places is in use.
    ///
    /// # Errors
    /// [`FilerError`] that names the rule.
    pub fn compile(rules: &[Rule], default: Action) -> Result<Self, FilerError> {
        Ok(Placed::anew(rules, default)?.table())
    }

    /// Entry number `n`.
    #[must_use]
    pub fn entry(&self, n: u8) -> FilerEntry {
        self.entries[usize::from(n)]
    }

    pub(super) fn set(&mut self, n: u8, entry: FilerEntry) {
        self.entries[usize::from(n)] = entry;
    }

    /// Adds an entry before the default rule.
    ///
    /// # Errors
    /// [`FilerFull`]; the table is as before.
    pub fn push(&mut self, entry: FilerEntry) -> Result<(), FilerFull> {
        self.extend(&[entry])
    }

    /// Adds entries before the default rule, all of them or none.
    ///
    /// # Errors
    /// [`FilerFull`]; the table is as before.
    pub fn extend(&mut self, entries: &[FilerEntry]) -> Result<(), FilerFull> {
        let end = self.len + entries.len();
        let free = self.entries[..ENTRIES - 1].get_mut(self.len..end).ok_or(FilerFull)?;
        free.copy_from_slice(entries);
        self.len = end;
        Ok(())
    }

    /// Whether an entry raises FGPI.
    pub(super) fn interrupts(&self) -> bool {
        self.entries.iter().any(|entry| Rqfcr::GPI.read(entry.control) == 1)
    }

    /// Writes all 256 entries: what is not written is undefined (HW 6.1). For a filer that is off,
    /// or a stopped receiver.
    pub(crate) fn load<B: Bus>(&self, bus: &B) {
        for (at, entry) in self.entries.iter().enumerate() {
            entry.write(bus, at);
        }
    }

    /// Whether the hardware has these entries, but for bits that not every part may have.
    pub(super) fn is_kept<B: Bus>(&self, bus: &B) -> bool {
        let common = |entry: &FilerEntry| (entry.control & 0xFFFF, entry.property);
        FilerTable::read(bus).entries.iter().map(common).eq(self.entries.iter().map(common))
    }

    /// Reads what the hardware has.
    pub(crate) fn read<B: Bus>(bus: &B) -> Self {
        let mut table = FilerTable::new(0);
        table.len = ENTRIES - 1;
        for (at, entry) in (0..).zip(&mut table.entries) {
            RQFAR.on(bus).set(at);
            entry.control = RQFCR.on(bus).get();
            entry.property = RQFPR.on(bus).get();
        }
        table.rbifx = RBIFX.on(bus).get();
        for (n, map) in table.rir.iter_mut().enumerate() {
            *map = RIR.nth(n).on(bus).get();
        }
        table
    }
}

impl PartialEq for FilerTable {
    /// Whether they mean the same to the hardware.
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries && self.rbifx == other.rbifx && self.rir == other.rir
    }
}

impl Eq for FilerTable {}

impl fmt::Debug for FilerTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.entries.iter().enumerate().filter(|(_, entry)| **entry != FILLER);
        f.debug_map().entries(used).finish()
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
        fn read(&self, at: u16) -> u32 {
            panic!("{at:#x} is read: only writing is tried here")
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
            table.push(FILLER).unwrap();
        }
        let full = table.clone();
        assert_eq!(table.push(FILLER), Err(FilerFull));
        assert_eq!(table, full);
    }

    #[test]
    fn tables_differ_in_an_entry_in_the_bytes_looked_at_and_in_the_rings_of_hashes() {
        let table = FilerTable::new(3);
        let mut others = [FilerTable::new(2), table.clone(), table.clone(), table.clone()];
        others[1].push(FilerEntry { control: 7, property: 0 }).unwrap();
        others[2].rbifx = 1;
        others[3].rir[3] = 1;
        assert!(others.iter().all(|other| *other != table));
        assert_eq!(table.clone(), table);
    }

    #[test]
    fn what_is_printed_is_what_is_used() {
        let mut table = FilerTable::new(3);
        table.push(FilerEntry { control: 77, property: 5 }).unwrap();
        let text = std::format!("{table:?}");
        assert!(text.starts_with("{0: FilerEntry { control: 77, property: 5 }, 255: "), "{text}");
        assert_eq!(text.matches("FilerEntry").count(), 2, "{text}");
    }
}
