//! From entries back to rules, so that a table can be shown and compared.
//!
//! What is read is compiled again and compared: a rule is told as the table has it, or not at all.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

use super::chain::{self, Compare, Test, Tests};
use super::fields::Field;
use super::layout::{self, Start};
use super::rule::{
    Action, ByteMatch, FlagMatch, HashBy, IpMatch, MacMatch, Match, Number, Rule, Spread,
};
use super::table::{ENTRIES, FilerEntry, FilerTable};
use crate::addr::MacAddr;
use crate::regs::filer::{ParseFlags, Rir, Rqfcr};

/// Entries that no rule compiles to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Unreadable {
    /// The entry that ends them, 0 to 255.
    pub entry: u8,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filer entry {}: not the end of a rule that this driver writes", self.entry)
    }
}

impl core::error::Error for Unreadable {}

/// The rules of a table that frames are tried on, in normal form; the last one is the default.
#[derive(Debug, Clone)]
pub struct Rules<'t> {
    table: &'t FilerTable,
    at: usize,
    /// Comparisons of the cluster that is open.
    guard: Option<Tests>,
    /// The mask at the start of the next rule, where it is known.
    mask: Option<u32>,
    /// Whether the default has been told.
    over: bool,
}

impl FilerTable {
    /// The rules that frames are tried on, in normal form ([`Rule::normal`]). The last one is the
    /// default: it has no condition. What is in the part of the table that is not in use is not
    /// told.
    #[must_use]
    pub fn rules(&self) -> Rules<'_> {
        // HW 18.9: the mask is all ones at the start of a search.
        let (at, guard) = match layout::start(self) {
            Start::Front => (1, Some(Tests::default())),
            Start::Back(first) => (first, None),
            Start::Whole => (0, None),
        };
        Rules { table: self, at, guard, mask: Some(u32::MAX), over: false }
    }
}

/// What a chain of entries holds.
struct Chain {
    tests: Tests,
    /// Properties that are hashed, a bit each.
    hashed: u16,
    /// Whether one of its entries can never be true.
    never: bool,
    /// The control word that ends it.
    end: u32,
    /// Whether its last entry compares a mask with itself.
    ends_in_mask: bool,
}

impl Rules<'_> {
    /// The first entry behind the default; `None` if there is none, or what comes before it cannot
    /// be read.
    #[cfg(feature = "adopt")]
    pub(super) fn end(mut self) -> Option<usize> {
        while !self.over {
            self.next()?.ok()?;
        }
        Some(self.at)
    }

    /// Reads up to the end of a rule or guard.
    fn chain(&mut self) -> Option<Chain> {
        let (mut mask, mut set) = (self.mask, false);
        let tests = self.guard.clone().unwrap_or_default();
        let mut chain = Chain { tests, hashed: 0, never: false, end: 0, ends_in_mask: false };
        while self.at < ENTRIES {
            let FilerEntry { control, property: value } = self.table.entry(self.at as u8);
            self.at += 1;
            let compare = Compare::of(control);
            let property = Rqfcr::PID.read(control);
            chain.ends_in_mask = property == 0;
            if property == 0 {
                chain.never |= matches!(compare, Compare::NotEqual | Compare::Less);
                (mask, set) = (Some(value), true);
            } else if Rqfcr::HASH.read(control) == 1 {
                let usual = compare == Compare::Less && value == u32::MAX && mask == Some(value);
                chain.hashed |= if usual { 1 << property } else { 1 };
            } else if compare == Compare::Less && value == 0 {
                chain.never = true;
            } else {
                let mask = chain::mask_for(property, mask?);
                chain.tests.push(Test { property, compare, mask, value }).ok()?;
            }
            let chained = Rqfcr::AND.read(control) == 1;
            if !chained || Rqfcr::CLE.read(control) == 1 {
                chain.end = control;
                // Whether a rule that failed has set its masks is not told (HW 6.1).
                self.mask = if set { None } else { self.mask };
                return Some(chain);
            }
        }
        None
    }

    fn unreadable(&mut self) -> Unreadable {
        let entry = self.at.saturating_sub(1) as u8;
        self.at = ENTRIES;
        Unreadable { entry }
    }

    /// The rule of a chain that ends one.
    fn rule(&self, chain: &Chain) -> Option<Rule> {
        let action = action(chain, self.table)?;
        let when = conditions(&chain.tests, self.table.rbifx)?;
        let rule = Rule { when, action }.normal().ok()?;
        let mut places = self.table.rbifx;
        let again = chain::tests(&rule.when, &mut places).ok()?;
        (again == chain.tests && places == self.table.rbifx).then_some(rule)
    }
}

impl Iterator for Rules<'_> {
    type Item = Result<Rule, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.over && self.at < ENTRIES {
            let Some(chain) = self.chain() else { return Some(Err(self.unreadable())) };
            let [and, cle] = [Rqfcr::AND, Rqfcr::CLE].map(|field| field.read(chain.end) == 1);
            if and {
                // A guard. There are no clusters inside clusters.
                if self.guard.is_some() || chain.never || chain.hashed != 0 || chain.ends_in_mask {
                    return Some(Err(self.unreadable()));
                }
                self.guard = Some(chain.tests);
                continue;
            }
            let rule = if chain.never { None } else { Some(self.rule(&chain)) };
            if cle {
                self.guard = None;
            }
            match rule {
                None => {}
                Some(None) => return Some(Err(self.unreadable())),
                Some(Some(rule)) => {
                    // The default differs from a rule without conditions: see `compile`.
                    let by_default = Compare::of(chain.end) == Compare::NotLess;
                    if rule.when.is_empty() && by_default {
                        self.over = true;
                    }
                    return Some(Ok(rule));
                }
            }
        }
        None
    }
}

/// What the end of a chain does.
fn action(chain: &Chain, table: &FilerTable) -> Option<Action> {
    let map = Rqfcr::HASHTBL.read(chain.end) as usize;
    if map == 0 {
        let hashes = chain.hashed != 0;
        return match Rqfcr::REJ.read(chain.end) {
            _ if hashes => None,
            1 => Some(Action::Reject),
            _ => Some(Action::File {
                queue: Rqfcr::Q.read(chain.end) as u8,
                interrupt: Rqfcr::GPI.read(chain.end) == 1,
            }),
        };
    }
    let map = *table.rir.get(map - 1)?;
    let by = HashBy::all().iter().filter(|by| chain.hashed & chain::hashed(*by) != 0);
    let by = by.fold(HashBy::empty(), |all, one| all | one);
    if !chain.ends_in_mask || chain::hashed(by) != chain.hashed {
        return None;
    }
    let fields = [Rir::RING0, Rir::RING1, Rir::RING2, Rir::RING3];
    let more = [Rir::RING4, Rir::RING5, Rir::RING6, Rir::RING7];
    let mut rings = [0; 8];
    for (ring, field) in rings.iter_mut().zip(fields.into_iter().chain(more)) {
        *ring = field.read(map) as u8;
    }
    Some(Action::Spread(Spread { by, rings }))
}

/// The conditions that comparisons stand for, if any do.
fn conditions(tests: &[Test], rbifx: u32) -> Option<Match> {
    let mut when = Match::default();
    for test in tests {
        match test.property {
            chain::FLAGS if test.compare == Compare::Equal => {
                let set = ParseFlags::from_bits(test.value)?;
                let clear = ParseFlags::from_bits(test.mask)?.difference(set);
                when.flags = FlagMatch { set, clear };
            }
            // One of two headers: implied by a condition on their fields.
            chain::FLAGS => {}
            chain::BYTES => when.bytes = bytes(test, rbifx)?,
            property @ chain::DESTINATION..=6 => {
                let source = property >= chain::SOURCE;
                let mac = if source { &mut when.source } else { &mut when.destination };
                let second = property == chain::DESTINATION + 1 || property == chain::SOURCE + 1;
                let mac = mac.get_or_insert(MacMatch { addr: MacAddr::ZERO, mask: MacAddr::ZERO });
                let at = if second { 3 } else { 0 };
                mac.addr.0[at..at + 3].copy_from_slice(&test.value.to_be_bytes()[1..]);
                mac.mask.0[at..at + 3].copy_from_slice(&test.mask.to_be_bytes()[1..]);
            }
            chain::DESTINATION_IP => when.destination_ip = Some(ip(test, when.flags)?),
            chain::SOURCE_IP => when.source_ip = Some(ip(test, when.flags)?),
            property => {
                let field = Field::ALL.into_iter().find(|field| field.property() == property)?;
                number(when.number_mut(field), field, test)?;
            }
        }
    }
    Some(when)
}

fn number(number: &mut Option<Number>, field: Field, test: &Test) -> Option<()> {
    let value = u16::try_from(test.value).ok()?;
    *number = Some(match (test.compare, *number) {
        (Compare::Equal, None) if test.mask == u32::MAX => Number::Exactly(value),
        (Compare::Equal, None) => Number::Masked { value, mask: u16::try_from(test.mask).ok()? },
        (Compare::NotLess, None) => Number::Range { first: value, last: field.most() },
        (Compare::Less, None) => Number::Range { first: 0, last: value.checked_sub(1)? },
        (Compare::Less, Some(Number::Range { first, .. })) => {
            Number::Range { first, last: value.checked_sub(1)? }
        }
        _ => return None,
    });
    Some(())
}

/// An address of the version that the flags tell.
fn ip(test: &Test, flags: FlagMatch) -> Option<IpMatch> {
    if flags.set.contains(ParseFlags::IP4) {
        let [addr, mask] = [test.value, test.mask].map(Ipv4Addr::from_bits);
        return Some(IpMatch::V4 { addr, mask });
    }
    let prefix = test.mask.leading_ones();
    let addr = Ipv6Addr::from_bits(u128::from(test.value) << 96);
    (prefix == test.mask.count_ones()).then_some(IpMatch::V6 { addr, prefix: prefix as u8 })
}

fn bytes(test: &Test, rbifx: u32) -> Option<[Option<ByteMatch>; 4]> {
    let mut bytes = [None; 4];
    let words = [rbifx, test.mask, test.value].map(u32::to_be_bytes);
    for (n, byte) in bytes.iter_mut().enumerate() {
        let [code, mask, value] = words.map(|word| word[n]);
        if mask != 0 {
            let (from, offset) = chain::byte_at(code)?;
            *byte = Some(ByteMatch { from, offset, value, mask });
        }
    }
    Some(bytes)
}
