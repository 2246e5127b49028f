//! What a test double costs: frames a second through the driver and our model, and through the
//! driver and QEMU's eTSEC, side by side. The measuring is the program's,
//! `tests/examples/double_pps.rs`.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::conformance;
use crate::run::Group;
use crate::session::Session;

/// How many times faster our model is to be, by frames for one doorbell.
const TARGETS: [(u64, f64); 2] = [(1, 20.0), (32, 2.0)];

/// Frames a second.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
struct Pair {
    sim: u64,
    qemu: u64,
}

impl Pair {
    fn times(self) -> f64 {
        self.sim as f64 / self.qemu.max(1) as f64
    }
}

/// By path through the driver, then by frames for one doorbell.
type Speeds = BTreeMap<String, BTreeMap<u64, Pair>>;

#[derive(Debug, Deserialize, Serialize)]
struct Said {
    double: Speeds,
}

/// Measures and prints; false without QEMU.
///
/// # Errors
/// Ctrl-C, a program that does not build or fails.
pub fn run(session: &mut Session, json: bool) -> Result<bool> {
    if let Err(missing) = conformance::tools(session)? {
        say!("nothing was measured: {missing}");
        return Ok(false);
    }
    session.progress.start("frames through either model");
    let mut log = session.log("bench-double")?;
    let mut cargo =
        session.cargo("run --release --quiet --package etsec-tests --example double_pps");
    log.attach(&mut cargo)?;
    let ended =
        Group::start(&mut cargo)?.wait(None, || session.progress.tick(|| log.last_line()))?;
    session.progress.finish();
    let said = serde_json::from_str::<Said>(&log.last_line());
    let (true, Ok(said)) = (ended.success(), said) else {
        say!("{}", log.tail());
        bail!("the measurement failed");
    };
    say!("{}", table(&said.double).trim_end());
    for (burst, target) in TARGETS {
        say!("{}", judgement(&said.double, burst, target));
    }
    if json {
        say!("{}", serde_json::to_string(&said)?);
    }
    Ok(true)
}

/// One row a path, three columns a burst.
fn table(speeds: &Speeds) -> String {
    let mut out = format!("{:10}", "frames/s");
    for (burst, _) in TARGETS {
        out += &format!("{:>36}", format!("{burst} for a doorbell: simulator"));
        out += &format!("{:>10}{:>8}", "QEMU", "times");
    }
    out.push('\n');
    for (path, row) in speeds {
        out += &format!("{path:10}");
        for (burst, _) in TARGETS {
            let cells = row.get(&burst).map_or(["-".into(), "-".into(), "-".into()], |pair| {
                [pair.sim.to_string(), pair.qemu.to_string(), format!("{:.1}", pair.times())]
            });
            out += &format!("{:>36}{:>10}{:>8}", cells[0], cells[1], cells[2]);
        }
        out.push('\n');
    }
    out
}

/// Whether the path where our model gains least is still within the target.
fn judgement(speeds: &Speeds, burst: u64, target: f64) -> String {
    let times = speeds.values().filter_map(|row| row.get(&burst)).map(|pair| pair.times());
    let least = times.fold(f64::INFINITY, f64::min);
    let word = if least >= target { "met" } else { "missed" };
    format!(
        "{burst} for a doorbell: at least {least:.1} times as fast, target {target} times: {word}"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(sim: u64) -> Said {
        let row = json!({
            "1": { "sim": sim, "qemu": 100 },
            "32": { "sim": 900, "qemu": 300 },
        });
        let said = json!({ "double": { "echo": row } });
        serde_json::from_value(said).expect("what the program says")
    }

    #[test]
    fn both_speeds_and_their_ratio_are_shown() {
        let table = table(&said(2500).double);
        let words: Vec<_> = table.lines().nth(1).expect("a row").split_whitespace().collect();
        assert_eq!(words, ["echo", "2500", "100", "25.0", "900", "300", "3.0"]);
    }

    #[test]
    fn a_target_is_met_or_missed() {
        let met = |sim| judgement(&said(sim).double, 1, 20.0);
        assert!(met(2000).ends_with("20.0 times as fast, target 20 times: met"), "{}", met(2000));
        assert!(met(1990).ends_with("missed"));
        // A path that was not measured is not there.
        assert_eq!(serde_json::to_value(said(1)).expect("JSON")["double"]["echo"]["1"]["sim"], 1);
    }
}
