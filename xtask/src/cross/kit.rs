//! The toolchain that builds for a target: the first of those that are here and able. It starts
//! cargo for others and knows nothing of what they build.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::musl;
use super::target::Target;
use crate::log::Log;
use crate::session::Session;
use crate::tools::{self, DEBIAN_RUST};

/// Debian's compiler; beside rustup's it is not the first in the search path.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Where the compiler and the target's libraries come from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// The toolchain in use has the target's libraries.
    Ready,
    /// A nightly of rustup's, which builds them from the component rust-src.
    Nightly(String),
    /// Debian's packages, which build them from `rust-web-src`.
    Debian,
}

/// All that building for a target takes.
#[derive(Debug, Clone)]
pub struct Kit {
    target: Target,
    source: Source,
    sysroot: Option<PathBuf>,
}

impl Kit {
    /// Finds, or installs where it may, what builds for `target`; else says in one line what is
    /// missing and the command that installs it.
    ///
    /// # Errors
    /// Ctrl-C, a log that cannot be written.
    pub fn find(
        target: Target,
        session: &mut Session,
        log: &mut Log,
    ) -> Result<Result<Self, String>> {
        let kit = match Self::compiler(target, session)? {
            Ok(kit) => kit,
            Err(missing) => return Ok(Err(missing)),
        };
        if let Some(linker) = target.linker()
            && let Err(missing) = linker.ensure(session)?
        {
            return Ok(Err(missing));
        }
        if target != Target::E500v2 {
            return Ok(Ok(kit));
        }
        Ok(musl::sysroot(session, log)?.map(|sysroot| Self { sysroot: Some(sysroot), ..kit }))
    }

    /// As [`Kit::find`], for who links nothing.
    ///
    /// # Errors
    /// Ctrl-C, a log that cannot be written.
    pub fn compiler(target: Target, session: &mut Session) -> Result<Result<Self, String>> {
        let source = if !target.is_ours() && ready(target) {
            Source::Ready
        } else if let Some(nightly) = nightly(target, session) {
            Source::Nightly(nightly)
        } else if let Err(missing) = DEBIAN_RUST.ensure(session)? {
            return Ok(Err(missing + &rustup_way(target)));
        } else {
            Source::Debian
        };
        Ok(Ok(Self { target, source, sysroot: None }))
    }

    /// Which toolchain it is, for the reader.
    pub fn describe(&self) -> String {
        let triple = self.target.triple();
        match &self.source {
            Source::Ready => format!("{triple}: {}, with its own libraries", version("rustc")),
            Source::Nightly(name) => format!("{triple}: rustup's {name}, libraries from rust-src"),
            Source::Debian => {
                format!("{triple}: Debian's {}, libraries from rust-web-src", version(DEBIAN_RUSTC))
            }
        }
    }

    /// cargo with that command, for the target.
    pub fn cargo(&self, session: &Session, command: &str) -> Command {
        let mut cargo = match &self.source {
            Source::Ready => session.cargo(command),
            Source::Nightly(name) => {
                let mut rustup = session.program("rustup");
                rustup.args(["run", name, "cargo", command]).env_remove("RUSTUP_TOOLCHAIN");
                rustup
            }
            Source::Debian => {
                let mut cargo = session.program("/usr/bin/cargo");
                cargo
                    .arg(command)
                    .env("RUSTC", DEBIAN_RUSTC)
                    .env("RUSTDOC", "/usr/bin/rustdoc")
                    // Building the standard library is not a stable feature.
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env_remove("RUSTUP_TOOLCHAIN");
                cargo
            }
        };
        cargo.env("CARGO_TARGET_DIR", self.folder(session));
        // What the user wants of the compiler for this machine would take the place of what the
        // other one needs.
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        cargo.arg("--target").arg(self.target.argument(&session.root));
        if self.source != Source::Ready {
            cargo.arg(format!("-Zbuild-std={}", self.target.crates()));
            cargo.arg(format!("-Zbuild-std-features={}", self.target.crate_features()));
        }
        if self.target.is_ours() {
            cargo.arg("-Zjson-target-spec");
        }
        self.link(&mut cargo);
        cargo
    }

    /// Where its artefacts of that profile go.
    pub fn out(&self, session: &Session, profile: &str) -> PathBuf {
        self.folder(session).join(self.target.triple()).join(profile)
    }

    /// The command that runs its programs here; empty where they run by themselves or not at all.
    pub fn runner(&self) -> Vec<String> {
        let words = self.target.runner().map_or("", |(_, command)| command);
        words.split_whitespace().map(str::to_owned).collect()
    }

    /// A target directory for each compiler: they would throw out each other's work.
    fn folder(&self, session: &Session) -> PathBuf {
        match self.source {
            Source::Ready => session.target.clone(),
            Source::Nightly(_) => session.target.join("nightly"),
            Source::Debian => session.target.join("debian-rust"),
        }
    }

    fn link(&self, cargo: &mut Command) {
        let name = self.target.triple().replace('-', "_").to_uppercase();
        if let Some(linker) = self.target.linker_program() {
            cargo.env(format!("CARGO_TARGET_{name}_LINKER"), linker);
        }
        if let Some((_, runner)) = self.target.runner() {
            cargo.env(format!("CARGO_TARGET_{name}_RUNNER"), runner);
        }
        if let Some(sysroot) = &self.sysroot {
            // rustix takes musl's time for 64 bits wide here, but the libc crate declares the calls
            // with 32: without its own remedy, told by this name, every time limit would be 0.
            let flags = format!("-Lnative={} --cfg=fix_y2038", sysroot.join("lib").display());
            cargo.env(format!("CARGO_TARGET_{name}_RUSTFLAGS"), flags);
        }
    }
}

/// Whether the toolchain in use has the target's libraries.
fn ready(target: Target) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let folder = sysroot(Command::new(rustc));
    folder.is_some_and(|s| s.join("lib/rustlib").join(target.triple()).join("lib").is_dir())
}

/// The first nightly of rustup's that has the libraries' source and understands the target.
fn nightly(target: Target, session: &Session) -> Option<String> {
    let said = Command::new("rustup").args(["toolchain", "list"]).output().ok()?;
    let list = String::from_utf8_lossy(&said.stdout).into_owned();
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    let able = |name: &&str| {
        let rustc = || {
            let mut rustc = Command::new("rustup");
            rustc.args(["run", name, "rustc"]).env_remove("RUSTUP_TOOLCHAIN");
            rustc
        };
        let source = "lib/rustlib/src/rust/library/core/src/lib.rs";
        let mut ask = rustc();
        ask.args(["-Zunstable-options", "--print", "cfg", "--target"]);
        ask.arg(target.argument(&session.root));
        sysroot(rustc()).is_some_and(|s| s.join(source).exists())
            && ask.output().is_ok_and(|said| said.status.success())
    };
    names.filter(|name| name.starts_with("nightly")).find(able).map(str::to_owned)
}

fn sysroot(mut rustc: Command) -> Option<PathBuf> {
    let said = rustc.args(["--print", "sysroot"]).output().ok()?;
    let path = PathBuf::from(String::from_utf8_lossy(&said.stdout).trim());
    said.status.success().then_some(path)
}

/// What `rustc --version` says, without the parenthesis.
fn version(rustc: &str) -> String {
    let said = Command::new(rustc).arg("--version").output();
    let text = said.map(|s| String::from_utf8_lossy(&s.stdout).into_owned()).unwrap_or_default();
    let words: Vec<_> = text.split_whitespace().take(2).collect();
    if words.is_empty() {
        format!("{} (silent)", Path::new(rustc).display())
    } else {
        words.join(" ")
    }
}

/// The other way to the target's libraries, where there is a rustup.
fn rustup_way(target: Target) -> String {
    if tools::find("rustup").is_none() {
        return String::new();
    }
    if target.is_ours() {
        return "; or `rustup toolchain install nightly --component rust-src`".to_owned();
    }
    format!("; or `rustup target add {}`", target.triple())
}
