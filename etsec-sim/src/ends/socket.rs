//! A Unix socket as an end of the wire: whoever connects is the other station. On it, each frame
//! comes behind its length, four bytes with the highest first, as QEMU's `-netdev stream` has it.
//!
//! It knows frames' lengths, and nothing of what is in them.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::ends::{Wire, WireError};
use crate::place;

/// The longest frame there can be.
const FRAME_MAX: usize = 16384;
/// Bytes of a length.
const LENGTH: usize = 4;
/// How much is read at a time.
const READ: usize = 65536;
/// How long a station that reads nothing is waited for. It is gone then.
const PATIENCE: Duration = Duration::from_secs(10);

/// A socket that one station at a time connects to.
///
/// Frames wait in it while the receiver is off or full, so that nothing which was written is lost;
/// frames that are sent while nobody is connected are. Dropping it takes the socket away.
#[derive(Debug)]
pub struct SocketWire {
    listener: UnixListener,
    path: PathBuf,
    peer: Option<Peer>,
}

/// The other station.
#[derive(Debug)]
struct Peer {
    stream: UnixStream,
    /// What has been read; up to `taken` it has been used.
    read: Vec<u8>,
    taken: usize,
}

impl SocketWire {
    /// Listens at `path`. A socket that a dead process has left there is replaced, and nothing
    /// else.
    ///
    /// # Errors
    /// [`ErrorKind::AddrInUse`] if somebody listens there, or something else than a socket is; what
    /// the system says.
    pub fn bind(path: &Path) -> Result<SocketWire, WireError> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && is_dead(path) => {
                std::fs::remove_file(path).and_then(|()| UnixListener::bind(path))
            }
            bound => bound,
        };
        let named = |error| place::named(path, error);
        let listener = listener.map_err(named).map_err(WireError::Io)?;
        listener.set_nonblocking(true).map_err(WireError::Io)?;
        Ok(SocketWire { listener, path: path.into(), peer: None })
    }

    /// The station that is connected, or has just come.
    fn peer(&mut self) -> Result<Option<&mut Peer>, WireError> {
        if self.peer.is_none() {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if is_nothing(&error) => return Ok(None),
                Err(error) => return Err(WireError::Io(error)),
            };
            stream.set_nonblocking(true).map_err(WireError::Io)?;
            self.peer = Some(Peer { stream, read: Vec::new(), taken: 0 });
        }
        Ok(self.peer.as_mut())
    }
}

impl Wire for SocketWire {
    fn send(&mut self, frame: &[u8]) -> Result<(), WireError> {
        let Some(peer) = self.peer()? else { return Ok(()) };
        let bytes = [&(frame.len() as u32).to_be_bytes(), frame].concat();
        // Whoever has gone is no failure of the wire: another one may come.
        if peer.write(&bytes).is_err() {
            self.peer = None;
        }
        Ok(())
    }

    fn receive(&mut self, frame: &mut Vec<u8>) -> Result<bool, WireError> {
        let Some(peer) = self.peer()? else { return Ok(false) };
        match peer.next(frame) {
            Ok(found) => Ok(found),
            Err(_) => {
                self.peer = None;
                Ok(false)
            }
        }
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.peer.as_ref().map_or_else(|| self.listener.as_fd(), |peer| peer.stream.as_fd()))
    }

    fn waits(&self) -> bool {
        true
    }
}

impl Drop for SocketWire {
    fn drop(&mut self) {
        // It may have been taken away already.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Peer {
    /// Puts the next frame into `frame`, if there is one.
    ///
    /// # Errors
    /// The station is gone, or says what is no frame.
    fn next(&mut self, frame: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            let rest = &self.read[self.taken..];
            if let Some((length, rest)) = rest.split_first_chunk::<LENGTH>() {
                let length = u32::from_be_bytes(*length) as usize;
                if !(1..=FRAME_MAX).contains(&length) {
                    return Err(ErrorKind::InvalidData.into());
                }
                if let Some(bytes) = rest.get(..length) {
                    frame.clear();
                    frame.extend_from_slice(bytes);
                    self.taken += LENGTH + length;
                    return Ok(true);
                }
            }
            if !self.read_more()? {
                return Ok(false);
            }
        }
    }

    fn read_more(&mut self) -> io::Result<bool> {
        self.read.drain(..self.taken);
        self.taken = 0;
        let before = self.read.len();
        self.read.resize(before + READ, 0);
        let count = self.stream.read(&mut self.read[before..]);
        self.read.truncate(before + count.as_ref().map_or(0, |count| *count));
        match count {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(true),
            Err(error) if is_nothing(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes all of it, waiting for whoever is slow.
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let limit = Timespec::try_from(PATIENCE).ok();
                    let mut looked = [PollFd::new(&self.stream, PollFlags::OUT)];
                    if poll(&mut looked, limit.as_ref())? == 0 {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn is_dead(path: &Path) -> bool {
    place::is_socket(path)
        && UnixStream::connect(path)
            .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire() -> (tempfile::TempDir, SocketWire) {
        let folder = tempfile::tempdir().unwrap();
        let wire = SocketWire::bind(&folder.path().join("wire")).unwrap();
        (folder, wire)
    }

    fn framed(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
    }

    #[test]
    fn frames_pass_both_ways_whole_however_they_are_cut() {
        let (_folder, mut wire) = wire();
        let mut frame = Vec::new();
        assert!(!wire.receive(&mut frame).unwrap(), "nobody is there");
        wire.send(&[0; 60]).unwrap();
        let mut far = UnixStream::connect(&wire.path).unwrap();
        let bytes = [framed(&[1; 60]), framed(&[2; 1514]), framed(&[3; FRAME_MAX])].concat();
        for cut in bytes.chunks(700) {
            far.write_all(cut).unwrap();
        }
        for (byte, len) in [(1, 60), (2, 1514), (3, FRAME_MAX)] {
            assert!(wire.receive(&mut frame).unwrap());
            assert_eq!(frame, vec![byte; len]);
        }
        assert!(!wire.receive(&mut frame).unwrap());
        far.write_all(&framed(&[4; 60])[..10]).unwrap();
        assert!(!wire.receive(&mut frame).unwrap(), "half a frame");
        far.write_all(&framed(&[4; 60])[10..]).unwrap();
        assert!(wire.receive(&mut frame).unwrap());
        wire.send(&[5; 70]).unwrap();
        let mut got = [0; 74];
        far.read_exact(&mut got).unwrap();
        assert_eq!(got[..], framed(&[5; 70]));
    }

    #[test]
    fn whoever_leaves_or_babbles_makes_room_for_another() {
        let (folder, mut wire) = wire();
        let mut frame = Vec::new();
        for babble in [&[0, 0, 0, 0, 1][..], &[0xFF; 8], &[]] {
            let mut far = UnixStream::connect(&wire.path).unwrap();
            far.write_all(babble).unwrap();
            drop(far);
            assert!(!wire.receive(&mut frame).unwrap());
            assert!(wire.peer.is_none());
        }
        let far = UnixStream::connect(&wire.path).unwrap();
        assert!(!wire.receive(&mut frame).unwrap());
        drop(far);
        wire.send(&[1; 60]).unwrap();
        assert!(wire.peer.is_none());
        // A living one's socket is its own, a dead one's is replaced.
        let path = folder.path().join("wire");
        assert!(matches!(SocketWire::bind(&path), Err(WireError::Io(_))));
        drop(wire);
        assert!(!path.exists());
        drop(UnixListener::bind(&path).unwrap());
        SocketWire::bind(&path).unwrap();
    }

    #[test]
    fn nothing_is_lost_to_who_reads_slowly() {
        let (_folder, mut wire) = wire();
        let mut far = UnixStream::connect(&wire.path).unwrap();
        let reader = std::thread::spawn(move || {
            let mut sum = 0;
            let mut frame = [0; 1004];
            while far.read_exact(&mut frame).is_ok() {
                sum += u32::from(frame[4]);
            }
            sum
        });
        let mut expected = 0;
        for n in 0..5000_u32 {
            wire.send(&[n as u8; 1000]).unwrap();
            expected += n & 0xFF;
        }
        drop(wire);
        assert_eq!(reader.join().unwrap(), expected);
    }
}
