//! `cargo xtask conformance`: the same scenarios on our own model and on QEMU's eTSEC, side by
//! side. Scenarios and judgement are the program's, `tests/examples/conformance.rs`; here it is
//! run, and what it says made a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::Common;
use crate::counts;
use crate::log::Log;
use crate::qemu::machine;
use crate::report::Verdict;
use crate::run::{self, Group};
use crate::session::Session;
use crate::tools::SETPRIV;

/// Options of `conformance`.
#[derive(Debug, Args)]
#[command(after_help = "\
Verdicts:
  same       both models saw the same
  explained  they differ, and docs/differences.md says which section of the reference decides
  unjudged   they differ in what QEMU does not do, or in what nobody knows: see there as well
  different  a bug of driver, model or that page; the command fails")]
pub struct Options {
    #[command(flatten)]
    common: Common,
    /// Only the scenarios of this name, or of a group: `sending.a_burst`, `sending`. May be given
    /// several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Name the scenarios, and run nothing.
    #[arg(long)]
    list: bool,
    /// Print everything that was seen as one JSON object in the last line.
    #[arg(long)]
    json: bool,
}

/// What came out of a scenario, as the program says it.
#[derive(Debug, Clone, Deserialize)]
struct Outcome {
    name: String,
    sim: Value,
    qemu: Value,
    verdict: String,
    why: Vec<String>,
}

impl Outcome {
    fn is_different(&self) -> bool {
        self.verdict == "different"
    }
}

/// What the program has said.
struct Said {
    outcomes: Vec<Outcome>,
    /// All of them in one line.
    last: String,
}

/// Runs the scenarios and prints the table; false when one is different, or there is no QEMU.
///
/// # Errors
/// Ctrl-C, a wrong `--only`, a program that does not build or fails.
pub fn run(options: &Options) -> Result<bool> {
    let mut session = Session::new(options.common)?;
    if options.list {
        return list(&mut session, &options.only);
    }
    if let Err(missing) = tools(&mut session)? {
        say!("nothing was compared: {missing}");
        return Ok(false);
    }
    let mut log = session.log("conformance")?;
    let said = compare(&mut session, &mut log, &options.only)?;
    say!("{}", table(&said.outcomes).trim_end());
    for outcome in said.outcomes.iter().filter(|outcome| outcome.is_different()) {
        say!("\n{} is different:", outcome.name);
        outcome.why.iter().for_each(|why| say!("  {why}"));
    }
    say!("\n{}", summary(&said.outcomes));
    if options.json {
        say!("{}", said.last);
    }
    Ok(!said.outcomes.iter().any(Outcome::is_different))
}

/// The suite: QEMU is reached as it should be, and no scenario is different.
///
/// # Errors
/// Ctrl-C, a program that does not build or fails.
pub fn suite(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    if let Err(why) = tools(session)? {
        return Ok(Verdict::Skipped { why });
    }
    let cargo = session.cargo("test --package etsec-sim --features qemu --test qemu");
    let success = run::logged(cargo, log, &mut session.progress)?.success();
    let reached = counts::judge(success, &counts::closings(&log.text()?));
    let Verdict::Passed { passed, ignored } = reached else { return Ok(reached) };
    let outcomes = compare(session, log, &[])?.outcomes;
    session.progress.say(&format!("  {}", summary(&outcomes)));
    let bad: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.is_different()).collect();
    let passed = passed + (outcomes.len() - bad.len()) as u64;
    if bad.is_empty() {
        return Ok(Verdict::Passed { passed, ignored });
    }
    for outcome in &bad {
        outcome.why.iter().try_for_each(|why| log.line(&format!("{}: {why}", outcome.name)))?;
    }
    let names: Vec<_> = bad.iter().map(|outcome| outcome.name.as_str()).collect();
    let why = format!("different: {}", names.join(", "));
    Ok(Verdict::Failed { passed, failed: bad.len() as u64, why })
}

/// Makes sure of what the second model needs.
///
/// # Errors
/// Ctrl-C, an installation that fails.
pub fn tools(session: &mut Session) -> Result<Result<(), String>> {
    if let Err(missing) = SETPRIV.ensure(session)? {
        return Ok(Err(missing));
    }
    machine::available(session)
}

/// Has the program name its scenarios.
fn list(session: &mut Session, only: &[String]) -> Result<bool> {
    let mut log = session.log("conformance")?;
    let mut command = run::tied(build(session, &mut log)?);
    command.arg("--list").args(only.iter().flat_map(|name| ["--only", name]));
    Ok(Group::start(&mut command)?.wait(None, || ())?.success())
}

/// Builds the program and runs it.
fn compare(session: &mut Session, log: &mut Log, only: &[String]) -> Result<Said> {
    let program = build(session, log)?;
    session.progress.start("scenarios on both models");
    // Of this run alone: there may be others at the same time.
    let file = NamedTempFile::new_in(session.target.join("xtask"))?;
    let path = file.path();
    let mut command = run::tied(program);
    command.current_dir(&session.root).args(only.iter().flat_map(|name| ["--only", name]));
    log.attach(&mut command)?;
    command.stdout(file.reopen()?);
    let mut group = Group::start(&mut command)?;
    let ended = group.wait(None, || session.progress.tick(|| so_far(path)))?;
    session.progress.finish();
    let text = std::fs::read_to_string(path)?;
    match read(&text) {
        Some(said) => Ok(said),
        None if ended.success() => {
            bail!("the scenarios said nothing, see {}", log.path().display())
        }
        None => bail!("{}", log.last_line().trim_start_matches("conformance: ").to_owned()),
    }
}

fn build(session: &mut Session, log: &mut Log) -> Result<PathBuf> {
    session.progress.start("scenarios");
    let cargo = session.cargo("build --package etsec-tests --example conformance");
    let ended = run::logged(cargo, log, &mut session.progress)?;
    session.progress.finish();
    if !ended.success() {
        say!("{}", log.tail());
        bail!("the scenarios do not build");
    }
    Ok(session.target.join("debug/examples/conformance"))
}

/// The scenario that came last.
fn so_far(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let last: Option<Outcome> = text.lines().last().and_then(|l| serde_json::from_str(l).ok());
    last.map_or_else(String::new, |outcome| format!("{} {}", text.lines().count(), outcome.name))
}

/// What the program said, if it came to its end.
fn read(text: &str) -> Option<Said> {
    let (outcomes, last) = text.trim_end().rsplit_once('\n')?;
    let all: Value = serde_json::from_str(last).ok()?;
    let outcomes = outcomes.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    let said = Said { outcomes: outcomes.ok()?, last: last.to_owned() };
    (all["scenarios"].as_array()?.len() == said.outcomes.len()).then_some(said)
}

/// How many came out how.
fn summary(outcomes: &[Outcome]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    outcomes.iter().for_each(|outcome| *counts.entry(&outcome.verdict).or_default() += 1);
    let words = ["same", "explained", "unjudged", "different"];
    let words = words.map(|word| format!("{} {word}", counts.get(word).unwrap_or(&0)));
    format!("{} scenarios: {}", outcomes.len(), words.join(", "))
}

/// Longest texts shown in a cell.
const WIDEST: usize = 26;

/// One row for each scenario; where the models differ, one for each value that does.
fn table(outcomes: &[Outcome]) -> String {
    let mut rows = vec![["scenario", "seen", "simulator", "QEMU", "verdict"].map(String::from)];
    for outcome in outcomes {
        let values = shown(outcome);
        for (n, [what, sim, qemu]) in values.into_iter().enumerate() {
            let first = n == 0;
            let name = if first { outcome.name.clone() } else { String::new() };
            let verdict = if first { outcome.verdict.clone() } else { String::new() };
            rows.push([name, cut(what), cut(sim), cut(qemu), verdict]);
        }
    }
    let widths: [usize; 5] =
        std::array::from_fn(|n| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or(0));
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

/// What is shown of a scenario: every value that differs, else the first and how many more.
fn shown(outcome: &Outcome) -> Vec<[String; 3]> {
    let (Some(sim), Some(qemu)) = (outcome.sim.as_object(), outcome.qemu.as_object()) else {
        let run = |value: &Value| value.as_str().map_or("ran".to_owned(), str::to_owned);
        return vec![["how it ended".into(), run(&outcome.sim), run(&outcome.qemu)]];
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("-").to_owned();
    let mut names: Vec<&String> = sim.keys().chain(qemu.keys()).collect();
    names.sort();
    names.dedup();
    let row = |name: &String| [name.clone(), text(sim.get(name)), text(qemu.get(name))];
    let differing: Vec<_> = names.iter().filter(|n| sim.get(**n) != qemu.get(**n)).collect();
    if !differing.is_empty() {
        return differing.into_iter().map(|name| row(name)).collect();
    }
    // A number tells more than a yes.
    let telling = names.iter().find(|name| text(sim.get(**name)) != "yes").or(names.first());
    let Some(name) = telling else { return vec![["nothing".into(), "-".into(), "-".into()]] };
    let [what, ours, theirs] = row(name);
    let more = names.len() - 1;
    let what = if more == 0 { what } else { format!("{what} (+{more})") };
    vec![[what, ours, theirs]]
}

fn cut(text: String) -> String {
    if text.chars().count() <= WIDEST {
        return text;
    }
    let kept: String = text.chars().take(WIDEST - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = r#"{"name":"a.b","sim":{"x":"1","y":"yes"},"qemu":{"x":"1","y":"yes"},
        "verdict":"same","why":[]}
        {"name":"a.c","sim":{"x":"1","z":"3"},"qemu":{"x":"2","z":"3","w":"4"},
        "verdict":"explained","why":["HW 1"]}
        {"name":"a.d","sim":{},"qemu":"it died","verdict":"different","why":["QEMU: it died"]}
        {"scenarios":[1,2,3]}"#;

    /// One object a line, as the program says them.
    fn lines() -> Vec<String> {
        SAID.replace(",\n", ",").lines().map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn what_the_program_says_becomes_a_table() {
        let said = read(&lines().join("\n")).expect("three scenarios");
        assert_eq!(said.last, r#"{"scenarios":[1,2,3]}"#);
        let table = table(&said.outcomes);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(
            lines,
            [
                "scenario  seen          simulator  QEMU     verdict",
                "a.b       x (+1)        1          1        same",
                "a.c       w             -          4        explained",
                "          x             1          2",
                "a.d       how it ended  ran        it died  different",
            ]
        );
        let all = "3 scenarios: 1 same, 1 explained, 0 unjudged, 1 different";
        assert_eq!(summary(&said.outcomes), all);
    }

    #[test]
    fn a_program_that_did_not_come_to_its_end_has_said_nothing() {
        let lines = lines();
        assert!(read(&lines[..3].join("\n")).is_none() && read("").is_none());
        assert!(read(&lines[1..].join("\n")).is_none(), "one is missing");
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(cut("abc".into()), "abc");
        assert_eq!(cut("x".repeat(40)).chars().count(), WIDEST);
    }
}
