//! What a link is: speed, duplex, flow control, and the register fields the MAC needs for it (HW
//! 8.8).
//!
//! Pure functions. It knows neither a PHY nor a bus, nor how the link came to be.

use core::fmt;
use core::str::FromStr;

use tock_registers::fields::FieldValue;

use crate::regs::control::Ecntrl;
use crate::regs::mac::{Maccfg1, Maccfg2};

mod interface;
mod modes;
mod pause;

pub use interface::Interface;
pub use modes::Modes;
pub use pause::{FlowControl, Pause, PauseAbility};

/// Speed of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Speed {
    /// 10 Mb/s.
    Mbps10,
    /// 100 Mb/s.
    Mbps100,
    /// 1000 Mb/s.
    Mbps1000,
}

impl Speed {
    /// The speed of `mbps` megabits per second, if the controller has it.
    #[must_use]
    pub const fn from_mbps(mbps: u32) -> Option<Speed> {
        match mbps {
            10 => Some(Speed::Mbps10),
            100 => Some(Speed::Mbps100),
            1000 => Some(Speed::Mbps1000),
            _ => None,
        }
    }

    /// Megabits per second.
    #[must_use]
    pub const fn mbps(self) -> u32 {
        match self {
            Speed::Mbps10 => 10,
            Speed::Mbps100 => 100,
            Speed::Mbps1000 => 1000,
        }
    }
}

/// Writes the megabits per second, without a unit.
impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mbps().fmt(f)
    }
}

impl FromStr for Speed {
    type Err = LinkError;
    fn from_str(text: &str) -> Result<Self, LinkError> {
        match text {
            "10" => Ok(Speed::Mbps10),
            "100" => Ok(Speed::Mbps100),
            "1000" => Ok(Speed::Mbps1000),
            _ => Err(LinkError::UnknownSpeed),
        }
    }
}

/// Whether both ends may send at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Duplex {
    /// One at a time, with collisions.
    Half,
    /// Both at once.
    Full,
}

/// Writes `half` or `full`.
impl fmt::Display for Duplex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Duplex::Half => "half",
            Duplex::Full => "full",
        })
    }
}

impl FromStr for Duplex {
    type Err = LinkError;
    fn from_str(text: &str) -> Result<Self, LinkError> {
        match text {
            "half" => Ok(Duplex::Half),
            "full" => Ok(Duplex::Full),
            _ => Err(LinkError::UnknownDuplex),
        }
    }
}

/// A link that is up: what both ends agreed on, or what was fixed.
///
/// As text, `1000/full` or `100/half`, with flow control as a third part where there is some:
/// `1000/full/rx+tx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Link {
    /// Speed.
    pub speed: Speed,
    /// Duplex. Half is not possible at 1000 Mb/s.
    pub duplex: Duplex,
    /// Flow control. Has no effect in half duplex.
    pub pause: Pause,
}

impl Link {
    /// A link without flow control.
    #[must_use]
    pub const fn new(speed: Speed, duplex: Duplex) -> Self {
        Link { speed, duplex, pause: Pause::NONE }
    }

    /// The same link with flow control.
    #[must_use]
    pub const fn with_pause(self, pause: Pause) -> Self {
        Link { pause, ..self }
    }

    /// Whether the MAC can do it at all, whatever its interface; see also [`Interface::check`].
    ///
    /// # Errors
    /// [`LinkError::HalfGigabit`]: the MAC has no half duplex at 1000 Mb/s (HW 8.8).
    pub const fn check(self) -> Result<(), LinkError> {
        match (self.speed, self.duplex) {
            (Speed::Mbps1000, Duplex::Half) => Err(LinkError::HalfGigabit),
            _ => Ok(()),
        }
    }

    /// The flow control that is in force: none in half duplex (HW 8.8).
    #[must_use]
    pub const fn effective_pause(self) -> Pause {
        match self.duplex {
            Duplex::Half => Pause::NONE,
            Duplex::Full => self.pause,
        }
    }

    /// The fields of MACCFG1 that depend on the link: Rx_Flow and Tx_Flow (HW 8.8).
    #[must_use]
    pub fn maccfg1(self) -> FieldValue<u32, Maccfg1::Register> {
        let pause = self.effective_pause();
        Maccfg1::RX_FLOW.val(pause.rx.into()) + Maccfg1::TX_FLOW.val(pause.tx.into())
    }

    /// The fields of MACCFG2 that depend on the link: I/F mode and Full_Duplex (HW 8.8).
    ///
    /// For a link that passes [`Link::check`].
    #[must_use]
    pub fn maccfg2(self) -> FieldValue<u32, Maccfg2::Register> {
        let mode = match self.speed {
            Speed::Mbps1000 => Maccfg2::IF_MODE::Byte,
            Speed::Mbps100 | Speed::Mbps10 => Maccfg2::IF_MODE::Nibble,
        };
        mode + Maccfg2::FULL_DUPLEX.val((self.duplex == Duplex::Full).into())
    }

    /// The field of ECNTRL that depends on the link: R100M (HW 8.8).
    ///
    /// Only RGMII, RMII and SGMII look at it; for the others it may be written all the same.
    #[must_use]
    pub fn ecntrl(self) -> FieldValue<u32, Ecntrl::Register> {
        Ecntrl::R100M.val((self.speed == Speed::Mbps100).into())
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.speed, self.duplex)?;
        match self.pause {
            Pause::NONE => Ok(()),
            pause => write!(f, "/{pause}"),
        }
    }
}

/// Reads `SPEED/DUPLEX` or `SPEED/DUPLEX/PAUSE`; refuses what no eTSEC can do.
impl FromStr for Link {
    type Err = LinkError;
    fn from_str(text: &str) -> Result<Self, LinkError> {
        let (speed, rest) = text.split_once('/').ok_or(LinkError::Syntax)?;
        let (duplex, pause) = match rest.split_once('/') {
            Some((duplex, pause)) => (duplex, pause.parse()?),
            None => (rest, Pause::NONE),
        };
        let link = Link { speed: speed.parse()?, duplex: duplex.parse()?, pause };
        link.check()?;
        Ok(link)
    }
}

/// Why a link or interface was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum LinkError {
    /// 1000 Mb/s in half duplex, which the MAC cannot do (HW 8.8).
    HalfGigabit,
    /// The interface between MAC and PHY does not carry this speed.
    Interface {
        /// The interface.
        interface: Interface,
        /// The speed asked of it.
        speed: Speed,
    },
    /// Text that is not `SPEED/DUPLEX` or `SPEED/DUPLEX/PAUSE`.
    Syntax,
    /// The speed in a text is none of 10, 100, 1000.
    UnknownSpeed,
    /// The duplex in a text is neither `half` nor `full`.
    UnknownDuplex,
    /// The flow control in a text is none of `none`, `rx`, `tx`, `rx+tx`.
    UnknownPause,
    /// The name of an interface is not known.
    UnknownInterface,
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkError::HalfGigabit => {
                f.write_str("the eTSEC has no half duplex at 1000 Mb/s; use 1000/full or 100/half")
            }
            LinkError::Interface { interface, speed } => {
                write!(f, "the {interface} interface cannot carry {speed} Mb/s; choose ")?;
                write!(f, "{} Mb/s or another interface", interface.fallback())
            }
            LinkError::Syntax => f.write_str("a link is SPEED/DUPLEX, such as 1000/full"),
            LinkError::UnknownSpeed => f.write_str("the speed of a link is 10, 100 or 1000"),
            LinkError::UnknownDuplex => f.write_str("the duplex of a link is half or full"),
            LinkError::UnknownPause => {
                f.write_str("the flow control of a link is none, rx, tx or rx+tx")
            }
            LinkError::UnknownInterface => {
                f.write_str("an interface is gmii, mii, rgmii, rmii, sgmii, tbi or rtbi")
            }
        }
    }
}

impl core::error::Error for LinkError {}

#[cfg(test)]
mod tests;
