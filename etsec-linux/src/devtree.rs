//! The device tree as Linux shows it: a directory for each node, a file for each property.
//!
//! It knows how properties are encoded (HW 16), not which of them a port has.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::roots::{Roots, read_bytes};

/// A node of the device tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    path: PathBuf,
}

/// Deepest level a node is looked for; trees of these SoCs have five.
const DEPTH_MAX: usize = 16;

impl Node {
    /// The node shown at `path`, which may be a link such as `of_node`; `None` if nothing is there.
    #[must_use]
    pub fn open(path: &Path) -> Option<Self> {
        // Resolved, so that the parent is the parent node and not the directory of the link.
        let path = path.canonicalize().ok()?;
        path.is_dir().then_some(Node { path })
    }

    /// Where it is, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Name without the unit address: `queue-group` of `queue-group@b0000`.
    #[must_use]
    pub fn name(&self) -> &str {
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.split('@').next().unwrap_or_default()
    }

    /// The node it is in.
    #[must_use]
    pub fn parent(&self) -> Option<Node> {
        Node::open(self.path.parent()?)
    }

    /// The node directly below it called `name`.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<Node> {
        Node::open(&self.path.join(name))
    }

    /// The nodes directly below it, in the order of their names.
    #[must_use]
    pub fn children(&self) -> Vec<Node> {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        // Links would lead out of the tree or round in it; nodes are plain directories.
        let nodes = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let mut nodes: Vec<_> = nodes.map(|entry| Node { path: entry.path() }).collect();
        nodes.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        nodes
    }

    /// Whether it has the property, with or without a value.
    #[must_use]
    pub fn has(&self, property: &str) -> bool {
        self.path.join(property).is_file()
    }

    /// A property's bytes; `None` if it has none of that name.
    ///
    /// # Errors
    /// What the system says about the file.
    pub fn bytes(&self, property: &str) -> Result<Option<Vec<u8>>, Error> {
        if self.has(property) { read_bytes(&self.path.join(property)).map(Some) } else { Ok(None) }
    }

    /// A property made of cells: 32-bit big-endian numbers.
    ///
    /// # Errors
    /// [`Error::Attribute`] if its length is no multiple of 4, or what the system says.
    pub fn cells(&self, property: &str) -> Result<Option<Vec<u32>>, Error> {
        let Some(bytes) = self.bytes(property)? else { return Ok(None) };
        match parse_cells(&bytes) {
            Some(cells) => Ok(Some(cells)),
            None => Err(self.bad(property, &bytes, "a list of 32-bit cells")),
        }
    }

    /// A property made of a single cell.
    ///
    /// # Errors
    /// As [`Node::cells`], also if there is not exactly one.
    pub fn cell(&self, property: &str) -> Result<Option<u32>, Error> {
        match self.cells(property)?.as_deref() {
            None => Ok(None),
            Some([cell]) => Ok(Some(*cell)),
            Some(_) => {
                let bytes = self.bytes(property)?.unwrap_or_default();
                Err(self.bad(property, &bytes, "one 32-bit cell"))
            }
        }
    }

    /// A property made of text, up to its zero byte.
    ///
    /// # Errors
    /// [`Error::Attribute`] if it is no UTF-8, or what the system says.
    pub fn text(&self, property: &str) -> Result<Option<String>, Error> {
        let Some(bytes) = self.bytes(property)? else { return Ok(None) };
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        match std::str::from_utf8(&bytes[..end]) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(self.bad(property, &bytes, "text")),
        }
    }

    /// A property made of a list of texts, each with its zero byte; empty if it has none.
    ///
    /// # Errors
    /// As [`Node::text`].
    pub fn texts(&self, property: &str) -> Result<Vec<String>, Error> {
        let Some(bytes) = self.bytes(property)? else { return Ok(Vec::new()) };
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Err(self.bad(property, &bytes, "a list of texts"));
        };
        Ok(text.split_terminator('\0').map(str::to_owned).collect())
    }

    /// The node that a property's first cell, a phandle, points to.
    ///
    /// # Errors
    /// [`Error::Attribute`] if there is no such node, or as [`Node::cells`].
    pub fn follow(&self, roots: &Roots, property: &str) -> Result<Option<Node>, Error> {
        let Some(cells) = self.cells(property)? else { return Ok(None) };
        let target = cells.first().and_then(|handle| {
            let root = Node::open(&roots.device_tree())?;
            root.find(*handle, DEPTH_MAX)
        });
        match target {
            Some(node) => Ok(Some(node)),
            None => {
                let bytes = self.bytes(property)?.unwrap_or_default();
                Err(self.bad(property, &bytes, "the phandle of a node"))
            }
        }
    }

    /// How many interrupts it has, 0 for none; 1 where the tree does not tell how they are written.
    ///
    /// # Errors
    /// As [`Node::cells`].
    pub fn interrupts(&self, roots: &Roots) -> Result<usize, Error> {
        let Some(cells) = self.cells("interrupts")? else { return Ok(0) };
        // The nearest node upwards that names a controller does so for all below it.
        let mut node = Some(self.clone());
        while node.as_ref().is_some_and(|node| !node.has("interrupt-parent")) {
            node = node.and_then(|node| node.parent());
        }
        let controller = node.map(|node| node.follow(roots, "interrupt-parent")).transpose()?;
        let each = controller.flatten().map(|node| node.cell("#interrupt-cells")).transpose()?;
        let each = each.flatten().unwrap_or(cells.len() as u32);
        Ok(cells.len() / (each as usize).max(1))
    }

    /// The error that a property's content makes no sense.
    #[must_use]
    pub fn bad(&self, property: &str, bytes: &[u8], wanted: &'static str) -> Error {
        Error::Attribute { path: self.path.join(property), text: hex(bytes), wanted }
    }

    /// Itself or the node below it with this phandle.
    fn find(&self, handle: u32, depth: usize) -> Option<Node> {
        let own = |property| self.cell(property).ok().flatten() == Some(handle);
        if own("phandle") || own("linux,phandle") {
            return Some(self.clone());
        }
        let depth = depth.checked_sub(1)?;
        self.children().iter().find_map(|node| node.find(handle, depth))
    }
}

/// Big-endian cells, if the bytes are a whole number of them.
fn parse_cells(bytes: &[u8]) -> Option<Vec<u32>> {
    let (cells, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| cells.iter().map(|cell| u32::from_be_bytes(*cell)).collect())
}

/// Bytes as the device tree source writes them.
fn hex(bytes: &[u8]) -> String {
    let shown: Vec<_> = bytes.iter().take(32).map(|byte| format!("{byte:02x}")).collect();
    format!("[{}]", shown.join(" "))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fs;

    /// Roots with an empty device tree.
    pub(crate) fn tree() -> (tempfile::TempDir, Roots) {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::below(dir.path());
        fs::create_dir_all(roots.device_tree()).unwrap();
        (dir, roots)
    }

    /// Adds a node with these properties.
    pub(crate) fn node(roots: &Roots, path: &str, properties: &[(&str, &[u8])]) -> Node {
        let dir = roots.device_tree().join(path);
        fs::create_dir_all(&dir).unwrap();
        for (name, value) in properties {
            fs::write(dir.join(name), value).unwrap();
        }
        Node::open(&dir).unwrap()
    }

    /// Cells as a property has them.
    pub(crate) fn cells<const N: usize>(cells: [u32; N]) -> Vec<u8> {
        cells.iter().flat_map(|cell| cell.to_be_bytes()).collect()
    }

    #[test]
    fn cells_are_big_endian_and_text_ends_with_a_zero() {
        let (_dir, roots) = tree();
        let node = node(
            &roots,
            "soc/ethernet@b0000",
            &[
                ("reg", &[0, 11, 0, 0, 0, 0, 16, 0]),
                ("phy-connection-type", b"rgmii-id\0"),
                ("reg-names", b"regs\0mdio\0"),
                ("on", b""),
            ],
        );
        assert_eq!(node.name(), "ethernet");
        assert_eq!(node.cells("reg").unwrap().unwrap(), [0xB_0000, 0x1000]);
        assert_eq!(node.text("phy-connection-type").unwrap().unwrap(), "rgmii-id");
        assert_eq!(node.texts("reg-names").unwrap(), ["regs", "mdio"]);
        assert!(node.texts("absent").unwrap().is_empty());
        assert_eq!(node.cells("absent").unwrap(), None);
        assert!(node.has("on") && !node.has("off"));
        assert_eq!(node.parent().unwrap().name(), "soc");
    }

    #[test]
    fn broken_properties_are_named() {
        let (_dir, roots) = tree();
        let odd: &[u8] = &[1, 2, 3, 4, 5];
        let node =
            node(&roots, "ethernet", &[("reg", odd), ("two", &[0; 8]), ("mode", &[0xFF, 0])]);
        let text = node.cells("reg").unwrap_err().to_string();
        assert!(text.contains("ethernet/reg") && text.contains("[01 02 03 04 05]"), "{text}");
        assert!(matches!(node.cell("two"), Err(Error::Attribute { .. })));
        assert!(matches!(node.text("mode"), Err(Error::Attribute { .. })));
        // A handle of nobody.
        assert!(matches!(node.follow(&roots, "two"), Err(Error::Attribute { .. })));
    }

    #[test]
    fn a_phandle_leads_to_its_node() {
        let (_dir, roots) = tree();
        node(
            &roots,
            "soc/mdio@24000/ethernet-phy@1",
            &[("phandle", &[0, 0, 0, 7]), ("reg", &[0, 0, 0, 1])],
        );
        let legacy: &[(&str, &[u8])] = &[("linux,phandle", &[0, 0, 0, 8]), ("reg", &[0, 0, 0, 2])];
        node(&roots, "soc/mdio@24000/ethernet-phy@2", legacy);
        let port = node(
            &roots,
            "soc/uio",
            &[("phy-handle", &[0, 0, 0, 8]), ("tbi-handle", &[0, 0, 0, 7])],
        );
        let reg = |property| {
            let target = port.follow(&roots, property).unwrap().unwrap();
            target.cell("reg").unwrap().unwrap()
        };
        assert_eq!((reg("phy-handle"), reg("tbi-handle")), (2, 1));
        assert_eq!(port.follow(&roots, "absent").unwrap(), None);
    }

    #[test]
    fn interrupts_are_counted_as_their_controller_writes_them() {
        let (_dir, roots) = tree();
        let pic = [("phandle", &cells([1])[..]), ("#interrupt-cells", &cells([2]))];
        node(&roots, "soc/pic", &pic);
        node(&roots, "soc", &[("interrupt-parent", &cells([1]))]);
        let count = |path, interrupts: &[u8]| {
            let node = node(&roots, path, &[("interrupts", interrupts)]);
            node.interrupts(&roots).unwrap()
        };
        assert_eq!(count("soc/ethernet", &cells([5, 2, 6, 2, 7, 2])), 3);
        assert_eq!(count("soc/bus/eth0-tx", &cells([5, 2])), 1);
        // Nobody tells.
        assert_eq!(count("elsewhere", &cells([5, 2, 6, 2])), 1);
        assert_eq!(node(&roots, "soc/none", &[]).interrupts(&roots).unwrap(), 0);
    }

    #[test]
    fn the_link_of_a_device_is_resolved_to_its_node() {
        let (_dir, roots) = tree();
        node(&roots, "soc/uio", &[]);
        let link = roots.sys.join("of_node");
        std::os::unix::fs::symlink(roots.device_tree().join("soc/uio"), &link).unwrap();
        assert_eq!(Node::open(&link).unwrap().parent().unwrap().name(), "soc");
        assert_eq!(Node::open(&roots.sys.join("absent")), None);
    }
}
