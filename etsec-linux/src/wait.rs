//! Waiting for a device: interrupts of UIO, or the simulator's event descriptor, behind one
//! pollable descriptor.
//!
//! It knows which line woke, not why: the events behind a line are read and acknowledged through
//! etsec-core.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use crate::error::{Error, system};
use crate::uio::Uio;

/// The interrupt lines a wake-up stands for (HW 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lines {
    /// The transmit line.
    pub tx: bool,
    /// The receive line.
    pub rx: bool,
    /// The error line.
    pub err: bool,
}

impl Lines {
    /// No line.
    pub const NONE: Lines = Lines { tx: false, rx: false, err: false };
    /// The transmit line alone.
    pub const TX: Lines = Lines { tx: true, ..Lines::NONE };
    /// The receive line alone.
    pub const RX: Lines = Lines { rx: true, ..Lines::NONE };
    /// The error line alone.
    pub const ERR: Lines = Lines { err: true, ..Lines::NONE };
    /// All lines: a device with one interrupt for everything.
    pub const ALL: Lines = Lines { tx: true, rx: true, err: true };

    /// Whether there is any.
    #[must_use]
    pub const fn any(self) -> bool {
        self.tx || self.rx || self.err
    }

    fn add(&mut self, other: Lines) {
        self.tx |= other.tx;
        self.rx |= other.rx;
        self.err |= other.err;
    }
}

/// Why [`Waiter::wait`] came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Woken {
    /// The lines that fired; none after a time-out or a signal.
    pub lines: Lines,
    /// How many interrupts that were; the kernel counts on while nobody waits.
    pub interrupts: u32,
}

/// A line of a device that is not UIO's: an event descriptor, as `eventfd` makes them, that rings.
pub struct Bell {
    /// What becomes readable.
    pub event: OwnedFd,
    /// The lines it stands for.
    pub lines: Lines,
    /// Lets the next ring through, as [`Uio::enable`] does.
    pub enable: Box<dyn Fn() + Send>,
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").field("lines", &self.lines).finish_non_exhaustive()
    }
}

/// Where wake-ups come from.
enum Origin {
    Uio(Uio),
    Event { event: OwnedFd, enable: Box<dyn Fn() + Send> },
}

/// One descriptor, the lines it stands for, and whether its next interrupt is let through.
struct Source {
    from: Origin,
    lines: Lines,
    armed: bool,
}

/// Waits for the interrupts of one port.
///
/// The order that loses nothing: [`Waiter::enable`], `wait`, take the events of the lines that
/// fired, work, and again. An interrupt that came in between is still pending at the device and
/// fires at once when the line is enabled.
pub struct Waiter {
    sources: Vec<Source>,
    /// Holds every source, so that callers have a single descriptor to poll.
    epoll: OwnedFd,
}

impl Waiter {
    /// A waiter on the interrupts of these open UIO devices, each with the lines it stands for.
    ///
    /// # Errors
    /// What the system says; a file that cannot be polled is no UIO device.
    pub fn uio(uios: Vec<(Uio, Lines)>) -> Result<Self, Error> {
        let source = |(uio, lines)| Source { from: Origin::Uio(uio), lines, armed: false };
        Self::new(uios.into_iter().map(source).collect())
    }

    /// A waiter on bells, as a simulated device rings them.
    ///
    /// # Errors
    /// What the system says.
    pub fn bells(bells: Vec<Bell>) -> Result<Self, Error> {
        let source = |Bell { event, lines, enable }| {
            let from = Origin::Event { event, enable };
            Source { from, lines, armed: false }
        };
        Self::new(bells.into_iter().map(source).collect())
    }

    fn new(sources: Vec<Source>) -> Result<Self, Error> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC);
        let epoll = epoll.map_err(system("make an epoll set"))?;
        for (index, source) in sources.iter().enumerate() {
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&epoll, source.as_fd(), data, epoll::EventFlags::IN)
                .map_err(system("poll the device's interrupt"))?;
        }
        Ok(Waiter { sources, epoll })
    }

    /// Waits until a line fires or `timeout` is over; without one, for ever. Takes what fired.
    ///
    /// A signal ends the wait early with no line.
    ///
    /// # Errors
    /// What the system or UIO says.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Woken, Error> {
        let mut ready = [epoll::Event { flags: epoll::EventFlags::empty(), data: zero() }; 4];
        let limit = timeout.map(whole_milliseconds);
        let count = match epoll::wait(&self.epoll, &mut ready[..], limit.as_ref()) {
            Ok(count) => count,
            Err(Errno::INTR) => 0,
            Err(error) => return Err(system("wait for the device")(error)),
        };
        let mut woken = Woken::default();
        for event in &ready[..count] {
            let index = event.data.u64() as usize;
            if let Some(source) = self.sources.get_mut(index) {
                source.take(&mut woken)?;
            }
        }
        Ok(woken)
    }

    /// Lets the lines that fired through again, all of them at the first call.
    ///
    /// # Errors
    /// What UIO says.
    pub fn enable(&mut self) -> Result<(), Error> {
        for source in self.sources.iter_mut().filter(|source| !source.armed) {
            // Before the line is let through, for it may fire at once.
            source.armed = true;
            match &source.from {
                Origin::Uio(uio) => uio.enable()?,
                Origin::Event { enable, .. } => enable(),
            }
        }
        Ok(())
    }
}

impl Source {
    /// Takes the wake-up that made the descriptor readable.
    fn take(&mut self, woken: &mut Woken) -> Result<(), Error> {
        let count = match &mut self.from {
            Origin::Uio(uio) => uio.wait()?,
            Origin::Event { event, .. } => {
                let mut count = [0; 8];
                match rustix::io::read(&*event, &mut count) {
                    Ok(_) => u64::from_ne_bytes(count).min(u32::MAX.into()) as u32,
                    // Somebody else took it.
                    Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                    Err(error) => return Err(system("read the event descriptor")(error)),
                }
            }
        };
        woken.interrupts = woken.interrupts.saturating_add(count);
        woken.lines.add(self.lines);
        self.armed = false;
        Ok(())
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.from {
            Origin::Uio(uio) => uio.as_fd(),
            Origin::Event { event, .. } => event.as_fd(),
        }
    }
}

impl AsFd for Waiter {
    /// Readable when [`Waiter::wait`] would not block: for poll, epoll and event loops.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("sources", &self.sources.len()).finish_non_exhaustive()
    }
}

fn zero() -> epoll::EventData {
    epoll::EventData::new_u64(0)
}

/// Rounded up, so that a short wait is not a busy loop, and so that kernels without the finer call
/// will do.
fn whole_milliseconds(limit: Duration) -> Timespec {
    let milliseconds = limit.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as i64;
    Timespec { tv_sec: milliseconds / 1000, tv_nsec: (milliseconds % 1000 * 1_000_000) as _ }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uio::tests::interrupt;
    use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
    use std::io::{Read, Write};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    const SHORT: Option<Duration> = Some(Duration::from_millis(1));
    const LONG: Option<Duration> = Some(Duration::from_secs(10));

    fn readable(waiter: &Waiter) -> bool {
        let mut fds = [PollFd::new(waiter, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
    }

    #[test]
    fn the_line_that_fired_is_told_and_counted_across_the_wrap_of_the_counter() {
        let (tx, _tx_kernel) = interrupt(0);
        let (rx, mut rx_kernel) = interrupt(u32::MAX - 1);
        let mut waiter = Waiter::uio(vec![(tx, Lines::TX), (rx, Lines::RX)]).unwrap();
        assert_eq!(waiter.wait(SHORT).unwrap(), Woken::default());
        assert!(!readable(&waiter));

        rx_kernel.write_all(&1u32.to_ne_bytes()).unwrap();
        assert!(readable(&waiter));
        assert_eq!(waiter.wait(LONG).unwrap(), Woken { lines: Lines::RX, interrupts: 3 });
        assert!(!readable(&waiter));
    }

    #[test]
    fn only_lines_that_fired_are_enabled_again() {
        let (tx, mut tx_kernel) = interrupt(0);
        let (rx, mut rx_kernel) = interrupt(0);
        let mut waiter = Waiter::uio(vec![(tx, Lines::TX), (rx, Lines::RX)]).unwrap();
        let mut written = [0; 4];
        waiter.enable().unwrap();
        for kernel in [&mut tx_kernel, &mut rx_kernel] {
            kernel.read_exact(&mut written).unwrap();
            assert_eq!(u32::from_ne_bytes(written), 1);
        }
        tx_kernel.write_all(&1u32.to_ne_bytes()).unwrap();
        assert_eq!(waiter.wait(LONG).unwrap().lines, Lines::TX);
        waiter.enable().unwrap();
        waiter.enable().unwrap();
        tx_kernel.read_exact(&mut written).unwrap();
        drop(waiter);
        // Nothing more was written to either.
        assert_eq!(tx_kernel.read(&mut written).unwrap(), 0);
        assert_eq!(rx_kernel.read(&mut written).unwrap(), 0);
    }

    #[test]
    fn bells_are_taken_and_enabled_like_interrupts() {
        let enabled = Arc::new(AtomicU32::new(0));
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).unwrap();
        let ringer = event.try_clone().unwrap();
        let count = Arc::clone(&enabled);
        let enable = Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let mut waiter = Waiter::bells(vec![Bell { event, lines: Lines::RX, enable }]).unwrap();
        waiter.enable().unwrap();
        waiter.enable().unwrap();
        assert_eq!(enabled.load(Ordering::Relaxed), 1);
        assert!(!waiter.wait(SHORT).unwrap().lines.any());
        rustix::io::write(&ringer, &2u64.to_ne_bytes()).unwrap();
        assert_eq!(waiter.wait(LONG).unwrap(), Woken { lines: Lines::RX, interrupts: 2 });
        assert!(!waiter.wait(SHORT).unwrap().lines.any());
        waiter.enable().unwrap();
        assert_eq!(enabled.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn times_are_rounded_up_to_milliseconds() {
        let time = |limit| {
            let time = whole_milliseconds(limit);
            (time.tv_sec, time.tv_nsec)
        };
        assert_eq!(time(Duration::from_nanos(1)), (0, 1_000_000));
        assert_eq!(time(Duration::from_millis(2500)), (2, 500_000_000));
        assert_eq!(time(Duration::ZERO), (0, 0));
        assert_eq!(time(Duration::MAX).0, i64::from(i32::MAX) / 1000);
    }
}
