//! Sleeping until a descriptor is readable, a time is over, or somebody kicks.
//!
//! A kick costs a system call only while the other side sleeps.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// One sleeper, any number of kickers.
#[derive(Debug)]
pub(super) struct Kick {
    event: OwnedFd,
    pending: AtomicBool,
    asleep: AtomicBool,
}

impl Kick {
    pub(super) fn new() -> io::Result<Kick> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Kick { event, pending: AtomicBool::new(false), asleep: AtomicBool::new(false) })
    }

    /// Ends the present or the next sleep.
    pub(super) fn kick(&self) {
        // Either the sleeper sees `pending` or we see `asleep`: both orders are sequential.
        self.pending.store(true, Ordering::SeqCst);
        if self.asleep.swap(false, Ordering::SeqCst) {
            // The counter cannot overflow: one write per sleep.
            let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
        }
    }

    /// Forgets the kicks so far: what they were about is looked at now. True if there were any.
    pub(super) fn take(&self) -> bool {
        self.pending.swap(false, Ordering::SeqCst)
    }

    /// Sleeps until a kick that has not been taken, until `fd` is readable, or for `limit`.
    pub(super) fn sleep(&self, fd: Option<BorrowedFd<'_>>, limit: Duration) {
        self.asleep.store(true, Ordering::SeqCst);
        if !self.pending.load(Ordering::SeqCst) {
            // A limit beyond what the kernel can express is none.
            let limit = Timespec::try_from(limit).ok();
            let event = PollFd::new(&self.event, PollFlags::IN);
            let other = fd.unwrap_or(self.event.as_fd());
            let mut fds = [event, PollFd::from_borrowed_fd(other, PollFlags::IN)];
            // Interrupted or not: the caller looks at everything anyway.
            let _ = poll(&mut fds, limit.as_ref());
            if !fds[0].revents().is_empty() {
                let mut count = [0; 8];
                let _ = rustix::io::read(&self.event, &mut count);
            }
        }
        self.asleep.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_kick_ends_the_present_and_the_next_sleep() {
        let kick = Kick::new().unwrap();
        let start = Instant::now();
        kick.kick();
        kick.sleep(None, LONG);
        assert!(kick.take());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                kick.kick();
            });
            kick.sleep(None, LONG);
        });
        assert!(kick.take() && !kick.take());
        assert!(start.elapsed() < LONG / 2);
        // And none is left over.
        let start = Instant::now();
        kick.sleep(None, Duration::from_millis(20));
        assert!(start.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn a_readable_descriptor_ends_a_sleep() {
        let kick = Kick::new().unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        io::Write::write_all(&mut writer, &[1]).unwrap();
        let start = Instant::now();
        kick.sleep(Some(reader.as_fd()), LONG);
        assert!(start.elapsed() < LONG / 2);
    }
}
