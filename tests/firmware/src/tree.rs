//! What the device tree says of the eTSECs (HW 16.2) and of the time base. It believes nothing that
//! the tree does not say, and asks for no more than an image needs.

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::standard::NodeStandard;
use dtoolkit::{Node, Property};
use etsec_core::MacAddr;

/// An eTSEC of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Etsec {
    /// Where its first register page is.
    pub registers: u64,
    /// Its address, if the tree gives it one.
    pub mac: Option<MacAddr>,
    /// Whether it has no PHY, but a partner at 1000 Mb/s in full duplex.
    pub fixed_gigabit: bool,
    /// Inputs of the interrupt controller: TX, RX, ERR.
    pub interrupts: [u32; 3],
}

/// A device tree.
#[derive(Debug, Clone, Copy)]
pub struct Tree(Fdt<'static>);

impl Tree {
    /// The tree at `at`; `None` if there is none.
    ///
    /// # Safety
    /// `at` is where whoever started the image has put a device tree, which stays there.
    pub unsafe fn at(at: *const u8) -> Option<Self> {
        if at.is_null() {
            return None;
        }
        // SAFETY: the caller's promise; what is there is checked.
        unsafe { Fdt::from_raw(at) }.ok().map(Self)
    }

    /// Ticks of the time base in a microsecond.
    pub fn ticks_per_us(&self) -> Option<u32> {
        let cpus = self.0.root().child("cpus")?;
        let hz = cpus.children().find_map(|cpu| cell(&cpu, "timebase-frequency", 0))?;
        Some(hz / 1_000_000).filter(|ticks| (1..=1000).contains(ticks))
    }

    /// The eTSEC number `n`, in the order of the tree.
    pub fn etsec(&self, n: usize) -> Option<Etsec> {
        let root = self.0.root();
        let nodes = root.children().flat_map(|bus| bus.children().map(move |node| (bus, node)));
        let mut found = nodes.filter(|(_, node)| node.is_compatible("fsl,etsec2"));
        let (bus, node) = found.nth(n)?;
        let group = node.children().find(|child| child.name().starts_with("queue-group"))?;
        let at: u64 = group.reg().ok()??.next()?.address().ok()?;
        let line = |n: usize| cell(&group, "interrupts", 2 * n);
        Some(Etsec {
            registers: translate(&bus, translate(&node, at)?)?,
            mac: mac(&node),
            fixed_gigabit: cell(&node, "fixed-link", 1) == Some(1)
                && cell(&node, "fixed-link", 2) == Some(1000),
            interrupts: [line(0)?, line(1)?, line(2)?],
        })
    }
}

/// An address on that bus as its parent sees it. Empty `ranges` mean the same address.
fn translate(bus: &FdtNode<'static>, at: u64) -> Option<u64> {
    let mut ranges = bus.ranges().ok()??.peekable();
    if ranges.peek().is_none() {
        return Some(at);
    }
    ranges.find_map(|range| {
        let from: u64 = range.child_bus_address().ok()?;
        let to: u64 = range.parent_bus_address().ok()?;
        let offset = at.checked_sub(from).filter(|o| range.length().is_ok_and(|len: u64| *o < len));
        offset.map(|offset| to + offset)
    })
}

/// The `n`th cell of a property.
fn cell(node: &FdtNode<'static>, property: &str, n: usize) -> Option<u32> {
    let property = node.property(property)?;
    let (cells, _) = property.value().as_chunks();
    cells.get(n).map(|cell| u32::from_be_bytes(*cell))
}

/// The address in `local-mac-address`; zeros mean that there is none.
fn mac(node: &FdtNode<'static>) -> Option<MacAddr> {
    let octets: [u8; 6] = node.property("local-mac-address")?.value().try_into().ok()?;
    Some(MacAddr(octets)).filter(|mac| !mac.is_zero() && !mac.is_group())
}
