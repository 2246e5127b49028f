//! Is a deterministic world deterministic, and does its shrinker find the steps that matter? That
//! it finds mistakes is shown by `cargo xtask sim --mutants`; that there are none, by as many seeds
//! as there is time for.

use etsec_sim::cable::Side;
use etsec_tests::world::rules::Rule;
use etsec_tests::world::script::{Step, What};
use etsec_tests::world::shrink::shrink;
use etsec_tests::world::{Script, run, script};

#[test]
fn a_seed_is_the_same_run_every_time() {
    let seeds = if cfg!(miri) { 0..0 } else { 0..12 };
    for seed in seeds {
        let script = script(seed);
        let [one, other] = [run(&script, true), run(&script, true)];
        assert_eq!(one.failure, None, "seed {seed}");
        assert_eq!((one.trace, one.sums), (other.trace, other.sums), "seed {seed}");
    }
    assert_ne!(script(1), script(2));
}

#[test]
fn a_script_of_any_of_its_steps_is_a_run() {
    let whole = script(3);
    for skip in 2..5 {
        let steps = whole.steps.iter().step_by(skip).copied().collect();
        let part = Script { steps, ..whole.clone() };
        assert_eq!(run(&part, false).failure, None, "every {skip}th step");
    }
}

/// Fails if a reset comes anywhere before a tick of the same station.
fn reset_then_tick(script: &Script) -> Option<Rule> {
    let place = |what| script.steps.iter().position(|step: &Step| step.what == what);
    let (reset, tick) = (place(What::Reset)?, place(What::Tick)?);
    let same = script.steps[reset].at == script.steps[tick].at;
    (same && reset < tick).then_some(Rule::Order)
}

#[test]
fn a_failing_script_is_cut_down_to_the_steps_that_matter() {
    let mut found = 0;
    for script in (0..200).map(script).filter(|script| reset_then_tick(script).is_some()) {
        let short = shrink(&script, reset_then_tick);
        let whats: Vec<What> = short.steps.iter().map(|step| step.what).collect();
        assert_eq!(whats, [What::Reset, What::Tick]);
        assert!(short.steps.iter().all(|step| step.gap_ns == 0));
        assert!(!short.setup.weak && short.setup.rx == [4], "the world itself is plainer");
        found += 1;
    }
    assert!(found > 5, "{found} scripts to cut down");
}

#[test]
fn a_script_that_does_not_fail_stays_as_it_is() {
    let script = script(5);
    assert_eq!(shrink(&script, |_| None), script);
    let calm = Step { gap_ns: 0, at: Side::A, what: What::Calm };
    let least = Script { steps: vec![calm], ..script };
    assert_eq!(run(&least, false).failure, None);
}
