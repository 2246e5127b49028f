//! The device tree a guest boots with: QEMU's own, with the project's overlays put over it. It
//! knows the tools, not what is in a tree.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::log::Log;
use crate::qemu::machine::Machine;
use crate::run;
use crate::session::Session;

/// Makes the tree of `machine`, complete with kernel, initrd and command line (QEMU writes all of
/// them into its tree), with `overlays` put over it. Scratch files go to `folder`.
///
/// # Errors
/// A tool that fails, with what it says in the log; Ctrl-C.
pub fn make(
    session: &mut Session,
    log: &mut Log,
    machine: &Machine,
    overlays: &[PathBuf],
    folder: &Path,
) -> Result<PathBuf> {
    let own = folder.join("qemu.dtb");
    machine.dump_tree(session, log, &own)?;
    if overlays.is_empty() {
        return Ok(own);
    }
    let mut apply = session.program("fdtoverlay");
    let tree = folder.join("guest.dtb");
    apply.arg("-i").arg(&own).arg("-o").arg(&tree);
    for (n, overlay) in overlays.iter().enumerate() {
        let compiled = folder.join(format!("{n}.dtbo"));
        let mut dtc = session.program("dtc");
        dtc.args(["-q", "-@", "-I", "dts", "-O", "dtb", "-o"]).arg(&compiled).arg(overlay);
        let ended = run::logged(dtc, log, &mut session.progress)?;
        ensure!(ended.success(), "dtc does not compile {}\n{}", overlay.display(), log.tail());
        apply.arg(compiled);
    }
    let ended = run::logged(apply, log, &mut session.progress)?;
    ensure!(ended.success(), "the overlays do not fit QEMU's tree\n{}", log.tail());
    Ok(tree)
}
