//! The project's own kernel module, built for a guest's kernel from the folder it has in the
//! project, and judged by the kernel's rules of style. Where it is loaded is its callers' business.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::kernel::{self, Kernel};
use crate::log::Log;
use crate::run;
use crate::session::Session;

/// Its name.
pub const MODULE: &str = "uio_etsec";
/// Where its sources are, from the root.
pub const SOURCES: &str = "etsec-linux/kmod/uio_etsec";
/// The kernel's own judge of style, in its sources.
const CHECKPATCH: &str = "scripts/checkpatch.pl";

/// Rules for what is in the kernel itself: who maintains a file is written in another, and there is
/// one version.
const NOT_FOR_US: &str = "FILE_PATH_CHANGES,LINUX_VERSION_CODE,CONSTANT_COMPARISON";

/// Builds it against `kernel` with all warnings as errors; the module.
///
/// # Errors
/// It does not build, or is not in the kernel's style, with what was said; Ctrl-C.
pub fn build(session: &mut Session, log: &mut Log, kernel: &Kernel) -> Result<PathBuf> {
    let folder = session.target.join(format!("kmod/linux-{}", kernel.version().name()));
    let sources = copy(&session.root.join(SOURCES), &folder)?;
    check_style(session, log, kernel, &sources)?;
    // Built beside the sources it would leave a dozen files there.
    let mut make = kernel::make(session, &kernel.sources(), &["modules"]);
    make.arg(format!("M={}", folder.display())).args(["W=1", "KCFLAGS=-Werror"]);
    if !run::logged(make, log, &mut session.progress)?.success() {
        bail!("{SOURCES} does not build for Linux {}\n{}", kernel.version().name(), log.tail());
    }
    let module = folder.join(MODULE).with_extension("ko");
    ensure!(module.is_file(), "the kernel's build has made no {}", module.display());
    Ok(module)
}

/// Brings `folder` up to date with the files in `from`; the paths of those with code. What has not
/// changed stays, so that it is not built again.
fn copy(from: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let write = || format!("cannot write {}", folder.display());
    fs::create_dir_all(folder).with_context(write)?;
    let mut code = Vec::new();
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        // What somebody has built there by hand stays there.
        let is_code =
            [".c", ".h"].iter().any(|end| name.ends_with(end)) && !name.ends_with(".mod.c");
        if !is_code && !["Kbuild", "Makefile"].contains(&name) {
            continue;
        }
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let copy = folder.join(name);
        if fs::read(&copy).ok().as_ref() != Some(&bytes) {
            fs::write(&copy, bytes).with_context(write)?;
        }
        if is_code {
            code.push(path);
        }
    }
    code.sort();
    Ok(code)
}

/// Sees that the kernel's own judge has nothing to say.
fn check_style(
    session: &mut Session,
    log: &mut Log,
    kernel: &Kernel,
    sources: &[PathBuf],
) -> Result<()> {
    let mut check = session.program("perl");
    check.arg(kernel.sources().join(CHECKPATCH)).args(["--no-tree", "--strict", "--no-summary"]);
    check.args(["--ignore", NOT_FOR_US, "--file"]).args(sources);
    if run::logged(check, log, &mut session.progress)?.success() {
        return Ok(());
    }
    bail!("{SOURCES} is not in the kernel's style\n{}", log.tail())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_changed_is_copied() {
        let (from, to) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
        let write = |name: &str, text: &str| fs::write(from.path().join(name), text).expect("w");
        write("b.c", "b");
        write("a.h", "a");
        write("Kbuild", "k");
        write("b.o", "built by hand");
        write("b.mod.c", "made by hand");
        let code = copy(from.path(), to.path()).expect("copied");
        assert_eq!(code, [from.path().join("a.h"), from.path().join("b.c")]);
        assert!(!to.path().join("b.o").exists() && !to.path().join("b.mod.c").exists());
        let times =
            || ["b.c", "a.h"].map(|n| fs::metadata(to.path().join(n)).expect("m").modified());
        let before = times().map(|time| time.expect("a time"));
        std::thread::sleep(std::time::Duration::from_millis(20));
        write("a.h", "new");
        copy(from.path(), to.path()).expect("copied");
        let after = times().map(|time| time.expect("a time"));
        assert!(before[0] == after[0] && before[1] != after[1]);
        assert_eq!(fs::read_to_string(to.path().join("a.h")).expect("read"), "new");
    }
}
