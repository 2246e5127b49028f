//! `etsec regs`: registers with their fields, from core's catalogue. It reads what can be read
//! beside a running owner and writes nothing.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use etsec_core::regs::Readable;
use etsec_core::regs::catalog::{CATALOG, Entry, Field, Page, Register};
use etsec_core::regs::control::{ECNTRL, Ecntrl};
use serde::Serialize;

use crate::args::Regs;
use crate::observe::{Observer, ReadPage, why_not};
use crate::output::table;
use crate::run::{Context, Usage};

/// Runs the command.
pub fn run(args: &Regs, context: &Context) -> Result<()> {
    let out = context.out;
    let observer = Observer::open(&args.target.device, context)?;
    let shown = dump(&observer.page, observer.mdio.as_ref(), &args.names);
    let unknown = || Usage(format!("no register's name begins with {}", args.names.join(" or ")));
    ensure!(!shown.is_empty(), unknown());
    for register in &shown {
        if out.is_json() {
            out.show(register, |_| String::new())?;
        }
    }
    if out.is_json() { Ok(()) } else { out.show(&(), |()| text(&shown, args.raw)) }
}

/// A register as it was read.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Shown {
    name: String,
    page: &'static str,
    offset: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<u32>,
    /// Why it was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<&'static str, u32>,
    #[serde(skip)]
    decoded: String,
}

fn dump(page: &ReadPage, mdio: Option<&ReadPage>, names: &[String]) -> Vec<Shown> {
    let autoz = ECNTRL.on(page).is_set(Ecntrl::AUTOZ);
    let wanted = |name: &str| {
        let begins =
            |prefix: &String| name.to_ascii_uppercase().starts_with(&prefix.to_ascii_uppercase());
        names.is_empty() || names.iter().any(begins)
    };
    let mut shown = Vec::new();
    for register in CATALOG.iter().flat_map(Entry::registers) {
        let name = register.to_string();
        let (from, page_name) = match register.entry.page {
            Page::Group => (Some(page), "group"),
            Page::Mdio => (mdio, "mdio"),
        };
        let Some(from) = from else { continue };
        if !wanted(&name) {
            continue;
        }
        let unread = why_not(&register, autoz);
        let value = unread.is_none().then(|| from.get(register.offset()));
        let (fields, decoded) = decode(&register, value.unwrap_or(0));
        shown.push(Shown {
            name,
            page: page_name,
            offset: register.offset(),
            value,
            unread,
            fields,
            decoded,
        });
    }
    shown
}

/// All fields by name, and as text: single bits by name where they are set, the others with their
/// value.
pub fn decode(register: &Register, value: u32) -> (BTreeMap<&'static str, u32>, String) {
    let mut fields: Vec<Field> = register.entry.fields().collect();
    fields.sort_by_key(|field| std::cmp::Reverse(field.mask));
    let mut words = Vec::new();
    for field in &fields {
        match (field.mask.count_ones(), field.of(value)) {
            (1, 0) => {}
            (1, _) => words.push(field.name.to_owned()),
            (_, number) if number < 10 => words.push(format!("{}={number}", field.name)),
            (_, number) => words.push(format!("{}={number:#x}", field.name)),
        }
    }
    (fields.iter().map(|field| (field.name, field.of(value))).collect(), words.join(" "))
}

fn text(shown: &[Shown], raw: bool) -> String {
    let row = |register: &Shown| {
        let mut row = vec![format!("{:#05x}", register.offset), register.name.clone()];
        match (register.value, register.unread) {
            (Some(value), _) => row.push(format!("{value:#010x}")),
            (None, why) => row.push(format!("({})", why.unwrap_or("not read"))),
        }
        if !raw && register.value.is_some() && !register.decoded.is_empty() {
            row.push(register.decoded.clone());
        }
        row
    };
    let read: Vec<_> = shown.iter().filter(|register| !raw || register.value.is_some()).collect();
    // What was not read says why in words, which must not widen the column of values.
    let (with, without): (Vec<_>, Vec<_>) =
        read.into_iter().partition(|register| register.value.is_some());
    let rows = |part: Vec<&Shown>| part.into_iter().map(row).collect::<Vec<_>>();
    format!("{}{}", table(&rows(with)), table(&rows(without)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use etsec_core::regs::catalog::{Access, Reading};

    /// A page whose registers hold given values, and 0.
    fn page(values: &'static [(u16, u32)]) -> ReadPage {
        ReadPage::new(move |at| {
            values.iter().find(|(reg, _)| *reg == at).map_or(0, |(_, value)| *value)
        })
    }

    fn find<'a>(shown: &'a [Shown], name: &str) -> &'a Shown {
        shown.iter().find(|register| register.name == name).unwrap()
    }

    #[test]
    fn fields_are_decoded() {
        let page = page(&[(0x020, 0x1010), (0x504, 0x7205)]);
        let shown = dump(&page, None, &[]);
        assert_eq!(find(&shown, "ECNTRL").decoded, "STEN RPM");
        let maccfg2 = find(&shown, "MACCFG2");
        assert_eq!(maccfg2.fields["IF_MODE"], 2);
        assert!(maccfg2.decoded.starts_with("PREAMBLE_LENGTH=7 IF_MODE=2 "), "{}", maccfg2.decoded);
        assert!(text(&shown, false).contains("0x504  MACCFG2"));
        assert!(!text(&shown, true).contains("IF_MODE"));
    }

    #[test]
    fn what_would_disturb_is_not_read() {
        // ECNTRL[AUTOZ]: reading a counter would clear it (HW 13.1).
        let touched = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let log = std::rc::Rc::clone(&touched);
        let page = ReadPage::new(move |at| {
            log.borrow_mut().push(at);
            if at == 0x020 { 0x2000 } else { 0 }
        });
        let shown = dump(&page, None, &[]);
        assert!(find(&shown, "RBYT").unread.is_some());
        for register in CATALOG.iter().flat_map(Entry::registers) {
            let kept =
                register.entry.reading == Reading::Safe && register.entry.access != Access::Wo;
            if register.entry.page == Page::Group {
                assert_eq!(touched.borrow().contains(&register.offset()), kept, "{register}");
            }
        }
    }

    #[test]
    fn names_select_by_their_beginning() {
        let page = page(&[]);
        let names = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
            dump(&page, None, &wanted).into_iter().map(|register| register.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&["maccfg"]), ["MACCFG1", "MACCFG2"]);
        assert_eq!(names(&["TBASE7", "ievent"]), ["IEVENT", "TBASE7"]);
        assert!(names(&["x"]).is_empty());
    }
}
