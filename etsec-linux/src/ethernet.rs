//! The ethernet node of a port: the one the boot loader and the kernel's own driver know it by.
//!
//! A port under UIO has nodes of its own, with the registers and interrupts in the form UIO takes.
//! Which PHY it has and what its address is stands in the ethernet node that was there before, and
//! the two belong together because they have the same registers. This file finds that node; what it
//! says is read elsewhere.

use crate::devtree::Node;
use crate::error::Error;

/// The ethernet node with the registers of `node`, the `of_node` of a UIO device; `None` if `node`
/// is one itself or there is none beside it. One that is disabled counts: that is how a tree keeps
/// the kernel's driver off a port.
///
/// # Errors
/// [`Error::Attribute`] naming a property that makes no sense, or what the system says.
pub fn find(node: &Node) -> Result<Option<Node>, Error> {
    let Some(bus) = node.parent() else { return Ok(None) };
    if is_queue_group(node) {
        return Ok(Some(bus));
    }
    let Some(registers) = registers(node)? else { return Ok(None) };
    for sibling in bus.children() {
        if sibling != *node && is_ethernet(&sibling)? && has_registers(&sibling, registers)? {
            return Ok(Some(sibling));
        }
    }
    Ok(None)
}

/// Whether `node` is a MAC for the kernel's driver (HW 16.1, 16.2).
fn is_ethernet(node: &Node) -> Result<bool, Error> {
    Ok(node.name() == "ethernet" || node.text("device_type")?.as_deref() == Some("network"))
}

/// HW 16.2: an eTSEC2 has its registers in a child of the ethernet node for each interrupt group.
fn is_queue_group(node: &Node) -> bool {
    node.name() == "queue-group"
}

/// Whether the registers at `address` of the bus are those of an ethernet node on it.
fn has_registers(ethernet: &Node, address: u64) -> Result<bool, Error> {
    Ok(all_registers(ethernet)?.contains(&address))
}

/// Addresses on its bus of all register pages of a node: its own, then those of its interrupt
/// groups.
pub(crate) fn all_registers(node: &Node) -> Result<Vec<u64>, Error> {
    let mut pages = Vec::from_iter(registers(node)?);
    // Addresses below it are the bus's where `ranges` is empty, as in all trees of these parts.
    if node.bytes("ranges")?.is_some_and(|ranges| ranges.is_empty()) {
        for group in node.children().iter().filter(|child| is_queue_group(child)) {
            pages.extend(registers(group)?);
        }
    }
    Ok(pages)
}

/// Address on its bus of a node's register page: of the entry of `reg` that `reg-names` calls
/// `regs`, else of the first.
pub(crate) fn registers(node: &Node) -> Result<Option<u64>, Error> {
    let (Some(reg), Some(bus)) = (node.cells("reg")?, node.parent()) else { return Ok(None) };
    // The defaults are the device tree specification's.
    let address_cells = bus.cell("#address-cells")?.unwrap_or(2) as usize;
    let size_cells = bus.cell("#size-cells")?.unwrap_or(1) as usize;
    let names = node.texts("reg-names")?;
    let entry = names.iter().position(|name| name == "regs").unwrap_or(0);
    let cells = reg.chunks_exact((address_cells + size_cells).max(1)).nth(entry);
    let Some(address) = cells.and_then(|cells| cells.get(..address_cells)) else {
        return Ok(None);
    };
    Ok(Some(address.iter().fold(0, |address, cell| address << 32 | u64::from(*cell))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devtree::tests::{cells, node, tree};
    use crate::roots::Roots;

    const ONE: &[u8] = &[0, 0, 0, 1];

    /// A SoC's bus with an eTSEC1-style and an eTSEC2-style port (HW 16.1, 16.2).
    fn soc(roots: &Roots) {
        node(roots, "soc", &[("#address-cells", ONE), ("#size-cells", ONE)]);
        node(roots, "soc/ethernet@24000", &[("reg", &cells([0x2_4000, 0x1000]))]);
        let etsec2 = [("ranges", &b""[..]), ("#address-cells", ONE), ("#size-cells", ONE)];
        node(roots, "soc/ethernet@b1000", &etsec2);
        let groups = [("queue-group@b1000", 0xB_1000), ("queue-group@b5000", 0xB_5000)];
        for (group, at) in groups {
            let path = format!("soc/ethernet@b1000/{group}");
            node(roots, &path, &[("reg", &cells([at, 0x1000]))]);
        }
    }

    fn check(roots: &Roots, node: &Node, expected: Option<&str>) {
        let found = find(node).unwrap();
        let expected = expected.map(|path| roots.device_tree().join(path).canonicalize().unwrap());
        assert_eq!(found.map(|node| node.path().to_owned()), expected, "{node:?}");
    }

    #[test]
    fn nodes_with_the_same_registers_are_one_port() {
        let (_dir, roots) = tree();
        soc(&roots);
        let eth0 = node(&roots, "soc/eth0-tx@24000", &[("reg", &cells([0x2_4000, 0x1000]))]);
        check(&roots, &eth0, Some("soc/ethernet@24000"));
        let reg = cells([0x2_4000, 0x1000, 0xB_1000, 0x1000]);
        let named = [("reg", &reg[..]), ("reg-names", b"mdio\0regs\0")];
        let eth1 = node(&roots, "soc/eth1-tx@b1000", &named);
        check(&roots, &eth1, Some("soc/ethernet@b1000"));
        let other = node(&roots, "soc/eth2-tx@b2000", &[("reg", &cells([0xB_2000, 0x1000]))]);
        check(&roots, &other, None);
        // Only the lines with registers know whose they are.
        check(&roots, &node(&roots, "soc/eth1-rx", &[]), None);
    }

    #[test]
    fn a_queue_group_is_part_of_its_ethernet_node() {
        let (_dir, roots) = tree();
        soc(&roots);
        let group = node(&roots, "soc/ethernet@b1000/queue-group@b1000", &[]);
        check(&roots, &group, Some("soc/ethernet@b1000"));
    }

    #[test]
    fn addresses_of_two_cells_are_compared_whole() {
        let (_dir, roots) = tree();
        node(&roots, "soc", &[("#address-cells", &[0, 0, 0, 2]), ("#size-cells", ONE)]);
        let high = node(&roots, "soc/eth0-tx", &[("reg", &cells([0xF, 0, 0x1000]))]);
        node(&roots, "soc/ethernet@0", &[("reg", &cells([0, 0, 0x1000]))]);
        check(&roots, &high, None);
        node(&roots, "soc/ethernet@f00000000", &[("reg", &cells([0xF, 0, 0x1000]))]);
        check(&roots, &high, Some("soc/ethernet@f00000000"));
    }

    #[test]
    fn a_reg_that_is_too_short_has_no_registers() {
        let (_dir, roots) = tree();
        soc(&roots);
        check(&roots, &node(&roots, "soc/eth0-tx", &[("reg", &cells([0x2_4000]))]), None);
    }
}
