//! `cargo xtask qemu` on a machine whose QEMU will not do: one line that names the cure, before
//! anything is built. Nothing is installed here.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// What the verb says, and its exit status, when the search path is `path` alone.
fn said(path: &Path) -> (String, Option<i32>) {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.args(["qemu", "linux", "--no-install"]).env("PATH", path);
    let target = path.join("target");
    let output = xtask.env("CARGO_TARGET_DIR", target).output().expect("it starts");
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&text).into_owned(), output.status.code())
}

#[test]
fn a_missing_qemu_is_named_with_the_command_that_installs_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (text, code) = said(folder.path());
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("qemu-system-ppc is missing: `"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn a_qemu_that_is_too_old_is_told_which_would_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let qemu = folder.path().join("qemu-system-ppc");
    fs::write(&qemu, "#!/bin/sh\necho 'QEMU emulator version 6.2.0 (Debian)'\n").expect("written");
    fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).expect("executable");
    let (text, code) = said(folder.path());
    assert_eq!(code, Some(1), "{text}");
    let expected = "qemu-system-ppc is version 6.2, too old: 7.2 or newer is needed";
    assert!(text.contains(expected), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}
