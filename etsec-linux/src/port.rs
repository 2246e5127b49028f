//! One MAC as the kernel hands it over: up to three UIO devices, its register pages and its MDIO
//! page.
//!
//! It knows names and which file has what. It knows neither registers nor the device tree's
//! content.

use std::path::{Path, PathBuf};

use etsec_core::{Mmio, Pages};

use crate::bus::AnyBus;
use crate::config::PortConfig;
use crate::device::Found;
use crate::devtree::Node;
use crate::error::Error;
use crate::handover::{self, KernelDriver};
use crate::handover_error::HandoverError;
use crate::memory::Supply;
use crate::names::{self, MDIO, PARTS};
use crate::platform::{self, PlatformDevice};
use crate::roots::Roots;
use crate::uio::{self, Uio, UioDevice};
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
    /// The device-tree node of the UIO device with the registers.
    pub node: PathBuf,
}

impl Port {
    /// Opens the MAC called `name`: the UIO devices `name-tx`, `name-rx` and `name-err`, or the
    /// single one called `name`.
    ///
    /// Registers are in the map called `regs`, else in map 0, of the first of them that has maps; a
    /// second group's page (HW 1.3) is the map `group1`, one for the TBI the map `tbi`. MDIO is the
    /// map `mdio` of one of them or the UIO device `name-mdio`; if neither is there it is in the
    /// first register page (HW 1.2).
    ///
    /// # Errors
    /// [`Error::NoUio`], [`Error::NotBound`], [`Error::UnknownDevice`], [`Error::IncompleteSet`],
    /// [`Error::AmbiguousName`], [`Error::Busy`], [`HandoverError::TwoDrivers`], [`Error::NoMap`],
    /// [`Error::BadMap`], or what the system says.
    pub fn open(roots: &Roots, name: &str) -> Result<Self, Error> {
        let devices = uio::list(roots)?;
        let mut uios = Vec::new();
        for (device, lines) in members(roots, &devices, name)? {
            uios.push((Uio::open(roots, device)?, lines));
        }
        let main = main_device(&uios)?;
        let node = main.device().sys.join("device/of_node");
        check_alone(roots, name, &node)?;
        let group0 = main.registers(main.map_named("regs").unwrap_or(0))?;
        let group1 = main.map_named("group1").map(|index| main.registers(index)).transpose()?;
        let tbi = main.map_named("tbi");
        let tbi = tbi.map(|index| main.mdio(index).map(|page| (page, main.address(index))));
        let tbi = tbi.transpose()?;
        let mdio = mdio_page(&devices, &uios, name)?;
        let own = main.address(main.map_named("regs").unwrap_or(0));
        let tbi_address = tbi.as_ref().map_or(own, |(_, address)| *address);
        let mdio_address = mdio.as_ref().map_or(own, |(_, address)| *address);
        // Nothing is made permanent before everything has been found.
        let waiter = Waiter::uio(uios)?;
        let pages = Pages {
            group0: group0.into_bus(),
            group1: group1.map(uio::Page::into_bus),
            mdio: mdio.map(|(page, _)| page.into_bus()),
        };
        let tbi = tbi.map_or(pages.group0, |(page, _)| page.into_bus());
        Ok(Port { name: name.into(), pages, tbi, tbi_address, mdio_address, waiter, node })
    }
}

/// Sees that no driver of the kernel has the MAC with this node as well.
fn check_alone(roots: &Roots, name: &str, node: &Path) -> Result<(), Error> {
    let rival = Node::open(node).map(|node| handover::rival(roots, &node)).transpose()?.flatten();
    let Some(KernelDriver { driver, device, .. }) = rival else { return Ok(()) };
    Err(HandoverError::TwoDrivers { name: name.into(), driver, device }.into())
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
        config,
        supply: Supply::Huge,
    })
}

/// The names of all ports that [`Port::open`] would find, in the order of their UIO numbers.
///
/// # Errors
/// What the system says about UIO's attributes.
pub fn list(roots: &Roots) -> Result<Vec<String>, Error> {
    let devices = uio::list(roots)?;
    let has = |name: String| devices.iter().any(|device| device.name == name);
    let mut names = Vec::new();
    for device in devices.iter().filter(|device| !device.maps.is_empty()) {
        let base = PARTS.iter().find_map(|(suffix, _)| device.name.strip_suffix(suffix));
        let name = match base {
            Some(base) if PARTS.iter().all(|(suffix, _)| has(format!("{base}{suffix}"))) => base,
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
        if !known && !own.ends_with(MDIO) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// The UIO devices that make up `name`, each with the lines it stands for.
fn members<'a>(
    roots: &Roots,
    devices: &'a [UioDevice],
    name: &str,
) -> Result<Vec<(&'a UioDevice, Lines)>, Error> {
    let members = names::members(name, |part| uio::find(devices, part))?;
    members.ok_or_else(|| unknown(roots, devices, name))
}

/// Why no UIO device is called `name`, as far as the kernel's files tell.
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
    let class = roots.uio_class();
    if !class.exists() {
        return Error::NoUio { name: name.into(), class };
    }
    let found = names::listed(devices.iter().map(|device| device.name.as_str()));
    Error::UnknownDevice { name: name.into(), found }
}

/// The platform devices that are, or would be, the UIO devices of `name`; of MDIO's as well.
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
mod tests {
    use super::*;
    use crate::uio::tests::Tree;

    const REGS: [u64; 3] = [0xB_0000, 0x1000, 0];

    /// Names of the members and their lines, or the error as text.
    fn check(tree: &Tree, name: &str) -> Result<Vec<(String, Lines)>, String> {
        let devices = uio::list(&tree.roots).unwrap();
        let members = members(&tree.roots, &devices, name).map_err(|error| error.to_string())?;
        Ok(members.into_iter().map(|(device, lines)| (device.id.clone(), lines)).collect())
    }

    #[test]
    fn a_name_is_a_set_of_three_or_a_single_device() {
        let tree = Tree::new();
        for (number, name) in ["eth0-err", "eth0-rx", "eth0-tx", "eth1"].iter().enumerate() {
            tree.device(number as u32, name);
            tree.map(number as u32, 0, "regs", REGS);
        }
        let set =
            [("uio2".into(), Lines::TX), ("uio1".into(), Lines::RX), ("uio0".into(), Lines::ERR)];
        assert_eq!(check(&tree, "eth0").unwrap(), set);
        assert_eq!(check(&tree, "eth1").unwrap(), [("uio3".into(), Lines::ALL)]);
        assert_eq!(list(&tree.roots).unwrap(), ["eth0", "eth1"]);
    }

    #[test]
    fn unknown_and_incomplete_names_are_explained() {
        let tree = Tree::new();
        assert!(check(&tree, "eth0").unwrap_err().contains("there is: none"));
        tree.device(0, "eth0-tx");
        tree.map(0, 0, "regs", REGS);
        let text = check(&tree, "eth1").unwrap_err();
        assert!(
            text.contains("'eth1' or 'eth1-tx'") && text.contains("there is: eth0-tx"),
            "{text}"
        );
        let text = check(&tree, "eth0").unwrap_err();
        assert!(text.contains("'eth0-tx' has no companion 'eth0-rx'"), "{text}");
        // A single line is a device by its own name.
        assert_eq!(check(&tree, "eth0-tx").unwrap(), [("uio0".into(), Lines::ALL)]);
        assert_eq!(list(&tree.roots).unwrap(), ["eth0-tx"]);
    }

    #[test]
    fn why_there_is_no_such_device_is_told() {
        let tree = Tree::new();
        let platform = tree.roots.platform().join("devices");
        for name in ["eth0-tx", "eth0-rx", "eth0-err", "eth7", "eth8-tx"] {
            let node = tree.roots.device_tree().join("soc").join(name);
            std::fs::create_dir_all(&node).unwrap();
            std::fs::write(node.join("linux,uio-name"), format!("{name}\0")).unwrap();
            let device = platform.join(format!("soc:{name}"));
            std::fs::create_dir_all(&device).unwrap();
            std::os::unix::fs::symlink(&node, device.join("of_node")).unwrap();
        }
        let text = |name| unknown(&tree.roots, &[], name).to_string();
        for name in ["eth0", "eth7"] {
            let text = text(name);
            assert!(text.starts_with(&format!("'{name}' is in the device tree (")), "{text}");
            assert!(text.contains(&format!("soc/{name}")), "{text}");
            assert!(text.contains(&format!("`etsec bind {name}`")), "{text}");
        }
        assert_eq!(offered(&tree.roots).unwrap(), ["eth0", "eth7", "eth8"]);
        assert!(text("eth8").contains("'eth8-tx' has no companion 'eth8-rx'"), "{}", text("eth8"));
        assert!(text("eth1").starts_with("no UIO device is called 'eth1'"), "{}", text("eth1"));
        std::fs::remove_dir(tree.roots.uio_class()).unwrap();
        let text = text("eth1");
        assert!(text.starts_with("no UIO device 'eth1', for this kernel has no UIO ("), "{text}");
    }

    #[test]
    fn a_port_that_the_kernel_has_as_well_is_refused() {
        use std::os::unix::fs::symlink;
        let tree = Tree::new();
        let soc = tree.roots.device_tree().join("soc");
        let platform = tree.roots.platform();
        let ethernet = platform.join("devices/ffe24000.ethernet");
        for dir in [&ethernet, &platform.join("drivers/fsl-gianfar")] {
            std::fs::create_dir_all(dir).unwrap();
        }
        for name in ["eth0@24000", "ethernet@24000"] {
            std::fs::create_dir_all(soc.join(name)).unwrap();
            let reg = crate::devtree::tests::cells([0, 0x2_4000, 0x1000]);
            std::fs::write(soc.join(name).join("reg"), reg).unwrap();
        }
        symlink(soc.join("ethernet@24000"), ethernet.join("of_node")).unwrap();
        let sys = tree.device(0, "eth0");
        tree.map(0, 0, "regs", [0x2_4000, 0x1000, 0]);
        std::fs::remove_dir(sys.join("device/of_node")).unwrap();
        symlink(soc.join("eth0@24000"), sys.join("device/of_node")).unwrap();

        // Not driven, it is no obstacle: the next one is another.
        let open = || Port::open(&tree.roots, "eth0").unwrap_err();
        assert!(matches!(open(), Error::System { .. }), "{}", open());
        symlink(platform.join("drivers/fsl-gianfar"), ethernet.join("driver")).unwrap();
        let text = open().to_string();
        assert!(text.contains("the kernel's fsl-gianfar (ffe24000.ethernet)"), "{text}");
        assert!(text.contains("`etsec bind eth0`"), "{text}");
    }

    #[test]
    fn mdio_is_a_named_map_or_a_device_of_its_own() {
        let tree = Tree::new();
        tree.device(0, "eth0");
        tree.map(0, 0, "mdio", [0x2_4000, 0x20, 0x520]);
        tree.map(0, 1, "regs", REGS);
        tree.device(1, "eth1");
        tree.map(1, 0, "", REGS);
        tree.device(2, "eth1-mdio");
        tree.map(2, 0, "", [0x2_4000, 0x1000, 0]);
        let devices = uio::list(&tree.roots).unwrap();
        let has_mdio = |name: &str| {
            let device = uio::find(&devices, name).unwrap().unwrap();
            let uios = [(Uio::open(&tree.roots, device).unwrap(), Lines::ALL)];
            assert_eq!(main_device(&uios).unwrap().device().name, name);
            mdio_page(&devices, &uios, name).unwrap().is_some()
        };
        assert!(has_mdio("eth0"));
        assert!(has_mdio("eth1"));
        assert_eq!(list(&tree.roots).unwrap(), ["eth0", "eth1"]);
    }

    #[test]
    fn a_device_without_registers_or_interrupt_is_refused() {
        let tree = Tree::new();
        tree.device(0, "eth0");
        let text = Port::open(&tree.roots, "eth0").unwrap_err().to_string();
        assert!(text.starts_with("uio0: no register map"), "{text}");
        tree.map(0, 0, "regs", REGS);
        // An ordinary file cannot be polled, and so is no UIO device.
        let error = Port::open(&tree.roots, "eth0").unwrap_err();
        assert!(matches!(error, Error::System { .. }), "{error}");
    }
}
