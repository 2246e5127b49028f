//! All registers as a table, for tools that print them.
//!
//! Each block's file states a register once, in a `registers!` list, which makes both the constant
//! the driver uses and the entry here. The table knows names, places and fields; it touches no bus.
//! A program that does not name [`CATALOG`] does not carry it.

use core::fmt;

use bitflags::Flags;
use tock_registers::debug::RegisterDebugInfo;

use super::{Plain, Ro, Rw, Strobe, W1c, Wo};
use super::{control, filer, group, hash, mac, mib, miim, receive, timer, transmit};

/// What may be done to a register (HW 2, column Acc).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Access {
    /// Read only.
    Ro,
    /// Read and written.
    Rw,
    /// Written only; reads as 0.
    Wo,
    /// Read; writing a one clears that bit.
    W1c,
    /// Read and written; some bits start something when written as 1.
    Strobe,
}

/// The catalogue's name for an access class.
pub trait AccessClass {
    /// The name.
    const ACCESS: Access;
}
impl AccessClass for Ro {
    const ACCESS: Access = Access::Ro;
}
impl AccessClass for Rw {
    const ACCESS: Access = Access::Rw;
}
impl AccessClass for Wo {
    const ACCESS: Access = Access::Wo;
}
impl AccessClass for W1c {
    const ACCESS: Access = Access::W1c;
}
impl<const STROBES: u32> AccessClass for Strobe<STROBES> {
    const ACCESS: Access = Access::Strobe;
}

/// Whether a register can be read beside the driver that owns the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Reading {
    /// Reading changes nothing.
    Safe,
    /// Reading clears the register while ECNTRL\[AUTOZ\] is 1 (HW 13.1). The driver keeps AUTOZ 0;
    /// look at ECNTRL first.
    SafeWithoutAutoz,
    /// Reading changes the device's state.
    Effect,
    /// The register belongs to a sequence of the owner (MII management, filer table, an erratum's
    /// work-around): what is read beside it means nothing.
    Owner,
}

/// Which page a register is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Page {
    /// The controller's own page (group 0 of an eTSEC2).
    Group,
    /// An eTSEC2's MDIO page. It has the MII registers too, at the same offsets as the controller's
    /// page (HW 1.3).
    Mdio,
}

/// Named bits of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Field {
    /// The manual's name.
    pub name: &'static str,
    /// Its bits; never 0, never with a gap.
    pub mask: u32,
}

impl Field {
    /// This field's number in a register's value.
    #[must_use]
    pub const fn of(self, value: u32) -> u32 {
        // A mask of 0 has 32 trailing zeros, which would be too far to shift.
        if self.mask == 0 { 0 } else { (value & self.mask) >> self.mask.trailing_zeros() }
    }
}

/// A register layout whose fields can be listed.
pub trait Layout {
    /// Field number `n`, in no particular order; `None` behind the last.
    fn field(n: usize) -> Option<Field>;
}

impl<R: RegisterDebugInfo<u32> + 'static> Layout for R {
    fn field(n: usize) -> Option<Field> {
        let (name, field) = R::field_names().get(n).zip(R::fields().get(n))?;
        Some(Field { name, mask: field.mask << field.shift })
    }
}

impl Layout for Plain {
    fn field(_: usize) -> Option<Field> {
        None
    }
}

/// Field `n` of a register that is a set of flags.
pub(crate) fn flag<F: Flags<Bits = u32>>(n: usize) -> Option<Field> {
    // Names for several flags at once are for the programmer, not fields of the register.
    let mut single = F::FLAGS.iter().filter(|flag| flag.value().bits().is_power_of_two());
    single.nth(n).map(|flag| Field { name: flag.name(), mask: flag.value().bits() })
}

/// A register, or an array of equal ones.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The manual's name. In an array a small `n` stands for the number: `TBASEn`.
    pub name: &'static str,
    /// The page it is in.
    pub page: Page,
    /// Byte offset of the (first) register in the page.
    pub offset: u16,
    /// Number of the first register of an array: 0 for rings, 1 for MAC01; 0 for a single register.
    pub first: u16,
    /// How many registers there are; 1 for a single one.
    pub count: u16,
    /// Bytes from one register of an array to the next.
    pub stride: u16,
    /// What may be done to it.
    pub access: Access,
    /// Value after power-on, where it is known and does not depend on the part or its straps.
    pub reset: Option<u32>,
    /// Whether an observer may read it.
    pub reading: Reading,
    pub(in crate::regs) field: fn(usize) -> Option<Field>,
}

impl Entry {
    /// The fields; none for a register that is one number.
    pub fn fields(&self) -> impl Iterator<Item = Field> + use<> {
        let field = self.field;
        (0..32).map_while(field)
    }

    /// The registers one by one.
    pub fn registers(&self) -> impl Iterator<Item = Register> + use<> {
        let entry = *self;
        (0..entry.count).map(move |n| Register { entry, n })
    }
}

/// One register of an [`Entry`]. It displays as its name with the number filled in: `TBASE3`,
/// `MAC12ADDR1`.
#[derive(Debug, Clone, Copy)]
pub struct Register {
    /// What it is one of.
    pub entry: Entry,
    n: u16,
}

impl Register {
    /// Byte offset in its page.
    #[must_use]
    pub const fn offset(&self) -> u16 {
        self.entry.offset + self.entry.stride * self.n
    }
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entry.name.split_once('n') {
            Some((head, tail)) => write!(f, "{head}{}{tail}", self.entry.first + self.n),
            None => f.write_str(self.entry.name),
        }
    }
}

/// States registers: `NAME: layout, access, offset`, then as they apply `array "NAMEn" first..end
/// by stride`, `reset value` (where known) and `reading` (where not [`Reading::Safe`]). Makes the
/// constants and `ENTRIES`.
macro_rules! registers {
    ($page:ident; $(
        $(#[$doc:meta])* $name:ident: $layout:ty, $access:ty, $at:literal
        $(, array $pattern:literal $first:literal..$end:literal by $stride:literal)?
        $(, reset $reset:literal)? $(, reading $reading:ident)?;
    )*) => {
        $( $crate::regs::catalog::registers!(
            @constant $(#[$doc])* $name, $layout, $access, $at $(, $first, $end, $stride)?
        ); )*

        pub(in crate::regs) const ENTRIES: &[$crate::regs::catalog::Entry] = &[ $(
            $crate::regs::catalog::Entry {
                name: $crate::regs::catalog::registers!(@last stringify!($name) $(, $pattern)?),
                page: $crate::regs::catalog::Page::$page,
                offset: $at,
                first: $crate::regs::catalog::registers!(@last 0 $(, $first)?),
                count: $crate::regs::catalog::registers!(@last 1 $(, $end - $first)?),
                stride: $crate::regs::catalog::registers!(@last 4 $(, $stride)?),
                access: <$access as $crate::regs::catalog::AccessClass>::ACCESS,
                reset: $crate::regs::catalog::registers!(@last None $(, Some($reset))?),
                reading: $crate::regs::catalog::registers!(
                    @last $crate::regs::catalog::Reading::Safe
                    $(, $crate::regs::catalog::Reading::$reading)?
                ),
                field: <$layout as $crate::regs::catalog::Layout>::field,
            }
        ),* ];
    };
    (@constant $(#[$doc:meta])* $name:ident, $layout:ty, $access:ty, $at:literal) => {
        $(#[$doc])*
        pub const $name: $crate::regs::Reg<$layout, $access> = $crate::regs::Reg::at($at);
    };
    (@constant $(#[$doc:meta])* $name:ident, $layout:ty, $access:ty, $at:literal,
     $first:literal, $end:literal, $stride:literal) => {
        $(#[$doc])*
        pub const $name: $crate::regs::RegArray<$layout, $access> =
            $crate::regs::RegArray::at($at, $stride, $end - $first);
    };
    (@last $default:expr) => { $default };
    (@last $default:expr, $given:expr) => { $given };
}
pub(crate) use registers;

/// Lets a `bitflags` type be the layout of a register in a `registers!` list.
macro_rules! flag_layouts {
    ($($flags:ty),* $(,)?) => { $(
        impl $crate::regs::catalog::Layout for $flags {
            fn field(n: usize) -> Option<$crate::regs::catalog::Field> {
                $crate::regs::catalog::flag::<$flags>(n)
            }
        }
    )* };
}
pub(crate) use flag_layouts;

const BLOCKS: [&[Entry]; 11] = [
    control::ENTRIES,
    transmit::ENTRIES,
    receive::ENTRIES,
    filer::ENTRIES,
    mac::ENTRIES,
    miim::ENTRIES,
    mib::ENTRIES,
    hash::ENTRIES,
    timer::ENTRIES,
    group::ENTRIES,
    miim::mdio_page::ENTRIES,
];

const COUNT: usize = {
    let (mut count, mut block) = (0, 0);
    while block < BLOCKS.len() {
        count += BLOCKS[block].len();
        block += 1;
    }
    count
};

/// Every register of the controller's page, block by block, then those of the MDIO page.
pub static CATALOG: &[Entry] = &const {
    let mut all = [BLOCKS[0][0]; COUNT];
    let (mut at, mut block) = (0, 0);
    while block < BLOCKS.len() {
        let mut entry = 0;
        while entry < BLOCKS[block].len() {
            all[at] = BLOCKS[block][entry];
            at += 1;
            entry += 1;
        }
        block += 1;
    }
    all
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::string::ToString;

    use super::*;

    /// The ranges of the page that hold registers (HW 1.1), and the one word outside them (HW 2.6,
    /// 0xD1C).
    const RANGES: [(u16, u16); 12] = [
        (0x000, 0x0FF),
        (0x100, 0x2FF),
        (0x300, 0x4FF),
        (0x500, 0x5FF),
        (0x680, 0x743),
        (0x800, 0x8FF),
        (0xA00, 0xA03),
        (0xBF8, 0xBFF),
        (0xC00, 0xC7F),
        (0xD1C, 0xD1F),
        (0xE00, 0xEAF),
        (0xEB0, 0xF2F),
    ];

    #[test]
    fn no_two_registers_share_a_word_or_a_name() {
        let mut seen = BTreeMap::new();
        let mut names = BTreeMap::new();
        for register in CATALOG.iter().flat_map(Entry::registers) {
            let place = (register.entry.page == Page::Mdio, register.offset());
            assert_eq!(seen.insert(place, register.to_string()), None, "{register}");
            assert_eq!(names.insert(register.to_string(), place), None, "{register}");
        }
        assert_eq!(seen.len(), CATALOG.iter().map(|entry| usize::from(entry.count)).sum());
    }

    #[test]
    fn every_register_is_a_word_of_a_known_range() {
        for register in CATALOG.iter().flat_map(Entry::registers) {
            let at = register.offset();
            assert!(at.is_multiple_of(4), "{register}");
            assert!(RANGES.iter().any(|&(from, to)| (from..to).contains(&at)), "{register}");
        }
    }

    #[test]
    fn fields_neither_overlap_nor_have_gaps() {
        for entry in CATALOG {
            let mut used = 0;
            for Field { name, mask } in entry.fields() {
                assert_ne!(mask, 0, "{}[{name}]", entry.name);
                assert_eq!(used & mask, 0, "{}[{name}]", entry.name);
                let run = mask >> mask.trailing_zeros();
                assert_eq!(run & run.wrapping_add(1), 0, "{}[{name}]", entry.name);
                used |= mask;
            }
            // More fields than bits would have been cut off.
            assert_eq!((entry.field)(32), None, "{}", entry.name);
        }
    }

    #[test]
    fn numbers_are_filled_into_names() {
        let named = |at| {
            let mut all = CATALOG.iter().flat_map(Entry::registers);
            all.find(|register| register.offset() == at).map(|register| register.to_string())
        };
        assert_eq!(named(0x224).as_deref(), Some("TBASE4"));
        assert_eq!(named(0x5A4).as_deref(), Some("MAC12ADDR2"));
        assert_eq!(named(0xE4C).as_deref(), Some("TMR_ALARM2_L"));
        assert_eq!(named(0x504).as_deref(), Some("MACCFG2"));
    }

    #[test]
    fn a_field_is_cut_out_of_a_value() {
        let entry = CATALOG.iter().find(|entry| entry.name == "MACCFG2").unwrap();
        let mode = entry.fields().find(|field| field.name == "IF_MODE").unwrap();
        assert_eq!(mode.of(0x0000_7205), 2);
        assert_eq!(Field { name: "none", mask: 0 }.of(!0), 0);
    }

    #[test]
    fn what_belongs_to_the_owner_is_marked() {
        let reading = |name: &str| CATALOG.iter().find(|e| e.name == name).unwrap().reading;
        for name in ["MIIMCFG", "MIIMCOM", "MIIMADD", "MIIMCON", "MIIMSTAT", "MIIMIND"] {
            assert_eq!(reading(name), Reading::Owner, "{name}");
        }
        for name in ["RQFAR", "RQFCR", "RQFPR"] {
            assert_eq!(reading(name), Reading::Owner, "{name}");
        }
        assert_eq!(reading("RDRP"), Reading::SafeWithoutAutoz);
        assert_eq!(reading("IEVENT"), Reading::Safe);
    }
}
