//! What can be told of a controller that a process has left, before anything is taken over: whether
//! it runs, in which memory, and which rings it has nothing to do with.

use crate::arena::LeftRing;
use crate::bus::Bus;
use crate::device::Stopped;
use crate::dma::BusAddr;
use crate::port::RINGS;
use crate::regs::Readable;
use crate::regs::control::{DMACTRL, Dmactrl, TSEC_ID, TsecId};
use crate::regs::mac::{MACCFG1, Maccfg1};
use crate::regs::receive::{RBASE, RBASEH};
use crate::regs::transmit::TBASE;
use crate::ring::RingMemory;

/// Every eTSEC has this ID (HW 3.1).
const ETSEC: u32 = 0x0124;

/// Whether an eTSEC answers that receives and sends (HW 8.2).
#[must_use]
pub fn runs<B: Bus>(page: &B) -> bool {
    let id = TSEC_ID.on(page).get();
    id != u32::MAX
        && TsecId::ID.read(id) == ETSEC
        && MACCFG1.on(page).matches_all(Maccfg1::RX_EN::SET + Maccfg1::TX_EN::SET)
        && DMACTRL.on(page).matches_all(Dmactrl::GRS::CLEAR + Dmactrl::GTS::CLEAR)
}

/// Whether receive ring 0 of a controller is in the `len` bytes from `start` on (HW 3.21).
#[must_use]
pub fn receives_in<B: Bus>(page: &B, start: BusAddr, len: usize) -> bool {
    let low = RBASE.nth(0).on(page).get();
    RBASEH.on(page).get() == start.window()
        && low.checked_sub(start.low()).is_some_and(|from| (from as usize) < len)
}

impl<B: Bus + Clone> Stopped<B> {
    /// A ring that was left and is not the controller's at this moment, emptied: for a
    /// [test of reception](Stopped::reception_test).
    ///
    /// # Errors
    /// The ring, if the controller is in it.
    pub fn spare(&self, ring: LeftRing) -> Result<RingMemory, LeftRing> {
        let page = &self.pages().group0;
        let low = ring.memory.bus().low();
        let in_use = (0..RINGS)
            .any(|n| RBASE.nth(n).on(page).get() == low || TBASE.nth(n).on(page).get() == low);
        if in_use { Err(ring) } else { Ok(ring.memory.emptied()) }
    }
}
