//! Can the worlds fail? Each deliberate bug of the core is built in, one at a time, and has to be
//! found. What they are called is read from the core's source: `mutant!("name")`.
//!
//! The flag reaches the compiler through a wrapper that is the same for all of them, and the core
//! is built incrementally: from one bug to the next that is a matter of seconds.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::log::Log;
use crate::run;
use crate::session::Session;

/// Seeds in which a bug has to show. Most do within a dozen.
const SEEDS: u64 = 2_000;
/// A compiler that builds in the bug that the environment names.
const WRAPPER: &str = "\
#!/bin/sh
exec \"$@\" ${ETSEC_MUTANT:+--cfg \"etsec_mutant=\\\"$ETSEC_MUTANT\\\"\"}
";
/// How long they may take: a bug may make a run endless, and that is no way to be found.
const LIMIT: Duration = Duration::from_secs(300);

/// Builds and runs all of them; true if each was found. The last line is `found N/N`.
///
/// # Errors
/// Ctrl-C, a bug that does not build, none at all.
pub fn run(session: &mut Session, log: &mut Log) -> Result<bool> {
    let names = names(&session.root.join("etsec-core/src"))?;
    if names.is_empty() {
        bail!("the core has no deliberate bug");
    }
    let mut found = 0;
    for name in &names {
        session.progress.start(name);
        let how = try_one(session, log, name)?;
        found += usize::from(how.is_ok());
        let (Ok(line) | Err(line)) = how;
        session.progress.say(&format!("{name}: {line}"));
        session.progress.finish();
    }
    let line = format!("found {found}/{}", names.len());
    log.line(&line)?;
    say!("{line}");
    Ok(found == names.len())
}

/// Builds one and runs seeds until one fails: what it said, or why it was not found.
fn try_one(session: &mut Session, log: &mut Log, name: &str) -> Result<Result<String, String>> {
    let target = session.target.join("mutants");
    forget_core(&target.join("mutant/.fingerprint"))?;
    let mut cargo =
        session.cargo("build --quiet --profile mutant --package etsec-tests --bin world");
    cargo
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_INCREMENTAL", "1")
        .env("RUSTC_WORKSPACE_WRAPPER", wrapper(&target)?)
        .env("ETSEC_MUTANT", name);
    if !run::logged(cargo, log, &mut session.progress)?.success() {
        bail!("{name} does not build, see {}", log.path().display());
    }
    let mut worlds: Command = session.program(target.join("mutant/world"));
    worlds.args(["find", "0", &SEEDS.to_string()]);
    let before = log.text()?.len();
    let ended = run::limited(worlds, log, &mut session.progress, Some(LIMIT))?;
    let said = log.text()?.split_off(before);
    let seed = said.lines().find(|line| line.starts_with("seed "));
    Ok(match (ended, seed) {
        (run::Ended::TimedOut, _) => Err("NOT FOUND, the worlds do not end".into()),
        (ended, _) if ended.success() => Err(format!("NOT FOUND in {SEEDS} seeds")),
        (_, Some(seed)) => Ok(format!("found, {seed}")),
        // It has brought the whole program down: it can hardly be overlooked.
        (_, None) => Ok("found, the program has crashed".into()),
    })
}

/// The compiler, wrapped.
fn wrapper(target: &Path) -> Result<PathBuf> {
    let path = target.join("rustc");
    fs::create_dir_all(target)
        .and_then(|()| fs::write(&path, WRAPPER))
        .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Makes cargo build the core again: of another bug in it, it knows nothing.
fn forget_core(fingerprints: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(fingerprints) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("etsec-core-") {
            fs::remove_dir_all(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// The names of all deliberate bugs below a folder.
fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(names(&path)?);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.extend(in_text(&fs::read_to_string(&path)?));
        }
    }
    Ok(found)
}

/// The names in one file.
fn in_text(text: &str) -> impl Iterator<Item = String> + '_ {
    let name = |rest: &str| rest.split('"').next().map(str::to_owned);
    text.split("mutant!(\"").skip(1).filter_map(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_the_source() {
        let text = "if mutant!(\"a-b\") {}\nlet x = !mutant!(\"c\") && y;\nmutant!($name)";
        assert_eq!(in_text(text).collect::<Vec<_>>(), ["a-b", "c"]);
    }

    #[test]
    fn the_page_on_testing_lists_every_one() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../etsec-core/src");
        let page = include_str!("../../../docs/TESTING.md");
        let rows = page.lines().filter_map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let [_, name, _, _] = cells[..] else { return None };
            let name = name.strip_prefix('`')?.strip_suffix('`')?;
            name.contains('-').then(|| name.to_owned())
        });
        assert_eq!(rows.collect::<BTreeSet<_>>(), names(&folder).expect("the core's source"));
    }
}
