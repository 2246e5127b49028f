//! Sockets beside the lock files: what is said where none can be made, and the removal of those at
//! which nobody listens any more. It does not know what is talked about at them.

use std::fs::DirEntry;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use etsec_linux::Roots;
use rustix::fs::{Access, access};

/// What a socket is for, which its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The owner of a port is asked there.
    Control,
    /// A supervised command speaks there.
    Supervisor,
}

impl Kind {
    fn has(self, name: &str) -> bool {
        let Some(name) = name.strip_prefix("etsec-") else { return false };
        match self {
            Kind::Control => name.ends_with(".control"),
            Kind::Supervisor => name
                .strip_prefix("supervise-")
                .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())),
        }
    }
}

/// Why no socket can be made in `folder`; `None` if one can.
pub fn trouble(folder: &Path) -> Option<&'static str> {
    match folder.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Some("is missing"),
        Ok(what) if !what.is_dir() => Some("is no folder"),
        _ if access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok() => None,
        _ => Some("cannot be written to"),
    }
}

/// What to do about [`trouble`] with `folder`.
pub fn cure(folder: &Path) -> String {
    let folder = folder.display();
    format!("make it usable as root: `install -d -m 1777 {folder}`")
}

/// What keeps a socket from being made at `path`, with the cure if it is the folder.
pub fn refusal(path: &Path) -> String {
    let Some(folder) = path.parent() else { return format!("cannot listen at {}", path.display()) };
    match trouble(folder) {
        Some(why) => format!(
            "cannot listen at {}: the folder {} {why}; {}",
            path.display(),
            folder.display(),
            cure(folder)
        ),
        None => format!("cannot listen at {}", path.display()),
    }
}

/// Removes what dead processes have left of this kind.
pub fn sweep(roots: &Roots, kind: Kind) {
    let Ok(entries) = roots.locks.read_dir() else { return };
    let is_ours = |entry: &DirEntry| {
        entry.file_name().to_str().is_some_and(|name| kind.has(name))
            && entry.file_type().is_ok_and(|what| what.is_socket())
    };
    for entry in entries.filter_map(io::Result::ok).filter(is_ours) {
        let path = entry.path();
        if is_dead(&path) {
            log::debug!("nobody listens at {}: it is removed", path.display());
            // It may be somebody else's, who has to do it.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Whether a socket's process is gone. Nobody who lives hears of the question: one that takes
/// connections is of another type than the one that asks, which is what the answer is then.
fn is_dead(path: &Path) -> bool {
    let asked = UnixDatagram::unbound().and_then(|socket| socket.connect(path));
    asked.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn only_sockets_of_the_kind_at_which_nobody_listens_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::below(dir.path());
        // Where there is nothing, nothing is done.
        sweep(&roots, Kind::Control);
        std::fs::create_dir_all(&roots.locks).unwrap();
        let at = |name: &str| roots.locks.join(name);
        let leave = |name: &str| drop(UnixListener::bind(at(name)).unwrap());
        for name in ["etsec-a.control", "etsec-a", "other.control", "etsec-supervise-x"] {
            leave(name);
        }
        drop(UnixDatagram::bind(at("etsec-supervise-7")).unwrap());
        let living = UnixListener::bind(at("etsec-b.control")).unwrap();
        living.set_nonblocking(true).unwrap();
        let hearing = UnixDatagram::bind(at("etsec-supervise-8")).unwrap();
        std::fs::write(at("etsec-c.control"), "no socket").unwrap();
        std::os::unix::fs::symlink(at("etsec-a"), at("etsec-d.control")).unwrap();
        let left = || {
            let names = roots.locks.read_dir().unwrap();
            let mut names: Vec<String> =
                names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let mut expected = left();
        sweep(&roots, Kind::Control);
        expected.retain(|name| name != "etsec-a.control");
        assert_eq!(left(), expected);
        sweep(&roots, Kind::Supervisor);
        expected.retain(|name| name != "etsec-supervise-7");
        assert_eq!(left(), expected);
        // Nobody has come to the one that lives.
        assert_eq!(living.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(hearing);
    }

    #[test]
    fn a_folder_without_room_is_named_with_the_cure() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock/socket");
        assert!(refusal(&path).contains("lock is missing; make it usable as root: `install -d"));
        std::fs::write(dir.path().join("lock"), "").unwrap();
        assert!(refusal(&path).contains("lock is no folder"), "{}", refusal(&path));
        assert!(!refusal(&dir.path().join("socket")).contains("folder"));
    }
}
