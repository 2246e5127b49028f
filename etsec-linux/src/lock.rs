//! One owner per device: an exclusive lock on an open file, and the name of who holds it.
//!
//! It knows files and processes, not what they stand for. The kernel drops the lock with the
//! process, however it dies.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

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

/// Gives a lock back before the file is closed everywhere.
pub fn release(file: &File) {
    // It can only fail for a file that is not open, and this one is.
    let _ = sys::unlock(file);
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
    let (major, minor) = sys::split_device(meta.dev());
    let file_id = format!("{major:02x}:{minor:02x}:{}", meta.ino());
    find_holder(&table, &file_id)
}

/// Searches the text of `/proc/locks` for a whole-file lock on `file_id`.
///
/// A line is `1: FLOCK ADVISORY WRITE 3058 00:1d:1234 0 EOF`; who waits for a lock has `->` in
/// second place. A holder outside this process's namespace has number 0, which names nobody.
fn find_holder(table: &str, file_id: &str) -> Option<u32> {
    table.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        if fields.next()? != "FLOCK" {
            return None;
        }
        let pid: u32 = fields.nth(2)?.parse().ok()?;
        (fields.next()? == file_id && pid != 0).then_some(pid)
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
        assert_eq!(find_holder(table, "00:1d:77"), Some(30));
        assert_eq!(find_holder(table, "00:1d:78"), None);
        assert_eq!(find_holder("", "00:1d:77"), None);
    }

    /// Not a test of its own: [`a_second_process_is_refused_and_told_by_whom`] runs it in a second
    /// process.
    #[test]
    #[ignore = "helper process of another test"]
    fn helper_holds_a_lock() {
        let path = std::env::var_os("ETSEC_TEST_LOCK").expect("run by the other test only");
        let file = File::open(&path).unwrap();
        acquire(&Roots::default(), &file, Path::new(&path), "uio0").unwrap();
        println!("\nlocked");
        // Until the other side closes its end or kills us.
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }

    #[test]
    fn a_second_process_is_refused_and_told_by_whom() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let mut owner = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "lock::tests::helper_holds_a_lock"])
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
