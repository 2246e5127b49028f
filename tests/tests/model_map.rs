//! Does the model's register table say what the hardware reference says, and hold the bits that the
//! driver knows?
//!
//! The driver's map is held to the same page in `register_map`.

use std::collections::{BTreeMap, BTreeSet};

use etsec_core::Bus;
use etsec_core::regs::catalog::{CATALOG, Page};
use etsec_sim::Sim;
use etsec_sim::table::{self, Access};
use etsec_tests::reference::{self, table_2};

/// Registers of HW 2 that the modelled part lacks: the packet FIFO's, and a reserved one.
const ABSENT: [u32; 2] = [0xA00, 0x538];

#[test]
fn both_name_the_same_registers() {
    let mut documented = BTreeSet::new();
    for row in table_2(&reference::page()) {
        let first = row.offsets[0];
        documented.extend(row.offsets);
        if !ABSENT.contains(&first) {
            // No manual names the register of erratum A002.
            let name = if row.name == "undocumented" { "RX_STATE" } else { &row.name };
            assert_eq!(table::name(first as u16).as_deref(), Some(name), "at {first:#05x}");
        }
    }
    let modelled = (0..0x1000).step_by(4).filter(|at| table::row(*at as u16).is_some());
    let modelled: BTreeSet<u32> = modelled.chain(ABSENT).collect();
    assert_eq!(modelled, documented);
}

#[test]
fn both_give_the_same_access() {
    for row in table_2(&reference::page()) {
        for at in row.offsets.iter().filter(|at| !ABSENT.contains(at)) {
            let access = table::row(*at as u16).expect("a register").access;
            let fits = match row.access() {
                "RW" | "mixed" => matches!(access, Access::ReadWrite | Access::Indirect),
                "RW/RO" | "RO/RW" => matches!(access, Access::ReadWrite | Access::ReadOnly),
                "RO" => access == Access::ReadOnly,
                "WO" => access == Access::WriteOnly,
                "W1C" => access == Access::WriteOneClears,
                // Only IFCTRL, which is not here.
                other => panic!("{}: access {other}", row.name),
            };
            assert!(fits, "{}: {} and {access:?}", row.name, row.access());
        }
    }
}

#[test]
fn the_model_begins_with_the_documented_values() {
    let (sim, mut known) = (Sim::default(), 0);
    for row in table_2(&reference::page()) {
        let Some(reset) = row.reset() else { continue };
        for at in row.offsets.iter().filter(|at| !ABSENT.contains(at)) {
            assert_eq!(sim.bus().read(*at as u16), reset, "{} {at:#05x}", row.name);
            known += 1;
        }
    }
    assert!(known > 230, "{known}");
}

/// Bits that the driver's map names and the model's register does not store: read-only ones,
/// strobes, and those of functions that the modelled part lacks.
const NOT_STORED: [(&str, u32); 8] = [
    // EDIS has the layout of IEVENT; HW 3.2 has disables for some events only.
    ("EDIS", 0xC6B0_8F90),
    // FIFM of parts with the packet FIFO, the strobe CLRCNT, and the straps (HW 3.3).
    ("ECNTRL", 0x0000_C076),
    // The strobe TOD (HW 3.4).
    ("DMACTRL", 0x0000_0004),
    // RFC_PAUSE, read-only, and the strobe TFC_PAUSE (HW 3.6).
    ("TCTRL", 0x0000_0018),
    // The enables as the MAC's clock domains see them (HW 3.14).
    ("MACCFG1", 0x0000_000A),
    // Read-only (HW 3.17, 3.23).
    ("IFSTAT", 0x0000_0200),
    ("TMR_STAT", 0x0300_003F),
    // The ID and what it is made of (HW 3.1).
    ("TSEC_ID", 0xFFFF_FFFF),
];

#[test]
fn both_know_the_same_bits() {
    let mut excepted: BTreeMap<&str, u32> = NOT_STORED.into();
    for entry in CATALOG.iter().filter(|entry| entry.page == Page::Group) {
        let fields = entry.fields().fold(0, |mask, field| mask | field.mask);
        let Some(row) = table::row(entry.offset).filter(|_| fields != 0) else { continue };
        let owned = matches!(row.access, Access::ReadOnly | Access::WriteOnly);
        let stored = if owned { 0 } else { row.mask };
        let missing = excepted.remove(entry.name).unwrap_or(0);
        if owned && missing == 0 {
            continue;
        }
        assert_eq!(fields & !stored, missing, "{}: not stored", entry.name);
        assert_eq!(stored & !fields, 0, "{}: not in the driver's map", entry.name);
    }
    assert!(excepted.is_empty(), "no such register: {excepted:x?}");
}
