//! Telling a service manager, systemd or `etsec supervise`, that a command runs and is alive. It
//! knows no device, and never waits: a manager that stands still is not worth a frame.

use std::ffi::OsStr;
use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use sd_notify::NotifyState;

/// How long a word is left alone that the manager had no room for.
const AGAIN: Duration = Duration::from_millis(100);

/// Speaks for a running command.
#[derive(Debug)]
pub struct Notify {
    /// How often it has to be heard of; `None`: nobody waits for it.
    every: Option<Duration>,
    /// When it was last heard of.
    spoke: Instant,
    /// When it last tried to be.
    tried: Instant,
    /// The manager knows that all is ready.
    ready: bool,
}

impl Notify {
    /// Says that all is ready.
    pub fn ready() -> Self {
        // Half the time is what the manager recommends; a nap may be as long as that again.
        let every = sd_notify::watchdog_enabled().map(|limit| limit / 4);
        let now = Instant::now();
        Notify { every, spoke: now, tried: now, ready: tell(&[NotifyState::Ready]) }
    }

    /// How often it has to be heard of.
    pub fn every(&self) -> Option<Duration> {
        self.every
    }

    /// Says that it is alive, if it is time for that, or that all is ready, if there was no room
    /// for that word before.
    pub fn alive(&mut self, now: Instant) {
        let due = |every: Duration| now.saturating_duration_since(self.spoke) >= every;
        let word = match self.ready {
            false => NotifyState::Ready,
            true if self.every.is_some_and(due) => NotifyState::Watchdog,
            true => return,
        };
        if now.saturating_duration_since(self.tried) < AGAIN.min(self.every.unwrap_or(AGAIN)) {
            return;
        }
        self.tried = now;
        if tell(&[word]) {
            (self.spoke, self.ready) = (now, true);
        }
    }
}

/// Says it to the manager, if there is one. Returns whether it is of no use to say it again: false
/// if the manager has not taken in yet what was said before, and has no room for more.
pub fn tell(words: &[NotifyState<'_>]) -> bool {
    tell_with(words, &[])
}

/// The same, with files for the manager to keep.
pub fn tell_with(words: &[NotifyState<'_>], files: &[BorrowedFd<'_>]) -> bool {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return true };
    match say(&path, words, files) {
        Ok(()) => true,
        Err(error) => {
            log::debug!("the service manager does not hear: {error}");
            error.kind() != ErrorKind::WouldBlock
        }
    }
}

fn say(path: &OsStr, words: &[NotifyState<'_>], files: &[BorrowedFd<'_>]) -> io::Result<()> {
    let manager = match path.as_bytes() {
        // A name that is in no folder.
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(path),
    }?;
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&manager)?;
    let text: String = words.iter().map(|word| format!("{word}\n")).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(ErrorKind::InvalidInput.into());
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    sendmsg(&socket, &[IoSlice::new(text.as_bytes())], &mut beside, flags)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd as _;

    #[test]
    fn words_arrive_under_names_and_paths_and_nobody_waits_for_room() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manager");
        let name = format!("@etsec-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name[1..]).unwrap();
        let managers = [
            (path.as_os_str(), UnixDatagram::bind(&path).unwrap()),
            (OsStr::new(&name), UnixDatagram::bind_addr(&address).unwrap()),
        ];
        for (at, manager) in managers {
            let words = [NotifyState::FdStore, NotifyState::FdName("dir")];
            let file = std::fs::File::open(dir.path()).unwrap();
            say(at, &words, &[file.as_fd()]).unwrap();
            let mut message = [0; 64];
            let length = manager.recv(&mut message).unwrap();
            assert_eq!(&message[..length], b"FDSTORE=1\nFDNAME=dir\n");
            // It stands still from here on.
            let full = loop {
                if let Err(error) = say(at, &[NotifyState::Watchdog], &[]) {
                    break error;
                }
            };
            assert_eq!(full.kind(), ErrorKind::WouldBlock);
        }
        assert!(say(OsStr::new("/no/such/manager"), &[NotifyState::Ready], &[]).is_err());
    }
}
