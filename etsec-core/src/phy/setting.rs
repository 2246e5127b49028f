//! What a PHY is set to: the registers that make it negotiate or not, and what it offers (HW 8.10).
//!
//! It is for telling that somebody else has reset or set the PHY. It knows not what it should be
//! set to.

use super::Phy;
use crate::mdio::{MdioBus, MdioError};

/// BMCR: what it does at all, without what clears itself.
const DOES: u16 = 0x4000 | AN_ENABLE | 0x0800 | 0x0400;
/// BMCR: set until a reset is over, and negotiation.
const RESETS: u16 = 0x8000;
const AN_ENABLE: u16 = 0x1000;
/// BMCR: speed and duplex, which count where nothing is negotiated. Elsewhere PHYs show what they
/// like there.
const FORCED: u16 = 0x2000 | 0x0100 | 0x0040;
/// ANAR without acknowledge, next page and remote fault.
const OFFER: u16 = 0x1FFF;
/// CTRL1000: both duplexes, and who is the clock's master.
const GIGABIT: u16 = 0x1F00;

/// What a PHY is set to. It is to be compared with what it was set to before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PhySetting {
    control: u16,
    offer: u16,
    gigabit: u16,
}

impl Phy {
    /// What the PHY is set to at this moment; `None` where none answers, and while it resets
    /// itself.
    ///
    /// # Errors
    /// What the bus says.
    pub fn setting<M: MdioBus + ?Sized>(
        &mut self,
        bus: &mut M,
    ) -> Result<Option<PhySetting>, MdioError> {
        let phy = self.address();
        let Some(status) = self.status_register(bus)? else { return Ok(None) };
        let control = bus.read(phy, 0)?;
        if control & RESETS != 0 {
            return Ok(None);
        }
        let counts = if control & AN_ENABLE == 0 { DOES | FORCED } else { DOES };
        let gigabit = if status.extended_status() { bus.read(phy, 9)? & GIGABIT } else { 0 };
        let offer = bus.read(phy, 4)? & OFFER;
        Ok(Some(PhySetting { control: control & counts, offer, gigabit }))
    }
}
