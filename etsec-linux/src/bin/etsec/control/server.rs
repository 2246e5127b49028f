//! The owner's side: looked at now and then by the loop that moves frames, which never waits for
//! it.

use std::fs::Permissions;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use etsec_linux::Roots;

use super::place::path;
use super::{Answer, Request};
use crate::sockets::{self, Kind};

/// Who may be about to ask at a time, and how many are let in at a time.
const CLIENTS: usize = 64;
/// The longest request in bytes.
const REQUEST: usize = 1 << 16;
/// A client that has asked nothing for this long is sent away.
const PATIENCE: Duration = Duration::from_secs(1);

/// Somebody else is asked there.
#[derive(Debug, thiserror::Error)]
#[error("another process listens at {}", .0.display())]
pub struct Taken(PathBuf);

/// A socket that others ask at.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    request: Vec<u8>,
    since: Instant,
}

impl Server {
    /// Listens for those who ask about `device`. A socket that a dead owner has left behind is
    /// taken over; those of other devices are removed.
    ///
    /// # Errors
    /// What the system says, with the cure if it is about the folder; [`Taken`].
    pub fn open(roots: &Roots, device: &str) -> Result<Self> {
        let path = path(roots, device);
        let refused = || sockets::refusal(&path);
        std::fs::create_dir_all(&roots.locks).with_context(refused)?;
        sockets::sweep(roots, Kind::Control);
        if UnixStream::connect(&path).is_ok() {
            bail!(Taken(path));
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(refused);
            }
            _ => {}
        }
        let listener = UnixListener::bind(&path).with_context(refused)?;
        let named = || format!("cannot listen at {}", path.display());
        // To change a port takes as much as to run it.
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).with_context(named)?;
        listener.set_nonblocking(true).with_context(named)?;
        Ok(Server { listener, path, clients: Vec::new() })
    }

    /// Whether somebody has come and not asked yet.
    pub fn is_awaiting(&self) -> bool {
        !self.clients.is_empty()
    }

    /// Answers all who have asked, and waits for nobody. Who finds no place gets that of the one
    /// who has been silent for longest; who cannot be let in, for want of descriptors for example,
    /// is tried again the next time.
    pub fn serve(&mut self, mut answer: impl FnMut(Request) -> Answer) {
        for _ in 0..CLIENTS {
            let Ok((stream, _)) = self.listener.accept() else { break };
            if stream.set_nonblocking(true).is_ok() {
                self.clients.push(Client { stream, request: Vec::new(), since: Instant::now() });
            }
        }
        self.clients.retain_mut(|client| match client.read() {
            Progress::Waits => client.since.elapsed() < PATIENCE,
            Progress::Gone => false,
            Progress::Asks => {
                client.reply(&mut answer);
                false
            }
        });
        // Those who have asked have been answered by now: the others are silent.
        let many = self.clients.len().saturating_sub(CLIENTS);
        self.clients.drain(..many);
    }
}

impl AsFd for Server {
    /// Readable when somebody comes.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Who asks from now on is told that nobody runs the port, with or without the file.
        let _ = std::fs::remove_file(&self.path);
    }
}

enum Progress {
    Waits,
    Asks,
    Gone,
}

impl Client {
    fn read(&mut self) -> Progress {
        let mut bytes = [0; 4096];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return Progress::Gone,
                Ok(n) => self.request.extend_from_slice(&bytes[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Waits,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Progress::Gone,
            }
            if self.request.ends_with(b"\n") || self.request.len() > REQUEST {
                return Progress::Asks;
            }
        }
    }

    fn reply(&mut self, answer: &mut impl FnMut(Request) -> Answer) {
        let answer = match serde_json::from_slice(&self.request) {
            Ok(request) => answer(request),
            Err(error) => Answer::Refused(format!("not understood: {error}")),
        };
        let mut line = serde_json::to_vec(&answer).unwrap_or_default();
        line.push(b'\n');
        // One who does not take it in has given up.
        let _ = self.stream.write_all(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{NobodyRuns, ask};
    use crate::signals::Stop;
    use serde_json::json;

    /// An owner that answers `count` requests.
    fn owner(roots: &Roots, count: usize) -> std::thread::JoinHandle<()> {
        let mut server = Server::open(roots, "uio:eth0").unwrap();
        std::thread::spawn(move || {
            let mut left = count;
            while left > 0 {
                server.serve(|request| {
                    left -= 1;
                    match request {
                        Request::Show | Request::Look => Answer::Done(json!({ "mtu": 1500 })),
                        Request::Set { section, .. } => Answer::Refused(format!("no {section}")),
                        Request::Act { words, .. } => Answer::Done(words.into()),
                    }
                });
                std::thread::sleep(Duration::from_millis(1));
            }
        })
    }

    #[test]
    fn an_owner_is_asked_and_told() {
        let dir = tempfile::tempdir().unwrap();
        let (roots, stop) = (Roots::below(dir.path()), Stop::default());
        let error = ask(&roots, "uio:eth0", &Request::Show, &stop).unwrap_err().to_string();
        assert!(error.contains("uio:eth0: nobody runs it"), "{error}");
        let thread = owner(&roots, 2);
        assert!(Server::open(&roots, "uio:eth0").is_err(), "there is one owner");
        assert_eq!(ask(&roots, "uio:eth0", &Request::Show, &stop).unwrap(), json!({ "mtu": 1500 }));
        let set = Request::Set { section: "x".into(), values: serde_json::Map::new() };
        assert_eq!(ask(&roots, "uio:eth0", &set, &stop).unwrap_err().to_string(), "uio:eth0: no x");
        thread.join().unwrap();
        assert!(ask(&roots, "uio:eth0", &Request::Show, &stop).is_err(), "the socket has gone");
    }

    #[test]
    fn what_dead_owners_of_other_devices_have_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::below(dir.path());
        let mut dead = Server::open(&roots, "uio:eth0").unwrap();
        let path = std::mem::replace(&mut dead.path, "/nowhere".into());
        drop(dead);
        assert!(path.exists());
        let living = Server::open(&roots, "uio:eth1").unwrap();
        assert!(!path.exists());
        let _other = Server::open(&roots, "uio:eth2").unwrap();
        assert!(living.path.exists());
    }

    #[test]
    fn a_folder_that_cannot_be_had_is_named_on_both_sides() {
        let dir = tempfile::tempdir().unwrap();
        let (roots, stop) = (Roots::below(dir.path()), Stop::default());
        std::fs::create_dir_all(dir.path().join("run")).unwrap();
        let why = || ask(&roots, "uio:eth0", &Request::Show, &stop).unwrap_err();
        let missing = why();
        assert!(missing.is::<NobodyRuns>());
        assert!(missing.to_string().contains("run/lock is missing; make it"), "{missing}");
        std::fs::write(&roots.locks, "no folder").unwrap();
        let error = format!("{:#}", Server::open(&roots, "uio:eth0").unwrap_err());
        assert!(error.contains("run/lock is no folder; make it usable as root"), "{error}");
        let missing = why().to_string();
        assert!(missing.contains("run/lock is no folder"), "{missing}");
    }

    #[test]
    fn those_who_come_and_say_nothing_keep_nobody_out() {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Server::open(&Roots::below(dir.path()), "uio:eth0").unwrap();
        let silent: Vec<_> = (0..3 * CLIENTS)
            .map(|n| {
                let stream = UnixStream::connect(&server.path).unwrap();
                if n % CLIENTS == CLIENTS - 1 {
                    server.serve(|_| unreachable!("nobody has asked"));
                }
                stream
            })
            .collect();
        assert_eq!(server.clients.len(), CLIENTS);
        let mut asks = UnixStream::connect(&server.path).unwrap();
        asks.write_all(b"\"show\"\n").unwrap();
        server.serve(|_| Answer::Done(json!(7)));
        let mut answer = String::new();
        asks.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "{\"done\":7}\n");
        // The first ones have been sent away, the last ones may still ask.
        let is_open = |mut stream: &UnixStream| {
            stream.set_nonblocking(true).unwrap();
            stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        };
        assert!(!is_open(&silent[0]) && is_open(silent.last().unwrap()));
    }

    #[test]
    fn nonsense_is_refused_and_what_a_dead_owner_left_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::below(dir.path());
        let mut server = Server::open(&roots, "sim,wire=tap:a/b").unwrap();
        let path = server.path.clone();
        assert!(path.ends_with("etsec-sim%2Cwire%3Dtap%3Aa%2Fb.control"), "{}", path.display());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(b"{\"nonsense\":1}\n").unwrap();
        // What was written is there at once, so one look is enough; the answer ends the connection.
        server.serve(|_| unreachable!("nothing was asked"));
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("refused") && answer.contains("not understood"), "{answer}");
        // As after `kill -9`: the file stays, and nobody listens.
        std::mem::forget(std::mem::replace(&mut server.path, "/nowhere".into()));
        drop(server);
        assert!(path.exists());
        let server = Server::open(&roots, "sim,wire=tap:a/b").unwrap();
        drop(server);
        assert!(!path.exists());
    }
}
