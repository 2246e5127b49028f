//! Does the driver's register map say what the hardware reference says?
//!
//! Reads the tables of `docs/hardware.md` and compares them with the catalogue: every register of
//! HW 2 with its offset, name, access and reset value, and the bit masks of HW 3 where they are in
//! tables. It knows the shape of that page, nothing of the driver.

use std::collections::{BTreeMap, BTreeSet};

use etsec_core::regs::catalog::{Access, CATALOG, Entry, Page, Register};

fn reference() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/hardware.md");
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The text between the heading that begins with `### number ` and the next heading.
fn section<'a>(page: &'a str, number: &str) -> &'a str {
    let heading = format!("\n### {number} ");
    let from = page.find(&heading).unwrap_or_else(|| panic!("no section {number}")) + heading.len();
    let rest = &page[from..];
    let to = ["\n### ", "\n## ", "\n---"].iter().filter_map(|end| rest.find(end)).min();
    &rest[..to.unwrap_or(rest.len())]
}

/// The rows of all tables in a text, without their heads. A `\|` inside a cell does not end it.
fn rows(text: &str) -> impl Iterator<Item = Vec<String>> + '_ {
    let is_row = |line: &str| line.starts_with('|') && !line.starts_with("|---");
    let lines: Vec<&str> = text.lines().collect();
    let heads: BTreeSet<usize> =
        (1..lines.len()).filter(|&n| lines[n].starts_with("|---")).map(|n| n - 1).collect();
    let body = lines.into_iter().enumerate();
    body.filter(move |(n, line)| is_row(line) && !heads.contains(n)).map(|(_, line)| {
        let line = line.replace("\\|", "\u{0}");
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().replace('\u{0}', "|")).collect()
    })
}

/// The hexadecimal number at the start of a text, with or without `0x`.
fn hex(text: &str) -> Option<u32> {
    let text = text.trim().trim_start_matches("0x");
    let end = text.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len());
    u32::from_str_radix(&text[..end], 16).ok()
}

/// The offsets of a cell such as `0x184+8n`, `0x318–0x324`, `0xE40/E44, E48/E4C`.
fn offsets(cell: &str, count: u32) -> Vec<u32> {
    if let Some((from, to)) = cell.split_once('–') {
        return (hex(from).unwrap()..=hex(to).unwrap()).step_by(4).collect();
    }
    let mut all = Vec::new();
    for part in cell.split(['/', ',']) {
        let first = hex(part).unwrap_or_else(|| panic!("no offset: {cell}"));
        let stride = part.split_once('+').map(|(_, tail)| hex(&tail[..1]).unwrap());
        match stride {
            Some(stride) => all.extend((0..count).map(|n| first + stride * n)),
            None => all.push(first),
        }
    }
    all
}

fn registers() -> BTreeMap<u32, Register> {
    let entries = CATALOG.iter().filter(|entry| entry.page == Page::Group);
    entries
        .flat_map(Entry::registers)
        .map(|register| (register.offset().into(), register))
        .collect()
}

/// What one row of HW 2 says.
struct Row {
    offsets: Vec<u32>,
    /// Name of the register at the first offset.
    name: String,
    access: String,
    reset: String,
}

fn table_2(page: &str) -> Vec<Row> {
    let mut all = Vec::new();
    for (number, access) in [("2.1", 3), ("2.2", 3), ("2.3", 3), ("2.4", 2), ("2.6", 2)] {
        for cells in rows(section(page, number)) {
            // A `k` is one of the 15 exact-match addresses, an `n` a ring or hash word.
            let count = if cells[1].contains("MACk") { 15 } else { 8 };
            let name = cells[1].split([' ', ',', '/', '–']).next().unwrap();
            all.push(Row {
                offsets: offsets(&cells[0], count),
                name: name.replacen("MACk", "MAC1", 1),
                access: cells[access].clone(),
                reset: cells[access + 1].clone(),
            });
        }
    }
    // HW 2.5 is a sentence: "0x680 TR64, 684 TR127, … — reset 0." and the carries.
    let text = section(page, "2.5");
    let (counters, carries) = text.split_once(" — reset 0.").expect("the end of the counters");
    let counters = counters.rsplit_once('\n').map_or(counters, |(_, line)| line);
    for item in counters.split(", ").filter(|item| !item.contains("reserved")) {
        let (offset, name) = item.split_once(' ').unwrap();
        let offsets = vec![hex(offset).unwrap()];
        let (access, reset) = ("RW".into(), "0".into());
        all.push(Row { offsets, name: name.into(), access, reset });
    }
    for item in carries.trim().trim_end_matches('.').split("; ") {
        let [offset, name, access, reset] = item.split(' ').collect::<Vec<_>>()[..] else {
            panic!("not offset, name, access, reset: {item}");
        };
        let offsets = vec![hex(offset).unwrap()];
        let (access, reset) = (access.into(), reset.into());
        all.push(Row { offsets, name: name.into(), access, reset });
    }
    all
}

#[test]
fn both_name_the_same_registers() {
    let (page, registers) = (reference(), registers());
    let mut documented = BTreeSet::new();
    for row in table_2(&page) {
        let register = registers.get(&row.offsets[0]);
        let register = register.unwrap_or_else(|| panic!("{}: not in the catalogue", row.name));
        // No manual names the register of erratum A002. A name in "n" is that of number 0.
        let name = match row.name.as_str() {
            "undocumented" => "A002_RX_STATE",
            name => &name.replace('n', "0"),
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
    let (page, registers) = (reference(), registers());
    for row in table_2(&page) {
        for offset in &row.offsets {
            let access = registers[offset].entry.access;
            let fits = match row.access.split(' ').next().unwrap() {
                "RW" | "mixed" => matches!(access, Access::Rw | Access::Strobe),
                "RW/RO" | "RO/RW" => access == Access::Rw,
                "RO" => access == Access::Ro,
                "—" => true,
                "WO" => access == Access::Wo,
                "W1C" => access == Access::W1c,
                other => panic!("{}: access {other}", row.name),
            };
            assert!(fits, "{}: {} and {access:?}", row.name, row.access);
        }
    }
}

#[test]
fn both_give_the_same_reset_values() {
    let (page, registers) = (reference(), registers());
    for row in table_2(&page) {
        let unknown = ["—", "xxxx", "part dependent", "straps", "undefined"];
        // "0 — DISAGREE" is a value with a remark on something else.
        let cell = row.reset.split(" — ").next().unwrap();
        let documented = match unknown.iter().any(|word| cell.contains(word)) {
            true => None,
            false => Some(hex(cell).unwrap_or_else(|| panic!("{}: {cell}", row.name))),
        };
        for offset in &row.offsets {
            assert_eq!(registers[offset].entry.reset, documented, "{} {offset:#05x}", row.name);
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
    let page = reference();
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
    let page = reference();
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
