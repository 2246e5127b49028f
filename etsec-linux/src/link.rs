//! The link of a port: a PHY that is asked, or a link that is fixed.
//!
//! It decides which of the two there is. It changes nothing in the MAC: its caller does, told of
//! the change.

use etsec_core::link::{FlowControl, Interface, Link, Pause, Speed};
use etsec_core::phy::{self, Advertisement, FixedLink, LinkChange, Phy, PhyError, PhySetting};

use crate::config::PortConfig;
use crate::error::Error;
use crate::mdio::SharedMdio;
use crate::options::Options;

/// Where news of the link comes from.
#[derive(Debug)]
pub enum LinkSource {
    /// A PHY.
    Phy(Phy),
    /// Nowhere: it is up and stays up.
    Fixed(FixedLink),
}

/// The link of one port, and the bus its PHY is on.
#[derive(Debug)]
pub struct LinkMonitor {
    source: LinkSource,
    mdio: SharedMdio,
    interface: Interface,
    /// The link that the PHY was given; `None`: it negotiates.
    forced: Option<Link>,
    flow_control: FlowControl,
    /// What the PHY was set to when it had last been told something; `None`: not looked at yet.
    setting: Option<PhySetting>,
}

impl LinkMonitor {
    /// Finds out how the link of the port called `name` is to be had, and gets it going.
    ///
    /// With a PHY (the configured one, else the first that answers) and [`Options::link`] the PHY
    /// is set to that link. Without it a link that is up already is left alone, if the PHY
    /// negotiates and flow control is as usual; negotiation is started otherwise. Without a PHY the
    /// link is that of the options, or the configured fixed one.
    ///
    /// # Errors
    /// [`Error::NoPhy`] if none answers and no link is given, [`Error::Link`] for a link that
    /// cannot be, [`Error::Phy`].
    pub fn open(
        name: &str,
        mut mdio: SharedMdio,
        config: &PortConfig,
        interface: Interface,
        options: &Options,
    ) -> Result<Self, Error> {
        let (forced, flow_control) = (options.link, options.flow_control);
        let monitor = |source, mdio| LinkMonitor {
            source,
            mdio,
            interface,
            forced,
            flow_control,
            setting: None,
        };
        let link_error = |source| Error::Link { name: name.into(), source };
        if let Some(link) = forced {
            interface.check(link).map_err(link_error)?;
        }
        if let (Some(link), None) = (config.fixed_link, forced) {
            let fixed = FixedLink::new(link, interface).map_err(link_error)?;
            return Ok(monitor(LinkSource::Fixed(fixed), mdio));
        }
        let phy_error = |source| Error::Phy { name: name.into(), source };
        mdio.reset().map_err(|error| phy_error(error.into()))?;
        let source = match (find(&mut mdio, config).map_err(phy_error)?, forced) {
            (Some(phy), forced) => {
                let begun = begin(phy, &mut mdio, interface, forced, flow_control);
                LinkSource::Phy(begun.map_err(phy_error)?)
            }
            (None, Some(link)) => {
                LinkSource::Fixed(FixedLink::new(link, interface).map_err(link_error)?)
            }
            (None, None) => {
                return Err(Error::NoPhy { name: name.into(), address: config.phy_address });
            }
        };
        Ok(monitor(source, mdio))
    }

    /// As [`LinkMonitor::open`], for a port that is taken over as it runs: its PHY is not told
    /// anything. `None` if the PHY is in another state than `open` would bring it to.
    ///
    /// # Errors
    /// As [`LinkMonitor::open`].
    pub(crate) fn take_over(
        name: &str,
        mut mdio: SharedMdio,
        config: &PortConfig,
        interface: Interface,
        options: &Options,
    ) -> Result<Option<Self>, Error> {
        let phy_error = |source| Error::Phy { name: name.into(), source };
        let forced = options.link;
        if config.fixed_link.is_none() || forced.is_some() {
            // The process before may have died in the middle of an access.
            mdio.reset().map_err(|error| phy_error(error.into()))?;
            if let Some(mut phy) = find(&mut mdio, config).map_err(phy_error)? {
                let negotiates = phy.status(&mut mdio).map_err(phy_error)?.negotiating;
                // A gigabit is negotiated, with nothing else on offer.
                let is_forced = forced.is_some_and(|link| link.speed != Speed::Mbps1000);
                return Ok((negotiates != is_forced).then_some(LinkMonitor {
                    source: LinkSource::Phy(Phy::new(phy.address())),
                    mdio,
                    interface,
                    forced,
                    flow_control: options.flow_control,
                    setting: None,
                }));
            }
        }
        // Nobody is told anything where there is no PHY.
        Self::open(name, mdio, config, interface, options).map(Some)
    }

    /// Tells what has changed since the last call; to be called a few times a second with a clock
    /// of milliseconds. A PHY that turns out to have been reset, or set by somebody else, when its
    /// link is lost is set as it was to be once more.
    ///
    /// # Errors
    /// As [`Phy::poll`], [`Phy::autonegotiate`] and [`Phy::force`]; the next call tries again.
    pub fn poll(&mut self, now_ms: u32) -> Result<Option<LinkChange>, PhyError> {
        if self.link().is_none() {
            self.keep_setting()?;
        }
        let change = match &mut self.source {
            LinkSource::Phy(phy) => phy.poll(&mut self.mdio, now_ms)?,
            LinkSource::Fixed(fixed) => fixed.poll(),
        };
        Ok(match change {
            Some(LinkChange::Up(link)) => Some(LinkChange::Up(self.flow_control.over(link))),
            other => other,
        })
    }

    /// Looks whether a PHY without a link is still set to what it was, and tells it again if not.
    fn keep_setting(&mut self) -> Result<(), PhyError> {
        let LinkSource::Phy(phy) = &mut self.source else { return Ok(()) };
        // One that resets itself is looked at the next time.
        let Some(now) = phy.setting(&mut self.mdio)? else { return Ok(()) };
        if *self.setting.get_or_insert(now) == now {
            return Ok(());
        }
        log::warn!("somebody else has set PHY {}, or reset it: it is set again", phy.address());
        tell(phy, &mut self.mdio, self.interface, self.forced, self.flow_control)?;
        self.setting = None;
        Ok(())
    }

    /// Changes where flow control comes from. Returns a link that is up and stays up, to be told to
    /// the controller; one that has to be negotiated anew is told of by [`LinkMonitor::poll`].
    ///
    /// # Errors
    /// As [`Phy::autonegotiate`]; nothing has changed then.
    pub fn set_flow_control(&mut self, wanted: FlowControl) -> Result<Option<Link>, PhyError> {
        let offered = wanted.offered() != self.flow_control.offered();
        if let LinkSource::Phy(phy) = &mut self.source
            && self.forced.is_none()
            && offered
        {
            tell(phy, &mut self.mdio, self.interface, None, wanted)?;
            self.setting = None;
        }
        self.flow_control = wanted;
        Ok(self.link())
    }

    /// The link as last told; `None` while it is down.
    #[must_use]
    pub fn link(&self) -> Option<Link> {
        let link = match &self.source {
            LinkSource::Phy(phy) => phy.link(),
            LinkSource::Fixed(fixed) => Some(fixed.link()),
        };
        link.map(|link| self.flow_control.over(link))
    }

    /// Where news comes from.
    #[must_use]
    pub fn source(&self) -> &LinkSource {
        &self.source
    }

    /// The MDIO bus of the port's PHY.
    pub fn mdio(&mut self) -> &mut SharedMdio {
        &mut self.mdio
    }
}

/// The PHY that is configured, if it answers; else the first that does.
fn find(mdio: &mut SharedMdio, config: &PortConfig) -> Result<Option<Phy>, PhyError> {
    match config.phy_address {
        Some(address) => Ok(phy::id(mdio, address)?.map(|_| Phy::new(address))),
        None => Ok(phy::find(mdio, config.tbi_address)?.map(Phy::new)),
    }
}

/// Gets the link of a PHY going, unless it is as it should be.
fn begin(
    mut phy: Phy,
    mdio: &mut SharedMdio,
    interface: Interface,
    forced: Option<Link>,
    flow_control: FlowControl,
) -> Result<Phy, PhyError> {
    // One that somebody has forced is up as well, and would stay what it is.
    if forced.is_none()
        && flow_control.offered() == Pause::BOTH
        && phy.status(mdio).is_ok_and(|status| status.negotiating)
        && phy.poll(mdio, 0).is_ok_and(|change| matches!(change, Some(LinkChange::Up(_))))
    {
        // Asked afresh, so that the first poll of the caller tells of it.
        return Ok(Phy::new(phy.address()));
    }
    tell(&mut phy, mdio, interface, forced, flow_control)?;
    Ok(phy)
}

/// Tells a PHY what link it is to have, or to negotiate one.
fn tell(
    phy: &mut Phy,
    mdio: &mut SharedMdio,
    interface: Interface,
    forced: Option<Link>,
    flow_control: FlowControl,
) -> Result<(), PhyError> {
    match forced {
        Some(link) => phy.force(mdio, link),
        None => {
            let offer = Advertisement::for_interface(interface, flow_control.offered());
            phy.autonegotiate(mdio, offer).map(drop)
        }
    }
}
