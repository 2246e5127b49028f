//! `etsec trace show`: a trace line by line, with registers and flags by name.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Result;
use etsec_sim::trace::{Access, Change, Line, Ring, What, Words};
use serde::Serialize;

use super::names::{Names, flags};
use crate::output::Output;
use crate::output::Stdout;

/// Runs the command.
pub fn run(path: &Path, names: &[String], out: Output) -> Result<()> {
    let reader = super::open(path)?;
    let mut to = BufWriter::new(Stdout(io::stdout()));
    let mut show = Show { names: Names::new(), wanted: upper(names), json: out.is_json() };
    let header = reader.header().clone();
    if !show.json {
        let part = if header.part.is_empty() { "" } else { " on " };
        writeln!(to, "{}{part}{}, recorded by {}", header.device, header.part, header.by)?;
    }
    for line in reader {
        match line {
            Ok((_, line)) => show.line(&line, &mut to)?,
            Err(error) => {
                to.flush()?;
                return super::give_up_unless_cut(error, path);
            }
        }
    }
    Ok(to.flush()?)
}

fn upper(names: &[String]) -> Vec<String> {
    names.iter().map(|name| name.to_ascii_uppercase()).collect()
}

/// A line as a program wants it.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    event: &'static str,
    ns: u64,
    what: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<u32>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<&'static str, u32>,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
}

struct Show {
    names: Names,
    wanted: Vec<String>,
    json: bool,
}

/// What the columns of a line say.
struct Columns {
    what: &'static str,
    name: String,
    words: Option<Words>,
    pointer: bool,
    fields: BTreeMap<&'static str, u32>,
    text: String,
}

impl Show {
    fn line(&mut self, line: &Line, to: &mut impl Write) -> Result<()> {
        let columns = self.columns(&line.what);
        let wanted = |name: &String| columns.name.to_ascii_uppercase().starts_with(name);
        if !self.wanted.is_empty() && !self.wanted.iter().any(wanted) {
            return Ok(());
        }
        let Columns { what, name, words, pointer, fields, text } = columns;
        if self.json {
            let shown = Shown {
                event: "trace",
                ns: line.at_ns,
                what,
                name: &name,
                value: words.map(|words| words.word),
                pointer: words.filter(|_| pointer).map(|words| words.pointer),
                fields,
                text: &text,
            };
            return Ok(writeln!(to, "{}", serde_json::to_string(&shown)?)?);
        }
        let values = match words {
            Some(Words { word, pointer: at }) if pointer => format!("{word:#010x} {at:#010x}"),
            Some(Words { word, .. }) => format!("{word:#010x}"),
            None => String::new(),
        };
        let (seconds, micros) = (line.at_ns / 1_000_000_000, line.at_ns / 1000 % 1_000_000);
        let shown = format!("{seconds:4}.{micros:06}  {what:7} {name:14} {values:10}  {text}");
        Ok(writeln!(to, "{}", shown.trim_end())?)
    }

    fn columns(&mut self, what: &What) -> Columns {
        let plain = |what, name: String, text| Columns {
            what,
            name,
            words: None,
            pointer: false,
            fields: BTreeMap::new(),
            text,
        };
        match what {
            What::Read(access) => self.access("read", access),
            What::Write(access) => self.access("write", access),
            What::Publish => plain("publish", String::new(), String::new()),
            What::Memory { bus, len } => {
                plain("memory", String::new(), format!("{len} bytes at {bus:#011x}"))
            }
            What::Forget { bus } => {
                plain("forget", String::new(), format!("the memory at {bus:#011x}"))
            }
            What::Ring { ring, bus, len } => {
                plain("ring", ring.to_string(), format!("{len} descriptors at {bus:#011x}"))
            }
            What::Descriptor { ring, index, change } => descriptor(*ring, *index, change),
            What::Note(text) => plain("note", String::new(), text.clone()),
            What::End => plain("end", String::new(), String::new()),
        }
    }

    fn access(&self, what: &'static str, access: &Access) -> Columns {
        let (name, fields, text) = self.names.decode(access);
        let words = Some(Words { word: access.value, pointer: 0 });
        Columns { what, name, words, pointer: false, fields, text }
    }
}

fn descriptor(ring: Ring, index: u32, change: &Change) -> Columns {
    let (what, bd, bytes) = match change {
        Change::Set { bd } => ("set", Some(*bd), &[][..]),
        Change::Given { bd, bytes } => ("give", Some(*bd), &bytes[..]),
        Change::Done { bd, bytes } => ("done", Some(*bd), &bytes[..]),
        Change::Back { bd } => ("back", Some(*bd), &[][..]),
        Change::Lost => ("done", None, &[][..]),
    };
    let mut text = match bd {
        Some(bd) => {
            let given = matches!(change, Change::Set { .. } | Change::Given { .. });
            let flags = flags(ring.direction, given, bd.word);
            let gap = if flags.is_empty() { "" } else { " " };
            format!("{flags}{gap}{} bytes", bd.word & 0xFFFF)
        }
        None => "what the device wrote was overwritten before it was seen".to_owned(),
    };
    for (n, byte) in bytes.iter().enumerate() {
        text.push_str(if n == 0 { ": " } else { "" });
        text.push_str(&format!("{byte:02x}"));
    }
    let name = format!("{ring} [{index}]");
    Columns { what, name, words: bd, pointer: true, fields: BTreeMap::new(), text }
}
