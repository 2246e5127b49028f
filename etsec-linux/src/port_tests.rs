//! Tests of finding a port: names, sets, and what is in the way.

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
    let set = [("uio2".into(), Lines::TX), ("uio1".into(), Lines::RX), ("uio0".into(), Lines::ERR)];
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
    assert!(text.contains("'eth1' or 'eth1-tx'") && text.contains("there is: eth0-tx"), "{text}");
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
    // Some of it is UIO's: the rest has to be bound, not the tree to be mended.
    tree.device(0, "eth0-tx");
    tree.map(0, 0, "regs", REGS);
    assert_eq!(offered(&tree.roots).unwrap(), ["eth0", "eth7", "eth8"]);
    assert!(list(&tree.roots).unwrap().is_empty());
    let error = super::check(&tree.roots, "eth0").unwrap_err();
    assert!(matches!(error, Error::NotBound { .. }), "{error}");
    assert!(text("eth8").contains("'eth8-tx' has no companion 'eth8-rx'"), "{}", text("eth8"));
    assert!(text("eth1").starts_with("no UIO device is called 'eth1'"), "{}", text("eth1"));
    std::fs::remove_dir_all(tree.roots.uio_class()).unwrap();
    let text = text("eth1");
    assert!(text.starts_with("no UIO device 'eth1', for this kernel has no UIO ("), "{text}");
}

#[test]
fn the_second_group_has_devices_of_its_own_that_are_no_port() {
    let tree = Tree::new();
    tree.device(0, "eth0");
    tree.map(0, 0, "regs", REGS);
    tree.map(0, 1, "group1", [0xB_4000, 0x1000, 0]);
    let lines = || {
        let devices = uio::list(&tree.roots).unwrap();
        let found = second(&devices, "eth0").map_err(|error| error.to_string())?;
        Ok::<_, String>(found.map(|found| found.into_iter().map(|(_, lines)| lines).collect()))
    };
    assert_eq!(lines(), Ok(None));
    tree.device(1, "eth0-group1-tx");
    tree.device(2, "eth0-group1-rx");
    let text = lines().unwrap_err();
    assert!(text.contains("has no companion 'eth0-group1-err'"), "{text}");
    tree.device(3, "eth0-group1-err");
    assert_eq!(lines(), Ok(Some(vec![Lines::TX, Lines::RX, Lines::ERR])));
    assert_eq!(list(&tree.roots).unwrap(), ["eth0"]);

    // What the device tree offers is bound together.
    let platform = tree.roots.platform().join("devices");
    let names = ["", "-group1-tx", "-group1-rx", "-group1-err"].map(|part| format!("eth1{part}"));
    for name in &names {
        let node = tree.roots.device_tree().join("soc").join(name);
        std::fs::create_dir_all(&node).unwrap();
        std::fs::write(node.join("linux,uio-name"), format!("{name}\0")).unwrap();
        let device = platform.join(format!("soc:{name}"));
        std::fs::create_dir_all(&device).unwrap();
        std::os::unix::fs::symlink(&node, device.join("of_node")).unwrap();
    }
    assert_eq!(offered(&tree.roots).unwrap(), ["eth1"]);
    let parts = platform_parts(&platform::list(&tree.roots).unwrap(), "eth1").unwrap();
    let parts: Vec<_> = parts.iter().map(|part| part.uio_name().unwrap()).collect();
    assert_eq!(parts, names);
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
fn one_device_with_three_interrupts_is_refused() {
    let tree = Tree::new();
    let sys = tree.device(0, "ethernet");
    tree.map(0, 0, "regs", [0x2_4000, 0x1000, 0]);
    let base = tree.roots.device_tree();
    std::fs::create_dir_all(base.join("pic")).unwrap();
    std::fs::create_dir_all(base.join("ethernet@24000")).unwrap();
    let write = |path: &str, cells: &[u8]| std::fs::write(base.join(path), cells).unwrap();
    write("pic/phandle", &[0, 0, 0, 1]);
    write("pic/#interrupt-cells", &[0, 0, 0, 2]);
    write("interrupt-parent", &[0, 0, 0, 1]);
    let cells = crate::devtree::tests::cells([29, 2, 30, 2, 34, 2]);
    write("ethernet@24000/interrupts", &cells);
    std::fs::remove_dir(sys.join("device/of_node")).unwrap();
    let link = sys.join("device/of_node");
    std::os::unix::fs::symlink(base.join("ethernet@24000"), link).unwrap();

    let text = super::check(&tree.roots, "ethernet").unwrap_err().to_string();
    assert!(text.contains("uio0 'ethernet': its node has 3 interrupts"), "{text}");
    let open = Port::open(&tree.roots, "ethernet").unwrap_err();
    assert!(matches!(open, Error::OneInterrupt { count: 3, .. }), "{open}");
    write("ethernet@24000/interrupts", &cells[..8]);
    super::check(&tree.roots, "ethernet").unwrap();

    // One driver hands on all of them.
    write("ethernet@24000/interrupts", &cells);
    let link = sys.join("device/driver");
    std::os::unix::fs::symlink("/bus/platform/drivers/uio_etsec", link).unwrap();
    super::check(&tree.roots, "ethernet").unwrap();
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
