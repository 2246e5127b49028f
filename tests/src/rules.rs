//! What rules mean, straight from their values: no table, no masks, no chains.

use etsec_core::filer::{
    Action, ByteFrom, ByteMatch, Field, IpMatch, MacMatch, Match, Number, Rule,
};

use crate::packet::{Addresses, Packet};

/// What becomes of a frame.
#[must_use]
pub fn decide(rules: &[Rule], default: Action, packet: &Packet) -> Action {
    let found = rules.iter().find(|rule| matches(&rule.when, packet));
    found.map_or(default, |rule| rule.action)
}

/// Whether all conditions hold.
#[must_use]
pub fn matches(when: &Match, packet: &Packet) -> bool {
    let flags = packet.flags();
    let flags = when.flags.set.bits() & !flags == 0 && when.flags.clear.bits() & flags == 0;
    let macs = [(when.source, packet.from), (when.destination, packet.to)];
    let ips = [(when.source_ip, true), (when.destination_ip, false)];
    flags
        && macs.into_iter().all(|(mac, octets)| mac.is_none_or(|mac| same_mac(mac, octets)))
        && ips.into_iter().all(|(ip, source)| ip.is_none_or(|ip| same_ip(ip, source, packet)))
        && Field::ALL.into_iter().all(|field| {
            let value = value(field, packet);
            when.number(field).is_none_or(|number| value.is_some_and(|v| is_in(number, v)))
        })
        && when.bytes.iter().flatten().all(|byte| same_byte(byte, packet))
}

/// A field's value, if the header it belongs to is there.
fn value(field: Field, packet: &Packet) -> Option<u16> {
    let property = |number| packet.property(number, 0) as u16;
    match field {
        Field::Ethertype => Some(property(7)),
        Field::Vlan => packet.tag.map(|tag| tag & 0xFFF),
        Field::Priority => packet.tag.map(|tag| tag >> 13),
        Field::Tos => packet.ip().map(|ip| ip.tos.into()),
        Field::Protocol => packet.ip().map(|_| property(11)),
        Field::SourcePort => packet.ports().map(|(_, source, _)| source),
        Field::DestinationPort => packet.ports().map(|(_, _, destination)| destination),
    }
}

fn is_in(number: Number, v: u16) -> bool {
    match number {
        Number::Exactly(value) => v == value,
        Number::Masked { value, mask } => (v ^ value) & mask == 0,
        Number::Range { first, last } => (first..=last).contains(&v),
    }
}

fn same_mac(mac: MacMatch, octets: [u8; 6]) -> bool {
    (0..6).all(|n| (octets[n] ^ mac.addr.0[n]) & mac.mask.0[n] == 0)
}

fn same_ip(ip: IpMatch, source: bool, packet: &Packet) -> bool {
    match (ip, packet.ip().map(|ip| ip.addresses)) {
        (IpMatch::V4 { addr, mask }, Some(Addresses::V4(from, to))) => {
            let theirs = if source { from } else { to };
            (theirs.to_bits() ^ addr.to_bits()) & mask.to_bits() == 0
        }
        (IpMatch::V6 { addr, prefix }, Some(Addresses::V6(from, to))) => {
            let theirs = if source { from } else { to };
            let differ = theirs.to_bits() ^ addr.to_bits();
            differ.leading_zeros() >= prefix.into()
        }
        _ => false,
    }
}

fn same_byte(byte: &ByteMatch, packet: &Packet) -> bool {
    let start = match byte.from {
        ByteFrom::Frame => Some(0),
        ByteFrom::Layer2 => Some(packet.l2_end()),
        ByteFrom::Layer3 => packet.l3_end(),
    };
    (packet.byte(start, byte.offset.into()) ^ byte.value) & byte.mask == 0
}
