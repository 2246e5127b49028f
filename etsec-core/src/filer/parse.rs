//! Rules from text: the other direction of `text`. `docs/guide/filter.md` has the grammar.
//!
//! An error says where in the text it is.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use core::str::FromStr;

use super::error::RuleError;
use super::fields::Field;
use super::rule::{Action, ByteMatch, HashBy, IpMatch, MacMatch, Match, Number, Rule, Spread};
use super::text::{FLAGS, HASHED, PLACES};
use crate::addr::MacAddr;

/// A text that is no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseRuleError {
    /// Where: the byte of the text.
    pub at: usize,
    /// What is wrong there.
    pub what: Wrong,
}

/// What is wrong with a rule's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wrong {
    /// A word that no condition or action begins with.
    Word,
    /// A condition that is given a second time.
    Twice,
    /// Nothing where something is wanted, or something else; what is wanted.
    Wanted(&'static str),
    /// The rule says what to match and not what to do.
    NoAction,
    /// Something behind the action, which ends a rule.
    BehindAction,
    /// A number beyond 32 bits, for something of that name, which has a greatest value.
    Large(&'static str, u32),
    /// A rule that cannot be.
    Rule(RuleError),
}

impl fmt::Display for ParseRuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: ", self.at + 1)?;
        match self.what {
            Wrong::Word => f.write_str(
                "no condition or action begins so; conditions are such as tcp, src-ip, dst-port, \
                 vlan, ethertype; actions are queue, drop, spread",
            ),
            Wrong::Twice => f.write_str("this is given twice"),
            Wrong::Wanted(what) => write!(f, "{what} is wanted here"),
            Wrong::NoAction => f.write_str(
                "the rule does not say what to do: it ends with 'queue N', 'drop', or 'spread \
                 RINGS by FIELDS'",
            ),
            Wrong::BehindAction => f.write_str("the action ends the rule, and more follows"),
            Wrong::Large(name, most) => write!(f, "{name}: 0 to {most} are possible"),
            Wrong::Rule(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ParseRuleError {}

type Parsed<T> = Result<T, ParseRuleError>;

/// A word and where it is.
#[derive(Clone, Copy)]
struct Word<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Word<'t> {
    fn wrong(self, what: Wrong) -> ParseRuleError {
        ParseRuleError { at: self.at, what }
    }

    fn wanted<T>(self, what: &'static str) -> Parsed<T> {
        Err(self.wrong(Wrong::Wanted(what)))
    }

    /// The parts before and behind a separator.
    fn split(self, separator: char) -> (Word<'t>, Option<Word<'t>>) {
        match self.text.split_once(separator) {
            None => (self, None),
            Some((text, rest)) => {
                let at = self.at + text.len() + separator.len_utf8();
                (Word { text, ..self }, Some(Word { text: rest, at }))
            }
        }
    }

    /// A number from 0 to `most`, decimal or hexadecimal.
    fn number(self, name: &'static str, most: u32) -> Parsed<u16> {
        const WANTED: &str = "a number, decimal or hexadecimal with 0x,";
        let hex = self.text.strip_prefix("0x").or_else(|| self.text.strip_prefix("0X"));
        let (digits, radix) = hex.map_or((self.text, 10), |digits| (digits, 16));
        if digits.is_empty() || !digits.bytes().all(|c| char::from(c).is_digit(radix)) {
            return self.wanted(WANTED);
        }
        let value = u32::from_str_radix(digits, radix);
        let value = value.map_err(|_| self.wrong(Wrong::Large(name, most)))?;
        match u16::try_from(value) {
            Ok(value) if u32::from(value) <= most => Ok(value),
            _ => Err(self.wrong(Wrong::Rule(RuleError::range(name, value, 0, most)))),
        }
    }
}

/// The words of a text.
struct Words<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Words<'t> {
    fn next(&mut self) -> Option<Word<'t>> {
        let rest = self.text.get(self.at..)?;
        let at = self.at + rest.find(|c: char| !c.is_whitespace())?;
        let rest = &self.text[at..];
        let text = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        self.at = at + text.len();
        Some(Word { text, at })
    }

    /// The next word, or an error that says what it should be.
    fn want(&mut self, what: &'static str) -> Parsed<Word<'t>> {
        let wrong = ParseRuleError { at: self.text.trim_end().len(), what: Wrong::Wanted(what) };
        self.next().ok_or(wrong)
    }
}

impl FromStr for Rule {
    type Err = ParseRuleError;

    fn from_str(text: &str) -> Result<Self, ParseRuleError> {
        let mut words = Words { text, at: 0 };
        let mut when = Match::default();
        while let Some(word) = words.next() {
            if condition(word, &mut words, &mut when)? {
                continue;
            }
            let action = action(word, &mut words)?.ok_or(word.wrong(Wrong::Word))?;
            if let Some(more) = words.next() {
                return Err(more.wrong(Wrong::BehindAction));
            }
            let rule = Rule { when, action };
            let start = text.len() - text.trim_start().len();
            let at_start = |error| ParseRuleError { at: start, what: Wrong::Rule(error) };
            return rule.normal().map(|_| rule).map_err(at_start);
        }
        Err(ParseRuleError { at: text.trim_end().len(), what: Wrong::NoAction })
    }
}

impl FromStr for Action {
    type Err = ParseRuleError;

    fn from_str(text: &str) -> Result<Self, ParseRuleError> {
        let rule: Rule = text.parse()?;
        let start = text.len() - text.trim_start().len();
        let only =
            ParseRuleError { at: start, what: Wrong::Wanted("an action without conditions") };
        if rule.when.is_empty() { Ok(rule.action) } else { Err(only) }
    }
}

/// Reads the condition that begins with `word`, if one does.
fn condition(word: Word<'_>, words: &mut Words<'_>, when: &mut Match) -> Parsed<bool> {
    let (name, not) = match word.text.strip_prefix("no-") {
        Some(name) => (name, true),
        None => (word.text, false),
    };
    if let Some((flag, _)) = FLAGS.iter().find(|(_, flag)| *flag == name) {
        if (when.flags.set | when.flags.clear).contains(*flag) {
            return Err(word.wrong(Wrong::Twice));
        }
        *(if not { &mut when.flags.clear } else { &mut when.flags.set }) |= *flag;
        return Ok(true);
    }
    if let Some(field) = Field::ALL.into_iter().find(|field| field.name() == word.text) {
        let value = number(words.want("a number, or a range such as 80-443,")?, field)?;
        put(when.number_mut(field), value, word)?;
        return Ok(true);
    }
    match word.text {
        "src-mac" => put(&mut when.source, mac(words)?, word)?,
        "dst-mac" => put(&mut when.destination, mac(words)?, word)?,
        "src-ip" => put(&mut when.source_ip, ip(words, "src-ip")?, word)?,
        "dst-ip" => put(&mut when.destination_ip, ip(words, "dst-ip")?, word)?,
        "byte" => {
            let byte = byte(words)?;
            let free = when.bytes.iter_mut().find(|byte| byte.is_none());
            *free.ok_or(word.wrong(Wrong::Rule(RuleError::Places)))? = Some(byte);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn put<T>(place: &mut Option<T>, value: T, word: Word<'_>) -> Parsed<()> {
    if place.is_some() {
        return Err(word.wrong(Wrong::Twice));
    }
    *place = Some(value);
    Ok(())
}

/// `5`, `0x800`, `0x10/0xfc`, `80-443`.
fn number(word: Word<'_>, field: Field) -> Parsed<Number> {
    let (name, most) = (field.name(), field.most().into());
    let number = if let (value, Some(mask)) = word.split('/') {
        Number::Masked { value: value.number(name, most)?, mask: mask.number(name, most)? }
    } else if let (first, Some(last)) = word.split('-') {
        Number::Range { first: first.number(name, most)?, last: last.number(name, most)? }
    } else {
        Number::Exactly(word.number(name, most)?)
    };
    let checked = field.normal(number).map(|_| number);
    checked.map_err(|error| word.wrong(Wrong::Rule(error)))
}

/// `02:00:00:00:00:01`, or with a mask `01:00:5e:00:00:00/ff:ff:ff:80:00:00`.
fn mac(words: &mut Words<'_>) -> Parsed<MacMatch> {
    const WANTED: &str = "a MAC address such as 02:00:00:00:00:01";
    let one = |word: Word<'_>| word.text.parse().or_else(|_| word.wanted::<MacAddr>(WANTED));
    let (addr, mask) = words.want(WANTED)?.split('/');
    let mask = mask.map_or(Ok(MacAddr::BROADCAST), one)?;
    Ok(MacMatch { addr: one(addr)?, mask })
}

/// `10.0.0.1`, `10.0.0.0/8`, `10.0.3.0/255.0.255.0`, `2001:db8::/32`.
fn ip(words: &mut Words<'_>, name: &'static str) -> Parsed<IpMatch> {
    const WANTED: &str = "an IP address such as 10.0.0.0/8 or 2001:db8::/32";
    let (word, mask) = words.want(WANTED)?.split('/');
    match (word.text.parse(), mask) {
        (Err(_), _) => word.wanted(WANTED),
        (Ok(IpAddr::V4(addr)), None) => Ok(IpMatch::exactly(addr)),
        (Ok(IpAddr::V4(addr)), Some(mask)) => {
            let bits = match mask.text.parse::<Ipv4Addr>() {
                Ok(mask) => mask.to_bits(),
                Err(_) => match mask.number(name, 32)? {
                    0 => return Err(word.wrong(Wrong::Rule(RuleError::SaysNothing(name)))),
                    prefix => u32::MAX << (32 - u32::from(prefix)),
                },
            };
            Ok(IpMatch::V4 { addr, mask: Ipv4Addr::from_bits(bits) })
        }
        (Ok(IpAddr::V6(addr)), mask) => {
            let (at, prefix) = match mask {
                None => (word, 128),
                Some(mask) => (mask, mask.number(name, 128)? as u8),
            };
            match prefix {
                1..=32 => Ok(IpMatch::V6 { addr, prefix }),
                _ => Err(at.wrong(Wrong::Rule(RuleError::Prefix(name, prefix)))),
            }
        }
    }
}

/// `frame+14 0x45/0xf0`, `l2+9 17`, `l3+0 0x1f`.
fn byte(words: &mut Words<'_>) -> Parsed<ByteMatch> {
    const WANTED: &str = "a place, frame+N, l2+N or l3+N,";
    let (place, offset) = words.want(WANTED)?.split('+');
    let from = PLACES.iter().find(|(_, name)| *name == place.text).map(|(from, _)| *from);
    let (Some(from), Some(offset)) = (from, offset) else { return place.wanted(WANTED) };
    let offset = offset.number("byte offset", from.most().into())? as u8;
    let (value, mask) = words.want("a value from 0 to 255")?.split('/');
    let byte = |word: Word<'_>| word.number("byte", 0xFF).map(|value| value as u8);
    Ok(ByteMatch { from, offset, value: byte(value)?, mask: mask.map_or(Ok(0xFF), byte)? })
}

/// Reads the action that begins with `word`, if one does.
fn action(word: Word<'_>, words: &mut Words<'_>) -> Parsed<Option<Action>> {
    match word.text {
        "drop" => Ok(Some(Action::Reject)),
        "queue" => {
            let queue = words.want("a queue from 0 to 63")?.number("queue", 63)? as u8;
            let before = words.at;
            let interrupt = words.next().is_some_and(|word| word.text == "interrupt");
            if !interrupt {
                words.at = before;
            }
            Ok(Some(Action::File { queue, interrupt }))
        }
        "spread" => Ok(Some(Action::Spread(spread(words)?))),
        _ => Ok(None),
    }
}

/// `0,1,2,3 by src-ip,dst-ip`: fewer than eight rings are taken in turn.
fn spread(words: &mut Words<'_>) -> Parsed<Spread> {
    const RINGS: &str = "one to eight rings, such as 0,1,2,3,";
    const FIELDS: &str = "fields to hash, such as src-ip,dst-ip,";
    let word = words.want(RINGS)?;
    let (mut some, mut len, mut rest) = ([0; 8], 0, Some(word));
    while let Some(list) = rest {
        let (ring, more) = list.split(',');
        let place = some.get_mut(len).ok_or(ring.wrong(Wrong::Wanted("no ninth ring")))?;
        *place = ring.number("ring", 7)? as u8;
        (len, rest) = (len + 1, more);
    }
    let mut rings = some;
    for (n, ring) in rings.iter_mut().enumerate() {
        *ring = some[n % len];
    }
    let by = words.want("by")?;
    if by.text != "by" {
        return by.wanted("by");
    }
    let (mut by, mut rest) = (HashBy::empty(), Some(words.want(FIELDS)?));
    while let Some(list) = rest {
        let (field, more) = list.split(',');
        match HASHED.iter().find(|(_, name)| *name == field.text) {
            Some((flag, _)) if by.contains(*flag) => return Err(field.wrong(Wrong::Twice)),
            Some((flag, _)) => by |= *flag,
            None => return field.wanted(FIELDS),
        }
        rest = more;
    }
    Ok(Spread { by, rings })
}
