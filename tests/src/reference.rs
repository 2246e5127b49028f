//! The tables of the hardware reference, `docs/hardware.md`, as tests read them.
//!
//! It knows the shape of that page, and nothing of driver or model.

use std::collections::BTreeSet;

/// The whole page.
///
/// # Panics
/// If it is not there.
#[must_use]
pub fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/hardware.md");
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The text between the heading that begins with `### number ` and the next heading.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn section<'a>(page: &'a str, number: &str) -> &'a str {
    let heading = format!("\n### {number} ");
    let from = page.find(&heading).unwrap_or_else(|| panic!("no section {number}")) + heading.len();
    let rest = &page[from..];
    let to = ["\n### ", "\n## ", "\n---"].iter().filter_map(|end| rest.find(end)).min();
    &rest[..to.unwrap_or(rest.len())]
}

/// The text of a chapter, from the heading that begins with `## number. ` to the next chapter's.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn chapter<'a>(page: &'a str, number: &str) -> &'a str {
    let heading = format!("\n## {number}. ");
    let from = page.find(&heading).unwrap_or_else(|| panic!("no chapter {number}")) + heading.len();
    let rest = &page[from..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

/// The rows of all tables in a text, without their heads. A `\|` inside a cell does not end it.
pub fn rows(text: &str) -> impl Iterator<Item = Vec<String>> + '_ {
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
#[must_use]
pub fn hex(text: &str) -> Option<u32> {
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

/// What one row of HW 2 says.
#[derive(Debug, Clone)]
pub struct Row {
    /// Offsets of its registers.
    pub offsets: Vec<u32>,
    /// Name of the register at the first offset.
    pub name: String,
    access: String,
    reset: String,
}

impl Row {
    /// Its access class: `RW`, `RO`, `WO`, `W1C`, `mixed` or `—`.
    #[must_use]
    pub fn access(&self) -> &str {
        // What follows a space is a remark.
        self.access.split(' ').next().unwrap_or_default()
    }

    /// The reset value; `None` where it is unknown, undefined, or a matter of the part.
    ///
    /// # Panics
    /// If the cell holds neither a number nor one of the words for that.
    #[must_use]
    pub fn reset(&self) -> Option<u32> {
        let unknown = ["—", "xxxx", "part dependent", "straps", "undefined"];
        // "0 — DISAGREE" is a value with a remark on something else.
        let cell = self.reset.split(" — ").next().unwrap_or_default();
        match unknown.iter().any(|word| cell.contains(word)) {
            true => None,
            false => Some(hex(cell).unwrap_or_else(|| panic!("{}: {cell}", self.name))),
        }
    }
}

/// All rows of HW 2.
///
/// # Panics
/// If the page has another shape.
#[must_use]
pub fn table_2(page: &str) -> Vec<Row> {
    let mut all = Vec::new();
    for (number, access) in [("2.1", 3), ("2.2", 3), ("2.3", 3), ("2.4", 2), ("2.6", 2)] {
        for cells in rows(section(page, number)) {
            // A `k` is one of the 15 exact-match addresses, an `n` a ring or hash word.
            let count = if cells[1].contains("MACk") { 15 } else { 8 };
            let name = cells[1].split([' ', ',', '/', '–']).next().unwrap();
            all.push(Row {
                offsets: offsets(&cells[0], count),
                // A name in "n" is that of number 0.
                name: numbered(name),
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

/// The name of a row's first register: a `k` counts from 1, an `n` from 0.
fn numbered(name: &str) -> String {
    match name {
        "undocumented" => name.into(),
        _ => name.replacen("MACk", "MAC1", 1).replace('n', "0"),
    }
}
