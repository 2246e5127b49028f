//! From a script that fails to a short one that fails in the same way: steps are left out, many at
//! a time and then one by one, and what is left is made smaller.

use etsec_sim::{Switches, WireSpeed};

use super::rules::Rule;
use super::script::{Script, Setup, Step, Then, What};

/// Makes a script that breaks a rule as short as it will go. `fails` runs a script and says which
/// rule it breaks, if any.
#[must_use]
pub fn shrink(script: &Script, fails: impl Fn(&Script) -> Option<Rule>) -> Script {
    let mut best = script.clone();
    let Some(rule) = fails(&best) else { return best };
    let still = |script: &Script| fails(script) == Some(rule);
    loop {
        let before = best.clone();
        best = fewer(best, &still);
        best = smaller(best, &still);
        best = plainer(best, &still);
        if best == before {
            return best;
        }
    }
}

/// Leaves out steps: halves, quarters, and so on down to single ones.
fn fewer(mut best: Script, still: &impl Fn(&Script) -> bool) -> Script {
    let mut chunk = best.steps.len().div_ceil(2);
    while chunk > 0 {
        let mut at = 0;
        while at < best.steps.len() {
            let end = (at + chunk).min(best.steps.len());
            let mut without = best.clone();
            without.steps.drain(at..end);
            if still(&without) {
                best = without;
            } else {
                at = end;
            }
        }
        chunk /= 2;
    }
    best
}

/// Makes the numbers of each step smaller, and takes away the time before it.
fn smaller(mut best: Script, still: &impl Fn(&Script) -> bool) -> Script {
    for at in 0..best.steps.len() {
        let step = best.steps[at];
        let whats = plain(step.what).into_iter().map(|what| Step { what, ..step });
        for mut step in whats.chain([step]).collect::<Vec<_>>() {
            for gap_ns in [step.gap_ns, 0] {
                step.gap_ns = gap_ns;
                let mut with = best.clone();
                with.steps[at] = step;
                if with != best && still(&with) {
                    best = with;
                }
            }
        }
    }
    best
}

/// The same step with smaller numbers, the smallest last.
fn plain(what: What) -> Vec<What> {
    match what {
        What::Send { ring, frames, len, burst, commit } => vec![
            What::Send { ring, frames: 1, len, burst, commit },
            What::Send { ring, frames, len: 60, burst, commit },
            What::Send { ring, frames, len, burst: false, commit: true },
            What::Send { ring: 0, frames: 1, len: 60, burst: false, commit: true },
        ],
        What::Receive { ring, most, burst, .. } => vec![
            What::Receive { ring, most, burst, then: Then::Drop },
            What::Receive { ring: 0, most: usize::MAX, burst: false, then: Then::Drop },
        ],
        What::Reap { .. } => vec![What::Reap { ring: 0, most: usize::MAX, burst: false }],
        What::Fill { .. } => vec![What::Fill { ring: 0, burst: false }],
        What::Inject(fault, _) => vec![What::Inject(fault, 1)],
        What::Cable(harm, _) => vec![What::Cable(harm, 1)],
        What::Die(accesses) => vec![What::Die(accesses / 2), What::Die(0)],
        What::Hoard { .. } => vec![What::Hoard { buffers: 1 }, What::Hoard { buffers: 100 }],
        _ => Vec::new(),
    }
}

/// Makes the world itself plainer.
fn plainer(mut best: Script, still: &impl Fn(&Script) -> bool) -> Script {
    let changes: [fn(&mut Setup); 9] = [
        |setup| setup.switches = Switches::default(),
        |setup| setup.wire = WireSpeed::Instant,
        |setup| setup.weak = false,
        |setup| setup.rx = vec![4],
        |setup| setup.tx = vec![4],
        |setup| setup.buffer_size = 512,
        |setup| setup.spare = 8,
        |setup| setup.delay_ns = 0,
        |setup| setup.coalesced = 0,
    ];
    for change in changes {
        let mut with = best.clone();
        change(&mut with.setup);
        if with != best && still(&with) {
            best = with;
        }
    }
    best
}
