//! Frames of all header shapes with right checksums, made by etherparse: what hardware and driver
//! are compared with. It knows neither of them.

use etherparse::{
    IpFragOffset, IpNumber, Ipv4Header, Ipv4Options, Ipv6Header, TcpHeader, TcpOptionElement,
    UdpHeader,
};

use crate::rig::{PEER, STATION};

/// A frame, and what of it can be judged.
#[derive(Debug, Clone)]
pub struct Shape {
    /// What it is made of.
    pub name: String,
    /// From destination address to payload, not padded.
    pub bytes: Vec<u8>,
    /// Where the IP header begins.
    pub l3: usize,
    /// Where the IPv4 header checksum is.
    pub ip: Option<usize>,
    /// Where the TCP or UDP checksum is, if the frame alone tells whether it is right.
    pub l4: Option<usize>,
    /// Where the TCP or UDP header begins; meaningful with `l4`.
    pub carried: usize,
    /// A VLAN tag's control word behind the addresses.
    pub tag: Option<u16>,
}

/// Headers up to the ethertype's place: nothing, a tag, two tags.
const LINKS: [(&str, &[u16]); 3] = [("", &[]), ("tag ", &[0x2005]), ("two tags ", &[0x6007, 9])];
/// Lengths of payloads: none, odd ones, and beyond the shortest frame.
const LENGTHS: [usize; 5] = [0, 1, 5, 64, 1001];

const V4: [[u8; 4]; 2] = [[10, 1, 2, 3], [192, 168, 200, 9]];
const V6: [[u8; 16]; 2] = [
    [0xFD, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xAB, 0xCD, 0, 1],
    [0xFD, 0xFF, 8, 7, 6, 5, 4, 3, 2, 1, 0, 9, 8, 7, 6, 5],
];

/// What an IP packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Udp,
    /// Without a checksum.
    BareUdp,
    Tcp,
    TcpWithOptions,
    Other,
}

const KINDS: [Kind; 5] = [Kind::Udp, Kind::BareUdp, Kind::Tcp, Kind::TcpWithOptions, Kind::Other];

/// A fragment's place in its datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    First,
    Later,
}

/// Every combination.
#[must_use]
pub fn all() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for (link, tags) in LINKS {
        for kind in KINDS {
            for len in LENGTHS {
                let name = format!("{link}{kind:?} of {len} bytes");
                for options in [0, 4, 40] {
                    shapes.push(ipv4(&name, tags, kind, len, options, Part::Whole));
                }
                shapes.push(ipv4(&name, tags, kind, len, 0, Part::First));
                shapes.push(ipv4(&name, tags, kind, len, 0, Part::Later));
                for headers in EXTENSIONS {
                    shapes.push(ipv6(&name, tags, kind, len, headers));
                }
            }
        }
    }
    shapes
}

/// Extension headers by number: hop by hop, destination options, route that is over, route that is
/// not, fragment.
const EXTENSIONS: [&[Extension]; 7] = {
    use Extension::{Destination, Fragment, Hop, Route};
    [
        &[],
        &[Hop(0)],
        &[Destination(3)],
        &[Hop(1), Destination(0), Route(0)],
        &[Route(1)],
        &[Fragment],
        &[Hop(0), Fragment],
    ]
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extension {
    /// With so many times 8 bytes more than the least.
    Hop(u8),
    Destination(u8),
    /// With so many segments left.
    Route(u8),
    Fragment,
}

impl Extension {
    fn number(self) -> u8 {
        match self {
            Extension::Hop(_) => 0,
            Extension::Destination(_) => 60,
            Extension::Route(_) => 43,
            Extension::Fragment => 44,
        }
    }

    fn bytes(self, next: u8) -> Vec<u8> {
        let (more, left) = match self {
            Extension::Hop(more) | Extension::Destination(more) => (more, None),
            Extension::Route(left) => (2, Some(left)),
            Extension::Fragment => return vec![next, 0, 0, 1, 1, 2, 3, 4],
        };
        let mut bytes = vec![0; 8 + 8 * usize::from(more)];
        (bytes[0], bytes[1]) = (next, more);
        match left {
            // A route of one address.
            Some(left) => bytes[3] = left,
            // Padding as one option.
            None => (bytes[2], bytes[3]) = (1, bytes.len() as u8 - 4),
        }
        bytes
    }
}

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n as u8).wrapping_mul(37).wrapping_add(len as u8 ^ 0xC3)).collect()
}

fn ethernet(tags: &[u16], ethertype: u16) -> Vec<u8> {
    let mut bytes: Vec<u8> = STATION.0.into_iter().chain(PEER.0).collect();
    for tag in tags {
        bytes.extend([0x81, 0x00]);
        bytes.extend(tag.to_be_bytes());
    }
    bytes.extend(ethertype.to_be_bytes());
    bytes
}

/// The ends of a conversation, for the pseudo header.
enum Ends<'a> {
    V4(&'a Ipv4Header),
    V6(&'a Ipv6Header),
}

/// Header and payload, and where in it the checksum is.
fn carried(kind: Kind, len: usize, ends: &Ends<'_>) -> (Vec<u8>, Option<usize>) {
    let data = payload(len);
    match kind {
        Kind::Udp | Kind::BareUdp => {
            let made = match (kind, ends) {
                (Kind::BareUdp, _) => UdpHeader::without_ipv4_checksum(5, 4321, len),
                (_, Ends::V4(ip)) => UdpHeader::with_ipv4_checksum(5, 4321, ip, &data),
                (_, Ends::V6(ip)) => UdpHeader::with_ipv6_checksum(5, 4321, ip, &data),
            };
            let header = made.expect("a short datagram").to_bytes();
            let field = (kind == Kind::Udp).then_some(6);
            ([&header[..], &data].concat(), field)
        }
        Kind::Tcp | Kind::TcpWithOptions => {
            let mut header = TcpHeader::new(80, 54321, 0x1234_5678, 0x2000);
            (header.ack, header.psh) = (true, true);
            if kind == Kind::TcpWithOptions {
                let options = [TcpOptionElement::MaximumSegmentSize(1400), TcpOptionElement::Noop];
                header.set_options(&options).expect("few options");
            }
            let sum = match ends {
                Ends::V4(ip) => header.calc_checksum_ipv4(ip, &data),
                Ends::V6(ip) => header.calc_checksum_ipv6(ip, &data),
            };
            header.checksum = sum.expect("a short segment");
            ([&header.to_bytes()[..], &data].concat(), Some(16))
        }
        Kind::Other => ([&[1, 2, 3, 4, 5, 6, 7, 8][..], &data].concat(), None),
    }
}

impl Kind {
    fn number(self) -> IpNumber {
        match self {
            Kind::Udp | Kind::BareUdp => IpNumber::UDP,
            Kind::Tcp | Kind::TcpWithOptions => IpNumber::TCP,
            // A protocol that nobody parses.
            Kind::Other => IpNumber(253),
        }
    }
}

fn ipv4(name: &str, tags: &[u16], kind: Kind, len: usize, options: usize, part: Part) -> Shape {
    let mut ip = Ipv4Header::new(0, 64, kind.number(), V4[0], V4[1]).expect("a short packet");
    let mut list = [1; 40];
    // A time stamp option that ends the list; 1 is no operation.
    list[..options.min(4)].copy_from_slice(&[1, 1, 1, 0][..options.min(4)]);
    ip.options = Ipv4Options::try_from(&list[..options]).expect("whole words");
    (ip.more_fragments, ip.dont_fragment) = (part == Part::First, part == Part::Whole);
    let offset = if part == Part::Later { 185 } else { 0 };
    ip.fragment_offset = IpFragOffset::try_new(offset).expect("13 bits");
    let (body, field) = carried(kind, len, &Ends::V4(&ip));
    ip.total_len = (ip.header_len() + body.len()) as u16;
    ip.header_checksum = ip.calc_header_checksum();
    let mut bytes = ethernet(tags, 0x0800);
    let l3 = bytes.len();
    bytes.extend(ip.to_bytes());
    let at = bytes.len();
    bytes.extend(body);
    Shape {
        name: format!("{name} in IPv4 with {options} bytes of options, {part:?}"),
        bytes,
        l3,
        ip: Some(l3 + 10),
        l4: field.filter(|_| part == Part::Whole).map(|field| at + field),
        carried: at,
        tag: tags.first().copied(),
    }
}

fn ipv6(name: &str, tags: &[u16], kind: Kind, len: usize, headers: &[Extension]) -> Shape {
    let mut ip = Ipv6Header {
        traffic_class: 0x28,
        next_header: kind.number(),
        hop_limit: 64,
        source: V6[0],
        destination: V6[1],
        ..Ipv6Header::default()
    };
    let (mut body, field) = carried(kind, len, &Ends::V6(&ip));
    let mut at = 40;
    for header in headers.iter().rev() {
        let bytes = header.bytes(ip.next_header.0);
        at += bytes.len();
        body.splice(0..0, bytes);
        ip.next_header = IpNumber(header.number());
    }
    ip.payload_length = body.len() as u16;
    let mut bytes = ethernet(tags, 0x86DD);
    let l3 = bytes.len();
    bytes.extend(ip.to_bytes());
    bytes.extend(body);
    let judged = !headers.iter().any(|h| matches!(h, Extension::Fragment | Extension::Route(1..)));
    Shape {
        name: format!("{name} in IPv6 with {headers:?}"),
        bytes,
        l3,
        ip: None,
        l4: field.filter(|_| judged).map(|field| l3 + at + field),
        carried: l3 + at,
        tag: tags.first().copied(),
    }
}
