//! What a port is, as far as the device tree tells: addresses, interface, link (HW 16.1).
//!
//! Pure reading of nodes. It knows no register and opens no device; options of the user go over
//! what it finds.

use etsec_core::MacAddr;
use etsec_core::errata::Part;
use etsec_core::link::{Duplex, Interface, Link, Pause, PauseAbility, Speed};

use crate::devtree::Node;
use crate::error::{Error, system};
use crate::ethernet;
use crate::roots::Roots;
use crate::sys;
use crate::timer;

/// Configuration of a port; every part may be unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PortConfig {
    /// Station address.
    pub station: Option<MacAddr>,
    /// Address of the external PHY on the MDIO bus, 0 to 31.
    pub phy_address: Option<u8>,
    /// Interface between MAC and PHY.
    pub interface: Option<Interface>,
    /// The link where there is no PHY to ask.
    pub fixed_link: Option<Link>,
    /// Address the internal TBI is to take on the MAC's own MII bus, 0 to 31.
    pub tbi_address: Option<u8>,
    /// The SoC that the port is in.
    pub part: Option<Part>,
    /// Whether the IEEE 1588 timer of the SoC is in this port's page (HW 1.4).
    pub timer: Option<bool>,
}

impl PortConfig {
    /// Reads `node`, the `of_node` of a UIO device. What it does not say is taken from the port's
    /// ethernet node (see [`ethernet`]), which is the one that the boot loader fills in.
    ///
    /// # Errors
    /// [`Error::Attribute`] naming the property that makes no sense, or what the system says.
    pub fn read(roots: &Roots, node: &Node) -> Result<Self, Error> {
        let own = PortConfig { timer: timer::is_in(node)?, ..Self::read_node(roots, node)? };
        match ethernet::find(node)? {
            Some(ethernet) => Ok(own.or(Self::read_node(roots, &ethernet)?)),
            None => Ok(own),
        }
    }

    fn read_node(roots: &Roots, node: &Node) -> Result<Self, Error> {
        let phy_address = reg_of(roots, node, "phy-handle")?;
        Ok(PortConfig {
            station: station(node)?,
            phy_address,
            interface: interface(node)?,
            // A port with a PHY asks it, whatever else is said.
            fixed_link: if phy_address.is_none() { fixed_link(node)? } else { None },
            tbi_address: reg_of(roots, node, "tbi-handle")?,
            part: None,
            timer: None,
        })
    }

    /// This configuration, and where it says nothing what `other` says.
    #[must_use]
    pub fn or(self, other: PortConfig) -> Self {
        // A PHY and a fixed link exclude each other, so naming one of them puts the other's weaker
        // one aside.
        let link_is_known = self.phy_address.is_some() || self.fixed_link.is_some();
        let other_link = if link_is_known { PortConfig::default() } else { other };
        PortConfig {
            station: self.station.or(other.station),
            phy_address: self.phy_address.or(other_link.phy_address),
            interface: self.interface.or(other.interface),
            fixed_link: self.fixed_link.or(other_link.fixed_link),
            tbi_address: self.tbi_address.or(other.tbi_address),
            part: self.part.or(other.part),
            timer: self.timer.or(other.timer),
        }
    }
}

/// A random station address: locally administered, of an individual.
///
/// # Errors
/// What the system says about its random numbers.
pub fn random_station() -> Result<MacAddr, Error> {
    let mut bytes = [0; 6];
    sys::random(&mut bytes).map_err(system("get random numbers"))?;
    bytes[0] = (bytes[0] | 0x02) & !0x01;
    Ok(MacAddr(bytes))
}

/// The first of the two address properties with an address that can be a station's (HW 16.3).
fn station(node: &Node) -> Result<Option<MacAddr>, Error> {
    for property in ["mac-address", "local-mac-address"] {
        let Some(bytes) = node.bytes(property)? else { continue };
        let Ok(octets) = <[u8; 6]>::try_from(&bytes[..]) else {
            return Err(node.bad(property, &bytes, "a MAC address of 6 bytes"));
        };
        let address = MacAddr(octets);
        // Boot loaders that have no address leave the zeros of the source in place.
        if !address.is_zero() && !address.is_group() {
            return Ok(Some(address));
        }
    }
    Ok(None)
}

fn interface(node: &Node) -> Result<Option<Interface>, Error> {
    for property in ["phy-connection-type", "phy-mode"] {
        let Some(text) = node.text(property)? else { continue };
        return match text.parse() {
            Ok(interface) => Ok(Some(interface)),
            Err(_) => Err(Error::Attribute {
                path: node.path().join(property),
                text,
                wanted: "gmii, mii, rgmii[-id], rmii, sgmii, tbi or rtbi",
            }),
        };
    }
    Ok(None)
}

/// A link without PHY: five cells, or a node (HW 16.3).
fn fixed_link(node: &Node) -> Result<Option<Link>, Error> {
    const PROPERTY: &str = "fixed-link";
    if let Some(cells) = node.cells(PROPERTY)? {
        let bad =
            || node.bad(PROPERTY, &node.bytes(PROPERTY).ok().flatten().unwrap_or_default(), FORM);
        let [_id, full, speed, pause, asym] = cells[..] else { return Err(bad()) };
        return link(speed, full != 0, pause != 0, asym != 0).map(Some).ok_or_else(bad);
    }
    let Some(child) = node.child(PROPERTY) else { return Ok(None) };
    let speed = child.cell("speed")?.unwrap_or(0);
    let full = child.has("full-duplex");
    match link(speed, full, child.has("pause"), child.has("asym-pause")) {
        Some(link) => Ok(Some(link)),
        None => Err(child.bad("speed", &speed.to_be_bytes(), FORM)),
    }
}

const FORM: &str =
    "a link: <id full-duplex speed pause asym-pause> with speed 10, 100 or 1000 (full duplex only)";

fn link(speed: u32, full: bool, symmetric: bool, asymmetric: bool) -> Option<Link> {
    let duplex = if full { Duplex::Full } else { Duplex::Half };
    // What the other end is said to be able to do, met by a MAC that can do both.
    let ours = PauseAbility { symmetric: true, asymmetric: true };
    let pause = Pause::resolve(ours, PauseAbility { symmetric, asymmetric });
    let link = Link::new(Speed::from_mbps(speed)?, duplex).with_pause(pause);
    link.check().is_ok().then_some(link)
}

/// The `reg` of the node a phandle points to: an address on an MII bus.
fn reg_of(roots: &Roots, node: &Node, property: &str) -> Result<Option<u8>, Error> {
    let Some(target) = node.follow(roots, property)? else { return Ok(None) };
    let reg = target.cells("reg")?.and_then(|cells| cells.first().copied());
    match reg {
        Some(address @ 0..=31) => Ok(Some(address as u8)),
        _ => {
            let bytes = target.bytes("reg")?.unwrap_or_default();
            Err(target.bad("reg", &bytes, "an MII address from 0 to 31"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devtree::tests::{cells, node, tree};

    const GIGABIT: Link = Link::new(Speed::Mbps1000, Duplex::Full);
    const STATION: [u8; 6] = [0x00, 0x04, 0x9F, 1, 2, 3];

    fn read(properties: &[(&str, &[u8])]) -> Result<PortConfig, Error> {
        let (_dir, roots) = tree();
        let node = node(&roots, "soc/uio-tx@b0000", properties);
        PortConfig::read(&roots, &node)
    }

    #[test]
    fn a_port_with_a_phy_is_read_whole() {
        let (_dir, roots) = tree();
        node(&roots, "mdio@24000/phy@3", &[("phandle", &cells([5])), ("reg", &cells([3]))]);
        node(&roots, "mdio@25000/tbi@11", &[("phandle", &cells([6])), ("reg", &cells([0x11]))]);
        let ethernet = [
            ("local-mac-address", &STATION[..]),
            ("phy-handle", &cells([5])),
            ("tbi-handle", &cells([6])),
            ("phy-connection-type", b"rgmii-id\0"),
        ];
        node(&roots, "ethernet@b0000", &ethernet);
        // What is under UIO may be a part of the ethernet node.
        let group = node(&roots, "ethernet@b0000/queue-group@b0000", &[]);
        let config = PortConfig {
            station: Some(MacAddr(STATION)),
            phy_address: Some(3),
            interface: Some(Interface::Rgmii),
            tbi_address: Some(0x11),
            ..PortConfig::default()
        };
        assert_eq!(PortConfig::read(&roots, &group).unwrap(), config);
    }

    #[test]
    fn what_a_uio_node_does_not_say_its_ethernet_node_does() {
        let (_dir, roots) = tree();
        let reg = ("reg", &cells([0, 0xB_0000, 0x1000])[..]);
        let link = cells([0, 1, 100, 0, 0]);
        let ethernet = [reg, ("local-mac-address", &STATION), ("fixed-link", &link)];
        node(&roots, "ethernet@b0000", &ethernet);
        let own = [reg, ("phy-mode", b"sgmii\0"), ("fixed-link", &cells([0, 1, 1000, 0, 0]))];
        let uio = node(&roots, "eth0-tx@b0000", &own);
        let config = PortConfig {
            station: Some(MacAddr(STATION)),
            interface: Some(Interface::Sgmii),
            fixed_link: Some(GIGABIT),
            timer: Some(true),
            ..PortConfig::default()
        };
        assert_eq!(PortConfig::read(&roots, &uio).unwrap(), config);
    }

    #[test]
    fn a_node_that_says_nothing_gives_nothing() {
        assert_eq!(read(&[]).unwrap(), PortConfig::default());
    }

    #[test]
    fn a_fixed_link_is_five_cells_or_a_node() {
        let link = read(&[("fixed-link", &cells([0, 1, 1000, 1, 0]))]).unwrap().fixed_link;
        let both = Link::new(Speed::Mbps1000, Duplex::Full).with_pause(Pause::BOTH);
        assert_eq!(link, Some(both));

        let (_dir, roots) = tree();
        let port = node(&roots, "uio", &[("mac-address", &STATION)]);
        node(&roots, "uio/fixed-link", &[("speed", &cells([100]))]);
        let config = PortConfig::read(&roots, &port).unwrap();
        assert_eq!(config.fixed_link, Some(Link::new(Speed::Mbps100, Duplex::Half)));
    }

    #[test]
    fn links_and_modes_that_do_not_exist_are_named() {
        for bad in [[0, 1, 2500, 0, 0], [0, 0, 1000, 0, 0]] {
            let text = read(&[("fixed-link", &cells(bad))]).unwrap_err().to_string();
            assert!(text.contains("uio-tx@b0000/fixed-link"), "{text}");
        }
        assert!(read(&[("fixed-link", &cells([0, 1, 1000]))]).is_err());
        let text = read(&[("phy-mode", b"xaui\0")]).unwrap_err().to_string();
        assert!(text.contains("phy-mode says 'xaui'"), "{text}");
    }

    #[test]
    fn an_address_of_zeros_or_of_a_group_is_passed_over() {
        let config = read(&[("mac-address", &[0; 6]), ("local-mac-address", &STATION)]).unwrap();
        assert_eq!(config.station, Some(MacAddr(STATION)));
        assert_eq!(read(&[("mac-address", &[1, 0, 0, 0, 0, 1])]).unwrap().station, None);
        assert!(matches!(read(&[("mac-address", &[2; 5])]), Err(Error::Attribute { .. })));
    }

    #[test]
    fn an_mii_address_out_of_range_is_named() {
        let (_dir, roots) = tree();
        node(&roots, "phy@20", &[("phandle", &cells([5])), ("reg", &cells([32]))]);
        let port = node(&roots, "uio", &[("phy-handle", &cells([5]))]);
        let text = PortConfig::read(&roots, &port).unwrap_err().to_string();
        assert!(text.contains("phy@20/reg") && text.contains("0 to 31"), "{text}");
    }

    #[test]
    fn options_go_over_the_tree() {
        let tree = PortConfig {
            station: Some(MacAddr(STATION)),
            phy_address: Some(1),
            interface: Some(Interface::Sgmii),
            tbi_address: Some(0x11),
            ..PortConfig::default()
        };
        assert_eq!(PortConfig::default().or(tree), tree);
        let fixed = PortConfig { fixed_link: Some(GIGABIT), ..PortConfig::default() };
        let expected = PortConfig { phy_address: None, fixed_link: Some(GIGABIT), ..tree };
        assert_eq!(fixed.or(tree), expected);
    }

    #[test]
    fn a_random_address_is_local_and_individual() {
        let (first, second) = (random_station().unwrap(), random_station().unwrap());
        assert!(first.is_local() && !first.is_group());
        assert_ne!(first, second);
    }
}
