//! Does the driver's register map say what the hardware reference says?
//!
//! Compares the tables of `docs/hardware.md` with the catalogue: every register of HW 2 with its
//! offset, name, access and reset value, and the bit masks of HW 3 where they are in tables. The
//! model's table is held to the same page in `model_map`.

use std::collections::{BTreeMap, BTreeSet};

use etsec_core::regs::catalog::{Access, CATALOG, Entry, Page, Register};
use etsec_tests::reference::{self, hex, rows, section, table_2};

fn registers() -> BTreeMap<u32, Register> {
    let entries = CATALOG.iter().filter(|entry| entry.page == Page::Group);
    entries
        .flat_map(Entry::registers)
        .map(|register| (register.offset().into(), register))
        .collect()
}

#[test]
fn both_name_the_same_registers() {
    let (page, registers) = (reference::page(), registers());
    let mut documented = BTreeSet::new();
    for row in table_2(&page) {
        let register = registers.get(&row.offsets[0]);
        let register = register.unwrap_or_else(|| panic!("{}: not in the catalogue", row.name));
        // No manual names the register of erratum A002.
        let name = match row.name.as_str() {
            "undocumented" => "A002_RX_STATE",
            name => name,
        };
        assert_eq!(register.to_string(), name, "at {:#05x}", row.offsets[0]);
        for offset in row.offsets {
            assert!(documented.insert(offset), "{}: {offset:#05x} twice", row.name);
        }
    }
    assert_eq!(documented, registers.keys().copied().collect());
}

#[test]
fn both_give_the_same_access() {
    let (page, registers) = (reference::page(), registers());
    for row in table_2(&page) {
        for offset in &row.offsets {
            let access = registers[offset].entry.access;
            let fits = match row.access() {
                "RW" | "mixed" => matches!(access, Access::Rw | Access::Strobe),
                "RW/RO" | "RO/RW" => access == Access::Rw,
                "RO" => access == Access::Ro,
                "—" => true,
                "WO" => access == Access::Wo,
                "W1C" => access == Access::W1c,
                other => panic!("{}: access {other}", row.name),
            };
            assert!(fits, "{}: {} and {access:?}", row.name, row.access());
        }
    }
}

#[test]
fn both_give_the_same_reset_values() {
    let (page, registers) = (reference::page(), registers());
    for row in table_2(&page) {
        for offset in &row.offsets {
            let reset = registers[offset].entry.reset;
            assert_eq!(reset, row.reset(), "{} {offset:#05x}", row.name);
        }
    }
}

fn entry(name: &str) -> &'static Entry {
    let entry = CATALOG.iter().find(|entry| entry.name == name);
    entry.unwrap_or_else(|| panic!("{name}: not in the catalogue"))
}

/// A name as both sides would write it: letters and digits only.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_uppercase()
}

#[test]
fn fields_of_one_register_tables_agree() {
    let page = reference::page();
    for (number, after, name) in [
        ("3.2", "", "IEVENT"),
        ("3.3", "", "ECNTRL"),
        ("3.6", "", "TCTRL"),
        ("3.9", "", "TXIC"),
        ("3.11", "", "RCTRL"),
        ("3.12", "RQFCR:", "RQFCR"),
        ("3.14", "", "MACCFG1"),
        ("3.15", "", "MACCFG2"),
    ] {
        let text = section(&page, number);
        let text = &text[text.find(after).unwrap()..];
        let mut fields: BTreeMap<u32, &str> =
            entry(name).fields().map(|field| (field.mask, field.name)).collect();
        for cells in rows(text) {
            let mask = hex(&cells[0]).unwrap();
            let field = fields.remove(&mask);
            let field = field.unwrap_or_else(|| panic!("{name}: no field has {}", cells[0]));
            assert!(plain(&cells[1]).starts_with(&plain(field)), "{name}: {field}, {}", cells[1]);
        }
        assert!(fields.is_empty(), "{name}: not in HW {number}: {fields:x?}");
    }
}

#[test]
fn masks_of_several_register_tables_agree() {
    let page = reference::page();
    for (number, registers) in [("3.4", 3), ("3.17", 6), ("3.23", 7)] {
        let mut documented: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        let mut names = Vec::new();
        for cells in rows(section(&page, number)) {
            // An empty first cell goes on with the register above; "A / B" are two of one layout.
            if !cells[0].is_empty() {
                names = cells[0].split('/').map(|name| name.trim().to_owned()).collect();
            }
            for name in &names {
                let name = name.split(' ').next().unwrap().to_owned();
                let masks = cells[1].split('/').map(|mask| hex(mask).unwrap());
                documented.entry(name).or_default().extend(masks);
            }
        }
        assert_eq!(documented.len(), registers, "HW {number}: {:?}", documented.keys());
        for (name, masks) in documented {
            let fields: BTreeSet<u32> = entry(&name).fields().map(|field| field.mask).collect();
            assert_eq!(fields, masks, "{name}");
        }
    }
}
