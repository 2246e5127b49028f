//! Where the kernel's files are: one place to look them up, so that tests can hand in trees of
//! their own.
//!
//! It knows paths and reads small attribute files. It knows nothing of what they mean.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Error, io};

/// The directories and files through which this crate sees the kernel.
///
/// [`Roots::default`] is the running system. A test replaces any of them by a directory it has
/// filled itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// The sysfs mount, `/sys`: UIO attributes, the device tree, the machine's huge page sizes.
    pub sys: PathBuf,
    /// The directory of device files, `/dev`.
    pub dev: PathBuf,
    /// The procfs mount, `/proc`: mounts and locks.
    pub proc: PathBuf,
    /// The calling process's page map, `/proc/self/pagemap`.
    pub pagemap: PathBuf,
    /// The directory for lock files, `/run/lock`.
    pub locks: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Roots {
            sys: "/sys".into(),
            dev: "/dev".into(),
            proc: "/proc".into(),
            pagemap: "/proc/self/pagemap".into(),
            locks: "/run/lock".into(),
        }
    }
}

impl Roots {
    /// All of them below one directory, laid out as in a running system: how tests build fake
    /// trees.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        Roots {
            sys: root.join("sys"),
            dev: root.join("dev"),
            proc: root.join("proc"),
            pagemap: root.join("proc/self/pagemap"),
            locks: root.join("run/lock"),
        }
    }

    /// The directory with one entry for each UIO device.
    #[must_use]
    pub fn uio_class(&self) -> PathBuf {
        self.sys.join("class/uio")
    }

    /// The bus of devices that nodes of the device tree have become.
    #[must_use]
    pub fn platform(&self) -> PathBuf {
        self.sys.join("bus/platform")
    }

    /// The root node of the device tree.
    #[must_use]
    pub fn device_tree(&self) -> PathBuf {
        self.sys.join("firmware/devicetree/base")
    }
}

/// Most bytes taken from one attribute or property; sysfs itself gives one page at most.
const ATTRIBUTE_MAX: u64 = 64 * 1024;

/// The content of a small file.
///
/// # Errors
/// What the system says about opening or reading it; content beyond 64 KiB is cut off.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let file = File::open(path).map_err(io("open", path))?;
    let mut bytes = Vec::new();
    file.take(ATTRIBUTE_MAX).read_to_end(&mut bytes).map_err(io("read", path))?;
    Ok(bytes)
}

/// The content of a small text file without surrounding blanks; bytes that are no UTF-8 are
/// replaced.
///
/// # Errors
/// As [`read_bytes`].
pub fn read_text(path: &Path) -> Result<String, Error> {
    Ok(String::from_utf8_lossy(&read_bytes(path)?).trim().to_owned())
}

/// A number from an attribute, written `0x…` or in decimal as sysfs does.
///
/// # Errors
/// As [`read_bytes`], or [`Error::Attribute`] if it is no number.
pub fn read_number(path: &Path) -> Result<u64, Error> {
    let text = read_text(path)?;
    parse_number(&text).ok_or_else(|| Error::Attribute {
        path: path.into(),
        text,
        wanted: "a number",
    })
}

/// `0x1f` or `31`.
fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_hex_with_a_prefix_and_decimal_without() {
        assert_eq!(parse_number("0xf00000000"), Some(0xF_0000_0000));
        assert_eq!(parse_number("520"), Some(520));
        assert_eq!(parse_number("f0"), None);
        assert_eq!(parse_number(""), None);
    }

    #[test]
    fn an_attribute_that_is_no_number_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("size");
        std::fs::write(&path, "large\n").unwrap();
        let message = read_number(&path).unwrap_err().to_string();
        assert!(message.contains("size") && message.contains("'large'"), "{message}");
        let message = read_number(&dir.path().join("absent")).unwrap_err().to_string();
        assert!(message.contains("absent"), "{message}");
    }
}
