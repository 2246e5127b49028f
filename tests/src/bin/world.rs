//! Runs deterministic worlds: many seeds at once, or one of them line by line. `cargo xtask sim`
//! builds and starts it; it knows no rule and no driver.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use etsec_tests::world::book::Sums;
use etsec_tests::world::rules::{Broken, Rule};
use etsec_tests::world::shrink::shrink;
use etsec_tests::world::{Failure, Outcome, Script, run, script};

const USAGE: &str = "\
usage: world seeds FIRST COUNT | world find FIRST COUNT | world replay SEED | world trace SEED";
/// A sign of life every so many seeds.
const HEARTBEAT: u64 = 10_000;
/// So many failing seeds are kept; the run ends with them.
const FAILURES: usize = 5;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |word: &str| word.parse::<u64>().ok();
    // A panic is a broken rule like any other: what it says is kept for the report.
    panic::set_hook(Box::new(|info| {
        LAST_PANIC.with_borrow_mut(|last| *last = info.to_string().replace('\n', " "));
    }));
    let done = match words[..] {
        ["seeds", first, count] => {
            number(first).zip(number(count)).map(|(first, count)| seeds(first, count))
        }
        ["find", first, count] => {
            number(first).zip(number(count)).map(|(first, count)| find(first, count))
        }
        ["replay", seed] => number(seed).map(|seed| replay(seed, false)),
        ["trace", seed] => number(seed).map(|seed| replay(seed, true)),
        _ => None,
    };
    match done {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::FAILURE,
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

thread_local! {
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a script; a panic is a failure after its last step.
fn tried(script: &Script, traced: bool) -> Outcome {
    panic::catch_unwind(|| run(script, traced)).unwrap_or_else(|_| {
        let what = LAST_PANIC.with_borrow_mut(std::mem::take);
        let broken = Broken::new(Rule::Panics, what.clone());
        let failure = Some(Failure { broken, step: script.steps.len() });
        Outcome { failure, sums: Sums::default(), trace: vec![what] }
    })
}

/// Runs `count` seeds on all processors; prints those that fail.
fn seeds(first: u64, count: u64) -> bool {
    // As wide as a machine has it: some have no atomics of 64 bits.
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let sums = Mutex::new(Sums::default());
    let failures = Mutex::new(BTreeMap::new());
    let work = || {
        let mut own = Sums::default();
        while !stop.load(Ordering::Relaxed) {
            let done = next.fetch_add(1, Ordering::Relaxed) as u64;
            if done >= count {
                break;
            }
            let seed = first.saturating_add(done);
            if done > 0 && done.is_multiple_of(HEARTBEAT) {
                eprintln!("{done} of {count} seeds");
            }
            let outcome = tried(&script(seed), false);
            own.add(&outcome.sums);
            if let Some(failure) = outcome.failure {
                let mut failures = failures.lock().expect("no thread panics outside a run");
                failures.insert(seed, failure);
                stop.fetch_or(failures.len() >= FAILURES, Ordering::Relaxed);
            }
        }
        sums.lock().expect("no thread panics outside a run").add(&own);
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    println!("{}", sums.into_inner().expect("all threads have ended"));
    let failures: BTreeMap<u64, Failure> = failures.into_inner().expect("all threads have ended");
    for (seed, failure) in &failures {
        println!("seed {seed}: {}", failure.broken);
    }
    if let Some(seed) = failures.keys().next() {
        shortest(&script(*seed), *seed);
    }
    failures.is_empty()
}

/// Runs seeds one after the other up to the first that fails, which is printed; true if none does.
fn find(first: u64, count: u64) -> bool {
    let failure = |seed| tried(&script(seed), false).failure.map(|failure| (seed, failure));
    let found = (first..first.saturating_add(count)).find_map(failure);
    if let Some((seed, failure)) = &found {
        println!("seed {seed}: {}", failure.broken);
    }
    found.is_none()
}

/// Runs one seed, with everything that happens if it is asked for.
fn replay(seed: u64, traced: bool) -> bool {
    let script = script(seed);
    let outcome = tried(&script, traced);
    outcome.trace.iter().for_each(|line| println!("{line}"));
    println!("{}", outcome.sums);
    let Some(failure) = outcome.failure else {
        println!("seed {seed}: nothing broke in {} steps", script.steps.len());
        return true;
    };
    println!("seed {seed}: {}", failure.broken);
    shortest(&script, seed);
    false
}

/// Prints the shortest script that fails in the same way, as it runs.
fn shortest(script: &Script, seed: u64) {
    let fails = |script: &Script| tried(script, false).failure.map(|failure| failure.broken.rule);
    let short = shrink(script, fails);
    let (from, to) = (script.steps.len(), short.steps.len());
    println!("\nseed {seed}, cut down from {from} steps to {to}:");
    tried(&short, true).trace.iter().for_each(|line| println!("{line}"));
    println!("\nreplay the whole of it: cargo xtask sim --seed {seed} --trace");
}
