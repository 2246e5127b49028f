//! Ports whose process has died, taken over as they run: without a reset or a link that flaps, and
//! with every frame that is in a ring. Where that cannot be, they are reset and opened as usual,
//! and the reason is told.
//!
//! It knows the order in which that is safe: nothing is given back before every controller that may
//! reach it has been stopped. What is compared, and how rings are read, is the core's business.

mod candidate;
pub(crate) mod left;
mod refusal;

use std::fmt::{self, Display};

use etsec_core::adopt::runs;
use etsec_core::mib::Counter;
use etsec_core::{Pool, Running, Stopped};

use self::candidate::{Candidate, Kept, Rest, Turned};
use self::left::give_up;
pub use self::refusal::NotAdopted;
use crate::beside;
use crate::bus::AnyBus;
use crate::device::{Device, Found, fill};
use crate::error::Error;
use crate::options::{Options, Sizes};
use crate::time::Delay;

/// What was found when a port was taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adoption {
    /// The process that had it before; 0 where that is not known.
    pub pid: u32,
    /// Filled receive descriptors that waited.
    pub waiting: u32,
    /// Transmit descriptors that the controller had not finished with.
    pub in_flight: u32,
    /// Buffers that were in no ring: free ones, and those in the dead process's hands.
    pub reclaimed: usize,
}

impl Display for Adoption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Adoption { pid, waiting, in_flight, reclaimed } = self;
        match pid {
            0 => f.write_str("taken over from a process that is no more")?,
            pid => write!(f, "taken over from process {pid}")?,
        }
        write!(
            f,
            ": {waiting} received and {in_flight} sent descriptors \
             under way, {reclaimed} buffers free again"
        )
    }
}

/// A port that was asked for as it runs.
#[derive(Debug)]
pub enum Opened {
    /// It was taken over, and runs.
    Adopted(Device<Running<AnyBus>>, Adoption),
    /// It was reset, as [`Device::open`] does, for this reason.
    Stopped(Device<Stopped<AnyBus>>, NotAdopted),
}

/// A port that runs, and what has become of the wish to take it over.
#[derive(Debug)]
pub struct Started {
    /// The port.
    pub device: Device<Running<AnyBus>>,
    /// What was found, or why it was reset.
    pub adoption: Result<Adoption, NotAdopted>,
}

impl Opened {
    /// The port, running in either case.
    ///
    /// # Errors
    /// As [`Device::start`]; the device is given up then.
    pub fn start(self) -> Result<Started, Error> {
        match self {
            Opened::Adopted(device, adoption) => Ok(Started { device, adoption: Ok(adoption) }),
            Opened::Stopped(device, why) => match device.start() {
                Ok(device) => Ok(Started { device, adoption: Err(why) }),
                Err((_, error)) => Err(error),
            },
        }
    }
}

impl Device {
    /// Opens the port that `spec` names as [`Device::open`] does, but takes it over if a process
    /// has left it running, with the same options.
    ///
    /// `set_up` does what would otherwise be done between `open` and `start`: it sets options of
    /// the port. It is called a second time, on a port that was reset, if the first one cannot be
    /// taken over, and has to do the same. Options that write to the controller at once, as rules
    /// of the filer do, look at [`Device::is_taken_over`] first; those rules
    /// [stay](Stopped::keep_filer).
    ///
    /// Nothing else differs: a station address that nobody has given is the one there is. Memory
    /// that was left is taken over or, once the controller has been stopped, given back.
    ///
    /// # Errors
    /// As [`Device::open`], and what `set_up` says of a port that was reset.
    pub fn adopt<E: From<Error> + Display>(
        spec: &str,
        options: &Options,
        mut set_up: impl FnMut(&mut Device) -> Result<(), E>,
    ) -> Result<Opened, E> {
        let mut opened = Device::adopt_all(&[(spec, options)], |_, device| set_up(device))?;
        // As many as were asked for.
        Ok(opened.remove(0))
    }

    /// The same for ports that hold each other's buffers, as those do between which frames are
    /// forwarded: all of them are taken over, or none. `set_up` is told their number.
    ///
    /// # Errors
    /// As [`Device::adopt`], and [`Error::LongLabel`] before anything is touched.
    pub fn adopt_all<E: From<Error> + Display>(
        ports: &[(&str, &Options)],
        mut set_up: impl FnMut(usize, &mut Device) -> Result<(), E>,
    ) -> Result<Vec<Opened>, E> {
        let mut asked = Vec::new();
        for (spec, options) in ports {
            asked.push(Asked { options, sizes: options.sizes()?, spec });
        }
        let found = asked.iter().map(|asked| Device::find(asked.spec, asked.options));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        if let Some((_, options)) = ports.first() {
            beside::check(&options.roots, found.iter())?;
        }
        let refused = match take_over(&asked, found, &mut set_up)? {
            Ok(opened) => return Ok(opened),
            Err(refused) => refused,
        };
        let (mut devices, mut reasons) = (Vec::new(), Vec::new());
        for (n, ((found, why), asked)) in refused.into_iter().zip(&asked).enumerate() {
            if !matches!(why, NotAdopted::Nothing) {
                log::warn!("{}: not taken over, but reset: {why}", found.name);
            }
            let mut device = Device::assemble(found, asked.options, &asked.sizes)?;
            set_up(n, &mut device)?;
            devices.push(device);
            reasons.push(why);
        }
        beside::pair(devices.iter())?;
        let opened = devices.into_iter().zip(reasons);
        Ok(opened.map(|(device, why)| Opened::Stopped(device, why)).collect())
    }

    /// Opens ports as [`Device::open`] does that are to hold each other's buffers, as those do
    /// between which frames are forwarded. A process before may have let them, too: all of them are
    /// stopped before memory of any goes.
    ///
    /// # Errors
    /// As [`Device::open`], and [`Error::LongLabel`] before anything is touched.
    pub fn open_all(ports: &[(&str, &Options)]) -> Result<Vec<Device>, Error> {
        let mut found = Vec::new();
        for (spec, options) in ports {
            let sizes = options.sizes()?;
            found.push((Device::find(spec, options)?, *options, sizes));
        }
        if let Some((_, options)) = ports.first() {
            beside::check(&options.roots, found.iter().map(|(found, ..)| found))?;
        }
        found.iter().try_for_each(|(found, ..)| found.stop())?;
        let assemble = |(found, options, sizes)| Device::assemble(found, options, &sizes);
        let devices = found.into_iter().map(assemble).collect::<Result<Vec<_>, _>>()?;
        beside::pair(devices.iter())?;
        Ok(devices)
    }

    /// Whether this port is being taken over as it runs (see [`Device::adopt`]).
    #[must_use]
    pub fn is_taken_over(&self) -> bool {
        runs(&self.port.pages().group0)
    }
}

/// What is asked for.
struct Asked<'a> {
    spec: &'a str,
    options: &'a Options,
    sizes: Sizes,
}

/// Ports that are to be reset, and why.
type Refused = Vec<(Found, NotAdopted)>;

/// Takes all ports over, or none.
fn take_over<E: Display>(
    asked: &[Asked<'_>],
    found: Vec<Found>,
    set_up: &mut impl FnMut(usize, &mut Device) -> Result<(), E>,
) -> Result<Result<Vec<Opened>, Refused>, Error> {
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut turned: Vec<Turned> = Vec::new();
    for (found, asked) in found.into_iter().zip(asked) {
        match turned.last() {
            // One of them is enough.
            Some(first) => turned.push(Turned::beside(found, &first.found.name)),
            None => match Candidate::new(found, asked.options, &asked.sizes) {
                Ok(candidate) => candidates.push(candidate),
                Err(refused) => turned.push(*refused),
            },
        }
    }
    if turned.is_empty() {
        for (n, candidate) in candidates.iter_mut().enumerate() {
            if let Err(error) = set_up(n, &mut candidate.device) {
                candidate.why = Some(NotAdopted::SetUp(format!("{error:#}")));
                break;
            }
        }
        if candidates.iter().all(|candidate| candidate.why.is_none()) {
            match adopt(candidates, asked)? {
                Ok(opened) => return Ok(Ok(opened)),
                Err(refused) => candidates = refused,
            }
        }
    }
    abandon(candidates, turned).map(Err)
}

/// Adopts all candidates; gives them back, stopped, if one is refused.
fn adopt(
    candidates: Vec<Candidate>,
    asked: &[Asked<'_>],
) -> Result<Result<Vec<Opened>, Vec<Candidate>>, Error> {
    let pools: Vec<Pool> = candidates.iter().map(|one| one.device.pool.clone()).collect();
    let pools: Vec<&Pool> = pools.iter().collect();
    let mut adopted = Vec::new();
    let mut candidates = candidates.into_iter();
    for Candidate { device, rest, .. } in candidates.by_ref() {
        let (port, mut device) = device.split();
        match port.adopt(&mut device.rx, &mut device.tx, &pools, &mut Delay) {
            Ok((port, found)) => adopted.push((device.join(port), rest, found)),
            Err((port, why)) => {
                let why = Some(NotAdopted::Controller(why));
                let refused = Candidate { device: device.join(port), rest, why };
                let mut all = Vec::new();
                for (device, rest, _) in adopted {
                    all.push(Candidate { device: stopped(device)?, rest, why: None });
                }
                all.push(refused);
                all.extend(candidates);
                return Ok(Err(all));
            }
        }
    }
    beside::pair(adopted.iter().map(|(device, ..)| device))?;
    let mut opened = Vec::new();
    for ((mut device, Rest { pid, .. }, found), asked) in adopted.into_iter().zip(asked) {
        // All rings that may hold buffers of this pool have been taken over.
        let reclaimed = device.pool.reclaim();
        fill(&mut device.rx, &device.pool, asked.sizes.reserve());
        let receives = device.port.mib().total(Counter::RPKT) > 0;
        if let Some(reception) = &mut device.reception
            && receives
        {
            reception.note_proved(device.port.faults().resets);
        }
        device.memory.sweep_others(&asked.options.roots, &device.name);
        let (waiting, in_flight) = (found.waiting, found.in_flight);
        let adoption = Adoption { pid, waiting, in_flight, reclaimed };
        log::debug!("{}: {adoption}", device.name);
        opened.push(Opened::Adopted(device, adoption));
    }
    Ok(Ok(opened))
}

/// Stops one that was taken over already.
fn stopped(device: Device<Running<AnyBus>>) -> Result<Device, Error> {
    device.stop().map_err(|(device, error)| {
        // Nobody knows whether it still does DMA: its memory stays where it is.
        std::mem::forget(device);
        error
    })
}

/// Stops all controllers and gives back what they had; all or nothing of it.
fn abandon(candidates: Vec<Candidate>, turned: Vec<Turned>) -> Result<Refused, Error> {
    let mut all = Stopping { candidates, turned };
    if let Err(error) = all.stop() {
        // What a controller may be using stays where it is, for whoever comes next.
        std::mem::forget(all);
        return Err(error);
    }
    let Stopping { candidates, turned } = all;
    let culprit = candidates.iter().find(|one| one.why.is_some());
    let culprit = culprit.map(|one| one.device.name.clone());
    let culprit = culprit.or(turned.first().map(|one| one.found.name.clone())).unwrap_or_default();
    let mut refused = Vec::new();
    let mut memory = Vec::new();
    for Candidate { device, rest, why } in candidates {
        let (found, pool, arena) = rest.found_again(device);
        memory.push((pool, arena));
        refused.push((found, why.unwrap_or(NotAdopted::Beside(culprit.clone()))));
    }
    // All queues are gone; what was in them is home, and the rest of the buffers is in no ring.
    for (pool, _) in &memory {
        pool.reclaim();
    }
    for (pool, arena) in memory {
        drop(pool);
        // Where a buffer is in somebody's hands the memory stays mapped.
        drop(arena.retire().map(drop));
    }
    for Turned { found, kept, why } in turned {
        match kept {
            Some(Kept::Region(region)) => drop(region),
            Some(Kept::Opened(opened)) => give_up(*opened),
            None => {}
        }
        refused.push((found, why));
    }
    Ok(refused)
}

/// Ports that are about to be stopped.
struct Stopping {
    candidates: Vec<Candidate>,
    turned: Vec<Turned>,
}

impl Stopping {
    fn stop(&mut self) -> Result<(), Error> {
        for Candidate { device, .. } in &mut self.candidates {
            let name = &device.name;
            let stopped = device.port.bring_up(&mut Delay);
            stopped.map_err(|source| Error::Device { name: name.clone(), source })?;
        }
        // Memory of each may be in rings of the others, also what is found only later.
        self.turned.iter().try_for_each(Turned::stop)
    }
}
