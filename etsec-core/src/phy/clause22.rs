//! The basic registers of a clause-22 PHY as typed values (HW 8.10), and the traps in reading them.
//!
//! Stateless: it knows a bus and an address, not what is to be done with the PHY.

use ieee802_3_miim::LinkSpeed;
use ieee802_3_miim::registers::{
    BasicControl, BasicStatus, DuplexConfig, ExtendedStatus, LinkConfig, Register,
};

use crate::link::{Duplex, Modes, Speed};
use crate::mdio::{MdioBus, MdioError};

/// Reads register `R` of the PHY at `phy`.
pub(super) fn read<R: Register, M: MdioBus + ?Sized>(bus: &mut M, phy: u8) -> Result<R, MdioError> {
    bus.read(phy, R::ADDRESS.get()).map(R::from)
}

/// Writes register `R` of the PHY at `phy`.
pub(super) fn write<R: Register, M: MdioBus + ?Sized>(
    bus: &mut M,
    phy: u8,
    value: R,
) -> Result<(), MdioError> {
    bus.write(phy, R::ADDRESS.get(), value.into())
}

/// Reads BMSR; `None` where no PHY answers: a PHY has at least one ability and never all of them.
pub(super) fn status<M: MdioBus + ?Sized>(
    bus: &mut M,
    phy: u8,
) -> Result<Option<BasicStatus>, MdioError> {
    let status: BasicStatus = read(bus, phy)?;
    Ok((!matches!(u16::from(status), 0 | u16::MAX)).then_some(status))
}

/// The modes a PHY with this BMSR is able to do.
pub(super) fn capable<M: MdioBus + ?Sized>(
    bus: &mut M,
    phy: u8,
    status: BasicStatus,
) -> Result<Modes, MdioError> {
    let mut modes = Modes::empty();
    modes.set(Modes::HALF_10, status._10base_t_hd());
    modes.set(Modes::FULL_10, status._10base_t_fd());
    modes.set(Modes::HALF_100, status._100base_x_hd());
    modes.set(Modes::FULL_100, status._100base_x_fd());
    if status.extended_status() {
        let extended: ExtendedStatus = read(bus, phy)?;
        modes.set(Modes::HALF_1000, extended._1000base_t_hd());
        modes.set(Modes::FULL_1000, extended._1000base_t_fd());
    }
    Ok(modes)
}

/// What BMCR has a PHY do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Configured {
    Negotiating,
    Forced(Speed, Duplex),
}

/// BMCR: AN enable, and both speed bits.
const AN_ENABLE: u16 = 0x1000;
const SPEED_BITS: u16 = 0x2040;

/// Decodes BMCR; `None` for a forced speed with the reserved code, on which `get_link_config` would
/// panic.
pub(super) fn configured(control: BasicControl) -> Option<Configured> {
    if u16::from(control) & (AN_ENABLE | SPEED_BITS) == SPEED_BITS {
        return None;
    }
    Some(match control.get_link_config() {
        LinkConfig::Autonegotiate { .. } => Configured::Negotiating,
        LinkConfig::Manual { duplex, speed } => {
            let speed = match speed {
                LinkSpeed::Mbps10 => Speed::Mbps10,
                LinkSpeed::Mbps100 => Speed::Mbps100,
                LinkSpeed::Mbps1000 => Speed::Mbps1000,
            };
            let duplex = match duplex {
                DuplexConfig::Half => Duplex::Half,
                DuplexConfig::Full { .. } => Duplex::Full,
            };
            Configured::Forced(speed, duplex)
        }
    })
}

/// BMCR for a forced speed and duplex, with everything else off.
pub(super) fn forced(speed: Speed, duplex: Duplex) -> BasicControl {
    let speed = match speed {
        Speed::Mbps10 => LinkSpeed::Mbps10,
        Speed::Mbps100 => LinkSpeed::Mbps100,
        Speed::Mbps1000 => LinkSpeed::Mbps1000,
    };
    let duplex = match duplex {
        Duplex::Half => DuplexConfig::Half,
        Duplex::Full => DuplexConfig::Full { unidirectional: false },
    };
    let mut control = BasicControl::default();
    control.set_link_config(LinkConfig::Manual { duplex, speed });
    control
}

/// BMCR that starts a negotiation, with everything else off.
pub(super) fn negotiating() -> BasicControl {
    let mut control = BasicControl::default();
    control.set_link_config(LinkConfig::Autonegotiate { restart: true });
    control
}
