//! Layers 3 and 4 of the receive parser: IPv4, IPv6 with its extension headers, TCP and UDP.
//!
//! It starts where layer 2 ended and knows no ethertypes.

use super::{PRSDEP_L4, Parsed, RCTRL_IPCSEN, RCTRL_PRSDEP, RCTRL_TUCSEN, Version, fcb, flag};

const PROTOCOL_HOP: u8 = 0;
const PROTOCOL_IPV4: u8 = 4;
const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_UDP: u8 = 17;
const PROTOCOL_IPV6: u8 = 41;
const PROTOCOL_ROUTE: u8 = 43;
const PROTOCOL_FRAGMENT: u8 = 44;
const PROTOCOL_DESTINATION: u8 = 60;
/// What RxFCB[PRO] says of a fragment header or of two route headers in a row (HW 5.3).
const PROTOCOL_STOPPED: u8 = 0xFF;

/// Which layer's header contradicts itself or the frame (RxFCB[PERR]).
enum Broken {
    Network,
    Transport,
}

/// What follows an IP header.
struct Below {
    protocol: u8,
    /// Where the next header begins and where the datagram ends.
    at: usize,
    end: usize,
    /// The sum of the pseudo header's addresses; `None`: the checksum cannot be judged.
    addresses: Option<u32>,
    /// A fragment or a header that is not understood: nothing below is parsed.
    stop: bool,
}

impl Parsed<'_> {
    /// Parses IP headers from the end of layer 2 on, through tunnels, down to TCP or UDP.
    pub(super) fn walk_network(&mut self, version: Version, rctrl: u32) {
        if let Err(broken) = self.walk_headers(version, rctrl) {
            // HW 5.3: with PERR set nothing is said about checksums.
            self.fcb_flags &= !(fcb::CIP | fcb::EIP | fcb::CTU | fcb::ETU);
            self.flags &= !(flag::ICC | flag::ICV | flag::TUC | flag::TUV);
            self.flags |= flag::PER;
            self.fcb_flags |= match broken {
                Broken::Network => fcb::PERR_L3,
                Broken::Transport => fcb::PERR_L4,
            };
        }
    }

    fn walk_headers(&mut self, version: Version, rctrl: u32) -> Result<(), Broken> {
        let mut version = version;
        let (mut at, mut end) = (self.l2_end, self.frame.len());
        loop {
            let below = match version {
                Version::V4 => self.ipv4(at, end, rctrl).ok_or(Broken::Network)?,
                Version::V6 => self.ipv6(at, end).ok_or(Broken::Network)?,
            };
            self.protocol = below.protocol;
            self.l4_protocol = below.protocol;
            self.l3_end = Some(below.at);
            if below.stop {
                return Ok(());
            }
            match below.protocol {
                PROTOCOL_IPV4 => version = Version::V4,
                PROTOCOL_IPV6 => version = Version::V6,
                PROTOCOL_TCP | PROTOCOL_UDP if rctrl & RCTRL_PRSDEP == PRSDEP_L4 => {
                    return self.transport(&below, rctrl).ok_or(Broken::Transport);
                }
                _ => return Ok(()),
            }
            (at, end) = (below.at, below.end);
        }
    }

    /// Notes an IP header; the RxFCB tells of the outermost, the properties of the innermost one.
    fn found(&mut self, version: Version) {
        if self.fcb_flags & fcb::IP == 0 {
            self.fcb_flags |= fcb::IP | if version == Version::V6 { fcb::IP6 } else { 0 };
        }
        self.flags |= if version == Version::V6 { flag::IP6 } else { flag::IP4 };
    }

    fn ipv4(&mut self, at: usize, end: usize, rctrl: u32) -> Option<Below> {
        let header = self.frame.get(at..end)?;
        let length = usize::from(header.first()? & 0xF) * 4;
        let total = usize::from(u16::from_be_bytes([*header.get(2)?, *header.get(3)?]));
        let consistent = header[0] >> 4 == 4 && length >= 20 && total >= length;
        if !consistent || total > header.len() {
            return None;
        }
        let header = &header[..length];
        let good = fold(sum(header)) == 0xFFFF;
        let addresses = sum(&header[12..20]);
        let (tos, protocol) = (header[1], header[9]);
        // More fragments, or an offset.
        let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3FFF != 0;
        self.found(Version::V4);
        self.tos = tos;
        self.source = self.be32(at + 12)?;
        self.destination = self.be32(at + 16)?;
        if fragment {
            self.flags |= flag::IPF;
        }
        if rctrl & RCTRL_IPCSEN != 0 {
            self.checked_ip(good);
        }
        let (at, end) = (at + length, at + total);
        Some(Below { protocol, at, end, addresses: Some(addresses), stop: fragment })
    }

    /// Every IPv4 header of a tunnel is checked: one wrong sum spoils the frame.
    fn checked_ip(&mut self, good: bool) {
        let first = self.fcb_flags & fcb::CIP == 0;
        self.fcb_flags |= fcb::CIP | if good { 0 } else { fcb::EIP };
        self.flags |= flag::ICC;
        if !good {
            self.flags &= !flag::ICV;
        } else if first {
            self.flags |= flag::ICV;
        }
    }

    fn ipv6(&mut self, at: usize, end: usize) -> Option<Below> {
        let header = self.frame.get(at..end)?;
        let fixed = header.get(..40)?;
        let payload = usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
        if fixed[0] >> 4 != 6 || payload > header.len() - 40 {
            return None;
        }
        let addresses = sum(&fixed[8..40]);
        let (tos, protocol) = (fixed[0] << 4 | fixed[1] >> 4, fixed[6]);
        self.found(Version::V6);
        self.tos = tos;
        // HW 6.3: the first four bytes of each address.
        self.source = self.be32(at + 8)?;
        self.destination = self.be32(at + 24)?;
        let at = at + 40;
        let below =
            Below { protocol, at, end: at + payload, addresses: Some(addresses), stop: false };
        self.extensions(below)
    }

    /// Steps over IPv6 extension headers: hop, destination, route; a fragment ends the parsing.
    fn extensions(&mut self, mut below: Below) -> Option<Below> {
        let mut after_route = false;
        loop {
            let header = self.frame.get(below.at..below.end)?;
            let length = match below.protocol {
                PROTOCOL_HOP | PROTOCOL_DESTINATION => usize::from(*header.get(1)?) * 8 + 8,
                PROTOCOL_ROUTE if after_route => {
                    below.protocol = PROTOCOL_STOPPED;
                    below.stop = true;
                    return Some(below);
                }
                PROTOCOL_ROUTE => {
                    if *header.get(3)? != 0 {
                        // The pseudo header holds the last hop's address, which is not in sight.
                        below.addresses = None;
                    }
                    usize::from(header[1]) * 8 + 8
                }
                PROTOCOL_FRAGMENT => {
                    header.get(..8)?;
                    self.flags |= flag::IPF;
                    below.at += 8;
                    below.protocol = PROTOCOL_STOPPED;
                    below.stop = true;
                    return Some(below);
                }
                _ => return Some(below),
            };
            header.get(..length)?;
            after_route = below.protocol == PROTOCOL_ROUTE;
            below.protocol = header[0];
            below.at += length;
        }
    }

    /// Ports and checksum of TCP or UDP; `None` when the header does not fit.
    fn transport(&mut self, below: &Below, rctrl: u32) -> Option<()> {
        let segment = self.frame.get(below.at..below.end)?;
        let udp = below.protocol == PROTOCOL_UDP;
        let (length, field) = if udp {
            let length = usize::from(u16::from_be_bytes([*segment.get(4)?, *segment.get(5)?]));
            (if length >= 8 { length } else { return None }, 6)
        } else {
            let header = usize::from(segment.get(12)? >> 4) * 4;
            segment.get(..header.max(20)).filter(|_| header >= 20)?;
            (segment.len(), 16)
        };
        let segment = segment.get(..length)?;
        let unsummed = udp && segment[field..field + 2] == [0, 0];
        let total = below.addresses.map(|sums| {
            let pseudo = sums + u32::from(below.protocol) + length as u32;
            fold(pseudo + sum(segment))
        });
        self.source_port = self.be16(below.at)?;
        self.destination_port = self.be16(below.at + 2)?;
        self.fcb_flags |= fcb::TUP;
        self.flags |= if udp { flag::UDP } else { flag::TCP };
        // HW 5.3: a UDP datagram without a checksum is not checked.
        if let Some(total) = total.filter(|_| rctrl & RCTRL_TUCSEN != 0 && !unsummed) {
            let good = total == 0xFFFF;
            self.fcb_flags |= fcb::CTU | if good { 0 } else { fcb::ETU };
            self.flags |= flag::TUC | if good { flag::TUV } else { 0 };
        }
        Some(())
    }
}

/// The sum of big-endian halfwords; an odd last byte counts as the high half of one.
fn sum(bytes: &[u8]) -> u32 {
    let mut total = 0u32;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        total += u32::from(u16::from_be_bytes([pair[0], low]));
    }
    total
}

/// The ones' complement sum, folded to 16 bits.
fn fold(mut total: u32) -> u16 {
    while total > 0xFFFF {
        total = (total & 0xFFFF) + (total >> 16);
    }
    total as u16
}
