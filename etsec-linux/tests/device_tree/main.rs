//! The overlays of `dts/`, put over the trees they are for and read by the driver: what an overlay
//! says is what the driver understands, and it agrees with the ethernet node it takes the place of.
//!
//! QEMU's tree comes from QEMU, the boards' are this test's own. `cargo xtask test --only dts` sees
//! to the tools and runs it; plain `cargo test` leaves it out.

mod kernel;
mod trees;

use std::path::PathBuf;

use etsec_core::MacAddr;
use etsec_core::link::{Duplex, Interface, Link, Pause, Speed};
use etsec_linux::devtree::Node;
use etsec_linux::uio::{self, Uio};
use etsec_linux::{Options, PortConfig, ethernet, mounts, port};

use kernel::Kernel;
use trees::{Trees, board, overlays};

/// A port that an overlay hands over.
struct Port {
    overlay: &'static str,
    name: &'static str,
    /// Its ethernet node.
    ethernet: &'static str,
    /// Pages by name and physical address, in the order of their maps.
    pages: &'static [(&'static str, u64)],
    config: PortConfig,
}

const STATION: MacAddr = MacAddr([0x00, 0x04, 0x9F, 0x01, 0x02, 0x03]);
const GIGABIT: Link = Link::new(Speed::Mbps1000, Duplex::Full).with_pause(Pause::NONE);

/// What the boards' trees say of a port: a switch or a PHY, and how it is connected.
fn config(phy: Option<u8>, interface: Interface, tbi: Option<u8>) -> PortConfig {
    PortConfig {
        station: Some(STATION),
        phy_address: phy,
        interface: Some(interface),
        fixed_link: phy.is_none().then_some(GIGABIT),
        tbi_address: tbi,
        ..PortConfig::default()
    }
}

/// HW 1.3.
fn p1020() -> [Port; 3] {
    [
        Port {
            overlay: "p1020rdb-eth0",
            name: "eth0",
            ethernet: "/soc@ffe00000/ethernet@b0000",
            pages: &[
                ("regs", 0xFFEB_0000),
                ("group1", 0xFFEB_4000),
                ("mdio", 0xFFE2_4000),
                ("tbi", 0xFFE2_4000),
            ],
            config: config(None, Interface::Rgmii, None),
        },
        Port {
            overlay: "p1020rdb-eth1",
            name: "eth1",
            ethernet: "/soc@ffe00000/ethernet@b1000",
            pages: &[
                ("regs", 0xFFEB_1000),
                ("group1", 0xFFEB_5000),
                ("mdio", 0xFFE2_4000),
                ("tbi", 0xFFE2_5000),
            ],
            config: config(Some(0), Interface::Sgmii, Some(0x11)),
        },
        Port {
            overlay: "p1020rdb-eth2",
            name: "eth2",
            ethernet: "/soc@ffe00000/ethernet@b2000",
            pages: &[
                ("regs", 0xFFEB_2000),
                ("group1", 0xFFEB_6000),
                ("mdio", 0xFFE2_4000),
                ("tbi", 0xFFE2_6000),
            ],
            config: config(Some(1), Interface::Rgmii, None),
        },
    ]
}

/// HW 1.2: the MDIO registers of the PHYs are in the first port's page.
fn p2020() -> [Port; 3] {
    [
        Port {
            overlay: "p2020rdb-eth0",
            name: "eth0",
            ethernet: "/soc@ffe00000/ethernet@24000",
            pages: &[("regs", 0xFFE2_4000)],
            config: config(None, Interface::Rgmii, None),
        },
        Port {
            overlay: "p2020rdb-eth1",
            name: "eth1",
            ethernet: "/soc@ffe00000/ethernet@25000",
            pages: &[("regs", 0xFFE2_5000), ("mdio", 0xFFE2_4000)],
            config: config(Some(0), Interface::Sgmii, Some(0x11)),
        },
        Port {
            overlay: "p2020rdb-eth2",
            name: "eth2",
            ethernet: "/soc@ffe00000/ethernet@26000",
            pages: &[("regs", 0xFFE2_6000), ("mdio", 0xFFE2_4000)],
            config: config(Some(1), Interface::Rgmii, None),
        },
    ]
}

/// HW 15.1.
fn qemu() -> [Port; 2] {
    let config = |last| PortConfig {
        station: Some(MacAddr([0x52, 0x54, 0x00, 0x12, 0x34, last])),
        fixed_link: Some(GIGABIT),
        ..PortConfig::default()
    };
    [
        Port {
            overlay: "qemu-ppce500-eth0",
            name: "eth0",
            ethernet: "/platform@f00000000/ethernet@0",
            pages: &[("regs", 0xF_0000_0000)],
            config: config(0x56),
        },
        Port {
            overlay: "qemu-ppce500-eth1",
            name: "eth1",
            ethernet: "/platform@f00000000/ethernet@1000",
            pages: &[("regs", 0xF_0000_1000)],
            config: config(0x57),
        },
    ]
}

fn compiled(trees: &Trees, names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| trees.overlay(&overlays().join(format!("{name}.dtso")))).collect()
}

/// Sees that the driver finds in `kernel` what `port` says, and nothing else there is wrong with.
/// On a tree with the 36-bit map all addresses are `high` more.
fn check(kernel: &Kernel, port: &Port, ethernet: &str, high: u64) {
    let devices = uio::list(&kernel.roots).unwrap();
    let part = |suffix: &str| {
        let name = format!("{}{suffix}", port.name);
        uio::find(&devices, &name).unwrap().unwrap_or_else(|| panic!("{name} is missing"))
    };
    let main = part("-tx");
    let uio = Uio::open(&kernel.roots, main).unwrap();
    let pages: Vec<_> = (0..main.maps.len())
        .map(|index| (main.maps[index].name.as_str(), uio.address(index)))
        .collect();
    let expected: Vec<_> = port.pages.iter().map(|(name, at)| (*name, at + high)).collect();
    assert_eq!(pages, expected, "{}", port.overlay);
    for (index, (name, _)) in pages.iter().enumerate() {
        let page = match *name {
            "mdio" | "tbi" => uio.mdio(index),
            _ => uio.registers(index),
        };
        page.unwrap_or_else(|error| panic!("{}: {name}: {error}", port.overlay));
    }

    let node = Node::open(&main.sys.join("device/of_node")).unwrap();
    // HW 1.4: the timer is in the first port's page; QEMU's tree says nothing of it.
    let timer = port.overlay.contains("rdb").then_some(port.name == "eth0");
    let expected = PortConfig { timer, ..port.config };
    assert_eq!(PortConfig::read(&kernel.roots, &node).unwrap(), expected, "{}", port.overlay);
    let ethernet = kernel.node(ethernet);
    assert_eq!(ethernet::find(&node).unwrap().as_ref(), Some(&ethernet), "{}", port.overlay);
    let interrupt = |suffix: &str| {
        let node = Node::open(&part(suffix).sys.join("device/of_node")).unwrap();
        node.cells("interrupts").unwrap().unwrap()
    };
    let lines = ["-tx", "-rx", "-err"].map(interrupt);
    let groups = groups_of(&ethernet);
    assert_eq!(lines.concat(), groups[0], "{}", port.overlay);
    let has_second = pages.iter().any(|(name, _)| *name == "group1");
    assert_eq!(has_second, groups.len() == 2, "{}", port.overlay);
    if has_second {
        let lines = ["-group1-tx", "-group1-rx", "-group1-err"].map(interrupt);
        assert_eq!(lines.concat(), groups[1], "{}", port.overlay);
    }
}

/// The three interrupts of each group, as the tree has them for the kernel's driver.
fn groups_of(ethernet: &Node) -> Vec<Vec<u32>> {
    let mut groups = ethernet.children();
    groups.retain(|child| child.name() == "queue-group");
    if groups.is_empty() {
        groups.push(ethernet.clone());
    }
    groups.iter().map(|group| group.cells("interrupts").unwrap().unwrap()).collect()
}

#[test]
fn qemus_ports_are_what_its_own_tree_says_of_them() {
    let trees = Trees::new();
    let ports = qemu();
    let macs: Vec<String> =
        ports.iter().map(|port| port.config.station.unwrap().to_string()).collect();
    for count in [1, 2] {
        let base = trees.qemu(&macs.iter().map(String::as_str).collect::<Vec<_>>()[..count]);
        let names: Vec<&str> = ports[..count].iter().map(|port| port.overlay).collect();
        let kernel = Kernel::boot(&trees.merge(&base, &compiled(&trees, &names)));
        ports[..count].iter().for_each(|port| check(&kernel, port, port.ethernet, 0));
        let known = port::list(&kernel.roots).unwrap();
        assert_eq!(known.len(), count, "{known:?}");
    }
}

#[test]
fn the_boards_ports_are_what_their_own_trees_say_of_them() {
    for (name, ports) in [("p1020rdb", p1020()), ("p2020rdb", p2020())] {
        // One port at a time, and all of them.
        for some in [&ports[..1], &ports[1..2], &ports[2..], &ports[..]] {
            check_board(name, some, "");
            check_board(name, some, "-36b");
        }
    }
}

fn check_board(name: &str, ports: &[Port], variant: &str) {
    let trees = Trees::new();
    // With the 36-bit map the SoC is 0xF_0000_0000 further up.
    let (high, text) = match variant {
        "" => (0, board(name)),
        _ => {
            let text = board(name).replace("soc@ffe00000", "soc@fffe00000");
            (0xF_0000_0000, text.replace("<0x0 0x0 0xffe00000", "<0x0 0xf 0xffe00000"))
        }
    };
    let base = trees.compile("base.dtb", &text);
    let names: Vec<String> =
        ports.iter().map(|port| port.overlay.replace("rdb", &format!("rdb{variant}"))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let merged = trees.merge(&base, &compiled(&trees, &names));
    let place = |port: &Port| match variant {
        "" => port.ethernet.to_owned(),
        _ => port.ethernet.replace("soc@ffe00000", "soc@fffe00000"),
    };
    // The boot loader fills in addresses after the overlay was applied, in the ethernet nodes.
    for port in ports {
        let station = STATION.to_string();
        let octets: Vec<&str> = station.split(':').collect();
        trees.set(&merged, &place(port), "local-mac-address", "bx", &octets);
    }
    let kernel = Kernel::boot(&merged);
    ports.iter().for_each(|port| check(&kernel, port, &place(port), high));
    let known = port::list(&kernel.roots).unwrap();
    assert_eq!(known.len(), ports.len(), "{known:?}");
    for port in ports {
        let status = kernel.node(&place(port)).text("status").unwrap();
        assert_eq!(status.as_deref(), Some("disabled"), "{}", port.overlay);
    }
}

/// As docs/guide/board.md has it for a port that gianfar and UIO are to have in turn.
#[test]
fn a_tree_can_offer_a_port_to_both() {
    let trees = Trees::new();
    let [_, port, _] = p1020();
    let base = trees.compile("base.dtb", &board("p1020rdb"));
    let merged = trees.merge(&base, &compiled(&trees, &[port.overlay]));
    trees.set(&merged, port.ethernet, "status", "s", &["okay"]);
    let kernel = Kernel::boot(&merged);
    let status = kernel.node(port.ethernet).text("status").unwrap();
    assert_eq!(status.as_deref(), Some("okay"));
    // No boot loader has been at work: the address is still zeros.
    let config = PortConfig { station: None, ..port.config };
    check(&kernel, &Port { config, ..port }, port.ethernet, 0);
}

/// As docs/guide/board.md has it for a port that is to leave the MDIO bus to the kernel.
#[test]
fn a_fixed_link_of_the_uio_node_goes_over_the_ethernet_nodes_phy() {
    let trees = Trees::new();
    let [_, _, port] = p1020();
    let base = trees.compile("base.dtb", &board("p1020rdb"));
    let merged = trees.merge(&base, &compiled(&trees, &[port.overlay]));
    let uio = "/soc@ffe00000/eth2-tx@b2000";
    trees.set(&merged, uio, "fixed-link", "i", &["0", "1", "1000", "0", "0"]);
    let kernel = Kernel::boot(&merged);
    let config =
        PortConfig { station: None, phy_address: None, fixed_link: Some(GIGABIT), ..port.config };
    check(&kernel, &Port { config, ..port }, port.ethernet, 0);
}

#[test]
fn the_command_line_reserves_enough_and_names_the_nodes() {
    let trees = Trees::new();
    let base = trees.compile("base.dtb", &board("p1020rdb"));
    let merged = trees.merge(&base, &compiled(&trees, &["bootargs", "p1020rdb-eth1"]));
    let kernel = Kernel::boot(&merged);
    let line = kernel.node("/chosen").text("bootargs").unwrap().unwrap();
    let value = |name: &str| {
        let mut words = line.split(' ').filter_map(|word| word.split_once('='));
        words.find(|(key, _)| *key == name).unwrap_or_else(|| panic!("no {name} in {line}")).1
    };
    let page = mounts::parse_size(value("hugepagesz")).unwrap();
    let pages: usize = value("hugepages").parse().unwrap();
    // An e500 core has pages of 4 to the nth KiB.
    assert!(page.is_power_of_two() && page.trailing_zeros().is_multiple_of(2), "{line}");
    let ports = page * pages / Options::default().sizes().unwrap().region_bytes();
    assert!(ports >= 3, "{line} is room for {ports} ports");
    let node = kernel.node("/soc@ffe00000/eth1-tx@b1000");
    let compatible = node.text("compatible").unwrap().unwrap();
    assert_eq!(value("uio_pdrv_genirq.of_id"), compatible);
}

#[test]
fn no_overlay_goes_untested() {
    let ports = p1020().into_iter().chain(p2020()).chain(qemu());
    let mut known: Vec<String> = vec!["bootargs".into()];
    for port in ports {
        if port.overlay.contains("rdb") {
            known.push(port.overlay.replace("rdb", "rdb-36b"));
        }
        known.push(port.overlay.into());
    }
    known.sort_unstable();
    let entries = std::fs::read_dir(overlays()).unwrap().map(|entry| entry.unwrap().path());
    let overlays = entries.filter(|path| path.extension().is_some_and(|kind| kind == "dtso"));
    let mut found: Vec<String> =
        overlays.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    found.sort_unstable();
    assert_eq!(found, known);
}
