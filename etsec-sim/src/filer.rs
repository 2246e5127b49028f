//! The receive filer's search through its 256 rules (HW 6.1, 6.2, 18.9).
//!
//! It knows neither rings nor events: it says what a rule decided, the receiver acts on it. Where
//! the hardware's choice is unknown it says so instead of guessing (`Decision::Unjudged`).

#[cfg(test)]
mod tests;

use crate::parser::Parsed;

const GPI: u32 = 0x8000_0000;
const HASHTBL: u32 = 0x000E_0000;
const HASH: u32 = 0x0001_0000;
const CLE: u32 = 0x0200;
const REJ: u32 = 0x0100;
const AND: u32 = 0x0080;
const CMP: u32 = 0x0060;
const CMP_EQUAL: u32 = 0x00;
const CMP_AT_LEAST: u32 = 0x20;
const CMP_NOT_EQUAL: u32 = 0x40;
const PID: u32 = 0x000F;
/// The property that is no property: it loads the mask.
const PID_MASK: u32 = 0;

/// The number of rules a filer has.
pub const ENTRIES: usize = 256;

/// What the filer makes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// File to virtual queue 0–63; the ring is its low three bits unless RCTRL\[FSQEN\] is set.
    File(u8),
    /// Discard and count in RREJ.
    Reject,
    /// File to the ring that RIRn has for a hash (HW 6.5).
    Spread {
        /// Which RIRn.
        map: u8,
        /// The hash, 0–7. Silicon's function is unknown: this one only gives equal properties equal
        /// values, so a driver is not judged by where a frame goes.
        hash: u8,
    },
    /// No rule matched: the frame is dropped, FIR and FIQ are set (HW 6.2).
    NoMatch,
    /// The outcome on silicon is unknown (HW 6.5, 17); a driver that gets here is not judged.
    Unjudged(Unknown),
}

/// Why a search is not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// A rule files through a RIRn that does not exist (HW 3.12).
    Map,
    /// A cluster opens inside a cluster, which HW 6.1 rules out.
    NestedCluster,
}

/// The end of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What was decided.
    pub decision: Decision,
    /// The entry that decided; 255 when none did.
    pub entry: u8,
    /// IEVENT\[FGPI\] is due once the frame is in memory (HW 6.1).
    pub interrupt: bool,
    /// The first entry compared whose RQFPR has bits outside the mask: whether silicon masks them
    /// too is unclear (HW 6.1), so the driver should have.
    pub unmasked: Option<u8>,
}

/// Searches `table`, pairs of (RQFCR, RQFPR), for the rule that decides on `frame`.
///
/// `rbifx` is RBIFX, which chooses the bytes of property 2.
#[must_use]
pub fn search(table: &[(u32, u32); ENTRIES], frame: &Parsed<'_>, rbifx: u32) -> Verdict {
    // HW 18.9: the mask is all ones at the start.
    let mut search = Search { mask: u32::MAX, unmasked: None, hash: 0 };
    let mut in_cluster = false;
    let mut at = 0;
    while let Some(&(control, _)) = table.get(at) {
        let opens = control & CLE != 0 && control & AND != 0;
        if let Some(unknown) = unknown(control, opens && in_cluster) {
            return search.end(at, Decision::Unjudged(unknown), false);
        }
        if !search.compare(at, table[at], frame, rbifx) {
            at = skip(table, at, &mut in_cluster);
            search.hash = 0;
        } else if control & AND == 0 {
            let (decision, interrupt) = search.decide(control);
            return search.end(at, decision, interrupt);
        } else {
            in_cluster |= opens;
            at += 1;
        }
    }
    search.end(ENTRIES - 1, Decision::NoMatch, false)
}

struct Search {
    mask: u32,
    unmasked: Option<u8>,
    /// What the rule has hashed so far.
    hash: u32,
}

impl Search {
    fn compare(&mut self, at: usize, entry: (u32, u32), frame: &Parsed<'_>, rbifx: u32) -> bool {
        let (control, value) = entry;
        let (property, value) = if control & PID == PID_MASK {
            // HW 18.9: loads the mask, and compares like RQFPR with itself.
            self.mask = value;
            (value, value)
        } else {
            if value & !self.mask != 0 && self.unmasked.is_none() {
                self.unmasked = Some(at as u8);
            }
            (frame.property(control & PID, rbifx) & self.mask, value & self.mask)
        };
        if control & HASH != 0 {
            // Any function would do; this one lets each bit count.
            self.hash = (self.hash ^ property).wrapping_mul(0x9E37_79B1).rotate_left(15);
        }
        match control & CMP {
            CMP_EQUAL => property == value,
            CMP_AT_LEAST => property >= value,
            CMP_NOT_EQUAL => property != value,
            _ => property < value,
        }
    }

    /// Reads the closing entry of a rule that matched.
    fn decide(&self, control: u32) -> (Decision, bool) {
        let interrupt = control & GPI != 0;
        if control & REJ != 0 {
            return (Decision::Reject, false);
        }
        let decision = match (control & HASHTBL) >> 17 {
            0 => Decision::File((control >> 10) as u8 & 0x3F),
            map => Decision::Spread { map: map as u8 - 1, hash: (self.hash >> 29) as u8 },
        };
        (decision, interrupt)
    }

    fn end(&self, at: usize, decision: Decision, interrupt: bool) -> Verdict {
        Verdict { decision, entry: at as u8, interrupt, unmasked: self.unmasked }
    }
}

/// Why entry `control` cannot be judged, if it cannot.
fn unknown(control: u32, nested: bool) -> Option<Unknown> {
    if (control & HASHTBL) >> 17 > 4 {
        Some(Unknown::Map)
    } else {
        nested.then_some(Unknown::NestedCluster)
    }
}

/// Where the search goes on after the entry at `at` failed.
///
/// HW 18.9: to behind the entry that closes the chain, nothing in between is executed. HW 6.1: a
/// chain that opens a cluster takes the whole cluster with it.
fn skip(table: &[(u32, u32); ENTRIES], at: usize, in_cluster: &mut bool) -> usize {
    let mut to_cluster_end = false;
    for (next, &(control, _)) in table.iter().enumerate().skip(at) {
        let (cluster, chained) = (control & CLE != 0, control & AND != 0);
        if chained {
            to_cluster_end |= cluster && !*in_cluster;
        } else if cluster || !to_cluster_end {
            *in_cluster &= !cluster;
            return next + 1;
        }
    }
    ENTRIES
}
