//! What came out of the suites: one row each, a table at the end, and the line a machine reads. It
//! runs nothing.

use std::fmt::Write as _;
use std::time::Duration;

/// What came out of one suite. Counts are tests where the suite has tests, else the suite itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All well; `ignored` tests were not run.
    Passed {
        /// Checks that passed.
        passed: u64,
        /// Tests marked to be ignored.
        ignored: u64,
    },
    /// Something was wrong.
    Failed {
        /// Checks that passed all the same.
        passed: u64,
        /// Checks that did not.
        failed: u64,
        /// In one line, what.
        why: String,
    },
    /// Not run, for want of something this machine could have.
    Skipped {
        /// What is missing, and the command that installs it.
        why: String,
    },
    /// Not run, for want of something only rustup can supply, and it could not.
    Unavailable {
        /// What is missing.
        why: String,
    },
}

impl Verdict {
    /// A suite that is one check, and passed.
    pub const PASSED: Self = Self::Passed { passed: 1, ignored: 0 };

    /// A suite that is one check, and failed.
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed { passed: 0, failed: 1, why: why.into() }
    }

    /// As it counts under `--strict`: no skip is forgiven, ignored tests neither.
    fn strictly(self) -> Self {
        match self {
            Self::Skipped { why } => Self::failed(format!("skipped: {why}")),
            Self::Passed { passed, ignored } if ignored > 0 => {
                Self::Failed { passed, failed: ignored, why: format!("{ignored} ignored") }
            }
            other => other,
        }
    }

    /// The word for it, and the reason where there is one.
    pub fn words(&self) -> (&'static str, &str) {
        match self {
            Self::Passed { .. } => ("passed", ""),
            Self::Failed { why, .. } => ("FAILED", why),
            Self::Skipped { why } => ("skipped", why),
            Self::Unavailable { why } => ("not available", why),
        }
    }

    /// Passed, failed, skipped.
    fn counts(&self) -> [u64; 3] {
        match *self {
            Self::Passed { passed, ignored } => [passed, 0, ignored],
            Self::Failed { passed, failed, .. } => [passed, failed, 0],
            Self::Skipped { .. } | Self::Unavailable { .. } => [0, 0, 1],
        }
    }
}

/// The rows of a run.
#[derive(Debug)]
pub struct Report {
    strict: bool,
    rows: Vec<(String, Verdict, Duration)>,
}

impl Report {
    /// No row yet.
    pub fn new(strict: bool) -> Self {
        Self { strict, rows: Vec::new() }
    }

    /// Adds a suite, and returns its verdict as it counts.
    pub fn add(&mut self, name: &str, verdict: Verdict, took: Duration) -> &Verdict {
        let verdict = if self.strict { verdict.strictly() } else { verdict };
        self.rows.push((name.to_owned(), verdict, took));
        &self.rows[self.rows.len() - 1].1
    }

    /// Whether nothing failed. Nothing run is not success.
    pub fn ok(&self) -> bool {
        let failed = |v: &Verdict| matches!(v, Verdict::Failed { .. });
        !self.rows.is_empty() && !self.rows.iter().any(|(_, v, _)| failed(v))
    }

    /// The table, and below it the line `N passed, N failed, N skipped`.
    pub fn render(&self) -> String {
        let width = self.rows.iter().map(|r| r.0.len()).max().unwrap_or(0).max("suite".len());
        let mut out =
            format!("{:width$}  {:13}  {:>6}  {:>8}\n", "suite", "result", "checks", "time");
        let mut sum = [0; 3];
        let mut time = Duration::ZERO;
        for (name, verdict, took) in &self.rows {
            let counts = verdict.counts();
            let (word, why) = verdict.words();
            let checks: u64 = counts[..2].iter().sum();
            let seconds = took.as_secs_f64();
            let row = format!("{name:width$}  {word:13}  {checks:>6}  {seconds:>6.1} s  {why}");
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{}", row.trim_end());
            (0..3).for_each(|n| sum[n] += counts[n]);
            time += *took;
        }
        let [passed, failed, skipped] = sum;
        let (suites, seconds) = (self.rows.len(), time.as_secs_f64());
        let _ = writeln!(out, "{suites} suites, {:.1} s", seconds);
        out + &format!("{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn skipped() -> Verdict {
        Verdict::Skipped { why: "no tool".into() }
    }

    fn unavailable() -> Verdict {
        Verdict::Unavailable { why: "no miri".into() }
    }

    #[test]
    fn the_last_line_sums_up_checks() {
        let mut report = Report::new(false);
        report.add("fmt", Verdict::PASSED, SECOND);
        report.add("tests", Verdict::Passed { passed: 40, ignored: 2 }, SECOND);
        report.add("deny", skipped(), SECOND);
        let text = report.render();
        assert!(text.ends_with("\n41 passed, 0 failed, 3 skipped"), "{text}");
        assert!(text.contains("deny   skipped             0     1.0 s  no tool\n"), "{text}");
        assert!(text.contains("\n3 suites, 3.0 s\n"), "{text}");
        assert!(report.ok());
    }

    #[test]
    fn one_failure_fails_the_run() {
        let mut report = Report::new(false);
        report.add("fmt", Verdict::PASSED, SECOND);
        report.add("clippy", Verdict::failed("exit status: 101"), SECOND);
        assert!(!report.ok());
        assert!(report.render().ends_with("1 passed, 1 failed, 0 skipped"));
    }

    #[test]
    fn strict_forgives_what_rustup_lacks_and_no_other_skip() {
        let mut report = Report::new(true);
        report.add("miri", unavailable(), SECOND);
        assert!(report.ok());
        assert!(report.render().ends_with("0 passed, 0 failed, 1 skipped"));
        report.add("deny", skipped(), SECOND);
        assert!(!report.ok());
        assert!(report.render().contains("skipped: no tool"));
    }

    #[test]
    fn strict_forgives_no_ignored_test() {
        let mut report = Report::new(true);
        report.add("tests", Verdict::Passed { passed: 3, ignored: 1 }, SECOND);
        assert!(!report.ok());
    }

    #[test]
    fn nothing_run_is_not_success() {
        assert!(!Report::new(false).ok());
    }
}
