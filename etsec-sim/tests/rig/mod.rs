//! A driver without manners: pokes registers and ring memory directly, so that tests can do the
//! right thing and every wrong one.
#![allow(dead_code, reason = "each test file uses some of it")]

use etsec_core::{Bus, BusAddr, Region};
use etsec_sim::{Sim, SimBus, SimConfig, SimRegion, WireSpeed};

pub const R: u16 = 0x8000;
pub const E: u16 = 0x8000;
pub const W: u16 = 0x2000;
pub const I: u16 = 0x1000;
pub const L: u16 = 0x0800;
pub const F: u16 = 0x0400;

pub const IEVENT: u16 = 0x010;
pub const IMASK: u16 = 0x014;
pub const ECNTRL: u16 = 0x020;
pub const DMACTRL: u16 = 0x02C;
pub const TCTRL: u16 = 0x100;
pub const TSTAT: u16 = 0x104;
pub const TQUEUE: u16 = 0x114;
pub const RCTRL: u16 = 0x300;
pub const RSTAT: u16 = 0x304;
pub const RQUEUE: u16 = 0x314;
pub const MRBLR: u16 = 0x340;
pub const MACCFG1: u16 = 0x500;
pub const MACCFG2: u16 = 0x504;
pub const MAXFRM: u16 = 0x510;

pub const STATION: [u8; 6] = [0x02, 0, 0, 0, 0, 0x42];

/// Descriptors in every ring.
pub const LEN: usize = 8;
/// Bytes of every buffer, and MRBLR.
pub const BUF: usize = 512;

const RING: usize = 0x100;
const TX_BUFS: usize = 0x2000;
const RX_BUFS: usize = TX_BUFS + 8 * LEN * BUF;
const SIZE: usize = RX_BUFS + 8 * LEN * BUF;

pub struct Rig {
    pub sim: Sim,
    pub bus: SimBus,
    pub region: SimRegion,
    tx_next: [usize; 8],
    rx_next: [usize; 8],
}

impl Rig {
    /// Eight rings each way, running, on an instant wire.
    pub fn running() -> Rig {
        let mut rig = Rig::stopped(SimConfig::default());
        rig.start();
        rig
    }

    pub fn on_link() -> Rig {
        let mut rig = Rig::stopped(SimConfig { wire: WireSpeed::Link, ..SimConfig::default() });
        rig.start();
        rig
    }

    /// Rings built, MAC set up, nothing enabled.
    pub fn stopped(config: SimConfig) -> Rig {
        let sim = Sim::new(config);
        let region = sim.region(SIZE);
        let mut rig = Rig { bus: sim.bus(), sim, region, tx_next: [0; 8], rx_next: [0; 8] };
        rig.write(MACCFG1, 0x8000_0000);
        rig.write(MACCFG1, 0);
        rig.write(MACCFG2, 0x7205);
        rig.write(ECNTRL, 0x1000);
        rig.write(MRBLR, BUF as u32);
        rig.write(0x540, 0x4200_0000);
        rig.write(0x544, 0x0002_0000);
        for ring in 0..8 {
            for index in 0..LEN {
                let last = if index == LEN - 1 { W } else { 0 };
                rig.bd(rig.tx_bd(ring, index), last, 0, 0);
                let buffer = rig.rx_buffer(ring, index);
                rig.bd(rig.rx_bd(ring, index), E | I | last, 0, rig.low(buffer));
            }
        }
        rig.bus.publish();
        rig.write_bases();
        rig
    }

    pub fn write_bases(&self) {
        for ring in 0..8 {
            self.write(0x204 + 8 * ring as u16, self.low(self.tx_bd(ring, 0)));
            self.write(0x404 + 8 * ring as u16, self.low(self.rx_bd(ring, 0)));
        }
    }

    /// HW 8.2.
    pub fn start(&mut self) {
        self.write(RQUEUE, 0x00FF);
        self.write(TQUEUE, 0xFF00);
        self.write(TCTRL, 0x2);
        self.write(DMACTRL, 0xC3);
        self.write(TSTAT, 0xFF00_0000);
        self.write(RSTAT, 0x00FF_0000);
        self.write(MACCFG1, self.read(MACCFG1) & 0x1FF | 5);
    }

    pub fn read(&self, at: u16) -> u32 {
        self.bus.read(at)
    }

    pub fn write(&self, at: u16, value: u32) {
        self.bus.write(at, value);
    }

    /// Bus address of an offset of the region.
    pub fn low(&self, offset: usize) -> u32 {
        self.region.bus().low() + offset as u32
    }

    pub fn tx_bd(&self, ring: usize, index: usize) -> usize {
        ring * RING + 8 * index
    }

    pub fn rx_bd(&self, ring: usize, index: usize) -> usize {
        8 * RING + ring * RING + 8 * index
    }

    pub fn tx_buffer(&self, ring: usize, index: usize) -> usize {
        TX_BUFS + (ring * LEN + index) * BUF
    }

    pub fn rx_buffer(&self, ring: usize, index: usize) -> usize {
        RX_BUFS + (ring * LEN + index) * BUF
    }

    /// Writes a whole descriptor in one go.
    pub fn bd(&mut self, at: usize, flags: u16, len: u16, pointer: u32) {
        self.pointer(at, pointer);
        self.flags(at, flags, len);
    }

    pub fn pointer(&mut self, at: usize, pointer: u32) {
        self.sim.store(&mut self.region, at + 4, &pointer.to_be_bytes());
    }

    pub fn flags(&mut self, at: usize, flags: u16, len: u16) {
        let word = u32::from(flags) << 16 | u32::from(len);
        self.sim.store(&mut self.region, at, &word.to_be_bytes());
    }

    /// Flags and length as they are now.
    pub fn status(&self, at: usize) -> (u16, u16) {
        let mut bytes = [0; 4];
        self.sim.load(&self.region, at, &mut bytes);
        (u16::from_be_bytes([bytes[0], bytes[1]]), u16::from_be_bytes([bytes[2], bytes[3]]))
    }

    pub fn put(&mut self, at: usize, bytes: &[u8]) {
        self.sim.store(&mut self.region, at, bytes);
    }

    pub fn get(&self, at: usize, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.sim.load(&self.region, at, &mut bytes);
        bytes
    }

    /// Stages a frame cut into pieces of the given lengths (0: the rest), as a good driver would.
    /// Returns its descriptors' indices.
    pub fn stage(
        &mut self,
        ring: usize,
        frame: &[u8],
        first_flags: u16,
        cuts: &[usize],
    ) -> Vec<usize> {
        let mut rest = frame;
        let mut indices = Vec::new();
        for (i, cut) in cuts.iter().enumerate() {
            let index = self.tx_next[ring] % LEN;
            self.tx_next[ring] += 1;
            let here = if *cut == 0 { rest.len() } else { *cut };
            let (now, later) = rest.split_at(here);
            rest = later;
            let buffer = self.tx_buffer(ring, index);
            self.put(buffer, now);
            let last = if i == cuts.len() - 1 { L } else { 0 };
            let extra = if i == 0 { first_flags } else { 0 };
            let wrap = if index == LEN - 1 { W } else { 0 };
            let at = self.tx_bd(ring, index);
            self.bd(at, I | last | extra | wrap, now.len() as u16, self.low(buffer));
            indices.push(index);
        }
        self.bus.publish();
        for index in indices.iter().rev() {
            let at = self.tx_bd(ring, *index);
            let (flags, len) = self.status(at);
            self.flags(at, flags | R, len);
        }
        self.bus.publish();
        indices
    }

    pub fn bus_publish(&self) {
        self.bus.publish();
    }

    pub fn kick(&self, ring: usize) {
        self.write(TSTAT, 0x8000_0000 >> ring);
    }

    /// Sends a frame in one descriptor. Returns its index.
    pub fn send(&mut self, ring: usize, frame: &[u8]) -> usize {
        let index = self.stage(ring, frame, 0, &[0])[0];
        self.kick(ring);
        index
    }

    /// The next frame of an RX ring: flags of its last descriptor, its bytes as stored, its
    /// descriptors; none if the hardware still owns the next one. The descriptors are handed back
    /// as a good driver would.
    pub fn take(&mut self, ring: usize) -> Option<(u16, Vec<u8>)> {
        let mut bytes = Vec::new();
        let mut used = Vec::new();
        let last = loop {
            let index = (self.rx_next[ring] + used.len()) % LEN;
            let (flags, len) = self.status(self.rx_bd(ring, index));
            if flags & E != 0 || used.len() == LEN {
                return None;
            }
            self.bus.observe();
            used.push(index);
            let own =
                if flags & L != 0 { usize::from(len) - bytes.len() } else { usize::from(len) };
            bytes.extend(self.get(self.rx_buffer(ring, index), own));
            if flags & L != 0 {
                break flags;
            }
        };
        self.rx_next[ring] += used.len();
        for index in &used {
            let wrap = if *index == LEN - 1 { W } else { 0 };
            self.flags(self.rx_bd(ring, *index), E | I | wrap, 0);
        }
        self.bus.publish();
        self.write(RSTAT, 0x0080_0000 >> ring);
        Some((last, bytes))
    }

    pub fn events(&self) -> u32 {
        self.read(IEVENT)
    }

    pub fn clear_events(&self) {
        self.write(IEVENT, 0xFFFF_FFFF);
    }
}

/// A frame of `len` bytes without FCS for this station.
pub fn frame(len: usize) -> Vec<u8> {
    frame_to(STATION, len)
}

pub fn frame_to(da: [u8; 6], len: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..len).map(|i| (i * 7 + len) as u8).collect();
    frame[..6].copy_from_slice(&da);
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 0x99]);
    frame[12..14].copy_from_slice(&[0x88, 0xB5]);
    frame
}

/// CRC-32 bit by bit, as the FCS's four wire bytes.
pub fn fcs(bytes: &[u8]) -> [u8; 4] {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    (!crc).to_le_bytes()
}

pub fn bus_addr(raw: u64) -> BusAddr {
    BusAddr::new(raw).unwrap()
}
