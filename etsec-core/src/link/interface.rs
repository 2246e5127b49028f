//! The wires between MAC and PHY, as strapped at power-on (HW 3.3).
//!
//! Knows which speeds they carry, not what is connected to them.

use core::fmt;
use core::str::FromStr;

use tock_registers::LocalRegisterCopy;

use super::{Link, LinkError, Modes, Speed};
use crate::regs::control::Ecntrl;

/// The interface between MAC and PHY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Interface {
    /// Gigabit MII; falls back to MII at 10 and 100 Mb/s.
    Gmii,
    /// MII: 10 and 100 Mb/s.
    Mii,
    /// Reduced gigabit MII.
    Rgmii,
    /// Reduced MII: 10 and 100 Mb/s.
    Rmii,
    /// Serial gigabit MII, through the internal TBI.
    Sgmii,
    /// Ten-bit interface: 1000 Mb/s only.
    Tbi,
    /// Reduced ten-bit interface: 1000 Mb/s only.
    Rtbi,
}

impl Interface {
    /// The interface that the strap bits of an ECNTRL value show (HW 3.3).
    ///
    /// `gigabit` is true for every eTSEC and false for the 10/100 relatives, which have no strap of
    /// their own for MII.
    #[must_use]
    pub fn from_ecntrl(value: u32, gigabit: bool) -> Interface {
        let ecntrl = LocalRegisterCopy::<u32, Ecntrl::Register>::new(value);
        // HW 3.3: the order decides; a strap may come with bits of a later line.
        if ecntrl.is_set(Ecntrl::SGMIIM) {
            Interface::Sgmii
        } else if ecntrl.is_set(Ecntrl::TBIM) {
            if ecntrl.is_set(Ecntrl::RPM) { Interface::Rtbi } else { Interface::Tbi }
        } else if ecntrl.is_set(Ecntrl::RPM) {
            if ecntrl.is_set(Ecntrl::RMM) { Interface::Rmii } else { Interface::Rgmii }
        } else if gigabit {
            Interface::Gmii
        } else {
            Interface::Mii
        }
    }

    /// What a link over this interface may be.
    #[must_use]
    pub const fn modes(self) -> Modes {
        let slow =
            Modes::HALF_10.union(Modes::FULL_10).union(Modes::HALF_100).union(Modes::FULL_100);
        match self {
            Interface::Gmii | Interface::Rgmii | Interface::Sgmii => Modes::USABLE,
            Interface::Mii | Interface::Rmii => slow,
            Interface::Tbi | Interface::Rtbi => Modes::FULL_1000,
        }
    }

    /// Whether the MAC can run `link` over this interface.
    ///
    /// # Errors
    /// [`LinkError::HalfGigabit`], or [`LinkError::Interface`] where the speed does not fit.
    pub const fn check(self, link: Link) -> Result<(), LinkError> {
        if let Err(error) = link.check() {
            return Err(error);
        }
        // Full duplex stands for the speed: every interface that carries a speed carries it in full
        // duplex.
        if self.modes().contains(Modes::of(link.speed, super::Duplex::Full)) {
            Ok(())
        } else {
            Err(LinkError::Interface { interface: self, speed: link.speed })
        }
    }

    /// A speed that works, for an error's advice.
    pub(super) const fn fallback(self) -> Speed {
        match self {
            Interface::Mii | Interface::Rmii => Speed::Mbps100,
            _ => Speed::Mbps1000,
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Interface::Gmii => "gmii",
            Interface::Mii => "mii",
            Interface::Rgmii => "rgmii",
            Interface::Rmii => "rmii",
            Interface::Sgmii => "sgmii",
            Interface::Tbi => "tbi",
            Interface::Rtbi => "rtbi",
        })
    }
}

/// Reads the names of the device tree's `phy-connection-type` (HW 16.1).
///
/// Where RGMII gets its clock delays from (`rgmii-id` and so on) is the PHY's business and all one
/// here.
impl FromStr for Interface {
    type Err = LinkError;
    fn from_str(text: &str) -> Result<Self, LinkError> {
        match text {
            "gmii" => Ok(Interface::Gmii),
            "mii" => Ok(Interface::Mii),
            "rgmii" | "rgmii-id" | "rgmii-rxid" | "rgmii-txid" => Ok(Interface::Rgmii),
            "rmii" => Ok(Interface::Rmii),
            "sgmii" => Ok(Interface::Sgmii),
            "tbi" => Ok(Interface::Tbi),
            "rtbi" => Ok(Interface::Rtbi),
            _ => Err(LinkError::UnknownInterface),
        }
    }
}
