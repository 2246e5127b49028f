//! Flow control by pause frames, and how two ends settle on it (HW 8.10).
//!
//! Knows bits of ability, not the registers they come from.

use core::fmt;
use core::str::FromStr;

use super::{Link, LinkError};

/// Flow control of one end of a link, by direction of the *pause frames*.
///
/// As text: `none`, `rx`, `tx` or `rx+tx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Pause {
    /// Received pause frames are obeyed: MACCFG1\[Rx_Flow\].
    pub rx: bool,
    /// Pause frames may be sent: MACCFG1\[Tx_Flow\].
    pub tx: bool,
}

impl Pause {
    /// No flow control.
    pub const NONE: Pause = Pause { rx: false, tx: false };
    /// Pause frames in both directions.
    pub const BOTH: Pause = Pause { rx: true, tx: true };

    /// What two ends agree on, seen from the local one (HW 8.10, full duplex only).
    #[must_use]
    pub const fn resolve(local: PauseAbility, partner: PauseAbility) -> Pause {
        let both_asymmetric = local.asymmetric && partner.asymmetric;
        match (local.symmetric, partner.symmetric) {
            (true, true) => Pause::BOTH,
            (false, true) if both_asymmetric => Pause { rx: false, tx: true },
            (true, false) if both_asymmetric => Pause { rx: true, tx: false },
            _ => Pause::NONE,
        }
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match (self.rx, self.tx) {
            (false, false) => "none",
            (true, false) => "rx",
            (false, true) => "tx",
            (true, true) => "rx+tx",
        })
    }
}

impl FromStr for Pause {
    type Err = LinkError;
    fn from_str(text: &str) -> Result<Self, LinkError> {
        match text {
            "none" => Ok(Pause::NONE),
            "rx" => Ok(Pause { rx: true, tx: false }),
            "tx" => Ok(Pause { rx: false, tx: true }),
            "rx+tx" => Ok(Pause::BOTH),
            _ => Err(LinkError::UnknownPause),
        }
    }
}

/// The two pause bits an end advertises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PauseAbility {
    /// PAUSE: pause frames are obeyed, and also sent unless the asymmetric bit is resolved against
    /// it.
    pub symmetric: bool,
    /// ASYM: one direction only would do.
    pub asymmetric: bool,
}

impl PauseAbility {
    /// The bits that ask a partner for `wanted`.
    ///
    /// To obey only, an end offers both directions as well: a partner that insists on both is then
    /// still answered, and not to send pause frames is always allowed.
    #[must_use]
    pub const fn offering(wanted: Pause) -> PauseAbility {
        PauseAbility { symmetric: wanted.rx, asymmetric: wanted.rx != wanted.tx }
    }
}

/// Where the flow control of a link comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum FlowControl {
    /// What both ends agree on, of what is offered.
    Negotiated(Pause),
    /// This, whatever the partner says.
    Fixed(Pause),
}

impl FlowControl {
    /// What is offered to the partner, as the wish of an
    /// [`Advertisement`](crate::phy::Advertisement).
    #[must_use]
    pub const fn offered(self) -> Pause {
        match self {
            FlowControl::Negotiated(pause) | FlowControl::Fixed(pause) => pause,
        }
    }

    /// The link to give to the MAC where a PHY reports `link`.
    #[must_use]
    pub const fn over(self, link: Link) -> Link {
        match self {
            FlowControl::Negotiated(_) => link,
            FlowControl::Fixed(pause) => link.with_pause(pause),
        }
    }
}
