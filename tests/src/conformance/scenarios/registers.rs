//! Registers by themselves: what they read after power-on, what they keep, what writing does.

use std::ops::Range;

use etsec_core::Bus;
use etsec_core::regs::catalog::{CATALOG, Entry, Page};

use crate::at;
use crate::conformance::{Device, Seen};

/// Registers of a part of the page that do not read as HW 2 says, or of which it does not say how.
fn reset<D: Device>(device: &mut D, offsets: Range<u16>) -> Seen {
    let mut seen = Seen::new();
    let bus = device.bus();
    let entries = CATALOG.iter().filter(|entry| entry.page == Page::Group);
    let registers = entries.flat_map(Entry::registers);
    let (mut all, mut documented) = (0, 0);
    for register in registers.filter(|register| offsets.contains(&register.offset())) {
        let value = bus.read(register.offset());
        all += 1;
        if register.entry.reset == Some(value) {
            documented += 1;
        } else {
            seen.word(register.to_string(), value);
        }
    }
    seen.note("as documented", format_args!("{documented} of {all}"));
    seen
}

pub fn general_reset<D: Device>(device: &mut D) -> Seen {
    reset(device, 0x000..0x100)
}

pub fn transmit_reset<D: Device>(device: &mut D) -> Seen {
    reset(device, 0x100..0x300)
}

pub fn receive_reset<D: Device>(device: &mut D) -> Seen {
    reset(device, 0x300..0x500)
}

pub fn mac_reset<D: Device>(device: &mut D) -> Seen {
    reset(device, 0x500..0x680)
}

pub fn counters_reset<D: Device>(device: &mut D) -> Seen {
    reset(device, 0x680..0x800)
}

pub fn hash_reset<D: Device>(device: &mut D) -> Seen {
    reset(device, 0x800..0xA00)
}

pub fn dma_reset<D: Device>(device: &mut D) -> Seen {
    reset(device, 0xA00..0xE00)
}

pub fn timer_reset<D: Device>(device: &mut D) -> Seen {
    reset(device, 0xE00..0xEB0)
}

/// What only an eTSEC2 has.
pub fn groups_reset<D: Device>(device: &mut D) -> Seen {
    reset(device, 0xEB0..0x1000)
}

/// Registers that do nothing by themselves, with the bits that HW 3 gives them.
const PLAIN: [(&str, u16, u32); 26] = [
    ("IMASK", 0x014, 0xF7F7_8F9F),
    ("PTV", 0x028, 0xFFFF_FFFF),
    ("TBIPA", 0x030, 0x1F),
    ("FIFO_TX_THR", 0x08C, 0x1FF),
    ("FIFO_TX_STARVE", 0x098, 0x1FF),
    ("DFVLAN", 0x108, 0xFFFF_FFFF),
    ("TXIC", 0x110, 0x5FE0_FFFF),
    ("TQUEUE", 0x114, 0xFF00),
    ("TR03WT", 0x140, 0xFFFF_FFFF),
    ("TR47WT", 0x144, 0xFFFF_FFFF),
    ("TBDBPH", 0x180, 0xF),
    ("TBASEH", 0x200, 0xF),
    ("RXIC", 0x310, 0x5FE0_FFFF),
    ("RQUEUE", 0x314, 0x00FF_00FF),
    ("RBIFX", 0x330, 0xFFFF_FFFF),
    ("RQFAR", 0x334, 0xFF),
    ("MRBLR", 0x340, 0xFFC0),
    ("RBDBPH", 0x380, 0xF),
    ("RBASEH", 0x400, 0xF),
    ("IPGIFG", 0x508, 0x7F7F_FF7F),
    ("HAFDUP", 0x50C, 0x00FF_F3FF),
    ("MAXFRM", 0x510, 0xFFFF),
    ("MACSTNADDR1", 0x540, 0xFFFF_FFFF),
    ("CAM1", 0x738, 0xFE03_FFFF),
    ("IGADDR0", 0x800, 0xFFFF_FFFF),
    ("TMR_ADD", 0xE20, 0xFFFF_FFFF),
];

pub fn fields_are_kept<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let bus = device.bus();
    let mut kept = 0;
    for (name, offset, mask) in PLAIN {
        // The last is not 0: that is no length of a buffer (HW 3.13).
        let wrong = [mask, mask & 0x5555_5555, mask & 0xAAAA_AAAA].into_iter().find(|value| {
            bus.write(offset, *value);
            bus.read(offset) & mask != *value
        });
        match wrong {
            None => kept += 1,
            Some(value) => {
                seen.note(name, format_args!("{value:#x} reads {:#x}", bus.read(offset)));
            }
        }
    }
    seen.note("registers that keep their fields", format_args!("{kept} of {}", PLAIN.len()));
    seen
}

/// Offsets between the registers, one of each gap (HW 2.6).
const RESERVED: [u16; 12] =
    [0x008, 0x034, 0x0A0, 0x118, 0x150, 0x188, 0x208, 0x308, 0x344, 0x388, 0x600, 0x744];

pub fn reserved_words<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let bus = device.bus();
    for offset in RESERVED {
        bus.write(offset, u32::MAX);
        match bus.read(offset) {
            0 => {}
            value => seen.word(format!("{offset:#05x}"), value),
        }
    }
    seen.note("looked at", RESERVED.len());
    seen
}

pub fn read_only<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let bus = device.bus();
    for (name, offset) in [
        ("TSEC_ID", 0x000),
        ("TSEC_ID2", 0x004),
        ("MIIMSTAT", 0x530),
        ("MIIMIND", 0x534),
        ("TMR_TXTS1_H", 0x2C0),
        ("TMR_ETTS1_H", 0xEA0),
    ] {
        let before = bus.read(offset);
        bus.write(offset, !before);
        seen.holds(format!("{name} stays"), bus.read(offset) == before);
    }
    // HW 2.4: written only.
    bus.write(0x52C, 0xFFFF);
    device.settle();
    seen.word("MIIMCON", bus.read(0x52C));
    seen
}

/// IEVENT bits of an idle stop: GRSC, GTSC (HW 8.3).
const STOPPED: u32 = 0x0200_0100;

pub fn events_are_cleared_by_ones<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let bus = device.bus();
    bus.write(at::DMACTRL, at::DMACTRL_RUNNING | at::GRS | at::GTS);
    device.settle();
    seen.word("after a stop", bus.read(at::IEVENT));
    bus.write(at::IEVENT, 0);
    seen.word("after a 0", bus.read(at::IEVENT));
    bus.write(at::IEVENT, 0x100);
    seen.word("after GRSC", bus.read(at::IEVENT));
    // HW 8.3: a stop is asked for by an edge.
    bus.write(at::DMACTRL, at::DMACTRL_RUNNING | at::GRS | at::GTS);
    device.settle();
    seen.word("asked again without an edge", bus.read(at::IEVENT) & STOPPED);
    bus.write(at::DMACTRL, at::DMACTRL_RUNNING);
    bus.write(at::IEVENT, u32::MAX);
    seen.word("after all", bus.read(at::IEVENT));
    seen
}

/// HW 3.21: writing a base sets the pointer, and the low three bits are not there.
fn bases<D: Device>(device: &mut D, base: u16, pointer: u16) -> Seen {
    let mut seen = Seen::new();
    let bus = device.bus();
    let mut follow = 0;
    for n in 0..8 {
        let value = 0x0010_0000 + 0x100 * u32::from(n);
        bus.write(base + 8 * n, value);
        let both = [bus.read(base + 8 * n), bus.read(pointer + 8 * n)];
        follow += u32::from(both == [value; 2]);
        bus.write(base + 8 * n, 0);
    }
    seen.note("bases that pointers follow", follow);
    seen
}

pub fn transmit_bases<D: Device>(device: &mut D) -> Seen {
    bases(device, at::TBASE0, at::TBPTR0)
}

pub fn receive_bases<D: Device>(device: &mut D) -> Seen {
    let mut seen = bases(device, at::RBASE0, at::RBPTR0);
    // HW 3.20: RFBPTRn too.
    let bus = device.bus();
    bus.write(at::RBASE0, 0x0010_0000);
    seen.word("RFBPTR0", bus.read(0xC44));
    seen
}
