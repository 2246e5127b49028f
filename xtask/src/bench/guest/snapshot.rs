//! Counts of executed instructions by address, and what is made of their differences: how many were
//! the program's and how many the kernel's, and how often something happened.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Where the kernel begins: below are programs.
const KERNEL: u32 = 0xC000_0000;

/// How often each instruction was executed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<u32, u64>);

impl Snapshot {
    /// Reads a line `ADDRESS COUNT` for each instruction, the address in hexadecimal.
    ///
    /// # Errors
    /// Where the file cannot be read, or has other lines.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        let line = |line: &str| {
            let (address, count) = line.split_once(' ')?;
            Some((u32::from_str_radix(address, 16).ok()?, count.parse().ok()?))
        };
        let counts: Option<BTreeMap<_, _>> = text.lines().map(line).collect();
        counts.map(Self).with_context(|| format!("{}: not lines of counts", path.display()))
    }

    /// What was executed since an earlier snapshot of the same guest.
    pub fn since(&self, earlier: &Self) -> Self {
        let new = |(address, count): (&u32, &u64)| {
            let count = count - earlier.at(*address).min(*count);
            (count > 0).then_some((*address, count))
        };
        Self(self.0.iter().filter_map(new).collect())
    }

    /// How often the instruction at `address` was executed.
    pub fn at(&self, address: u32) -> u64 {
        self.0.get(&address).copied().unwrap_or(0)
    }

    /// Instructions of programs.
    pub fn user(&self) -> u64 {
        self.0.range(..KERNEL).map(|(_, count)| count).sum()
    }

    /// Instructions of the kernel.
    pub fn kernel(&self) -> u64 {
        self.0.range(KERNEL..).map(|(_, count)| count).sum()
    }

    /// All addresses and counts.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> {
        self.0.iter().map(|(address, count)| (*address, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_has_what_is_new() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |text: &str| {
            let path = folder.path().join("x");
            fs::write(&path, text).expect("written");
            Snapshot::read(&path)
        };
        let before = read("10001000 5\nc0000000 7\n").expect("read");
        let after = read("10001000 5\n10001004 2\nbffffffc 1\nc0000000 17\n").expect("read");
        let new = after.since(&before);
        assert_eq!((new.user(), new.kernel(), new.at(0xC000_0000)), (3, 10, 10));
        assert_eq!(new.iter().count(), 3);
        assert!(read("nonsense\n").is_err());
        assert!(read("10001000 x\n").is_err());
    }
}
