//! Our end of a wire that keeps bursts together: a Unix socket, through which each frame goes after
//! its length. What is written at once is in the guest's ring at once, so that the driver finds a
//! whole burst. It counts what comes back and looks at nothing but the EtherType.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};

use crate::qemu::machine::Netdev;

/// The EtherType of our frames, which is set aside for experiments.
const ETHERTYPE: [u8; 2] = [0x88, 0xB5];
/// Destination, source and EtherType.
const HEADER: usize = 14;
/// Bytes in front of each frame.
const LENGTH: usize = 4;

/// A wire that QEMU has not taken its end of yet.
#[derive(Debug)]
pub struct Plug {
    listener: UnixListener,
    path: PathBuf,
}

impl Plug {
    /// A socket of that path.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn new(path: &Path) -> Result<Self> {
        let listener = UnixListener::bind(path);
        let listener = listener.with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { listener, path: path.to_path_buf() })
    }

    /// The wire, for QEMU.
    pub fn netdev(&self) -> Netdev {
        Netdev::Stream(self.path.clone())
    }

    /// The wire, once the guest is up.
    ///
    /// # Errors
    /// Where QEMU has not taken its end.
    pub fn connect(self) -> Result<Wire> {
        // The QEMU that wrote the device tree took it as well, and has gone: the last one counts.
        self.listener.set_nonblocking(true)?;
        let mut stream = None;
        while let Ok((latest, _)) = self.listener.accept() {
            stream = Some(latest);
        }
        let stream: UnixStream = stream.context("QEMU has not taken its end of the wire")?;
        stream.set_nonblocking(false)?;
        let came = Arc::new(AtomicU64::new(0));
        let (reader, counter) = (stream.try_clone()?, Arc::clone(&came));
        std::thread::spawn(move || count(reader, &counter));
        Ok(Wire { stream, came })
    }
}

/// A wire with one end in a guest.
#[derive(Debug)]
pub struct Wire {
    stream: UnixStream,
    came: Arc<AtomicU64>,
}

impl Wire {
    /// Sends a burst.
    ///
    /// # Errors
    /// Where the machine has gone.
    pub fn send(&mut self, burst: &[u8]) -> Result<()> {
        self.stream.write_all(burst).context("the machine takes no frames any more")
    }

    /// How many of our frames have come so far.
    pub fn came(&self) -> u64 {
        self.came.load(Ordering::Acquire)
    }
}

/// `count` frames of `size` bytes from one address to another, as they go through a wire.
pub fn burst(count: usize, size: usize, to: [u8; 6], from: [u8; 6]) -> Vec<u8> {
    let mut frame = (size as u32).to_be_bytes().to_vec();
    frame.extend([&to[..], &from, &ETHERTYPE].concat());
    frame.resize(LENGTH + size, 0);
    frame.repeat(count)
}

/// Counts our frames until the other end is closed.
fn count(mut stream: impl Read, came: &AtomicU64) {
    let (mut bytes, mut have) = (vec![0; 1 << 18], 0);
    while let Ok(read @ 1..) = stream.read(&mut bytes[have..]) {
        have += read;
        let (ours, used) = whole(&bytes[..have]);
        came.fetch_add(ours, Ordering::Release);
        bytes.copy_within(used..have, 0);
        have -= used;
    }
}

/// How many of the whole frames in `bytes` are ours, and how many bytes the whole ones have.
fn whole(bytes: &[u8]) -> (u64, usize) {
    let (mut ours, mut used) = (0, 0);
    while let Some(length) = bytes[used..].first_chunk::<LENGTH>() {
        let end = used + LENGTH + u32::from_be_bytes(*length) as usize;
        let Some(frame) = bytes.get(used + LENGTH..end) else { break };
        ours += u64::from(frame.get(HEADER - 2..HEADER) == Some(&ETHERTYPE));
        used = end;
    }
    (ours, used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_however_they_come() {
        let mut bytes = burst(3, 60, [1; 6], [2; 6]);
        assert_eq!(bytes.len(), 3 * 64);
        bytes.extend([0, 0, 0, 14].iter().chain(&[9; 14]));
        assert_eq!(whole(&bytes), (3, bytes.len()));
        assert_eq!(whole(&bytes[..130]), (2, 128));
        // One byte at a time.
        let came = AtomicU64::new(0);
        struct Slow<'a>(&'a [u8]);
        impl Read for Slow<'_> {
            fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
                let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
                (to[0], self.0) = (*first, rest);
                Ok(1)
            }
        }
        count(Slow(&bytes), &came);
        assert_eq!(came.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn the_last_that_takes_the_other_end_has_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("w");
        let plug = Plug::new(&path).expect("made");
        drop(UnixStream::connect(&path).expect("the first"));
        let mut other = UnixStream::connect(&path).expect("the second");
        let mut wire = plug.connect().expect("taken");
        wire.send(b"abc").expect("sent");
        let mut got = [0; 3];
        other.read_exact(&mut got).expect("came");
        assert_eq!((&got, wire.came()), (b"abc", 0));
        assert!(Plug::new(&folder.path().join("v")).expect("made").connect().is_err());
    }
}
