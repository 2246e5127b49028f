//! A port, opened by name and given as the parts a program works with: queues, buffers, a waiter,
//! the link.
//!
//! It puts the other files and the core together in the order that is safe. It knows no register.

use std::time::Duration;

use etsec_core::arena::ring_bytes;
use etsec_core::errata::{Errata, Part};
use etsec_core::event::Event;
use etsec_core::link::Interface;
use etsec_core::phy::{LinkChange, PhyError};
use etsec_core::reception::{self, ReceptionTest};
use etsec_core::regs::Readable;
use etsec_core::regs::control::ECNTRL;
use etsec_core::tbi::Tbi;
use etsec_core::{
    AddressFilter, Arena, Config, PageBell, Pages, Pool, Running, RxQueue, Stopped, TxQueue,
};

use crate::beside;
use crate::bus::AnyBus;
use crate::config::{PortConfig, random_station};
use crate::error::Error;
use crate::link::LinkMonitor;
use crate::mdio::SharedMdio;
use crate::memory::{Memory, Supply};
use crate::options::{Options, Sizes};
use crate::part;
use crate::spec::Spec;
use crate::time::Delay;
use crate::wait::{Lines, Waiter};

/// A receive queue of an opened port.
pub type Rx = RxQueue<PageBell<AnyBus>>;
/// A transmit queue of an opened port.
pub type Tx = TxQueue<PageBell<AnyBus>>;

/// An opened port, in state `S`: [`Stopped`] or [`Running`].
///
/// Take it apart freely: queues and buffers go to threads of their own. What matters is the end:
/// stop the port, then drop queues and buffers, then the memory. Dropping a whole stopped `Device`
/// does that. Whatever else happens to the parts, memory the controller may still write to is never
/// given back: it stays behind, and the next start of a device of this name finds it.
#[derive(Debug)]
pub struct Device<S = Stopped<AnyBus>> {
    // Fields are dropped in this order: the memory goes last.
    /// What to call it in messages: the name it was opened by.
    pub name: String,
    /// The controller.
    pub port: S,
    /// Receive queues in the order of their numbers, filled with buffers.
    pub rx: Vec<Rx>,
    /// Transmit queues in the order of their numbers.
    pub tx: Vec<Tx>,
    /// Where buffers come from.
    pub pool: Pool,
    /// Waits for interrupts.
    pub waiter: Waiter,
    /// Waits for the interrupts of the second group (HW 9.4), where the port has one with lines of
    /// its own: those of rings that [`Stopped::set_rx_group`] and [`Stopped::set_tx_group`] steer
    /// there. It may go to a thread of its own, with [`Running::group_events`] for its events; or
    /// [join](Waiter::join) the other.
    pub second: Option<Waiter>,
    /// The link.
    pub link: LinkMonitor,
    /// What the port turned out to be, the device tree and the options taken together.
    pub config: PortConfig,
    /// What it takes to prove reception, on parts that are known to need it.
    pub reception: Option<Reception>,
    /// The memory under rings and buffers.
    pub memory: Memory,
}

/// A test of reception, and how many resets there had been when it was last passed.
#[derive(Debug)]
pub struct Reception {
    test: ReceptionTest<AnyBus>,
    proved_at: Option<u64>,
    /// Not before, after a test that was not passed: each cuts off the wire.
    again_ms: Option<u32>,
}

impl Reception {
    pub(crate) fn new(test: ReceptionTest<AnyBus>) -> Self {
        Reception { test, proved_at: None, again_ms: None }
    }

    /// Notes that the receiver has worked after the last of so many resets.
    pub(crate) fn note_proved(&mut self, resets: u64) {
        self.proved_at = Some(resets);
    }
}

/// How long a receiver that was found deaf is left alone.
const REST_MS: u32 = 10_000;
/// How often UIO is asked whether the device is gone, when its registers are, and how long between.
const REMOVAL_LOOKS: u32 = 20;
const REMOVAL_PAUSE: Duration = Duration::from_millis(10);

/// A port that was found: everything that differs between silicon and model.
pub(crate) struct Found {
    pub name: String,
    pub pages: Pages<AnyBus>,
    /// The page the TBI is reached through, and its physical address if it has to be shared.
    pub tbi: (AnyBus, Option<u64>),
    /// Physical address of the MDIO page, if it has to be shared.
    pub mdio_address: Option<u64>,
    pub waiter: Waiter,
    /// For the lines of the second group, if it has any.
    pub second: Option<Waiter>,
    pub config: PortConfig,
    pub supply: Supply,
}

impl Found {
    /// What others find it by, whatever process they are: what it is opened by. Empty for a port
    /// that dies with this one.
    pub(crate) fn label(&self) -> String {
        self.supply.label(&self.name)
    }
}

impl Device {
    /// Opens the port that `spec` names, `uio:NAME`, `sim,wire=…` or `sim:SOCKET`, and brings it to
    /// a programmed, stopped state with its queues made and its receive rings filled.
    ///
    /// A port that was one of several with each other's buffers is opened
    /// [with them](Device::open_all) once the process that had them has died.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::OutOfRange`], or [`Error::Beside`] if another one of them is
    /// still there, before anything is touched; then any error of this crate, naming what is in the
    /// way. The port is not running afterwards.
    pub fn open(spec: &str, options: &Options) -> Result<Self, Error> {
        let sizes = options.sizes()?;
        let found = Self::find(spec, options)?;
        beside::check(&options.roots, [&found].into_iter())?;
        Self::assemble(found, options, &sizes)
    }

    /// Finds the port that `spec` names, and locks it.
    pub(crate) fn find(spec: &str, options: &Options) -> Result<Found, Error> {
        let found = match spec.parse()? {
            Spec::Uio(name) => crate::port::find(&options.roots, &name)?,
            #[cfg(feature = "sim")]
            Spec::Sim(wire) => crate::simulated::find(spec, wire)?,
            #[cfg(feature = "sim")]
            Spec::Remote(path) => crate::remote::find(spec, &path)?,
            #[cfg(not(feature = "sim"))]
            Spec::Sim(_) | Spec::Remote(_) => {
                let why = "this program was built without the simulator (feature 'sim')".into();
                return Err(Error::BadName { text: spec.into(), why });
            }
        };
        #[cfg(feature = "trace")]
        let found = found.recorded(options.trace.as_ref());
        Ok(found)
    }

    /// Brings a port that was found to a programmed, stopped state, with queues and memory.
    pub(crate) fn assemble(found: Found, options: &Options, sizes: &Sizes) -> Result<Self, Error> {
        let label = found.label();
        let Found { name, pages, tbi, mdio_address, waiter, second, config, supply } = found;
        let mut config = options.port.or(config);
        let station = config.station.map_or_else(random_station, Ok)?;
        config.station = Some(station);
        config.part = config.part.or_else(|| part::find(&options.roots));
        let mdio_page = pages.mdio.clone().unwrap_or_else(|| pages.group0.clone());

        let error = |source| Error::Device { name: name.clone(), source };
        let settings = settings(&name, &config, options, sizes)?;
        // From here on the controller is quiet, whatever a predecessor left behind (HW 8.1).
        let mut port = Stopped::attach(pages, settings, &mut Delay).map_err(error)?;
        port.set_frame_options(options.frames).map_err(error)?;
        port.set_rx_offload(options.rx_offload).map_err(error)?;
        port.set_tx_offload(options.tx_offload).map_err(error)?;
        // Only now memory of that predecessor may go.
        let memory_error = |source| Error::Memory { name: name.clone(), source };
        // The wire is not cut off on a mere suspicion.
        let proved = config.part.is_some_and(|part| part.errata().contains(Errata::NMG129));
        let region_bytes =
            sizes.region_bytes() + if proved { 2 * ring_bytes(reception::RING) } else { 0 };
        let region = supply.region(options, &name, region_bytes)?;
        let mut arena = Arena::new(region).map_err(|(_, source)| memory_error(source))?;
        let pool = arena.pool(sizes.buffers, sizes.buffer_size).map_err(memory_error)?;
        // One with a longer name is opened alone: `beside` sees to that.
        let _ = pool.set_name(&label);
        let (mut rx, mut tx) = (Vec::new(), Vec::new());
        for n in 0..sizes.rx_rings {
            let ring = arena.ring(sizes.ring).map_err(memory_error)?;
            rx.push(port.add_rx(n, ring).map_err(error)?);
        }
        for n in 0..sizes.tx_rings {
            let ring = arena.ring(sizes.ring).map_err(memory_error)?;
            tx.push(port.add_tx(n, ring).map_err(error)?);
        }
        port.keep_counters(arena.counters().map_err(memory_error)?);
        fill(&mut rx, &pool, sizes.reserve());
        let mut reception = None;
        if proved {
            let [rx, tx] = [arena.ring(reception::RING), arena.ring(reception::RING)];
            let (rx, tx) = (rx.map_err(memory_error)?, tx.map_err(memory_error)?);
            let test = port.reception_test(rx, tx, &pool).map_err(error)?;
            reception = Some(Reception::new(test));
        }

        let interface = config.interface.unwrap_or_else(|| strapped(&port));
        config.interface = Some(interface);
        set_up_tbi(&name, &options.roots, tbi, port.config().tbi_address, interface)?;
        let mdio = SharedMdio::new(&options.roots, mdio_page, mdio_address)?;
        let link = LinkMonitor::open(&name, mdio, &config, interface, options)?;
        let memory = Memory::new(arena, supply);
        Ok(Device { name, port, rx, tx, pool, waiter, second, link, config, reception, memory })
    }

    /// Lets the controller run.
    ///
    /// # Errors
    /// [`Error::Device`] if the controller no longer answers, with the device as it was.
    #[allow(clippy::result_large_err, reason = "the device is given back")]
    pub fn start(self) -> Result<Device<Running<AnyBus>>, (Self, Error)> {
        let (port, rest) = self.split();
        match port.start(&mut Delay) {
            Ok(port) => Ok(rest.join(port)),
            Err((port, source)) => {
                let error = Error::Device { name: rest.name.clone(), source };
                Err((rest.join(port), error))
            }
        }
    }

    /// Gives everything back: buffers to the pool, memory to the kernel, the device to others.
    ///
    /// # Errors
    /// [`Error::MemoryInUse`] if buffers of this device are elsewhere, in a queue of another device
    /// perhaps. The memory stays lent then for as long as the process lives.
    pub fn close(self) -> Result<(), Error> {
        let Device { name, port, rx, tx, pool, memory, waiter, second, reception, .. } = self;
        drop((port, rx, tx, pool, waiter, second, reception));
        memory.retire().map_err(|_memory| Error::MemoryInUse { name })
    }
}

/// What [`Device::service`] has found.
#[derive(Debug)]
pub struct Service {
    /// Error events that were acknowledged and recovered from (HW 8.6).
    pub events: Event,
    /// What has become of the link; an error leaves it as it was, and the next call tries again.
    pub link: Result<Option<LinkChange>, PhyError>,
}

impl Device<Running<AnyBus>> {
    /// Makes sure that the receiver works, on parts that are known to need it (HW 14,
    /// NMG_eTSEC129), unless that was done since it was last enabled; elsewhere it does nothing.
    /// The wire is cut off meanwhile; queues may be used.
    ///
    /// [`Device::service`] does it as well, after each reset; this is for who wants to know at
    /// once.
    ///
    /// # Errors
    /// [`Error::Reception`]; the port runs all the same, and the next call tries again.
    pub fn prove_reception(&mut self) -> Result<(), Error> {
        let Some(Reception { test, proved_at, .. }) = &mut self.reception else { return Ok(()) };
        if *proved_at == Some(self.port.faults().resets) {
            return Ok(());
        }
        *proved_at = None;
        let proved = self.port.prove_reception(test, &mut Delay);
        proved.map_err(|source| Error::Reception { name: self.name.clone(), source })?;
        *proved_at = Some(self.port.faults().resets);
        Ok(())
    }

    /// Looks after the controller and its link: to be called a few times a second, with a clock of
    /// milliseconds that may wrap. A new link is told to the controller.
    ///
    /// # Errors
    /// [`Error::Device`] if the controller no longer answers, [`Error::Removed`] if that is because
    /// the kernel has taken it away.
    pub fn service(&mut self, now_ms: u32) -> Result<Service, Error> {
        let ticked = self.port.tick(now_ms, &mut Delay);
        let events = ticked.map_err(|source| self.failed(source))?;
        let rests = |reception: &Reception| {
            let left = |again: u32| again.wrapping_sub(now_ms) as i32 > 0;
            reception.again_ms.is_some_and(left)
        };
        if !self.reception.as_ref().is_some_and(rests)
            && let Err(deaf) = self.prove_reception()
        {
            log::warn!("{deaf}");
            if let Some(reception) = &mut self.reception {
                reception.again_ms = Some(now_ms.wrapping_add(REST_MS));
            }
        }
        let link = self.link.poll(now_ms);
        // A port that was taken over has its link already.
        if let Ok(Some(LinkChange::Up(link))) = link
            && self.port.config().link != link
        {
            let set = self.port.set_link(link, &mut Delay);
            set.map_err(|source| self.failed(source))?;
        }
        Ok(Service { events, link })
    }

    /// Why the controller does not answer. Registers are taken out of a process a moment before UIO
    /// knows that the device is gone, so that is asked again.
    fn failed(&self, source: etsec_core::Error) -> Error {
        if source == etsec_core::Error::Gone {
            for _ in 0..REMOVAL_LOOKS {
                if let Err(removed) = self.waiter.check(Lines::ALL) {
                    return removed;
                }
                std::thread::sleep(REMOVAL_PAUSE);
            }
        }
        Error::Device { name: self.name.clone(), source }
    }

    /// Stops the controller. Frames still in descriptors stay there.
    ///
    /// # Errors
    /// [`Error::Device`] if the controller no longer answers, with the device: whether it still
    /// writes to memory is not known then, so the memory stays lent.
    #[allow(clippy::result_large_err, reason = "the device is given back")]
    pub fn stop(self) -> Result<Device, (Self, Error)> {
        let (port, rest) = self.split();
        match port.stop(&mut Delay) {
            Ok(port) => Ok(rest.join(port)),
            Err((port, source)) => {
                let error = Error::Device { name: rest.name.clone(), source };
                Err((rest.join(port), error))
            }
        }
    }
}

impl<S> Device<S> {
    pub(crate) fn split(self) -> (S, Device<()>) {
        let Device { name, port, rx, tx, pool, waiter, second, link, config, reception, memory } =
            self;
        (
            port,
            Device {
                name,
                port: (),
                rx,
                tx,
                pool,
                waiter,
                second,
                link,
                config,
                reception,
                memory,
            },
        )
    }

    pub(crate) fn join<T>(self, port: T) -> Device<T> {
        let Device { name, rx, tx, pool, waiter, second, link, config, reception, memory, .. } =
            self;
        Device { name, port, rx, tx, pool, waiter, second, link, config, reception, memory }
    }
}

/// Whether buffers of one pool may go through queues of the other's device and back: both have to
/// lie in one 4 GiB window (HW 4.5). To be called before the first one does: it is noted in the
/// memory of both, so that what a killed process leaves of one is not given to anybody while the
/// other goes on. Of ports that were [opened together](Device::open_all) it is noted already. They
/// should be: whose name is too long to be noted is refused there, and here noted without one, so
/// that what is left of the other is nobody's for as long as it lies there.
///
/// # Errors
/// [`Error::Windows`] naming both; [`Error::Partners`].
pub fn check_exchange(a: &Pool, b: &Pool) -> Result<(), Error> {
    if a.window() != b.window() {
        return Err(Error::Windows { first: a.window(), second: b.window() });
    }
    Ok(a.pair(b)?)
}

/// The core's configuration.
pub(crate) fn settings(
    name: &str,
    config: &PortConfig,
    options: &Options,
    sizes: &Sizes,
) -> Result<Config, Error> {
    let station = config.station.unwrap_or_default();
    let filter = AddressFilter::new(station);
    let mut filter = filter.map_err(|source| Error::Station { name: name.into(), source })?;
    filter.promiscuous = options.promiscuous;
    filter.all_multicast = options.all_multicast;
    let mut settings = Config::new(filter);
    settings.mtu = options.mtu;
    settings.buffer_size = sizes.buffer_size;
    settings.parser = options.parser;
    settings.loopback = options.loopback;
    if let Some(link) = options.link.or(config.fixed_link) {
        settings.link = link;
    }
    if let Some(address) = config.tbi_address {
        settings.tbi_address = address;
    }
    // Where nothing tells, every work-around is on (HW 14.1).
    settings.errata = config.part.unwrap_or(Part::Other).errata();
    Ok(settings)
}

/// The interface that the board has strapped (HW 3.3).
pub(crate) fn strapped(port: &Stopped<AnyBus>) -> Interface {
    Interface::from_ecntrl(ECNTRL.on(&port.pages().group0).get(), true)
}

/// Fills the receive rings in turn, leaving `reserve` buffers in the pool.
pub(crate) fn fill(rx: &mut [Rx], pool: &Pool, reserve: usize) {
    let mut hungry = true;
    while hungry && pool.free() > reserve {
        hungry = false;
        for queue in rx.iter_mut().filter(|queue| queue.space() > 0) {
            let Some(buf) = pool.alloc() else { break };
            // A buffer of this device's own pool fits; were it refused, it would go home.
            hungry |= queue.refill(buf).is_ok();
        }
    }
    for queue in rx {
        queue.commit();
    }
}

/// An SGMII port talks through its TBI, which has to be told so (HW 8.9).
fn set_up_tbi(
    name: &str,
    roots: &crate::Roots,
    (page, address): (AnyBus, Option<u64>),
    tbi: u8,
    interface: Interface,
) -> Result<(), Error> {
    if interface != Interface::Sgmii {
        return Ok(());
    }
    let mut mdio = SharedMdio::new(roots, page, address)?;
    let error = |source| Error::Phy { name: name.into(), source };
    mdio.reset().map_err(|source| error(source.into()))?;
    Tbi::new(tbi).set_up_sgmii(&mut mdio).map_err(error).map(drop)
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
