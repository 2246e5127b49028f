//! Why a PHY did not do what it was asked, and what to do about it.
//!
//! It knows no bus and no register.

use core::fmt;

use super::RESET_MS;
use crate::link::{Link, LinkError};
use crate::mdio::MdioError;

/// Why a PHY did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PhyError {
    /// The bus failed.
    Mdio(MdioError),
    /// No PHY answers at this address (any more).
    Absent {
        /// Address of the PHY.
        phy: u8,
    },
    /// The PHY did not come out of reset within 500 ms.
    ResetTimeout {
        /// Address of the PHY.
        phy: u8,
    },
    /// The PHY cannot negotiate at all.
    CannotNegotiate {
        /// Address of the PHY.
        phy: u8,
    },
    /// The PHY has none of the modes it was to advertise.
    NothingToAdvertise {
        /// Address of the PHY.
        phy: u8,
    },
    /// The PHY does not have the mode it was to be forced to.
    Unsupported {
        /// Address of the PHY.
        phy: u8,
        /// The mode asked for.
        link: Link,
    },
    /// The PHY shows a speed code that has no meaning.
    ReservedSpeed {
        /// Address of the PHY.
        phy: u8,
    },
    /// The link asked for is none the MAC can run.
    Link(LinkError),
}

impl From<MdioError> for PhyError {
    fn from(error: MdioError) -> Self {
        PhyError::Mdio(error)
    }
}

impl From<LinkError> for PhyError {
    fn from(error: LinkError) -> Self {
        PhyError::Link(error)
    }
}

impl fmt::Display for PhyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PhyError::Mdio(error) => error.fmt(f),
            PhyError::Absent { phy } => {
                write!(f, "no PHY answers at address {phy}; scan the bus, or use a fixed link")
            }
            PhyError::ResetTimeout { phy } => {
                write!(f, "PHY {phy} is still in reset after {RESET_MS} ms; check its supply")
            }
            PhyError::CannotNegotiate { phy } => {
                write!(f, "PHY {phy} cannot negotiate; force a speed and duplex")
            }
            PhyError::NothingToAdvertise { phy } => {
                write!(f, "PHY {phy} has none of the modes to be advertised; allow more of them")
            }
            PhyError::Unsupported { phy, link } => {
                write!(f, "PHY {phy} cannot do {}/{}; choose a mode", link.speed, link.duplex)?;
                f.write_str(" its status lists")
            }
            PhyError::ReservedSpeed { phy } => {
                write!(f, "PHY {phy} shows a reserved speed; reset it or force a speed")
            }
            PhyError::Link(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for PhyError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            PhyError::Mdio(error) => Some(error),
            PhyError::Link(error) => Some(error),
            _ => None,
        }
    }
}
