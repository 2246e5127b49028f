//! A running device as the commands use it: one queue each way, a pool, and an orderly end whatever
//! happens.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use etsec_core::adapters::smoltcp::SmoltcpPort;
use etsec_core::phy::LinkChange;
use etsec_core::{EventPort, Line, MacAddr, PageBell, Pool, Running, Stopped};
use etsec_linux::device::{Device, Rx, Tx, check_exchange};
use etsec_linux::options::Options;
use etsec_linux::simulated::Simulated;
use etsec_linux::time::Clock;
use etsec_linux::{AnyBus, PortConfig};
use etsec_sim::ends::WireError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::args::{DeviceName, LinkArg, Port, Tuning};
use crate::counters::{Counters, PortCounters};
use crate::meter::Totals;
use crate::output::Output;
use crate::run::{Context, NAP};
use crate::signals::Stop;

/// The doorbell of the devices here.
pub type Bell = PageBell<AnyBus>;

/// How often a device is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long to wait at the end for frames that are still in the ring.
pub const DRAIN_TIME: Duration = Duration::from_secs(2);

/// How a device is to be opened.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The device.
    pub device: DeviceName,
    /// Station address, if not the device tree's.
    pub mac: Option<MacAddr>,
    /// Whether frames to others are received.
    pub promiscuous: bool,
    /// The transmit queue to use.
    pub tx_queue: usize,
    /// Sizes and link.
    pub tuning: Tuning,
}

impl Setup {
    /// As the options of a command with one device say.
    pub fn of_port(port: &Port) -> Self {
        Setup { mac: port.mac, ..Setup::of_device(&port.device, &port.tuning) }
    }

    /// As the options of a command with several devices say.
    pub fn of_device(device: &DeviceName, tuning: &Tuning) -> Self {
        let (device, tuning) = (device.clone(), *tuning);
        Setup { device, mac: None, promiscuous: false, tx_queue: 0, tuning }
    }

    fn options(&self) -> Options {
        let default = Options::default();
        Options {
            mtu: self.tuning.mtu.unwrap_or(default.mtu),
            ring: self.tuning.ring.unwrap_or(default.ring),
            buffers: self.tuning.buffers,
            link: match self.tuning.link {
                None | Some(LinkArg::Auto) => None,
                Some(LinkArg::Fixed(link)) => Some(link),
            },
            port: PortConfig {
                station: self.mac,
                phy_address: self.tuning.phy,
                ..PortConfig::default()
            },
            tx_rings: self.tx_queue + 1,
            promiscuous: self.promiscuous,
            ..default
        }
    }
}

/// A running device with its queues.
#[derive(Debug)]
pub struct Station {
    // Dropped in this order: the core stops the port, so that the queues can give their buffers
    // back.
    core: Core,
    /// The receive queue.
    pub rx: Rx,
    /// The transmit queue.
    pub tx: Tx,
    /// Where buffers come from.
    pub pool: Pool,
    /// How many buffers the receive ring is kept at: more would leave none to send with.
    level: usize,
}

/// A running device whose queues are in the hands of smoltcp.
#[derive(Debug)]
pub struct NetStation {
    core: Core,
    /// The queues and the pool.
    pub port: SmoltcpPort<Bell>,
}

/// What is left of a running device without its queues.
struct Core {
    /// `None` once stopped.
    device: Option<Device<Running<AnyBus>>>,
    events: EventPort<AnyBus>,
    name: String,
    mtu: usize,
    clock: Clock,
    looked: Instant,
}

impl Station {
    /// Opens and starts a device.
    pub fn open(setup: &Setup, context: &Context) -> Result<Self> {
        let options = setup.options();
        let name = setup.device.to_string();
        let device = Device::open(&name, &options)?;
        // Now, so that threads of the simulator stay free to run elsewhere.
        context.pin()?;
        let mut device = device.start().map_err(|(_, error)| error)?;
        let rx = device.rx.remove(0);
        let tx = device.tx.remove(setup.tx_queue);
        let pool = device.pool.clone();
        let level = rx.pending();
        let mut core = Core {
            events: device.port.events(),
            device: Some(device),
            name,
            mtu: options.mtu,
            clock: Clock::start(),
            looked: Instant::now(),
        };
        // Not the wire: if that has failed already, the run is what tells, with its counters.
        core.service_port()?;
        log::info!("{}: started, station address {}", core.name, core.mac());
        Ok(Station { core, rx, tx, pool, level })
    }

    /// Gives the queues to smoltcp.
    pub fn into_net(self) -> Result<NetStation> {
        let Station { core, rx, tx, pool, .. } = self;
        let port = SmoltcpPort::new(rx, tx, pool, core.mtu)?;
        Ok(NetStation { core, port })
    }

    /// The station address.
    pub fn mac(&self) -> MacAddr {
        self.core.mac()
    }

    /// Puts the buffers of frames that were sent into the receive ring and fills it up.
    pub fn recycle(&mut self) {
        while let Some(buf) = self.tx.reap() {
            if self.rx.pending() < self.level {
                // Refused, being a chain for example, it goes home.
                drop(self.rx.refill(buf));
            }
        }
        self.top_up();
    }

    /// Fills the receive ring up and hands it over.
    pub fn top_up(&mut self) {
        while self.rx.pending() < self.level
            && let Some(buf) = self.pool.alloc()
            && self.rx.refill(buf).is_ok()
        {}
        self.rx.commit();
    }

    /// Waits until the transmit ring is empty.
    ///
    /// # Errors
    /// If frames stay in it, as they do on a link that is down.
    pub fn drain(&mut self) -> Result<()> {
        let until = Instant::now() + DRAIN_TIME;
        while self.tx.pending() > 0 && Instant::now() < until {
            self.recycle();
            if self.tx.pending() > 0 {
                self.wait(Duration::from_millis(10))?;
            }
        }
        let left = self.tx.pending();
        ensure!(left == 0, "{left} frames did not leave the ring; is the link up?");
        Ok(())
    }

    /// Throws received frames away.
    pub fn discard_received(&mut self) {
        while let Some((frame, _)) = self.rx.next() {
            drop(self.rx.refill(frame));
        }
        self.top_up();
    }

    /// Waits for the link to come up, `limit` at most, or until the user asks to end. Returns
    /// whether it is up.
    pub fn await_link(&mut self, limit: Duration, stop: &Stop) -> Result<bool> {
        let until = Instant::now() + limit;
        while !self.core.has_link() && Instant::now() < until && !stop.asked() {
            self.wait(NAP)?;
        }
        Ok(self.core.has_link())
    }

    /// Sleeps until the device has something to say, `limit` at most.
    pub fn wait(&mut self, limit: Duration) -> Result<()> {
        self.core.wait(limit)
    }

    /// Sleeps until one of two devices has something to say, `limit` at most.
    pub fn wait_for_either(a: &mut Station, b: &mut Station, limit: Duration) -> Result<()> {
        Core::wait_for_either(&mut a.core, &mut b.core, limit)
    }

    /// Looks after the device if it is time. Commands that wait do it by waiting.
    pub fn look_after(&mut self) -> Result<()> {
        self.core.look_after()
    }

    /// Whether nothing will arrive any more: the input of a simulated wire is at its end.
    pub fn has_ended(&self) -> bool {
        self.core.has_ended()
    }

    /// What has passed so far.
    pub fn totals(&self) -> Totals {
        totals(&self.rx, &self.tx)
    }

    /// Stops the device, gives everything back and prints the final counters.
    pub fn finish(self, out: Output, elapsed: Duration) -> Result<()> {
        finish_all(vec![self], out, elapsed)
    }

    /// Stops the device and gives everything back.
    pub fn stop(self) -> Result<PortCounters> {
        let Station { core, rx, tx, pool, .. } = self;
        let end = core.stop(&rx, &tx)?;
        drop((rx, tx, pool));
        let (counters, closed) = end.close();
        closed.map(|()| counters)
    }
}

/// Stops devices that may hold each other's buffers, gives everything back and prints the final
/// counters, also of a device that would not stop.
pub fn finish_all(stations: Vec<Station>, out: Output, elapsed: Duration) -> Result<()> {
    let mut ends = Vec::new();
    let mut queues = Vec::new();
    for Station { core, rx, tx, pool, .. } in stations {
        ends.push(core.stop(&rx, &tx));
        queues.push((rx, tx, pool));
    }
    // All have stopped: now every queue can send its buffers home, to whichever pool.
    drop(queues);
    let mut ports = Vec::new();
    let mut failed = Ok(());
    for end in ends {
        let closed = end.and_then(|end| {
            let (counters, closed) = end.close();
            ports.push(counters);
            closed
        });
        failed = failed.and(closed);
    }
    let shown = Counters::new(elapsed, ports).show(out);
    failed.and(shown)
}

/// Whether buffers received on one can be sent on the other and come back.
pub fn check_pair(a: &Station, b: &Station) -> Result<()> {
    Ok(check_exchange(&a.pool, &b.pool)?)
}

impl NetStation {
    /// The station address.
    pub fn mac(&self) -> MacAddr {
        self.core.mac()
    }

    /// The device, as the user named it.
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// Sleeps until the device has something to say, `limit` at most.
    pub fn wait(&mut self, limit: Duration) -> Result<()> {
        self.core.wait(limit)
    }

    /// Sleeps until one of two devices has something to say, `limit` at most.
    pub fn wait_for_either(a: &mut NetStation, b: &mut NetStation, limit: Duration) -> Result<()> {
        Core::wait_for_either(&mut a.core, &mut b.core, limit)
    }

    /// Looks after the device if it is time.
    pub fn look_after(&mut self) -> Result<()> {
        self.core.look_after()
    }

    /// What has passed so far.
    pub fn totals(&self) -> Totals {
        totals(self.port.rx(), self.port.tx())
    }

    /// Stops the device and gives everything back; returns what was counted, and whether it worked.
    ///
    /// # Errors
    /// If there is nothing left to count.
    pub fn stop(self) -> Result<(PortCounters, Result<()>)> {
        let NetStation { core, port } = self;
        let end = core.stop(port.rx(), port.tx())?;
        let stack = *port.counters();
        drop(port);
        let (counters, closed) = end.close();
        Ok((counters.with_stack(&stack), closed))
    }
}

fn wire_failure(error: WireError, device: &str) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("{device}: the wire has failed"))
}

fn totals(rx: &Rx, tx: &Tx) -> Totals {
    let (rx, tx) = (rx.counters(), tx.counters());
    Totals {
        rx_frames: rx.frames,
        rx_bytes: rx.bytes,
        tx_frames: tx.frames,
        tx_bytes: tx.bytes,
        lost: rx.errors() + tx.errors(),
    }
}

impl Core {
    fn mac(&self) -> MacAddr {
        let device = self.device.as_ref();
        device.and_then(|device| device.config.station).unwrap_or_default()
    }

    fn has_link(&self) -> bool {
        self.device.as_ref().is_some_and(|device| device.link.link().is_some())
    }

    fn has_ended(&self) -> bool {
        let simulated = self.device.as_ref().and_then(|device| device.memory.simulated());
        simulated.is_some_and(Simulated::input_ended)
    }

    /// Looks after controller and link, if it is time.
    fn look_after(&mut self) -> Result<()> {
        if self.looked.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        self.check_wire()?;
        self.service_port()
    }

    fn check_wire(&self) -> Result<()> {
        let Some(device) = &self.device else { return Ok(()) };
        // A TAP that is gone, the other end of a cable that is, a capture file that is broken.
        if let Some(error) = device.memory.simulated().and_then(Simulated::wire_error) {
            return Err(wire_failure(error, &self.name));
        }
        Ok(())
    }

    fn service_port(&mut self) -> Result<()> {
        self.looked = Instant::now();
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
        Ok(())
    }

    fn wait(&mut self, limit: Duration) -> Result<()> {
        self.arm()?;
        self.take(limit)?;
        self.look_after()
    }

    fn wait_for_either(a: &mut Core, b: &mut Core, limit: Duration) -> Result<()> {
        a.arm()?;
        b.arm()?;
        let (Some(one), Some(other)) = (&a.device, &b.device) else { return Ok(()) };
        let mut fds = [&one.waiter, &other.waiter].map(|waiter| PollFd::new(waiter, PollFlags::IN));
        let limit = Timespec::try_from(limit).context("the time to wait")?;
        match poll(&mut fds, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for the devices"),
        }
        for core in [a, b] {
            core.take(Duration::ZERO)?;
            core.look_after()?;
        }
        Ok(())
    }

    /// Lets interrupts through.
    fn arm(&mut self) -> Result<()> {
        self.device.as_mut().map_or(Ok(()), |device| Ok(device.waiter.enable()?))
    }

    /// Waits for an interrupt, and acknowledges it before anybody looks at the rings (HW 9.2).
    fn take(&mut self, limit: Duration) -> Result<()> {
        let Some(device) = &mut self.device else { return Ok(()) };
        let lines = device.waiter.wait(Some(limit))?.lines;
        for (fired, line) in [(lines.tx, Line::Tx), (lines.rx, Line::Rx)] {
            if fired {
                self.events.take(line);
            }
        }
        if lines.err {
            // Errors are acknowledged where they are mended.
            self.looked = self.looked.checked_sub(LOOK_EVERY).unwrap_or(self.looked);
        }
        Ok(())
    }

    /// Stops the port; the caller's queues can give their buffers back then.
    fn stop(mut self, rx: &Rx, tx: &Tx) -> Result<End> {
        let mut device = self.device.take().context("the port has been stopped before")?;
        let mib = device.port.mib().clone();
        let faults = *device.port.faults();
        let name = self.name.clone();
        let counters = PortCounters::new(name, rx.counters(), tx.counters(), &faults, &mib);
        let device = device.stop().map_err(|(_, error)| error.into());
        Ok(End { counters, device, name: self.name.clone() })
    }
}

/// The end of a run: what was counted, and the device if it could be stopped.
struct End {
    counters: PortCounters,
    device: Result<Device<Stopped<AnyBus>>>,
    name: String,
}

impl End {
    /// Gives the memory back, for which no queue and no buffer may be left.
    fn close(self) -> (PortCounters, Result<()>) {
        let closed = self.device.and_then(|device| {
            // The last frames may have been one too many for the disk.
            let failed = device.memory.simulated().and_then(Simulated::finish);
            device.close()?;
            failed.map_or(Ok(()), |error| Err(wire_failure(error, &self.name)))
        });
        (self.counters, closed)
    }
}

impl Drop for Core {
    /// Stops a port whose command has failed.
    fn drop(&mut self) {
        if let Some(device) = self.device.take()
            && let Err((_, error)) = device.stop()
        {
            log::error!("{}: {error}", self.name);
        }
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("name", &self.name)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

/// A number nobody can guess.
pub fn random_seed() -> u64 {
    // The standard library keys its hash tables from the system's random numbers.
    RandomState::new().build_hasher().finish()
}
