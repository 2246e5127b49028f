//! The receive parser: what an eTSEC makes out of a frame's headers (HW 5.3, 6.3).
//!
//! It fills the properties that the filer compares and the RxFCB. It never changes a frame and
//! knows neither rings nor registers but the value of RCTRL. Any bytes are parsed without a panic.

mod ip;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

const RCTRL_IPCSEN: u32 = 0x200;
const RCTRL_TUCSEN: u32 = 0x100;
const RCTRL_PRSDEP: u32 = 0xC0;
const PRSDEP_L3: u32 = 0x80;
const PRSDEP_L4: u32 = 0xC0;

/// The flags of property 1 (HW 6.3).
mod flag {
    pub const HDR_GE_512: u32 = 0x0020_0000;
    pub const LERR: u32 = 0x0010_0000;
    pub const RAR: u32 = 0x0008_0000;
    pub const RARQ: u32 = 0x0004_0000;
    pub const AR: u32 = 0x0002_0000;
    pub const ARQ: u32 = 0x0001_0000;
    pub const EBC: u32 = 0x8000;
    pub const VLN: u32 = 0x4000;
    pub const CFI: u32 = 0x2000;
    pub const JUM: u32 = 0x1000;
    pub const IPF: u32 = 0x0800;
    pub const IP4: u32 = 0x0200;
    pub const IP6: u32 = 0x0100;
    pub const ICC: u32 = 0x0080;
    pub const ICV: u32 = 0x0040;
    pub const TCP: u32 = 0x0020;
    pub const UDP: u32 = 0x0010;
    pub const TUC: u32 = 0x0008;
    pub const TUV: u32 = 0x0004;
    pub const PER: u32 = 0x0002;
    pub const EER: u32 = 0x0001;
}

/// The flags of the RxFCB's first halfword (HW 5.3).
mod fcb {
    pub const VLN: u16 = 0x8000;
    pub const IP: u16 = 0x4000;
    pub const IP6: u16 = 0x2000;
    pub const TUP: u16 = 0x1000;
    pub const CIP: u16 = 0x0800;
    pub const CTU: u16 = 0x0400;
    pub const EIP: u16 = 0x0200;
    pub const ETU: u16 = 0x0100;
    pub const PERR_L3: u16 = 0x0008;
    pub const PERR_L4: u16 = 0x0004;
}

const TYPE_IPV4: u16 = 0x0800;
const TYPE_ARP: u16 = 0x0806;
const TYPE_RARP: u16 = 0x8035;
const TYPE_VLAN: u16 = 0x8100;
const TYPE_IPV6: u16 = 0x86DD;
const TYPE_MPLS_UNICAST: u16 = 0x8847;
const TYPE_MPLS_MULTICAST: u16 = 0x8848;
const TYPE_PPPOE_SESSION: u16 = 0x8864;
const TYPE_JUMBO: u16 = 0x8870;

/// What the parser found in one frame.
///
/// A property whose header is absent has its default (HW 6.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed<'a> {
    frame: &'a [u8],
    flags: u32,
    fcb_flags: u16,
    /// RxFCB[PRO].
    protocol: u8,
    ethertype: u16,
    /// The outer tag's control word, and where its four bytes begin.
    vlan: Option<(u16, usize)>,
    tos: u8,
    l4_protocol: u8,
    destination: u32,
    source: u32,
    destination_port: u16,
    source_port: u16,
    l2_end: usize,
    l3_end: Option<usize>,
}

/// Parses `frame`, the octets from DA on without FCS, as RCTRL value `rctrl` asks (HW 3.11).
#[must_use]
pub fn parse(frame: &[u8], rctrl: u32) -> Parsed<'_> {
    let mut parsed = Parsed {
        frame,
        flags: 0,
        fcb_flags: 0,
        protocol: 0,
        ethertype: 0xFFFF,
        vlan: None,
        tos: 0,
        l4_protocol: 0xFF,
        destination: 0,
        source: 0,
        destination_port: 0,
        source_port: 0,
        l2_end: frame.len().min(14),
        l3_end: None,
    };
    // HW 5.3 gating: the parser runs when PRSDEP is not 0, layer 3 from 10 on.
    if rctrl & RCTRL_PRSDEP != 0 {
        let network = parsed.walk_link();
        if let Some(version) = network.filter(|_| rctrl & RCTRL_PRSDEP >= PRSDEP_L3) {
            parsed.walk_network(version, rctrl);
        }
        if parsed.l3_end.unwrap_or(parsed.l2_end) >= 512 {
            parsed.flags |= flag::HDR_GE_512;
        }
    }
    parsed
}

/// What the L2 walk ended on, when layer 3 goes on from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V4,
    V6,
}

impl Parsed<'_> {
    /// Marks a frame that came with an Ethernet framing error (property 1, EER).
    pub fn set_framing_error(&mut self) {
        self.flags |= flag::EER;
    }

    /// Where the four bytes of the VLAN tag begin that RCTRL\[VLEX\] deletes.
    #[must_use]
    pub fn vlan_at(&self) -> Option<usize> {
        self.vlan.map(|(_, at)| at)
    }

    /// The RxFCB for a frame filed to virtual queue `queue` (HW 5.3).
    #[must_use]
    pub fn fcb(&self, queue: u8) -> [u8; 8] {
        let [f0, f1] = self.fcb_flags.to_be_bytes();
        let [v0, v1] = self.vlan.map_or(0, |(control, _)| control).to_be_bytes();
        [f0, f1, queue & 0x3F, self.protocol, 0, 0, v0, v1]
    }

    /// The value of property `pid` (HW 6.3); `rbifx` says which bytes make up property 2.
    ///
    /// Property 0 is the filer's own mask and reads 0 here.
    #[must_use]
    pub fn property(&self, pid: u32, rbifx: u32) -> u32 {
        match pid & 0xF {
            1 => self.flags,
            2 => self.arbitrary(rbifx),
            3 => self.octets3(0),
            4 => self.octets3(3),
            5 => self.octets3(6),
            6 => self.octets3(9),
            7 => self.ethertype.into(),
            8 => self.vlan.map_or(0, |(control, _)| u32::from(control & 0xFFF)),
            9 => self.vlan.map_or(0, |(control, _)| u32::from(control >> 13)),
            10 => self.tos.into(),
            11 => self.l4_protocol.into(),
            12 => self.destination,
            13 => self.source,
            14 => self.destination_port.into(),
            15 => self.source_port.into(),
            _ => 0,
        }
    }

    /// The four bytes RBIFX chooses (HW 3.12); what is not there is 0.
    fn arbitrary(&self, rbifx: u32) -> u32 {
        let byte = |control: u8| {
            let offset = usize::from(control & 0x3F);
            let at = match control >> 6 {
                0 => return 0,
                // Offsets 0–7 reach the preamble.
                1 if offset < 7 => return 0x55,
                1 if offset == 7 => return 0xD5,
                1 => Some(offset - 8),
                2 => Some(self.l2_end + offset),
                _ => self.l3_end.map(|end| end + offset),
            };
            at.and_then(|at| self.frame.get(at).copied()).unwrap_or(0)
        };
        u32::from_be_bytes(rbifx.to_be_bytes().map(byte))
    }

    fn octets3(&self, at: usize) -> u32 {
        match self.frame.get(at..at + 3) {
            Some(&[a, b, c]) => u32::from_be_bytes([0, a, b, c]),
            _ => 0,
        }
    }

    fn be16(&self, at: usize) -> Option<u16> {
        let bytes = self.frame.get(at..at + 2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn be32(&self, at: usize) -> Option<u32> {
        Some(u32::from(self.be16(at)?) << 16 | u32::from(self.be16(at + 2)?))
    }

    /// Walks the L2 headers as far as HW 5.3 says they stack.
    fn walk_link(&mut self) -> Option<Version> {
        if self.frame.get(..6) == Some(&[0xFF; 6]) {
            self.flags |= flag::EBC;
        }
        let mut at = 12;
        let mut kind = self.be16(at)?;
        loop {
            let after = at + 2;
            if kind <= 1500 {
                if usize::from(kind) > self.frame.len().saturating_sub(after) {
                    self.flags |= flag::LERR;
                }
                at = self.snap(after)?;
            } else {
                self.ethertype = kind;
                self.l2_end = after;
                match kind {
                    TYPE_VLAN => {
                        self.tag(at)?;
                        at += 4;
                    }
                    TYPE_JUMBO => {
                        self.flags |= flag::JUM;
                        at = self.snap(after)?;
                    }
                    TYPE_MPLS_UNICAST | TYPE_MPLS_MULTICAST => return self.walk_labels(after),
                    TYPE_PPPOE_SESSION => return self.walk_pppoe(after),
                    TYPE_IPV4 => return Some(Version::V4),
                    TYPE_IPV6 => return Some(Version::V6),
                    TYPE_ARP | TYPE_RARP => {
                        self.flags |= self.arp(after);
                        return None;
                    }
                    // 1501–1535 also come here: taken as a type, they end the walk.
                    _ => return None,
                }
            }
            kind = self.be16(at)?;
        }
    }

    /// Where the ethertype of the LLC/SNAP header at `at` is, if it is one.
    fn snap(&self, at: usize) -> Option<usize> {
        (self.frame.get(at..at + 6)? == [0xAA, 0xAA, 0x03, 0, 0, 0]).then_some(at + 6)
    }

    /// Notes the outermost VLAN tag, the one VLEX deletes, whose type field is at `at`.
    fn tag(&mut self, at: usize) -> Option<()> {
        let control = self.be16(at + 2)?;
        self.l2_end = at + 4;
        if self.vlan.is_none() {
            self.vlan = Some((control, at));
            self.flags |= flag::VLN | if control & 0x1000 != 0 { flag::CFI } else { 0 };
            self.fcb_flags |= fcb::VLN;
        }
        Some(())
    }

    /// Walks an MPLS label stack; below its bottom the first nibble tells IPv4 from IPv6.
    fn walk_labels(&mut self, mut at: usize) -> Option<Version> {
        loop {
            let label = self.be32(at)?;
            at += 4;
            self.l2_end = at;
            if label & 0x100 != 0 {
                break;
            }
        }
        match self.frame.get(at)? >> 4 {
            4 => Some(Version::V4),
            6 => Some(Version::V6),
            _ => None,
        }
    }

    /// Steps over a PPPoE session header; the PPP protocol takes the ethertype's place (HW 6.3).
    fn walk_pppoe(&mut self, at: usize) -> Option<Version> {
        let protocol = self.be16(at + 6)?;
        self.ethertype = protocol;
        self.l2_end = at + 8;
        match protocol {
            0x0021 => Some(Version::V4),
            0x0057 => Some(Version::V6),
            0x0281 | 0x0283 => self.walk_labels(at + 8),
            _ => None,
        }
    }

    fn arp(&self, at: usize) -> u32 {
        match self.be16(at + 6) {
            Some(1) => flag::ARQ,
            Some(2) => flag::AR,
            Some(3) => flag::RARQ,
            Some(4) => flag::RAR,
            _ => 0,
        }
    }
}
