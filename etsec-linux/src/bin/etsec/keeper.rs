//! What keeps a running device going while a command moves its frames: its interrupts, its link,
//! its recovery, its orderly end. It knows nothing of frames.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use etsec_core::link::{Duplex, Link};
use etsec_core::phy::LinkChange;
use etsec_core::ptp::PtpClock;
use etsec_core::{MacAddr, Running, RxCounters, Stopped, TxCounters};
use etsec_linux::device::Device;
use etsec_linux::simulated::Simulated;
use etsec_linux::strategy::Nap;
use etsec_linux::time::Clock;
use etsec_linux::{AnyBus, Lines, Roots, Spec, Strategy, Woken};
use etsec_sim::ends::WireError;

use crate::control::{Answer, Request, Server, State, Taken};
use crate::counters::{PortCounters, Waits};
use crate::naps::{Events, Naps, sift};
use crate::observe::registers;
use crate::settings::{Live, Settings};
use crate::signals::Stop;

/// How often a device is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// After so many waits without a sleep it is time to look at the clock.
const FINDS_A_LOOK: u32 = 16;
/// Longest sleep while somebody is about to ask.
const ASKED: Duration = Duration::from_millis(20);
/// The numbers of descriptors that end waits: those who come to ask about this device, and about
/// the one it is paired with; and the user who wants to end.
const OURS: u32 = 0;
const OTHERS: u32 = 1;
const STOP: u32 = 2;

/// A running device without its queues.
pub struct Keeper {
    /// `None` once stopped.
    device: Option<Device<Running<AnyBus>>>,
    events: Events,
    /// How it waits.
    strategy: Strategy,
    /// Waits since the last sleep.
    found: u32,
    /// When the beat was due that ended the last sleep.
    beat: Option<Instant>,
    name: String,
    clock: Clock,
    looked: Instant,
    /// How often it was looked after.
    services: u64,
    /// What the port is set to at this moment.
    settings: Settings,
    /// Where others ask for that, and change it.
    control: Option<Server>,
    /// The IEEE 1588 clock.
    clock_1588: Option<PtpClock<AnyBus>>,
}

impl Keeper {
    /// Keeps a device that has just been started; what is left of it besides its queues. Its waits
    /// end when `stop` is asked for.
    pub fn new(
        name: String,
        mut device: Device<Running<AnyBus>>,
        clock_1588: Option<PtpClock<AnyBus>>,
        mut settings: Settings,
        stop: &Stop,
    ) -> Result<Self> {
        settings.mac = device.config.station;
        // Commands sleep for as long as nothing happens; this is how the port is looked after.
        let beats = device.waiter.beat(settings.wait.nap());
        let now = Instant::now();
        // From here on a failure stops the port.
        let mut keeper = Keeper {
            events: Events::of(&device.port, settings.groups.are_two()),
            strategy: Strategy::new(settings.wait.budget()),
            found: 0,
            beat: None,
            device: Some(device),
            clock: Clock::start(),
            looked: now,
            services: 0,
            settings,
            control: None,
            clock_1588,
            name,
        };
        beats?;
        keeper.control = listen(&keeper.name);
        if let Some(Device { waiter, .. }) = &mut keeper.device {
            stop.wake(waiter, STOP)?;
            if let Some(control) = &keeper.control {
                // Who cannot be let in for now is no reason to stay awake.
                waiter.also_news(control, OURS)?;
            }
        }
        // Not the wire: if that has failed already, the run is what tells, with its counters.
        keeper.service(now)?;
        log::info!("{}: started, station address {}", keeper.name, keeper.mac());
        Ok(keeper)
    }

    /// The device, as the user named it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The station address.
    pub fn mac(&self) -> MacAddr {
        let device = self.device.as_ref();
        device.and_then(|device| device.config.station).unwrap_or_default()
    }

    /// The IEEE 1588 clock, if it runs.
    pub fn clock(&self) -> Option<&PtpClock<AnyBus>> {
        self.clock_1588.as_ref()
    }

    /// Whether the link is up.
    pub fn has_link(&self) -> bool {
        self.device.as_ref().is_some_and(|device| device.link.link().is_some())
    }

    /// Whether nothing will arrive any more: the input of a simulated wire is at its end.
    pub fn has_ended(&self) -> bool {
        self.simulated().is_some_and(Simulated::input_ended)
    }

    /// Whether it can be that nothing will arrive any more.
    pub fn can_end(&self) -> bool {
        self.simulated().is_some()
    }

    fn simulated(&self) -> Option<&Simulated> {
        self.device.as_ref().and_then(|device| device.memory.simulated())
    }

    /// Looks after controller and link, if it is time.
    pub fn look_after(&mut self, now: Instant) -> Result<()> {
        if let Some(due) = self.beat.take() {
            self.strategy.note_late(due, now);
        }
        if now.saturating_duration_since(self.looked) < LOOK_EVERY {
            return Ok(());
        }
        // A TAP that is gone, the other end of a cable that is, a capture file that is broken.
        if let Some(error) = self.simulated().and_then(Simulated::wire_error) {
            return Err(wire_failure(error, &self.name));
        }
        self.service(now)
    }

    fn service(&mut self, now: Instant) -> Result<()> {
        self.looked = now;
        self.services += 1;
        let Some(device) = &mut self.device else { return Ok(()) };
        let service = device.service(self.clock.now_ms())?;
        if !service.events.is_empty() {
            log::debug!("{}: recovered from {:?}", self.name, service.events);
        }
        match service.link {
            Ok(None) => {}
            Ok(Some(change @ LinkChange::Up(_))) => log::info!("{}: {change}", self.name),
            Ok(Some(change)) => log::warn!("{}: {change}", self.name),
            Err(error) => log::warn!("{}: {error}", self.name),
        }
        if let Some(control) = &mut self.control {
            let (settings, clock) = (&mut self.settings, &mut self.clock_1588);
            let Device { port, link, config, .. } = device;
            let mut live = Live { port, link, clock, config };
            let waits = Waits::of(&self.strategy, self.services);
            control.serve(|request| answer(request, settings, &mut live, &waits));
            self.strategy.set_budget(settings.wait.budget());
        }
        Ok(())
    }

    /// Waits until one of `lines` has something to say or `look` finds something; `limit` at most,
    /// and never longer than a nap. `done` changes when the caller does something. Returns whether
    /// it is time to look at the clock.
    pub fn wait(
        &mut self,
        lines: Lines,
        limit: Option<Duration>,
        done: u64,
        look: impl FnMut() -> bool,
    ) -> Result<bool> {
        let limit = self.limited(limit);
        let Some(device) = &mut self.device else { return Ok(true) };
        let waiter = &mut device.waiter;
        let acknowledge = |line| self.events.take(line);
        let mut nap = Nap { waiter, lines, limit, acknowledge, look };
        let woken = self.strategy.wait(&mut nap, done)?;
        let woken = woken.map(|woken| sift(woken, &self.events, None));
        Ok(self.is_look_due(woken.as_ref()))
    }

    /// Makes `self` the one to wait for both.
    pub fn pair(&mut self, other: &Keeper) -> Result<()> {
        let theirs = other.control.as_ref();
        if let (Some(one), Some(other)) = (&mut self.device, &other.device) {
            one.waiter.include(&other.waiter)?;
            if let Some(control) = theirs {
                one.waiter.also_news(control, OTHERS)?;
            }
        }
        Ok(())
    }

    /// Waits for one of two devices that are a [pair](Keeper::pair), otherwise as
    /// [`Keeper::wait`].
    pub fn wait_for_either(
        &mut self,
        other: &mut Keeper,
        lines: [Lines; 2],
        limit: Option<Duration>,
        done: u64,
        look: impl FnMut() -> bool,
    ) -> Result<bool> {
        let limit = other.limited(self.limited(limit));
        let (Some(one), Some(two)) = (&mut self.device, &mut other.device) else {
            return Ok(true);
        };
        let waiters = [&mut one.waiter, &mut two.waiter];
        let mut naps = Naps { waiters, events: [&self.events, &other.events], lines, limit, look };
        let woken = self.strategy.wait(&mut naps, done)?;
        let woken = woken.map(|woken| sift(woken, &self.events, Some(&other.events)));
        if woken.is_some_and(|woken| woken.included.err || woken.also & 1 << OTHERS != 0) {
            other.hurry();
        }
        Ok(self.is_look_due(woken.as_ref()))
    }

    /// Whether it is time to look at the clock after a wait, which has acknowledged what has come
    /// of frames.
    fn is_look_due(&mut self, woken: Option<&Woken>) -> bool {
        let Some(woken) = woken else {
            self.found += 1;
            return self.found.is_multiple_of(FINDS_A_LOOK);
        };
        if woken.lines.err || woken.also & 1 << OURS != 0 {
            self.hurry();
        }
        if woken.beat {
            let device = self.device.as_ref();
            self.beat = device.and_then(|device| device.waiter.last_beat());
        }
        let failed = woken.lines.err || woken.included.err;
        woken.beat || failed || woken.also != 0 || !(woken.lines.any() || woken.included.any())
    }

    /// The longest sleep there may be, if `limit` is what the caller wants.
    fn limited(&self, limit: Option<Duration>) -> Option<Duration> {
        match &self.control {
            Some(control) if control.is_awaiting() => {
                Some(limit.map_or(ASKED, |limit| limit.min(ASKED)))
            }
            _ => limit,
        }
    }

    /// The device is looked after next: errors are acknowledged where they are mended, and who asks
    /// is answered there.
    fn hurry(&mut self) {
        self.looked = self.looked.checked_sub(LOOK_EVERY).unwrap_or(self.looked);
    }

    /// Stops the port; the caller's queues can give their buffers back then.
    pub fn stop(mut self, rx: &RxCounters, tx: &TxCounters) -> Result<End> {
        let mut device = self.device.take().context("the port has been stopped before")?;
        let mib = device.port.mib().clone();
        let faults = *device.port.faults();
        let name = self.name.clone();
        let counters = PortCounters::new(name, rx, tx, &faults, &mib);
        let counters = counters.with_waits(Waits::of(&self.strategy, self.services));
        let device = device.stop().map_err(|(_, error)| error.into());
        Ok(End { counters, device, name: self.name.clone() })
    }
}

/// The end of a run: what was counted, and the device if it could be stopped.
pub struct End {
    counters: PortCounters,
    device: Result<Device<Stopped<AnyBus>>>,
    name: String,
}

impl End {
    /// Gives the memory back, for which no queue and no buffer may be left.
    pub fn close(self) -> (PortCounters, Result<()>) {
        let closed = self.device.and_then(|device| {
            // The last frames may have been one too many for the disk.
            let failed = device.memory.simulated().and_then(Simulated::finish);
            device.close()?;
            failed.map_or(Ok(()), |error| Err(wire_failure(error, &self.name)))
        });
        (self.counters, closed)
    }
}

/// A socket for those who ask about the device. Without one it runs all the same.
fn listen(name: &str) -> Option<Server> {
    let error = match Server::open(&Roots::default(), name) {
        Ok(server) => return Some(server),
        Err(error) => error,
    };
    let lost = "it cannot be asked how it is nor told other settings while it runs";
    // Of devices that each process simulates for itself there may be several of a name.
    if error.is::<Taken>() && matches!(name.parse(), Ok(Spec::Sim(_))) {
        log::debug!("{name}: {lost}: {error:#}");
    } else {
        log::warn!("{name}: {lost}: {error:#}");
    }
    None
}

/// What can be seen of the port at this moment.
fn look(live: &Live<'_>, waits: &Waits) -> State {
    let link = live.link.link();
    State {
        process: std::process::id(),
        link: link.map(|link| link.to_string()),
        // HW 11.1: pause frames are a matter of full duplex.
        pause: link.map(|Link { duplex, pause, .. }| {
            [pause.rx, pause.tx].map(|way| way && duplex == Duplex::Full)
        }),
        registers: registers(&live.port.pages().group0),
        waits: serde_json::to_value(waits).unwrap_or_default(),
    }
}

/// What becomes of a request.
fn answer(request: Request, settings: &mut Settings, live: &mut Live<'_>, waits: &Waits) -> Answer {
    let shown = |settings: &Settings| Ok(serde_json::to_value(settings)?);
    let done = match request {
        Request::Show => shown(settings),
        Request::Look => serde_json::to_value(look(live, waits)).map_err(anyhow::Error::from),
        Request::Set { section, values } => {
            settings.change(&section, values, live).and_then(|()| shown(settings))
        }
        Request::Act { section, words } => settings.act(&section, &words, live),
    };
    done.map_or_else(|error| Answer::Refused(format!("{error:#}")), Answer::Done)
}

impl Drop for Keeper {
    /// Stops a port whose command has failed.
    fn drop(&mut self) {
        if let Some(device) = self.device.take()
            && let Err((_, error)) = device.stop()
        {
            log::error!("{}: {error}", self.name);
        }
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper")
            .field("name", &self.name)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

fn wire_failure(error: WireError, device: &str) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("{device}: the wire has failed"))
}

#[cfg(test)]
mod tests;
