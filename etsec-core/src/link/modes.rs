//! Sets of speed and duplex, as PHYs advertise them.
//!
//! Knows their order of preference (HW 8.10) and not the register bits.

use core::fmt;

use super::{Duplex, Speed};

bitflags::bitflags! {
    /// A set of speed and duplex pairs. Bits are in order of preference: the highest common one
    /// wins (HW 8.10).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Modes: u8 {
        /// 10BASE-T, half duplex.
        const HALF_10 = 1 << 0;
        /// 10BASE-T, full duplex.
        const FULL_10 = 1 << 1;
        /// 100BASE-TX, half duplex.
        const HALF_100 = 1 << 2;
        /// 100BASE-TX, full duplex.
        const FULL_100 = 1 << 3;
        /// 1000BASE-T, half duplex. A PHY may know it; an eTSEC cannot use it (HW 8.8).
        const HALF_1000 = 1 << 4;
        /// 1000BASE-T, full duplex.
        const FULL_1000 = 1 << 5;
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Modes {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Modes({=u8:#04x})", self.bits());
    }
}

/// Every mode with what it stands for, best first.
const BEST_FIRST: [(Modes, Speed, Duplex); 6] = [
    (Modes::FULL_1000, Speed::Mbps1000, Duplex::Full),
    (Modes::HALF_1000, Speed::Mbps1000, Duplex::Half),
    (Modes::FULL_100, Speed::Mbps100, Duplex::Full),
    (Modes::HALF_100, Speed::Mbps100, Duplex::Half),
    (Modes::FULL_10, Speed::Mbps10, Duplex::Full),
    (Modes::HALF_10, Speed::Mbps10, Duplex::Half),
];

impl Modes {
    /// Every mode an eTSEC can use.
    pub const USABLE: Modes = Modes::all().difference(Modes::HALF_1000);

    /// The set with just this mode.
    #[must_use]
    pub const fn of(speed: Speed, duplex: Duplex) -> Modes {
        match (speed, duplex) {
            (Speed::Mbps10, Duplex::Half) => Modes::HALF_10,
            (Speed::Mbps10, Duplex::Full) => Modes::FULL_10,
            (Speed::Mbps100, Duplex::Half) => Modes::HALF_100,
            (Speed::Mbps100, Duplex::Full) => Modes::FULL_100,
            (Speed::Mbps1000, Duplex::Half) => Modes::HALF_1000,
            (Speed::Mbps1000, Duplex::Full) => Modes::FULL_1000,
        }
    }

    /// The mode two ends choose out of what they have in common (HW 8.10); `None` from an empty
    /// set.
    #[must_use]
    pub fn best(self) -> Option<(Speed, Duplex)> {
        let (_, speed, duplex) = BEST_FIRST.into_iter().find(|(mode, ..)| self.contains(*mode))?;
        Some((speed, duplex))
    }
}

/// Writes the modes best first, such as `1000/full 100/full`, or `none`.
impl fmt::Display for Modes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (_, speed, duplex) in BEST_FIRST.iter().filter(|(mode, ..)| self.contains(*mode)) {
            write!(f, "{separator}{speed}/{duplex}")?;
            separator = " ";
        }
        if separator.is_empty() { f.write_str("none") } else { Ok(()) }
    }
}
