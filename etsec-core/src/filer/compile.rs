//! From rules to entries: chains for rules, clusters for what neighbours share (HW 6.1).
//!
//! Each rule sets its own masks: whether one that failed has set any is not told (HW 6.1).

use super::chain::{self, Compare, FLAGS, Test, Tests};
use super::error::{FilerError, RuleError};
use super::rule::{Action, Match, Rule, Spread};
use super::table::{ENTRIES, FilerEntry};
use crate::regs::filer::{Rir, Rqfcr};

/// Lists of rings that one set of rules can spread over: half of RIR0–3, so that the set that takes
/// its place has the other half.
pub(super) const MAPS: usize = 2;

/// What is asked of the entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// Whether there may be clusters; they cannot be inside one another.
    pub clusters: bool,
    /// How many entries there may be.
    pub room: usize,
    /// RBIFX as far as it is taken already.
    pub places: u32,
    /// The first RIRn that may be used.
    pub first_map: usize,
}

/// Rules as entries, the last of which always matches.
#[derive(Debug)]
pub(super) struct Program {
    pub entries: heapless::Vec<FilerEntry, ENTRIES>,
    /// RBIFX, with what was taken already.
    pub places: u32,
    /// The part of it that these rules look at.
    pub looks_at: u32,
    /// Values of RIRn.
    pub maps: heapless::Vec<u32, MAPS>,
    /// Whether a rule raises FGPI.
    pub interrupts: bool,
    form: Form,
    /// Entries needed so far, in the table or not.
    needed: usize,
}

/// One rule of a list that ends with the default.
struct List<'a>(&'a [Rule], Action);

impl List<'_> {
    /// Rule number `n` in normal form, with its comparisons.
    fn get(&self, n: usize, places: &mut u32) -> Result<(Tests, Action), FilerError> {
        let default = Rule { when: Match::default(), action: self.1 };
        let rule = self.0.get(n).unwrap_or(&default);
        let tests = rule.normal().and_then(|rule| {
            // A rule that fails takes no places.
            let mut with = *places;
            let tests = chain::tests(&rule.when, &mut with)?;
            *places = with;
            Ok((tests, rule.action))
        });
        tests.map_err(|error| FilerError::at(n, self.0.len(), error))
    }

    /// The rules from `first` on whose comparisons begin with the same flags, and how many
    /// comparisons that are.
    fn alike(&self, first: usize, tests: &[Test], places: u32) -> (usize, usize) {
        let flags = tests.iter().take_while(|test| test.property == FLAGS).count();
        let same = |n: &usize| {
            let next = self.get(*n, &mut places.clone());
            next.is_ok_and(|(next, _)| {
                next.iter().take_while(|test| test.property == FLAGS).eq(&tests[..flags])
            })
        };
        let alike = if flags == 0 { 1 } else { (first..self.0.len()).take_while(same).count() };
        (alike, flags)
    }
}

/// Compiles rules and the default behind them.
pub(super) fn compile(rules: &[Rule], default: Action, form: Form) -> Result<Program, FilerError> {
    let list = List(rules, default);
    let (entries, maps) = (heapless::Vec::new(), heapless::Vec::new());
    let (places, looks_at, interrupts) = (form.places, 0, false);
    let mut program = Program { entries, places, looks_at, maps, interrupts, form, needed: 0 };
    // (rules still to come in the cluster, comparisons they share)
    let mut cluster = (0, 0);
    for n in 0..=rules.len() {
        let before = program.needed;
        let (tests, action) = list.get(n, &mut program.places)?;
        if form.clusters && cluster.0 == 0 {
            let (alike, flags) = list.alike(n, &tests, program.places);
            if alike > 1 {
                program.guard(&tests[..flags]);
                cluster = (alike, flags);
            }
        }
        let own = if cluster.0 > 0 { &tests[cluster.1..] } else { &tests[..] };
        cluster.0 = cluster.0.saturating_sub(1);
        let closes = cluster.0 == 0 && own.len() < tests.len();
        let done = program.rule(own, action, closes);
        done.and_then(|()| program.fits(before, n < rules.len()))
            .map_err(|error| FilerError::at(n, rules.len(), error))?;
    }
    if let Some(default) = program.entries.last_mut() {
        // An entry without a property matches by either comparison (HW 6.1). Which it is tells the
        // default from a rule without conditions.
        default.control |= u32::from(Rqfcr::CMP::NotLess);
    }
    Ok(program)
}

impl Program {
    /// The entries that open a cluster (HW 6.1).
    fn guard(&mut self, tests: &[Test]) {
        self.chain(tests, &mut None);
        if let Some(last) = self.entries.last_mut() {
            last.control |= u32::from(Rqfcr::CLE::SET);
        }
    }

    /// The entries of one rule.
    fn rule(&mut self, tests: &[Test], action: Action, closes: bool) -> Result<(), RuleError> {
        let mut mask = None;
        self.chain(tests, &mut mask);
        for test in tests.iter().filter(|test| test.property == chain::BYTES) {
            let whole = test.mask.to_be_bytes().map(|mask| if mask == 0 { 0 } else { 0xFF });
            self.looks_at |= u32::from_be_bytes(whole) & self.places;
        }
        let mut end = if closes { u32::from(Rqfcr::CLE::SET) } else { 0 };
        match action {
            Action::File { queue, interrupt } => {
                let chosen = Rqfcr::Q.val(queue.into()) + Rqfcr::GPI.val(interrupt.into());
                end |= u32::from(chosen);
                self.interrupts |= interrupt;
            }
            Action::Reject => end |= u32::from(Rqfcr::REJ::SET),
            Action::Spread(spread) => return self.spread(spread, mask, end),
        }
        match self.entries.last_mut() {
            Some(last) if !tests.is_empty() => {
                last.control = last.control & !u32::from(Rqfcr::AND::SET) | end;
            }
            // HW 6.1: a mask compared with itself matches always.
            _ => self.push(u32::from(Rqfcr::CMP::Equal) | end, 0),
        }
        Ok(())
    }

    /// Comparisons, each under its mask, all chained.
    fn chain(&mut self, tests: &[Test], mask: &mut Option<u32>) {
        for test in tests {
            self.set_mask(test.mask, mask);
            let compare = match test.compare {
                Compare::Equal => Rqfcr::CMP::Equal,
                Compare::NotLess => Rqfcr::CMP::NotLess,
                Compare::NotEqual => Rqfcr::CMP::NotEqual,
                Compare::Less => Rqfcr::CMP::Less,
            };
            let control = compare + Rqfcr::AND::SET + Rqfcr::PID.val(test.property);
            self.push(control.into(), test.value);
        }
    }

    fn set_mask(&mut self, wanted: u32, mask: &mut Option<u32>) {
        if *mask != Some(wanted) {
            self.push(Rqfcr::AND::SET.into(), wanted);
            *mask = Some(wanted);
        }
    }

    /// Hashes properties and files through RIRn (HW 6.5).
    fn spread(&mut self, spread: Spread, mut mask: Option<u32>, end: u32) -> Result<(), RuleError> {
        let fields = [Rir::RING0, Rir::RING1, Rir::RING2, Rir::RING3];
        let fields = fields.into_iter().chain([Rir::RING4, Rir::RING5, Rir::RING6, Rir::RING7]);
        let map = fields.zip(spread.rings).map(|(field, ring)| field.val(ring.into()).value);
        let map = map.fold(0, |all, one| all | one);
        let at = match self.maps.iter().position(|there| *there == map) {
            Some(at) => at,
            None => {
                self.maps.push(map).map_err(|_| RuleError::Maps)?;
                self.maps.len() - 1
            }
        };
        let table = u32::from(Rqfcr::HASHTBL.val((1 + self.form.first_map + at) as u32));
        self.set_mask(u32::MAX, &mut mask);
        let hashed = chain::hashed(spread.by);
        for property in (1..16).filter(|property| hashed & 1 << property != 0) {
            let add = Rqfcr::HASH::SET + Rqfcr::AND::SET + Rqfcr::CMP::Less;
            self.push(table | u32::from(add + Rqfcr::PID.val(property)), u32::MAX);
        }
        // HW 6.5: the closing entry compares like a mask with itself.
        self.push(table | end, u32::MAX);
        Ok(())
    }

    fn push(&mut self, control: u32, property: u32) {
        // What does not fit is counted, for the error that says so.
        self.needed += 1;
        let _ = self.entries.push(FilerEntry { control, property });
    }

    /// Whether there is still room, for a rule with the default behind it.
    fn fits(&self, before: usize, reserve: bool) -> Result<(), RuleError> {
        if self.needed + usize::from(reserve) <= self.form.room {
            return Ok(());
        }
        Err(RuleError::Full { before, needs: self.needed - before })
    }
}
