//! Which bits of the registers do something in the model, and which do not.
//!
//! A model that stores what it does not act on would let a driver pass that relies on it. So every
//! bit that is written and has no effect is listed here with the reason, those a driver must not
//! rely on are refused, and the model keeps account of what of a driver's settings was for nothing.
//! `docs/model.md` shows the tables, held to them by a test.

use std::collections::BTreeMap;

use crate::model::Model;
use crate::table::{self, Access};
use crate::violation::{Breach, Violation, Who};

/// What becomes of a bit that software writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The model acts on it.
    Acts,
    /// It is kept, reads back, and changes nothing else.
    Stored {
        /// Why nothing.
        why: &'static str,
    },
    /// The model lacks what it asks for: set to other than its reset value it is a violation
    /// ([`Breach::NotModelled`]).
    Refused {
        /// What it would do, or why nobody knows.
        why: &'static str,
    },
    /// It is in no register, or reserved: writing it changes nothing.
    Reserved,
}

/// Bits of a register, by its name in [`table::ROWS`], that the model does not act on.
#[derive(Debug, Clone, Copy)]
pub struct Idle {
    /// The register, or registers.
    pub register: &'static str,
    /// Its bits.
    pub mask: u32,
    /// Why.
    pub why: &'static str,
}

const fn idle(register: &'static str, mask: u32, why: &'static str) -> Idle {
    Idle { register, mask, why }
}

const NO_FIFO: &str = "frames pass the FIFO at once: it never fills and never starves";
const COHERENT: &str = "memory is always coherent, and there is no cache to stash into";
const PINS: &str = "concerns the timer's pins or the phase of its clocks";
const NO_COLLISIONS: &str = "the wire has no collisions; their outcomes are injected as faults";

/// Bits that are stored and do nothing else.
pub static STORED: &[Idle] = &[
    idle("MINFLR", 0x0000_007F, "short frames are padded to 64 bytes whatever it says (HW 4.2)"),
    idle("DMACTRL", 0x0000_00C0, COHERENT),
    idle(
        "DMACTRL",
        0x0000_0002,
        "status is written before its event, unless a fault makes it late",
    ),
    idle("FIFO_PAUSE_CTRL", 0x0000_0002, NO_FIFO),
    idle("FIFO_RX_PAUSE", 0x0000_01FF, NO_FIFO),
    idle("FIFO_RX_PAUSE_SHUTOFF", 0x0000_01FF, NO_FIFO),
    idle("FIFO_RX_ALARM", 0x0000_01FF, NO_FIFO),
    idle("FIFO_RX_ALARM_SHUTOFF", 0x0000_01FF, NO_FIFO),
    idle("FIFO_TX_STARVE", 0x0000_01FF, NO_FIFO),
    idle("FIFO_TX_STARVE_SHUTOFF", 0x0000_01FF, NO_FIFO),
    idle(
        "DFVLAN",
        0x0000_FFFF,
        "the tag of time-stamped frames only, and that is unclear (HW 5.2)",
    ),
    idle("RQUEUE", 0x00FF_0000, COHERENT),
    idle(
        "MIIMCFG",
        0x0000_0007,
        "MDC runs at its limit: what it is divided from is unknown (HW 17)",
    ),
    idle("MACCFG2", 0x0000_0010, "lengths that do not fit are counted in any case (RFLR)"),
    idle("IPGIFG", 0x7F7F_FF7F, "frames follow each other with the usual gap of 12 bytes"),
    idle("HAFDUP", 0x00FF_F3FF, NO_COLLISIONS),
    idle("ATTR", 0x0000_6CC0, COHERENT),
    idle("ATTRELI", 0x3FF8_3FC0, COHERENT),
    idle("TMR_CTRL", 0xC000_4CC0, PINS),
    idle("TMR_PRSC", 0x0000_FFFF, PINS),
];

/// Bits that are refused.
pub static REFUSED: &[Idle] = &[
    idle("EDIS", 0x3147_000F, "what a disabled error does is not known (HW 3.2)"),
    idle("EMAPG", 0xFFFF_FFFF, "its layout is not known (HW 3.2)"),
    idle("DMACTRL", 0x0000_8000, "descriptors are big-endian here, whatever it says"),
    idle("TCTRL", 0x0000_0800, "back pressure on a half-duplex wire"),
    idle("RCTRL", 0xFE00_0000, "a shim header before layer 2, which nobody has verified (HW 3.11)"),
    idle("RCTRL", 0x0000_0020, "parsing behind the packet FIFO interface, which this part lacks"),
];

/// What the model never shows: events that do not come, counters that do not count.
pub static NEVER: &[Idle] = &[
    idle("IEVENT", 0x0000_0600, "MMRD and MMWR: management is polled (HW 8.7)"),
    idle("RCSE", 0xFFFF_FFFF, "no false carriers on this wire"),
    idle("TDFR", 0xFFFF_FFFF, NO_COLLISIONS),
    idle("TEDF", 0xFFFF_FFFF, NO_COLLISIONS),
    idle("TSCL", 0xFFFF_FFFF, NO_COLLISIONS),
    idle("TMCL", 0xFFFF_FFFF, NO_COLLISIONS),
    idle("IFSTAT", 0x0000_0200, NO_COLLISIONS),
    idle(
        "RX_STATE",
        0xFF7F_FEFF,
        "what is in it but whether it is idle is known to nobody (HW 14)",
    ),
    idle("TMR_STAT", 0x0300_0000, "newer parts have a queue of trigger stamps (HW 3.23)"),
];

/// What becomes of one bit of the register at byte offset `at`.
#[must_use]
pub fn effect(at: u16, bit: u32) -> Effect {
    let Some(row) = table::row(at).filter(|row| row.mask & bit != 0) else {
        return Effect::Reserved;
    };
    let within = |list: &'static [Idle]| {
        list.iter().find(|idle| idle.register == row.name && idle.mask & bit != 0)
    };
    match (within(STORED), within(REFUSED)) {
        (Some(idle), _) => Effect::Stored { why: idle.why },
        (_, Some(idle)) => Effect::Refused { why: idle.why },
        _ => Effect::Acts,
    }
}

/// All bits of `list` that are in the register called `name`.
fn bits(list: &[Idle], name: &str) -> u32 {
    list.iter().filter(|idle| idle.register == name).fold(0, |bits, idle| bits | idle.mask)
}

/// Settings that were for nothing: by offset, the bits that have been something else than their
/// reset value.
pub(crate) type Account = BTreeMap<u16, u32>;

impl Model {
    /// Looks at a value that software has written, after it was stored.
    pub(crate) fn account(&mut self, at: u16, written: u32) {
        let Some(row) = table::row(at) else { return };
        if !matches!(row.access, Access::ReadWrite | Access::Indirect) {
            return;
        }
        let changed = (written ^ row.reset) & row.mask;
        let refused = changed & bits(REFUSED, row.name);
        if refused != 0 {
            let what = Breach::NotModelled { bits: refused };
            self.report(Violation { who: Who::Register(at), at: 0, what });
        }
        let idle = changed & bits(STORED, row.name);
        if idle != 0 {
            *self.idle_settings.entry(at).or_default() |= idle;
        }
    }

    /// The settings of the driver that had no effect since power-on: byte offsets and bits that
    /// were written with other than their reset values. [`effect`] tells why.
    #[must_use]
    pub fn idle_settings(&self) -> Vec<(u16, u32)> {
        self.idle_settings.iter().map(|(at, bits)| (*at, *bits)).collect()
    }
}

/// What only this model has confirmed of the driver: no board was there, and QEMU's eTSEC does not
/// do it (HW 15). A topic, and the sections of the reference it rests on.
pub static UNJUDGED: &[(&str, &str)] = &[
    (
        "receive rings 1 to 7; registers of transmit rings 1 to 7, and how rings share the wire",
        "HW 3.7, 3.21, 10",
    ),
    ("graceful stop of a transmitter or receiver that is busy", "HW 8.3"),
    ("errors of bus, FIFO and descriptors, and the way back from them", "HW 8.6"),
    ("a ring without descriptors: BSY and the restart at RBPTRn", "HW 3.2, 8.6"),
    ("address recognition: exact match, hash tables, promiscuous mode", "HW 7"),
    ("the receive filer, and where it says what no source does: hash filing", "HW 6"),
    ("the parser: receive control blocks, checksum results, extracted tags", "HW 5.3"),
    ("inserted tags, and checksums by the control block's own fields", "HW 5.1, 5.2"),
    ("padding without the parser, preambles, short frames", "HW 3.11, 3.15, 5.4"),
    ("pause frames and lossless flow control", "HW 11"),
    ("interrupt coalescing, common and per ring", "HW 9.3"),
    ("the second interrupt group", "HW 9.4"),
    ("the 1588 timer and time stamps", "HW 12"),
    ("counters, their widths and carries", "HW 13.1, 13.2"),
    ("magic packets and wake-up by the filer", "HW 13.3"),
    ("errata, and the separate MDIO page with a TBI", "HW 8.9, 14"),
];
