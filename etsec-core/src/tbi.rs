//! The internal ten-bit interface, which SGMII goes through (HW 8.9).
//!
//! It is a PHY-like block on the controller's own management bus, at the address in TBIPA. It knows
//! nothing of the external PHY behind it, which is still the one to ask for speed and duplex.

use embedded_hal::delay::DelayNs;

use crate::mdio::MdioBus;
use crate::phy::PhyError;

/// Control register.
const CR: u8 = 0;
/// Status register.
const SR: u8 = 1;
/// Advertisement, in the layout of 1000BASE-X.
const ANA: u8 = 4;
/// TBI control.
const TBICON: u8 = 0x11;

const CR_RESET: u16 = 0x8000;
/// AN enable, restart AN, full duplex, 1000 Mb/s.
const CR_SGMII: u16 = 0x1340;
const SR_LINK: u16 = 0x0004;
/// Full duplex, symmetric and asymmetric pause.
const ANA_SGMII: u16 = 0x01A0;
/// Clock select.
const TBICON_SGMII: u16 = 0x0020;

/// Time a reset may take, in milliseconds: as for any clause-22 PHY (HW 8.10).
const RESET_MS: u32 = 500;

/// What [`Tbi::set_up_sgmii`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SgmiiSetup {
    /// The serial link was up and has been left alone.
    AlreadyUp,
    /// Negotiation has been started; the serial link takes seconds to come up.
    Started,
}

/// A controller's internal TBI.
#[derive(Debug, Clone, Copy)]
pub struct Tbi {
    address: u8,
}

impl Tbi {
    /// The TBI at `address`, 0..=31, as the controller's TBIPA has it; another address fails on
    /// first use.
    ///
    /// The bus of all its methods is the controller's own: its page, or its own MDIO page on an
    /// eTSEC2 (HW 1.2, 1.3).
    #[must_use]
    pub const fn new(address: u8) -> Self {
        Tbi { address }
    }

    /// Address on the controller's management bus.
    #[must_use]
    pub const fn address(self) -> u8 {
        self.address
    }

    /// Whether the serial link is up now.
    ///
    /// # Errors
    /// [`PhyError::Absent`] when nothing answers at the address: TBIPA holds another;
    /// [`PhyError::Mdio`].
    pub fn link_up<M: MdioBus + ?Sized>(self, bus: &mut M) -> Result<bool, PhyError> {
        // HW 8.9: latched low, so the first read shows the past and the second the present.
        bus.read(self.address, SR)?;
        match bus.read(self.address, SR)? {
            u16::MAX => Err(PhyError::Absent { phy: self.address }),
            status => Ok(status & SR_LINK != 0),
        }
    }

    /// Configures the TBI for SGMII, unless its link is up already (HW 8.9).
    ///
    /// # Errors
    /// As [`Tbi::link_up`].
    pub fn set_up_sgmii<M: MdioBus + ?Sized>(self, bus: &mut M) -> Result<SgmiiSetup, PhyError> {
        // A link that the boot loader brought up takes seconds to recover when it is disturbed.
        if self.link_up(bus)? {
            return Ok(SgmiiSetup::AlreadyUp);
        }
        bus.write(self.address, TBICON, TBICON_SGMII)?;
        bus.write(self.address, ANA, ANA_SGMII)?;
        bus.write(self.address, CR, CR_SGMII)?;
        Ok(SgmiiSetup::Started)
    }

    /// Resets the TBI, within 500 ms. It has to be set up again afterwards (HW 8.9).
    ///
    /// # Errors
    /// [`PhyError::ResetTimeout`], [`PhyError::Absent`], [`PhyError::Mdio`].
    pub fn reset<M: MdioBus + ?Sized>(
        self,
        bus: &mut M,
        delay: &mut dyn DelayNs,
    ) -> Result<(), PhyError> {
        let phy = self.address;
        bus.write(phy, CR, CR_RESET)?;
        let mut control = u16::MAX;
        for _ in 0..=RESET_MS {
            // HW 8.9: three TBI clocks at least, which are far less than a millisecond.
            delay.delay_ms(1);
            control = bus.read(phy, CR)?;
            if control & CR_RESET == 0 {
                return Ok(());
            }
        }
        Err(if control == u16::MAX {
            PhyError::Absent { phy }
        } else {
            PhyError::ResetTimeout { phy }
        })
    }
}

#[cfg(test)]
mod tests;
