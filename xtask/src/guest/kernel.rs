//! The test guest's kernel: from Debian's source package and the project's configuration to what a
//! guest needs of it. How it is kept for the next time is in `cache`; what boots it, elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use super::{coalesced, mend};
use crate::cache;
use crate::log::Log;
use crate::run;
use crate::session::Session;
use crate::tools::{self, Tool};

/// Where the configuration is, from the root.
const CONFIG: &str = "tests/guest/kernel.config";
/// What every `make` is told.
const MAKE: [&str; 2] = ["ARCH=powerpc", "CROSS_COMPILE=powerpc-linux-gnu-"];
/// The same sources make the same kernel, whenever and by whomever they are built.
const FIXED: [(&str, &str); 3] = [
    ("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970"),
    ("KBUILD_BUILD_USER", "etsec"),
    ("KBUILD_BUILD_HOST", "etsec"),
];
/// First everything off; then our lines, and the defaults of what they make possible; then the
/// rest.
const STEPS: [&[&str]; 3] =
    [&["--silent", "allnoconfig"], &["--silent", "olddefconfig"], &["vmlinux", "modules"]];

/// What of the built sources modules of others are built against, by its path there: the rest of
/// more than a gigabyte is not asked for.
const FOR_MODULES: [&str; 10] = [
    ".config",
    "Makefile",
    "Module.symvers",
    "arch/powerpc/Makefile",
    "arch/powerpc/Makefile.postlink",
    "arch/powerpc/include",
    "arch/powerpc/lib/crtsavres.o",
    "arch/powerpc/tools",
    "include",
    "scripts",
];

/// The modules that make UIO devices of nodes in the device tree, in the order they load.
pub const UIO: [&str; 2] = ["uio", "uio_pdrv_genirq"];
/// Those of the kernel's own driver and what it wants, in the order they load.
pub const GIANFAR: [&str; 6] =
    ["libphy", "fixed_phy", "fwnode_mdio", "of_mdio", "fsl_pq_mdio", "gianfar_driver"];

/// The kernels we test on: Debian's of its stable release, and the newest it has for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Version {
    /// Linux 6.1.
    #[value(name = "6.1")]
    V6_1,
    /// Linux 6.12.
    #[value(name = "6.12")]
    V6_12,
}

impl Version {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::V6_1, Self::V6_12];

    /// As in `6.1`.
    pub fn name(self) -> &'static str {
        match self {
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
        }
    }

    fn source(self) -> Tool {
        match self {
            Self::V6_1 => tools::LINUX_6_1,
            Self::V6_12 => tools::LINUX_6_12,
        }
    }
}

/// A built kernel.
#[derive(Debug, Clone)]
pub struct Kernel {
    version: Version,
    folder: PathBuf,
}

impl Kernel {
    /// Which it is.
    pub fn version(&self) -> Version {
        self.version
    }

    /// What QEMU boots.
    pub fn vmlinux(&self) -> PathBuf {
        self.folder.join("vmlinux")
    }

    /// Addresses and names of all that is in it.
    pub fn system_map(&self) -> PathBuf {
        self.folder.join("System.map")
    }

    /// What modules of others are built against.
    pub fn sources(&self) -> PathBuf {
        self.folder.join("sources")
    }

    /// A module, by its file's name without `.ko`.
    pub fn module(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.ko"))
    }
}

/// That kernel, from the cache or built now, which takes minutes; else what is missing, and the
/// command that installs it.
///
/// # Errors
/// Ctrl-C; it does not build; the cache cannot be written.
pub fn supply(
    session: &mut Session,
    log: &mut Log,
    version: Version,
) -> Result<Result<Kernel, String>> {
    let needed = [version.source(), tools::POWERPC_GCC, tools::MAKE];
    for tool in needed.into_iter().chain(tools::KERNEL_BUILD) {
        if let Err(missing) = tool.ensure(session)? {
            return Ok(Err(missing));
        }
    }
    let config = session.root.join(CONFIG);
    let config =
        fs::read_to_string(&config).with_context(|| format!("cannot read {}", config.display()))?;
    let name = format!("linux-{}", version.name());
    let key = key(session, version, &config)?;
    let folder = cache::supply(&name, &key, |scratch, result| {
        session.progress.say(&format!("building Linux {} for the guest", version.name()));
        build(session, log, version, &config, scratch)?;
        keep(scratch, result)?;
        build_coalesced(session, log, scratch, result)?;
        keep_for_modules(scratch, &result.join("sources"))
    })?;
    Ok(Ok(Kernel { version, folder }))
}

/// Everything that what comes out depends on.
fn key(session: &Session, version: Version, config: &str) -> Result<Vec<String>> {
    let source =
        said(session, "dpkg-query", &["-W", "-f", "${Version}", version.source().package])?;
    let compiler = said(session, tools::POWERPC_GCC.program, &["--version"])?;
    let mut key = vec![source, compiler, config.to_owned()];
    key.extend(MAKE.map(str::to_owned));
    key.extend(FIXED.map(|(name, value)| format!("{name}={value}")));
    key.extend(STEPS.map(|step| step.join(" ")));
    key.extend(mend::words(version));
    key.push(coalesced::words());
    key.push(format!("kept for modules: {}", FOR_MODULES.join(" ")));
    Ok(key)
}

/// The first line that a program prints.
fn said(session: &Session, program: &str, arguments: &[&str]) -> Result<String> {
    let output = session.program(program).args(arguments).output();
    let output = output.with_context(|| format!("cannot start {program}"))?;
    ensure!(output.status.success(), "{program} {}: {}", arguments.join(" "), output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Unpacks and builds in `scratch`.
fn build(
    session: &mut Session,
    log: &mut Log,
    version: Version,
    config: &str,
    scratch: &Path,
) -> Result<()> {
    let mut unpack = session.program("tar");
    unpack.args(["--extract", "--strip-components=1", "--file", version.source().program]);
    unpack.arg("--directory").arg(scratch);
    step(session, log, unpack, "unpacking the kernel's sources")?;
    mend::apply(version, scratch)?;

    let [off, defaults, rest] = STEPS;
    let all_off = make(session, scratch, off);
    step(session, log, all_off, "switching everything off")?;
    let dot_config = scratch.join(".config");
    let text = fs::read_to_string(&dot_config)? + config;
    fs::write(&dot_config, text)?;
    let complete = make(session, scratch, defaults);
    step(session, log, complete, "completing the configuration")?;
    let dropped = dropped(config, &fs::read_to_string(&dot_config)?);
    ensure!(dropped.is_empty(), "{CONFIG}: this kernel does not take {}", dropped.join(", "));

    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut all = make(session, scratch, rest);
    all.arg(format!("--jobs={jobs}"));
    step(session, log, all, "building the kernel")
}

/// Builds the other form of the kernel's own driver, after everything else.
fn build_coalesced(
    session: &mut Session,
    log: &mut Log,
    scratch: &Path,
    result: &Path,
) -> Result<()> {
    coalesced::change(scratch)?;
    let modules = make(session, scratch, &["modules"]);
    step(session, log, modules, "building a driver for benchmarks")?;
    let module = result.join(coalesced::MODULE).with_extension("ko");
    fs::rename(coalesced::built(scratch), module).context("there is no driver for benchmarks")
}

/// A run of the kernel's build in `folder`, the same wherever and whenever it is done.
pub fn make(session: &Session, folder: &Path, targets: &[&str]) -> Command {
    let mut make = session.program(tools::MAKE.program);
    make.current_dir(folder).args(MAKE).args(targets).envs(FIXED);
    // The kernel's build listens to these as well.
    for name in ["MAKEFLAGS", "KCFLAGS", "KCPPFLAGS", "KAFLAGS", "KBUILD_OUTPUT", "LOCALVERSION"] {
        make.env_remove(name);
    }
    make
}

fn step(session: &mut Session, log: &mut Log, command: Command, what: &str) -> Result<()> {
    if run::logged(command, log, &mut session.progress)?.success() {
        return Ok(());
    }
    bail!("{what} failed\n{}", log.tail())
}

/// The lines of `wanted` that do not hold in `config`.
fn dropped<'a>(wanted: &'a str, config: &str) -> Vec<&'a str> {
    let has = |line: &str| config.lines().any(|l| l == line);
    let holds = |line: &str| match line.strip_suffix("=n") {
        // What is off is a comment, or nothing where it cannot be on.
        Some(name) => !config.lines().any(|l| l.strip_prefix(name).is_some_and(is_value)),
        None => has(line),
    };
    let lines = wanted.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter(|line| !holds(line)).collect()
}

fn is_value(rest: &str) -> bool {
    rest.starts_with('=')
}

/// Moves what a guest needs from the build to `result`.
fn keep(scratch: &Path, result: &Path) -> Result<()> {
    for name in ["vmlinux", "System.map"] {
        fs::rename(scratch.join(name), result.join(name))
            .with_context(|| format!("the kernel's build has made no {name}"))?;
    }
    let order = fs::read_to_string(scratch.join("modules.order"))
        .context("the kernel's build has made no list of modules")?;
    for module in order.lines() {
        // Newer kernels list the object, older ones the module.
        let path = scratch.join(module).with_extension("ko");
        let name = path.file_name().with_context(|| format!("no module is named {module:?}"))?;
        fs::rename(&path, result.join(name))
            .with_context(|| format!("the kernel's build has made no {}", path.display()))?;
    }
    Ok(())
}

/// Moves what modules of others are built against from the build to `result`.
fn keep_for_modules(scratch: &Path, result: &Path) -> Result<()> {
    for path in FOR_MODULES {
        let kept = result.join(path);
        let folder = kept.parent().context("a path below a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::rename(scratch.join(path), kept)
            .with_context(|| format!("the kernel's build has made no {path}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kernel_does_not_take_is_named() {
        let wanted = "# Words.\n\nCONFIG_A=y\nCONFIG_B=m\nCONFIG_C=n\nCONFIG_D=n\n";
        let good = "CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_DD=y\n";
        assert_eq!(dropped(wanted, good), Vec::<&str>::new());
        assert_eq!(dropped(wanted, "CONFIG_A=y\nCONFIG_B=y\n"), ["CONFIG_B=m"]);
        let on = "CONFIG_A=y\nCONFIG_B=m\nCONFIG_D=m\n";
        assert_eq!(dropped(wanted, on), ["CONFIG_D=n"]);
    }

    #[test]
    fn what_a_guest_needs_is_kept() {
        let build = tempfile::tempdir().expect("a folder");
        let result = tempfile::tempdir().expect("a folder");
        let folder = build.path().join("drivers/uio");
        fs::create_dir_all(&folder).expect("made");
        for name in ["vmlinux", "System.map"] {
            fs::write(build.path().join(name), name).expect("written");
        }
        fs::write(folder.join("uio.ko"), "module").expect("written");
        fs::write(build.path().join("modules.order"), "drivers/uio/uio.o\n").expect("written");
        keep(build.path(), result.path()).expect("kept");
        let kernel = Kernel { version: Version::V6_1, folder: result.path().to_path_buf() };
        assert!(kernel.vmlinux().is_file() && kernel.system_map().is_file());
        assert_eq!(fs::read_to_string(kernel.module("uio")).expect("there"), "module");
        assert!(keep(build.path(), result.path()).is_err(), "nothing is there any more");
    }
}
