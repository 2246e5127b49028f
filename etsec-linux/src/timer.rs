//! Where the IEEE 1588 timer of a SoC is: in the page of its first controller, for all of them
//! (HW 1.4). It reads the device tree, and no register.

use crate::devtree::Node;
use crate::error::Error;
use crate::ethernet::{all_registers, registers};

/// Register pages by their addresses on the SoC's bus, first controllers and others (HW 1.2, 1.3).
const FIRST: [u64; 2] = [0x2_4000, 0xB_0000];
const OTHERS: [u64; 5] = [0x2_5000, 0x2_6000, 0x2_7000, 0xB_1000, 0xB_2000];
/// Bytes of a register page.
const PAGE: u64 = 0x1000;

/// Whether the timer is in the registers of `node`, the `of_node` of a UIO device: by the tree's
/// node of the timer (HW 16.3), else by where first controllers are. `None` if neither tells.
///
/// # Errors
/// [`Error::Attribute`] naming a property that makes no sense, or what the system says.
pub fn is_in(node: &Node) -> Result<Option<bool>, Error> {
    let own = all_registers(node)?.first().copied();
    let (Some(bus), Some(own)) = (node.parent(), own) else { return Ok(None) };
    for sibling in bus.children() {
        let names = sibling.texts("compatible")?;
        if names.iter().any(|name| name == "fsl,etsec-ptp")
            && let Some(timer) = registers(&sibling)?
        {
            return Ok(Some(timer - timer % PAGE == own));
        }
    }
    Ok(match own {
        _ if FIRST.contains(&own) => Some(true),
        _ if OTHERS.contains(&own) => Some(false),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devtree::tests::{cells, node, tree};

    #[test]
    fn the_timers_node_tells_and_else_the_address_does() {
        let (_dir, roots) = tree();
        let one = [0, 0, 0, 1];
        node(&roots, "soc", &[("#address-cells", &one[..]), ("#size-cells", &one)]);
        let port = |at: u32| {
            let reg = cells([at, 0x1000]);
            node(&roots, &format!("soc/uio-tx@{at:x}"), &[("reg", &reg)])
        };
        for (at, expected) in
            [(0x2_4000, Some(true)), (0xB_0000, Some(true)), (0xB_1000, Some(false)), (0, None)]
        {
            assert_eq!(is_in(&port(at)).unwrap(), expected, "{at:#x}");
        }
        // A tree that says so is believed.
        let timer =
            [("compatible", &b"fsl,etsec-ptp\0"[..]), ("reg", &cells([0xB_1E00, 0xB0])[..])];
        node(&roots, "soc/ptp_clock@b1e00", &timer);
        assert_eq!(is_in(&port(0xB_0000)).unwrap(), Some(false));
        assert_eq!(is_in(&port(0xB_1000)).unwrap(), Some(true));
        // An ethernet node has them in its groups.
        let eth0 = node(&roots, "soc/ethernet@b0000", &[("ranges", b"")]);
        for (name, value) in [("#address-cells", one), ("#size-cells", one)] {
            std::fs::write(eth0.path().join(name), value).unwrap();
        }
        let reg = cells([0xB_0000, 0x1000]);
        node(&roots, "soc/ethernet@b0000/queue-group@b0000", &[("reg", &reg)]);
        assert_eq!(is_in(&eth0).unwrap(), Some(false));
        // A node without registers tells nothing.
        assert_eq!(is_in(&node(&roots, "soc/uio-rx", &[])).unwrap(), None);
    }
}
