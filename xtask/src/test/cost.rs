//! The `cost` suite: what a packet may cost the driver, in instructions. Counts are the same in
//! every run of the same build, so a limit on them is a test; a limit on seconds would not be.

use anyhow::Result;

use crate::bench::host as bench;
use crate::log::Log;
use crate::report::Verdict;
use crate::session::Session;

/// Path, burst and most instructions per packet on x86-64.
const LIMITS: [(&str, u64, f64); 4] =
    [("echo", 32, 150.0), ("echo_by_burst", 32, 125.0), ("rx", 32, 100.0), ("tx", 32, 80.0)];

/// Counts, and compares with the limits.
///
/// # Errors
/// Ctrl-C, benchmarks that do not build.
pub fn suite(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    if !cfg!(target_arch = "x86_64") {
        return Ok(Verdict::Skipped { why: "the limits are for x86-64".into() });
    }
    if let Err(why) = bench::tools(session)? {
        return Ok(Verdict::Skipped { why });
    }
    let counts = bench::count(session)?;
    for (path, row) in &counts {
        for (burst, count) in row {
            log.line(&format!("{path} at burst {burst}: {count:.1} instructions a packet"))?;
        }
    }
    let over = over(&counts);
    Ok(if over.is_empty() { Verdict::PASSED } else { Verdict::failed(over.join("; ")) })
}

/// What is over its limit, or was not counted at all.
fn over(counts: &bench::Counts) -> Vec<String> {
    let check = |(path, burst, limit): (&str, u64, f64)| {
        let count = counts.get(path).and_then(|row| row.get(&burst));
        match count {
            Some(count) if *count <= limit => None,
            Some(count) => Some(format!("{path} at burst {burst}: {count:.1}, limit {limit}")),
            None => Some(format!("{path} at burst {burst} was not counted")),
        }
    };
    LIMITS.into_iter().filter_map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_over_its_limit_or_missing_is_told() {
        let row = |count| [(32, count)].into_iter().collect();
        let named = |(path, count): (&str, f64)| (path.to_owned(), row(count));
        let mut counts: bench::Counts =
            [("echo", 150.0), ("echo_by_burst", 1.0), ("tx", 80.1)].map(named).into();
        assert_eq!(
            over(&counts),
            ["rx at burst 32 was not counted", "tx at burst 32: 80.1, limit 80"]
        );
        counts.insert("rx".into(), row(1.0));
        counts.insert("tx".into(), row(1.0));
        assert_eq!(over(&counts), [""; 0]);
    }
}
