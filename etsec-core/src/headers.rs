//! Where a frame's IP and TCP or UDP headers are: for a frame that is to ask for checksums, and for
//! checksums made and verified in software.
//!
//! It reads bytes and knows neither control blocks nor descriptors. Any bytes are read without a
//! panic; what contradicts itself has no headers.

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86DD;
/// Customer and service tags.
const TAGS: [u16; 2] = [0x8100, 0x88A8];

const HOP: u8 = 0;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ROUTE: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

/// What IP carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carried {
    /// TCP, whole.
    Tcp,
    /// UDP, whole.
    Udp,
    /// A fragment of something.
    Fragment,
    /// Something whose destination in the header is not its last one: the pseudo header is not
    /// known.
    Routed,
    /// Something else.
    Other,
}

impl Carried {
    /// Protocol number, and where the checksum is in the header.
    pub(crate) fn field(self) -> Option<(u8, usize)> {
        match self {
            Carried::Tcp => Some((TCP, 16)),
            Carried::Udp => Some((UDP, 6)),
            Carried::Fragment | Carried::Routed | Carried::Other => None,
        }
    }
}

/// An IP packet in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Headers {
    pub six: bool,
    /// Where the IP header begins.
    pub l3: usize,
    /// Where what it carries begins; behind options and extension headers.
    pub l4: usize,
    /// Where the packet ends. Padding follows.
    pub end: usize,
    pub carried: Carried,
}

impl Headers {
    /// Looks at a frame from its destination address on. `None` if it is not IP, tagged or not, or
    /// contradicts itself.
    pub(crate) fn of(frame: &[u8]) -> Option<Headers> {
        let mut at = 12;
        let mut kind = be16(frame, at)?;
        while TAGS.contains(&kind) {
            at += 4;
            kind = be16(frame, at)?;
        }
        let headers = match kind {
            IPV4 => Headers::ipv4(frame, at + 2)?,
            IPV6 => Headers::ipv6(frame, at + 2)?,
            _ => return None,
        };
        headers.checked(frame)
    }

    fn ipv4(frame: &[u8], l3: usize) -> Option<Headers> {
        let first = *frame.get(l3)?;
        let len = usize::from(first & 0xF) * 4;
        let end = l3 + usize::from(be16(frame, l3 + 2)?);
        if first >> 4 != 4 || len < 20 || end < l3 + len || end > frame.len() {
            return None;
        }
        // More fragments, or an offset.
        let carried = match *frame.get(l3 + 9)? {
            _ if be16(frame, l3 + 6)? & 0x3FFF != 0 => Carried::Fragment,
            _ if frame[l3 + 20..l3 + len].chunks(4).any(is_source_route) => Carried::Routed,
            TCP => Carried::Tcp,
            UDP => Carried::Udp,
            _ => Carried::Other,
        };
        Some(Headers { six: false, l3, l4: l3 + len, end, carried })
    }

    fn ipv6(frame: &[u8], l3: usize) -> Option<Headers> {
        let fixed = frame.get(l3..l3 + 40)?;
        let end = l3 + 40 + usize::from(be16(frame, l3 + 4)?);
        if fixed[0] >> 4 != 6 || end > frame.len() {
            return None;
        }
        let (mut next, mut l4) = (fixed[6], l3 + 40);
        let carried = loop {
            match next {
                TCP => break Carried::Tcp,
                UDP => break Carried::Udp,
                FRAGMENT => break Carried::Fragment,
                ROUTE if *frame.get(l4 + 3)? != 0 => break Carried::Routed,
                HOP | ROUTE | DESTINATION => {
                    next = *frame.get(l4)?;
                    l4 += usize::from(*frame.get(l4 + 1)?) * 8 + 8;
                }
                _ => break Carried::Other,
            }
        };
        (l4 <= end).then_some(Headers { six: true, l3, l4, end, carried })
    }

    /// A packet that is too short for its own header has none.
    fn checked(self, frame: &[u8]) -> Option<Headers> {
        let least = match self.carried {
            Carried::Tcp => 20,
            Carried::Udp => 8,
            Carried::Fragment | Carried::Routed | Carried::Other => 0,
        };
        let fits = self.end.checked_sub(self.l4)? >= least;
        // HW 5.1: offsets have eight bits. Nothing else that is sent has longer headers.
        let near = self.l3 <= 255 && self.l4 - self.l3 <= 255;
        let told = self.carried != Carried::Udp || self.udp_end(frame)? <= self.end;
        (fits && near && told).then_some(self)
    }

    /// Where the datagram ends by its own word.
    fn udp_end(&self, frame: &[u8]) -> Option<usize> {
        let len = usize::from(be16(frame, self.l4 + 4)?);
        (len >= 8).then_some(self.l4 + len)
    }

    /// Whether what is carried goes on to the packet's end.
    pub(crate) fn fills_packet(&self, frame: &[u8]) -> bool {
        self.carried != Carried::Udp || self.udp_end(frame) == Some(self.end)
    }

    /// What the checksum of what is carried covers.
    pub(crate) fn payload<'a>(&self, frame: &'a [u8]) -> Option<&'a [u8]> {
        let end = if self.carried == Carried::Udp { self.udp_end(frame)? } else { self.end };
        frame.get(self.l4..end)
    }

    /// The sum of the pseudo header, folded and not complemented.
    pub(crate) fn pseudo_sum(&self, frame: &[u8]) -> Option<u16> {
        let (protocol, _) = self.carried.field()?;
        let at = if self.six { self.l3 + 8..self.l3 + 40 } else { self.l3 + 12..self.l3 + 20 };
        let len = self.payload(frame)?.len() as u32;
        Some(fold(add(frame.get(at)?) + u32::from(protocol) + len))
    }
}

/// Whether an IPv4 option says that the destination in the header is not the last one. Options are
/// not taken apart: what merely looks so is treated so.
fn is_source_route(word: &[u8]) -> bool {
    word.iter().any(|&kind| kind == 131 || kind == 137)
}

pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
}

/// The sum of big-endian halfwords; an odd last byte is the high half of one. Frames are short
/// enough for 32 bits.
pub(crate) fn add(bytes: &[u8]) -> u32 {
    let pair = |pair: &[u8]| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
    bytes.chunks(2).map(pair).sum()
}

/// The ones' complement sum of 16 bits.
pub(crate) fn fold(sum: u32) -> u16 {
    let once = (sum & 0xFFFF) + (sum >> 16);
    ((once & 0xFFFF) + (once >> 16)) as u16
}
