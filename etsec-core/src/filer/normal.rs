//! Whether a rule can be, and its normal form: the one that is read back from a table.
//!
//! In normal form a number is as short as it can be, bits that a mask hides are 0, bytes are in
//! order, and flags that another condition implies are left out.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::error::RuleError;
use super::fields::Field;
use super::rule::{Action, ByteMatch, FlagMatch, HashBy, IpMatch, MacMatch, Match, Rule};
use super::text;
use crate::addr::MacAddr;
use crate::regs::filer::ParseFlags;

const IP: ParseFlags = ParseFlags::IP4.union(ParseFlags::IP6);
const PORTS: ParseFlags = ParseFlags::TCP.union(ParseFlags::UDP);

impl Rule {
    /// Whether the rule can be, and its normal form: equal rules have equal ones.
    ///
    /// # Errors
    /// What is out of range, contradicts itself or says nothing.
    pub fn normal(&self) -> Result<Rule, RuleError> {
        Ok(Rule { when: self.when.normal()?, action: self.action.normal()? })
    }
}

/// The parse flags that a rule looks at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted {
    /// Those that must and must not be set.
    pub flags: FlagMatch,
    /// Groups of flags of which at least one must be set.
    pub either: [Option<ParseFlags>; 2],
}

impl Wanted {
    /// One of these two must be set.
    fn one_of(&mut self, group: ParseFlags, why: &'static str) -> Result<(), RuleError> {
        if self.flags.set.intersects(group) {
            return Ok(());
        }
        let left = group.difference(self.flags.clear);
        if left.is_empty() {
            return Err(RuleError::Contradiction(why, "none of the headers it is in"));
        } else if left == group {
            self.either[usize::from(group == PORTS)] = Some(group);
        } else {
            self.flags.set |= left;
        }
        Ok(())
    }
}

impl Match {
    /// Whether every frame matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Match::default()
    }

    /// The parse flags these conditions come to. A field whose header is absent has a value too (HW
    /// 6.3), so the header itself is wanted.
    pub(super) fn wanted(&self) -> Result<Wanted, RuleError> {
        let (set, clear) = (self.flags.set, self.flags.clear);
        let unknown = (set | clear).difference(ParseFlags::all());
        if !unknown.is_empty() {
            let most = ParseFlags::all().bits();
            return Err(RuleError::range("parse flags", unknown.bits(), 0, most));
        }
        let mut wanted = Wanted { flags: self.flags, ..Wanted::default() };
        let implied = self.implied();
        wanted.flags.set |= implied.set;
        wanted.flags.clear |= implied.clear;
        if self.protocol.is_some() {
            wanted.one_of(IP, Field::Protocol.name())?;
        }
        if self.tos.is_some() {
            wanted.one_of(IP, Field::Tos.name())?;
        }
        if self.source_port.is_some() {
            wanted.one_of(PORTS, Field::SourcePort.name())?;
        }
        if self.destination_port.is_some() {
            wanted.one_of(PORTS, Field::DestinationPort.name())?;
        }
        let both = wanted.flags.set & wanted.flags.clear;
        if let Some((_, name)) = text::FLAGS.iter().find(|(flag, _)| both.contains(*flag)) {
            return Err(RuleError::BothWays(name));
        }
        if wanted.flags.set.contains(PORTS) {
            return Err(RuleError::Contradiction("tcp", "udp"));
        }
        Ok(wanted)
    }

    /// The flags that are implied by other conditions.
    fn implied(&self) -> FlagMatch {
        let mut implied = FlagMatch::default();
        if self.vlan.is_some() || self.priority.is_some() {
            implied.set |= ParseFlags::VLN;
        }
        for ip in [self.source_ip, self.destination_ip].into_iter().flatten() {
            let (version, other) = match ip {
                IpMatch::V4 { .. } => (ParseFlags::IP4, ParseFlags::IP6),
                IpMatch::V6 { .. } => (ParseFlags::IP6, ParseFlags::IP4),
            };
            implied.set |= version;
            implied.clear |= other;
        }
        implied
    }

    fn normal(&self) -> Result<Match, RuleError> {
        let mut normal = *self;
        normal.source = self.source.map(|mac| normal_mac(mac, "src-mac")).transpose()?;
        normal.destination = self.destination.map(|mac| normal_mac(mac, "dst-mac")).transpose()?;
        normal.source_ip = self.source_ip.map(|ip| normal_ip(ip, "src-ip")).transpose()?;
        normal.destination_ip =
            self.destination_ip.map(|ip| normal_ip(ip, "dst-ip")).transpose()?;
        for field in Field::ALL {
            let number = self.number(field);
            *normal.number_mut(field) = number.map(|number| field.normal(number)).transpose()?;
        }
        normal.bytes = normal_bytes(&self.bytes)?;
        let versions = [self.source_ip, self.destination_ip].map(|ip| match ip {
            None => 0,
            Some(IpMatch::V4 { .. }) => 1,
            Some(IpMatch::V6 { .. }) => 2,
        });
        if versions == [1, 2] || versions == [2, 1] {
            return Err(RuleError::Contradiction("IPv4 addresses", "IPv6 addresses"));
        }
        let (wanted, implied) = (normal.wanted()?.flags, normal.implied());
        normal.flags = FlagMatch {
            set: wanted.set.difference(implied.set),
            clear: wanted.clear.difference(implied.clear),
        };
        Ok(normal)
    }
}

fn normal_mac(mac: MacMatch, name: &'static str) -> Result<MacMatch, RuleError> {
    if mac.mask.is_zero() {
        return Err(RuleError::SaysNothing(name));
    }
    let mut addr = mac.addr;
    for (octet, mask) in addr.0.iter_mut().zip(mac.mask.0) {
        *octet &= mask;
    }
    Ok(MacMatch { addr: MacAddr(addr.0), mask: mac.mask })
}

fn normal_ip(ip: IpMatch, name: &'static str) -> Result<IpMatch, RuleError> {
    match ip {
        IpMatch::V4 { mask, .. } if mask.is_unspecified() => Err(RuleError::SaysNothing(name)),
        IpMatch::V4 { addr, mask } => {
            let addr = Ipv4Addr::from_bits(addr.to_bits() & mask.to_bits());
            Ok(IpMatch::V4 { addr, mask })
        }
        IpMatch::V6 { prefix, .. } if !(1..=32).contains(&prefix) => {
            Err(RuleError::Prefix(name, prefix))
        }
        IpMatch::V6 { addr, prefix } => {
            let mask = u128::MAX << (128 - u32::from(prefix));
            Ok(IpMatch::V6 { addr: Ipv6Addr::from_bits(addr.to_bits() & mask), prefix })
        }
    }
}

fn normal_bytes(bytes: &[Option<ByteMatch>; 4]) -> Result<[Option<ByteMatch>; 4], RuleError> {
    let mut normal = *bytes;
    for byte in normal.iter_mut().flatten() {
        let most = byte.from.most();
        if byte.offset > most {
            return Err(RuleError::range("byte offset", byte.offset.into(), 0, most.into()));
        }
        if byte.mask == 0 {
            return Err(RuleError::SaysNothing("byte"));
        }
        byte.value &= byte.mask;
    }
    let place = |byte: &Option<ByteMatch>| byte.map(|byte| (byte.from, byte.offset));
    // Those that are there first.
    normal.sort_unstable_by_key(|byte| (byte.is_none(), place(byte)));
    let twice = normal.windows(2).any(|two| two[0].is_some() && place(&two[0]) == place(&two[1]));
    if twice { Err(RuleError::SameByte) } else { Ok(normal) }
}

impl Action {
    fn normal(self) -> Result<Action, RuleError> {
        match self {
            Action::File { queue, .. } if queue > 63 => {
                Err(RuleError::range("queue", queue.into(), 0, 63))
            }
            Action::Spread(spread) => {
                let known = HashBy::from_bits_truncate(spread.by.bits());
                if known.is_empty() {
                    return Err(RuleError::NothingToHash);
                }
                if let Some(ring) = spread.rings.into_iter().find(|ring| *ring > 7) {
                    return Err(RuleError::range("ring", ring.into(), 0, 7));
                }
                Ok(Action::Spread(super::Spread { by: known, ..spread }))
            }
            Action::File { .. } | Action::Reject => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::{ByteFrom, Number, Spread};
    use super::*;

    /// A rule of one condition that `set` sets.
    fn refused(set: impl FnOnce(&mut Match)) -> RuleError {
        let mut rule = Rule { when: Match::default(), action: Action::Reject };
        set(&mut rule.when);
        rule.normal().expect_err("a rule that cannot be")
    }

    #[test]
    fn conditions_that_every_frame_meets_say_nothing() {
        let any = Some(MacMatch { addr: MacAddr::BROADCAST, mask: MacAddr([0; 6]) });
        assert_eq!(refused(|when| when.source = any), RuleError::SaysNothing("src-mac"));
        assert_eq!(refused(|when| when.destination = any), RuleError::SaysNothing("dst-mac"));
        let any = Some(IpMatch::V4 { addr: Ipv4Addr::LOCALHOST, mask: Ipv4Addr::UNSPECIFIED });
        assert_eq!(refused(|when| when.source_ip = any), RuleError::SaysNothing("src-ip"));
        assert_eq!(refused(|when| when.destination_ip = any), RuleError::SaysNothing("dst-ip"));
        let any = Some(Number::Masked { value: 3, mask: 0 });
        assert_eq!(refused(|when| when.tos = any), RuleError::SaysNothing("tos"));
        let any = Some(Number::Range { first: 0, last: 4095 });
        assert_eq!(refused(|when| when.vlan = any), RuleError::SaysNothing("vlan"));
        let byte = ByteMatch { from: ByteFrom::Layer3, offset: 0, value: 5, mask: 0 };
        let error = refused(|when| when.bytes[0] = Some(byte));
        assert_eq!(error, RuleError::SaysNothing("byte"));
    }

    #[test]
    fn what_the_hardware_cannot_see_is_out_of_range() {
        let unknown = ParseFlags::from_bits_retain(0x8000_0000);
        for set in [true, false] {
            let error = refused(|when| {
                *(if set { &mut when.flags.set } else { &mut when.flags.clear }) = unknown;
            });
            let most = ParseFlags::all().bits();
            assert_eq!(error, RuleError::range("parse flags", 0x8000_0000, 0, most));
        }
        for prefix in [0, 33, 128] {
            let ip = Some(IpMatch::V6 { addr: Ipv6Addr::LOCALHOST, prefix });
            assert_eq!(refused(|when| when.source_ip = ip), RuleError::Prefix("src-ip", prefix));
            let error = refused(|when| when.destination_ip = ip);
            assert_eq!(error, RuleError::Prefix("dst-ip", prefix));
        }
        for from in [ByteFrom::Frame, ByteFrom::Layer2, ByteFrom::Layer3] {
            let offset = from.most() + 1;
            let byte = ByteMatch { from, offset, value: 5, mask: 0xFF };
            let error = refused(|when| when.bytes[3] = Some(byte));
            let (offset, most) = (offset.into(), from.most().into());
            assert_eq!(error, RuleError::range("byte offset", offset, 0, most));
        }
    }

    #[test]
    fn addresses_of_two_kinds_are_in_no_packet() {
        let four = Some(IpMatch::exactly(Ipv4Addr::LOCALHOST));
        let six = Some(IpMatch::V6 { addr: Ipv6Addr::LOCALHOST, prefix: 32 });
        let error = RuleError::Contradiction("IPv4 addresses", "IPv6 addresses");
        for (source, destination) in [(four, six), (six, four)] {
            let refused =
                refused(|when| (when.source_ip, when.destination_ip) = (source, destination));
            assert_eq!(refused, error);
        }
    }

    #[test]
    fn rings_and_queues_that_do_not_exist_are_out_of_range() {
        let normal = |action| Rule { when: Match::default(), action }.normal().map(drop);
        let spread = |ring, by| {
            let mut rings = [0; 8];
            rings[7] = ring;
            Action::Spread(Spread { rings, by })
        };
        assert_eq!(normal(spread(8, HashBy::TOS)), Err(RuleError::range("ring", 8, 0, 7)));
        assert_eq!(normal(spread(7, HashBy::TOS)), Ok(()));
        assert_eq!(normal(spread(7, HashBy::empty())), Err(RuleError::NothingToHash));
        let unknown = HashBy::from_bits_retain(!HashBy::all().bits());
        assert_eq!(normal(spread(7, unknown)), Err(RuleError::NothingToHash));
        assert_eq!(normal(Action::to(64)), Err(RuleError::range("queue", 64, 0, 63)));
    }
}
