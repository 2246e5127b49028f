//! Rules as text, rules as entries, and tables of noise: what can be read is written and read the
//! same, what was compiled is decompiled, and a search means the same to the model and to the one
//! from HW 6.1 alone.

use etsec_core::filer::{Action, FilerEntry, FilerTable, Match, Rule};
use etsec_sim::filer::{self, Decision, Unknown};
use etsec_sim::parser;

use super::input::Input;
use crate::search::{Outcome, Reading, search};

/// RCTRL with a whole parser (HW 3.11), and nothing verified.
const RCTRL: u32 = 0xC0;

/// Tries an input.
pub(super) fn target(data: &[u8]) {
    let mut input = Input(data);
    if input.byte() & 1 == 0 {
        texts(&String::from_utf8_lossy(input.0));
    } else {
        tables(&mut input);
    }
}

fn texts(text: &str) {
    let mut rules = Vec::new();
    for line in text.lines() {
        match line.parse::<Rule>() {
            Ok(rule) => {
                let again: Rule = rule.to_string().parse().expect("as it was written");
                assert_eq!(again.normal(), rule.normal(), "{line:?}: {rule}");
                rules.push(rule);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    let default = Action::File { queue: 5, interrupt: false };
    let Ok(table) = FilerTable::compile(&rules, default) else { return };
    let mut wanted: Vec<Rule> =
        rules.iter().map(|rule| rule.normal().expect("it was compiled")).collect();
    wanted.push(Rule { when: Match::default(), action: default });
    let read: Vec<Rule> = table.rules().map(|rule| rule.expect("it was compiled")).collect();
    assert_eq!(read, wanted, "{text:?}");
}

fn tables(input: &mut Input<'_>) {
    let rbifx = input.word();
    let count = usize::from(input.byte());
    let mut words = [(0, 0); 256];
    let mut table = FilerTable::new(0);
    for entry in words.iter_mut().take(count) {
        // What is more than that is not in the register (HW 3.12).
        *entry = (input.word() & 0x800F_FFEF, input.word());
        let (control, property) = *entry;
        let _ = table.push(FilerEntry { control, property });
    }
    // What makes no sense is said to.
    for rule in table.rules() {
        if let Err(error) = rule {
            assert!(!error.to_string().is_empty());
        }
    }
    let frame = input.0;
    let parsed = parser::parse(frame, RCTRL);
    let verdict = filer::search(&words, &parsed, rbifx);
    let model = match verdict.decision {
        Decision::File(queue) => Outcome::File { queue, interrupt: verdict.interrupt },
        Decision::Reject => Outcome::Reject,
        Decision::NoMatch => Outcome::Nothing,
        Decision::Spread { map, .. } => Outcome::Hashed(map),
        Decision::Unjudged(Unknown::NestedCluster) => Outcome::Undefined,
        Decision::Unjudged(_) => return,
    };
    let known = search(|n| words[n], |number| parsed.property(number, rbifx), Reading::MODEL);
    // What is ruled out is noticed earlier by one than by the other.
    if known != Outcome::Undefined && model != Outcome::Undefined {
        assert_eq!(model, known);
    }
}
