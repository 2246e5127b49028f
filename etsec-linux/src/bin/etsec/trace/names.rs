//! Names for what is in a trace: registers and their fields from core's catalogue, flags of
//! descriptors.

use std::collections::{BTreeMap, HashMap};

use etsec_core::bd::{RxFlags, TxFlags};
use etsec_core::regs::catalog::{self, CATALOG, Entry, Register};
use etsec_sim::Direction;
use etsec_sim::trace::{Access, Page};

use crate::regs::decode;

/// The registers by place.
pub struct Names {
    group: HashMap<u16, Register>,
    mdio: HashMap<u16, Register>,
}

impl Names {
    /// Those of the catalogue.
    pub fn new() -> Self {
        let all = |page| {
            let registers = CATALOG.iter().flat_map(Entry::registers);
            let there = registers.filter(|register| register.entry.page == page);
            there.map(|register| (register.offset(), register)).collect::<HashMap<_, _>>()
        };
        Names { group: all(catalog::Page::Group), mdio: all(catalog::Page::Mdio) }
    }

    fn find(&self, page: Page, at: u16) -> Option<&Register> {
        let own = match page {
            Page::Group0 | Page::Group1 => None,
            Page::Mdio | Page::Tbi => self.mdio.get(&at),
        };
        own.or_else(|| self.group.get(&at))
    }

    /// A register's name, with its page where that is not the first.
    pub fn name(&self, page: Page, at: u16) -> String {
        let name = self.find(page, at).map(Register::to_string);
        let name = name.unwrap_or_else(|| format!("{at:#05x}"));
        match page {
            Page::Group0 => name,
            page => format!("{page}:{name}"),
        }
    }

    /// Name, fields, and the fields as text.
    pub fn decode(&self, access: &Access) -> (String, BTreeMap<&'static str, u32>, String) {
        let name = self.name(access.page, access.at);
        let decoded = self.find(access.page, access.at).map(|reg| decode(reg, access.value));
        let (fields, text) = decoded.unwrap_or_default();
        (name, fields, text)
    }
}

/// Flags of a transmit descriptor as the driver writes them (HW 4.2).
const TX_GIVEN: [(&str, TxFlags); 10] = [
    ("R", TxFlags::R),
    ("PAD_CRC", TxFlags::PAD_CRC),
    ("W", TxFlags::W),
    ("I", TxFlags::I),
    ("L", TxFlags::L),
    ("TC", TxFlags::TC),
    ("PRE", TxFlags::PRE),
    ("HFE", TxFlags::HFE),
    ("CF", TxFlags::CF),
    ("TOE", TxFlags::TOE),
];
/// And where the device has written back what became of it.
const TX_DONE: [(&str, TxFlags); 12] = [
    ("R", TxFlags::R),
    ("PAD_CRC", TxFlags::PAD_CRC),
    ("W", TxFlags::W),
    ("I", TxFlags::I),
    ("L", TxFlags::L),
    ("TC", TxFlags::TC),
    ("DEF", TxFlags::DEF),
    ("LC", TxFlags::LC),
    ("RL", TxFlags::RL),
    ("RC", TxFlags::RC),
    ("UN", TxFlags::UN),
    ("TR", TxFlags::TR),
];

/// The flags of a descriptor by name, `given` to the device or back from it.
pub fn flags(direction: Direction, given: bool, word: u32) -> String {
    let bits = (word >> 16) as u16;
    let names: Vec<&str> = match direction {
        Direction::Tx => {
            let table = if given { &TX_GIVEN[..] } else { &TX_DONE[..] };
            let set = table.iter().filter(|(_, flag)| bits & flag.bits() != 0);
            set.map(|(name, _)| *name).collect()
        }
        Direction::Rx => {
            let set = RxFlags::from_bits_truncate(bits);
            set.iter_names().map(|(name, _)| name).collect()
        }
    };
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_and_fields_have_names() {
        let names = Names::new();
        let access = Access { page: Page::Group1, at: 0x304, value: 0x0080_0000 };
        let (name, fields, text) = names.decode(&access);
        assert_eq!((&*name, fields["QHLT0"], &*text), ("group1:RSTAT", 1, "QHLT0"));
        assert_eq!(names.name(Page::Group0, 0xFFC), "0xffc");
        assert_eq!(names.name(Page::Mdio, 0x524), "mdio:MIIMCOM");
    }

    #[test]
    fn flags_mean_what_their_writer_means() {
        assert_eq!(flags(Direction::Tx, true, 0x9882_003C), "R I L HFE TOE");
        assert_eq!(flags(Direction::Tx, false, 0x1882_003C), "I L LC UN");
        assert_eq!(flags(Direction::Tx, false, 0x1808_003C), "I L RC");
        assert_eq!(flags(Direction::Rx, false, 0x2C04_0040), "W L F CR");
    }
}
