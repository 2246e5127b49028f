//! Numbered frames on the wire of the second port, sent and taken by a thread of their own: they go
//! on while something else is done to the guest. What their numbers mean is the ledger's business.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use super::rig::{LIMIT, Rig};
use crate::crash::{Ledger, Sums, frame, number};
use crate::interrupt;
use crate::qemu::wire::Wire;
use crate::run::POLL;

/// Frames that may be under way. A ring has 256 descriptors, and QEMU may die when it finds one
/// full (HW 15.3); those that a dead process had in its hands count as well until later ones come.
/// Three looks at a ring find so many, so that the guest is always at work.
pub const WINDOW: u64 = 96;
/// How long to wait for a frame before looking elsewhere.
const TURN: Duration = Duration::from_millis(1);
/// Nothing has come for this long: nothing will.
const STILL: Duration = Duration::from_secs(10);

/// Frames under way.
#[derive(Debug)]
pub struct Numbered {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    ledger: Mutex<Ledger>,
    sent: AtomicU64,
    /// No more is to be sent.
    quiet: AtomicBool,
    /// No more will be.
    is_quiet: AtomicBool,
    stop: AtomicBool,
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Numbered {
    /// Begins at number 0.
    pub fn start(rig: &mut Rig) -> Result<Self> {
        super::flow::empty(&mut rig.wires[1])?;
        let wire = rig.wires[1].another()?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = Some(std::thread::spawn(move || pass(&theirs, wire)));
        Ok(Self { shared, thread })
    }

    /// Below which number everything has come back, or never will.
    pub fn next(&self) -> u64 {
        self.shared.ledger().next()
    }

    /// How many have come back.
    pub fn out(&self) -> u64 {
        self.shared.ledger().out()
    }

    /// How many have been sent.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Acquire)
    }

    /// Notes that a process is dead, after numbers below `from` had come back.
    pub fn died(&self, from: u64) {
        // More than what was sent it cannot have had.
        self.shared.ledger().died(from, self.sent());
    }

    /// Waits until so many more have come back.
    pub fn await_more(&self, count: u64) -> Result<()> {
        let (wanted, until) = (self.out() + count, Instant::now() + LIMIT);
        while self.out() < wanted {
            interrupt::check()?;
            ensure!(Instant::now() < until, "{} of {} frames came", self.out(), self.sent());
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Ends it when the last one that was sent has come back, for rings keep the order, or nothing
    /// does any more; what has become of all.
    pub fn finish(self) -> Result<Sums> {
        self.fall_quiet()?;
        let (mut out, mut moved) = (self.out(), Instant::now());
        while self.next() < self.sent() && moved.elapsed() < STILL {
            interrupt::check()?;
            std::thread::sleep(POLL);
            if self.out() > out {
                (out, moved) = (self.out(), Instant::now());
            }
        }
        self.end()
    }

    /// Ends it when so many have come back: nobody is there to send more.
    pub fn finish_at(self, out: u64) -> Result<Sums> {
        self.fall_quiet()?;
        self.await_more(out.saturating_sub(self.out()))?;
        self.end()
    }

    fn fall_quiet(&self) -> Result<()> {
        self.shared.quiet.store(true, Ordering::Release);
        while !self.shared.is_quiet.load(Ordering::Acquire) {
            interrupt::check()?;
            // Where it has failed, `end` says why.
            if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                break;
            }
            std::thread::sleep(TURN);
        }
        Ok(())
    }

    fn end(mut self) -> Result<Sums> {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.join().map_err(|_| anyhow!("the thread at the wire has panicked"))??;
        }
        Ok(self.shared.ledger().sums(self.sent()))
    }
}

impl Drop for Numbered {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // Whatever it has to say, something else has gone wrong already.
            let _ = thread.join();
        }
    }
}

fn pass(shared: &Shared, mut wire: Wire) -> Result<()> {
    let mut sent = 0;
    while !shared.stop.load(Ordering::Acquire) {
        let quiet = shared.quiet.load(Ordering::Acquire);
        shared.is_quiet.store(quiet, Ordering::Release);
        while !quiet && sent < shared.ledger().next() + WINDOW {
            // First: what is noted at a death must not be less than what was sent.
            shared.sent.store(sent + 1, Ordering::Release);
            if !wire.send(&frame(sent))? {
                shared.sent.store(sent, Ordering::Release);
                break;
            }
            sent += 1;
        }
        let mut limit = TURN;
        while let Some(bytes) = wire.receive(limit)? {
            // What is not ours is the guest's, or QEMU's.
            if let Some(n) = number(bytes) {
                shared.ledger().came(n);
            }
            limit = Duration::ZERO;
        }
    }
    Ok(())
}
