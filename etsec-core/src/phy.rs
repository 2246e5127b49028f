//! A clause-22 PHY: found, reset, told what to negotiate, and watched (HW 8.10).
//!
//! It works over any [`MdioBus`] and keeps no clock: the caller brings milliseconds. It knows
//! nothing of the MAC; what [`Phy::poll`] reports is for the caller to hand to the device.
//!
//! Register layouts are those of the crate `ieee802_3_miim`, used as plain values. Three parts of
//! that crate are left alone on purpose. Its `Miim` trait reads without a way to fail, and an
//! eTSEC's management interface can time out. Its link resolution knows no pause, refuses a partner
//! that does not negotiate, and looks at the wrong bit for 10 Mb/s half duplex. And
//! `BasicControl::get_link_config` panics on a speed code that a broken PHY can show, so `clause22`
//! looks at the bits first.

use core::fmt;

use embedded_hal::delay::DelayNs;
use ieee802_3_miim::registers::{BasicControl, BasicStatus};

use crate::link::{Link, Modes, Pause, Speed};
use crate::mdio::{MdioBus, MdioError};

mod ability;
mod clause22;
mod error;
mod fixed;
mod setting;
mod status;

pub use ability::{Abilities, Advertisement};
pub use error::PhyError;
pub use fixed::FixedLink;
pub use setting::PhySetting;
pub use status::PhyStatus;

use clause22::{Configured, read, write};

/// Time a PHY may take to reset itself, in milliseconds (HW 8.10).
const RESET_MS: u32 = 500;
/// Time between two looks at a resetting PHY, in milliseconds.
const RESET_POLL_MS: u32 = 5;
/// Time after which a negotiation without a result is reported, in milliseconds (HW 8.10).
const NEGOTIATION_MS: u32 = 5000;

/// What registers 2 and 3 of a PHY say about its maker and model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PhyId(
    /// Register 2 in the upper half, register 3 in the lower.
    pub u32,
);

impl PhyId {
    /// Model number, 0..=63.
    #[must_use]
    pub const fn model(self) -> u8 {
        (self.0 >> 4) as u8 & 0x3F
    }

    /// Revision of the model, 0..=15.
    #[must_use]
    pub const fn revision(self) -> u8 {
        self.0 as u8 & 0x0F
    }
}

/// Writes the 32 bits in hexadecimal, as Linux names PHYs: `0x01410cc2`.
impl fmt::Display for PhyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// Reads the identifier of the PHY at `address`; `None` where no PHY answers (HW 8.10).
///
/// # Errors
/// What the bus says.
pub fn id<M: MdioBus + ?Sized>(bus: &mut M, address: u8) -> Result<Option<PhyId>, MdioError> {
    let high = bus.read(address, 2)?;
    let low = bus.read(address, 3)?;
    match u32::from(high) << 16 | u32::from(low) {
        0 | u32::MAX => Ok(None),
        id => Ok(Some(PhyId(id))),
    }
}

/// Finds the PHY with the lowest address on `bus`.
///
/// `tbi` is the address in the TBIPA of the controller whose bus this is, where its internal TBI
/// answers and hides whatever else is there: it is passed over. After reset TBIPA is 0, so write it
/// before looking (HW 1.2).
///
/// # Errors
/// What the bus says; the search ends there.
pub fn find<M: MdioBus + ?Sized>(bus: &mut M, tbi: Option<u8>) -> Result<Option<u8>, MdioError> {
    for address in (0..32).filter(|address| Some(*address) != tbi) {
        if id(bus, address)?.is_some() {
            return Ok(Some(address));
        }
    }
    Ok(None)
}

/// What has become of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LinkChange {
    /// The link is up as given.
    Up(Link),
    /// The link that was reported up is lost, or is being set up anew.
    Down,
    /// Negotiation has brought no link for 5 s: no cable, or no partner. The PHY goes on trying.
    /// Said once until the next link or the next [`Phy::autonegotiate`].
    NegotiationTimeout,
}

impl fmt::Display for LinkChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkChange::Up(link) => write!(f, "link up, {link}"),
            LinkChange::Down => f.write_str("link down"),
            LinkChange::NegotiationTimeout => f.write_str(
                "no link after 5 s of negotiation, still trying; is a cable plugged in?",
            ),
        }
    }
}

/// One PHY, and what is known of its link.
///
/// It owns no bus: every method takes the one the PHY is on. Call [`Phy::poll`] a few times a
/// second.
#[derive(Debug)]
pub struct Phy {
    address: u8,
    state: State,
    /// Flow control asked for; `None` until this program has configured the PHY.
    pause: Option<Pause>,
}

/// What the caller knows of the link.
#[derive(Debug, Clone, Copy)]
enum State {
    /// No link, since the given time if there has been a poll; `told`: nothing more is to be said
    /// about that.
    Waiting { since_ms: Option<u32>, told: bool },
    /// The caller was told of this link.
    Up(Link),
    /// The caller was told of a link that is no longer what it was.
    Stale,
}

const START: State = State::Waiting { since_ms: None, told: false };

impl Phy {
    /// The PHY at `address`, 0..=31; another address fails on first use. Touches nothing.
    ///
    /// Without [`Phy::autonegotiate`] or [`Phy::force`] the PHY is taken as it is: so a restarted
    /// program takes over a link without breaking it.
    #[must_use]
    pub const fn new(address: u8) -> Self {
        Phy { address, state: START, pause: None }
    }

    /// Address on the management bus.
    #[must_use]
    pub const fn address(&self) -> u8 {
        self.address
    }

    /// The link last reported up and not since reported down.
    #[must_use]
    pub const fn link(&self) -> Option<Link> {
        match self.state {
            State::Up(link) => Some(link),
            _ => None,
        }
    }

    /// Resets the PHY to its power-on (strapped) configuration, within 500 ms (HW 8.10).
    ///
    /// # Errors
    /// [`PhyError::ResetTimeout`], [`PhyError::Absent`], [`PhyError::Mdio`].
    pub fn reset<M: MdioBus + ?Sized>(
        &mut self,
        bus: &mut M,
        delay: &mut dyn DelayNs,
    ) -> Result<(), PhyError> {
        self.forget();
        write(bus, self.address, BasicControl::default().with_reset(true))?;
        let mut control = u16::MAX;
        for _ in 0..=RESET_MS / RESET_POLL_MS {
            control = read::<BasicControl, M>(bus, self.address)?.into();
            if !BasicControl::from(control).reset() {
                return Ok(());
            }
            delay.delay_ms(RESET_POLL_MS);
        }
        // A PHY in reset may not answer, so silence counts only once the time is over.
        let phy = self.address;
        Err(if control == u16::MAX {
            PhyError::Absent { phy }
        } else {
            PhyError::ResetTimeout { phy }
        })
    }

    /// Advertises what `wanted` and the PHY have in common, and starts negotiation. Returns at
    /// once; [`Phy::poll`] tells the outcome. Ends power-down, isolation and loopback. Returns
    /// what is advertised.
    ///
    /// # Errors
    /// [`PhyError::CannotNegotiate`], [`PhyError::NothingToAdvertise`], [`PhyError::Absent`],
    /// [`PhyError::Mdio`].
    pub fn autonegotiate<M: MdioBus + ?Sized>(
        &mut self,
        bus: &mut M,
        wanted: Advertisement,
    ) -> Result<Advertisement, PhyError> {
        let phy = self.address;
        let status = self.present(bus)?;
        if !status.autonegotiate_able() {
            return Err(PhyError::CannotNegotiate { phy });
        }
        let modes = wanted.modes & Modes::USABLE & clause22::capable(bus, phy, status)?;
        if modes.is_empty() {
            return Err(PhyError::NothingToAdvertise { phy });
        }
        let advertised = Advertisement { modes, ..wanted };
        self.forget();
        self.wake(bus)?;
        advertised.write(bus, phy, status.extended_status())?;
        self.pause = Some(advertised.pause);
        write(bus, phy, clause22::negotiating())?;
        Ok(advertised)
    }

    /// Sets the PHY to the speed and duplex of `link`, with the link's flow control taken as
    /// agreed.
    ///
    /// 1000BASE-T does not work without negotiation, so 1000/full is negotiated with nothing else
    /// on offer. Ends power-down, isolation and loopback.
    ///
    /// # Errors
    /// [`PhyError::Link`] for a link no eTSEC can run, [`PhyError::Unsupported`] for one this PHY
    /// cannot; [`PhyError::Absent`], [`PhyError::Mdio`].
    pub fn force<M: MdioBus + ?Sized>(&mut self, bus: &mut M, link: Link) -> Result<(), PhyError> {
        link.check()?;
        let phy = self.address;
        if link.speed == Speed::Mbps1000 {
            return match self.autonegotiate(bus, Advertisement::only(link)) {
                Err(PhyError::NothingToAdvertise { .. } | PhyError::CannotNegotiate { .. }) => {
                    Err(PhyError::Unsupported { phy, link })
                }
                other => other.map(drop),
            };
        }
        let wanted = Advertisement::only(link);
        let status = self.present(bus)?;
        if !clause22::capable(bus, phy, status)?.contains(wanted.modes) {
            return Err(PhyError::Unsupported { phy, link });
        }
        self.forget();
        self.wake(bus)?;
        self.pause = Some(link.pause);
        write(bus, phy, clause22::forced(link.speed, link.duplex))?;
        Ok(())
    }

    /// Looks at the PHY and tells what has changed since the last call; `None`: nothing.
    ///
    /// `now_ms` is any clock of the caller's in milliseconds; it may wrap. A link that was lost and
    /// came back between two calls is still reported as both, one call each. A link that is up
    /// costs one register read.
    ///
    /// # Errors
    /// After an error the state is as before the call. [`PhyError::Absent`] when the PHY no longer
    /// answers (a link that was up is reported down first), [`PhyError::ReservedSpeed`],
    /// [`PhyError::Mdio`].
    pub fn poll<M: MdioBus + ?Sized>(
        &mut self,
        bus: &mut M,
        now_ms: u32,
    ) -> Result<Option<LinkChange>, PhyError> {
        match self.state {
            State::Waiting { since_ms, told } => return self.wait(bus, now_ms, since_ms, told),
            State::Up(_) => drop(self.status_register(bus)?),
            State::Stale => {}
        }
        // Reading the status register has made an `Up` that is over into a `Stale`.
        if let State::Up(_) = self.state {
            return Ok(None);
        }
        self.state = State::Waiting { since_ms: Some(now_ms), told: false };
        Ok(Some(LinkChange::Down))
    }

    /// One poll without a link.
    fn wait<M: MdioBus + ?Sized>(
        &mut self,
        bus: &mut M,
        now_ms: u32,
        since_ms: Option<u32>,
        told: bool,
    ) -> Result<Option<LinkChange>, PhyError> {
        // HW 8.10: the first read shows the past, the second the present.
        self.status_register(bus)?;
        let status = self.present(bus)?;
        if status.link_status()
            && let Some(link) = self.resolve(bus, status)?
        {
            self.state = State::Up(link);
            return Ok(Some(LinkChange::Up(link)));
        }
        let since_ms = since_ms.unwrap_or(now_ms);
        let expired = !told && now_ms.wrapping_sub(since_ms) >= NEGOTIATION_MS;
        let report = expired && self.configured(bus)? == Configured::Negotiating;
        self.state = State::Waiting { since_ms: Some(since_ms), told: told || expired };
        Ok(report.then_some(LinkChange::NegotiationTimeout))
    }

    /// The link a PHY with its link bit set has; `None` while negotiation is not complete.
    fn resolve<M: MdioBus + ?Sized>(
        &self,
        bus: &mut M,
        status: BasicStatus,
    ) -> Result<Option<Link>, PhyError> {
        match self.configured(bus)? {
            Configured::Forced(speed, duplex) => {
                let pause = self.pause.unwrap_or(Pause::NONE);
                let link = Link { speed, duplex, pause };
                Ok(Some(link.with_pause(link.effective_pause())))
            }
            Configured::Negotiating if !status.autonegotiation_complete() => Ok(None),
            Configured::Negotiating => {
                let gigabit = status.extended_status();
                let local = Abilities::local(bus, self.address, gigabit)?;
                let partner = Abilities::partner(bus, self.address, gigabit)?;
                let mut link = local.resolve(partner);
                // Who asked to obey only had to offer both (see `PauseAbility::offering`) and keeps
                // to its wish.
                link.pause.tx &= self.pause.is_none_or(|wanted| wanted.tx);
                Ok(Some(link))
            }
        }
    }
    /// Reads register 1; `None` where no PHY answers.
    ///
    /// Every read clears the latch of the link bit, so every read has to look whether a link that
    /// is up is over.
    fn status_register<M: MdioBus + ?Sized>(
        &mut self,
        bus: &mut M,
    ) -> Result<Option<BasicStatus>, MdioError> {
        let status = clause22::status(bus, self.address)?;
        let link = status.is_some_and(|status| status.link_status());
        if let State::Up(_) = self.state
            && !link
        {
            self.state = State::Stale;
        }
        Ok(status)
    }

    /// Reads register 1 of a PHY that has to be there.
    fn present<M: MdioBus + ?Sized>(&mut self, bus: &mut M) -> Result<BasicStatus, PhyError> {
        let phy = self.address;
        self.status_register(bus)?.ok_or(PhyError::Absent { phy })
    }

    /// What register 0 has the PHY do.
    fn configured<M: MdioBus + ?Sized>(&self, bus: &mut M) -> Result<Configured, PhyError> {
        let phy = self.address;
        clause22::configured(read(bus, phy)?).ok_or(PhyError::ReservedSpeed { phy })
    }

    /// Ends power-down, isolation and loopback, in which a PHY need not take a new configuration.
    fn wake<M: MdioBus + ?Sized>(&self, bus: &mut M) -> Result<(), MdioError> {
        let control: BasicControl = read(bus, self.address)?;
        if control.power_down() || control.isolate() || control.loopback() {
            let awake = control.with_power_down(false).with_isolate(false).with_loopback(false);
            write(bus, self.address, awake)?;
        }
        Ok(())
    }

    /// The PHY is about to be configured anew: what is known of its link ends.
    fn forget(&mut self) {
        self.state = match self.state {
            State::Up(_) | State::Stale => State::Stale,
            State::Waiting { .. } => START,
        };
    }
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
