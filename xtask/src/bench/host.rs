//! Instructions of driver code per packet on the host, counted by callgrind, and packets per second
//! of driver and model in loopback. It runs the benchmarks, divides and prints.

use std::collections::BTreeMap;
use std::fs::File;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::log::Log;
use crate::run::Group;
use crate::session::Session;
use crate::tools::{GUNGRAUN, VALGRIND};

/// Instructions per packet, by path through the driver and burst length.
pub type Counts = BTreeMap<String, BTreeMap<u64, f64>>;

/// Runs the benchmarks; false when a number is missing.
///
/// # Errors
/// Ctrl-C, a benchmark that does not build or fails, tools missing under `--strict`.
pub fn run(session: &mut Session, json: bool) -> Result<bool> {
    let counts = match tools(session)? {
        Ok(()) => Some(count(session)?),
        Err(missing) => {
            say!("instruction counts skipped: {missing}");
            None
        }
    };
    if let Some(counts) = &counts {
        say!("{}", table(counts).trim_end());
    }
    let pps = loopback(session)?;
    say!("driver and model in loopback: {:.2} M packets/s", pps / 1e6);
    if json {
        say!("{}", object(counts.as_ref(), pps));
    }
    Ok(counts.is_some() || !session.strict)
}

/// Makes sure of valgrind and gungraun's runner; what is missing, if something is.
///
/// # Errors
/// Ctrl-C, an installation that fails.
pub fn tools(session: &mut Session) -> Result<Result<(), String>> {
    if let Err(missing) = VALGRIND.ensure(session)? {
        return Ok(Err(missing));
    }
    Ok(GUNGRAUN.ensure(session)?.map(|_| ()))
}

/// Runs the counting benchmarks.
///
/// # Errors
/// Ctrl-C, a benchmark that does not build or fails.
pub fn count(session: &mut Session) -> Result<Counts> {
    let Ok(runner) = GUNGRAUN.ensure(session)? else { bail!("{} has gone", GUNGRAUN.name) };
    session.progress.start("instructions per packet");
    let mut log = session.log("bench")?;
    let said = session.target.join("xtask/bench.json");
    let mut cargo =
        session.cargo("bench --package etsec-tests --bench packets -- --output-format=json");
    // The benchmark is told at build time where its runner is.
    cargo.env("GUNGRAUN_RUNNER", runner);
    log.attach(&mut cargo)?;
    cargo.stdout(File::create(&said)?);
    let ended =
        Group::start(&mut cargo)?.wait(None, || session.progress.tick(|| log.last_line()))?;
    session.progress.finish();
    let counts = std::fs::read_to_string(&said).map(|text| parse(&text))?;
    match counts {
        Ok(counts) if ended.success() => Ok(counts),
        counts => {
            say!("{}", log.tail());
            counts.and_then(|_| bail!("the benchmarks failed"))
        }
    }
}

/// Reads the runner's output: a JSON object for each benchmark, one a line.
fn parse(said: &str) -> Result<Counts> {
    let mut counts = Counts::new();
    for line in said.lines().filter(|line| line.starts_with('{')) {
        let run: Value = serde_json::from_str(line).context("the runner's output is not JSON")?;
        let name = run["function_name"].as_str().context("a benchmark without a name")?;
        let burst = burst(run["description"].as_str().unwrap_or_default())
            .with_context(|| format!("{name} does not say the length of its burst"))?;
        let count = &run["profiles"][0]["data"]["total"]["metrics"]["Ir"]["values"]["new"];
        let count = count.as_f64().with_context(|| format!("{name} has no instruction count"))?;
        counts.entry(name.to_owned()).or_default().insert(burst, count / burst as f64);
    }
    if counts.is_empty() {
        bail!("the runner said nothing");
    }
    Ok(counts)
}

/// The 32 in `(Still :: received(32))`.
fn burst(description: &str) -> Option<u64> {
    let inner = description.trim_end_matches(')').rsplit('(').next()?;
    inner.parse().ok().filter(|n| *n > 0)
}

/// Runs the throughput example; its last line is the number.
fn loopback(session: &mut Session) -> Result<f64> {
    session.progress.start("loopback");
    let mut log: Log = session.log("bench-loopback")?;
    let mut cargo =
        session.cargo("run --release --quiet --package etsec-tests --example loopback_pps");
    log.attach(&mut cargo)?;
    let ended =
        Group::start(&mut cargo)?.wait(None, || session.progress.tick(|| log.last_line()))?;
    session.progress.finish();
    let pps = log.last_line().parse::<f64>().ok().filter(|pps| *pps > 0.0);
    match pps {
        Some(pps) if ended.success() => Ok(pps),
        _ => {
            say!("{}", log.tail());
            bail!("the loopback example failed")
        }
    }
}

/// The counts as a table.
fn table(counts: &Counts) -> String {
    let bursts: Vec<u64> = counts.values().flat_map(|row| row.keys().copied()).collect();
    let bursts: std::collections::BTreeSet<u64> = bursts.into_iter().collect();
    let mut out = format!("{:24}", "instructions per packet");
    for burst in &bursts {
        out += &format!("{:>10}", format!("burst {burst}"));
    }
    out.push('\n');
    for (name, row) in counts {
        out += &format!("{name:24}");
        for burst in &bursts {
            let cell = row.get(burst).map_or("-".into(), |count| format!("{count:.1}"));
            out += &format!("{cell:>10}");
        }
        out.push('\n');
    }
    out
}

/// The numbers as a program reads them. What was not measured is not there.
fn object(counts: Option<&Counts>, pps: f64) -> Value {
    let tenth = |n: f64| (n * 10.0).round() / 10.0;
    let mut host = json!({ "loopback_pps": pps.round() as u64 });
    for (name, row) in counts.into_iter().flatten() {
        for (burst, count) in row {
            host[name][burst.to_string()] = json!(tenth(*count));
        }
    }
    json!({ "host": host })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, burst: u64, count: u64) -> String {
        let total = json!({ "metrics": { "Ir": { "values": { "new": count } } } });
        json!({
            "function_name": name,
            "description": format!("(Still :: received({burst}))"),
            "profiles": [{ "data": { "total": total } }],
        })
        .to_string()
    }

    #[test]
    fn counts_are_divided_by_the_burst() {
        let said = format!("{}\nnoise\n{}\n", line("rx", 1, 90), line("rx", 32, 1605));
        let counts = parse(&said).expect("two runs");
        assert_eq!(counts["rx"][&1], 90.0);
        assert_eq!(counts["rx"][&32], 1605.0 / 32.0);
        assert_eq!(
            object(Some(&counts), 1_234_567.8).to_string(),
            r#"{"host":{"loopback_pps":1234568,"rx":{"1":90.0,"32":50.2}}}"#
        );
        assert!(table(&counts).contains("rx                            90.0      50.2\n"));
    }

    #[test]
    fn output_that_lacks_something_is_an_error() {
        assert!(parse("").is_err());
        assert!(parse("{\"function_name\":\"rx\"}").is_err());
        assert!(parse("{broken").is_err());
        assert_eq!(burst("(Still :: received(0))"), None);
        assert_eq!(burst("nothing"), None);
    }

    #[test]
    fn without_counts_only_the_speed_is_said() {
        assert_eq!(object(None, 10.0).to_string(), r#"{"host":{"loopback_pps":10}}"#);
    }
}
