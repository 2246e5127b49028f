//! What a region says of others: buffers of it may be in their rings, and theirs in its own, as
//! those of two ports between which frames are forwarded. Then what one has left is neither freed
//! nor taken over as long as the other goes on.
//!
//! It is said before the first buffer is exchanged. Whether the others are still there is asked by
//! whoever finds the region; this file knows words.

use core::array;
use core::fmt;
use core::str;

use heapless::{String, Vec};

use crate::barrier;
use crate::dma::BusAddr;
use crate::word::Word;

/// How many others there can be: more than any part has ports.
pub const MOST_PARTNERS: usize = 7;
/// Bytes of a name: a path that a socket can have, and what tells that it is one.
pub const NAME_BYTES: usize = 112;

/// Somebody whose buffers may be in rings of a region, and the other way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partner {
    /// Where the device finds its pool.
    pub pool: BusAddr,
    /// What it is called; empty where nobody has said.
    pub name: String<NAME_BYTES>,
}

/// All of them.
pub type Partners = Vec<Partner, MOST_PARTNERS>;

/// Why two pools are not partners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PartnerError {
    /// A name has [`NAME_BYTES`] bytes at most, and no zero byte.
    Name,
    /// A pool has [`MOST_PARTNERS`] partners at most.
    TooMany,
}

impl fmt::Display for PartnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(f, "a name has {NAME_BYTES} bytes at most, and no zero byte"),
            Self::TooMany => write!(f, "buffers are exchanged with {MOST_PARTNERS} others at most"),
        }
    }
}

impl core::error::Error for PartnerError {}

/// In the header of a region.
#[repr(C)]
pub(super) struct Table {
    own: Name,
    others: [Entry; MOST_PARTNERS],
}

/// One of them.
#[repr(C)]
struct Entry {
    /// [`FREE`], [`TAKEN`], or its pool.
    pool: Word,
    name: Name,
}

const FREE: u32 = 0;
/// Somebody is writing the name.
const TAKEN: u32 = 1;
/// In the low bits of a pool's address, which are 0, its window is; and this, for it may be the
/// very first address.
const THERE: u32 = 0x10;
const LOW_BITS: u32 = 0x3F;

#[repr(C)]
struct Name([Word; NAME_BYTES / 4]);

impl Name {
    fn none() -> Self {
        Name(array::from_fn(|_| Word::new(0)))
    }

    fn set(&self, name: &str) {
        for (n, word) in self.0.iter().enumerate() {
            let byte = |k: usize| name.as_bytes().get(4 * n + k).copied().unwrap_or(0);
            word.store(u32::from_ne_bytes(array::from_fn(byte)));
        }
    }

    /// `None` if it is no text.
    fn get(&self) -> Option<String<NAME_BYTES>> {
        let bytes = self.0.iter().flat_map(|word| word.load().to_ne_bytes());
        let bytes: Vec<u8, NAME_BYTES> = bytes.take_while(|byte| *byte != 0).collect();
        String::try_from(str::from_utf8(&bytes).ok()?).ok()
    }
}

fn word_of(pool: BusAddr) -> u32 {
    pool.low() & !LOW_BITS | THERE | pool.window()
}

fn pool_of(word: u32) -> Option<BusAddr> {
    let (low, bits) = (u64::from(word & !LOW_BITS), word & LOW_BITS);
    let window = bits.checked_sub(THERE)?;
    BusAddr::new(u64::from(window) << 32 | low)
}

impl Table {
    pub(super) fn new() -> Self {
        let others = array::from_fn(|_| Entry { pool: Word::new(FREE), name: Name::none() });
        Table { own: Name::none(), others }
    }

    pub(super) fn set_name(&self, name: &str) -> Result<(), PartnerError> {
        if name.len() > NAME_BYTES || name.contains('\0') {
            return Err(PartnerError::Name);
        }
        self.own.set(name);
        Ok(())
    }

    /// Notes a pool, with the name in its own table.
    pub(super) fn add(&self, pool: BusAddr, table: &Table) -> Result<(), PartnerError> {
        let (word, name) = (word_of(pool), table.own.get().unwrap_or_default());
        let is_known = |entry: &&Entry| {
            let same = !name.is_empty() && entry.name.get().as_ref() == Some(&name);
            let there = entry.pool.load();
            there == word || there > TAKEN && same
        };
        let entry = match self.others.iter().find(is_known) {
            Some(known) => known,
            None => {
                let mut others = self.others.iter();
                others.find(|entry| entry.pool.replace(FREE, TAKEN)).ok_or(PartnerError::TooMany)?
            }
        };
        if entry.name.get().as_ref() != Some(&name) {
            entry.name.set(&name);
            // A pool that is there has a name, whenever this process dies.
            barrier::publish();
        }
        entry.pool.store(word);
        barrier::publish();
        Ok(())
    }

    /// All that are noted; `None` if what is noted cannot be.
    pub(super) fn list(&self) -> Option<Partners> {
        let noted = self.others.iter().filter(|entry| entry.pool.load() > TAKEN);
        noted
            .map(|entry| {
                Some(Partner { pool: pool_of(entry.pool.load())?, name: entry.name.get()? })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_noted_with_its_name_and_once() {
        let (one, other) = (Table::new(), Table::new());
        other.set_name("uio:eth1").unwrap();
        assert_eq!(one.list().unwrap(), []);
        let pool = BusAddr::new(0xF_FFFF_FFC0).unwrap();
        (0..5).for_each(|_| one.add(pool, &other).unwrap());
        let known = |pool| Partner { pool, name: String::try_from("uio:eth1").unwrap() };
        assert_eq!(one.list().unwrap(), [known(pool)]);
        // The same port in other memory.
        one.add(BusAddr::default(), &other).unwrap();
        assert_eq!(one.list().unwrap(), [known(BusAddr::default())]);
    }

    #[test]
    fn there_is_room_for_some_and_for_names_of_some_length() {
        let (table, other) = (Table::new(), Table::new());
        let pool = |n: u64| BusAddr::new(n << 6).unwrap();
        let most = MOST_PARTNERS as u64;
        (0..most).for_each(|n| table.add(pool(n), &other).unwrap());
        assert_eq!(table.add(pool(most), &other), Err(PartnerError::TooMany));
        table.add(pool(2), &other).unwrap();
        let names: std::vec::Vec<_> = table.list().unwrap().into_iter().map(|p| p.name).collect();
        assert_eq!(names, [""; MOST_PARTNERS]);
        let long = "x".repeat(NAME_BYTES);
        other.set_name(&long).unwrap();
        assert_eq!(other.set_name(&(long.clone() + "x")), Err(PartnerError::Name));
        assert_eq!(other.set_name("a\0b"), Err(PartnerError::Name));
        // The name of one that is known is the one it has now.
        table.add(pool(1), &other).unwrap();
        assert_eq!(table.list().unwrap()[1].name, *long);
    }

    #[test]
    fn what_was_never_noted_is_told() {
        for wrong in [2, 0x20, 0x3F, 0xFFFF_FFFF, 0x0000_0040] {
            let table = Table::new();
            table.others[1].pool.store(wrong);
            assert_eq!(table.list(), None, "{wrong:#x}");
        }
        let table = Table::new();
        table.others[0].pool.store(THERE);
        table.others[0].name.0[0].store(u32::MAX);
        assert_eq!(table.list(), None, "no text");
        // Somebody has died before there was a pool.
        table.others[0].pool.store(TAKEN);
        assert_eq!(table.list().unwrap(), []);
    }
}
