//! The two ends of a twisted pair: how our PHY is built, what its link partner offers, and what
//! they can have in common (HW 8.10).
//!
//! It knows no registers but the ability words that PHYs exchange.

pub(crate) const ANAR_ASYM_PAUSE: u16 = 0x0800;
pub(crate) const ANAR_PAUSE: u16 = 0x0400;
pub(crate) const ANAR_100FD: u16 = 0x0100;
pub(crate) const ANAR_100HD: u16 = 0x0080;
pub(crate) const ANAR_10FD: u16 = 0x0040;
pub(crate) const ANAR_10HD: u16 = 0x0020;
pub(crate) const ANAR_SELECTOR: u16 = 0x0001;
pub(crate) const STAT1000_FD: u16 = 0x0800;
pub(crate) const STAT1000_HD: u16 = 0x0400;

/// How the PHY is built: its identity and how long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhyConfig {
    /// Registers 2 and 3. The default belongs to no vendor.
    pub id: u32,
    /// How long autonegotiation takes once the cable is in, in nanoseconds. Real ones take up to 5
    /// s (HW 8.10).
    pub autonegotiation_ns: u64,
    /// How long a link of fixed speed takes to come up, in nanoseconds.
    pub fixed_link_ns: u64,
    /// How long BMCR\[reset\] stays set, in nanoseconds; at most 500 ms on real parts (HW 8.10).
    pub reset_ns: u64,
}

impl Default for PhyConfig {
    fn default() -> Self {
        PhyConfig {
            id: 0x0E75_EC10,
            autonegotiation_ns: 1_500_000_000,
            fixed_link_ns: 300_000_000,
            reset_ns: 500_000,
        }
    }
}

/// The station at the other end of the PHY's cable: what it offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partner {
    /// Whether it negotiates; if not, the PHY detects the speed only and the link is half duplex.
    pub negotiates: bool,
    /// Its 10/100 and pause abilities, as bits of register 5 (HW 8.10): 0x0DE0 at most.
    pub base: u16,
    /// Its gigabit abilities, as bits of register 10: 0x0800 full duplex, 0x0400 half duplex.
    pub gigabit: u16,
}

impl Partner {
    /// A gigabit switch: 10/100/1000 in both duplexes, symmetric pause.
    #[must_use]
    pub const fn gigabit() -> Self {
        Partner {
            negotiates: true,
            base: ANAR_PAUSE | ANAR_100FD | ANAR_100HD | ANAR_10FD | ANAR_10HD,
            gigabit: STAT1000_FD | STAT1000_HD,
        }
    }

    /// A fast Ethernet station: 10/100 in both duplexes, no pause.
    #[must_use]
    pub const fn fast() -> Self {
        let base = ANAR_100FD | ANAR_100HD | ANAR_10FD | ANAR_10HD;
        Partner { negotiates: true, base, gigabit: 0 }
    }

    /// A station fixed to one speed without negotiation: 100 Mb/s if `fast`, else 10 Mb/s.
    #[must_use]
    pub const fn fixed(fast: bool) -> Self {
        let base = if fast { ANAR_100FD | ANAR_100HD } else { ANAR_10FD | ANAR_10HD };
        Partner { negotiates: false, base, gigabit: 0 }
    }

    /// The same station with these pause abilities.
    #[must_use]
    pub const fn with_pause(mut self, symmetric: bool, asymmetric: bool) -> Self {
        self.base &= !(ANAR_PAUSE | ANAR_ASYM_PAUSE);
        if symmetric {
            self.base |= ANAR_PAUSE;
        }
        if asymmetric {
            self.base |= ANAR_ASYM_PAUSE;
        }
        self
    }
}

/// What a link that is up runs at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhyLink {
    /// 10, 100 or 1000.
    pub mbps: u32,
    /// Whether both stations may send at once.
    pub full_duplex: bool,
}

/// The best 10/100 mode of those in `abilities` (bits of register 4).
pub(crate) fn common(abilities: u16) -> Option<PhyLink> {
    let order = [
        (ANAR_100FD, 100, true),
        (ANAR_100HD, 100, false),
        (ANAR_10FD, 10, true),
        (ANAR_10HD, 10, false),
    ];
    let &(_, mbps, full_duplex) = order.iter().find(|(bit, ..)| abilities & bit != 0)?;
    Some(PhyLink { mbps, full_duplex })
}
