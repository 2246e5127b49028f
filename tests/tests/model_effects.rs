//! Does the model store nothing in silence, and does `docs/model.md` say what it does not do?

use etsec_core::Bus;
use etsec_sim::effects::{self, Effect, Idle};
use etsec_sim::table::{self, Access};
use etsec_sim::{Breach, Sim};
use etsec_tests::reference::{self, hex, rows};
use etsec_tests::rig::Live;

/// What the page must hold between a heading and the next.
fn rows_of(list: &[Idle]) -> Vec<Vec<String>> {
    let row = |idle: &Idle| {
        vec![format!("`{}`", idle.register), format!("{:#010x}", idle.mask), idle.why.to_owned()]
    };
    list.iter().map(row).collect()
}

/// The rows of the table under a heading of `docs/model.md`.
fn documented(heading: &str) -> Vec<Vec<String>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/model.md");
    let page = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (_, rest) = page.split_once(&format!("\n## {heading}\n")).expect("the heading");
    rows(rest.split("\n## ").next().unwrap_or(rest)).collect()
}

#[test]
fn the_page_says_what_the_tables_say() {
    let unjudged = effects::UNJUDGED.iter();
    let unjudged = unjudged.map(|(topic, at)| vec![(*topic).to_owned(), (*at).to_owned()]);
    let mut wrong = String::new();
    for (heading, wanted) in [
        ("Stored, and nothing else", rows_of(effects::STORED)),
        ("Refused", rows_of(effects::REFUSED)),
        ("Never shown", rows_of(effects::NEVER)),
        ("Unjudged", unjudged.collect()),
    ] {
        if documented(heading) != wanted {
            wrong.push_str(&format!("\n## {heading}\n"));
            wanted.iter().for_each(|cells| wrong.push_str(&format!("| {} |\n", cells.join(" | "))));
        }
    }
    assert!(wrong.is_empty(), "docs/model.md has other rows than these:\n{wrong}");
}

#[test]
fn unjudged_topics_name_sections_that_are_there() {
    let page = reference::page();
    for (topic, sections) in effects::UNJUDGED {
        for number in sections.strip_prefix("HW ").expect(topic).split(", ") {
            let (part, whole) = (format!("\n### {number} "), format!("\n## {number}. "));
            assert!(page.contains(&part) || page.contains(&whole), "{topic}: HW {number}");
        }
    }
}

#[test]
fn the_tables_name_bits_that_registers_have_and_each_once() {
    let lists = [effects::STORED, effects::REFUSED, effects::NEVER];
    let mut seen = std::collections::BTreeMap::<&str, u32>::new();
    for idle in lists.into_iter().flatten() {
        let row = table::ROWS.iter().find(|row| row.name == idle.register);
        let row = row.unwrap_or_else(|| panic!("{}: no such register", idle.register));
        if row.access != Access::ReadOnly {
            assert_eq!(idle.mask & !row.mask, 0, "{}: not its bits", idle.register);
        }
        let seen = seen.entry(idle.register).or_default();
        assert_eq!(*seen & idle.mask, 0, "{}: listed twice", idle.register);
        *seen |= idle.mask;
    }
}

/// Every writable bit of every register, alone, in a model of its own.
fn each_bit(mut check: impl FnMut(u16, u32, &table::Row)) {
    let written = |row: &&table::Row| match row.access {
        Access::ReadWrite => true,
        // What is behind the filer's two is a table.
        Access::Indirect => !row.name.starts_with("RQF"),
        _ => false,
    };
    for row in table::ROWS.iter().filter(written) {
        for n in 0..row.count {
            (0..32).for_each(|bit| check(row.first + n * row.stride, 1 << bit, row));
        }
    }
}

#[test]
fn a_bit_acts_is_accounted_for_refused_or_reserved() {
    let mut kinds = [0; 4];
    each_bit(|at, bit, row| {
        let effect = effects::effect(at, bit);
        kinds[match effect {
            Effect::Acts => 0,
            Effect::Stored { .. } => 1,
            Effect::Refused { .. } => 2,
            Effect::Reserved => 3,
        }] += 1;
        if effect == Effect::Acts {
            return;
        }
        let sim = Sim::default();
        let bus = sim.bus();
        let (before, written) = (bus.read(at), row.reset ^ bit);
        bus.write(at, written);
        let refused: Vec<_> = sim.violations().into_iter().map(|found| found.what).collect();
        let idle = sim.with(|model| model.idle_settings());
        let name = table::name(at).unwrap();
        match effect {
            Effect::Reserved => {
                assert_eq!((bus.read(at), &idle), (before, &vec![]), "{name} {bit:#010x}");
            }
            Effect::Stored { .. } => {
                assert_eq!((&refused, idle), (&vec![], vec![(at, bit)]), "{name} {bit:#010x}");
                assert_eq!(bus.read(at), before ^ bit, "{name} {bit:#010x} reads back");
            }
            _ => assert_eq!(refused, [Breach::NotModelled { bits: bit }], "{name} {bit:#010x}"),
        }
    });
    assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
}

#[test]
fn what_a_driver_sets_for_nothing_is_known() {
    let live = Live::new();
    let idle = live.sim.with(|model| model.idle_settings());
    // Snooping, which the model does anyway, and DMACTRL[WWR]; stashing from ring 0, which is
    // switched off.
    assert_eq!(idle, [(0x02C, 0x0000_00C2), (0x314, 0x0080_0000), (0xBF8, 0x0000_00C0)]);
    live.finish();
}

#[test]
fn the_model_s_tables_cover_what_the_page_calls_absent() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/model.md"));
    for (name, at) in [("FIFOCFG", "0xA00"), ("IFCTRL", "0x538")] {
        assert!(page.as_ref().unwrap().contains(&format!("`{name}` ({at})")));
        assert!(table::row(hex(at).unwrap() as u16).is_none());
    }
}
