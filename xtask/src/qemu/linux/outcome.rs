//! What came of the scenarios: a line each, a table, JSON. It runs nothing.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::report::Verdict;

/// What came of one scenario on one kernel.
#[derive(Debug)]
struct Row {
    kernel: &'static str,
    name: String,
    /// What was seen, or why it failed.
    outcome: Result<String, String>,
    took: Duration,
}

impl Row {
    fn words(&self) -> (&'static str, &str) {
        match &self.outcome {
            Ok(seen) => ("passed", seen),
            Err(why) => ("FAILED", why),
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Outcomes(Vec<Row>);

impl Outcomes {
    /// Adds one; returns the line that tells of it.
    pub fn add(
        &mut self,
        kernel: &'static str,
        name: &str,
        outcome: Result<String>,
        started: Instant,
    ) -> String {
        let outcome = outcome.map_err(|error| format!("{error:#}"));
        let row = Row { kernel, name: name.to_owned(), outcome, took: started.elapsed() };
        let (verdict, words) = row.words();
        let line = format!("{kernel}: {name}: {verdict}: {words}");
        self.0.push(row);
        line
    }

    /// Whether there were any, and all passed.
    pub fn ok(&self) -> bool {
        !self.0.is_empty() && self.failed().next().is_none()
    }

    fn failed(&self) -> impl Iterator<Item = &Row> {
        self.0.iter().filter(|row| row.outcome.is_err())
    }

    /// As the verdict of a suite.
    pub fn verdict(&self) -> Verdict {
        let names: Vec<_> = self.failed().map(|r| format!("{}: {}", r.kernel, r.name)).collect();
        let passed = (self.0.len() - names.len()) as u64;
        if self.ok() {
            return Verdict::Passed { passed, ignored: 0 };
        }
        Verdict::Failed { passed, failed: names.len() as u64, why: names.join(", ") }
    }

    /// A table: a row for each scenario, a column for each kernel.
    pub fn render(&self) -> String {
        let mut kernels: Vec<&str> = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for row in &self.0 {
            if !kernels.contains(&row.kernel) {
                kernels.push(row.kernel);
            }
            if !names.contains(&row.name.as_str()) {
                names.push(&row.name);
            }
        }
        let width = names.iter().map(|name| name.len()).max().unwrap_or(0).max("scenario".len());
        let mut out = format!("{:width$}", "scenario");
        kernels.iter().for_each(|kernel| {
            // Writing to a string cannot fail.
            let _ = write!(out, "  {:16}", format!("Linux {kernel}"));
        });
        for name in names {
            let _ = write!(out, "\n{name:width$}");
            for kernel in &kernels {
                let row = self.0.iter().find(|row| row.kernel == *kernel && row.name == *name);
                let cell = row.map_or_else(String::new, |row| {
                    format!("{} {:>6.1} s", row.words().0, row.took.as_secs_f64())
                });
                let _ = write!(out, "  {cell:16}");
            }
        }
        let lines: Vec<_> = out.lines().map(str::trim_end).collect();
        let failed = self.failed().count();
        format!("{}\n{} passed, {failed} failed", lines.join("\n"), self.0.len() - failed)
    }

    /// One object: for each kernel its scenarios, each with verdict and words.
    pub fn json(&self) -> Value {
        let mut kernels = json!({});
        for row in &self.0 {
            let (_, words) = row.words();
            kernels[row.kernel][&row.name] = json!({
                "passed": row.outcome.is_ok(),
                "seen": words,
                "seconds": (row.took.as_secs_f64() * 10.0).round() / 10.0,
            });
        }
        json!({ "linux": kernels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    fn outcomes() -> Outcomes {
        let mut outcomes = Outcomes::default();
        let now = Instant::now();
        outcomes.add("6.1", "probe", Ok("eth0".into()), now);
        let line = outcomes.add("6.12", "probe", Err(anyhow!("why").context("no port")), now);
        assert_eq!(line, "6.12: probe: FAILED: no port: why");
        outcomes.add("6.12", "more", Ok("x".into()), now);
        outcomes
    }

    #[test]
    fn nothing_run_is_not_success_and_one_failure_fails_all() {
        assert!(!Outcomes::default().ok());
        assert!(!outcomes().ok());
        let failed = Verdict::Failed { passed: 2, failed: 1, why: "6.12: probe".into() };
        assert_eq!(outcomes().verdict(), failed);
    }

    #[test]
    fn the_table_has_a_row_for_each_scenario() {
        let expected = "\
scenario  Linux 6.1         Linux 6.12
probe     passed    0.0 s   FAILED    0.0 s
more                        passed    0.0 s
2 passed, 1 failed";
        assert_eq!(outcomes().render(), expected);
    }

    #[test]
    fn json_has_what_the_table_has() {
        let json = outcomes().json();
        assert_eq!(json["linux"]["6.1"]["probe"]["passed"], true);
        assert_eq!(json["linux"]["6.12"]["probe"]["seen"], "no port: why");
    }
}
