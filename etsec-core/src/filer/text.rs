//! Rules as text, in words that users of ethtool know. `docs/guide/filter.md` has the grammar, the
//! parser beside this file reads it back.

use core::fmt::{self, Display, Formatter};

use super::fields::Field;
use super::rule::{
    Action, ByteFrom, ByteMatch, HashBy, IpMatch, MacMatch, Match, Number, Rule, Spread,
};
use crate::regs::filer::ParseFlags;

/// The words for parse flags.
pub(super) const FLAGS: [(ParseFlags, &str); 22] = [
    (ParseFlags::IP4, "ip4"),
    (ParseFlags::IP6, "ip6"),
    (ParseFlags::TCP, "tcp"),
    (ParseFlags::UDP, "udp"),
    (ParseFlags::IPF, "fragment"),
    (ParseFlags::EBC, "broadcast"),
    (ParseFlags::VLN, "tag"),
    (ParseFlags::CFI, "cfi"),
    (ParseFlags::JUM, "jumbo"),
    (ParseFlags::ARQ, "arp-request"),
    (ParseFlags::AR, "arp-reply"),
    (ParseFlags::RARQ, "rarp-request"),
    (ParseFlags::RAR, "rarp-reply"),
    (ParseFlags::ICC, "ip-checked"),
    (ParseFlags::ICV, "ip-valid"),
    (ParseFlags::TUC, "l4-checked"),
    (ParseFlags::TUV, "l4-valid"),
    (ParseFlags::PER, "parse-error"),
    (ParseFlags::EER, "frame-error"),
    (ParseFlags::LERR, "length-error"),
    (ParseFlags::HDR_GE_512, "long-headers"),
    (ParseFlags::FIF, "fifo"),
];

/// The words for what can be hashed.
pub(super) const HASHED: [(HashBy, &str); 11] = [
    (HashBy::SOURCE, "src-mac"),
    (HashBy::DESTINATION, "dst-mac"),
    (HashBy::ETHERTYPE, "ethertype"),
    (HashBy::VLAN, "vlan"),
    (HashBy::PRIORITY, "vlan-prio"),
    (HashBy::TOS, "tos"),
    (HashBy::PROTOCOL, "protocol"),
    (HashBy::SOURCE_IP, "src-ip"),
    (HashBy::DESTINATION_IP, "dst-ip"),
    (HashBy::SOURCE_PORT, "src-port"),
    (HashBy::DESTINATION_PORT, "dst-port"),
];

/// The words for where a byte's offset counts from.
pub(super) const PLACES: [(ByteFrom, &str); 3] =
    [(ByteFrom::Frame, "frame"), (ByteFrom::Layer2, "l2"), (ByteFrom::Layer3, "l3")];

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.when.is_empty() {
            return self.action.fmt(f);
        }
        write!(f, "{} {}", self.when, self.action)
    }
}

/// Writes words with blanks between them.
struct Words<'f, 'g> {
    f: &'f mut Formatter<'g>,
    first: bool,
}

impl Words<'_, '_> {
    fn word(&mut self, word: fmt::Arguments<'_>) -> fmt::Result {
        let blank = if self.first { "" } else { " " };
        self.first = false;
        write!(self.f, "{blank}{word}")
    }
}

impl Display for Match {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut words = Words { f, first: true };
        for (flag, name) in FLAGS {
            if self.flags.set.contains(flag) {
                words.word(format_args!("{name}"))?;
            }
            if self.flags.clear.contains(flag) {
                words.word(format_args!("no-{name}"))?;
            }
        }
        for (name, mac) in [("src-mac", self.source), ("dst-mac", self.destination)] {
            if let Some(mac) = mac {
                words.word(format_args!("{name} {mac}"))?;
            }
        }
        for field in Field::ALL {
            if let Some(number) = self.number(field) {
                words.word(format_args!("{} {}", field.name(), NumberOf(field, number)))?;
            }
            if field == Field::Protocol {
                for (name, ip) in [("src-ip", self.source_ip), ("dst-ip", self.destination_ip)] {
                    if let Some(ip) = ip {
                        words.word(format_args!("{name} {ip}"))?;
                    }
                }
            }
        }
        for byte in self.bytes.iter().flatten() {
            words.word(format_args!("byte {byte}"))?;
        }
        Ok(())
    }
}

impl Display for MacMatch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.addr.fmt(f)?;
        if self.mask.is_broadcast() { Ok(()) } else { write!(f, "/{}", self.mask) }
    }
}

impl Display for IpMatch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            IpMatch::V4 { addr, mask } => {
                let prefix = mask.to_bits().leading_ones();
                match prefix {
                    32 => write!(f, "{addr}"),
                    _ if prefix == mask.to_bits().count_ones() => write!(f, "{addr}/{prefix}"),
                    _ => write!(f, "{addr}/{mask}"),
                }
            }
            IpMatch::V6 { addr, prefix } => write!(f, "{addr}/{prefix}"),
        }
    }
}

/// A number in the way its field is usually written.
struct NumberOf(Field, Number);

impl Display for NumberOf {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let NumberOf(field, number) = *self;
        let digits = match field {
            Field::Ethertype => 6,
            Field::Tos => 4,
            _ => 0,
        };
        match number {
            Number::Exactly(value) if digits > 0 => write!(f, "{value:#0digits$x}"),
            Number::Exactly(value) => write!(f, "{value}"),
            Number::Masked { value, mask } => write!(f, "{value:#0digits$x}/{mask:#0digits$x}"),
            Number::Range { first, last } if digits > 0 => {
                write!(f, "{first:#0digits$x}-{last:#0digits$x}")
            }
            Number::Range { first, last } => write!(f, "{first}-{last}"),
        }
    }
}

impl Display for ByteMatch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = PLACES.iter().find(|(from, _)| *from == self.from).map_or("", |(_, name)| name);
        write!(f, "{name}+{} {:#04x}", self.offset, self.value)?;
        if self.mask == 0xFF { Ok(()) } else { write!(f, "/{:#04x}", self.mask) }
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Action::File { queue, interrupt: false } => write!(f, "queue {queue}"),
            Action::File { queue, interrupt: true } => write!(f, "queue {queue} interrupt"),
            Action::Reject => f.write_str("drop"),
            Action::Spread(spread) => spread.fmt(f),
        }
    }
}

impl Display for Spread {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("spread ")?;
        for (n, ring) in self.rings.iter().enumerate() {
            write!(f, "{}{ring}", if n == 0 { "" } else { "," })?;
        }
        let mut before = " by ";
        for (by, name) in HASHED {
            if self.by.contains(by) {
                write!(f, "{before}{name}")?;
                before = ",";
            }
        }
        Ok(())
    }
}
