//! A port that may be taken over: what was left of it, made into the queues, pool and options that
//! this process would have. Nothing of the controller is written here.

use etsec_core::adopt::{receives_in, running_as};
use etsec_core::arena::{Adopted, LeftRing};
use etsec_core::errata::Errata;
use etsec_core::{Arena, MacAddr, Pool, Stopped};

use super::NotAdopted;
use super::left::LeftMemory;
use crate::bus::AnyBus;
use crate::config::PortConfig;
use crate::device::{Device, Found, Reception, settings, strapped};
use crate::error::Error;
use crate::link::LinkMonitor;
use crate::mdio::SharedMdio;
use crate::memory::Memory;
use crate::options::{Options, Sizes};
use crate::part;
use crate::region::AnyRegion;
use crate::time::Delay;

/// A port that may be taken over.
pub(super) struct Candidate {
    pub device: Device,
    pub rest: Rest,
    /// Why it is not, once that is known.
    pub why: Option<NotAdopted>,
}

/// What a device does not hold, for the case that it is opened anew, and who had it.
pub(super) struct Rest {
    pub pid: u32,
    tbi: (AnyBus, Option<u64>),
    mdio_address: Option<u64>,
    config: PortConfig,
}

/// A port that is not taken over.
pub(super) struct Turned {
    pub found: Found,
    /// Its memory, which goes when the controller has been stopped.
    pub kept: Option<Kept>,
    pub why: NotAdopted,
}

/// Memory that a device may be using.
pub(super) enum Kept {
    Region(AnyRegion),
    Opened(Box<Adopted<AnyRegion>>),
}

impl Turned {
    /// One that could have been, beside another that is not.
    pub(super) fn beside(found: Found, other: &str) -> Self {
        Turned { found, kept: None, why: NotAdopted::Beside(other.into()) }
    }

    /// Stops its controller.
    pub(super) fn stop(&self) -> Result<(), Error> {
        self.found.stop()
    }
}

impl Found {
    /// Stops the controller, whatever state it is in (HW 8.1).
    pub(crate) fn stop(&self) -> Result<(), Error> {
        let (name, pages) = (self.name.clone(), self.pages.clone());
        let any = settings(
            &name,
            &PortConfig { station: Some(MacAddr([2, 0, 0, 0, 0, 1])), ..PortConfig::default() },
            &Options::default(),
            &Options::default().sizes()?,
        )?;
        let stopped = Stopped::attach(pages, any, &mut Delay).map(drop);
        stopped.map_err(|source| Error::Device { name, source })
    }
}

impl Rest {
    /// The device as it was found, and its memory; its queues are gone.
    pub(super) fn found_again(self, device: Device) -> (Found, Pool, Arena<AnyRegion>) {
        let Device { name, port, rx, tx, pool, waiter, second, link, reception, memory, .. } =
            device;
        let pages = port.pages().clone();
        let Rest { tbi, mdio_address, config, .. } = self;
        drop((port, rx, tx, reception, link));
        let (arena, supply) = memory.into_parts();
        let found = Found { name, pages, tbi, mdio_address, waiter, second, config, supply };
        (found, pool, arena)
    }
}

impl Candidate {
    /// What was left of `found`, if it is what the options ask for.
    pub(super) fn new(found: Found, options: &Options, sizes: &Sizes) -> Result<Self, Box<Turned>> {
        let turned = |found, kept, why| Err(Box::new(Turned { found, kept, why }));
        let left = match found.supply.left(options, &found.name, &found.pages.group0) {
            Ok(left) => left,
            Err(why) => return turned(found, None, why),
        };
        let LeftMemory { pid, .. } = left;
        let opened = match left.open() {
            Ok(opened) => opened,
            Err((region, why)) => return turned(found, Some(Kept::Region(region)), why),
        };
        let config = config_of(&found, options);
        let plan = check(&found, &opened, sizes, &config)
            .and_then(|()| Plan::new(&found, config, options, sizes));
        match plan {
            Ok(plan) => plan.carry_out(found, opened, sizes, pid),
            Err(why) => turned(found, Some(Kept::Opened(Box::new(opened))), why),
        }
    }
}

/// A port that is left as it runs, with options and link, and without queues.
struct Plan {
    port: Stopped<AnyBus>,
    link: LinkMonitor,
    config: PortConfig,
}

impl Plan {
    fn new(
        found: &Found,
        mut config: PortConfig,
        options: &Options,
        sizes: &Sizes,
    ) -> Result<Self, NotAdopted> {
        let name = &found.name;
        let (station, running) = running_as(&found.pages.group0);
        config.station = config.station.or(Some(station));
        let mut settings = settings(name, &config, options, sizes).map_err(NotAdopted::unusable)?;
        // What a PHY had negotiated is as good as anything. Of a link that is given, the first look
        // at it sets the flow control, if that is another.
        let given = options.link.or(config.fixed_link);
        settings.link = given.map_or(running, |given| given.with_pause(running.pause));
        let of_core = |source| NotAdopted::unusable(Error::Device { name: name.clone(), source });
        let mut port = Stopped::over(found.pages.clone(), settings).map_err(of_core)?;
        port.set_frame_options(options.frames).map_err(of_core)?;
        port.set_rx_offload(options.rx_offload).map_err(of_core)?;
        port.set_tx_offload(options.tx_offload).map_err(of_core)?;
        let interface = config.interface.unwrap_or_else(|| strapped(&port));
        config.interface = Some(interface);
        let page = found.pages.mdio.clone().unwrap_or_else(|| found.pages.group0.clone());
        let link = SharedMdio::new(&options.roots, page, found.mdio_address)
            .and_then(|mdio| LinkMonitor::take_over(name, mdio, &config, interface, options));
        let link = link.map_err(NotAdopted::unusable)?.ok_or(NotAdopted::Phy)?;
        Ok(Plan { port, link, config })
    }

    /// Makes queues of the rings.
    fn carry_out(
        self,
        found: Found,
        opened: Adopted<AnyRegion>,
        sizes: &Sizes,
        pid: u32,
    ) -> Result<Candidate, Box<Turned>> {
        let Plan { mut port, link, config } = self;
        let Adopted { arena, pool, rings, counters } = opened;
        if let Some(counters) = counters {
            port.keep_counters(counters);
        }
        let (mut rx, mut tx, mut reception) = (Vec::new(), Vec::new(), None);
        let mut rings = rings.into_iter().rev();
        let made = (|| {
            for (n, ring) in rings.by_ref().take(sizes.rx_rings).enumerate() {
                rx.push(port.add_rx(n, ring.memory)?);
            }
            for (n, ring) in rings.by_ref().take(sizes.tx_rings).enumerate() {
                tx.push(port.add_tx(n, ring.memory)?);
            }
            if let (Some(one), Some(other)) = (rings.next(), rings.next())
                && let (Ok(one), Ok(other)) = (port.spare(one), port.spare(other))
            {
                reception = Some(Reception::new(port.reception_test(one, other, &pool)?));
            }
            Ok(())
        })();
        if let Err(source) = made {
            // Rings that were checked do fit; should one not, all of them stay where they are.
            std::mem::forget((port, rx, tx, arena));
            let why = NotAdopted::unusable(Error::Device { name: found.name.clone(), source });
            return Err(Box::new(Turned { found, kept: None, why }));
        }
        let Found { name, tbi, mdio_address, waiter, second, supply, config: own, .. } = found;
        let memory = Memory::new(arena, supply);
        let device =
            Device { name, port, rx, tx, pool, waiter, second, link, config, reception, memory };
        let rest = Rest { pid, tbi, mdio_address, config: own };
        Ok(Candidate { device, rest, why: None })
    }
}

/// Whether a part is known to need tests of its receiver, whose rings are then behind the others.
fn is_proved(config: &PortConfig) -> bool {
    config.part.is_some_and(|part| part.errata().contains(Errata::NMG129))
}

fn config_of(found: &Found, options: &Options) -> PortConfig {
    let mut config = options.port.or(found.config);
    config.part = config.part.or_else(|| part::find(&options.roots));
    config
}

/// Whether rings and pool are those that would be carved.
fn check(
    found: &Found,
    opened: &Adopted<AnyRegion>,
    wanted: &Sizes,
    config: &PortConfig,
) -> Result<(), NotAdopted> {
    // The ring carved last comes first.
    let rings: Vec<&LeftRing> = opened.rings.iter().rev().collect();
    let tests = if is_proved(config) { 2 } else { 0 };
    let (rings, spare) = rings.split_at(rings.len().saturating_sub(tests));
    let rx = rings.iter().take_while(|ring| ring.rx().is_some()).count();
    let lengths = rings.first().map_or(0, |ring| ring.memory.len());
    let ring = if rings.iter().all(|ring| ring.memory.len() == lengths) { lengths } else { 0 };
    let (buffers, buffer_size) = (opened.pool.buffers(), opened.pool.buffer_size());
    let sizes = Sizes { rx_rings: rx, tx_rings: rings.len() - rx, ring, buffers, buffer_size };
    let in_order = rings.iter().enumerate().all(|(at, ring)| match at.checked_sub(rx) {
        None => ring.rx() == Some(at),
        Some(n) => ring.tx() == Some(n),
    });
    if sizes != *wanted || !in_order || spare.len() != tests {
        return Err(NotAdopted::Sizes { found: sizes, wanted: *wanted });
    }
    let page = &found.pages.group0;
    let in_test = |ring: &&LeftRing| receives_in(page, ring.memory.bus(), 1);
    if spare.iter().any(in_test) { Err(NotAdopted::Elsewhere) } else { Ok(()) }
}
