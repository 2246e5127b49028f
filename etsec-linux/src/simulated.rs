//! Simulated devices of this process: a model, the thread that runs it against the clock, and the
//! end of its wire.
//!
//! It knows which wires there are. What the model does is etsec-sim's business.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use etsec_core::event::Line;
use etsec_core::{BusAddr, Pages};
use etsec_sim::ends::{Null, PcapWire, SocketWire, Wire, WireError};
use etsec_sim::runner::Runner;
use etsec_sim::tap::Tap;
use etsec_sim::{Sim, SimConfig, SimRegion};
use rustix::event::{EventfdFlags, eventfd};

use crate::bus::AnyBus;
use crate::cables;
use crate::config::PortConfig;
use crate::device::Found;
use crate::error::{Error, system};
use crate::memory::Supply;
use crate::space::{Space, Window};
use crate::spec::WireSpec;
use crate::wait::{Bell, Lines, Waiter};

/// A running model and what it occupies in this process.
pub struct Simulated {
    runner: Arc<Runner>,
    _cable: Option<cables::Lease>,
}

/// Virtual time before a program first sees the device, in nanoseconds: the board has been switched
/// on for a while, and its PHY has found its link.
const POWERED_NS: u64 = 10_000_000_000;

/// Makes a new device with this wire; `name` is what it was asked for by.
pub(crate) fn find(name: &str, wire: WireSpec) -> Result<Found, Error> {
    let (wire, cable) = plug(wire).map_err(|source| Error::Wire { name: name.into(), source })?;
    let runner = Runner::spawn(powered(), wire).map_err(system("start the simulator's thread"))?;
    let runner = Arc::new(runner);
    let page = AnyBus::Sim(runner.bus());
    let [first, second] = waiters(&runner)?;
    Ok(Found {
        name: name.into(),
        pages: Pages {
            group0: page.clone(),
            group1: Some(AnyBus::Sim(runner.second_bus())),
            mdio: None,
        },
        tbi: (page, None),
        mdio_address: None,
        waiter: first,
        second: Some(second),
        config: PortConfig::default(),
        supply: Supply::Sim(Simulated { runner, _cable: cable }),
    })
}

/// A model as a board has it that has been switched on for a while.
#[must_use]
pub fn powered() -> Sim {
    let sim = Sim::new(SimConfig::default());
    sim.advance(POWERED_NS);
    sim
}

/// The end of a wire, for a model that is not opened as a device here.
///
/// # Errors
/// [`Error::Wire`] if it cannot be had; [`Error::BadWire`] for a cable, whose other end could only
/// be in this process.
pub fn open_wire(wire: &WireSpec) -> Result<Box<dyn Wire + Send>, Error> {
    if let WireSpec::Cable(id) = wire {
        let why = "both ends of a cable are in one process".into();
        return Err(Error::BadWire { text: format!("cable:{id}"), why });
    }
    let plugged = plug(wire.clone());
    let (wire, _) = plugged.map_err(|source| Error::Wire { name: "etsec-simd".into(), source })?;
    Ok(wire)
}

type Plugged = (Box<dyn Wire + Send>, Option<cables::Lease>);

fn plug(wire: WireSpec) -> Result<Plugged, WireError> {
    Ok(match wire {
        WireSpec::Null => (Box::new(Null), None),
        WireSpec::Tap(name) => (Box::new(Tap::open(&name)?), None),
        WireSpec::Pcap { input, output } => {
            (Box::new(PcapWire::open(input.as_deref(), output.as_deref())?), None)
        }
        WireSpec::Socket(path) => (Box::new(SocketWire::bind(&path)?), None),
        WireSpec::Cable(id) => {
            let (end, lease) = cables::plug(&id).map_err(WireError::Io)?;
            (Box::new(end), Some(lease))
        }
    })
}

/// A waiter for each interrupt group, with a bell for each line that the runner rings as UIO would.
fn waiters(runner: &Arc<Runner>) -> Result<[Waiter; 2], Error> {
    let (first, ringers) = bells(runner, Runner::enable)?;
    let first = Waiter::bells(first)?;
    runner.on_interrupt(move |line| ring(&ringers[line as usize]));
    let (second, ringers) = bells(runner, Runner::enable_second)?;
    let second = Waiter::bells(second)?;
    runner.on_second_interrupt(move |line| ring(&ringers[line as usize]));
    Ok([first, second])
}

/// The bells of a group, in the order of the model's lines, and what rings them.
fn bells(
    runner: &Arc<Runner>,
    enable: fn(&Runner, etsec_sim::Line),
) -> Result<(Vec<Bell>, Vec<OwnedFd>), Error> {
    const LINES: [(Line, Lines); 3] =
        [(Line::Tx, Lines::TX), (Line::Rx, Lines::RX), (Line::Err, Lines::ERR)];
    let (mut bells, mut ringers) = (Vec::new(), Vec::new());
    for (line, lines) in LINES {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let event = event.map_err(system("make an event descriptor"))?;
        ringers.push(event.try_clone().map_err(system("duplicate an event descriptor"))?);
        let runner = Arc::downgrade(runner);
        let enable = move || {
            if let Some(runner) = runner.upgrade() {
                enable(&runner, model_line(line));
            }
            Ok(())
        };
        bells.push(Bell { event, lines, enable: Box::new(enable) });
    }
    Ok((bells, ringers))
}

fn ring(event: &OwnedFd) {
    // It can only fail for a counter that is full, and then the waiter has enough to see.
    let _ = rustix::io::write(event, &1u64.to_ne_bytes());
}

/// The model has a line type of its own: it shares nothing with the driver.
fn model_line(line: Line) -> etsec_sim::Line {
    match line {
        Line::Tx => etsec_sim::Line::Tx,
        Line::Rx => etsec_sim::Line::Rx,
        Line::Err => etsec_sim::Line::Err,
    }
}

impl Simulated {
    /// The model.
    #[must_use]
    pub fn sim(&self) -> &Sim {
        self.runner.sim()
    }

    /// Takes out why the wire has failed, if it has: the TAP is gone, the other end of the cable
    /// is, a capture file is broken. The model runs on.
    #[must_use]
    pub fn wire_error(&self) -> Option<WireError> {
        self.runner.error()
    }

    /// Ends the wire when it has been given all that was sent, and takes out why it has failed, if
    /// it has. That the other end of a cable ended first is no failure here.
    #[must_use]
    pub fn finish(&self) -> Option<WireError> {
        self.runner.finish();
        self.runner.error().filter(|error| !matches!(error, WireError::Unplugged))
    }

    /// Whether everything the wire will ever supply has been received, as at the end of a file.
    #[must_use]
    pub fn input_ended(&self) -> bool {
        self.runner.input_ended()
    }

    /// Memory that the model reaches, at a bus address no other simulated device of this process
    /// has.
    pub(crate) fn region(&self, bytes: usize) -> Result<PlacedRegion, Error> {
        let space = Space::take(Window::Here, bytes)?;
        let bus = BusAddr::new(space.start()).unwrap_or_default();
        let region = self.sim().region_at(bus, bytes);
        self.share();
        Ok(PlacedRegion { region, _space: space })
    }

    /// Lets this device and every other of the process reach each other's memory.
    fn share(&self) {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|other| other.strong_count() > 0);
        for other in running.iter().filter_map(Weak::upgrade) {
            // Places are given out once, so the two never overlap.
            let joined = self.sim().reach(other.sim()) && other.sim().reach(self.sim());
            debug_assert!(joined, "two simulated devices at one place");
        }
        running.push(Arc::downgrade(&self.runner));
    }
}

/// The simulated devices of this process.
static RUNNING: Mutex<Vec<Weak<Runner>>> = Mutex::new(Vec::new());

impl fmt::Debug for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulated").field("runner", &self.runner).finish_non_exhaustive()
    }
}

/// Memory of a simulated device at a place of its own.
#[derive(Debug)]
pub struct PlacedRegion {
    // Fields are dropped in this order: nobody else comes to the place while the memory is there.
    pub(crate) region: SimRegion,
    _space: Space,
}

#[cfg(test)]
#[path = "simulated_tests.rs"]
mod tests;
