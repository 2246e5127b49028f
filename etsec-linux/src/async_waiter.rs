//! Waiting for a device in async code, under any executor (feature `async-io`).
//!
//! It adds to [`Waiter`] a way to be waited for, and knows nothing else.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use async_io::Async;

use crate::error::{Error, system};
use crate::wait::{Lines, Waiter, Woken};

/// A [`Waiter`] whose waits are futures.
///
/// The order that loses nothing is the same: wait until it is [ready](AsyncWaiter::ready),
/// acknowledge the lines that fired with [`EventPort::take`](etsec_core::EventPort::take), look
/// through the rings to their end, and again.
pub struct AsyncWaiter {
    waiter: Waiter,
    /// The same set, as the reactor watches it.
    set: Async<OwnedFd>,
}

impl AsyncWaiter {
    /// Gives a waiter to async code. The first one of a process starts async-io's reactor, a
    /// thread.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(waiter: Waiter) -> Result<Self, Error> {
        let set = waiter.as_fd().try_clone_to_owned();
        let set = set.map_err(system("duplicate an epoll set"))?;
        let set = Async::new(set).map_err(system("watch an epoll set"))?;
        Ok(AsyncWaiter { waiter, set })
    }

    /// Lets the interrupts of `lines` through, and waits until one of all that are let through
    /// fires, a [beat](Waiter::beat) comes or [another descriptor](Waiter::also) is readable. One
    /// that is up already fires at once.
    ///
    /// A future that is dropped has taken nothing: what it would have told of is told by the next.
    ///
    /// # Errors
    /// As [`Waiter::enable`] and [`Waiter::wait`].
    pub async fn ready(&mut self, lines: Lines) -> Result<Woken, Error> {
        self.waiter.enable(lines)?;
        loop {
            // The set is looked at first: an edge that came before may not be one to the reactor.
            let woken = self.waiter.wait(Some(Duration::ZERO))?;
            if woken != Woken::default() {
                return Ok(woken);
            }
            self.set.readable().await.map_err(system("wait for the device"))?;
        }
    }

    /// The waiter itself.
    pub fn waiter(&mut self) -> &mut Waiter {
        &mut self.waiter
    }

    /// The waiter, for code that blocks.
    ///
    /// # Errors
    /// What the system says.
    pub fn into_waiter(self) -> Result<Waiter, Error> {
        self.set.into_inner().map_err(system("let go of an epoll set"))?;
        Ok(self.waiter)
    }
}

impl fmt::Debug for AsyncWaiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncWaiter").field("waiter", &self.waiter).finish_non_exhaustive()
    }
}
