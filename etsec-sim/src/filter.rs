//! Which destination addresses the MAC accepts (HW 7). It sees registers through a closure and
//! counts nothing.

use crate::bits::{at, rctrl};
use crate::crc;

/// What the filter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Meant for this station.
    Accepted,
    /// Only let in by PROM: RxBD\[M\].
    Promiscuous,
    /// Not for us.
    Dropped,
}

/// The hash of an address: CRC-32 without final inversion, all bits reversed.
pub(crate) fn hash(address: [u8; 6]) -> u32 {
    crc::remainder(&address).reverse_bits()
}

/// An address as the register pair at `pair` holds it: byte reversed (HW 3.18).
fn address(read: impl Fn(u16) -> u32, pair: u16) -> [u8; 6] {
    let (one, two) = (read(pair).to_le_bytes(), read(pair + 4).to_le_bytes());
    [two[2], two[3], one[0], one[1], one[2], one[3]]
}

/// The station address.
pub(crate) fn station(read: impl Fn(u16) -> u32) -> [u8; 6] {
    address(read, at::MACSTNADDR1)
}

/// Judges a destination address by the registers (HW 7, steps 1–4).
pub(crate) fn admit(read: impl Fn(u16) -> u32, da: [u8; 6]) -> Admission {
    let control = read(at::RCTRL);
    if matches(&read, control, da) {
        Admission::Accepted
    } else if control & rctrl::PROM != 0 {
        Admission::Promiscuous
    } else {
        Admission::Dropped
    }
}

fn matches(read: &impl Fn(u16) -> u32, control: u32, da: [u8; 6]) -> bool {
    if da == [0xFF; 6] {
        return control & rctrl::BC_REJ == 0;
    }
    let group = da[0] & 1 == 1;
    if !group && da == station(read) {
        return true;
    }
    let exact = |k: u16| address(read, at::MAC1ADDR1 + 8 * k) == da;
    // An all-zero pair matches nothing useful (HW 3.18).
    if control & rctrl::EMEN != 0 && da != [0; 6] && (0..15).any(exact) {
        return true;
    }
    match (group, control & rctrl::GHTX != 0) {
        // With GHTX both tables hold group addresses and there is no individual hash.
        (false, true) => false,
        (true, true) => {
            let h = hash(da);
            let index = (h >> 28) as u16;
            let table = if index < 8 { at::IGADDR0 } else { at::GADDR0 };
            read(table + 4 * (index & 7)) & (0x8000_0000 >> ((h >> 23) & 31)) != 0
        }
        (_, false) => {
            let h = hash(da);
            let table = if group { at::GADDR0 } else { at::IGADDR0 };
            read(table + 4 * (h >> 29) as u16) & (0x8000_0000 >> ((h >> 24) & 31)) != 0
        }
    }
}
