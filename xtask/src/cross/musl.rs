//! A C library that suits an e500v2: musl from Debian's source package, built for soft float and
//! without `lwsync`, and the little of an unwinder that a program needs which never unwinds. It
//! knows one recipe; its result is kept with the kernels.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache;
use crate::log::Log;
use crate::run;
use crate::session::Session;
use crate::tools::{APT, DPKG_DEV, MAKE};

/// For the compiler, and therefore in every object of the library.
const FLAGS: &str = "-mcpu=8548 -msoft-float -mlong-double-64 -O2 -fno-pie";

/// For musl's own `configure`. `LIBCC` is empty: soft-float routines come with Rust.
const CONFIGURE: &str = "--target=powerpc-linux-musl --disable-shared --disable-wrapper \
    --enable-optimize=no";

/// The unwinder.
const UNWIND: &str = "xtask/targets/unwind.c";

/// What the cache calls it.
const NAME: &str = "musl-e500v2";
/// The compiler.
const GCC: &str = "powerpc-linux-gnu-gcc";

/// The folder with `lib` and `include`, after making it where that is needed; else one line that
/// says what is missing.
///
/// # Errors
/// Ctrl-C, a folder or log that cannot be written, a library that does not build.
pub fn sysroot(session: &mut Session, log: &mut Log) -> Result<Result<PathBuf, String>> {
    let unwind = std::fs::read_to_string(session.root.join(UNWIND))
        .with_context(|| format!("cannot read {UNWIND}"))?;
    let compiler = Command::new(GCC).arg("--version").output();
    let compiler = compiler.with_context(|| format!("cannot start {GCC}"))?.stdout;
    let compiler = String::from_utf8_lossy(&compiler).into_owned();
    let key = [FLAGS.to_owned(), CONFIGURE.to_owned(), unwind, compiler];
    if let Some(kept) = cache::kept(NAME, &key)? {
        return Ok(Ok(kept));
    }
    for tool in [DPKG_DEV, MAKE, APT] {
        if let Err(missing) = tool.ensure(session)? {
            return Ok(Err(missing));
        }
    }
    let made = cache::supply(NAME, &key, |work, result| {
        session.progress.say("building musl for soft float, once");
        let mut steps = Steps { session, log, work, result, failed: None };
        if steps.source()? && steps.library()? && steps.unwinder()? {
            return Ok(());
        }
        let step = steps.failed.unwrap_or_default();
        bail!("musl could not be made ({step} failed), see {}", log.path().display())
    })?;
    Ok(Ok(made))
}

/// The steps of the recipe, in a folder that goes away, and where the library is to be.
struct Steps<'a> {
    session: &'a mut Session,
    log: &'a mut Log,
    work: &'a Path,
    result: &'a Path,
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
            .arg(format!("--prefix={}", self.result.display()))
            .env("CC", GCC)
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
        let mut compile = self.program(GCC, self.work);
        compile
            .args(FLAGS.split_whitespace())
            .args(["-ffreestanding", "-Wall", "-c", "-o", "unwind.o"])
            .arg(self.session.root.join(UNWIND));
        let mut archive = self.program("powerpc-linux-gnu-ar", self.work);
        archive.arg("rcsD").arg(self.result.join("lib/libunwind.a")).arg("unwind.o");
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
