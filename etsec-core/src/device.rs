//! A port and its two states: [`Stopped`] and [`Running`]. Only this file starts and stops DMA.
//!
//! Queues are made from a stopped port and live on their own: in other threads, filled before the
//! start, drained after the stop. What the port keeps of a ring are its descriptors and the few
//! words it shares with the queue.

use core::fmt;

use embedded_hal::delay::DelayNs;

use crate::addr::AddressFilter;
use crate::bus::{Bus, PageBell, Pages};
use crate::config::Config;
use crate::error::{Error, Side};
use crate::event::Event;
use crate::event_port::{EventPort, FaultCounters};
use crate::filer::FilerTable;
use crate::halt::Sides;
use crate::link::{Interface, Link};
use crate::mib::{Counter, Mib};
use crate::port::{Port, RINGS};
use crate::regs::control::{ECNTRL, TSEC_ID};
use crate::regs::receive::{RSTAT, Rstat};
use crate::regs::transmit::{TSTAT, Tstat};
use crate::regs::{ReadWriteable, Readable, mac::MACCFG1, mac::MACCFG2};
use crate::ring::{RingMemory, RingView};
use crate::rx::{RxLimits, RxQueue};
use crate::tx::{TxLimits, TxQueue};
use crate::watch::{Transmitter, Watch};

/// A port whose controller does no DMA.
pub struct Stopped<B> {
    port: Port<B>,
    faults: FaultCounters,
}

/// A port whose controller is running.
///
/// Dropping it leaves the controller running and all memory of its rings mapped; [`Running::stop`]
/// ends it orderly.
pub struct Running<B> {
    port: Port<B>,
    events: EventPort<B>,
    watch: Watch,
    /// It was halted and not restarted: the device went away in between.
    halted: bool,
}

impl<B: Bus + Clone> Stopped<B> {
    /// Takes a controller from an unknown state to a programmed, stopped one (HW 8.1).
    ///
    /// # Errors
    /// [`Error::NotAnEtsec`] or [`Error::Gone`] if no eTSEC answers; an error that names the field
    /// if `config` is out of range. The controller is untouched then.
    pub fn attach(pages: Pages<B>, config: Config, delay: &mut dyn DelayNs) -> Result<Self, Error> {
        config.check()?;
        let mut port = Port {
            pages,
            config,
            rx: [const { None }; RINGS],
            tx: [const { None }; RINGS],
            window: None,
            filing: false,
            mib: Mib::new(),
        };
        port.bring_up(delay)?;
        Ok(Stopped { port, faults: FaultCounters::default() })
    }

    /// Adds receive ring `n`, 0 to 7.
    ///
    /// # Errors
    /// [`Error::RingNumber`], [`Error::RingTaken`], or [`Error::Window`]. The ring's memory is lost
    /// to its arena then.
    pub fn add_rx(&mut self, n: usize, ring: RingMemory) -> Result<RxQueue<PageBell<B>>, Error> {
        add(&mut self.port.rx, &mut self.port.window, Side::Rx, n, &ring)?;
        let config = &self.port.config;
        let window = ring.bus().window();
        let limits = RxLimits::new(config.buffer_size as u16, config.parser, window);
        let bell = PageBell::new(self.bell_page(), RSTAT.offset(), Rstat::qhlt(n).bits());
        Ok(RxQueue::new(ring, bell, n as u8, limits))
    }

    /// Adds transmit ring `n`, 0 to 7.
    ///
    /// # Errors
    /// As [`Stopped::add_rx`].
    pub fn add_tx(&mut self, n: usize, ring: RingMemory) -> Result<TxQueue<PageBell<B>>, Error> {
        add(&mut self.port.tx, &mut self.port.window, Side::Tx, n, &ring)?;
        let limits =
            TxLimits { frame: self.port.config.frame_max() as u32, window: ring.bus().window() };
        let bell = PageBell::new(self.bell_page(), TSTAT.offset(), Tstat::thlt(n).bits());
        Ok(TxQueue::new(ring, bell, n as u8, limits))
    }

    /// Loads the receive filer and switches it on; frames of rings that do not exist are dropped
    /// (HW 6).
    ///
    /// # Errors
    /// [`Error::ParserOff`] unless [`Config::parser`] is set.
    pub fn set_filer(&mut self, table: &FilerTable) -> Result<(), Error> {
        if !self.port.config.parser {
            return Err(Error::ParserOff);
        }
        table.load(self.port.bus());
        self.port.filing = true;
        self.port.program_filter(&self.port.config.filter);
        Ok(())
    }

    /// Lets the controller run (HW 8.2). Frames still in descriptors from before a stop are sent
    /// and delivered.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::NotAnEtsec`] or [`Error::Draining`], with the port as it was.
    #[allow(clippy::result_large_err, reason = "the port is given back, and there is no heap")]
    pub fn start(self, delay: &mut dyn DelayNs) -> Result<Running<B>, (Self, Error)> {
        // A stop that needed a reset has cleared the MAC's registers (HW 8.4).
        if let Err(error) = self.port.check_alive().and_then(|()| self.port.program()) {
            return Err((self, error));
        }
        let rings = || self.port.rx.iter().chain(&self.port.tx).flatten();
        if let Some(held) = rings().position(|view| !view.claim()) {
            rings().take(held).for_each(|view| view.set_live(false));
            return Err((self, Error::Draining));
        }
        let Stopped { port, faults } = self;
        port.start();
        // The enables cross into the MAC's clock domains.
        delay.delay_us(1);
        let events = EventPort::new(port.pages.group0.clone(), port.thlt(), port.qhlt(), faults);
        Ok(Running { port, events, watch: Watch::default(), halted: false })
    }

    /// The controller's counters, brought up to date.
    pub fn mib(&mut self) -> &Mib {
        self.port.mib.collect(&self.port.pages.group0);
        &self.port.mib
    }

    fn bell_page(&self) -> B {
        self.port.pages.group0.clone()
    }
}

impl<B> Stopped<B> {
    /// The port's configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.port.config
    }

    /// The register pages.
    #[must_use]
    pub fn pages(&self) -> &Pages<B> {
        &self.port.pages
    }

    /// Errors found while the port was running, and frames lost when it stopped.
    #[must_use]
    pub fn faults(&self) -> &FaultCounters {
        &self.faults
    }
}

impl<B: Bus + Clone> Running<B> {
    /// Stops the controller: gracefully within 10 ms, or by a reset of the MAC (HW 8.3).
    ///
    /// Frames in descriptors stay there: start again and they go on, or drain the queues.
    ///
    /// # Errors
    /// [`Error::Gone`] or [`Error::NotAnEtsec`] if the device does not answer, with the port:
    /// whether it still does DMA is not known then, so its memory stays lent.
    #[allow(clippy::result_large_err, reason = "the port is given back, and there is no heap")]
    pub fn stop(mut self, delay: &mut dyn DelayNs) -> Result<Stopped<B>, (Self, Error)> {
        if let Err(error) = self.halt(delay) {
            return Err((self, error));
        }
        for view in self.port.rx.iter().chain(&self.port.tx).flatten() {
            view.set_live(false);
        }
        Ok(Stopped { port: self.port, faults: *self.events.faults() })
    }

    /// Stops, resets and restarts the controller (HW 8.4). Frames still in descriptors survive;
    /// those inside the MAC are counted as lost.
    ///
    /// # Errors
    /// [`Error::Gone`] or [`Error::NotAnEtsec`] if the device does not answer. [`Running::tick`]
    /// ends what was begun if it comes back.
    pub fn reset(&mut self, delay: &mut dyn DelayNs) -> Result<(), Error> {
        self.halt(delay)?;
        self.restart(delay)
    }

    /// Looks after the controller: acknowledges errors, restarts halted rings, widens counters,
    /// finds and ends hangs, gives up frames at which the transmitter fails again and again.
    ///
    /// To be called at least once a second with a clock of milliseconds that may wrap; oftener
    /// means quicker recovery. Returns the error events it found.
    ///
    /// # Errors
    /// [`Error::Gone`] or [`Error::NotAnEtsec`] if the device does not answer.
    pub fn tick(&mut self, now_ms: u32, delay: &mut dyn DelayNs) -> Result<Event, Error> {
        self.port.check_alive()?;
        if self.halted {
            self.restart(delay)?;
        } else if !self.port.is_running() {
            // A stop that was broken off, or somebody else's reset.
            self.reset(delay)?;
        }
        let events = self.events.recover();
        self.port.mib.collect(&self.port.pages.group0);
        self.watch.check_receive(&self.port, events);
        let sent = self.port.mib.total(Counter::TPKT);
        match self.watch.check_transmit(&self.port, now_ms, sent) {
            Transmitter::Hanging => self.end_hang(delay)?,
            _ if events.contains(Event::DPE) => self.reset(delay)?,
            Transmitter::Halting(ring) => self.end_halting(ring, delay),
            Transmitter::Well => {}
        }
        Ok(events)
    }

    /// Follows a new link: speed, duplex and pause (HW 8.8). Both directions are stopped for the
    /// moment.
    ///
    /// # Errors
    /// [`Error::Link`] for a link no eTSEC can have; nothing changes then. [`Error::Gone`] or
    /// [`Error::NotAnEtsec`] if the device does not answer.
    pub fn set_link(&mut self, link: Link, delay: &mut dyn DelayNs) -> Result<(), Error> {
        link.check().map_err(Error::Link)?;
        self.port.check_alive()?;
        self.port.config.link = link;
        // On a link that is down the stop may not complete; the change is right all the same.
        let _ = self.port.quiesce(Sides::BOTH, delay);
        let bus = self.port.bus();
        MACCFG1.on(bus).modify(link.maccfg1());
        MACCFG2.on(bus).modify(link.maccfg2());
        ECNTRL.on(bus).modify(link.ecntrl());
        self.port.resume();
        self.port.check_alive()
    }

    /// Changes what the address filter lets in (HW 7). Reception stops for the moment: frames that
    /// arrive in it are counted by the controller (RDRP). If it does not stop, the controller is
    /// reset as by [`Running::reset`].
    ///
    /// # Errors
    /// [`Error::Gone`] or [`Error::NotAnEtsec`] if the device does not answer.
    pub fn set_filter(
        &mut self,
        filter: &AddressFilter,
        delay: &mut dyn DelayNs,
    ) -> Result<(), Error> {
        self.port.check_alive()?;
        self.port.config.filter = *filter;
        if !self.port.quiesce(Sides::RX, delay).is_empty() {
            // HW 3.11: RCTRL may not change under a receiver that runs. Erratum A002 ends here.
            return self.reset(delay);
        }
        self.port.program_filter(filter);
        self.port.resume();
        self.port.check_alive()
    }

    /// A port for the events of this controller, for a thread of its own.
    #[must_use]
    pub fn events(&self) -> EventPort<B> {
        let faults = FaultCounters::default();
        EventPort::new(self.port.pages.group0.clone(), self.port.thlt(), self.port.qhlt(), faults)
    }

    /// The controller's counters, brought up to date.
    pub fn mib(&mut self) -> &Mib {
        self.port.mib.collect(&self.port.pages.group0);
        &self.port.mib
    }

    /// Errors that [`Running::tick`] has found so far.
    #[must_use]
    pub fn faults(&self) -> &FaultCounters {
        self.events.faults()
    }

    /// The interface between MAC and PHY, as strapped at power-on (HW 3.3).
    #[must_use]
    pub fn interface(&self) -> Interface {
        Interface::from_ecntrl(ECNTRL.on(self.port.bus()).get(), true)
    }

    /// The controller's ID register.
    #[must_use]
    pub fn id(&self) -> u32 {
        TSEC_ID.on(self.port.bus()).get()
    }

    /// Stops DMA; the port is between two states until [`Running::restart`].
    fn halt(&mut self, delay: &mut dyn DelayNs) -> Result<(), Error> {
        self.port.check_alive()?;
        let lost = self.port.halt(delay);
        // On a bus that has died in the meantime every wait ends at once, and nothing has stopped.
        self.port.check_alive()?;
        self.halted = true;
        let faults = self.events.faults_mut();
        faults.lost_in_transmit += u64::from(lost.tx);
        faults.lost_in_receive += u64::from(lost.rx);
        Ok(())
    }

    fn restart(&mut self, delay: &mut dyn DelayNs) -> Result<(), Error> {
        self.port.soft_reset(delay);
        self.events.faults_mut().resets += 1;
        self.port.program()?;
        self.port.start();
        self.port.check_alive()?;
        self.halted = false;
        Ok(())
    }

    fn end_hang(&mut self, delay: &mut dyn DelayNs) -> Result<(), Error> {
        self.events.faults_mut().transmit_hangs += 1;
        self.halt(delay)?;
        let given_up = self.watch.give_up_if_stuck(&self.port);
        self.events.faults_mut().given_up += u64::from(given_up);
        self.restart(delay)
    }

    fn end_halting(&mut self, ring: usize, delay: &mut dyn DelayNs) {
        let given_up = self.port.skip_failing(ring, delay);
        self.events.faults_mut().given_up += u64::from(given_up);
    }
}

impl<B> Running<B> {
    /// The port's configuration, with the link and address filter of this moment.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.port.config
    }

    /// The register pages.
    #[must_use]
    pub fn pages(&self) -> &Pages<B> {
        &self.port.pages
    }
}

/// Checks a ring and keeps the device's side of it.
fn add(
    views: &mut [Option<RingView>; RINGS],
    window: &mut Option<u32>,
    side: Side,
    n: usize,
    ring: &RingMemory,
) -> Result<(), Error> {
    let place = views.get_mut(n).ok_or(Error::RingNumber(side, n))?;
    if place.is_some() {
        return Err(Error::RingTaken(side, n));
    }
    let of_ring = ring.bus().window();
    match *window {
        Some(of_port) if of_port != of_ring => {
            return Err(Error::Window { port: of_port, ring: of_ring });
        }
        _ => *window = Some(of_ring),
    }
    *place = Some(ring.view());
    Ok(())
}

impl<B> fmt::Debug for Stopped<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopped").field("config", &self.port.config).finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for Running<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("config", &self.port.config)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}
