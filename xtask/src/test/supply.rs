//! What others get from us, and we from others: the stated minimum Rust version, the package that
//! would be published, licences and sources of dependencies. Only `cargo fetch` uses the network.

use anyhow::{Context, Result};
use serde_json::Value;

use super::host::APART;
use crate::log::Log;
use crate::report::Verdict;
use crate::run;
use crate::session::Session;
use crate::tools::CARGO_DENY;

/// The minimum Rust version is the same in all packages and in the README, and no dependency asks
/// for more. That our own code keeps to it is clippy's `incompatible_msrv`.
pub fn msrv(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    fetch(session, log)?;
    let ours = env!("CARGO_PKG_RUST_VERSION");
    let mut metadata = session.cargo("metadata --format-version 1 --all-features --offline");
    let said = metadata.output().context("cannot start cargo metadata")?;
    if !said.status.success() {
        log.line(&String::from_utf8_lossy(&said.stderr))?;
        return Ok(Verdict::failed("cargo metadata failed"));
    }
    let metadata: Value = serde_json::from_slice(&said.stdout)?;
    let mut problems = too_new(&metadata, ours);
    let readme = std::fs::read_to_string(session.root.join("README.md")).unwrap_or_default();
    if !readme.contains(&format!("Rust {ours}")) {
        problems.push(format!("README.md does not say `Rust {ours}`"));
    }
    for problem in &problems {
        log.line(problem)?;
    }
    Ok(match problems.first() {
        None => Verdict::PASSED,
        Some(first) => Verdict::failed(first.clone()),
    })
}

/// Fetches the dependencies of all platforms, also those that nothing built here has needed: to
/// look at them is all that is wanted. Without a network, what comes next says what is missing.
fn fetch(session: &mut Session, log: &mut Log) -> Result<()> {
    for manifest in ["Cargo.toml"].into_iter().chain(APART) {
        let cargo = session.cargo(&format!("fetch --locked --manifest-path {manifest}"));
        run::logged(cargo, log, &mut session.progress)?;
    }
    Ok(())
}

/// Packages of the workspace that state another version, and dependencies that need a newer one.
fn too_new(metadata: &Value, ours: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or("?");
        let stated = package["rust_version"].as_str();
        if package["source"].is_null() {
            if stated.map(version) != Some(version(ours)) {
                problems.push(format!("{name} does not state rust-version {ours}"));
            }
        } else if let Some(stated) = stated
            && version(stated) > version(ours)
        {
            problems.push(format!("{name} needs Rust {stated}, we promise {ours}"));
        }
    }
    problems
}

/// `1.91` and `1.91.0` as the same list of numbers.
fn version(text: &str) -> [u32; 3] {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

/// The core packs, and what was packed builds by itself.
pub fn package(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let cargo = session.cargo("package --package etsec-core --allow-dirty --offline");
    let ended = run::logged(cargo, log, &mut session.progress)?;
    Ok(if ended.success() { Verdict::PASSED } else { Verdict::failed("see the log") })
}

/// Licences, bans and sources, as `deny.toml` has them.
pub fn deny(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let program = match CARGO_DENY.ensure(session)? {
        Ok(program) => program,
        Err(why) => return Ok(Verdict::Skipped { why }),
    };
    fetch(session, log)?;
    for manifest in ["Cargo.toml"].into_iter().chain(APART) {
        let mut deny = session.program(&program);
        deny.args(["--offline", "--all-features", "--manifest-path", manifest]);
        deny.args(["--config", "deny.toml", "check", "licenses", "bans", "sources"]);
        if !run::logged(deny, log, &mut session.progress)?.success() {
            return Ok(Verdict::failed(format!("{manifest}: see deny.toml")));
        }
    }
    Ok(Verdict::PASSED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str, outside: bool, rust_version: Option<&str>) -> Value {
        let source = if outside { json!("registry") } else { Value::Null };
        json!({ "name": name, "source": source, "rust_version": rust_version })
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(version("1.9") < version("1.91"));
        assert_eq!(version("1.91"), version("1.91.0"));
        assert!(version("2.0") > version("1.91.1"));
    }

    #[test]
    fn a_dependency_that_needs_more_is_named() {
        let packages = [
            package("ours", false, Some("1.91")),
            package("old", true, Some("1.60.0")),
            package("silent", true, None),
            package("new", true, Some("1.92")),
        ];
        let problems = too_new(&json!({ "packages": packages }), "1.91");
        assert_eq!(problems, ["new needs Rust 1.92, we promise 1.91"]);
    }

    #[test]
    fn a_package_of_ours_must_state_it() {
        let packages = [package("a", false, None), package("b", false, Some("1.90"))];
        assert_eq!(too_new(&json!({ "packages": packages }), "1.91").len(), 2);
    }
}
