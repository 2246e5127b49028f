//! The file systems that programs expect, and mounting in general.

use std::ffi::CString;
use std::fs;

use anyhow::{Context, Result};
use rustix::mount::MountFlags;

/// Kind, place, options.
const ALL: [[&str; 3]; 5] = [
    ["proc", "/proc", ""],
    ["sysfs", "/sys", ""],
    ["devtmpfs", "/dev", ""],
    ["tmpfs", "/tmp", ""],
    ["tmpfs", "/run", ""],
];
/// Folders in them, and links.
const FOLDERS: [&str; 2] = ["/run/lock", "/dev/hugepages"];

/// Mounts what every program expects. Huge pages are left to the host to ask for.
pub fn all() -> Result<()> {
    for [kind, at, options] in ALL {
        mount(kind, at, options)?;
    }
    for folder in FOLDERS {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {folder}"))?;
    }
    Ok(())
}

/// Mounts a file system of `kind` at `at`, which is made if it is not there.
pub fn mount(kind: &str, at: &str, options: &str) -> Result<()> {
    fs::create_dir_all(at).with_context(|| format!("cannot create {at}"))?;
    let data = CString::new(options)?;
    rustix::mount::mount(kind, at, kind, MountFlags::empty(), Some(data.as_c_str()))
        .with_context(|| format!("cannot mount {kind} at {at}"))
}
