//! A rule as what the hardware does for it: a list of comparisons under masks, all of which must be
//! true (HW 6.1).
//!
//! Values are masked here: whether the hardware masks them is not clear (HW 6.1).

use super::error::RuleError;
use super::fields::Field;
use super::rule::{ByteFrom, ByteMatch, HashBy, IpMatch, MacMatch, Match, Number};
use crate::regs::filer::Rqfcr;

/// How a property is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    NotLess,
    NotEqual,
    Less,
}

impl Compare {
    /// The comparison that a control word asks for.
    pub(super) fn of(control: u32) -> Self {
        let all = [Compare::Equal, Compare::NotLess, Compare::NotEqual, Compare::Less];
        all[Rqfcr::CMP.read(control) as usize & 3]
    }
}

/// One comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Test {
    /// Number of the property (HW 6.3).
    pub property: u32,
    pub compare: Compare,
    pub mask: u32,
    pub value: u32,
}

/// Comparisons of one rule. Flags and what either of two flags implies are three, addresses six,
/// seven numbers two each, bytes one.
pub(super) type Tests = heapless::Vec<Test, 32>;

/// The number of the property of parse flags.
pub(super) const FLAGS: u32 = 1;
/// The number of the property of bytes.
pub(super) const BYTES: u32 = 2;
/// The properties of addresses.
pub(super) const DESTINATION: u32 = 3;
pub(super) const SOURCE: u32 = 5;
pub(super) const DESTINATION_IP: u32 = 12;
pub(super) const SOURCE_IP: u32 = 13;

/// The comparisons of a rule in normal form: flags first, which neighbours often share, then all
/// that need no mask, then the rest.
///
/// `places` is RBIFX: what the rule's bytes need is added to it.
pub(super) fn tests(when: &Match, places: &mut u32) -> Result<Tests, RuleError> {
    let mut all = Tests::new();
    let mut add = |property, compare, mask, value| {
        let added = all.push(Test { property, compare, mask, value: value & mask });
        debug_assert!(added.is_ok(), "more comparisons than conditions");
    };
    let wanted = when.wanted()?;
    let mask = (wanted.flags.set | wanted.flags.clear).bits();
    if mask != 0 {
        add(FLAGS, Compare::Equal, mask, wanted.flags.set.bits());
    }
    for either in wanted.either.into_iter().flatten() {
        add(FLAGS, Compare::NotEqual, either.bits(), 0);
    }
    for (first, mac) in [(DESTINATION, when.destination), (SOURCE, when.source)] {
        let halves = mac.map(halves).into_iter().flatten();
        for (half, (mask, value)) in halves.enumerate().filter(|(_, (mask, _))| *mask != 0) {
            add(first + half as u32, Compare::Equal, widened(mask, 0xFF_FFFF), value);
        }
    }
    for field in Field::ALL {
        let (property, most) = (field.property(), u32::from(field.most()));
        match when.number(field) {
            None => {}
            Some(Number::Exactly(value)) => {
                add(property, Compare::Equal, u32::MAX, value.into());
            }
            Some(Number::Masked { value, mask }) => {
                add(property, Compare::Equal, widened(mask.into(), most), value.into());
            }
            Some(Number::Range { first, last }) => {
                if first > 0 {
                    add(property, Compare::NotLess, u32::MAX, first.into());
                }
                if u32::from(last) < most {
                    add(property, Compare::Less, u32::MAX, u32::from(last) + 1);
                }
            }
        }
    }
    for (property, ip) in [(DESTINATION_IP, when.destination_ip), (SOURCE_IP, when.source_ip)] {
        if let Some((mask, value)) = ip.map(first_word) {
            add(property, Compare::Equal, mask, value);
        }
    }
    let (mut mask, mut value) = (0, 0);
    for byte in when.bytes.iter().flatten() {
        let shift = place(byte, places)?;
        mask |= u32::from(byte.mask) << shift;
        value |= u32::from(byte.value) << shift;
    }
    if mask != 0 {
        add(BYTES, Compare::Equal, mask, value);
    }
    let mut sorted = Tests::new();
    for class in 0..3 {
        sorted.extend(all.iter().copied().filter(|test| class_of(test) == class));
    }
    Ok(sorted)
}

fn class_of(test: &Test) -> usize {
    match test.property {
        FLAGS => 0,
        _ if test.mask == u32::MAX => 1,
        _ => 2,
    }
}

/// A mask that hides nothing of a property is the one that all such share.
fn widened(mask: u32, most: u32) -> u32 {
    if mask & most == most { u32::MAX } else { mask & most }
}

/// What a mask comes to for a property, whose unused bits are 0 (HW 6.3).
pub(super) fn mask_for(property: u32, mask: u32) -> u32 {
    match Field::ALL.into_iter().find(|field| field.property() == property) {
        Some(field) => widened(mask, field.most().into()),
        None if (DESTINATION..DESTINATION + 4).contains(&property) => widened(mask, 0xFF_FFFF),
        None => mask,
    }
}

/// Mask and value of the first and the last three octets.
fn halves(mac: MacMatch) -> [(u32, u32); 2] {
    let half = |octets: &[u8]| octets.iter().fold(0, |word, octet| word << 8 | u32::from(*octet));
    let (mask, addr) = (mac.mask.0, mac.addr.0);
    [(half(&mask[..3]), half(&addr[..3])), (half(&mask[3..]), half(&addr[3..]))]
}

/// Mask and value of an address's first four bytes.
fn first_word(ip: IpMatch) -> (u32, u32) {
    match ip {
        IpMatch::V4 { addr, mask } => (mask.to_bits(), addr.to_bits()),
        IpMatch::V6 { addr, prefix } => {
            let mask = u32::MAX << (32 - u32::from(prefix.clamp(1, 32)));
            (mask, (addr.to_bits() >> 96) as u32)
        }
    }
}

/// Finds or makes the byte's place in RBIFX; returns how far left it is in the property.
fn place(byte: &ByteMatch, places: &mut u32) -> Result<u32, RuleError> {
    let (source, from) = match byte.from {
        // HW 3.12: offsets 0 to 7 reach the preamble.
        ByteFrom::Frame => (0x40, 8),
        ByteFrom::Layer2 => (0x80, 0),
        ByteFrom::Layer3 => (0xC0, 0),
    };
    let code = u32::from(source | (byte.offset + from));
    let shifts = [24, 16, 8, 0];
    let there = |shift: &u32| *places >> shift & 0xFF;
    let found = shifts.iter().find(|shift| there(shift) == code);
    let shift =
        *found.or(shifts.iter().find(|shift| there(shift) == 0)).ok_or(RuleError::Places)?;
    *places |= code << shift;
    Ok(shift)
}

/// The byte that RBIFX shows at a place.
pub(super) fn byte_at(code: u8) -> Option<(ByteFrom, u8)> {
    let offset = code & 0x3F;
    match code >> 6 {
        1 => Some((ByteFrom::Frame, offset.checked_sub(8)?)),
        2 => Some((ByteFrom::Layer2, offset)),
        3 => Some((ByteFrom::Layer3, offset)),
        _ => None,
    }
}

/// The properties that are hashed, a bit each.
pub(super) fn hashed(by: HashBy) -> u16 {
    let properties = [
        (HashBy::DESTINATION, 1 << 3 | 1 << 4),
        (HashBy::SOURCE, 1 << 5 | 1 << 6),
        (HashBy::ETHERTYPE, 1 << 7),
        (HashBy::VLAN, 1 << 8),
        (HashBy::PRIORITY, 1 << 9),
        (HashBy::TOS, 1 << 10),
        (HashBy::PROTOCOL, 1 << 11),
        (HashBy::DESTINATION_IP, 1 << 12),
        (HashBy::SOURCE_IP, 1 << 13),
        (HashBy::DESTINATION_PORT, 1 << 14),
        (HashBy::SOURCE_PORT, 1 << 15),
    ];
    let hashed = properties.into_iter().filter(|(flag, _)| by.contains(*flag));
    hashed.fold(0, |all, (_, one)| all | one)
}
