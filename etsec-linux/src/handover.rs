//! Taking a port from the kernel's driver for user space, and giving it back, while the system
//! runs.
//!
//! A device tree that offers both has an ethernet node and UIO nodes with the same registers. The
//! kernel makes platform devices of all of them, and a device has a driver or none: so the port is
//! the kernel's or UIO's by who is bound. This file knows which devices are one port and what must
//! not be interrupted. The registers are touched only to stop what a killed owner left running.

use etsec_core::addr::AddressFilter;
use etsec_core::{Config, Pages, Stopped};

use crate::config::{self, PortConfig};
use crate::devtree::Node;
use crate::error::Error;
use crate::handover_error::HandoverError;
use crate::platform::{self, PlatformDevice, UIO_DRIVER};
use crate::roots::{Roots, read_number};
use crate::switches::{Kernel, Moves, Sysfs, To};
use crate::time::Delay;
use crate::uio::{self, Uio};
use crate::{beside, ethernet, leftover, lock, mounts, port};

/// Whom the ethernet device is reserved for while user space has the port. There is no such driver,
/// so none takes it, not even one that is loaded later.
const NOBODY: &str = "etsec";

/// A port's devices, and what was done with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether anything had to be done.
    pub changed: bool,
    /// Its UIO devices afterwards: kernel name and given name.
    pub uio: Vec<(String, String)>,
    /// The driver that the port was taken from, or given to.
    pub kernel: Option<KernelDriver>,
}

/// A driver of the kernel that has, or had, a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelDriver {
    /// Its name, such as `fsl-gianfar`.
    pub driver: String,
    /// The platform device, such as `ffe24000.ethernet`.
    pub device: String,
    /// Network interfaces of that device.
    pub interfaces: Vec<String>,
}

/// Takes the port called `name` from the kernel's driver, if that has it, and makes UIO devices of
/// it. A port that is UIO's already stays as it is. An interface that is up is only interrupted by
/// `force`.
///
/// # Errors
/// Any [`HandoverError`] but [`NobodyToGive`](HandoverError::NobodyToGive),
/// [`Error::IncompleteSet`], [`Error::Busy`] if a process owns a port that the kernel has as well,
/// or what the system says. Everything is as it was then, unless the error is
/// [`HandoverError::HalfDone`].
pub fn bind(roots: &Roots, name: &str, force: bool) -> Result<Outcome, Error> {
    bind_with(&Sysfs, roots, name, force)
}

/// Gives the port called `name` back to the kernel's driver: stops the controller, deletes memory
/// that a killed owner left, takes the UIO devices away and lets the kernel find its driver. A port
/// that is the kernel's already stays as it is. With `force` a port is let go of although nobody
/// takes it, and also one that no longer answers.
///
/// # Errors
/// As [`bind`], and [`Error::Busy`] if a process owns the port, [`Error::Beside`] if memory that
/// was left has buffers of another port that is still there; there is no force against these. And
/// [`HandoverError::NobodyToGive`] if there is no ethernet device or no driver for it,
/// [`Error::Device`] if the controller does not answer.
pub fn unbind(roots: &Roots, name: &str, force: bool) -> Result<Outcome, Error> {
    unbind_with(&Sysfs, roots, name, force)
}

/// The driver of the kernel that has the MAC with the node `node` besides UIO. Two drivers on one
/// controller break both.
///
/// # Errors
/// [`Error::Attribute`] for a property that makes no sense, or what the system says.
pub fn rival(roots: &Roots, node: &Node) -> Result<Option<KernelDriver>, Error> {
    let Some(ethernet) = ethernet::find(node)? else { return Ok(None) };
    let devices = platform::list(roots)?;
    Ok(devices.iter().find(|device| device.node == ethernet).and_then(kernel_driver))
}

pub(crate) fn bind_with(
    kernel: &dyn Kernel,
    roots: &Roots,
    name: &str,
    force: bool,
) -> Result<Outcome, Error> {
    let _turn = turn(roots, name)?;
    let devices = Devices::find(roots, name)?;
    let had = devices.ethernet.as_ref().and_then(kernel_driver);
    // A driver that is loaded later would take what is not reserved.
    let safe = devices.ethernet.as_ref().is_none_or(|e| e.reserved().as_deref() == Some(NOBODY));
    if had.is_none() && safe && devices.parts.iter().all(is_uio) {
        return devices.outcome(false, None);
    }
    if !roots.platform().join("drivers").join(UIO_DRIVER).exists() {
        return Err(HandoverError::NoUioDriver { name: name.into() }.into());
    }
    if !force {
        check_idle(name, &devices)?;
    }
    // A port that both have may have an owner. It is held, so that nobody becomes one meanwhile.
    let _owned = if had.is_some() { devices.own(roots)? } else { Vec::new() };
    let mut moves = Moves::new(roots, kernel);
    let moved = devices.to_uio(&mut moves).and_then(|()| devices.outcome(true, had));
    finish(name, moves, moved)
}

pub(crate) fn unbind_with(
    kernel: &dyn Kernel,
    roots: &Roots,
    name: &str,
    force: bool,
) -> Result<Outcome, Error> {
    let _turn = turn(roots, name)?;
    let devices = Devices::find(roots, name)?;
    let has = devices.ethernet.as_ref().and_then(kernel_driver);
    let some_uio = devices.parts.iter().any(is_uio);
    if !some_uio && (has.is_some() || devices.ethernet.is_none()) {
        return devices.outcome(false, has);
    }
    if devices.ethernet.is_none() && !force {
        let why = "the device tree has no ethernet node for it that is enabled".into();
        return Err(HandoverError::NobodyToGive { name: name.into(), why }.into());
    }
    let mut moves = Moves::new(roots, kernel);
    let moved = devices.let_go(&mut moves, roots, name, has.is_none(), force).and_then(|()| {
        let has = devices.ethernet.as_ref().and_then(kernel_driver);
        devices.outcome(true, has)
    });
    finish(name, moves, moved)
}

/// Undoes what was done if the end was not reached.
fn finish(name: &str, moves: Moves<'_>, moved: Result<Outcome, Error>) -> Result<Outcome, Error> {
    let Err(error) = moved else { return moved };
    match moves.undo() {
        Ok(()) => Err(error),
        Err(undo) => {
            let (name, error, undo) = (name.into(), error.into(), undo.into());
            Err(HandoverError::HalfDone { name, error, undo }.into())
        }
    }
}

/// The platform devices of one port.
struct Devices {
    /// Those that are for UIO: one for each line, or a single one, and perhaps one for MDIO.
    parts: Vec<PlatformDevice>,
    /// The one for the kernel's driver; none if its node is not there or disabled.
    ethernet: Option<PlatformDevice>,
}

impl Devices {
    fn find(roots: &Roots, name: &str) -> Result<Self, Error> {
        let all = platform::list(roots)?;
        let parts = port::platform_parts(&all, name)?;
        let mut ethernet = None;
        for part in &parts {
            if let Some(node) = ethernet::find(&part.node)? {
                ethernet = all.iter().find(|device| device.node == node).cloned();
                break;
            }
        }
        Ok(Devices { parts, ethernet })
    }

    fn to_uio(&self, moves: &mut Moves<'_>) -> Result<(), Error> {
        if let Some(ethernet) = &self.ethernet {
            // With gianfar go the interrupts of its node, also from under a UIO device that has
            // them as well: that would wait for ever. So it lets go first, and gets them anew.
            for part in self.parts.iter().filter(|part| is_uio(part) && ethernet.driver().is_some())
            {
                moves.place(part, To::Nobody, Some(UIO_DRIVER))?;
            }
            moves.place(ethernet, To::Nobody, Some(NOBODY))?;
        }
        for part in &self.parts {
            moves.place(part, To::Driver(UIO_DRIVER), Some(UIO_DRIVER))?;
        }
        Ok(())
    }

    /// Stops the controller if it may be running without an owner, and gives the port away.
    fn let_go(
        &self,
        moves: &mut Moves<'_>,
        roots: &Roots,
        name: &str,
        ownerless: bool,
        force: bool,
    ) -> Result<(), Error> {
        // Without its UIO devices it cannot be reached.
        if ownerless
            && let Err(error) = self.to_uio(moves)
            && !force
        {
            return Err(error);
        }
        // Held until the devices are gone, so that nobody comes to own one meanwhile.
        let owned = self.own(roots)?;
        if ownerless {
            // What would be deleted may be in the rings of another controller.
            beside::check_files(roots, name)?;
        }
        if ownerless
            && let Err(error) = stop(roots, name, &owned)
            && !force
        {
            return Err(error);
        }
        self.to_kernel(moves, name, force)
    }

    fn to_kernel(&self, moves: &mut Moves<'_>, name: &str, force: bool) -> Result<(), Error> {
        // A part that another driver has is none of ours, but for its reservation.
        for part in self.parts.iter().filter(|part| is_uio(part) || part.driver().is_none()) {
            moves.place(part, To::Nobody, None)?;
        }
        let Some(ethernet) = &self.ethernet else { return Ok(()) };
        moves.place(ethernet, To::Anybody, None)?;
        if ethernet.driver().is_none() && !force {
            let why = format!("no driver has taken {}; is gianfar loaded?", ethernet.id);
            return Err(HandoverError::NobodyToGive { name: name.into(), why }.into());
        }
        Ok(())
    }

    /// Opens the UIO devices as their owner.
    fn own(&self, roots: &Roots) -> Result<Vec<(Uio, &PlatformDevice)>, Error> {
        let ids: Vec<_> = self.parts.iter().filter_map(|part| Some((part.uio()?, part))).collect();
        let mut owned = Vec::new();
        for device in uio::list(roots)? {
            if let Some((_, part)) = ids.iter().find(|(id, _)| *id == device.id) {
                owned.push((Uio::open(roots, &device)?, *part));
            }
        }
        Ok(owned)
    }

    fn outcome(&self, changed: bool, kernel: Option<KernelDriver>) -> Result<Outcome, Error> {
        let mut uio = Vec::new();
        for part in &self.parts {
            if let Some(id) = part.uio() {
                uio.push((id, part.uio_name()?));
            }
        }
        Ok(Outcome { changed, uio, kernel })
    }
}

fn is_uio(device: &PlatformDevice) -> bool {
    device.driver().as_deref() == Some(UIO_DRIVER)
}

fn kernel_driver(device: &PlatformDevice) -> Option<KernelDriver> {
    let (driver, interfaces) = (device.driver()?, device.interfaces());
    Some(KernelDriver { driver, device: device.id.clone(), interfaces })
}

/// Sees that nobody uses the port as a network interface.
fn check_idle(name: &str, devices: &Devices) -> Result<(), Error> {
    const UP: u64 = 1;
    let Some(ethernet) = &devices.ethernet else { return Ok(()) };
    let Some(KernelDriver { driver, interfaces, .. }) = kernel_driver(ethernet) else {
        return Ok(());
    };
    if interfaces.is_empty() {
        // It has one, but we are not shown it.
        return Err(HandoverError::InterfaceHidden { name: name.into(), driver }.into());
    }
    for interface in interfaces {
        let flags = ethernet.sys.join("net").join(&interface).join("flags");
        // Not to be sure is as good as up.
        if read_number(&flags).is_ok_and(|flags| flags & UP == 0) {
            continue;
        }
        return Err(HandoverError::InterfaceUp { name: name.into(), interface }.into());
    }
    Ok(())
}

/// Stops the controller behind the devices, which may still be running if its last owner was
/// killed, and deletes the memory that it left.
fn stop(roots: &Roots, name: &str, owned: &[(Uio, &PlatformDevice)]) -> Result<(), Error> {
    let Some((uio, part)) = owned.iter().find(|(uio, _)| port::has_registers(uio.device())) else {
        return Ok(());
    };
    let page = |index| uio.registers(index).map(uio::Page::into_bus);
    let group0 = page(uio.map_named("regs").unwrap_or(0))?;
    let group1 = uio.map_named("group1").map(page).transpose()?;
    let error = |source| Error::Device { name: name.into(), source };
    let filter = AddressFilter::new(config::random_station()?);
    let filter = filter.map_err(|source| Error::Station { name: name.into(), source })?;
    let mut settings = Config::new(filter);
    // The kernel's MDIO driver goes on expecting the TBI where the tree says it is.
    let config = PortConfig::read(roots, &part.node)?;
    settings.tbi_address = config.tbi_address.unwrap_or(settings.tbi_address);
    let pages = Pages { group0, group1, mdio: None };
    Stopped::attach(pages, settings, &mut Delay).map_err(error)?;
    for mount in mounts::hugetlbfs(roots)? {
        leftover::sweep(&mount, name)?;
    }
    Ok(())
}

/// One change of a port at a time, on the whole machine.
fn turn(roots: &Roots, name: &str) -> Result<std::fs::File, Error> {
    let (file, path) = lock::file(roots, &format!("etsec-bind-{name}"))?;
    lock::acquire(roots, &file, &path, &format!("the handover of '{name}'"))?;
    Ok(file)
}

#[cfg(test)]
#[path = "handover_tests.rs"]
mod tests;
