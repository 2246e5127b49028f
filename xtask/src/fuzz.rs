//! `cargo xtask fuzz TARGET`: looks for inputs that a target does not survive, with cargo-fuzz and
//! a nightly compiler. It knows the targets by the folders of their inputs, and none of what they
//! try.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use crate::session::Session;
use crate::test::nightly;
use crate::tools::CARGO_FUZZ;
use crate::{Common, run};

/// The package of the fuzzers, and the inputs worth keeping.
const FUZZ: &str = "tests/fuzz";
/// What the package is made of.
pub const MANIFEST: &str = "tests/fuzz/Cargo.toml";
const CORPUS: &str = "tests/fuzz/corpus";
/// Most bytes of a target's kept inputs; `tests/tests/fuzz_corpora.rs` holds them to it.
const KEPT_MAX: u64 = 30_000;
/// Longest input: the targets read no more.
const BYTES_MAX: u32 = 8192;

/// Options of `fuzz`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    common: Common,
    /// What to try; without it the targets are listed.
    target: Option<String>,
    /// For how long.
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u32,
    /// Afterwards, put inputs that reach further into the kept ones, as far as there is room.
    #[arg(long)]
    keep: bool,
}

/// Runs a fuzzer; false if it has found something.
///
/// # Errors
/// No such target, Ctrl-C, or a log that cannot be written.
pub fn run(options: &Options) -> Result<bool> {
    let mut session = Session::new(options.common)?;
    let targets = targets(&session.root)?;
    let Some(target) = &options.target else {
        say!("targets: {}", targets.join(", "));
        return Ok(true);
    };
    if !targets.contains(target) {
        bail!("no target is named {target:?}; there are {}", targets.join(", "));
    }
    let fuzz = match (nightly(), CARGO_FUZZ.ensure(&mut session)?) {
        (Some(nightly), Ok(cargo_fuzz)) => Fuzz { nightly, cargo_fuzz },
        (None, _) => return skip(&session, "no nightly: `rustup toolchain install nightly`"),
        (_, Err(why)) => return skip(&session, &why),
    };
    let corpus = Path::new(CORPUS).join(target);
    // What is found goes where it is not committed by accident.
    let found = session.target.join("fuzz/corpus").join(target);
    fs::create_dir_all(&found)?;
    let mut log = session.log(&format!("fuzz-{target}"))?;
    session.progress.start(&format!("fuzz {target}"));
    let mut command = fuzz.command(&session, "run", target);
    command.args([&found, &corpus]).arg("--").args([
        format!("-max_total_time={}", options.seconds),
        format!("-max_len={BYTES_MAX}"),
        "-timeout=10".into(),
        "-rss_limit_mb=2048".into(),
        "-detect_leaks=0".into(),
        "-print_final_stats=1".into(),
    ]);
    let mut ended = run::logged(command, &mut log, &mut session.progress)?;
    if ended.success() && options.keep {
        let fewest = session.target.join("fuzz/fewest").join(target);
        // From a run before, if there was one.
        let _ = fs::remove_dir_all(&fewest);
        fs::create_dir_all(&fewest)?;
        let mut command = fuzz.command(&session, "run", target);
        command.args([&fewest, &corpus, &found]).args(["--", "-set_cover_merge=1"]);
        command.arg(format!("-max_len={BYTES_MAX}"));
        ended = run::logged(command, &mut log, &mut session.progress)?;
        let kept = keep(&fewest, &session.root.join(&corpus))?;
        say!("{kept} inputs more in {}", corpus.display());
    }
    session.progress.finish();
    let text = log.text()?;
    for line in text.lines().filter(|line| line.starts_with("stat::")) {
        say!("{}", line.trim_start_matches("stat::"));
    }
    if !ended.success() {
        say!("{}", log.tail());
        say!("mend what it has found, and put the input into {}", corpus.display());
    }
    Ok(ended.success())
}

/// Copies inputs, the longest first, as far as there is room; returns how many.
fn keep(from: &Path, to: &Path) -> Result<usize> {
    let files = |dir: &Path| -> Result<Vec<(u64, PathBuf)>> {
        let sized = |entry: std::io::Result<fs::DirEntry>| {
            let path = entry?.path();
            Ok((path.metadata()?.len(), path))
        };
        fs::read_dir(dir)?.map(sized).collect()
    };
    let mut left = KEPT_MAX.saturating_sub(files(to)?.iter().map(|(len, _)| len).sum());
    let mut new = files(from)?;
    new.sort();
    let mut kept = 0;
    for (len, path) in new.into_iter().rev() {
        let target = to.join(path.file_name().unwrap_or_default());
        if len <= left && !target.exists() {
            fs::copy(&path, target)?;
            left -= len;
            kept += 1;
        }
    }
    Ok(kept)
}

/// cargo-fuzz, and the compiler it runs on.
struct Fuzz {
    nightly: String,
    cargo_fuzz: PathBuf,
}

impl Fuzz {
    fn command(&self, session: &Session, verb: &str, target: &str) -> std::process::Command {
        let mut command = session.program("rustup");
        command.args(["run", &self.nightly]).arg(&self.cargo_fuzz).args(["fuzz", verb]);
        command.args(["--fuzz-dir", FUZZ, target]);
        command.env("CARGO_TARGET_DIR", session.target.join("fuzz")).env_remove("RUSTUP_TOOLCHAIN");
        // Memory that a device may still write to is never given back: that is the design.
        command.env("ASAN_OPTIONS", "detect_leaks=0");
        command.env_remove("CARGO");
        command
    }
}

/// Says what is missing.
fn skip(session: &Session, why: &str) -> Result<bool> {
    say!("skipped: {why}");
    Ok(!session.strict)
}

/// The targets: each has a folder of inputs.
fn targets(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(CORPUS))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_inputs_and_a_fuzzer() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
        let manifest = fs::read_to_string(root.join(MANIFEST)).expect("a manifest");
        let names = targets(root).expect("a folder");
        assert!(names.len() >= 7, "{names:?}");
        for name in &names {
            assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name}");
        }
        assert_eq!(manifest.matches("[[bin]]").count(), names.len());
    }
}
