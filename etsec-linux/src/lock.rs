//! One owner per device: an exclusive lock on an open file, and the name of who holds it.
//!
//! It knows files and processes, not what they stand for. The kernel drops the lock with the
//! process, however it dies.

use std::fs::{File, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, io};
use crate::roots::Roots;
use crate::sys;

/// Locks `file`, which was opened from `path` and is `what` to the user.
///
/// # Errors
/// [`Error::Busy`] if somebody else has it, with the process's number where `/proc/locks` tells it.
pub fn acquire(roots: &Roots, file: &File, path: &Path, what: &str) -> Result<(), Error> {
    if sys::try_lock(file).map_err(io("lock", path))? {
        return Ok(());
    }
    let owner = holder(roots, file);
    Err(Error::Busy { what: what.into(), path: path.into(), owner: Owner(owner) })
}

/// Opens the file in the directory for locks that is called `name`, to be locked; makes it if it is
/// not there. It stays for good: deleting it would give two processes two locks.
///
/// # Errors
/// What the system says.
pub fn file(roots: &Roots, name: &str) -> Result<(File, PathBuf), Error> {
    std::fs::create_dir_all(&roots.locks).map_err(io("create", &roots.locks))?;
    let path = roots.locks.join(name);
    // A lock takes no more than to read. And whose file it is does not matter then: the kernel may
    // forbid even root to "create" what is there and somebody else's.
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            OpenOptions::new().write(true).create(true).truncate(false).open(&path)
        }
        file => file,
    };
    Ok((file.map_err(io("open", &path))?, path))
}

/// Gives a lock back before the file is closed everywhere.
pub fn release(file: &File) {
    // It can only fail for a file that is not open, and this one is.
    let _ = sys::unlock(file);
}

/// Who has locked the file at `path`, `None` if nobody has. It only looks: the file is not opened,
/// and a lock that is free stays free all the time for whoever comes to take it.
///
/// The kernel has no call that asks for such a lock without taking it, so its table is read. That
/// table leaves out processes of other PID namespaces unless they are within this one's.
///
/// # Errors
/// What the system says about the file or the table.
pub fn owner(roots: &Roots, path: &Path) -> Result<Option<Owner>, Error> {
    owner_of(roots, &path.metadata().map_err(io("look at", path))?)
}

/// The same of a file that was looked at already.
///
/// # Errors
/// What the system says about the table.
pub(crate) fn owner_of(roots: &Roots, meta: &Metadata) -> Result<Option<Owner>, Error> {
    let locks = roots.proc.join("locks");
    match std::fs::read_to_string(&locks) {
        Ok(table) => Ok(find_holder(&table, &file_id(meta))),
        // A kernel without locks has no table of them either.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io("read", &locks)(error)),
    }
}

/// Who holds a lock, as far as it is known; prints as the end of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner(pub Option<u32>);

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("another process"),
        }
    }
}

/// The process that holds a lock on the file behind `file`, if the kernel lists one.
fn holder(roots: &Roots, file: &File) -> Option<u32> {
    let meta = file.metadata().ok()?;
    let table = std::fs::read_to_string(roots.proc.join("locks")).ok()?;
    find_holder(&table, &file_id(&meta))?.0
}

/// How the kernel's table calls a file.
fn file_id(meta: &Metadata) -> String {
    let (major, minor) = sys::split_device(meta.dev());
    format!("{major:02x}:{minor:02x}:{}", meta.ino())
}

/// Searches the text of `/proc/locks` for a whole-file lock on `file_id`.
///
/// A line is `1: FLOCK ADVISORY WRITE 3058 00:1d:1234 0 EOF`; who waits for a lock has `->` in
/// second place. A holder outside this process's namespace has number 0, which names nobody.
fn find_holder(table: &str, file_id: &str) -> Option<Owner> {
    table.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        if fields.next()? != "FLOCK" {
            return None;
        }
        let pid: u32 = fields.nth(2)?.parse().ok()?;
        (fields.next()? == file_id).then_some(Owner((pid != 0).then_some(pid)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    #[test]
    fn the_holder_is_found_in_the_kernels_table() {
        let table = "\
1: POSIX  ADVISORY  WRITE 10 00:1d:77 0 EOF
2: FLOCK  ADVISORY  WRITE 20 00:1d:76 0 EOF
2: -> FLOCK  ADVISORY  WRITE 25 00:1d:77 0 EOF
3: FLOCK  ADVISORY  WRITE 30 00:1d:77 0 EOF
4: FLOCK  ADVISORY  WRITE 0 00:1d:78 0 EOF
5: FLOCK";
        assert_eq!(find_holder(table, "00:1d:77"), Some(Owner(Some(30))));
        assert_eq!(find_holder(table, "00:1d:78"), Some(Owner(None)));
        assert_eq!(find_holder(table, "00:1d:76"), Some(Owner(Some(20))));
        assert_eq!(find_holder(table, "00:1d:79"), None);
        assert_eq!(find_holder("", "00:1d:77"), None);
    }

    #[test]
    fn looking_for_the_owner_takes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::below(dir.path());
        std::fs::create_dir_all(&roots.proc).unwrap();
        let path = dir.path().join("uio0");
        let file = File::create(&path).unwrap();
        // No table, no locks.
        assert_eq!(owner(&roots, &path).unwrap(), None);
        let locks = roots.proc.join("locks");
        let id = file_id(&file.metadata().unwrap());
        std::fs::write(&locks, format!("1: FLOCK  ADVISORY  WRITE 77 {id} 0 EOF\n")).unwrap();
        assert_eq!(owner(&roots, &path).unwrap(), Some(Owner(Some(77))));
        // It is the table that is believed: a lock that is taken and not listed is not noticed,
        // which it would be by trying to take it.
        std::fs::write(&locks, "").unwrap();
        assert!(sys::try_lock(&file).unwrap());
        assert_eq!(owner(&roots, &path).unwrap(), None);
        // One that is deleted meanwhile is what it was when it was looked at.
        let (seen, line) = (path.metadata().unwrap(), format!("1: FLOCK  x  x 78 {id} 0 EOF\n"));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&locks, line).unwrap();
        assert_eq!(owner_of(&roots, &seen).unwrap(), Some(Owner(Some(78))));
        let gone = owner(&roots, &dir.path().join("uio1")).unwrap_err().to_string();
        assert!(gone.contains("uio1"), "{gone}");
    }

    #[test]
    fn a_lock_file_is_made_once_and_need_only_be_read() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::below(dir.path());
        let (first, path) = file(&roots, "etsec-x").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
        let (second, _) = file(&roots, "etsec-x").unwrap();
        assert!(sys::try_lock(&first).unwrap());
        assert!(!sys::try_lock(&second).unwrap());
    }

    /// What the second process does.
    fn hold_a_lock(path: &Path) {
        let file = File::open(path).unwrap();
        acquire(&Roots::default(), &file, path, "uio0").unwrap();
        println!("\nlocked");
        // Until the other side closes its end or kills us.
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }

    #[test]
    fn a_second_process_is_refused_and_told_by_whom() {
        // The second process is this test once more, told by its environment what it is.
        if let Some(path) = std::env::var_os("ETSEC_TEST_LOCK") {
            return hold_a_lock(path.as_ref());
        }
        let this = "lock::tests::a_second_process_is_refused_and_told_by_whom";
        let path = tempfile::NamedTempFile::new().unwrap();
        let again = crate::testing::itself();
        let mut owner = Command::new(&again[0])
            .args(&again[1..])
            .args(["--exact", "--nocapture", this])
            .env("ETSEC_TEST_LOCK", path.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "locked"), "the helper never got the lock");

        let file = File::open(path.path()).unwrap();
        let error = acquire(&Roots::default(), &file, path.path(), "uio0").unwrap_err();
        let Error::Busy { ref what, owner: Owner(pid), .. } = error else { panic!("{error}") };
        assert_eq!(what, "uio0");
        // Where the kernel's table names the file system differently (overlays) the number stays
        // unknown.
        assert!(pid.is_none_or(|pid| pid == owner.id()), "{error}");
        assert!(error.to_string().contains("uio0"), "{error}");

        // A killed owner leaves nothing behind.
        owner.kill().unwrap();
        owner.wait().unwrap();
        acquire(&Roots::default(), &file, path.path(), "uio0").unwrap();
    }
}
