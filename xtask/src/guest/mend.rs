//! What has to be mended in a kernel before anything can be tested on it. Each is a mistake of that
//! kernel that a few lines of C show; what users can do about it is in `docs/guide/board.md`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::kernel::Version;

/// A change of the kernel's source.
struct Mend {
    file: &'static str,
    from: &'static str,
    to: &'static str,
    /// How often `from` stands there.
    times: usize,
}

/// Linux 6.12, and probably from 6.11 on, on a 32-bit e500 with 36-bit addresses: when a huge page
/// is unmapped, the upper half of its 64-bit entry in the page directory stays. The entry is not
/// empty then, and is taken for a page table at address 0 when tables are freed: a BUG, and the
/// machine is down. The mask of bits to clear has 32 bits; it wants as many as the entry.
const HUGE_PAGES_6_12: [Mend; 2] = [
    Mend {
        file: "arch/powerpc/include/asm/nohash/pgtable.h",
        from: "unsigned long clr, unsigned long set, int huge",
        to: "pte_basic_t clr, unsigned long set, int huge",
        times: 2,
    },
    Mend {
        file: "arch/powerpc/include/asm/hugetlb.h",
        from: "ptep, ~0UL, 0, 1)",
        to: "ptep, ~(pte_basic_t)0, 0, 1)",
        times: 1,
    },
];

fn mends(version: Version) -> &'static [Mend] {
    match version {
        Version::V6_1 => &[],
        Version::V6_12 => &HUGE_PAGES_6_12,
    }
}

/// All there is to mend, in words that change with it.
pub fn words(version: Version) -> Vec<String> {
    let words = |m: &Mend| format!("{}: {} {} -> {}", m.file, m.times, m.from, m.to);
    mends(version).iter().map(words).collect()
}

/// Mends the sources in `folder`. What does not stand there any more has been mended by others.
///
/// # Errors
/// Where something else stands there than is known.
pub fn apply(version: Version, folder: &Path) -> Result<()> {
    mends(version).iter().try_for_each(|mend| mend.apply(folder))
}

impl Mend {
    fn apply(&self, folder: &Path) -> Result<()> {
        let path = folder.join(self.file);
        let text = fs::read_to_string(&path);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        let found = text.matches(self.from).count();
        if found == 0 {
            return Ok(());
        }
        let (file, from, times) = (self.file, self.from, self.times);
        ensure!(found == times, "{file}: {from:?} stands there {found} times, not {times}");
        fs::write(&path, text.replace(self.from, self.to))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_mended_and_what_is_not_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let mend = Mend { file: "x.h", from: "a b", to: "c", times: 2 };
        let with = |text: &str| {
            fs::write(folder.path().join("x.h"), text).expect("written");
            mend.apply(folder.path())?;
            Ok::<_, anyhow::Error>(fs::read_to_string(folder.path().join("x.h"))?)
        };
        assert_eq!(with("a b, a b;").expect("mended"), "c, c;");
        assert_eq!(with("mended;").expect("by others"), "mended;");
        assert!(with("a b;").is_err());
    }
}
