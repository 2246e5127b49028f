//! Files of memory on hugetlbfs, and what has become of their owners: those of dead ones are
//! leftovers, which a device may still write to.
//!
//! It knows names and locks. Whether a device still runs is its callers' business.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, io};
use crate::hugepage::{Glance, record_prefix};
use crate::lock::{self, Owner};
use crate::memory::named_in;
use crate::mounts::{self, Mount};
use crate::roots::Roots;
use crate::sys;

/// A file of memory, `etsec-NAME-PID`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The port it was made for.
    pub name: String,
    /// The process that made it. Numbers are used again: whether it lives is told by the lock.
    pub pid: u32,
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Who holds it, if anybody does.
    pub holder: Option<Owner>,
}

/// All files of memory there are, in the order of their paths, those of living owners among them.
/// It only looks: no lock is taken.
///
/// # Errors
/// What the system says about mounts, a directory or a file.
pub fn list(roots: &Roots) -> Result<Vec<Leftover>, Error> {
    let mut found = Vec::new();
    for Mount { path: folder, .. } in mounts::hugetlbfs(roots)? {
        for entry in std::fs::read_dir(&folder).map_err(io("list", &folder))? {
            let path = entry.map_err(io("list", &folder))?.path();
            let Some((name, pid)) = parse(&path) else { continue };
            let data = match path.metadata() {
                Ok(data) => data,
                // Its owner has just ended.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(io("look at", &path)(error)),
            };
            let holder = lock::owner_of(roots, &data)?;
            found.push(Leftover { name, pid, path, bytes: data.len(), holder });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The labels of ports whose buffers may be in what dead owners called `name` have left. It only
/// looks, and needs no privilege but to read the files.
///
/// # Errors
/// What the system says about mounts, a directory or a file.
pub fn partners(roots: &Roots, name: &str) -> Result<Vec<String>, Error> {
    let mut partners = Vec::new();
    let own = list(roots)?.into_iter().filter(|left| left.name == name && left.holder.is_none());
    for left in own {
        // What cannot be looked at may name anybody.
        if let Some(seen) = Glance::at(&left.path)? {
            partners.extend(named_in(&seen));
        }
    }
    Ok(partners)
}

/// Name and number in `etsec-NAME-PID`.
fn parse(path: &Path) -> Option<(String, u32)> {
    let own = path.file_name()?.to_str()?.strip_prefix("etsec-")?;
    let (name, pid) = own.rsplit_once('-')?;
    let digits = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !name.is_empty()).then_some(())?;
    Some((name.to_owned(), pid.parse().ok()?))
}

/// Deletes the files that dead owners called `name` left on `mount`; returns their paths.
///
/// Only after the device has been stopped: until then it may still write to those pages.
///
/// # Errors
/// What the system says about the directory or a file.
pub fn sweep(mount: &Mount, name: &str) -> Result<Vec<PathBuf>, Error> {
    let found = dead(mount, name)?;
    for path in &found {
        match std::fs::remove_file(path) {
            // Somebody else has just done it.
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(io("delete", path)(error));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The files that dead owners called `name` left on `mount`: those whose lock is free.
///
/// # Errors
/// What the system says about the directory.
pub fn dead(mount: &Mount, name: &str) -> Result<Vec<PathBuf>, Error> {
    // The name is checked.
    record_prefix(name)?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&mount.path).map_err(io("list", &mount.path))? {
        let path = entry.map_err(io("list", &mount.path))?.path();
        // The number is for people; whether the owner lives is told by the lock.
        if parse(&path).is_none_or(|(of, _)| of != name) {
            continue;
        }
        let file = match File::open(&path) {
            Ok(file) => file,
            // Its owner has just ended.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(io("open", &path)(error)),
        };
        if sys::try_lock(&file).map_err(io("lock", &path))? {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hugepage::tests::leave_beside;

    fn tree() -> (tempfile::TempDir, Roots, Mount) {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::below(dir.path());
        std::fs::create_dir_all(&roots.proc).unwrap();
        let path = dir.path().join("huge");
        std::fs::create_dir(&path).unwrap();
        let line = format!("none {} hugetlbfs rw,pagesize=4096K 0 0\n", path.display());
        std::fs::write(roots.proc.join("mounts"), line).unwrap();
        (dir, roots, Mount { path, page_size: 4 << 20 })
    }

    #[test]
    fn only_files_of_dead_owners_with_that_very_name_are_swept() {
        let (_dir, roots, mount) = tree();
        let put = |name: &str| File::create(mount.path.join(name)).unwrap();
        for name in
            ["etsec-eth0-123", "etsec-eth0-tx-124", "etsec-eth1-125", "etsec-eth0-x", "other"]
        {
            put(name);
        }
        let alive = put("etsec-eth0-7");
        assert!(sys::try_lock(&alive).unwrap());
        assert_eq!(dead(&mount, "eth0").unwrap(), [mount.path.join("etsec-eth0-123")]);
        assert_eq!(sweep(&mount, "eth0").unwrap().len(), 1);
        assert!(sweep(&mount, "eth0").unwrap().is_empty());
        assert_eq!(std::fs::read_dir(&mount.path).unwrap().count(), 5);
        assert!(matches!(dead(&mount, "../x"), Err(Error::BadName { .. })));
        let names: Vec<_> = list(&roots).unwrap().into_iter().map(|l| (l.name, l.pid)).collect();
        let expected = [("eth0", 7), ("eth0-tx", 124), ("eth1", 125)];
        assert_eq!(names, expected.map(|(name, pid)| (name.to_owned(), pid)));
    }

    #[test]
    fn who_holds_a_file_is_told_without_touching_it() {
        let (_dir, roots, mount) = tree();
        let path = mount.path.join("etsec-eth0-tx-12");
        let file = File::create(&path).unwrap();
        file.set_len(4096).unwrap();
        let seen = |roots: &Roots| list(roots).unwrap().remove(0);
        assert_eq!((seen(&roots).bytes, seen(&roots).holder), (4096, None));
        // The real table of locks: this process has it now.
        assert!(sys::try_lock(&file).unwrap());
        std::fs::copy("/proc/locks", roots.proc.join("locks")).unwrap();
        // Where the kernel's table names the file system differently (overlays) nobody is found.
        let holder = seen(&roots).holder;
        assert!(holder.is_none_or(|owner| owner == Owner(Some(std::process::id()))), "{holder:?}");
    }

    #[test]
    fn whose_buffers_are_in_a_file_is_told_without_privilege_or_not_at_all() {
        let (_dir, mut roots, mount) = tree();
        std::fs::create_dir_all(roots.proc.join("self")).unwrap();
        let path = mount.path.join("etsec-eth1-77");
        leave_beside(&roots, &path, "uio:eth2");
        // To look takes neither huge pages nor the right to know where they are.
        roots.pagemap = roots.proc.join("nobody");
        assert_eq!(partners(&roots, "eth1").unwrap(), ["uio:eth2"]);
        assert!(partners(&roots, "eth2").unwrap().is_empty());
        // Its owner had not come to give it a length; and what is no memory at all.
        File::create(mount.path.join("etsec-eth3-1")).unwrap();
        std::fs::create_dir(mount.path.join("etsec-eth3-2")).unwrap();
        std::fs::write(mount.path.join("etsec-eth3-3"), "text").unwrap();
        assert!(partners(&roots, "eth3").unwrap().is_empty());
        // What the system refuses to show may name anybody; attributes cannot be mapped.
        let attribute = "/sys/devices/system/cpu/online";
        std::os::unix::fs::symlink(attribute, mount.path.join("etsec-eth4-1")).unwrap();
        let refused = partners(&roots, "eth4");
        assert!(matches!(refused, Err(Error::Io { doing: "map", .. })), "{refused:?}");
    }

    #[test]
    fn files_that_go_while_they_are_listed_are_no_error() {
        let (_dir, roots, mount) = tree();
        let path = mount.path.join("etsec-eth0-7");
        let goes = std::thread::spawn(move || {
            for _ in 0..5000 {
                File::create(&path).unwrap();
                std::fs::remove_file(&path).unwrap();
            }
        });
        while !goes.is_finished() {
            list(&roots).unwrap();
            dead(&mount, "eth0").unwrap();
        }
        goes.join().unwrap();
    }

    #[test]
    fn a_name_may_have_hyphens_and_digits() {
        let name = |file: &str| parse(Path::new(file)).map(|(name, pid)| format!("{name} {pid}"));
        assert_eq!(name("/x/etsec-eth0-1-23").as_deref(), Some("eth0-1 23"));
        for wrong in ["etsec-eth0", "etsec--5", "etsec-a-", "etsec-a-+5", "etsec-a-99999999999"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }
}
