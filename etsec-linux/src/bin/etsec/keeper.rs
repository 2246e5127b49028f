//! What keeps a running device going while a command moves its frames: its interrupts, its link,
//! its recovery, its orderly end. It knows nothing of frames.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use etsec_core::groups::GroupBus;
use etsec_core::link::{Duplex, Link};
use etsec_core::phy::LinkChange;
use etsec_core::ptp::PtpClock;
use etsec_core::{EventPort, Group, Line, MacAddr, Running, RxCounters, Stopped, TxCounters};
use etsec_linux::device::Device;
use etsec_linux::simulated::Simulated;
use etsec_linux::time::Clock;
use etsec_linux::{AnyBus, Lines, Roots};
use etsec_sim::ends::WireError;

use crate::control::{Answer, Request, Server, State};
use crate::counters::PortCounters;
use crate::observe::registers;
use crate::run::NAP;
use crate::settings::{Live, Settings};

/// How often a device is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A running device without its queues.
pub struct Keeper {
    /// `None` once stopped.
    device: Option<Device<Running<AnyBus>>>,
    events: EventPort<AnyBus>,
    /// Those of the second interrupt group, if rings are in it.
    second: Option<EventPort<GroupBus<AnyBus>>>,
    name: String,
    clock: Clock,
    looked: Instant,
    /// What the port is set to at this moment.
    settings: Settings,
    /// Where others ask for that, and change it.
    control: Option<Server>,
    /// The IEEE 1588 clock.
    clock_1588: Option<PtpClock<AnyBus>>,
}

impl Keeper {
    /// Keeps a device that has just been started; what is left of it besides its queues.
    pub fn new(
        name: String,
        mut device: Device<Running<AnyBus>>,
        clock_1588: Option<PtpClock<AnyBus>>,
        mut settings: Settings,
    ) -> Result<Self> {
        settings.mac = device.config.station;
        // Commands sleep for as long as nothing happens; this is how they notice Ctrl-C.
        let beats = device.waiter.beat(NAP);
        let now = Instant::now();
        // From here on a failure stops the port.
        let mut keeper = Keeper {
            events: device.port.events(),
            second: settings
                .groups
                .are_two()
                .then(|| device.port.group_events(Group::One))
                .flatten(),
            device: Some(device),
            clock: Clock::start(),
            looked: now,
            settings,
            control: None,
            clock_1588,
            name,
        };
        beats?;
        keeper.control = listen(&keeper.name);
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
            control.serve(|request| answer(request, settings, &mut live));
        }
        Ok(())
    }

    /// Sleeps until one of `lines` has something to say; `limit` at most, and never longer than a
    /// nap. Returns whether it is time to look at the clock.
    pub fn wait(&mut self, lines: Lines, limit: Option<Duration>) -> Result<bool> {
        let Some(device) = &mut self.device else { return Ok(true) };
        device.waiter.enable(lines)?;
        let woken = device.waiter.wait(limit)?;
        self.acknowledge(woken.lines);
        Ok(woken.beat || woken.lines.err || !woken.lines.any())
    }

    /// Makes `self` the one to wait for both.
    pub fn pair(&mut self, other: &Keeper) -> Result<()> {
        if let (Some(one), Some(other)) = (&mut self.device, &other.device) {
            one.waiter.include(&other.waiter)?;
        }
        Ok(())
    }

    /// Sleeps until one of two devices that are a [pair](Keeper::pair) has something to say on
    /// these lines, otherwise as [`Keeper::wait`].
    pub fn wait_for_either(
        &mut self,
        other: &mut Keeper,
        [ours, others]: [Lines; 2],
        limit: Option<Duration>,
    ) -> Result<bool> {
        let (Some(one), Some(two)) = (&mut self.device, &mut other.device) else {
            return Ok(true);
        };
        one.waiter.enable(ours)?;
        two.waiter.enable(others)?;
        let woken = one.waiter.wait(limit)?;
        let included = two.waiter.follow(&woken)?;
        self.acknowledge(woken.lines);
        other.acknowledge(included);
        let failed = woken.lines.err || included.err;
        Ok(woken.beat || failed || !(woken.lines.any() || included.any()))
    }

    /// Acknowledges what fired before anybody looks at the rings (HW 9.2).
    fn acknowledge(&mut self, lines: Lines) {
        for (fired, line) in [(lines.tx, Line::Tx), (lines.rx, Line::Rx)] {
            if fired {
                self.events.take(line);
                if let Some(second) = &self.second {
                    second.take(line);
                }
            }
        }
        if lines.err {
            // Errors are acknowledged where they are mended.
            self.looked = self.looked.checked_sub(LOOK_EVERY).unwrap_or(self.looked);
        }
    }

    /// Stops the port; the caller's queues can give their buffers back then.
    pub fn stop(mut self, rx: &RxCounters, tx: &TxCounters) -> Result<End> {
        let mut device = self.device.take().context("the port has been stopped before")?;
        let mib = device.port.mib().clone();
        let faults = *device.port.faults();
        let name = self.name.clone();
        let counters = PortCounters::new(name, rx, tx, &faults, &mib);
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
    match Server::open(&Roots::default(), name) {
        Ok(server) => Some(server),
        // Of simulated devices there may be several of a name.
        Err(error) if name.starts_with("sim") => {
            log::debug!("{name}: settings cannot be changed while it runs: {error:#}");
            None
        }
        Err(error) => {
            log::warn!("{name}: settings cannot be changed while it runs: {error:#}");
            None
        }
    }
}

/// What can be seen of the port at this moment.
fn look(live: &Live<'_>) -> State {
    let link = live.link.link();
    State {
        process: std::process::id(),
        link: link.map(|link| link.to_string()),
        // HW 11.1: pause frames are a matter of full duplex.
        pause: link.map(|Link { duplex, pause, .. }| {
            [pause.rx, pause.tx].map(|way| way && duplex == Duplex::Full)
        }),
        registers: registers(&live.port.pages().group0),
    }
}

/// What becomes of a request.
fn answer(request: Request, settings: &mut Settings, live: &mut Live<'_>) -> Answer {
    let shown = |settings: &Settings| Ok(serde_json::to_value(settings)?);
    let done = match request {
        Request::Show => shown(settings),
        Request::Look => serde_json::to_value(look(live)).map_err(anyhow::Error::from),
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
