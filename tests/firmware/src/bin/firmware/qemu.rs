//! A register page with the transmit rings as the manual has them, over QEMU's model, which has
//! them elsewhere: bit n of TSTAT makes it walk the ring whose base and pointer are n *words*
//! behind those of ring 0, where the manual has them every *second* word (HW 3.21, 15.3). So its
//! ring 2 is in TBASE1, its odd rings are in reserved words, and nobody walks TBASE4 to TBASE7.
//!
//! The driver programs what the manual says; here each ring is led to a place where the model looks
//! for one. On silicon this must not be used.

use etsec_core::{Bus, Mmio};

const TSTAT: u16 = 0x104;
/// Ring 4's pointer and base; those of rings 5 to 7 follow every 8 bytes.
const TBPTR4: u16 = 0x1A4;
const TBASE4: u16 = 0x224;
/// From ring 4's registers back to the reserved word behind ring 0's.
const BACK: u16 = 0x1C;

/// The page.
#[derive(Debug, Clone)]
pub struct Page(Mmio);

impl Page {
    /// That of one of QEMU's eTSECs.
    pub fn new(page: Mmio) -> Self {
        Self(page)
    }
}

impl Bus for Page {
    #[inline(always)]
    fn read(&self, at: u16) -> u32 {
        self.0.read(place(at))
    }

    #[inline(always)]
    fn write(&self, at: u16, value: u32) {
        let value = if at == TSTAT { kicks(value) } else { value };
        self.0.write(place(at), value);
    }

    #[inline(always)]
    fn publish(&self) {
        self.0.publish();
    }

    #[inline(always)]
    fn observe(&self) {
        self.0.observe();
    }
}

/// Where the model has that register.
#[inline(always)]
fn place(at: u16) -> u16 {
    let moved = |first: u16| at.wrapping_sub(first) < 32 && (at - first).is_multiple_of(8);
    if moved(TBPTR4) || moved(TBASE4) { at - BACK } else { at }
}

/// The bits by which the model walks the rings that the manual's bits `thlt` mean: 0, 2, 4, 6 for
/// rings 0 to 3, and the odd ones for rings 4 to 7.
#[inline(always)]
fn kicks(thlt: u32) -> u32 {
    (0..8).filter(|ring| thlt << ring & 0x8000_0000 != 0).fold(0, |kicks, ring| {
        let bit = if ring < 4 { 2 * ring } else { 2 * (ring - 4) + 1 };
        kicks | 0x8000_0000 >> bit
    })
}
