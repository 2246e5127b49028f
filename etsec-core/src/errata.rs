//! Errata of the parts, and which part has which (HW 14). It knows names and revisions; each
//! work-around is where what it works around is done.

use core::str::FromStr;

use bitflags::bitflags;

bitflags! {
    /// Errata that the driver works around. All of the work-arounds are safe on every part.
    ///
    /// [`Errata::VLN`] is here to be told of: which parts have it is not known, so it is worked
    /// around everywhere, which costs nothing.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Errata: u8 {
        /// eTSEC74: received frames of MAXFRM bytes, or one less, count as truncated. MAXFRM is
        /// kept two bytes above the longest frame instead of one.
        const ETSEC74 = 1;
        /// eTSEC12: wrong checksums where the TxFCB's address modulo 32 is above 24. There a block
        /// gets a descriptor of its own, and a better place.
        const ETSEC12 = 1 << 1;
        /// eTSEC76: checksum offload of frames above 2500 bytes delays the transmitter or makes it
        /// run dry.
        const ETSEC76 = 1 << 2;
        /// A002, later A-006502: a graceful receive stop may never complete. Once it has had the
        /// time for a frame, a receiver that is idle is reset without waiting longer.
        const A002 = 1 << 3;
        /// NMG_eTSEC129: the receiver may not work after Rx_EN is set; see
        /// [`Running::prove_reception`](crate::Running::prove_reception).
        const NMG129 = 1 << 4;
        /// RxFCB\[VLN\] is set at random unless tags are extracted.
        const VLN = 1 << 5;
    }
}

impl Default for Errata {
    /// All of them: right for a part that is not known.
    fn default() -> Self {
        Errata::all()
    }
}

/// A part with eTSECs, with its revision where errata depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Part {
    /// MPC8308.
    Mpc8308,
    /// MPC8313 and MPC8313E.
    Mpc8313(Revision),
    /// MPC8377, MPC8378, MPC8379, with E or without.
    Mpc837x,
    /// MPC8548 and its relatives, with E or without.
    Mpc8548(Revision),
    /// P2020 and P2010, with E or without.
    P2020(Revision),
    /// An eTSEC2 part: P1010, P1020, P1021, P1022 and their single-core relatives.
    P10xx,
    /// Any other.
    Other,
}

/// A revision of silicon, such as 2.1; the newest possible where it is not known is
/// [`Revision::UNKNOWN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Revision {
    /// The number before the point.
    pub major: u8,
    /// The number behind the point.
    pub minor: u8,
}

impl Revision {
    /// A part of this revision has the errata of all revisions.
    pub const UNKNOWN: Revision = Revision { major: u8::MAX, minor: u8::MAX };

    /// Whether it may be older than `major.minor`.
    fn may_precede(self, major: u8, minor: u8) -> bool {
        self == Self::UNKNOWN || self < Revision { major, minor }
    }

    /// Whether it may be `major.minor` or newer.
    fn may_follow(self, major: u8, minor: u8) -> bool {
        self >= Revision { major, minor }
    }
}

impl Part {
    /// The part that a PowerPC core's system version register names (HW 14.1); an unknown number is
    /// [`Part::Other`].
    #[must_use]
    pub const fn from_svr(svr: u32) -> Part {
        let revision = Revision { major: svr as u8 >> 4, minor: svr as u8 & 0xF };
        match svr >> 16 {
            0x80B0 | 0x80B1 => return Part::Mpc8313(revision),
            0x80C0..0x80C8 => return Part::Mpc837x,
            0x8100 | 0x8101 => return Part::Mpc8308,
            _ => {}
        }
        // Bit 0x0008_0000 is the security engine, which some parts have and some lack.
        match svr >> 8 & !0x0800 {
            0x80_3100 | 0x80_3101 | 0x80_3102 | 0x80_3200 => Part::Mpc8548(revision),
            0x80_E200 | 0x80_E300 => Part::P2020(revision),
            0x80_E400 | 0x80_E401 | 0x80_E500 | 0x80_E501 | 0x80_E600 | 0x80_E700 | 0x80_F100 => {
                Part::P10xx
            }
            _ => Part::Other,
        }
    }

    /// What is known to be wrong with it (HW 14), as far as a driver is concerned.
    #[must_use]
    pub fn errata(self) -> Errata {
        // No part is planned to be without the first; which chips have the second is not said.
        let common = Errata::A002 | Errata::VLN;
        common
            | match self {
                Part::Mpc8308 | Part::P10xx => Errata::empty(),
                Part::Mpc8313(revision) => {
                    let old = revision.may_precede(2, 0);
                    let new = revision.may_follow(2, 0);
                    Errata::ETSEC76
                        | if old { Errata::ETSEC12 } else { Errata::empty() }
                        | if new { Errata::ETSEC74 } else { Errata::empty() }
                }
                Part::Mpc837x => Errata::ETSEC74 | Errata::ETSEC76,
                Part::Mpc8548(revision) => {
                    let (first, old) = (revision.may_precede(2, 1), revision.may_precede(3, 1));
                    let of_2_0 = first && revision.may_follow(2, 0);
                    (if first { Errata::NMG129 } else { Errata::empty() })
                        | if of_2_0 { Errata::ETSEC12 } else { Errata::empty() }
                        | if old { Errata::ETSEC76 } else { Errata::empty() }
                }
                Part::P2020(revision) if revision.may_precede(2, 0) => Errata::ETSEC76,
                Part::P2020(_) => Errata::empty(),
                Part::Other => Errata::all(),
            }
    }
}

/// The name of no part that has eTSECs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct UnknownPart;

impl core::fmt::Display for UnknownPart {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(
            "a part is one of mpc8308, mpc8313, mpc8377, mpc8378, mpc8379, mpc8548, p1010, p1011, \
             p1020, p1021, p1022, p2010, p2020, or other",
        )
    }
}

impl core::error::Error for UnknownPart {}

/// Reads the name of a part in small letters, as device trees have it behind `fsl,`; its revision
/// is not known then.
impl FromStr for Part {
    type Err = UnknownPart;

    fn from_str(name: &str) -> Result<Self, UnknownPart> {
        Ok(match name {
            "mpc8308" => Part::Mpc8308,
            "mpc8313" => Part::Mpc8313(Revision::UNKNOWN),
            "mpc8377" | "mpc8378" | "mpc8379" => Part::Mpc837x,
            "mpc8548" => Part::Mpc8548(Revision::UNKNOWN),
            "p1010" | "p1011" | "p1020" | "p1021" | "p1022" => Part::P10xx,
            "p2010" | "p2020" => Part::P2020(Revision::UNKNOWN),
            "other" => Part::Other,
            _ => return Err(UnknownPart),
        })
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Errata {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Errata({=u8:#04x})", self.bits());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn revision(major: u8, minor: u8) -> Revision {
        Revision { major, minor }
    }

    #[test]
    fn each_part_has_the_errata_of_its_revision() {
        let usual = Errata::A002 | Errata::VLN;
        let (e12, e74, e76) = (Errata::ETSEC12, Errata::ETSEC74, Errata::ETSEC76);
        let cases = [
            (Part::P10xx, usual),
            (Part::Mpc8308, usual),
            (Part::Mpc8313(revision(1, 0)), usual | e12 | e76),
            (Part::Mpc8313(revision(2, 0)), usual | e74 | e76),
            (Part::Mpc8313(Revision::UNKNOWN), usual | e12 | e74 | e76),
            (Part::Mpc837x, usual | e74 | e76),
            (Part::Mpc8548(revision(1, 1)), usual | Errata::NMG129 | e76),
            (Part::Mpc8548(revision(2, 0)), usual | Errata::NMG129 | e12 | e76),
            (Part::Mpc8548(revision(2, 1)), usual | e76),
            (Part::Mpc8548(revision(3, 0)), usual | e76),
            (Part::Mpc8548(revision(3, 1)), usual),
            (Part::Mpc8548(Revision::UNKNOWN), usual | Errata::NMG129 | e12 | e76),
            (Part::P2020(revision(1, 0)), usual | e76),
            (Part::P2020(revision(2, 1)), usual),
            (Part::P2020(Revision::UNKNOWN), usual | e76),
            (Part::Other, Errata::all()),
        ];
        for (part, errata) in cases {
            assert_eq!(part.errata(), errata, "{part:?}");
        }
        assert_eq!(Errata::default(), Errata::all());
    }

    #[test]
    fn version_registers_and_names_are_read() {
        assert_eq!(Part::from_svr(0x80E4_0011), Part::P10xx);
        // A P1020E, with a security engine.
        assert_eq!(Part::from_svr(0x80EC_0011), Part::P10xx);
        assert_eq!(Part::from_svr(0x80EA_0021), Part::P2020(revision(2, 1)));
        assert_eq!(Part::from_svr(0x8039_0020), Part::Mpc8548(revision(2, 0)));
        assert_eq!(Part::from_svr(0x80B0_0020), Part::Mpc8313(revision(2, 0)));
        assert_eq!(Part::from_svr(0x80C4_0021), Part::Mpc837x);
        assert_eq!(Part::from_svr(0xFFFF_FFFF), Part::Other);
        assert_eq!("p1020".parse(), Ok(Part::P10xx));
        assert_eq!("mpc8313".parse(), Ok(Part::Mpc8313(Revision::UNKNOWN)));
        assert_eq!("mpc8xx".parse::<Part>(), Err(UnknownPart));
    }
}
