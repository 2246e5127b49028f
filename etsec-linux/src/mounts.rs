//! Which hugetlbfs mounts there are, and which of them suits a region.
//!
//! It reads the kernel's tables; it makes no file.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::error::{Error, io};
use crate::roots::{Roots, read_number};
use crate::sys;

/// One hugetlbfs mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The directory.
    pub path: PathBuf,
    /// Bytes in each of its pages.
    pub page_size: usize,
}

/// Every hugetlbfs mount of the system, in the kernel's order.
///
/// # Errors
/// What the system says about its mount table.
pub fn hugetlbfs(roots: &Roots) -> Result<Vec<Mount>, Error> {
    let table = roots.proc.join("mounts");
    let text = std::fs::read(&table).map_err(io("read", &table))?;
    let lines = text.split(|byte| *byte == b'\n');
    Ok(lines.filter_map(parse_line).collect())
}

/// The mount for a region of `bytes`, on pages of `page_size` if that is given.
///
/// Without a size it is the smallest page that holds the whole region, for then it is contiguous
/// without luck; failing that, the largest pages there are. Mounts whose pages are used up are
/// passed over.
///
/// # Errors
/// [`Error::NoHugePages`] saying what there is.
pub fn choose(roots: &Roots, bytes: usize, page_size: Option<usize>) -> Result<Mount, Error> {
    let mounts = hugetlbfs(roots)?;
    let enough = |mount: &&Mount| {
        let needed = bytes.div_ceil(mount.page_size) as u64;
        page_size.is_none_or(|size| size == mount.page_size)
            && free_pages(roots, mount.page_size).is_none_or(|free| free >= needed)
    };
    let fitting = mounts.iter().filter(enough);
    let best = fitting.min_by_key(|mount| {
        let one_page = mount.page_size >= bytes;
        // One page before several; then the smallest of the first kind, the largest of the second.
        (!one_page, if one_page { mount.page_size } else { usize::MAX - mount.page_size })
    });
    best.cloned().ok_or_else(|| no_pages(roots, &mounts, bytes, page_size))
}

fn no_pages(roots: &Roots, mounts: &[Mount], bytes: usize, page_size: Option<usize>) -> Error {
    let wanted = match page_size {
        Some(size) => format!("with {bytes} bytes free in pages of {size} bytes"),
        None => format!("with {bytes} bytes free"),
    };
    let describe = |mount: &Mount| match free_pages(roots, mount.page_size) {
        Some(free) => format!("{}: {free} free of {} bytes", mount.path.display(), mount.page_size),
        None => format!("{}: pages of {} bytes", mount.path.display(), mount.page_size),
    };
    let found: Vec<_> = mounts.iter().map(describe).collect();
    let found = if found.is_empty() { "there is none".into() } else { found.join(", ") };
    Error::NoHugePages { wanted, found, cure: cure(roots, mounts, page_size) }
}

/// What helps when no mount will do.
fn cure(roots: &Roots, mounts: &[Mount], page_size: Option<usize>) -> String {
    let fitting = |mount: &Mount| page_size.is_none_or(|size| size == mount.page_size);
    if !roots.sys.join("kernel/mm/hugepages").exists() {
        return "build the kernel with CONFIG_HUGETLBFS".into();
    }
    if mounts.iter().any(fitting) {
        return "reserve more pages: hugepagesz=4M hugepages=8 on the kernel's command line, \
                or nr_hugepages"
            .into();
    }
    let size = page_size.map_or(String::new(), |size| format!("-o pagesize={size} "));
    format!("`mount -t hugetlbfs {size}none /dev/hugepages`, after reserving pages")
}

/// Pages of this size that nobody uses, where the system tells.
fn free_pages(roots: &Roots, page_size: usize) -> Option<u64> {
    let pool = format!("kernel/mm/hugepages/hugepages-{}kB/free_hugepages", page_size / 1024);
    read_number(&roots.sys.join(pool)).ok()
}

/// One line of the mount table, `DEVICE DIRECTORY TYPE OPTIONS 0 0`, if it is a hugetlbfs.
fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ').skip(1);
    let path = unescape(fields.next()?);
    if fields.next()? != b"hugetlbfs" {
        return None;
    }
    let options = std::str::from_utf8(fields.next()?).ok()?;
    let named = options.split(',').find_map(|option| option.strip_prefix("pagesize="));
    let page_size = match named {
        Some(text) => parse_size(text)?,
        // Kernels before 4.x do not print the option for the default size; the file system itself
        // knows.
        None => sys::file_system(&File::open(&path).ok()?).ok()?.block_size,
    };
    page_size.is_power_of_two().then_some(Mount { path, page_size })
}

/// A size with the suffix K, M or G, or in bytes.
///
/// This is how the kernel writes page sizes and how options take them: `4M`, `2048K`, `1G`.
#[must_use]
pub fn parse_size(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "K" | "k" | "KiB" => 10,
        "M" | "m" | "MiB" => 20,
        "G" | "g" | "GiB" => 30,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(1 << shift)
}

/// Blanks and backslashes of a path are written as three octal digits in the mount table.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = tail;
            }
            _ => bytes.push(*first),
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A tree with these mounts, given as directory, page size and free pages.
    fn tree(mounts: &[(&str, &str, Option<u64>)]) -> (tempfile::TempDir, Roots) {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::below(dir.path());
        fs::create_dir_all(&roots.proc).unwrap();
        let mut table = String::from("proc /proc proc rw,nosuid 0 0\n");
        for (path, size, free) in mounts {
            table += &format!("hugetlbfs {path} hugetlbfs rw,relatime,pagesize={size} 0 0\n");
            if let Some(free) = free {
                let kib = parse_size(size).unwrap() / 1024;
                let pool = roots.sys.join(format!("kernel/mm/hugepages/hugepages-{kib}kB"));
                fs::create_dir_all(&pool).unwrap();
                fs::write(pool.join("free_hugepages"), format!("{free}\n")).unwrap();
            }
        }
        fs::write(roots.proc.join("mounts"), table).unwrap();
        (dir, roots)
    }

    #[test]
    fn mounts_are_read_with_their_page_size_and_odd_paths() {
        let (_dir, roots) = tree(&[("/dev/huge\\040pages", "4M", None), ("/mnt/16M", "16M", None)]);
        let mounts = hugetlbfs(&roots).unwrap();
        assert_eq!(mounts[0], Mount { path: "/dev/huge pages".into(), page_size: 4 << 20 });
        assert_eq!(mounts[1].page_size, 16 << 20);
        assert_eq!(mounts.len(), 2);
    }

    #[test]
    fn one_page_for_the_whole_region_is_preferred() {
        let (_dir, roots) = tree(&[("/a", "4M", None), ("/b", "64M", None), ("/c", "16M", None)]);
        let page = |bytes, size| choose(&roots, bytes, size).unwrap().page_size >> 20;
        assert_eq!(page(3 << 20, None), 4);
        assert_eq!(page(5 << 20, None), 16);
        assert_eq!(page(100 << 20, None), 64);
        assert_eq!(page(5 << 20, Some(4 << 20)), 4);
    }

    #[test]
    fn used_up_pages_are_passed_over_and_named() {
        let (_dir, roots) = tree(&[("/a", "4M", Some(2)), ("/b", "16M", Some(0))]);
        assert_eq!(choose(&roots, 5 << 20, None).unwrap().page_size, 4 << 20);
        let text = choose(&roots, 9 << 20, None).unwrap_err().to_string();
        assert!(text.contains("/a: 2 free of 4194304 bytes"), "{text}");
        assert!(text.contains("board.md#huge-pages"), "{text}");
        assert!(text.contains("reserve more pages"), "{text}");
        let text = choose(&roots, 1, Some(1 << 30)).unwrap_err().to_string();
        assert!(text.contains("pages of 1073741824 bytes"), "{text}");
        assert!(text.contains("mount -t hugetlbfs -o pagesize=1073741824 none"), "{text}");
    }

    #[test]
    fn a_machine_without_hugetlbfs_says_so() {
        let (_dir, roots) = tree(&[]);
        let text = choose(&roots, 1, None).unwrap_err().to_string();
        assert!(text.contains("there is none") && text.contains("CONFIG_HUGETLBFS"), "{text}");
        fs::create_dir_all(roots.sys.join("kernel/mm/hugepages")).unwrap();
        let text = choose(&roots, 1, None).unwrap_err().to_string();
        assert!(text.contains("`mount -t hugetlbfs none /dev/hugepages`"), "{text}");
    }

    #[test]
    fn sizes_are_written_with_a_suffix() {
        assert_eq!(parse_size("4M"), Some(4 << 20));
        assert_eq!(parse_size("2048K"), Some(2 << 20));
        assert_eq!(parse_size("65536"), Some(65536));
        assert_eq!(parse_size("4T"), None);
        assert_eq!(parse_size("M"), None);
        assert_eq!(parse_size("-1M"), None);
    }
}
