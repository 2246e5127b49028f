//! Names of what is at an address: of the kernel by its System.map, of a program by `nm`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::snapshot::Snapshot;
use crate::session::Session;
use crate::tools;

/// Functions by their addresses.
#[derive(Debug, Clone, Default)]
pub struct Symbols(Vec<(u32, String)>);

impl Symbols {
    /// The kernel's.
    ///
    /// # Errors
    /// Where the map cannot be read.
    pub fn of_kernel(map: &Path) -> Result<Self> {
        let text = fs::read_to_string(map);
        Ok(Self::parse(&text.with_context(|| format!("cannot read {}", map.display()))?))
    }

    /// Those of a program, in front of the kernel's.
    ///
    /// # Errors
    /// Where `nm` cannot be started, or says that it is no program.
    pub fn and_program(self, session: &Session, program: &Path) -> Result<Self> {
        let nm = tools::POWERPC_NM;
        let said = session.program(nm).arg("--demangle").arg(program).output();
        let said = said.with_context(|| format!("cannot start {nm}"))?;
        ensure!(said.status.success(), "{nm} {}: {}", program.display(), said.status);
        let mut all = Self::parse(&String::from_utf8_lossy(&said.stdout)).0;
        all.extend(self.0);
        all.sort();
        Ok(Self(all))
    }

    /// Reads lines `ADDRESS KIND NAME`; kept are functions.
    fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let mut words = line.splitn(3, ' ');
            let address = u32::from_str_radix(words.next()?, 16).ok()?;
            let is_function = words.next()?.eq_ignore_ascii_case("t");
            is_function.then(|| Some((address, words.next()?.to_owned())))?
        };
        let mut all: Vec<_> = text.lines().filter_map(line).collect();
        all.sort();
        Self(all)
    }

    /// Where a function begins.
    ///
    /// # Errors
    /// Where there is none of that name.
    pub fn address(&self, name: &str) -> Result<u32> {
        let found = self.0.iter().find(|(_, known)| known == name);
        found.map(|(address, _)| *address).with_context(|| format!("no function {name} is known"))
    }

    /// What was executed, by function, most first: instructions and calls.
    pub fn profile(&self, counts: &Snapshot) -> Vec<(&str, u64, u64)> {
        let mut by_name = std::collections::BTreeMap::<&str, (u64, u64)>::new();
        for (address, count) in counts.iter() {
            let behind = self.0.partition_point(|(start, _)| *start <= address);
            let (start, name) = match behind.checked_sub(1) {
                // Modules are far behind all that is known.
                Some(n) if address - self.0[n].0 < 1 << 20 => (self.0[n].0, &*self.0[n].1),
                _ => (0, "(modules of the kernel)"),
            };
            let (all, calls) = by_name.entry(name).or_default();
            *all += count;
            *calls += if start == address { count } else { 0 };
        }
        let mut profile: Vec<_> =
            by_name.into_iter().map(|(name, (all, calls))| (name, all, calls)).collect();
        profile.sort_by_key(|(_, all, _)| std::cmp::Reverse(*all));
        profile
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_executed_is_named() {
        let text = "10000000 T main\n10000100 t <a as b>::c d\n10000200 D data\nc0000000 T start\n";
        let symbols = Symbols::parse(text);
        assert_eq!(symbols.address("start").expect("known"), 0xC000_0000);
        assert!(symbols.address("data").is_err());
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x");
        let counts = "10000000 2\n10000004 2\n10000104 9\nc0000000 1\nd1000000 5\n";
        fs::write(&path, counts).expect("written");
        let counts = Snapshot::read(&path).expect("read");
        let expected = [
            ("<a as b>::c d", 9, 0),
            ("(modules of the kernel)", 5, 0),
            ("main", 4, 2),
            ("start", 1, 1),
        ];
        assert_eq!(symbols.profile(&counts), expected);
    }
}
