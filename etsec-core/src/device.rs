//! A port and its two states: [`Stopped`] and [`Running`]. Only this file and `sleep` below it
//! start and stop DMA.
//!
//! Queues are made from a stopped port and live on their own: in other threads, filled before the
//! start, drained after the stop. What the port keeps of a ring are its descriptors and the few
//! words it shares with the queue.

mod sleep;

use core::fmt;

use embedded_hal::delay::DelayNs;

pub use self::sleep::{SleepError, Sleeping, Sleepless, Wake, WakeFrames};
use crate::addr::AddressFilter;
use crate::bus::{Bus, PageBell, Pages};
use crate::config::Config;
use crate::controller::Controller;
use crate::error::{Error, Side};
use crate::event::Event;
use crate::event_port::{EventPort, FaultCounters};
use crate::halt::Sides;
use crate::link::{Interface, Link};
use crate::mib::{Counter, Mib};
use crate::port::{Port, RINGS};
use crate::regs::control::{ECNTRL, TSEC_ID};
use crate::regs::receive::{RFBPTR, RSTAT, Rstat};
use crate::regs::transmit::{TSTAT, Tstat};
use crate::regs::{ReadWriteable, Readable, mac::MACCFG1, mac::MACCFG2};
use crate::ring::RingMemory;
use crate::rx::{RxLimits, RxQueue};
use crate::tx::{Offload, TxLimits, TxQueue};
use crate::watch::{Transmitter, Watch};

/// What both states hold: passing from one to the other moves it as it is.
pub(crate) struct Owner<B> {
    pub port: Port<B>,
    pub events: EventPort<B>,
    watch: Watch,
    /// Does what [`EventPort::recover`] does elsewhere, where rings are in two groups.
    pub recover_groups: Option<fn(&mut Owner<B>) -> Event>,
    /// It was halted and not restarted: the device went away in between.
    halted: bool,
    /// The device went away in the middle of a change, so that registers may not hold what is set.
    broken_off: bool,
}

/// A port whose controller does no DMA.
pub struct Stopped<B>(Owner<B>);

/// A port whose controller is running.
///
/// Dropping it leaves the controller running and all memory of its rings mapped; [`Running::stop`]
/// ends it orderly.
pub struct Running<B>(Owner<B>);

/// A port without rings over a controller. A call, even one that is inlined, would be another copy
/// of it all in the smallest image.
macro_rules! without_rings {
    ($controller:ident) => {{
        let page = $controller.pages.group0.clone();
        let events = EventPort::new(page, Tstat::empty(), Rstat::empty());
        Stopped(Owner {
            port: Port::new($controller),
            events,
            watch: Watch::default(),
            recover_groups: None,
            halted: false,
            broken_off: false,
        })
    }};
}

impl<B: Bus + Clone> Stopped<B> {
    /// Takes a controller from an unknown state to a programmed, stopped one (HW 8.1).
    ///
    /// # Errors
    /// [`Error::NotAnEtsec`] or [`Error::Gone`] if no eTSEC answers; an error that names the field
    /// if `config` is out of range. The controller is untouched then.
    pub fn attach(pages: Pages<B>, config: Config, delay: &mut dyn DelayNs) -> Result<Self, Error> {
        config.check()?;
        let controller = Controller::new(pages, config);
        controller.bring_up(delay)?;
        Ok(without_rings!(controller))
    }

    /// A port without rings over a controller in whatever state.
    #[cfg(feature = "adopt")]
    pub(crate) fn of(controller: Controller<B>) -> Self {
        without_rings!(controller)
    }

    /// The same port, once its controller has been taken over as it runs.
    #[cfg(feature = "adopt")]
    pub(crate) fn into_running(mut self) -> Running<B> {
        let Owner { port, events, .. } = &mut self.0;
        events.aim(port.thlt(), port.qhlt());
        Running(self.0)
    }

    /// Brings the controller to a programmed, stopped state again, from any other (HW 8.1). No ring
    /// is the device's afterwards, whatever was in it.
    ///
    /// # Errors
    /// [`Error::Gone`] or [`Error::NotAnEtsec`].
    #[cfg(feature = "adopt")]
    pub fn bring_up(&mut self, delay: &mut dyn DelayNs) -> Result<(), Error> {
        self.0.port.controller.bring_up_around_filer(delay)?;
        self.0.port.set_live(false);
        Ok(())
    }

    /// Adds receive ring `n`, 0 to 7.
    ///
    /// # Errors
    /// [`Error::RingNumber`], [`Error::RingTaken`], or [`Error::Window`]. The ring's memory is lost
    /// to its arena then.
    pub fn add_rx(&mut self, n: usize, ring: RingMemory) -> Result<RxQueue<PageBell<B>>, Error> {
        self.0.port.add(Side::Rx, n, &ring)?;
        ring.set_role(n);
        let Controller { config, rx_form, .. } = &self.0.port.controller;
        let limits = RxLimits::new(config, *rx_form, ring.bus().window());
        let bell = PageBell::new(
            self.bell_page(),
            RSTAT.offset(),
            Rstat::qhlt(n).bits(),
            RFBPTR.nth(n).offset(),
        );
        Ok(RxQueue::new(ring, bell, n as u8, limits))
    }

    /// Adds transmit ring `n`, 0 to 7.
    ///
    /// # Errors
    /// As [`Stopped::add_rx`].
    pub fn add_tx(&mut self, n: usize, ring: RingMemory) -> Result<TxQueue<PageBell<B>>, Error> {
        self.0.port.add(Side::Tx, n, &ring)?;
        ring.set_role(RINGS + n);
        let Controller { config, summed, .. } = &self.0.port.controller;
        let limits = TxLimits { frame: config.frame_max() as u32, window: ring.bus().window() };
        let offload = Offload::new(*summed);
        let bell = PageBell::new(self.bell_page(), TSTAT.offset(), Tstat::thlt(n).bits(), 0);
        Ok(TxQueue::new(ring, bell, n as u8, limits, offload))
    }

    /// Lets the controller run (HW 8.2). Frames still in descriptors from before a stop are sent
    /// and delivered.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::NotAnEtsec`] or [`Error::Draining`], with the port as it was.
    #[allow(clippy::result_large_err, reason = "the port is given back, and there is no heap")]
    pub fn start(mut self, delay: &mut dyn DelayNs) -> Result<Running<B>, (Self, Error)> {
        let Owner { port, events, watch, halted, broken_off, .. } = &mut self.0;
        if let Err(error) = port.controller.check_alive() {
            return Err((self, error));
        }
        // A stop that needed a reset has cleared the MAC's registers (HW 8.4).
        port.controller.program();
        if !port.claim_rings() {
            return Err((self, Error::Draining));
        }
        let (thlt, qhlt) = port.start();
        // The enables cross into the MAC's clock domains.
        delay.delay_us(1);
        events.aim(thlt, qhlt);
        *watch = Watch::default();
        (*halted, *broken_off) = (false, false);
        Ok(Running(self.0))
    }

    /// Sets what the address filter lets in (HW 7), from the next start on.
    pub fn set_filter(&mut self, filter: &AddressFilter) {
        self.0.port.controller.config.filter = *filter;
    }

    /// The controller's counters, brought up to date.
    pub fn mib(&mut self) -> &Mib {
        self.0.port.count()
    }

    fn bell_page(&self) -> B {
        self.0.port.controller.pages.group0.clone()
    }
}

impl<B> Stopped<B> {
    /// For the options of a port, which are in files of their own.
    pub(crate) fn owner(&self) -> &Owner<B> {
        &self.0
    }

    /// For the options of a port, which are in files of their own.
    pub(crate) fn owner_mut(&mut self) -> &mut Owner<B> {
        &mut self.0
    }

    /// The port's configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.port.controller.config
    }

    /// The register pages.
    #[must_use]
    pub fn pages(&self) -> &Pages<B> {
        &self.0.port.controller.pages
    }

    /// Errors found while the port was running, and frames lost when it stopped.
    #[must_use]
    pub fn faults(&self) -> &FaultCounters {
        self.0.events.faults()
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
        self.0.port.set_live(false);
        Ok(Stopped(self.0))
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
    /// finds and ends hangs, gives up frames at which the transmitter fails again and again, and
    /// those of which it has left no word whether they were sent.
    ///
    /// To be called at least once a second with a clock of milliseconds that may wrap; oftener
    /// means quicker recovery. Returns the error events it found.
    ///
    /// # Errors
    /// [`Error::Gone`] or [`Error::NotAnEtsec`] if the device does not answer.
    pub fn tick(&mut self, now_ms: u32, delay: &mut dyn DelayNs) -> Result<Event, Error> {
        self.0.port.controller.check_alive()?;
        if self.0.halted {
            self.restart(delay)?;
        } else if self.0.broken_off || !self.0.port.is_running() {
            // A change or a stop that was broken off, or somebody else's reset.
            self.reset(delay)?;
        }
        let events = match self.0.recover_groups {
            Some(recover) => recover(&mut self.0),
            None => self.0.events.recover(),
        };
        self.0.port.count();
        self.0.watch.check_receive(&self.0.port, events, delay);
        let sent = self.0.port.mib.total(Counter::TPKT);
        match self.0.watch.check_transmit(&self.0.port, now_ms, sent) {
            Transmitter::Hanging => self.end_hang(delay)?,
            _ if events.contains(Event::DPE) => self.reset(delay)?,
            Transmitter::Halting(ring) => self.end_halting(ring, delay),
            Transmitter::Astray(ring) => self.end_astray(ring, delay)?,
            Transmitter::Well => {}
        }
        Ok(events)
    }

    /// The least of a [`Running::tick`], for who has no room for more: acknowledges errors and
    /// restarts halted rings, as [`EventPort::mend`]. Hangs are not found, counters not widened,
    /// and queues not told where to go on; a second interrupt group is left to its waiter.
    pub fn mend(&mut self) -> Event {
        self.0.events.mend()
    }

    /// Follows a new link: speed, duplex and pause (HW 8.8). Both directions are stopped for the
    /// moment.
    ///
    /// # Errors
    /// [`Error::Link`] for a link no eTSEC can have; nothing changes then. [`Error::Gone`] or
    /// [`Error::NotAnEtsec`] if the device does not answer: [`Running::tick`] ends what was begun
    /// if it comes back, as with everything that is changed on a running port.
    pub fn set_link(&mut self, link: Link, delay: &mut dyn DelayNs) -> Result<(), Error> {
        link.check().map_err(Error::Link)?;
        self.0.port.controller.check_alive()?;
        self.0.port.controller.config.link = link;
        // On a link that is down the stop may not complete; the change is right all the same.
        let _ = self.0.port.controller.quiesce(Sides::BOTH, delay);
        let bus = self.0.port.bus();
        MACCFG1.on(bus).modify(link.maccfg1());
        MACCFG2.on(bus).modify(link.maccfg2());
        ECNTRL.on(bus).modify(link.ecntrl());
        if let Some(relinked) = self.0.port.controller.relinked {
            relinked(&mut self.0.port.controller);
        }
        if !mutant!("link-not-resumed") {
            self.0.port.resume();
        }
        self.ended()
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
        self.0.port.controller.check_alive()?;
        self.0.port.controller.config.filter = *filter;
        self.program_stopped_receiver(delay)
    }

    /// Writes address filter and RCTRL anew, with the receiver stopped for the moment.
    pub(crate) fn program_stopped_receiver(
        &mut self,
        delay: &mut dyn DelayNs,
    ) -> Result<(), Error> {
        if !self.0.port.controller.quiesce(Sides::RX, delay).is_empty() {
            // HW 3.11: RCTRL may not change under a receiver that runs. Erratum A002 ends here.
            return self.reset(delay);
        }
        let controller = &self.0.port.controller;
        controller.refilter(&controller.config.filter);
        self.0.port.resume();
        self.ended()
    }

    /// Says of a change that has been made whether the device is still there; if not, the next tick
    /// makes it anew.
    pub(crate) fn ended(&mut self) -> Result<(), Error> {
        let alive = self.0.port.controller.check_alive();
        self.0.broken_off |= alive.is_err() && !mutant!("reset-broken-off");
        alive
    }

    /// A port for the events of this controller, for a thread of its own. Where rings are in two
    /// groups, take [`Running::group_events`].
    #[must_use]
    pub fn events(&self) -> EventPort<B> {
        let port = &self.0.port;
        EventPort::new(port.bus().clone(), port.thlt(), port.qhlt())
    }

    /// The controller's counters, brought up to date.
    pub fn mib(&mut self) -> &Mib {
        self.0.port.count()
    }

    /// Errors that [`Running::tick`] has found so far.
    #[must_use]
    pub fn faults(&self) -> &FaultCounters {
        self.0.events.faults()
    }

    /// The interface between MAC and PHY, as strapped at power-on (HW 3.3).
    #[must_use]
    pub fn interface(&self) -> Interface {
        Interface::from_ecntrl(ECNTRL.on(self.0.port.bus()).get(), true)
    }

    /// The controller's ID register.
    #[must_use]
    pub fn id(&self) -> u32 {
        TSEC_ID.on(self.0.port.bus()).get()
    }

    /// Stops DMA; the port is between two states until [`Running::restart`].
    pub(crate) fn halt(&mut self, delay: &mut dyn DelayNs) -> Result<(), Error> {
        self.ended()?;
        let lost = self.0.port.halt(delay);
        // On a bus that has died in the meantime every wait ends at once, and nothing has stopped.
        self.ended()?;
        self.0.halted = true;
        let faults = self.0.events.faults_mut();
        faults.lost_in_transmit += u64::from(lost.tx);
        faults.lost_in_receive += u64::from(lost.rx);
        Ok(())
    }

    /// Says whether [`Running::restart`] is still to come.
    pub(crate) fn set_halted(&mut self, halted: bool) {
        self.0.halted = halted;
    }

    pub(crate) fn restart(&mut self, delay: &mut dyn DelayNs) -> Result<(), Error> {
        self.0.port.controller.soft_reset(delay);
        self.0.events.faults_mut().resets += 1;
        self.0.port.controller.program();
        self.0.port.start();
        self.0.port.controller.check_alive()?;
        (self.0.halted, self.0.broken_off) = (false, false);
        Ok(())
    }

    fn end_hang(&mut self, delay: &mut dyn DelayNs) -> Result<(), Error> {
        self.0.events.faults_mut().transmit_hangs += 1;
        self.halt(delay)?;
        let given_up = self.0.watch.give_up_if_stuck(&self.0.port);
        self.0.events.faults_mut().given_up += u64::from(given_up);
        self.restart(delay)
    }

    fn end_halting(&mut self, ring: usize, delay: &mut dyn DelayNs) {
        let given_up = self.0.port.skip_failing(ring, delay);
        self.0.events.faults_mut().given_up += u64::from(given_up);
    }

    fn end_astray(&mut self, ring: usize, delay: &mut dyn DelayNs) -> Result<(), Error> {
        let Some(given_up) = self.0.watch.lead_back(&self.0.port, ring, delay) else {
            // It hangs, which no frame that is ready has shown. After the reset the next looks find
            // the ring as it is now.
            return self.reset(delay);
        };
        self.0.events.faults_mut().given_up += u64::from(given_up);
        Ok(())
    }
}

impl<B> Running<B> {
    pub(crate) fn owner(&self) -> &Owner<B> {
        &self.0
    }

    /// For the options of a port, which are in files of their own.
    pub(crate) fn owner_mut(&mut self) -> &mut Owner<B> {
        &mut self.0
    }

    /// The port's configuration, with the link and address filter of this moment.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.port.controller.config
    }

    /// The register pages.
    #[must_use]
    pub fn pages(&self) -> &Pages<B> {
        &self.0.port.controller.pages
    }
}

impl<B> fmt::Debug for Stopped<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopped")
            .field("config", &self.0.port.controller.config)
            .finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for Running<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("config", &self.0.port.controller.config)
            .field("events", &self.0.events)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
