//! All frames of a world: each has a number, from which its bytes can be made again, and a record
//! of what has become of it. It knows no station.

use etsec_core::MacAddr;
use etsec_sim::cable::Side;

use super::rules::{Broken, Check, Rule};

/// Headers, ethertype and number: no frame is shorter.
pub const SHORTEST: usize = 18;

/// What is known of a frame.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    /// Who sends it.
    pub from: Side,
    /// On which transmit ring; 0 for a stranger.
    pub ring: usize,
    /// To which receive ring.
    pub to_ring: usize,
    /// Its length before padding.
    pub len: usize,
    /// How often it has left its sender.
    pub left: u32,
    /// How often it may arrive: more than once if the cable doubles it.
    pub copies: u32,
    /// How often the other end has handed it over.
    pub delivered: u32,
}

/// The frames so far, by number.
#[derive(Debug, Default)]
pub struct Frames {
    records: Vec<Record>,
}

/// The station address of an end.
#[must_use]
pub fn address(side: Side) -> MacAddr {
    MacAddr([0x02, 0, 0, 0, 0, 1 + side as u8])
}

/// The source address that steers a frame to a receive ring.
#[must_use]
pub fn talker(ring: usize) -> MacAddr {
    crate::all_rings::talker(ring)
}

impl Frames {
    /// A new frame.
    pub fn add(&mut self, from: Side, ring: usize, to_ring: usize, len: usize) -> u32 {
        let len = len.max(SHORTEST);
        let fresh = Record { from, ring, to_ring, len, left: 0, copies: 1, delivered: 0 };
        self.records.push(fresh);
        self.records.len() as u32 - 1
    }

    /// The bytes of a frame, not padded.
    #[must_use]
    pub fn bytes(&self, number: u32) -> Vec<u8> {
        let record = self.get(number);
        let header = address(record.from.other()).0.into_iter().chain(talker(record.to_ring).0);
        let named = header.chain([0x88, 0xB5]).chain(number.to_be_bytes());
        let salt = number.wrapping_mul(0x9E37_79B1).to_be_bytes();
        let filler = (0..).map(|n: usize| (n as u8).wrapping_mul(31) ^ salt[n & 3]);
        named.chain(filler).take(record.len).collect()
    }

    /// What has become of a frame.
    #[must_use]
    pub fn get(&self, number: u32) -> &Record {
        &self.records[number as usize]
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, number: u32) -> &mut Record {
        &mut self.records[number as usize]
    }

    /// Which frame these bytes are, padded or not; `None` if they are none.
    #[must_use]
    pub fn identify(&self, bytes: &[u8]) -> Option<u32> {
        let number = bytes.get(14..18)?;
        let number = u32::from_be_bytes([number[0], number[1], number[2], number[3]]);
        let record = self.records.get(number as usize)?;
        let wanted = self.bytes(number);
        let (frame, padding) = bytes.split_at_checked(wanted.len())?;
        let padded = bytes.len() == record.len.max(60) || bytes.len() == record.len;
        (frame == wanted && padded && padding.iter().all(|byte| *byte == 0)).then_some(number)
    }

    /// A frame is handed over at its destination.
    ///
    /// # Errors
    /// If it was before, and the cable has not doubled it.
    pub fn deliver(&mut self, number: u32) -> Check {
        let record = self.get_mut(number);
        record.delivered += 1;
        if record.delivered > record.copies {
            let what = format!("frame {number} was delivered {} times", record.delivered);
            return Err(Broken::new(Rule::Twice, what));
        }
        Ok(())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}
