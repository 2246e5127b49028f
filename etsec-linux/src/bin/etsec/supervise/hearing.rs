//! What a supervised command says of itself: a socket of the kind that systemd's services talk to
//! (`sd_notify`), so that it need not know who listens.

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use etsec_linux::Roots;

use crate::sockets::{self, Kind};

/// What has been heard since the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heard {
    /// It is ready.
    pub ready: bool,
    /// It is alive.
    pub alive: bool,
}

/// The socket.
#[derive(Debug)]
pub struct Hearing {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Hearing {
    /// Listens at a path of this process's own.
    pub fn open(roots: &Roots) -> Result<Self> {
        let path = roots.locks.join(format!("etsec-supervise-{}", std::process::id()));
        let named = || sockets::refusal(&path);
        std::fs::create_dir_all(&roots.locks).with_context(named)?;
        sockets::sweep(roots, Kind::Supervisor);
        // Numbers of processes come round; what a dead one has left is nobody's.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(named);
            }
            _ => {}
        }
        let socket = UnixDatagram::bind(&path).with_context(named)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).with_context(named)?;
        socket.set_nonblocking(true).with_context(named)?;
        Ok(Hearing { socket, path })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes all that has been said; it waits for nothing.
    pub fn take(&self) -> Heard {
        let mut heard = Heard::default();
        let mut message = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut message) {
            for line in message[..length].split(|&byte| byte == b'\n') {
                heard.ready |= line == b"READY=1";
                heard.alive |= line == b"WATCHDOG=1";
            }
        }
        heard
    }
}

impl AsFd for Hearing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        // The path is this process's own; what is left of it harms nobody.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_in_whatever_comes_with_them() {
        let dir = tempfile::tempdir().unwrap();
        let hearing = Hearing::open(&Roots::below(dir.path())).unwrap();
        assert_eq!(hearing.take(), Heard::default());
        let speaker = UnixDatagram::unbound().unwrap();
        let say = |words: &[u8]| speaker.send_to(words, hearing.path()).unwrap();
        say(b"STATUS=READY=1\nXREADY=1\n\xff\xfe");
        say(&[b'x'; 8192]);
        say(b"");
        assert_eq!(hearing.take(), Heard::default());
        say(b"STATUS=well\nREADY=1\n");
        say(b"WATCHDOG=1");
        assert_eq!(hearing.take(), Heard { ready: true, alive: true });
        assert_eq!(hearing.take(), Heard::default());
    }

    #[test]
    fn what_other_dead_supervisors_have_left_is_removed_and_a_bad_folder_named() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::below(dir.path());
        std::fs::create_dir_all(&roots.locks).unwrap();
        let dead = roots.locks.join("etsec-supervise-1");
        drop(UnixDatagram::bind(&dead).unwrap());
        drop(Hearing::open(&roots).unwrap());
        assert!(!dead.exists());
        std::fs::remove_dir(&roots.locks).unwrap();
        std::fs::write(&roots.locks, "").unwrap();
        let error = Hearing::open(&roots).unwrap_err().to_string();
        assert!(error.contains("is no folder; make it usable as root"), "{error}");
    }

    #[test]
    fn nothing_is_left_behind_and_what_was_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::below(dir.path());
        let hearing = Hearing::open(&roots).unwrap();
        let path = hearing.path().to_owned();
        // As a killed process leaves it.
        std::mem::forget(hearing);
        let again = Hearing::open(&roots).unwrap();
        assert_eq!(again.path(), path);
        drop(again);
        assert!(!path.exists());
    }
}
