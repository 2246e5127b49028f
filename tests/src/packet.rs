//! Frames as values: what is in them is known because it was put there, not because somebody has
//! parsed it. The properties of HW 6.3 are read off the value.
//!
//! It knows neither the driver's rules nor the model's parser.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Destination address.
    pub to: [u8; 6],
    /// Source address.
    pub from: [u8; 6],
    /// Control word of a VLAN tag.
    pub tag: Option<u16>,
    /// What is behind the layer 2 header.
    pub body: Body,
}

/// What a frame carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// An ethertype that ends parsing, and bytes.
    Other(u16, Vec<u8>),
    /// ARP with this operation, 1 to 4.
    Arp(u8),
    /// An IP packet.
    Ip(Ip),
}

/// An IP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ip {
    /// Source and destination.
    pub addresses: Addresses,
    /// Type of service or traffic class.
    pub tos: u8,
    /// Whether it is a fragment (IPv4).
    pub fragment: bool,
    /// What it carries.
    pub payload: Payload,
}

/// Source and destination of an IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// IPv4.
    V4(Ipv4Addr, Ipv4Addr),
    /// IPv6.
    V6(Ipv6Addr, Ipv6Addr),
}

/// What an IP packet carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// TCP with source and destination port.
    Tcp(u16, u16),
    /// UDP with source and destination port.
    Udp(u16, u16),
    /// A protocol that ends parsing, and bytes.
    Other(u8, Vec<u8>),
}

impl Payload {
    fn protocol(&self) -> u8 {
        match self {
            Payload::Tcp(..) => 6,
            Payload::Udp(..) => 17,
            Payload::Other(protocol, _) => *protocol,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Payload::Tcp(source, destination) => {
                let mut bytes = [source.to_be_bytes(), destination.to_be_bytes()].concat();
                bytes.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 1, 0, 0, 0, 0, 0, 0xAB]);
                bytes
            }
            Payload::Udp(source, destination) => {
                let mut bytes = [source.to_be_bytes(), destination.to_be_bytes()].concat();
                bytes.extend([0, 10, 0, 0, 0xCD, 0xEF]);
                bytes
            }
            Payload::Other(_, bytes) => bytes.clone(),
        }
    }
}

impl Ip {
    /// Whether it is IPv4.
    #[must_use]
    pub fn is_v4(&self) -> bool {
        matches!(self.addresses, Addresses::V4(..))
    }

    fn bytes(&self) -> Vec<u8> {
        let payload = self.payload.bytes();
        let mut bytes = Vec::new();
        match self.addresses {
            Addresses::V4(source, destination) => {
                bytes.extend([0x45, self.tos]);
                bytes.extend((payload.len() as u16 + 20).to_be_bytes());
                // More fragments follow.
                bytes.extend([0, 1, if self.fragment { 0x20 } else { 0x40 }, 0]);
                bytes.extend([64, self.payload.protocol(), 0, 0]);
                bytes.extend(source.octets());
                bytes.extend(destination.octets());
                let sum: u32 =
                    bytes.chunks(2).map(|b| u32::from(b[0]) << 8 | u32::from(b[1])).sum();
                let folded = (sum & 0xFFFF) + (sum >> 16);
                bytes[10..12].copy_from_slice(&(!folded as u16).to_be_bytes());
            }
            Addresses::V6(source, destination) => {
                bytes.extend([0x60 | self.tos >> 4, self.tos << 4, 0, 0]);
                bytes.extend((payload.len() as u16).to_be_bytes());
                bytes.extend([self.payload.protocol(), 64]);
                bytes.extend(source.octets());
                bytes.extend(destination.octets());
            }
        }
        bytes.extend(payload);
        bytes
    }
}

impl Packet {
    /// The frame without FCS, at least 60 bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = [self.to, self.from].concat();
        if let Some(tag) = self.tag {
            bytes.extend([0x81, 0x00]);
            bytes.extend(tag.to_be_bytes());
        }
        bytes.extend(self.ethertype().to_be_bytes());
        match &self.body {
            Body::Other(_, payload) => bytes.extend(payload),
            Body::Arp(operation) => bytes.extend([0, 1, 8, 0, 6, 4, 0, *operation]),
            Body::Ip(ip) => bytes.extend(ip.bytes()),
        }
        bytes.resize(bytes.len().max(60), 0);
        bytes
    }

    fn ethertype(&self) -> u16 {
        match &self.body {
            Body::Other(ethertype, _) => *ethertype,
            Body::Arp(_) => 0x0806,
            Body::Ip(ip) if ip.is_v4() => 0x0800,
            Body::Ip(_) => 0x86DD,
        }
    }

    /// The IP packet in it.
    #[must_use]
    pub fn ip(&self) -> Option<&Ip> {
        match &self.body {
            Body::Ip(ip) => Some(ip),
            _ => None,
        }
    }

    /// Whether it carries TCP, and its ports; a fragment shows none (HW 5.3).
    #[must_use]
    pub fn ports(&self) -> Option<(bool, u16, u16)> {
        let ip = self.ip().filter(|ip| !ip.fragment)?;
        match ip.payload {
            Payload::Tcp(source, destination) => Some((true, source, destination)),
            Payload::Udp(source, destination) => Some((false, source, destination)),
            Payload::Other(..) => None,
        }
    }

    /// Where the layer 2 header ends.
    #[must_use]
    pub fn l2_end(&self) -> usize {
        if self.tag.is_some() { 18 } else { 14 }
    }

    /// Where the layer 3 header ends.
    #[must_use]
    pub fn l3_end(&self) -> Option<usize> {
        self.ip().map(|ip| self.l2_end() + if ip.is_v4() { 20 } else { 40 })
    }

    /// The flags of property 1, with nothing verified (HW 6.3).
    #[must_use]
    pub fn flags(&self) -> u32 {
        let mut flags = 0;
        let mut set = |mask, on| flags |= if on { mask } else { 0 };
        set(0x8000, self.to == [0xFF; 6]);
        set(0x4000, self.tag.is_some());
        set(0x2000, self.tag.is_some_and(|tag| tag & 0x1000 != 0));
        for (operation, mask) in [(1, 0x1_0000), (2, 0x2_0000), (3, 0x4_0000), (4, 0x8_0000)] {
            set(mask, self.body == Body::Arp(operation));
        }
        if let Some(ip) = self.ip() {
            set(if ip.is_v4() { 0x200 } else { 0x100 }, true);
            set(0x800, ip.fragment);
        }
        if let Some((tcp, ..)) = self.ports() {
            set(if tcp { 0x20 } else { 0x10 }, true);
        }
        flags
    }

    /// A property by its number; what is not there has the default of HW 6.3.
    #[must_use]
    pub fn property(&self, number: u32, rbifx: u32) -> u32 {
        let three = |octets: &[u8]| u32::from_be_bytes([0, octets[0], octets[1], octets[2]]);
        let word = |octets: &[u8]| u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]]);
        let addresses = self.ip().map(|ip| match ip.addresses {
            Addresses::V4(s, d) => (word(&s.octets()), word(&d.octets())),
            Addresses::V6(s, d) => (word(&s.octets()), word(&d.octets())),
        });
        match number {
            1 => self.flags(),
            2 => self.arbitrary(rbifx),
            3 => three(&self.to[..3]),
            4 => three(&self.to[3..]),
            5 => three(&self.from[..3]),
            6 => three(&self.from[3..]),
            7 => self.ethertype().into(),
            8 => self.tag.map_or(0, |tag| u32::from(tag & 0xFFF)),
            9 => self.tag.map_or(0, |tag| u32::from(tag >> 13)),
            10 => self.ip().map_or(0, |ip| ip.tos.into()),
            11 => self.ip().map_or(0xFF, |ip| ip.payload.protocol().into()),
            12 => addresses.map_or(0, |(_, destination)| destination),
            13 => addresses.map_or(0, |(source, _)| source),
            14 => self.ports().map_or(0, |(_, _, destination)| destination.into()),
            15 => self.ports().map_or(0, |(_, source, _)| source.into()),
            _ => 0,
        }
    }

    /// The byte that is `offset` bytes behind `start`; 0 if there is none.
    #[must_use]
    pub fn byte(&self, start: Option<usize>, offset: usize) -> u8 {
        let at = start.map(|start| start + offset);
        at.and_then(|at| self.bytes().get(at).copied()).unwrap_or(0)
    }

    /// The four bytes that RBIFX chooses (HW 3.12).
    fn arbitrary(&self, rbifx: u32) -> u32 {
        let bytes = rbifx.to_be_bytes().map(|control| {
            let offset = usize::from(control & 0x3F);
            match control >> 6 {
                1 if offset < 7 => 0x55,
                1 if offset == 7 => 0xD5,
                1 => self.byte(Some(0), offset - 8),
                2 => self.byte(Some(self.l2_end()), offset),
                3 => self.byte(self.l3_end(), offset),
                _ => 0,
            }
        });
        u32::from_be_bytes(bytes)
    }
}
