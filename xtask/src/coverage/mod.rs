//! `cargo xtask coverage`: which lines and branches of the core and the model the tests reach. The
//! compiler counts, LLVM's tools add up; both come with rustup.

mod table;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use self::table::Table;
use crate::log::Log;
use crate::session::Session;
use crate::{Common, run};

/// The folders that are looked at.
const PARTS: [&str; 2] = ["etsec-core/src", "etsec-sim/src"];
/// What runs: the tests of both, and those of both together. The core is looked at with all it
/// offers but what needs a probe, and with nothing, where some of it is done otherwise.
const TESTS: [&str; 3] = [
    "--package etsec-core --lib",
    "--package etsec-core --lib --features adopt,scatter,smoltcp,log",
    "--package etsec-sim --package etsec-tests --lib --tests \
     --features etsec-sim/pcap,etsec-sim/runner",
];
/// It starts a compiler, which would count as well, and runs nothing of ours.
const LEFT_OUT: &str = "mistakes_do_not_compile";
/// Files that are tests themselves.
const NO_SOURCES: &str = r"(_tests|/tests|/testing|/fake)\.rs$|_tests/|src/proofs/";

/// Options of `coverage`.
#[derive(Debug, Args)]
#[command(after_help = "\
Branches are counted by a nightly compiler only; without one there are lines alone.
What is counted is what a test reaches, not what it would find: see docs/TESTING.md.")]
pub struct Options {
    #[command(flatten)]
    common: Common,
    /// Show the lines and branches of this file, or of all in this folder, that no test reaches,
    /// from the run before.
    #[arg(long, value_name = "PATH")]
    show: Option<PathBuf>,
    /// Print the numbers as one JSON object in the last line.
    #[arg(long)]
    json: bool,
}

/// Runs the tests and prints a table; true if they pass.
///
/// # Errors
/// Ctrl-C, or tests that do not build.
pub fn run(options: &Options) -> Result<bool> {
    let mut session = Session::new(options.common)?;
    let mut log = session.log("coverage")?;
    let Some(tools) = Toolchain::find(&mut session, &mut log)? else { return Ok(false) };
    let folder = session.target.join("coverage");
    let data = Data { profile: folder.join("tests.profdata"), list: folder.join("programs") };
    if let Some(path) = &options.show {
        ensure!(data.profile.exists(), "nothing has been counted yet: `cargo xtask coverage`");
        return show(&session, &tools, &data, path);
    }
    session.progress.start("coverage");
    let passed = data.count(&mut session, &mut log, &tools, &folder)?;
    session.progress.finish();
    let mut export = data.cov(&session, &tools, "export");
    export.args(["-summary-only", "-sources"]).args(PARTS.map(|part| session.root.join(part)));
    let said = export.output().context("cannot start llvm-cov")?;
    ensure!(said.status.success(), "llvm-cov: {}", String::from_utf8_lossy(&said.stderr));
    let table = Table::read(&said.stdout, &session.root, &PARTS)?;
    say!("{}", table.render());
    if options.json {
        say!("{}", table.object());
    }
    if !passed {
        eprintln!("tests fail, so less was reached than could be: {}", log.path().display());
    }
    Ok(passed)
}

/// A compiler that counts, and LLVM's tools of the same version.
struct Toolchain {
    name: String,
    bin: PathBuf,
    branches: bool,
}

impl Toolchain {
    /// A nightly, else the one in use; `None`, and it is said, if the tools are missing.
    fn find(session: &mut Session, log: &mut Log) -> Result<Option<Toolchain>> {
        let said = session.program("rustup").args(["toolchain", "list"]).output();
        let Ok(said) = said else {
            say!("not counted: LLVM's tools come with rustup, which is not here");
            return Ok(None);
        };
        let list = String::from_utf8_lossy(&said.stdout).into_owned();
        let names = list.lines().filter_map(|line| line.split_whitespace().next());
        let nightly = names.clone().find(|name| name.starts_with("nightly"));
        let name = nightly.or(list.lines().find(|l| l.contains("active")).and_then(first));
        let name = name.or(names.clone().next()).context("rustup has no toolchain")?.to_owned();
        let bin = tools_of(session, &name)?;
        let add = ["component", "add", "--toolchain", &name, "llvm-tools"];
        if !bin.join("llvm-cov").exists() {
            let command = format!("rustup {}", add.join(" "));
            if !session.install {
                say!("not counted: LLVM's tools are missing: `{command}`");
                return Ok(None);
            }
            session.progress.say(&format!("installing LLVM's tools: {command}"));
            let mut rustup = session.program("rustup");
            rustup.args(add);
            run::logged(rustup, log, &mut session.progress)?;
            if !bin.join("llvm-cov").exists() {
                say!("not counted: `{command}` did not supply LLVM's tools");
                return Ok(None);
            }
        }
        Ok(Some(Toolchain { branches: name.starts_with("nightly"), name, bin }))
    }
}

fn first(line: &str) -> Option<&str> {
    line.split_whitespace().next()
}

/// Where that toolchain has its tools.
fn tools_of(session: &Session, name: &str) -> Result<PathBuf> {
    let ask = |what: &[&str]| -> Result<String> {
        let mut rustc = session.program("rustup");
        rustc.args(["run", name, "rustc"]).args(what).env_remove("RUSTUP_TOOLCHAIN");
        let said = rustc.output().context("cannot start rustc")?;
        Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
    };
    let version = ask(&["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc does not say what it compiles for")?;
    Ok(Path::new(&ask(&["--print", "sysroot"])?).join("lib/rustlib").join(host).join("bin"))
}

/// What a run leaves.
struct Data {
    profile: PathBuf,
    /// The programs that ran, one a line.
    list: PathBuf,
}

impl Data {
    /// Builds the tests, runs them, and adds up. Whether all passed.
    fn count(
        &self,
        session: &mut Session,
        log: &mut Log,
        tools: &Toolchain,
        folder: &Path,
    ) -> Result<bool> {
        let raw = folder.join("raw");
        if raw.exists() {
            std::fs::remove_dir_all(&raw)?;
        }
        std::fs::create_dir_all(&raw)?;
        let (mut programs, mut passed) = (Vec::new(), true);
        for tests in TESTS {
            let mut cargo = counting(session, tools, folder, tests);
            cargo.args(["--", "--skip", LEFT_OUT]);
            let before = log.text()?.len();
            passed &= run::logged(cargo, log, &mut session.progress)?.success();
            programs.extend(ran(&log.text()?[before..], &session.root));
        }
        if programs.is_empty() {
            bail!("no test program ran:\n{}", log.tail());
        }
        std::fs::write(&self.list, programs.join("\n"))?;
        let mut merge = session.program(tools.bin.join("llvm-profdata"));
        merge.args(["merge", "-sparse", "-o"]).arg(&self.profile).arg(&raw);
        let merged = run::logged(merge, log, &mut session.progress)?;
        ensure!(merged.success(), "llvm-profdata fails:\n{}", log.tail());
        // Some megabytes each, one a process.
        std::fs::remove_dir_all(raw)?;
        Ok(passed)
    }

    /// `llvm-cov` with a command, and what all of them need.
    fn cov(&self, session: &Session, tools: &Toolchain, command: &str) -> Command {
        let mut cov = session.program(tools.bin.join("llvm-cov"));
        cov.arg(command).arg("-instr-profile").arg(&self.profile);
        cov.args(["-ignore-filename-regex", NO_SOURCES]);
        let list = std::fs::read_to_string(&self.list).unwrap_or_default();
        for (n, program) in list.lines().enumerate() {
            if n > 0 {
                cov.arg("-object");
            }
            cov.arg(program);
        }
        cov
    }
}

/// `cargo test` with a compiler that counts.
fn counting(session: &Session, tools: &Toolchain, folder: &Path, tests: &str) -> Command {
    let flags = if tools.branches {
        "-Cinstrument-coverage -Zcoverage-options=branch"
    } else {
        "-Cinstrument-coverage"
    };
    let mut pattern = OsString::from(folder.join("raw"));
    pattern.push("/%p-%m.profraw");
    let mut cargo = session.program("rustup");
    cargo
        .args(["run", &tools.name, "cargo", "test"])
        .args(tests.split_whitespace())
        .arg("--no-fail-fast")
        .env("CARGO_TARGET_DIR", folder)
        .env("RUSTFLAGS", flags)
        .env("LLVM_PROFILE_FILE", pattern)
        .env_remove("RUSTUP_TOOLCHAIN");
    cargo
}

/// The programs that `cargo test` says it runs: `Running tests/x.rs (target/…/x-0a1b)`.
fn ran(output: &str, root: &Path) -> Vec<String> {
    let program = |line: &str| {
        let (_, rest) = line.trim().strip_prefix("Running ")?.rsplit_once('(')?;
        Some(root.join(rest.strip_suffix(')')?).display().to_string())
    };
    output.lines().filter_map(program).collect()
}

/// Prints the lines that were never reached, and branches that went one way only.
fn show(session: &Session, tools: &Toolchain, data: &Data, path: &Path) -> Result<bool> {
    let path = session.root.join(path);
    ensure!(path.exists(), "{}: there is no such file or folder", path.display());
    let mut cov = data.cov(session, tools, "show");
    cov.args(["-show-branches=count", "-show-instantiations=false", "-use-color=false"]);
    cov.arg("-sources").arg(&path);
    let said = cov.output().context("cannot start llvm-cov")?;
    ensure!(said.status.success(), "llvm-cov: {}", String::from_utf8_lossy(&said.stderr));
    let files = table::unreached(&String::from_utf8_lossy(&said.stdout));
    for (file, unreached) in &files {
        // Of a single file llvm-cov does not say the name.
        let file = if file.is_empty() { path.as_path() } else { Path::new(file) };
        say!("{}", file.strip_prefix(&session.root).unwrap_or(file).display());
        unreached.iter().for_each(|line| say!("{line}"));
    }
    say!("{} lines and branches are not reached", files.values().map(Vec::len).sum::<usize>());
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_those_that_cargo_runs() {
        let said = "   Compiling x v1\n     Running unittests src/lib.rs (t/deps/core-1)\n\
            test a ... ok\n     Running tests/b.rs (/abs/b-2)\n   Doc-tests x\n";
        assert_eq!(ran(said, Path::new("/w")), ["/w/t/deps/core-1", "/abs/b-2"]);
    }
}
