//! Numbered frames into a port and back, at the speed at which it answers: one thread writes them
//! to a socket, one takes what comes. It knows frames; what their numbers mean is the ledger's
//! business.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::ledger::Ledger;

/// The station address of the port.
pub const STATION: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// Ours.
const PEER: [u8; 6] = [2, 0, 0, 0, 0, 9];
/// Set aside for experiments.
const ETHERTYPE: [u8; 2] = [0x88, 0xB5];
/// Frames that may be under way: more than a ring has descriptors, so that it is full at times.
const WINDOW: u64 = 400;
/// How long to wait for room in it.
const PAUSE: Duration = Duration::from_micros(100);

/// Frame number `n`; its size follows from it.
pub fn frame(n: u64) -> Vec<u8> {
    let mut bytes = [&STATION[..], &PEER, &ETHERTYPE, &n.to_be_bytes()].concat();
    let size = 60 + (n * 37 % 191) as usize;
    bytes.resize(size, n as u8);
    bytes
}

/// The number of a frame that has come back; none if it is not one of ours as we sent it, but with
/// its addresses exchanged.
pub fn number(bytes: &[u8]) -> Option<u64> {
    let n = u64::from_be_bytes(bytes.get(14..22)?.try_into().ok()?);
    let sent = frame(n);
    let same = bytes[..6] == PEER && bytes[6..12] == STATION && bytes[12..] == sent[12..];
    same.then_some(n)
}

/// Both threads.
#[derive(Debug)]
pub struct Traffic {
    shared: Arc<Shared>,
    stream: UnixStream,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ledger: Mutex<Ledger>,
    sent: AtomicU64,
    damaged: AtomicU64,
    stop: AtomicBool,
    broken: AtomicBool,
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Traffic {
    /// Begins at the wire that `socket` is.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn start(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)
            .with_context(|| format!("cannot connect to {}", socket.display()))?;
        let shared = Arc::new(Shared::default());
        let (out, back) = (stream.try_clone()?, stream.try_clone()?);
        let (sending, taking) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            std::thread::spawn(move || {
                let done = send(&sending, out);
                sending.broken.fetch_or(done.is_err(), Ordering::Relaxed);
            }),
            std::thread::spawn(move || take(&taking, back)),
        ];
        Ok(Self { shared, stream, threads })
    }

    /// Below which number everything has come back, or never will.
    pub fn next(&self) -> u64 {
        self.shared.ledger().next()
    }

    /// How many frames have come back.
    pub fn out(&self) -> u64 {
        self.shared.ledger().out()
    }

    /// How many have been sent.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Acquire)
    }

    /// Notes a death, see [`Ledger::died`].
    pub fn died(&self, from: u64, to: u64) {
        self.shared.ledger().died(from, to);
    }

    /// Sends no more.
    pub fn stop_sending(&self) {
        self.shared.stop.store(true, Ordering::Release);
    }

    /// Ends it; what became of the frames.
    ///
    /// # Errors
    /// A frame was damaged, or the wire broke.
    pub fn finish(mut self) -> Result<Ledger> {
        let broken = self.shared.broken.load(Ordering::Relaxed);
        self.end();
        ensure!(!broken, "the wire broke while frames were sent");
        let damaged = self.shared.damaged.load(Ordering::Relaxed);
        ensure!(damaged == 0, "{damaged} frames came back damaged, or were none of ours");
        Ok(std::mem::take(&mut *self.shared.ledger()))
    }

    fn end(&mut self) {
        self.stop_sending();
        // Both threads wake; a wire that is gone already is as good.
        let _ = self.stream.shutdown(Shutdown::Both);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.end();
    }
}

fn send(shared: &Shared, mut stream: UnixStream) -> std::io::Result<()> {
    let mut n = 0;
    while !shared.stop.load(Ordering::Acquire) {
        if n >= shared.ledger().next() + WINDOW {
            std::thread::sleep(PAUSE);
            continue;
        }
        let frame = frame(n);
        // First: what is noted at a death must not be less than what was sent.
        n += 1;
        shared.sent.store(n, Ordering::Release);
        let bytes = [&(frame.len() as u32).to_be_bytes(), &frame[..]].concat();
        stream.write_all(&bytes)?;
    }
    Ok(())
}

fn take(shared: &Shared, mut stream: UnixStream) {
    let mut length = [0; 4];
    let mut bytes = Vec::new();
    while stream.read_exact(&mut length).is_ok() {
        bytes.resize(u32::from_be_bytes(length) as usize, 0);
        if stream.read_exact(&mut bytes).is_err() {
            return;
        }
        match number(&bytes) {
            Some(n) => shared.ledger().came(n),
            None => drop(shared.damaged.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_known_when_it_comes_back() {
        for n in [0, 1, 77, 1 << 40] {
            let sent = frame(n);
            assert!((60..=250).contains(&sent.len()));
            let mut back = [&PEER[..], &STATION, &sent[12..]].concat();
            assert_eq!(number(&back), Some(n));
            assert_eq!(number(&sent), None, "its addresses are not exchanged");
            *back.last_mut().expect("a byte") ^= 1;
            assert_eq!(number(&back), None);
        }
        assert_eq!(number(&[0; 10]), None);
    }
}
