//! What follows from two observations of one scenario and from the known differences.

use super::{Difference, Seen};

/// How a scenario came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Both models saw the same.
    Same,
    /// They differ, and the reference decides.
    Explained,
    /// They differ in what only our model does, or in what nobody knows.
    Unjudged,
    /// They differ and nobody has said why; or what should hold does not; or a listed difference is
    /// gone.
    Different,
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Verdict::Same => "same",
            Verdict::Explained => "explained",
            Verdict::Unjudged => "unjudged",
            Verdict::Different => "different",
        }
    }
}

/// A verdict and its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// What is wrong, or what decides, a sentence each.
    pub why: Vec<String>,
}

/// What a run gave: observations, or why there are none.
pub type Run = Result<Seen, String>;

/// Compares what our model and QEMU showed, given the known differences of this scenario.
#[must_use]
pub fn judge<'a>(sim: &Run, qemu: &Run, known: impl Iterator<Item = &'a Difference>) -> Judgement {
    let (sim, qemu) = match (sim, qemu) {
        (Ok(sim), Ok(qemu)) => (sim, qemu),
        (sim, qemu) => {
            let failed = |who, run: &Run| run.as_ref().err().map(|why| format!("{who}: {why}"));
            let why = [failed("simulator", sim), failed("QEMU", qemu)];
            return Judgement {
                verdict: Verdict::Different,
                why: why.into_iter().flatten().collect(),
            };
        }
    };
    let mut known: Vec<&Difference> = known.collect();
    let mut wrong: Vec<String> =
        sim.broken().iter().map(|what| format!("simulator: {what} does not hold")).collect();
    let (mut decided, mut unjudged) = (Vec::new(), false);
    for what in names(sim, qemu) {
        let (ours, theirs) = (sim.get(what).unwrap_or("-"), qemu.get(what).unwrap_or("-"));
        let line = known.iter().position(|line| line.what == what).map(|n| known.remove(n));
        match line {
            None if ours != theirs => {
                wrong.push(format!("{what}: simulator {ours}, QEMU {theirs}, and nobody says why"));
            }
            None if qemu.broken().iter().any(|name| name == what) => {
                wrong.push(format!("QEMU: {what} does not hold"));
            }
            None => {}
            Some(line) if ours == theirs => wrong.push(format!(
                "{what}: both {ours}, but docs/differences.md has it as different: take it out",
                what = line.what
            )),
            Some(line) if (ours, theirs) != (&*line.sim, &*line.qemu) => wrong.push(format!(
                "{what}: simulator {ours}, QEMU {theirs}, but docs/differences.md has {}, {}",
                line.sim, line.qemu
            )),
            Some(line) => {
                unjudged |= !line.judged;
                decided.push(line.why.clone());
            }
        }
    }
    let lost = |line: &&Difference| format!("{}: in docs/differences.md only", line.what);
    wrong.extend(known.iter().map(lost));
    let verdict = match (wrong.is_empty(), decided.is_empty(), unjudged) {
        (false, ..) => Verdict::Different,
        (true, true, _) => Verdict::Same,
        (true, false, true) => Verdict::Unjudged,
        (true, false, false) => Verdict::Explained,
    };
    decided.dedup();
    Judgement { verdict, why: if wrong.is_empty() { decided } else { wrong } }
}

/// The names in either, in order.
fn names<'a>(sim: &'a Seen, qemu: &'a Seen) -> impl Iterator<Item = &'a str> {
    let only = qemu.values().iter().filter(|(name, _)| sim.get(name).is_none());
    sim.values().iter().chain(only).map(|(name, _)| name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(values: &[(&str, u32)]) -> Run {
        let mut seen = Seen::new();
        values.iter().for_each(|(name, value)| seen.note(*name, value));
        Ok(seen)
    }

    fn line(what: &str, sim: &str, qemu: &str, judged: bool) -> Difference {
        let (what, sim, qemu) = (what.into(), sim.into(), qemu.into());
        Difference { scenario: "a".into(), what, sim, qemu, judged, why: "HW 1".into() }
    }

    fn verdict(sim: &Run, qemu: &Run, known: &[Difference]) -> Verdict {
        judge(sim, qemu, known.iter()).verdict
    }

    #[test]
    fn equal_is_same_unless_a_difference_was_promised() {
        let both = seen(&[("x", 1)]);
        assert_eq!(verdict(&both, &both, &[]), Verdict::Same);
        assert_eq!(verdict(&both, &both, &[line("x", "1", "2", true)]), Verdict::Different);
        assert_eq!(verdict(&both, &both, &[line("y", "1", "2", true)]), Verdict::Different);
    }

    #[test]
    fn a_difference_needs_its_line_with_these_values() {
        let (sim, qemu) = (seen(&[("x", 1), ("y", 5)]), seen(&[("x", 2), ("y", 5)]));
        assert_eq!(verdict(&sim, &qemu, &[]), Verdict::Different);
        assert_eq!(verdict(&sim, &qemu, &[line("x", "1", "2", true)]), Verdict::Explained);
        assert_eq!(verdict(&sim, &qemu, &[line("x", "1", "2", false)]), Verdict::Unjudged);
        assert_eq!(verdict(&sim, &qemu, &[line("x", "1", "3", true)]), Verdict::Different);
    }

    #[test]
    fn what_only_one_has_seen_differs() {
        let (sim, qemu) = (seen(&[]), seen(&[("x", 2)]));
        assert_eq!(verdict(&sim, &qemu, &[]), Verdict::Different);
        assert_eq!(verdict(&sim, &qemu, &[line("x", "-", "2", true)]), Verdict::Explained);
    }

    #[test]
    fn agreeing_on_what_must_not_be_is_no_agreement() {
        let mut broken = Seen::new();
        broken.holds("frames arrive", false);
        let both = Ok(broken);
        let judged = judge(&both, &both, [].iter());
        assert_eq!(judged.verdict, Verdict::Different);
        assert_eq!(judged.why.len(), 2);
    }

    #[test]
    fn a_run_that_failed_is_different_and_says_why() {
        let judged = judge(&seen(&[]), &Err("it died".into()), [].iter());
        assert_eq!(
            (judged.verdict, judged.why),
            (Verdict::Different, vec!["QEMU: it died".into()])
        );
    }
}
