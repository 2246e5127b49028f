//! A line of a trace: when, and what. It is the whole grammar, both ways, and knows no register.
//!
//! | after the time | meaning |
//! |---|---|
//! | `read PAGE OFFSET VALUE`, `write PAGE OFFSET VALUE` | a register access |
//! | `publish` | what was stored before is to be seen before what is written after |
//! | `memory BUS LENGTH`, `forget BUS` | memory that the device reaches, from now on or no more |
//! | `ring tx N BUS LENGTH` | the device is told of a ring of so many descriptors |
//! | `tx N INDEX set WORD POINTER` | the driver writes a descriptor of its own |
//! | `tx N INDEX give WORD POINTER [BYTES]` | the driver hands a descriptor over |
//! | `tx N INDEX done WORD POINTER [BYTES]` | the device has handed it back |
//! | `tx N INDEX lost` | so it has, but what it wrote was overwritten before it was seen |
//! | `tx N INDEX back WORD POINTER` | the driver takes it back from a device that stands still |
//! | `note TEXT` | what the recorder has to say |
//! | `end` | all was recorded; the last line |
//!
//! Receive rings are `rx`. A page is `group0`, `group1`, `mdio` or `tbi`. The time is seconds since
//! the recording began, with nine decimals. WORD, POINTER, VALUE, OFFSET, BUS and LENGTH in bytes
//! are hexadecimal after `0x`, other numbers decimal. BYTES are the first of the buffer's, two
//! digits each.

use core::fmt::{self, Write as _};
use core::num::NonZeroU64;

use crate::violation::Direction;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Nanoseconds since the recording began.
    pub at_ns: u64,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A register was read.
    Read(Access),
    /// A register was written.
    Write(Access),
    /// Earlier stores were made visible.
    Publish,
    /// There is memory that the device reaches.
    Memory {
        /// Its bus address.
        bus: u64,
        /// Bytes.
        len: NonZeroU64,
    },
    /// That memory is there no more.
    Forget {
        /// Its bus address.
        bus: u64,
    },
    /// The device was told of a ring.
    Ring {
        /// Which.
        ring: Ring,
        /// Bus address of its first descriptor.
        bus: u64,
        /// How many descriptors there are.
        len: u32,
    },
    /// A descriptor changed hands.
    Descriptor {
        /// Whose.
        ring: Ring,
        /// Its position in the ring.
        index: u32,
        /// How.
        change: Change,
    },
    /// Words of the recorder.
    Note(String),
    /// The recording ends here, and is complete.
    End,
}

/// A register access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Which page.
    pub page: Page,
    /// Byte offset in it.
    pub at: u16,
    /// What was read or written.
    pub value: u32,
}

/// A register page of a controller (HW 1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Page {
    /// The controller's own page.
    Group0,
    /// The second interrupt group's.
    Group1,
    /// The page with the management registers that reach the PHYs.
    Mdio,
    /// The page with those that reach the TBI, where it is none of the others.
    Tbi,
}

/// A ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ring {
    /// Transmit or receive.
    pub direction: Direction,
    /// Its number, 0 to 7.
    pub number: u8,
}

/// How a descriptor changed hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The driver wrote to its own.
    Set {
        /// Flags and length, and the buffer's address.
        bd: Words,
    },
    /// From the driver to the device.
    Given {
        /// Flags and length, and the buffer's address.
        bd: Words,
        /// The first bytes of a buffer that is sent.
        bytes: Vec<u8>,
    },
    /// From the device to the driver.
    Done {
        /// Flags and length, and the buffer's address.
        bd: Words,
        /// The first bytes of a buffer that was received.
        bytes: Vec<u8>,
    },
    /// From the device to the driver, unseen.
    Lost,
    /// The driver took it from a device that does not run.
    Back {
        /// Flags and length, and the buffer's address.
        bd: Words,
    },
}

/// A descriptor's two words in CPU order (HW 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Words {
    /// Flags in the upper, length in the lower half.
    pub word: u32,
    /// Low half of the buffer's address.
    pub pointer: u32,
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Page::Group0 => "group0",
            Page::Group1 => "group1",
            Page::Mdio => "mdio",
            Page::Tbi => "tbi",
        })
    }
}

impl fmt::Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            Direction::Tx => "tx",
            Direction::Rx => "rx",
        };
        write!(f, "{direction} {}", self.number)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:#05x} {:#010x}", self.page, self.at, self.value)
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x} {:#010x}", self.word, self.pointer)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, bd, bytes) = match self {
            Change::Set { bd } => ("set", bd, &[][..]),
            Change::Given { bd, bytes } => ("give", bd, &bytes[..]),
            Change::Done { bd, bytes } => ("done", bd, &bytes[..]),
            Change::Back { bd } => ("back", bd, &[][..]),
            Change::Lost => return f.write_str("lost"),
        };
        write!(f, "{word} {bd}")?;
        if !bytes.is_empty() {
            f.write_char(' ')?;
        }
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Read(access) => write!(f, "read {access}"),
            What::Write(access) => write!(f, "write {access}"),
            What::Publish => f.write_str("publish"),
            What::Memory { bus, len } => write!(f, "memory {bus:#011x} {len:#x}"),
            What::Forget { bus } => write!(f, "forget {bus:#011x}"),
            What::Ring { ring, bus, len } => write!(f, "ring {ring} {bus:#011x} {len}"),
            What::Descriptor { ring, index, change } => write!(f, "{ring} {index} {change}"),
            What::Note(text) => write!(f, "note {text}"),
            What::End => f.write_str("end"),
        }
    }
}

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09} {}", self.at_ns / SECOND, self.at_ns % SECOND, self.what)
    }
}

/// What is wrong with a line.
pub(super) type Wrong = String;

impl Line {
    /// The line that `text` is.
    pub(super) fn parse(text: &str) -> Result<Line, Wrong> {
        let (time, rest) = text.split_once(' ').ok_or("a line is a time and what happened")?;
        Ok(Line { at_ns: parse_time(time)?, what: parse_what(rest)? })
    }
}

fn parse_time(text: &str) -> Result<u64, Wrong> {
    let wrong = || format!("'{text}' is no time: seconds with nine decimals, like 0.000012500");
    let (seconds, decimals) = text.split_once('.').ok_or_else(wrong)?;
    if decimals.len() != 9 {
        return Err(wrong());
    }
    let number = |text: &str| decimal(text).ok_or_else(wrong);
    let whole = number(seconds)?.checked_mul(SECOND).ok_or_else(wrong)?;
    whole.checked_add(number(decimals)?).ok_or_else(wrong)
}

/// A number of nothing but digits; the library would take a sign.
fn decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// The words of a line, one after the other.
struct Fields<'a>(core::str::Split<'a, char>);

impl<'a> Fields<'a> {
    fn next(&mut self, what: &str) -> Result<&'a str, Wrong> {
        self.0.next().ok_or_else(|| format!("{what} is missing"))
    }

    /// A hexadecimal number up to `max`.
    fn hex(&mut self, what: &str, max: u64) -> Result<u64, Wrong> {
        let text = self.next(what)?;
        let digits = text.strip_prefix("0x").filter(|digits| !digits.starts_with('+'));
        digits
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .filter(|number| *number <= max)
            .ok_or_else(|| format!("'{text}' is no {what}: a number from 0x0 to {max:#x}"))
    }

    fn word(&mut self, what: &str) -> Result<u32, Wrong> {
        Ok(self.hex(what, u32::MAX.into())? as u32)
    }

    /// A bus address has 36 bits (HW 4.5).
    fn bus(&mut self) -> Result<u64, Wrong> {
        self.hex("bus address", 0xF_FFFF_FFFF)
    }

    fn decimal(&mut self, what: &str, max: u64) -> Result<u64, Wrong> {
        let text = self.next(what)?;
        decimal(text)
            .filter(|number| *number <= max)
            .ok_or_else(|| format!("'{text}' is no {what}: a number from 0 to {max}"))
    }

    fn access(&mut self) -> Result<Access, Wrong> {
        let page = match self.next("page")? {
            "group0" => Page::Group0,
            "group1" => Page::Group1,
            "mdio" => Page::Mdio,
            "tbi" => Page::Tbi,
            other => return Err(format!("'{other}' is no page: group0, group1, mdio or tbi")),
        };
        let at = self.hex("register offset", 0xFFF)? as u16;
        if !at.is_multiple_of(4) {
            return Err(format!("{at:#05x} is no register offset: a multiple of 4"));
        }
        Ok(Access { page, at, value: self.word("value")? })
    }

    fn ring(&mut self, direction: &str) -> Result<Ring, Wrong> {
        let direction = match direction {
            "tx" => Direction::Tx,
            "rx" => Direction::Rx,
            other => return Err(format!("'{other}' is no direction: tx or rx")),
        };
        Ok(Ring { direction, number: self.decimal("ring number", 7)? as u8 })
    }

    fn words(&mut self) -> Result<Words, Wrong> {
        Ok(Words { word: self.word("descriptor word")?, pointer: self.word("buffer pointer")? })
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Wrong> {
        let Some(text) = self.0.next() else { return Ok(Vec::new()) };
        let digits = text.as_bytes();
        let wrong = || format!("'{text}' is no run of bytes: two hexadecimal digits each");
        if digits.is_empty() || !digits.len().is_multiple_of(2) {
            return Err(wrong());
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or_else(wrong);
        digits.chunks(2).map(|two| Ok((digit(two[0])? << 4 | digit(two[1])?) as u8)).collect()
    }

    fn end(mut self) -> Result<(), Wrong> {
        self.0.next().map_or(Ok(()), |more| Err(format!("'{more}' is one word too many")))
    }
}

/// Most descriptors of a ring (HW 4.4).
const RING_MAX: u64 = 0x1_0000;

fn parse_what(text: &str) -> Result<What, Wrong> {
    let mut fields = Fields(text.split(' '));
    let what = match fields.next("what happened")? {
        "read" => What::Read(fields.access()?),
        "write" => What::Write(fields.access()?),
        "publish" => What::Publish,
        "memory" => {
            let (bus, len) = (fields.bus()?, fields.hex("length", 0x10_0000_0000)?);
            What::Memory { bus, len: NonZeroU64::new(len).ok_or("memory of no bytes")? }
        }
        "forget" => What::Forget { bus: fields.bus()? },
        "ring" => {
            let direction = fields.next("direction")?;
            let ring = fields.ring(direction)?;
            let (bus, len) = (fields.bus()?, fields.decimal("ring length", RING_MAX)? as u32);
            if !bus.is_multiple_of(8) {
                return Err(format!("{bus:#011x} is no place for a ring: a multiple of 8"));
            }
            What::Ring { ring, bus, len }
        }
        direction @ ("tx" | "rx") => {
            let ring = fields.ring(direction)?;
            let index = fields.decimal("descriptor's position", RING_MAX - 1)? as u32;
            What::Descriptor { ring, index, change: parse_change(&mut fields)? }
        }
        "note" => {
            return Ok(What::Note(text.strip_prefix("note ").unwrap_or_default().to_owned()));
        }
        "end" => What::End,
        other => return Err(format!("'{other}' is nothing that happens")),
    };
    fields.end().map(|()| what)
}

fn parse_change(fields: &mut Fields<'_>) -> Result<Change, Wrong> {
    match fields.next("change of the descriptor")? {
        "set" => Ok(Change::Set { bd: fields.words()? }),
        "give" => Ok(Change::Given { bd: fields.words()?, bytes: fields.bytes()? }),
        "done" => Ok(Change::Done { bd: fields.words()?, bytes: fields.bytes()? }),
        "back" => Ok(Change::Back { bd: fields.words()? }),
        "lost" => Ok(Change::Lost),
        other => Err(format!("'{other}' is no change: set, give, done, lost or back")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_is_read_as_it_was_written() {
        let lines = [
            "0.000000000 read group0 0x010 0x00000080",
            "0.000012500 write mdio 0x520 0x00000005",
            "1.000000001 publish",
            "1.000000001 memory 0x410000000 0x40000",
            "1.000000001 forget 0x010000000",
            "2.000000000 ring tx 7 0x010000040 65536",
            "2.000000000 tx 7 0 set 0x0800003c 0x10001040",
            "2.000000000 tx 7 65535 give 0xbc00003c 0x10001040 ffffffffffff02",
            "2.000000000 tx 7 0 done 0x3c00003c 0x10001040",
            "2.000000000 rx 0 1 lost",
            "18446744073.000000000 rx 0 1 back 0x20000000 0x10001040",
            "3.000000000 note two  words, and more",
            "3.000000000 end",
        ];
        for text in lines {
            assert_eq!(Line::parse(text).map(|line| line.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |text: &str, words: &str| {
            let wrong = Line::parse(text).unwrap_err();
            assert!(wrong.contains(words), "{text}: {wrong}");
        };
        check("", "a time and what happened");
        check("1 end", "'1' is no time");
        check("1.5 end", "'1.5' is no time");
        check("+1.000000000 end", "no time");
        check("99999999999999.000000000 end", "no time");
        check("0.000000000 dance", "'dance' is nothing that happens");
        check("0.000000000 end now", "'now' is one word too many");
        check("0.000000000 read group2 0x010 0x0", "'group2' is no page");
        check("0.000000000 read group0 0x012 0x0", "a multiple of 4");
        check("0.000000000 read group0 0x1000 0x0", "from 0x0 to 0xfff");
        check("0.000000000 read group0 0x+10 0x0", "'0x+10' is no register offset");
        check("0.000000000 read group0 0x010", "value is missing");
        check("0.000000000 read group0 0x010 0x100000000", "from 0x0 to 0xffffffff");
        check("0.000000000 memory 0x1000000000 0x40", "no bus address");
        check("0.000000000 memory 0x1000000 0x0", "no bytes");
        check("0.000000000 tx 8 0 lost", "'8' is no ring number");
        check("0.000000000 tx 0 65536 lost", "no descriptor's position");
        check("0.000000000 tx 0 0 give 0x1 0x2 abc", "no run of bytes");
        check("0.000000000 tx 0 0 give 0x1 0x2 ag", "no run of bytes");
        check("0.000000000 ring up 0 0x0 4", "'up' is no direction");
        check("0.000000000 ring tx 0 0x010000139 4", "a multiple of 8");
    }
}
