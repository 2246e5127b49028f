//! What a model has to be like for a trace: learned from a first look at all of its lines.

use super::super::line::{Access, Change, Line, Page, What};
use crate::bits::{at, ecntrl};
use crate::config::{Interface, SimConfig, WireSpeed};
use crate::violation::Direction;

const TSEC_ID: u16 = 0x000;
const TSEC_ID2: u16 = 0x004;
const MIIMADD: u16 = 0x528;
const MIIMSTAT: u16 = 0x530;
/// What a read of a PHY gives if there is none.
const NOBODY: u32 = 0xFFFF;

/// A model's configuration, and its memory beyond what the trace tells of.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    id: Option<u32>,
    id2: Option<u32>,
    straps: Option<u32>,
    phy: Option<u8>,
    miimadd: u32,
    tbipa: Option<u32>,
    mrblr: u64,
    high: [u64; 2],
    memory: Vec<(u64, u64)>,
    /// Where buffers are that belong to another device, as they come.
    foreign: Vec<(u64, u64)>,
}

/// Buffers beginning in one page of this size are taken together.
const GRAIN: u64 = 0x1_0000;
/// Most pages of that size.
const MOST: usize = 4096;

impl Setup {
    /// Learns from a line; all of them, in order.
    pub fn look(&mut self, line: &Line) {
        match &line.what {
            What::Read(access) => self.read(access),
            What::Write(access) => self.write(access),
            What::Memory { bus, len } => self.memory.push((*bus, len.get())),
            What::Descriptor { ring, change: Change::Given { bd, .. }, .. } => {
                let (high, len) = match ring.direction {
                    Direction::Tx => (self.high[0], u64::from(bd.word & 0xFFFF)),
                    Direction::Rx => (self.high[1], self.mrblr),
                };
                self.buffer(high << 32 | u64::from(bd.pointer), len.max(1));
            }
            _ => {}
        }
    }

    fn read(&mut self, access: &Access) {
        let Access { page, at, value } = *access;
        let first = match (page, at) {
            (Page::Group0, TSEC_ID) => &mut self.id,
            (Page::Group0, TSEC_ID2) => &mut self.id2,
            (Page::Group0, at::ECNTRL) => &mut self.straps,
            (Page::Group0 | Page::Mdio, MIIMSTAT) => {
                let phy = (self.miimadd >> 8 & 0x1F) as u8;
                let tbi = self.tbipa == Some(phy.into());
                if self.phy.is_none() && !tbi && value & NOBODY != NOBODY {
                    self.phy = Some(phy);
                }
                return;
            }
            _ => return,
        };
        first.get_or_insert(value);
    }

    fn write(&mut self, access: &Access) {
        let Access { page, at, value } = *access;
        match (page, at) {
            (Page::Group0 | Page::Mdio, MIIMADD) => self.miimadd = value,
            (Page::Group0, at::TBIPA) => self.tbipa = Some(value & 0x1F),
            (Page::Group0, at::MRBLR) => self.mrblr = u64::from(value & 0xFFFF),
            (Page::Group0, at::TBDBPH) => self.high[0] = u64::from(value & 0xF),
            (Page::Group0, at::RBDBPH) => self.high[1] = u64::from(value & 0xF),
            _ => {}
        }
    }

    /// A buffer was handed over.
    fn buffer(&mut self, from: u64, len: u64) {
        let end = from + len;
        let known = |&(bus, bytes): &(u64, u64)| bus <= from && end <= bus + bytes;
        if self.memory.iter().any(known) || self.foreign.len() >= MOST {
            return;
        }
        let page = (from / GRAIN * GRAIN, end.next_multiple_of(GRAIN));
        if self.foreign.last() != Some(&page) && !self.foreign.contains(&page) {
            self.foreign.push(page);
        }
    }

    /// The model's configuration. Frames take their time on its wire: a replay moves time as it
    /// needs to.
    pub(super) fn config(&self) -> SimConfig {
        let plain = SimConfig::default();
        SimConfig {
            id: self.id.unwrap_or(plain.id),
            id2: self.id2.unwrap_or(plain.id2),
            phy_address: self.phy.unwrap_or(plain.phy_address),
            interface: self.straps.and_then(interface).unwrap_or(plain.interface),
            wire: WireSpeed::Link,
            ..plain
        }
    }

    /// Memory that belongs to nobody in the trace and is used all the same: beginnings and ends,
    /// without overlap, also with what the trace tells of.
    pub(super) fn foreign(&self) -> Vec<(u64, u64)> {
        let mut wanted = self.foreign.clone();
        wanted.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for (from, end) in wanted {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(end),
                _ => merged.push((from, end)),
            }
        }
        let mut own = self.memory.clone();
        own.sort_unstable();
        merged.into_iter().flat_map(|range| without(range, &own)).collect()
    }
}

/// What of a range is in none of the `own` ones, which are sorted.
fn without((from, end): (u64, u64), own: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let (mut left, mut at) = (Vec::new(), from);
    for &(bus, len) in own {
        // Regions begin and end at multiples of 64, as the model's do.
        let (first, last) = (bus, (bus + len).next_multiple_of(64));
        if first > at && first < end {
            left.push((at, first));
        }
        if first < end {
            at = at.max(last);
        }
    }
    if at < end {
        left.push((at, end));
    }
    left
}

/// The interface that these straps mean (HW 3.3).
fn interface(value: u32) -> Option<Interface> {
    use Interface::{Gmii, Mii, Rgmii, Rmii, Rtbi, Sgmii, Tbi};
    let bits = ecntrl::GMIIM | ecntrl::TBIM | ecntrl::RPM | ecntrl::RMM | ecntrl::SGMIIM;
    let all = [Mii, Gmii, Rgmii, Rmii, Sgmii, Tbi, Rtbi];
    all.into_iter().find(|interface| interface.strap() == value & bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(lines: &[&str]) -> Setup {
        let mut setup = Setup::default();
        for text in lines {
            setup.look(&Line::parse(&format!("0.000000000 {text}")).unwrap());
        }
        setup
    }

    #[test]
    fn the_board_is_learned_from_what_was_read() {
        let config = setup(&[
            "read group0 0x000 0x01240105",
            "write group0 0x030 0x0000001f",
            "read group0 0x020 0x00000022",
            "write group0 0x528 0x00001f01",
            "read group0 0x530 0x00000140",
            "write group0 0x528 0x00000001",
            "read group0 0x530 0x0000ffff",
            "write group0 0x528 0x00000702",
            "read group0 0x530 0x00000141",
            "read group0 0x020 0x00001010",
        ])
        .config();
        assert_eq!((config.id, config.phy_address), (0x0124_0105, 7));
        assert_eq!(config.interface, Interface::Sgmii);
        assert_eq!(config.id2, SimConfig::default().id2);
    }

    #[test]
    fn memory_of_other_devices_is_found() {
        let setup = setup(&[
            "memory 0x010000000 0x20000",
            "write group0 0x340 0x00000600",
            "rx 0 0 give 0x90000000 0x10000040",
            "rx 0 1 give 0x90000000 0x20000040",
            "tx 0 0 give 0x98000040 0x2000fff0",
            "tx 0 1 give 0x98000040 0x1001fff0",
        ]);
        assert_eq!(setup.foreign(), [(0x1002_0000, 0x1003_0000), (0x2000_0000, 0x2002_0000)]);
    }

    #[test]
    fn ranges_are_cut_around_others() {
        assert_eq!(without((10, 20), &[]), [(10, 20)]);
        assert_eq!(without((0, 1000), &[(64, 64), (640, 60)]), [(0, 64), (128, 640), (704, 1000)]);
        assert_eq!(without((64, 128), &[(0, 640)]), []);
    }
}
