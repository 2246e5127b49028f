//! All that a PHY tells about itself, for tools (HW 8.10).
//!
//! It reads and prints nothing.

use ieee802_3_miim::registers::BasicControl;

use super::clause22::{self, Configured, read};
use super::{Abilities, Phy, PhyError, PhyId};
use crate::link::{Link, Modes};
use crate::mdio::MdioBus;

/// State of a PHY at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PhyStatus {
    /// Maker and model; 0 for a PHY that does not say.
    pub id: PhyId,
    /// Register 0, BMCR, as it is.
    pub control: u16,
    /// Register 1, BMSR, as it is: the link bit is that of now.
    pub status: u16,
    /// The PHY negotiates; otherwise its speed and duplex are forced.
    pub negotiating: bool,
    /// Negotiation is complete.
    pub complete: bool,
    /// The modes the PHY is able to do.
    pub capable: Modes,
    /// What it advertises; empty for a PHY without these registers.
    pub advertised: Abilities,
    /// What its partner advertises: valid when negotiation is complete; empty for a PHY without
    /// these registers.
    pub partner: Abilities,
    /// The link, if there is one and negotiation is complete.
    pub link: Option<Link>,
}

impl Phy {
    /// Reads the state of the PHY. What [`Phy::poll`] will report stays unharmed.
    ///
    /// # Errors
    /// [`PhyError::Absent`], [`PhyError::ReservedSpeed`], [`PhyError::Mdio`].
    pub fn status<M: MdioBus + ?Sized>(&mut self, bus: &mut M) -> Result<PhyStatus, PhyError> {
        let phy = self.address();
        // HW 8.10: the first read shows the past, the second the present.
        self.present(bus)?;
        let status = self.present(bus)?;
        let control: BasicControl = read(bus, phy)?;
        let configured = self.configured(bus)?;
        let gigabit = status.extended_status();
        let (advertised, partner) = if status.extended_capabilities() {
            (Abilities::local(bus, phy, gigabit)?, Abilities::partner(bus, phy, gigabit)?)
        } else {
            Default::default()
        };
        Ok(PhyStatus {
            id: super::id(bus, phy)?.unwrap_or(PhyId(0)),
            control: control.into(),
            status: status.into(),
            negotiating: configured == Configured::Negotiating,
            complete: status.autonegotiation_complete(),
            capable: clause22::capable(bus, phy, status)?,
            advertised,
            partner,
            link: if status.link_status() { self.resolve(bus, status)? } else { None },
        })
    }
}
