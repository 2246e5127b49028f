//! QEMU's register page, as it is or with transmit rings 1 to 7 where the manual has them. QEMU's
//! bit n of TSTAT walks the ring whose base and pointer are n *words* behind those of ring 0 (HW
//! 15.3), the manual's are at every *second* word (HW 3.21). A driver that is led so has its rings
//! judged by QEMU's transmitter; it knows nothing of it.

use etsec_core::Bus;
use etsec_sim::qemu::QemuBus;

use crate::at;

/// Ring 4's pointer and base; those of rings 5 to 7 follow every 8 bytes.
const TBPTR4: u16 = 0x1A4;
const TBASE4: u16 = 0x224;
/// From ring 4's registers back to the reserved word behind ring 0's.
const BACK: u16 = 0x1C;

/// The page.
#[derive(Debug, Clone)]
pub struct Page {
    bus: QemuBus,
    leads: bool,
}

impl Page {
    /// QEMU's page; `leads`: with its rings elsewhere.
    #[must_use]
    pub fn new(bus: QemuBus, leads: bool) -> Self {
        Page { bus, leads }
    }
}

impl Bus for Page {
    fn read(&self, at: u16) -> u32 {
        self.bus.read(if self.leads { place(at) } else { at })
    }

    fn write(&self, at: u16, value: u32) {
        match at {
            _ if !self.leads => self.bus.write(at, value),
            at::TSTAT => self.bus.write(at, kicks(value)),
            _ => self.bus.write(place(at), value),
        }
    }

    fn publish(&self) {
        self.bus.publish();
    }

    fn observe(&self) {
        self.bus.observe();
    }
}

/// Where QEMU has the register that the manual has at `at`: rings 1 to 3 are where its even bits
/// look, rings 4 to 7 go to the reserved words where its odd bits do.
fn place(at: u16) -> u16 {
    let is_of = |first: u16| (first..first + 32).contains(&at) && (at - first).is_multiple_of(8);
    if is_of(TBPTR4) || is_of(TBASE4) { at - BACK } else { at }
}

/// The bits by which QEMU walks the rings of the manual's bits.
fn kicks(thlt: u32) -> u32 {
    let rings = (0..8).filter(|ring| thlt << ring & 0x8000_0000 != 0);
    rings.fold(0, |kicks, ring| {
        let bit = if ring < 4 { 2 * ring } else { 2 * (ring - 4) + 1 };
        kicks | 0x8000_0000 >> bit
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ring_has_a_place_and_a_bit_of_its_own() {
        let places: Vec<_> = (0..8).map(|n| place(at::TBASE0 + 8 * n)).collect();
        assert_eq!(places, [0x204, 0x20C, 0x214, 0x21C, 0x208, 0x210, 0x218, 0x220]);
        let pointers: Vec<_> = (0..8).map(|n| place(at::TBPTR0 + 8 * n)).collect();
        assert_eq!(pointers, [0x184, 0x18C, 0x194, 0x19C, 0x188, 0x190, 0x198, 0x1A0]);
        // QEMU's bit n looks n words behind ring 0's.
        for (n, place) in places.into_iter().enumerate() {
            let bit = kicks(0x8000_0000 >> n).leading_zeros() as u16;
            assert_eq!(place, at::TBASE0 + 4 * bit, "ring {n}");
        }
        assert_eq!(place(at::RBASE0), at::RBASE0);
    }
}
