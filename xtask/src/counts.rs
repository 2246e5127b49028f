//! Reads what `cargo test` prints: which binary ran, and how many tests passed. Text in, numbers
//! out.

use crate::report::Verdict;

/// The closing line of one test binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The test binary, by its source file, or the package whose documentation was tested.
    pub name: String,
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests marked to be ignored.
    pub ignored: u64,
}

/// The closing lines in the output of one or more `cargo test` runs.
pub fn closings(output: &str) -> Vec<Closing> {
    let mut name = String::new();
    let mut found = Vec::new();
    for line in output.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("Running ") {
            name = source(rest);
        } else if let Some(package) = line.strip_prefix("Doc-tests ") {
            name = format!("{package} (documentation)");
        } else if let Some(rest) = line.strip_prefix("test result: ") {
            let count = |what| number_before(rest, what);
            found.push(Closing {
                name: name.clone(),
                passed: count("passed"),
                failed: count("failed"),
                ignored: count("ignored"),
            });
        }
    }
    found
}

/// Judges a run by its exit code *and* its closing lines: a run without any test proves nothing.
pub fn judge(success: bool, closings: &[Closing]) -> Verdict {
    let sum = |f: fn(&Closing) -> u64| closings.iter().map(f).sum::<u64>();
    let (passed, failed, ignored) = (sum(|c| c.passed), sum(|c| c.failed), sum(|c| c.ignored));
    if success && failed == 0 && passed > 0 {
        return Verdict::Passed { passed, ignored };
    }
    let why = match (failed, passed) {
        (0, 0) if success => "no test ran".into(),
        (0, _) => "did not build, or a test program crashed".into(),
        _ => {
            let bad = closings.iter().filter(|c| c.failed > 0).map(|c| c.name.as_str());
            format!("in {}", bad.collect::<Vec<_>>().join(", "))
        }
    };
    Verdict::Failed { passed, failed: failed.max(1), why }
}

/// `unittests src/lib.rs (target/debug/deps/etsec_core-0a1b)` as `etsec_core src/lib.rs`, and
/// `tests/rings.rs (target/…/rings-0a1b)` as `tests/rings.rs`.
fn source(rest: &str) -> String {
    let (what, binary) = rest.split_once(" (").unwrap_or((rest, ""));
    let Some(file) = what.strip_prefix("unittests ") else { return what.to_owned() };
    let stem = binary.trim_end_matches(')').rsplit('/').next().unwrap_or_default();
    let package = stem.rsplit_once('-').map_or(stem, |(name, _hash)| name);
    format!("{package} {file}")
}

/// The number right before `what`: 12 in `ok. 12 passed; 0 failed`.
fn number_before(text: &str, what: &str) -> u64 {
    let mut last = 0;
    for word in text.split([' ', ';', '.']).filter(|w| !w.is_empty()) {
        if word == what {
            return last;
        }
        last = word.parse().unwrap_or(0);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
     Running unittests src/lib.rs (target/debug/deps/etsec_core-92d1)
running 2 tests
test bus::tests::a ... ok
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.0s

     Running tests/rings.rs (target/debug/deps/rings-01af)
test result: FAILED. 7 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s

   Doc-tests etsec_core
test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.2s
";

    fn closing(name: &str, passed: u64, failed: u64, ignored: u64) -> Closing {
        Closing { name: name.into(), passed, failed, ignored }
    }

    #[test]
    fn closing_lines_are_found_with_their_names() {
        let expected = [
            closing("etsec_core src/lib.rs", 2, 0, 1),
            closing("tests/rings.rs", 7, 3, 0),
            closing("etsec_core (documentation)", 4, 0, 0),
        ];
        assert_eq!(closings(OUTPUT), expected);
    }

    #[test]
    fn a_failed_binary_is_named() {
        let why = "in tests/rings.rs".into();
        let expected = Verdict::Failed { passed: 13, failed: 3, why };
        assert_eq!(judge(false, &closings(OUTPUT)), expected);
    }

    #[test]
    fn a_crash_after_good_tests_is_a_failure() {
        let verdict = judge(false, &[closing("a", 5, 0, 0)]);
        assert!(matches!(verdict, Verdict::Failed { passed: 5, failed: 1, .. }), "{verdict:?}");
    }

    #[test]
    fn success_without_any_test_is_a_failure() {
        let verdict = judge(true, &[closing("a", 0, 0, 0)]);
        assert!(matches!(verdict, Verdict::Failed { passed: 0, failed: 1, .. }), "{verdict:?}");
        assert_eq!(
            judge(true, &[closing("a", 1, 0, 2)]),
            Verdict::Passed { passed: 1, ignored: 2 }
        );
    }
}
