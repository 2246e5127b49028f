//! One MAC as the kernel hands it over: up to three UIO devices, its register pages and its MDIO
//! page.
//!
//! It knows names and which file has what. It knows neither registers nor the device tree's
//! content.

use std::path::PathBuf;

use etsec_core::{Mmio, Pages};

use crate::bus::AnyBus;
use crate::config::PortConfig;
use crate::device::Found;
use crate::devtree::Node;
use crate::error::Error;
use crate::handover::{self, KernelDriver};
use crate::handover_error::HandoverError;
use crate::memory::Supply;
use crate::names::{self, MDIO, PARTS, SECOND};
use crate::platform::{self, PlatformDevice};
use crate::roots::Roots;
use crate::uio::{self, Uio, UioDevice};
use crate::uio_memory::UioMemory;
use crate::wait::{Lines, Waiter};

/// An owned MAC: no other process can open it as long as [`Port::waiter`] lives.
#[derive(Debug)]
pub struct Port {
    /// Its name, without `-tx` and the like.
    pub name: String,
    /// Its register pages. Whoever writes to them can make the device write anywhere in memory.
    pub pages: Pages<Mmio>,
    /// The page through which its TBI is reached: the map `tbi`, else the first register page (HW
    /// 1.2, 1.3).
    pub tbi: Mmio,
    /// Physical address of that page.
    pub tbi_address: u64,
    /// Physical address of the page with its MDIO registers: what its users take turns by.
    pub mdio_address: u64,
    /// Its interrupts; holds the lock.
    pub waiter: Waiter,
    /// The interrupts of its second group, where there are both a page and lines for it.
    pub second: Option<Waiter>,
    /// The device-tree node of the UIO device with the registers.
    pub node: PathBuf,
    /// The memory for DMA that the UIO device with the registers brings along, if it does.
    pub memory: Option<UioMemory>,
}

impl Port {
    /// Opens the MAC called `name`: the UIO devices `name-tx`, `name-rx` and `name-err`, or the
    /// single one called `name`.
    ///
    /// Registers are in the map called `regs`, else in map 0, of the first of them that has maps; a
    /// second group's page (HW 1.3) is the map `group1`, one for the TBI the map `tbi`. MDIO is the
    /// map `mdio` of one of them or the UIO device `name-mdio`; if neither is there it is in the
    /// first register page (HW 1.2). The second group's interrupts are those of the UIO devices
    /// that `name-group1` names as `name` names the port's own.
    ///
    /// # Errors
    /// [`Error::NoUio`], [`Error::NotBound`], [`Error::UnknownDevice`], [`Error::IncompleteSet`],
    /// [`Error::AmbiguousName`], [`Error::OneInterrupt`], [`HandoverError::TwoDrivers`],
    /// [`Error::Busy`], [`Error::NoMap`], [`Error::BadMap`], or what the system says.
    pub fn open(roots: &Roots, name: &str) -> Result<Self, Error> {
        let devices = uio::list(roots)?;
        let first = members(roots, &devices, name)?;
        check_members(roots, name, &first)?;
        let uios = open_all(roots, first)?;
        let main = main_device(&uios)?;
        let node = main.device().sys.join("device/of_node");
        let group0 = main.registers(main.map_named("regs").unwrap_or(0))?;
        let group1 = main.map_named("group1").map(|index| main.registers(index)).transpose()?;
        let tbi = main.map_named("tbi");
        let tbi = tbi.map(|index| main.mdio(index).map(|page| (page, main.address(index))));
        let tbi = tbi.transpose()?;
        let mdio = mdio_page(&devices, &uios, name)?;
        let memory = UioMemory::of(main)?;
        let own = main.address(main.map_named("regs").unwrap_or(0));
        let tbi_address = tbi.as_ref().map_or(own, |(_, address)| *address);
        let mdio_address = mdio.as_ref().map_or(own, |(_, address)| *address);
        let second = match second(&devices, name)? {
            Some(members) if group1.is_some() => {
                check_members(roots, name, &members)?;
                Some(open_all(roots, members)?)
            }
            _ => None,
        };
        // Nothing is made permanent before everything has been found.
        let waiter = Waiter::uio(uios)?;
        let second = second.map(Waiter::uio).transpose()?;
        let pages = Pages {
            group0: group0.into_bus(),
            group1: group1.map(uio::Page::into_bus),
            mdio: mdio.map(|(page, _)| page.into_bus()),
        };
        let tbi = tbi.map_or(pages.group0, |(page, _)| page.into_bus());
        let name = name.into();
        Ok(Port { name, pages, tbi, tbi_address, mdio_address, waiter, second, node, memory })
    }
}

/// Sees that the port called `name` is complete and nobody else's, as far as that can be told
/// without opening it.
///
/// # Errors
/// Those of [`Port::open`] that have to do with the device tree.
pub fn check(roots: &Roots, name: &str) -> Result<(), Error> {
    let devices = uio::list(roots)?;
    check_members(roots, name, &members(roots, &devices, name)?)
}

fn check_members(roots: &Roots, name: &str, members: &[(&UioDevice, Lines)]) -> Result<(), Error> {
    for (device, lines) in members {
        let Some(node) = Node::open(&device.sys.join("device/of_node")) else { continue };
        if *lines == Lines::ALL && !device.has_all_lines() {
            check_lines(roots, device, &node)?;
        }
        if let Some(KernelDriver { driver, device, .. }) = handover::rival(roots, &node)? {
            return Err(HandoverError::TwoDrivers { name: name.into(), driver, device }.into());
        }
    }
    Ok(())
}

/// Sees that a device which stands for the whole port has all of its interrupts: UIO takes the
/// first of a node only.
fn check_lines(roots: &Roots, device: &UioDevice, node: &Node) -> Result<(), Error> {
    match node.interrupts(roots)? {
        0 | 1 => Ok(()),
        count => {
            let (device, name) = (device.id.clone(), device.name.clone());
            Err(Error::OneInterrupt { device, name, count })
        }
    }
}

/// Finds the port called `name` for [`Device::open`](crate::Device::open).
pub(crate) fn find(roots: &Roots, name: &str) -> Result<Found, Error> {
    let port = Port::open(roots, name)?;
    let config = match Node::open(&port.node) {
        Some(node) => PortConfig::read(roots, &node)?,
        None => PortConfig::default(),
    };
    let Pages { group0, group1, mdio } = port.pages;
    Ok(Found {
        name: port.name,
        pages: Pages {
            group0: AnyBus::Mmio(group0),
            group1: group1.map(AnyBus::Mmio),
            mdio: mdio.map(AnyBus::Mmio),
        },
        tbi: (AnyBus::Mmio(port.tbi), Some(port.tbi_address)),
        mdio_address: Some(port.mdio_address),
        waiter: port.waiter,
        second: port.second,
        config,
        supply: port.memory.map_or(Supply::Huge, Supply::Uio),
    })
}

/// The names of all ports that [`Port::open`] would find, in the order of their UIO numbers.
///
/// # Errors
/// What the system says about UIO's attributes.
pub fn list(roots: &Roots) -> Result<Vec<String>, Error> {
    let devices = uio::list(roots)?;
    let platform = platform::list(roots)?;
    let has = |name: String| devices.iter().any(|device| device.name == name);
    let mut names = Vec::new();
    for device in devices.iter().filter(|device| !device.maps.is_empty()) {
        let base = PARTS.iter().find_map(|(suffix, _)| device.name.strip_suffix(suffix));
        let name = match base {
            Some(base) if PARTS.iter().all(|(suffix, _)| has(format!("{base}{suffix}"))) => base,
            // A part of a set of which the rest has no driver: see `offered`.
            Some(base) if platform_parts(&platform, base).is_ok() => continue,
            _ if device.name.ends_with(MDIO) => continue,
            _ => &device.name,
        };
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// The names of ports that the device tree offers to UIO and that are no UIO devices now.
///
/// # Errors
/// [`Error::Attribute`] for a node that makes no sense, or what the system says.
pub fn offered(roots: &Roots) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::new();
    let taken = list(roots)?;
    for device in platform::list(roots)? {
        if !device.is_for_uio()? {
            continue;
        }
        let own = device.uio_name()?;
        let base = PARTS.iter().find_map(|(suffix, _)| own.strip_suffix(suffix));
        let name = base.unwrap_or(&own);
        let known = taken.iter().chain(&names).any(|known| known == name);
        if !known && !own.ends_with(MDIO) && !name.ends_with(SECOND) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// The UIO devices that make up the port called `name`, those of its second group among them.
///
/// # Errors
/// Those of [`Port::open`] that have to do with names.
pub fn devices(roots: &Roots, name: &str) -> Result<Vec<UioDevice>, Error> {
    let devices = uio::list(roots)?;
    let first = members(roots, &devices, name)?;
    let second = second(&devices, name)?.into_iter().flatten();
    Ok(first.into_iter().chain(second).map(|(device, _)| device.clone()).collect())
}

/// The UIO devices that make up `name`, each with the lines it stands for.
fn members<'a>(
    roots: &Roots,
    devices: &'a [UioDevice],
    name: &str,
) -> Result<Vec<(&'a UioDevice, Lines)>, Error> {
    match names::members(name, |part| uio::find(devices, part)) {
        Ok(Some(members)) => Ok(members),
        // The rest may be in the tree, without a driver.
        Ok(None) | Err(Error::IncompleteSet { .. }) => Err(unknown(roots, devices, name)),
        Err(error) => Err(error),
    }
}

/// The UIO devices of the second interrupt group of `name`; `None` if there is none of them.
fn second<'a>(
    devices: &'a [UioDevice],
    name: &str,
) -> Result<Option<Vec<(&'a UioDevice, Lines)>>, Error> {
    names::members(&format!("{name}{SECOND}"), |part| uio::find(devices, part))
}

fn open_all(roots: &Roots, members: Vec<(&UioDevice, Lines)>) -> Result<Vec<(Uio, Lines)>, Error> {
    let open = |(device, lines)| Ok((Uio::open(roots, device)?, lines));
    members.into_iter().map(open).collect()
}

/// Why no UIO devices make up `name`, as far as the kernel's files tell.
#[must_use]
pub fn unknown(roots: &Roots, devices: &[UioDevice], name: &str) -> Error {
    // A machine whose platform devices make no sense is no reason for another error.
    let platform = platform::list(roots).unwrap_or_default();
    match platform_parts(&platform, name).as_deref() {
        Ok([part, ..]) => {
            return Error::NotBound { name: name.into(), node: part.node.path().into() };
        }
        Err(Error::IncompleteSet { present, absent }) => {
            return Error::IncompleteSet { present: present.clone(), absent: absent.clone() };
        }
        _ => {}
    }
    // Nodes are not known on every machine; what UIO has of a set is.
    if let Err(error) = names::members(name, |part| uio::find(devices, part)) {
        return error;
    }
    let class = roots.uio_class();
    if !class.exists() {
        return Error::NoUio { name: name.into(), class };
    }
    let found = names::listed(devices.iter().map(|device| device.name.as_str()));
    Error::UnknownDevice { name: name.into(), found }
}

/// The platform devices that are, or would be, the UIO devices of `name`; of its second group and
/// MDIO's as well.
///
/// # Errors
/// [`HandoverError::NoUioNode`], [`Error::IncompleteSet`], [`Error::AmbiguousName`], or
/// [`Error::Attribute`].
pub(crate) fn platform_parts(
    devices: &[PlatformDevice],
    name: &str,
) -> Result<Vec<PlatformDevice>, Error> {
    let mut uio: Vec<(String, &PlatformDevice)> = Vec::new();
    for device in devices {
        if device.is_for_uio()? {
            uio.push((device.uio_name()?, device));
        }
    }
    let find = |wanted: &str| {
        let found = names::find_one(uio.iter(), wanted, |(name, _)| name, |(_, device)| &device.id);
        Ok(found?.map(|(_, device)| (*device).clone()))
    };
    let Some(members) = names::members(name, find)? else {
        let found = names::listed(uio.iter().map(|(name, _)| name.as_str()));
        return Err(HandoverError::NoUioNode { name: name.into(), found }.into());
    };
    let mut parts: Vec<_> = members.into_iter().map(|(device, _)| device).collect();
    let second = names::members(&format!("{name}{SECOND}"), find)?;
    parts.extend(second.into_iter().flatten().map(|(device, _)| device));
    parts.extend(find(&format!("{name}{MDIO}"))?);
    Ok(parts)
}

/// Whether a UIO device has a map that is not MDIO's.
pub(crate) fn has_registers(device: &UioDevice) -> bool {
    device.maps.iter().any(|map| !matches!(&*map.name, "mdio" | "tbi"))
}

/// The device with the registers: the first with a map that is not MDIO's.
fn main_device(uios: &[(Uio, Lines)]) -> Result<&Uio, Error> {
    let mut all = uios.iter().map(|(uio, _)| uio);
    all.clone().find(|uio| has_registers(uio.device())).ok_or_else(|| Error::NoMap {
        device: all.next().map(|uio| uio.device().id.clone()).unwrap_or_default(),
        map: "register map",
    })
}

/// The page with the MDIO registers and its physical address, unless they are in the first register
/// page.
fn mdio_page(
    devices: &[UioDevice],
    uios: &[(Uio, Lines)],
    name: &str,
) -> Result<Option<(uio::Page, u64)>, Error> {
    for (uio, _) in uios {
        if let Some(index) = uio.map_named("mdio") {
            return Ok(Some((uio.mdio(index)?, uio.address(index))));
        }
    }
    let Some(device) = uio::find(devices, &format!("{name}{MDIO}"))? else { return Ok(None) };
    // Several MACs may have PHYs on it, so nobody owns it alone.
    let uio = Uio::open_shared(device)?;
    let index = uio.map_named("mdio").unwrap_or(0);
    Ok(Some((uio.mdio(index)?, uio.address(index))))
}

#[cfg(test)]
#[path = "port_tests.rs"]
mod tests;
