//! A running device whose queues a TCP/IP stack has, and what such a stack waits for. It knows no
//! socket.

use std::time::{Duration, Instant};

use anyhow::Result;
use etsec_core::MacAddr;
use etsec_core::adapters::smoltcp::SmoltcpPort;
use etsec_linux::Lines;

use super::{Bell, totals};
use crate::counters::PortCounters;
use crate::keeper::Keeper;
use crate::meter::Totals;

/// A running device whose queues are in the hands of smoltcp.
#[derive(Debug)]
pub struct NetStation {
    keeper: Keeper,
    /// The queues and the pool.
    pub port: SmoltcpPort<Bell>,
    /// How often the stack had found no room to send in by the last wait.
    exhausted: u64,
}

impl NetStation {
    /// A device whose queues the stack has by now.
    pub(super) fn new(keeper: Keeper, port: SmoltcpPort<Bell>) -> Self {
        NetStation { keeper, port, exhausted: 0 }
    }

    /// The station address.
    pub fn mac(&self) -> MacAddr {
        self.keeper.mac()
    }

    /// The device, as the user named it.
    pub fn name(&self) -> &str {
        self.keeper.name()
    }

    /// Sleeps until the device has something to say, `most` at most, and never longer than a nap;
    /// and not longer than the stack can be left alone, which is `delay`.
    ///
    /// A stack that has found no room can do nothing before a frame has left, though it would like
    /// to at once; nor can it take any, for it answers as it takes.
    pub fn wait(&mut self, most: Duration, delay: Option<Duration>) -> Result<()> {
        let wait = self.begin_wait(most, delay);
        let (done, port) = (self.done(), &self.port);
        self.keeper.wait(wait.lines, Some(wait.limit), done, || wait.is_over(port))?;
        self.look_after()
    }

    /// What there is to wait for.
    fn begin_wait(&mut self, most: Duration, delay: Option<Duration>) -> NetWait {
        let exhausted = self.port.counters().exhausted;
        let before = std::mem::replace(&mut self.exhausted, exhausted);
        if exhausted != before && self.port.tx().pending() > 0 {
            return NetWait { lines: Lines { rx: false, ..Lines::ALL }, limit: most };
        }
        NetWait { lines: Lines::ALL, limit: delay.map_or(most, |delay| delay.min(most)) }
    }

    /// A number that changes when a frame is taken, or reaped.
    fn done(&self) -> u64 {
        self.port.rx().counters().frames.wrapping_add(self.port.tx().counters().frames)
    }

    /// Makes two devices ready for [`NetStation::wait_for_either`].
    pub fn pair(a: &mut NetStation, b: &mut NetStation) -> Result<()> {
        a.keeper.pair(&b.keeper)
    }

    /// As [`NetStation::wait`], for one of a [pair](NetStation::pair).
    pub fn wait_for_either(
        a: &mut NetStation,
        b: &mut NetStation,
        most: Duration,
        delays: [Option<Duration>; 2],
    ) -> Result<()> {
        let waits = [a.begin_wait(most, delays[0]), b.begin_wait(most, delays[1])];
        let (lines, limit) = (waits.each_ref().map(|wait| wait.lines), waits[0].limit);
        let limit = Some(limit.min(waits[1].limit));
        let done = a.done().wrapping_add(b.done());
        let look = || waits[0].is_over(&a.port) || waits[1].is_over(&b.port);
        a.keeper.wait_for_either(&mut b.keeper, lines, limit, done, look)?;
        a.look_after()?;
        b.look_after()
    }

    /// Looks after the device if it is time.
    pub fn look_after(&mut self) -> Result<()> {
        self.keeper.look_after(Instant::now())
    }

    /// What has passed so far.
    pub fn totals(&self) -> Totals {
        totals(self.port.rx().counters(), self.port.tx().counters())
    }

    /// Stops the device and gives everything back; returns what was counted, and whether it worked.
    ///
    /// # Errors
    /// If there is nothing left to count.
    pub fn stop(self) -> Result<(PortCounters, Result<()>)> {
        let NetStation { keeper, port, .. } = self;
        let end = keeper.stop(port.rx().counters(), port.tx().counters())?;
        let stack = *port.counters();
        drop(port);
        let (counters, closed) = end.close();
        Ok((counters.with_stack(&stack), closed))
    }
}

/// What a stack waits for.
struct NetWait {
    lines: Lines,
    limit: Duration,
}

impl NetWait {
    /// Whether it is there.
    fn is_over(&self, port: &SmoltcpPort<Bell>) -> bool {
        if self.lines.rx { port.rx().has_arrived() } else { port.tx().has_sent() }
    }
}
