//! Every register of the table: reset value, access class, reserved offsets (HW 2, 18.1, 18.2).

mod rig;
use etsec_core::Bus;
use etsec_sim::table::{self, Access};
use etsec_sim::{Breach, Interface, Sim, SimConfig, Violation};
use rig::*;

/// Offsets with side effects on what is read back; their own tests say more.
fn is_plain(at: u16) -> bool {
    let mii = (0x520..=0x534).contains(&at);
    let special = [ECNTRL, DMACTRL, TCTRL, MACCFG1, MRBLR].contains(&at);
    !mii && !special
}

fn each(mut check: impl FnMut(&table::Row, u16)) {
    for row in table::ROWS {
        for n in 0..row.count {
            check(row, row.first + n * row.stride);
        }
    }
}

#[test]
fn reset_values() {
    let sim = Sim::default();
    let bus = sim.bus();
    let mut seen = 0;
    each(|row, at| {
        if row.name != "RQFCR" && row.name != "RQFPR" {
            assert_eq!(bus.read(at), row.reset, "{} at {at:#05x}", row.name);
        }
        seen += 1;
    });
    // HW 2 lists this many registers, without FIFOCFG and IFCTRL.
    assert_eq!(seen, 254);
    // Spot checks against the reference's own numbers, apart from the table.
    for (at, value) in [
        (0x000, 0x0124_0000),
        (0x004, 0x0030_00F0),
        (0x08C, 0x80),
        (0x108, 0x8100_0000),
        (0x114, 0x8000),
        (0x314, 0x0080_0080),
        (0x504, 0x7000),
        (0x508, 0x4060_5060),
        (0x50C, 0x00A1_F037),
        (0x510, 0x600),
        (0x520, 7),
        (0x738, 0xFE03_FFFF),
        (0x73C, 0x000F_FFFD),
        (0xE00, 0x0001_0001),
        (0xE28, 2),
        (0xE40, 0xFFFF_FFFF),
        (0xE88, 0xFFFF_FFFF),
    ] {
        assert_eq!(bus.read(at), value, "{at:#05x}");
    }
}

/// Bits that the model refuses are stored all the same; that it did is told.
fn refusals_only(sim: &Sim) {
    let found = sim.violations();
    let refused = |violation: &Violation| matches!(violation.what, Breach::NotModelled { .. });
    assert!(!found.is_empty() && found.iter().all(refused), "{found:?}");
}

#[test]
fn access_classes() {
    let sim = Sim::default();
    let bus = sim.bus();
    each(|row, at| {
        if !is_plain(at) {
            return;
        }
        let before = bus.read(at);
        match row.access {
            Access::ReadOnly => {
                bus.write(at, !before);
                assert_eq!(bus.read(at), before, "{} is read-only", row.name);
            }
            Access::ReadWrite | Access::Indirect => {
                for value in [0xFFFF_FFFF, 0xA5A5_A5A5, 0x5A5A_5A5A, 0] {
                    // 8-byte aligned, to be no error in a ring pointer.
                    let value = if row.mask == 0xFFFF_FFF8 { value & !7 } else { value };
                    bus.write(at, value);
                    assert_eq!(bus.read(at), value & row.mask, "{} at {at:#05x}", row.name);
                }
            }
            Access::WriteOneClears => {
                bus.write(at, 0xFFFF_FFFF);
                assert_eq!(bus.read(at), 0, "{} does not store ones", row.name);
            }
            Access::WriteOnly => assert_eq!(bus.read(at), 0),
        }
    });
    refusals_only(&sim);
}

#[test]
fn reserved_offsets_read_0_and_ignore_writes() {
    let sim = Sim::default();
    let bus = sim.bus();
    let mut reserved = 0;
    for at in (0..0x1000).step_by(4).filter(|at| table::row(*at).is_none()) {
        bus.write(at, 0xFFFF_FFFF);
        assert_eq!(bus.read(at), 0, "{at:#05x}");
        reserved += 1;
    }
    assert_eq!(reserved, 1024 - 254);
}

#[test]
fn improper_accesses_are_reported() {
    let sim = Sim::default();
    let bus = sim.bus();
    assert_eq!(bus.read(0x012), 0);
    bus.write(0x1010, 1);
    sim.mdio_bus().write(0x521, 1);
    let found = sim.violations();
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|violation| violation.what == Breach::BadAccess));
    assert_eq!(
        found[0].to_string(),
        "register IEVENT (0x012): access is unaligned or out of the page"
    );
}

#[test]
fn writing_a_base_loads_the_pointers() {
    let sim = Sim::default();
    let bus = sim.bus();
    for n in 0..8u16 {
        bus.write(0x204 + 8 * n, 0x1000 + 0x100 * u32::from(n));
        bus.write(0x404 + 8 * n, 0x3000 + 0x100 * u32::from(n));
        assert_eq!(bus.read(0x184 + 8 * n), 0x1000 + 0x100 * u32::from(n));
        assert_eq!(bus.read(0x384 + 8 * n), 0x3000 + 0x100 * u32::from(n));
        // RFBPTRn follows RBASEn (HW 3.20).
        assert_eq!(bus.read(0xC44 + 8 * n), 0x3000 + 0x100 * u32::from(n));
        bus.write(0x184 + 8 * n, 0x1008);
        assert_eq!(bus.read(0x204 + 8 * n), 0x1000 + 0x100 * u32::from(n));
        assert_eq!(bus.read(0x184 + 8 * n), 0x1008);
    }
}

#[test]
fn interface_straps_cannot_be_written() {
    for (interface, strap) in [
        (Interface::Mii, 0x00),
        (Interface::Gmii, 0x40),
        (Interface::Rgmii, 0x50),
        (Interface::Rmii, 0x14),
        (Interface::Sgmii, 0x22),
        (Interface::Tbi, 0x20),
        (Interface::Rtbi, 0x30),
    ] {
        let sim = Sim::new(SimConfig { interface, ..SimConfig::default() });
        let bus = sim.bus();
        assert_eq!(bus.read(ECNTRL), strap);
        bus.write(ECNTRL, 0xFFFF_FFFF);
        // STEN, AUTOZ and R100M are stored, CLRCNT is not.
        assert_eq!(bus.read(ECNTRL), strap | 0x3008);
        bus.write(ECNTRL, 0);
        assert_eq!(bus.read(ECNTRL), strap);
    }
}

#[test]
fn strobes_do_not_stay() {
    let sim = Sim::default();
    let bus = sim.bus();
    bus.write(DMACTRL, 0xFFFF_FFFF);
    assert_eq!(bus.read(DMACTRL), 0x80DB);
    bus.write(TCTRL, 0xFFFF_FFFF);
    // RFC_PAUSE is read-only, and TFC_PAUSE without Tx_Flow asks for nothing.
    assert_eq!(bus.read(TCTRL), 0x7806);
    bus.write(MRBLR, 0x600);
    assert_eq!(bus.read(MRBLR), 0x600);
    refusals_only(&sim);
}

#[test]
fn the_filer_table_is_behind_rqfar_and_starts_as_noise() {
    let sim = Sim::default();
    let bus = sim.bus();
    let mut zeros = 0;
    for entry in 0..256 {
        bus.write(0x334, entry);
        zeros += u32::from(bus.read(0x338) == 0);
        bus.write(0x338, entry << 10);
        bus.write(0x33C, entry + 1000);
    }
    assert!(zeros < 2);
    for entry in (0..256).rev() {
        bus.write(0x334, entry);
        assert_eq!(bus.read(0x338), (entry << 10) & 0x800F_FFEF);
        assert_eq!(bus.read(0x33C), entry + 1000);
    }
}

#[test]
fn both_pages_reach_the_mii() {
    let sim = Sim::new(SimConfig { phy_address: 3, ..SimConfig::default() });
    for bus in [sim.bus(), sim.mdio_bus()] {
        bus.write(0x528, 3 << 8 | 1);
        bus.write(0x524, 0);
        bus.write(0x524, 1);
        assert_ne!(bus.read(0x534) & 5, 0);
        sim.advance(1_000_000);
        assert_eq!(bus.read(0x534), 0);
        // BMSR: able to negotiate, extended registers.
        assert_eq!(bus.read(0x530) & 9, 9);
    }
    // Nothing else is on the MDIO page.
    assert_eq!(sim.mdio_bus().read(0), 0);
    sim.mdio_bus().write(IMASK, 0xFFFF_FFFF);
    assert_eq!(sim.bus().read(IMASK), 0);
}
