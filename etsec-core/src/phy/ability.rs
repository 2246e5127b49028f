//! What a PHY offers in negotiation and what its partner does: registers 4, 5, 9 and 10 (HW 8.10).
//!
//! It knows nothing of when a negotiation is complete.

use core::fmt;

use ieee802_3_miim::registers::auto_negotiation::{
    AutonegotiationAdvertisement, AutonegotiationLinkPartnerAbility, Selector, TechnologyAbility,
};
use ieee802_3_miim::registers::leader_follower::{LeaderFollowerControl, LeaderFollowerStatus};

use super::clause22::{read, write};
use crate::link::{Duplex, Interface, Link, Modes, Pause, PauseAbility, Speed};
use crate::mdio::{MdioBus, MdioError};

/// What is to be offered to the partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Advertisement {
    /// Speeds and duplexes. What the PHY does not have is left out, and so is 1000/half, which the
    /// MAC does not.
    pub modes: Modes,
    /// Flow control wished for.
    pub pause: Pause,
}

impl Advertisement {
    /// Everything an eTSEC can use over `interface`, with flow control as wished.
    #[must_use]
    pub const fn for_interface(interface: Interface, pause: Pause) -> Self {
        Advertisement { modes: interface.modes(), pause }
    }

    /// Nothing but `link`.
    #[must_use]
    pub const fn only(link: Link) -> Self {
        Advertisement { modes: Modes::of(link.speed, link.duplex), pause: link.pause }
    }

    /// Writes ANAR, and CTRL1000 where the PHY has one. What else is in them stays.
    pub(super) fn write<M: MdioBus + ?Sized>(
        self,
        bus: &mut M,
        phy: u8,
        gigabit: bool,
    ) -> Result<(), MdioError> {
        let pause = PauseAbility::offering(self.pause);
        let technology = TechnologyAbility::default()
            .with__10base_t_hd(self.modes.contains(Modes::HALF_10))
            .with__10base_t_fd(self.modes.contains(Modes::FULL_10))
            .with__100base_tx_hd(self.modes.contains(Modes::HALF_100))
            .with__100base_tx_fd(self.modes.contains(Modes::FULL_100))
            .with_symmetric_pause(pause.symmetric)
            .with_asymmetric_pause(pause.asymmetric);
        let anar = read::<AutonegotiationAdvertisement, M>(bus, phy)?
            .with_selector(Selector::Sel802_3)
            .with_technology_ability(technology)
            .with_remote_fault(false);
        write(bus, phy, anar)?;
        if gigabit {
            let control = read::<LeaderFollowerControl, M>(bus, phy)?
                .with__1000base_t_fd(self.modes.contains(Modes::FULL_1000))
                .with__1000base_t_hd(false);
            write(bus, phy, control)?;
        }
        Ok(())
    }
}

/// What one end of a link says it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Abilities {
    /// Speeds and duplexes.
    pub modes: Modes,
    /// Pause bits.
    pub pause: PauseAbility,
}

impl Abilities {
    fn new(technology: TechnologyAbility) -> Self {
        let mut modes = Modes::empty();
        modes.set(Modes::HALF_10, technology._10base_t_hd());
        modes.set(Modes::FULL_10, technology._10base_t_fd());
        modes.set(Modes::HALF_100, technology._100base_tx_hd());
        modes.set(Modes::FULL_100, technology._100base_tx_fd());
        let pause = PauseAbility {
            symmetric: technology.symmetric_pause(),
            asymmetric: technology.asymmetric_pause(),
        };
        Abilities { modes, pause }
    }

    /// What the PHY advertises: ANAR, and CTRL1000 if `gigabit`.
    pub(super) fn local<M: MdioBus + ?Sized>(
        bus: &mut M,
        phy: u8,
        gigabit: bool,
    ) -> Result<Self, MdioError> {
        let anar: AutonegotiationAdvertisement = read(bus, phy)?;
        let mut abilities = Abilities::new(anar.technology_ability());
        if gigabit {
            let control: LeaderFollowerControl = read(bus, phy)?;
            abilities.modes.set(Modes::FULL_1000, control._1000base_t_fd());
            abilities.modes.set(Modes::HALF_1000, control._1000base_t_hd());
        }
        Ok(abilities)
    }

    /// What the partner advertises: ANLPAR, and STAT1000 if `gigabit`.
    pub(super) fn partner<M: MdioBus + ?Sized>(
        bus: &mut M,
        phy: u8,
        gigabit: bool,
    ) -> Result<Self, MdioError> {
        let anlpar: AutonegotiationLinkPartnerAbility = read(bus, phy)?;
        let mut abilities = Abilities::new(anlpar.technology_ability());
        if gigabit {
            let status: LeaderFollowerStatus = read(bus, phy)?;
            abilities.modes.set(Modes::FULL_1000, status._1000base_t_fd());
            abilities.modes.set(Modes::HALF_1000, status._1000base_t_hd());
        }
        Ok(abilities)
    }

    /// The link this end has with a partner, once negotiation is complete (HW 8.10).
    ///
    /// Two ends with nothing in common that still have a link are at 10 Mb/s, half duplex.
    #[must_use]
    pub fn resolve(self, partner: Abilities) -> Link {
        let common = (self.modes & partner.modes).best();
        let (speed, duplex) = common.unwrap_or((Speed::Mbps10, Duplex::Half));
        let link = Link { speed, duplex, pause: Pause::resolve(self.pause, partner.pause) };
        link.with_pause(link.effective_pause())
    }
}

/// Writes the modes and the pause bits, such as `1000/full 100/full pause asym`.
impl fmt::Display for Abilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.modes.fmt(f)?;
        if self.pause.symmetric {
            f.write_str(" pause")?;
        }
        if self.pause.asymmetric {
            f.write_str(" asym")?;
        }
        Ok(())
    }
}
