//! The `cost` suite: what a packet may cost the driver, in instructions. Counts are the same in
//! every run of the same build, so a limit on them is a test; a limit on seconds would not be.

use anyhow::Result;

use crate::bench::host as bench;
use crate::log::Log;
use crate::report::Verdict;
use crate::session::Session;

/// Path, burst and most instructions per packet on x86-64: what they were before there was any
/// option (echo 144.6, by burst 118.9, rx 87.6, tx 70.6), and 2 % for another compiler. An option
/// that is off costs nothing.
const LIMITS: [(&str, u64, f64); 6] = [
    ("echo", 32, 147.5),
    ("echo_by_burst", 32, 121.3),
    ("echo_offloaded", 32, 159.5),
    ("echo_offloaded_by_burst", 32, 133.3),
    ("rx", 32, 89.4),
    ("tx", 32, 72.0),
];

/// Path, the one it may cost more than, burst, and how much more on x86-64: both checksums looked
/// at when a frame comes and asked for when it goes.
const MORE: [(&str, &str, u64, f64); 2] =
    [("echo_offloaded", "echo", 32, 12.0), ("echo_offloaded_by_burst", "echo_by_burst", 32, 12.0)];

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
    let count = |path: &str, burst| counts.get(path).and_then(|row| row.get(&burst)).copied();
    let check = |(path, burst, limit): (&str, u64, f64)| match count(path, burst) {
        Some(count) if count <= limit => None,
        Some(count) => Some(format!("{path} at burst {burst}: {count:.1}, limit {limit}")),
        None => Some(format!("{path} at burst {burst} was not counted")),
    };
    let compare = |(path, than, burst, limit): (&str, &str, u64, f64)| {
        // What is not there at all is told of above.
        let more = count(path, burst)? - count(than, burst)?;
        (more > limit)
            .then(|| format!("{path} at burst {burst}: {more:.1} more than {than}, limit {limit}"))
    };
    LIMITS.into_iter().filter_map(check).chain(MORE.into_iter().filter_map(compare)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_over_its_limit_or_missing_is_told() {
        let row = |count| [(32, count)].into_iter().collect();
        let named = |(path, count): (&str, f64)| (path.to_owned(), row(count));
        let few =
            [("echo", 147.5), ("echo_by_burst", 1.0), ("tx", 72.1), ("echo_offloaded", 159.5)];
        let mut counts: bench::Counts = few.map(named).into();
        assert_eq!(
            over(&counts),
            [
                "echo_offloaded_by_burst at burst 32 was not counted",
                "rx at burst 32 was not counted",
                "tx at burst 32: 72.1, limit 72"
            ]
        );
        counts.insert("rx".into(), row(1.0));
        counts.insert("tx".into(), row(1.0));
        counts.insert("echo_offloaded_by_burst".into(), row(13.5));
        assert_eq!(
            over(&counts),
            ["echo_offloaded_by_burst at burst 32: 12.5 more than echo_by_burst, limit 12"]
        );
        counts.insert("echo_offloaded_by_burst".into(), row(13.0));
        assert_eq!(over(&counts), [""; 0]);
    }
}
