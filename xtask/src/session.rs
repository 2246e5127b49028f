//! Where we are and what we may do: the workspace's folders, the options common to the verbs, the
//! progress line. It decides nothing about any single check.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::Common;
use crate::log::Log;
use crate::progress::Progress;

/// What a verb works with from its first line to its last.
#[derive(Debug)]
pub struct Session {
    /// The workspace's root.
    pub root: PathBuf,
    /// Cargo's target directory.
    pub target: PathBuf,
    /// A skip is a failure.
    pub strict: bool,
    /// Missing tools may be installed.
    pub install: bool,
    /// The line that shows what goes on.
    pub progress: Progress,
}

impl Session {
    /// Finds the workspace.
    ///
    /// # Errors
    /// Where cargo cannot be started, or the log directory not be made.
    pub fn new(common: Common) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask is not inside a workspace")?
            .to_path_buf();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => std::env::current_dir()?.join(dir),
            None => root.join("target"),
        };
        let logs = target.join("xtask");
        std::fs::create_dir_all(&logs).with_context(|| {
            format!("cannot create {} (CARGO_TARGET_DIR can be another folder)", logs.display())
        })?;
        Ok(Self {
            root,
            target,
            strict: common.strict,
            install: !common.no_install,
            progress: Progress::new(),
        })
    }

    /// A cargo command in the workspace's root, with `args` split at blanks.
    pub fn cargo(&self, args: &str) -> Command {
        let mut cargo = self.program(cargo_path());
        cargo.args(args.split_whitespace());
        cargo
    }

    /// A command in the workspace's root, free of what `cargo run` put into our environment: build
    /// scripts that watch those variables would run again for nothing.
    pub fn program(&self, name: impl Into<OsString>) -> Command {
        let mut command = Command::new(name.into());
        command.current_dir(&self.root).env("CARGO_TERM_COLOR", "never");
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }

    /// An empty log of that name in `target/xtask`.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn log(&self, name: &str) -> Result<Log> {
        Log::create(self.target.join("xtask").join(format!("{name}.log")))
    }

    /// Where tools go that cargo can build: `target/tools`.
    pub fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }
}

/// The cargo that runs us, else the one in the search path.
fn cargo_path() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
