//! A C library that suits an e500v2: musl from Debian's source package, built for soft float and
//! without `lwsync`, and the little of an unwinder that a program needs which never unwinds. It
//! knows one recipe and keeps its result in the target directory.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::log::Log;
use crate::run;
use crate::session::Session;
use crate::tools::{DPKG_DEV, MAKE};

/// For the compiler, and therefore in every object of the library.
const FLAGS: &str = "-mcpu=8548 -msoft-float -mlong-double-64 -O2 -fno-pie";

/// For musl's own `configure`. `LIBCC` is empty: soft-float routines come with Rust.
const CONFIGURE: &str = "--target=powerpc-linux-musl --disable-shared --disable-wrapper \
    --enable-optimize=no";

/// The unwinder.
const UNWIND: &str = "xtask/targets/unwind.c";

/// The file that says which recipe made a folder; written last.
const STAMP: &str = "recipe";

/// The folder with `lib` and `include`, after making it where that is needed; else one line that
/// says what is missing.
///
/// # Errors
/// Ctrl-C, a folder or log that cannot be written.
pub fn sysroot(session: &mut Session, log: &mut Log) -> Result<Result<PathBuf, String>> {
    let done = session.target.join("cross/musl");
    let unwind = std::fs::read_to_string(session.root.join(UNWIND))
        .with_context(|| format!("cannot read {UNWIND}"))?;
    let recipe = format!("{FLAGS}\n{CONFIGURE}\n{unwind}");
    if std::fs::read_to_string(done.join(STAMP)).is_ok_and(|stamp| stamp == recipe) {
        return Ok(Ok(done));
    }
    for tool in [DPKG_DEV, MAKE] {
        if let Err(missing) = tool.ensure(session)? {
            return Ok(Err(missing));
        }
    }
    session.progress.say("building musl for soft float, once");
    let parent = session.target.join("cross");
    std::fs::create_dir_all(&parent)
        .with_context(|| format!("cannot create {}", parent.display()))?;
    let work = tempfile::TempDir::with_prefix_in("musl-", &parent)
        .with_context(|| format!("cannot create a folder in {}", parent.display()))?;
    let mut steps = Steps { session, log, work: work.path(), failed: None };
    if !steps.source()? || !steps.library()? || !steps.unwinder()? {
        let step = steps.failed.unwrap_or_default();
        let log = log.path().display();
        return Ok(Err(format!("musl could not be made ({step} failed), see {log}")));
    }
    let made = work.path().join("sysroot");
    std::fs::write(made.join(STAMP), recipe).context("cannot write the recipe's stamp")?;
    if done.exists() {
        std::fs::remove_dir_all(&done)
            .with_context(|| format!("cannot remove {}", done.display()))?;
    }
    std::fs::rename(&made, &done).with_context(|| format!("cannot make {}", done.display()))?;
    Ok(Ok(done))
}

/// The steps of the recipe, in a folder that goes away.
struct Steps<'a> {
    session: &'a mut Session,
    log: &'a mut Log,
    work: &'a Path,
    failed: Option<String>,
}

impl Steps<'_> {
    /// Fetches and unpacks musl's source. The package lists are our own, because most machines
    /// have none of sources; that takes no privilege either.
    fn source(&mut self) -> Result<bool> {
        let targets = Command::new("apt-get")
            .args(["indextargets", "--format", "deb-src $(REPO_URI) $(CODENAME) $(COMPONENT)"])
            .arg("Created-By: Packages")
            .output()
            .context("cannot start apt-get: musl's source comes from a Debian-like archive")?;
        let list = sources(&String::from_utf8_lossy(&targets.stdout));
        std::fs::write(self.work.join("sources.list"), list).context("cannot write a list")?;
        std::fs::create_dir_all(self.work.join("lists/partial")).context("cannot make a folder")?;
        if !self.apt(&["update"])? || !self.apt(&["source", "--download-only", "musl"])? {
            return Ok(false);
        }
        let description = std::fs::read_dir(self.work)?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension() == Some(OsStr::new("dsc")))
            .context("apt-get fetched no description of musl's source")?;
        let mut unpack = self.program("dpkg-source", self.work);
        unpack.args(["--no-check", "-x"]).arg(description).arg("musl");
        self.run(unpack)
    }

    fn library(&mut self) -> Result<bool> {
        let source = self.work.join("musl");
        let mut configure = self.program("./configure", &source);
        configure
            .args(CONFIGURE.split_whitespace())
            .arg(format!("--prefix={}", self.work.join("sysroot").display()))
            .env("CC", "powerpc-linux-gnu-gcc")
            .env("AR", "powerpc-linux-gnu-ar")
            .env("RANLIB", "powerpc-linux-gnu-ranlib")
            .env("CFLAGS", FLAGS)
            .env("LIBCC", " ");
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let mut make = self.program("make", &source);
        make.arg(format!("-j{jobs}"));
        let mut install = self.program("make", &source);
        install.arg("install");
        Ok(self.run(configure)? && self.run(make)? && self.run(install)?)
    }

    fn unwinder(&mut self) -> Result<bool> {
        let mut compile = self.program("powerpc-linux-gnu-gcc", self.work);
        compile
            .args(FLAGS.split_whitespace())
            .args(["-ffreestanding", "-Wall", "-c", "-o", "unwind.o"])
            .arg(self.session.root.join(UNWIND));
        let mut archive = self.program("powerpc-linux-gnu-ar", self.work);
        archive.args(["rcsD", "sysroot/lib/libunwind.a", "unwind.o"]);
        Ok(self.run(compile)? && self.run(archive)?)
    }

    fn apt(&mut self, words: &[&str]) -> Result<bool> {
        let here = self.work.display();
        let options = [
            format!("Dir::Etc::SourceList={here}/sources.list"),
            "Dir::Etc::SourceParts=-".to_owned(),
            format!("Dir::State::Lists={here}/lists"),
            format!("Dir::Cache={here}/cache"),
            // A user of apt's own could not write into our folder.
            "APT::Sandbox::User=".to_owned(),
        ];
        let mut apt = self.program("apt-get", self.work);
        for option in options {
            apt.args(["-o", &option]);
        }
        apt.args(words);
        self.run(apt)
    }

    fn program(&self, name: &str, folder: &Path) -> Command {
        let mut command = self.session.program(name);
        command.current_dir(folder);
        command
    }

    fn run(&mut self, command: Command) -> Result<bool> {
        let name = Path::new(command.get_program()).display().to_string();
        let success = run::logged(command, self.log, &mut self.session.progress)?.success();
        if !success {
            self.failed = Some(name);
        }
        Ok(success)
    }
}

/// The archives' source lists, each once, from what apt says of its package lists.
fn sources(targets: &str) -> String {
    let mut lines: Vec<&str> = targets.lines().filter(|l| l.starts_with("deb-src ")).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_archive_is_listed_once() {
        let said =
            "deb-src http://b/ x main\ndeb-src http://a/ x main\n\ndeb-src http://b/ x main\n";
        assert_eq!(sources(said), "deb-src http://a/ x main\ndeb-src http://b/ x main\n");
    }
}
