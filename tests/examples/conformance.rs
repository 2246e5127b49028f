//! Runs the scenarios of conformance on our own model and on QEMU's eTSEC, and judges each: one
//! JSON object a line, then all of them in one. `cargo xtask conformance` makes a table of it.
//!
//! The exit code is 1 when a scenario came out different, 2 for wrong usage, 3 without QEMU.

use std::process::ExitCode;

use clap::Parser;
use etsec_tests::conformance::judge::{Run, judge};
use etsec_tests::conformance::{Differences, SCENARIOS, Scenario, Verdict};
use serde_json::{Value, json};

/// Scenarios on two models.
#[derive(Debug, Parser)]
struct Options {
    /// Only the scenarios of this name, or of a group: `sending.a_burst`, `sending`. May be given
    /// several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Name them, and run nothing.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(code) => code,
        Err((code, why)) => {
            eprintln!("conformance: {why}");
            ExitCode::from(code)
        }
    }
}

fn run(options: &Options) -> Result<ExitCode, (u8, String)> {
    let chosen = choose(&options.only).map_err(|why| (2, why))?;
    if options.list {
        chosen.iter().for_each(|scenario| println!("{}", scenario.name));
        return Ok(ExitCode::SUCCESS);
    }
    let known = Differences::known().map_err(|why| (1, why))?;
    strangers(&known).map_err(|why| (1, why))?;
    let mut results: Vec<Value> = Vec::new();
    let mut different = false;
    for scenario in chosen {
        let sim = scenario.run_on_sim();
        let qemu = scenario.run_on_qemu().map_err(|why| (3, why.to_string()))?;
        let judged = judge(&sim, &qemu, known.of(scenario.name));
        different |= judged.verdict == Verdict::Different;
        let mut result = json!({
            "name": scenario.name,
            "sim": shown(&sim),
            "qemu": shown(&qemu),
            "verdict": judged.verdict.word(),
        });
        results.push(result.clone());
        result["why"] = json!(judged.why);
        println!("{result}");
    }
    println!("{}", json!({ "scenarios": results }));
    Ok(if different { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn choose(only: &[String]) -> Result<Vec<&'static Scenario>, String> {
    let matches =
        |scenario: &Scenario, name: &str| scenario.name == name || scenario.group() == name;
    for name in only {
        if !SCENARIOS.iter().any(|scenario| matches(scenario, name)) {
            return Err(format!("no scenario and no group is named {name:?}; --list names them"));
        }
    }
    let wanted =
        |scenario: &&Scenario| only.is_empty() || only.iter().any(|name| matches(scenario, name));
    Ok(SCENARIOS.iter().filter(wanted).collect())
}

/// Lines about scenarios that do not exist.
fn strangers(known: &Differences) -> Result<(), String> {
    let known = known.0.iter().map(|line| &line.scenario);
    let mut strange = known.filter(|name| SCENARIOS.iter().all(|s| s.name != name.as_str()));
    match strange.next() {
        None => Ok(()),
        Some(name) => Err(format!("docs/differences.md: there is no scenario {name}")),
    }
}

fn shown(run: &Run) -> Value {
    match run {
        Ok(seen) => Value::Object(
            seen.values().iter().map(|(name, value)| (name.clone(), json!(value))).collect(),
        ),
        Err(why) => json!(why),
    }
}
