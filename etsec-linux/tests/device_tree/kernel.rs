//! What Linux makes of a device tree, as far as UIO goes: the tree as directories, a UIO device for
//! each enabled `generic-uio` node of a bus, with the maps that `uio_pdrv_genirq` would give it.

use std::fs::{self, File};
use std::path::Path;

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::{Node as _, Property as _};
use etsec_linux::Roots;
use etsec_linux::devtree::Node;

/// A machine that was booted with a tree.
pub struct Kernel {
    _dir: tempfile::TempDir,
    pub roots: Roots,
}

impl Kernel {
    /// Boots with the tree in this file.
    pub fn boot(tree: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::below(dir.path());
        let blob = fs::read(tree).unwrap();
        let root = Fdt::new(&blob).unwrap().root();
        unpack(&root, &roots.device_tree());
        for dir in [roots.uio_class(), roots.dev.clone(), roots.proc.clone()] {
            fs::create_dir_all(dir).unwrap();
        }
        let kernel = Kernel { _dir: dir, roots };
        kernel.probe(&root);
        kernel
    }

    /// The node at this path.
    pub fn node(&self, path: &str) -> Node {
        let path = self.roots.device_tree().join(path.trim_start_matches('/'));
        Node::open(&path).unwrap_or_else(|| panic!("no node {}", path.display()))
    }

    fn probe(&self, root: &FdtNode<'_>) {
        let mut number = 0;
        for bus in root.children() {
            let path = self.roots.device_tree().join(bus.name());
            for node in bus.children() {
                let node = Node::open(&path.join(node.name())).unwrap();
                let enabled = node.text("status").unwrap().is_none_or(|status| status == "okay");
                let compatible = node.texts("compatible").unwrap();
                if enabled && compatible.iter().any(|name| name == "generic-uio") {
                    self.make_uio(number, &node);
                    number += 1;
                }
            }
        }
    }

    fn make_uio(&self, number: u32, node: &Node) {
        let sys = self.roots.uio_class().join(format!("uio{number}"));
        fs::create_dir_all(sys.join("device")).unwrap();
        std::os::unix::fs::symlink(node.path(), sys.join("device/of_node")).unwrap();
        let named = node.text("linux,uio-name").unwrap();
        fs::write(sys.join("name"), named.unwrap_or_else(|| node.name().to_owned())).unwrap();
        let maps = maps(node);
        let page = rustix::param::page_size() as u64;
        for (index, (name, start, size)) in maps.iter().enumerate() {
            let dir = sys.join(format!("maps/map{index}"));
            fs::create_dir_all(&dir).unwrap();
            let offset = start % page;
            let whole = (offset + size).next_multiple_of(page);
            fs::write(dir.join("name"), name).unwrap();
            for (file, value) in [("addr", start - offset), ("size", whole), ("offset", offset)] {
                fs::write(dir.join(file), format!("{value:#x}\n")).unwrap();
            }
        }
        let dev = File::create(self.roots.dev.join(format!("uio{number}"))).unwrap();
        dev.set_len(maps.len() as u64 * page).unwrap();
    }
}

/// Each entry of `reg`: its name, its physical address, its length. The node stands on a bus below
/// the root.
fn maps(node: &Node) -> Vec<(String, u64, u64)> {
    let bus = node.parent().unwrap();
    let root = bus.parent().unwrap();
    let count = |node: &Node, property| node.cell(property).unwrap().unwrap() as usize;
    let (cells, size) = (count(&bus, "#address-cells"), count(&bus, "#size-cells"));
    let above = count(&root, "#address-cells");
    let number = |cells: &[u32]| cells.iter().fold(0, |n, cell| n << 32 | u64::from(*cell));
    let ranges = bus.cells("ranges").unwrap().unwrap();
    let translate = |at: u64| {
        let mut ranges = ranges.chunks_exact(cells + above + size).map(|range| {
            let (from, rest) = range.split_at(cells);
            let (to, length) = rest.split_at(above);
            (number(from), number(to), number(length))
        });
        let found = ranges.find(|(from, _, length)| (*from..from + length).contains(&at));
        let (from, to, _) = found.unwrap_or_else(|| panic!("{at:#x} is outside of the bus"));
        to + (at - from)
    };
    let reg = node.cells("reg").unwrap().unwrap_or_default();
    assert!(reg.len().is_multiple_of(cells + size), "{node:?}: reg {reg:x?}");
    let names = node.texts("reg-names").unwrap();
    assert_eq!(names.len(), reg.len() / (cells + size), "{node:?}: reg-names {names:?}");
    let entries = reg.chunks_exact(cells + size).zip(names);
    let map = |(entry, name): (&[u32], String)| {
        let (at, length) = entry.split_at(cells);
        (name, translate(number(at)), number(length))
    };
    entries.map(map).collect()
}

/// The tree as directories and files, as Linux shows it.
fn unpack(node: &FdtNode<'_>, dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    for property in node.properties() {
        fs::write(dir.join(property.name()), property.value()).unwrap();
    }
    for child in node.children() {
        unpack(&child, &dir.join(child.name()));
    }
}
