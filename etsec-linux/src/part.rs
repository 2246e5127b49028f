//! Which part this machine is, for the errata that its controllers have: what the kernel says of
//! the SoC, else what the device tree does. It knows where that is said, and no erratum.

use etsec_core::errata::Part;

use crate::devtree::Node;
use crate::roots::{Roots, read_text};

/// The part, where anything tells.
#[must_use]
pub fn find(roots: &Roots) -> Option<Part> {
    by_kernel(roots).or_else(|| by_tree(roots))
}

/// The system version register, which the kernel's SoC driver shows as `svr:0x80e40011`.
fn by_kernel(roots: &Roots) -> Option<Part> {
    let text = read_text(&roots.sys.join("devices/soc0/soc_id")).ok()?;
    let svr = u32::from_str_radix(text.strip_prefix("svr:0x")?, 16).ok()?;
    match Part::from_svr(svr) {
        Part::Other => None,
        part => Some(part),
    }
}

/// The SoC's node: compatible with `fsl,p1020-immr`.
fn by_tree(roots: &Roots) -> Option<Part> {
    let nodes = Node::open(&roots.device_tree())?.children();
    let names = nodes.iter().filter_map(|node| node.texts("compatible").ok());
    names.flatten().find_map(|name| {
        name.strip_prefix("fsl,").and_then(|name| name.strip_suffix("-immr"))?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use etsec_core::errata::Revision;

    use super::*;
    use crate::devtree::tests::{node, tree};

    #[test]
    fn the_kernel_says_which_part_it_is_and_the_tree_where_it_does_not() {
        let (_dir, roots) = tree();
        assert_eq!(find(&roots), None);
        let names = ("compatible", &b"fsl,p2020-immr\0simple-bus\0"[..]);
        node(&roots, "soc@ffe00000", &[names]);
        assert_eq!(find(&roots), Some(Part::P2020(Revision::UNKNOWN)));
        let soc = roots.sys.join("devices/soc0");
        fs::create_dir_all(&soc).unwrap();
        fs::write(soc.join("soc_id"), "svr:0x80ea0021\n").unwrap();
        assert_eq!(find(&roots), Some(Part::P2020(Revision { major: 2, minor: 1 })));
        // A number that nobody knows: the tree may say more.
        fs::write(soc.join("soc_id"), "svr:0x12345678\n").unwrap();
        assert_eq!(find(&roots), Some(Part::P2020(Revision::UNKNOWN)));
    }

    #[test]
    fn what_makes_no_sense_is_another_part() {
        let (_dir, roots) = tree();
        node(&roots, "soc", &[("compatible", b"fsl,mpc8xx-immr\0")]);
        let soc = roots.sys.join("devices/soc0");
        fs::create_dir_all(&soc).unwrap();
        fs::write(soc.join("soc_id"), "i.MX\n").unwrap();
        assert_eq!(find(&roots), None);
    }
}
