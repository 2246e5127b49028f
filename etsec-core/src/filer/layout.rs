//! Two places in one table, so that new rules can be written where no search comes, and one store
//! lets them take the others' place (HW 6.1).
//!
//! Entry 0 is the guard of a cluster, true or false for every frame. True, the cluster's rules are
//! tried, the *front*, the last of which always matches: what is behind them is never reached.
//! False, the whole cluster is skipped, and the rules behind it are tried, the *back*:
//!
//! ```text
//! 0  guard    1.. front: rules, default    ..    end of the cluster    back: rules, default  255
//! ```
//!
//! While the front is in use all behind its default can be written, the end of the cluster
//! included. While the back is in use the search runs over the front for the end of the cluster, so
//! that nothing in front may look like one: the front has no clusters, which could not be inside
//! the big one anyway. The guard's comparison holds under every reading of masks: a source address
//! is not less than 0.

use super::compile::{Form, MAPS, Program, compile};
use super::error::FilerError;
use super::rule::{Action, Rule};
use super::table::{ENTRIES, FilerEntry, FilerTable};
use crate::regs::filer::Rqfcr;

/// The guard's control word when the front is in use, and when the back is.
const FRONT: u32 = 0x2A5;
const BACK: u32 = 0x2E5;
/// The end of the cluster: matches nothing.
const END: FilerEntry = FilerEntry { control: 0x265, property: 0 };
/// Fails under every reading of the manual and leaves the mask alone: SAH < 0 (HW 6.1).
pub(super) const FILLER: FilerEntry = FilerEntry { control: 0x65, property: 0 };
/// The longest front of a table that is written anew: behind it there is room for as much.
const FRONT_AT_FIRST: usize = (ENTRIES - 2) / 2;

/// How rules took the place of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Change {
    /// Between two frames, with reception going on.
    Seamless,
    /// With reception stopped for the moment: frames that came then were dropped and counted by the
    /// controller (RDRP). The table had no room for both sets of rules.
    Stopped,
}

/// The rules that are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Live {
    /// The front, up to that entry.
    Front { last: usize },
    /// The back, from that entry.
    Back { first: usize },
    /// All of the table.
    Whole,
}

/// Rules, and where they go.
#[derive(Debug)]
pub(super) struct Placed {
    pub program: Program,
    pub live: Live,
}

impl Placed {
    /// Rules for a table that nobody searches.
    pub(super) fn anew(rules: &[Rule], default: Action) -> Result<Placed, FilerError> {
        let form = Form { clusters: false, room: FRONT_AT_FIRST, places: 0, first_map: 0 };
        if let Ok(program) = compile(rules, default, form) {
            let last = program.entries.len();
            return Ok(Placed { program, live: Live::Front { last } });
        }
        let form = Form { clusters: true, room: ENTRIES, first_map: MAPS, ..form };
        let program = compile(rules, default, form)?;
        let first = ENTRIES - program.entries.len();
        // Guard and end of the cluster come before the back.
        let live = if first < 2 { Live::Whole } else { Live::Back { first } };
        Ok(Placed { program, live })
    }

    /// The same rules for the part of the table that no search reaches, and the guard that lets a
    /// search come there; `None` if they do not fit. `places` are the bytes that the rules in use
    /// look at.
    pub(super) fn beside(
        live: Live,
        places: u32,
        rules: &[Rule],
        default: Action,
    ) -> Option<(Placed, FilerEntry)> {
        match live {
            Live::Front { last } => {
                let room = ENTRIES - 2 - last;
                let form = Form { clusters: true, room, places, first_map: MAPS };
                let program = compile(rules, default, form).ok()?;
                let first = ENTRIES - program.entries.len();
                Some((Placed { program, live: Live::Back { first } }, guard(BACK)))
            }
            Live::Back { first } => {
                let form = Form { clusters: false, room: first - 2, places, first_map: 0 };
                let program = compile(rules, default, form).ok()?;
                let last = program.entries.len();
                Some((Placed { program, live: Live::Front { last } }, guard(FRONT)))
            }
            Live::Whole => None,
        }
    }

    /// The entries but the guard, each with its place, for a table in which `before` is in use. The
    /// order matters to nobody: no search reaches them.
    pub(super) fn entries(&self, before: Live) -> impl Iterator<Item = (usize, FilerEntry)> {
        let (first, fill_from, end) = match (self.live, before) {
            (Live::Front { .. }, _) => (1, 1, None),
            (Live::Back { first }, Live::Front { last }) => (first, last + 1, Some(first - 1)),
            (Live::Back { first }, _) => (first, 1, Some(first - 1)),
            (Live::Whole, _) => (0, 0, None),
        };
        let fillers = (fill_from..first).map(move |at| match end {
            Some(end) if at == end => (at, END),
            _ => (at, FILLER),
        });
        fillers.chain((first..).zip(self.program.entries.iter().copied()))
    }

    /// The registers of the lists of rings, from RIR0 on, where these rules have any.
    pub(super) fn maps(&self) -> impl Iterator<Item = (usize, u32)> {
        let first = if matches!(self.live, Live::Front { .. }) { 0 } else { MAPS };
        (first..).zip(self.program.maps.iter().copied())
    }

    /// A whole table that holds these rules alone.
    pub(super) fn table(&self) -> FilerTable {
        let mut table = FilerTable::new(0);
        for (at, entry) in self.entries(Live::Whole) {
            table.set(at as u8, entry);
        }
        match self.live {
            Live::Front { .. } => {
                table.set(0, guard(FRONT));
                // So that there is an end of the cluster.
                table.set((ENTRIES - 2) as u8, END);
            }
            Live::Back { .. } => table.set(0, guard(BACK)),
            Live::Whole => {}
        }
        table.rbifx = self.program.places;
        for (n, map) in self.maps() {
            table.rir[n] = map;
        }
        table
    }
}

const fn guard(control: u32) -> FilerEntry {
    FilerEntry { control, property: 0 }
}

/// Which part of a table is in use. One that this driver has not made is in use as a whole.
#[cfg(feature = "adopt")]
pub(super) fn live_in(table: &FilerTable) -> Live {
    match start(table) {
        Start::Front => {
            table.rules().end().map_or(Live::Whole, |end| Live::Front { last: end - 1 })
        }
        Start::Back(first) if first < ENTRIES => Live::Back { first },
        _ => Live::Whole,
    }
}

/// Where the rules that are in use begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// At entry 1, inside a cluster.
    Front,
    /// At that entry, behind the cluster.
    Back(usize),
    /// At entry 0.
    Whole,
}

/// Where the rules of a table begin. A search that does not go into the cluster ends at the first
/// end of one there is: if that is none of ours, nor is the guard.
pub(super) fn start(table: &FilerTable) -> Start {
    let ends = |entry: FilerEntry| {
        Rqfcr::CLE.read(entry.control) == 1 && Rqfcr::AND.read(entry.control) == 0
    };
    if table.entry(0) == guard(FRONT) {
        return Start::Front;
    }
    let end = (1..=u8::MAX).find(|at| ends(table.entry(*at)));
    match end.filter(|end| table.entry(*end) == END) {
        Some(end) if table.entry(0) == guard(BACK) => Start::Back(usize::from(end) + 1),
        _ => Start::Whole,
    }
}
