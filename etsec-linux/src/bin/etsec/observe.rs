//! Devices as observers see them: registers that can be read and nothing else, and the MDIO bus in
//! turns with others.
//!
//! Nothing here stops, resets or owns a port. A simulated device lives in the process that opened
//! it: that one is asked. If there is none, what is seen is a controller after power-on, and it is
//! said so.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};
use embedded_hal::delay::DelayNs;
use etsec_core::Bus;
use etsec_core::mdio::{Mdio, MdioBus};
use etsec_core::regs::Readable;
use etsec_core::regs::catalog::{Access, CATALOG, Entry, Page, Reading, Register};
use etsec_core::regs::control::{ECNTRL, Ecntrl, TSEC_ID, TsecId};
use etsec_linux::devtree::Node;
use etsec_linux::handover::{self, KernelDriver};
use etsec_linux::lock;
use etsec_linux::mdio::SharedMdio;
use etsec_linux::time::Delay;
use etsec_linux::uio::{self, Uio, UioDevice};
use etsec_linux::{AnyBus, Error, PortConfig, Roots, Spec, port};
use etsec_sim::Sim;
use etsec_sim::remote::{Client, Connection, Role};
use etsec_sim::trace::{self, Recorder};

use crate::args::DeviceName;
use crate::control::{NobodyRuns, Request, State};
use crate::run::Context;

/// The suffixes of the three UIO devices one MAC may be.
const PARTS: [&str; 3] = ["-tx", "-rx", "-err"];

/// A page of registers that can only be read.
pub struct ReadPage(Box<dyn Fn(u16) -> u32>);

impl ReadPage {
    /// The page that `read` reads, by byte offset.
    pub fn new(read: impl Fn(u16) -> u32 + 'static) -> Self {
        ReadPage(Box::new(read))
    }

    /// The same, recorded as that page if there is a recorder.
    fn recorded(self, recorder: Option<&Recorder>, page: trace::Page) -> Self {
        let Some(recorder) = recorder else { return self };
        let bus = recorder.page(page, self);
        ReadPage::new(move |at| bus.read(at))
    }

    /// The register at byte offset `at`.
    pub fn get(&self, at: u16) -> u32 {
        (self.0)(at)
    }
}

impl Bus for ReadPage {
    fn read(&self, at: u16) -> u32 {
        self.get(at)
    }
    /// Nothing is ever written: the device belongs to somebody else.
    fn write(&self, at: u16, _: u32) {
        debug_assert!(false, "an observer wrote to {at:#05x}");
    }
    fn publish(&self) {}
    fn observe(&self) {}
}

impl fmt::Debug for ReadPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadPage")
    }
}

/// A port that is looked at.
#[derive(Debug)]
pub struct Observer {
    /// Its registers.
    pub page: ReadPage,
    /// Its MDIO page, if that is not the same.
    pub mdio: Option<ReadPage>,
    /// Who owns it, in words.
    pub owner: Option<String>,
    /// What its owner tells of it: of a simulated device all there is to see.
    pub state: Option<State>,
    /// What the device tree says of it.
    pub config: PortConfig,
    /// What records all that is read of it.
    pub recorder: Option<Recorder>,
}

impl Observer {
    /// Looks at `device` without taking it over.
    ///
    /// # Errors
    /// If there is no such device, or it is no eTSEC.
    pub fn open(device: &DeviceName, context: &Context) -> Result<Self> {
        let mut observer = match &device.spec {
            Spec::Uio(name) => Self::uio(&Roots::default(), name)?,
            Spec::Sim(_) => Self::simulated(device, context)?,
            Spec::Remote(socket) => Self::remote(device, socket)?,
        };
        let recorder = context.tracer.begin(device)?;
        observer.page = observer.page.recorded(recorder.as_ref(), trace::Page::Group0);
        let mdio = observer.mdio.map(|page| page.recorded(recorder.as_ref(), trace::Page::Mdio));
        (observer.mdio, observer.recorder) = (mdio, recorder);
        observer.check()?;
        Ok(observer)
    }

    /// Asks the process that runs a simulated device, or makes one.
    fn simulated(device: &DeviceName, context: &Context) -> Result<Self> {
        let (page, state) = match ask(device, context) {
            Ok(state) => {
                let registers = state.registers.clone();
                // Nobody reads others than those.
                (ReadPage::new(move |at| registers.get(&at).copied().unwrap_or(0)), Some(state))
            }
            Err(error) if error.is::<NobodyRuns>() => {
                log::warn!(
                    "{device}: nobody runs it; this is a simulated controller as it is switched on"
                );
                let bus = simulated().bus();
                (ReadPage::new(move |at| bus.read(at)), None)
            }
            Err(error) => return Err(error),
        };
        let owner = state.as_ref().map(|state| format!("process {}", state.process));
        let config = PortConfig::default();
        Ok(Observer { page, mdio: None, owner, state, config, recorder: None })
    }

    /// Looks at a simulated device of another process.
    fn remote(device: &DeviceName, socket: &Path) -> Result<Self> {
        let connected = Client::connect(socket, Role::Observer);
        let Connection { client, owner, .. } = connected.with_context(|| device.to_string())?;
        let bus = client.bus();
        Ok(Observer {
            page: ReadPage::new(move |at| bus.read(at)),
            mdio: None,
            owner: owner.map(|process| format!("process {process}")),
            state: None,
            config: PortConfig::default(),
            recorder: None,
        })
    }

    /// Looks again: at what the owner tells by now, where what is seen is not the device itself;
    /// and whether it is still there.
    ///
    /// # Errors
    /// As [`Observer::open`]; that the owner has ended.
    pub fn look_again(&mut self, device: &DeviceName, context: &Context) -> Result<()> {
        if self.state.is_some() {
            let state = ask(device, context)?;
            let registers = state.registers.clone();
            let page = ReadPage::new(move |at| registers.get(&at).copied().unwrap_or(0));
            self.page = page.recorded(self.recorder.as_ref(), trace::Page::Group0);
            self.state = Some(state);
        }
        self.check().with_context(|| device.to_string())
    }

    /// Looks at the port called `name`.
    pub fn uio(roots: &Roots, name: &str) -> Result<Self, Error> {
        let devices = uio::list(roots)?;
        let parts = parts(roots, &devices, name)?;
        let main = main_part(&parts);
        let regs = Uio::open_observer(main)?;
        let page = regs.registers(regs.map_named("regs").unwrap_or(0))?;
        let mdio = match mdio_of(&devices, &parts, name)? {
            Some((device, index)) => Some(Uio::open_observer(device)?.mdio(index)?),
            None => None,
        };
        let config = match Node::open(&main.sys.join("device/of_node")) {
            Some(node) => PortConfig::read(roots, &node)?,
            None => PortConfig::default(),
        };
        Ok(Observer {
            page: ReadPage::new(move |at| page.read(at)),
            mdio: mdio.map(|page| ReadPage::new(move |at| page.read(at))),
            owner: owner(roots, main)?,
            state: None,
            config,
            recorder: None,
        })
    }

    /// Sees that there is an eTSEC behind the page (HW 3.1).
    ///
    /// # Errors
    /// [`etsec_core::Error::Gone`] or [`etsec_core::Error::NotAnEtsec`].
    pub fn check(&self) -> Result<(), etsec_core::Error> {
        let id = TSEC_ID.on(&self.page);
        match id.get() {
            u32::MAX => Err(etsec_core::Error::Gone),
            _ if id.read(TsecId::ID) == 0x0124 => Ok(()),
            other => Err(etsec_core::Error::NotAnEtsec(other)),
        }
    }
}

/// What the process that runs `device` tells of it.
///
/// # Errors
/// That nobody runs it, or that one may not ask.
pub fn ask(device: &DeviceName, context: &Context) -> Result<State> {
    let state = context.ask(device, &Request::Look)?;
    serde_json::from_value(state).context("the owner is of another version")
}

/// Why a register is not read beside its owner; `None` if it is.
pub fn why_not(register: &Register, autoz: bool) -> Option<&'static str> {
    match (register.entry.access, register.entry.reading) {
        (Access::Wo, _) => Some("write only"),
        (_, Reading::SafeWithoutAutoz) if autoz => {
            Some("ECNTRL[AUTOZ] is set: reading would clear it")
        }
        (_, Reading::Effect) => Some("reading would change the controller's state"),
        (_, Reading::Owner) => Some("means something to the owner only"),
        (_, Reading::Safe | Reading::SafeWithoutAutoz) => None,
    }
}

/// The registers of a page that can be read beside their owner, by byte offset.
pub fn registers(page: &impl Bus) -> BTreeMap<u16, u32> {
    let autoz = ECNTRL.on(page).is_set(Ecntrl::AUTOZ);
    let all = CATALOG.iter().filter(|entry| entry.page == Page::Group).flat_map(Entry::registers);
    let safe = all.filter(|register| why_not(register, autoz).is_none());
    safe.map(|register| (register.offset(), page.read(register.offset()))).collect()
}

/// The MDIO bus of `device`, used in turns with whoever else uses it.
///
/// # Errors
/// If there is no such device, or its management registers cannot be reached.
pub fn open_mdio(device: &DeviceName, recorder: Option<&Recorder>) -> Result<Box<dyn MdioBus>> {
    let roots = Roots::default();
    let name = match &device.spec {
        Spec::Uio(name) => name,
        Spec::Sim(_) => return simulated_mdio(recorder),
        Spec::Remote(socket) => return remote_mdio(device, socket, recorder),
    };
    let devices = uio::list(&roots)?;
    let parts = parts(&roots, &devices, name)?;
    let main = main_part(&parts);
    let (page, which, address) = match mdio_of(&devices, &parts, name)? {
        Some((device, index)) => {
            let uio = Uio::open_shared(device)?;
            (uio.mdio(index)?.into_bus(), trace::Page::Mdio, uio.address(index))
        }
        None => {
            let uio = Uio::open_shared(main)?;
            let index = uio.map_named("regs").unwrap_or(0);
            (uio.registers(index)?.into_bus(), trace::Page::Group0, uio.address(index))
        }
    };
    let page = AnyBus::Mmio(page).recorded(recorder, which);
    let mut bus = SharedMdio::new(&roots, page, Some(address))?;
    // An owner has set the bus up, and may be in the middle of something longer than one access.
    if owner(&roots, main)?.is_none() {
        bus.reset()?;
    }
    Ok(Box::new(bus))
}

/// The MDIO bus of a simulated controller.
fn simulated_mdio(recorder: Option<&Recorder>) -> Result<Box<dyn MdioBus>> {
    let sim = simulated();
    let (bus, delay) = (sim.bus(), sim.delay());
    Ok(match recorder {
        Some(recorder) => {
            Box::new(reset(Mdio::new(recorder.page(trace::Page::Group0, bus), delay))?)
        }
        None => Box::new(reset(Mdio::new(bus, delay))?),
    })
}

/// The MDIO bus of a simulated controller of another process: its owner's, so there must be none.
fn remote_mdio(
    device: &DeviceName,
    socket: &Path,
    recorder: Option<&Recorder>,
) -> Result<Box<dyn MdioBus>> {
    let connected = Client::connect(socket, Role::Owner);
    let Connection { client, .. } = connected.with_context(|| device.to_string())?;
    let page = AnyBus::Remote(client.bus()).recorded(recorder, trace::Page::Group0);
    Ok(Box::new(reset(Mdio::new(page, Delay))?))
}

fn reset<B: Bus, D: DelayNs>(mut mdio: Mdio<B, D>) -> Result<Mdio<B, D>> {
    mdio.reset()?;
    Ok(mdio)
}

/// A simulated controller that has been switched on for a while.
fn simulated() -> Sim {
    let sim = Sim::default();
    sim.advance(10_000_000_000);
    sim
}

/// The UIO devices that are the MAC called `name`: one, or up to three.
fn parts<'a>(
    roots: &Roots,
    devices: &'a [UioDevice],
    name: &str,
) -> Result<Vec<&'a UioDevice>, Error> {
    let mut found = Vec::new();
    for suffix in PARTS {
        found.extend(uio::find(devices, &format!("{name}{suffix}"))?);
    }
    if found.is_empty() {
        found.extend(uio::find(devices, name)?);
    }
    if found.is_empty() {
        return Err(port::unknown(roots, devices, name));
    }
    Ok(found)
}

/// The part with the registers; the first, if none has any.
fn main_part<'a>(parts: &[&'a UioDevice]) -> &'a UioDevice {
    let has_registers =
        |part: &&&UioDevice| part.maps.iter().any(|map| !matches!(&*map.name, "mdio" | "tbi"));
    parts.iter().find(has_registers).copied().unwrap_or(parts[0])
}

/// The device and map with the management registers, if they are apart from the MAC's own.
fn mdio_of<'a>(
    devices: &'a [UioDevice],
    parts: &[&'a UioDevice],
    name: &str,
) -> Result<Option<(&'a UioDevice, usize)>, Error> {
    let separate = uio::find(devices, &format!("{name}-mdio"))?;
    for device in parts.iter().copied().chain(separate) {
        let named = device.maps.iter().position(|map| map.name == "mdio");
        let whole = separate.is_some_and(|separate| separate.id == device.id).then_some(0);
        if let Some(index) = named.or(whole) {
            return Ok(Some((device, index)));
        }
    }
    Ok(None)
}

/// Who owns the port with this UIO device, in words; `None` if nobody does. A driver of the kernel
/// that has the MAC as well counts, for it is not to be disturbed either.
pub fn owner(roots: &Roots, device: &UioDevice) -> Result<Option<String>, Error> {
    if let Some(owner) = lock::owner(roots, &device.dev)? {
        return Ok(Some(owner.to_string()));
    }
    let Some(node) = Node::open(&device.sys.join("device/of_node")) else { return Ok(None) };
    let rival = handover::rival(roots, &node)?;
    Ok(rival.map(|KernelDriver { driver, .. }| format!("the kernel's {driver}")))
}
