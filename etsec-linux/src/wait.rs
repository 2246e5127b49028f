//! Waiting for a device: interrupts of UIO, or the simulator's event descriptor, behind one
//! pollable descriptor.
//!
//! It knows which line woke, not why: the events behind a line are read and acknowledged through
//! etsec-core.
//!
//! A burst of frames pays for one wait, so a wait is two system calls and no more: the write that
//! lets the interrupt through and `epoll_wait`. Wake-ups are taken edge-triggered, which spares the
//! read that would tell what is known already; and a regular beat in the same set spares those who
//! look after something now and then a timer for each wait.

mod lines;

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::Errno;

pub use self::lines::Lines;
use crate::error::{Error, system};
use crate::sys;
use crate::uio::Uio;

/// Why [`Waiter::wait`] came back: nothing of it after a time-out or a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Woken {
    /// The lines that fired.
    pub lines: Lines,
    /// The lines that fired of a device that was [included](Waiter::include).
    pub included: Lines,
    /// Lines of that device that something is wrong with; its own waiter says what when it
    /// [follows](Waiter::follow).
    pub suspect: Lines,
    /// Whether the [beat](Waiter::beat) came.
    pub beat: bool,
    /// Which [other descriptors](Waiter::also) are readable: bit `n` for number `n`.
    pub also: u32,
}

/// A line of a device that is not UIO's: an event descriptor, as `eventfd` makes them, that rings.
pub struct Bell {
    /// What becomes readable.
    pub event: OwnedFd,
    /// The lines it stands for.
    pub lines: Lines,
    /// Lets the next ring through, as [`Uio::enable`] does; fails if the device is gone.
    pub enable: Box<dyn Fn() -> Result<(), Error> + Send>,
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").field("lines", &self.lines).finish_non_exhaustive()
    }
}

/// Where wake-ups come from.
enum Origin {
    Uio(Uio),
    Event { event: OwnedFd, enable: Box<dyn Fn() -> Result<(), Error> + Send> },
}

impl Origin {
    /// Lets the next one through.
    #[inline]
    fn enable(&self) -> Result<(), Error> {
        match self {
            Origin::Uio(uio) => uio.enable(),
            Origin::Event { enable, .. } => enable(),
        }
    }
}

/// One descriptor, and the lines it stands for.
struct Source {
    from: Origin,
    lines: Lines,
    /// Its next interrupt is let through.
    armed: bool,
    /// There were interrupts since its count was last read.
    unread: bool,
}

impl Source {
    fn new(from: Origin, lines: Lines) -> Self {
        Source { from, lines, armed: false, unread: false }
    }
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
    beat: Option<Beat>,
}

/// A timer, and when it has expired for the last time that somebody took note of.
struct Beat {
    timer: OwnedFd,
    every: Duration,
    last: Instant,
}

/// What a descriptor in the set stands for is told by its data: the beat; another descriptor, with
/// its number from bit 8 on; or lines, as bits, of an included device if that bit is set.
const INCLUDED: u64 = 1 << 3;
const BEAT: u64 = 1 << 4;
const ALSO: u64 = 1 << 5;

impl Waiter {
    /// A waiter on the interrupts of these open UIO devices, each with the lines it stands for.
    ///
    /// # Errors
    /// What the system says; a file that cannot be polled is no UIO device.
    pub fn uio(uios: Vec<(Uio, Lines)>) -> Result<Self, Error> {
        let source = |(uio, lines)| Source::new(Origin::Uio(uio), lines);
        Self::new(uios.into_iter().map(source).collect())
    }

    /// A waiter on bells, as a simulated device rings them.
    ///
    /// # Errors
    /// What the system says.
    pub fn bells(bells: Vec<Bell>) -> Result<Self, Error> {
        let source =
            |Bell { event, lines, enable }| Source::new(Origin::Event { event, enable }, lines);
        Self::new(bells.into_iter().map(source).collect())
    }

    fn new(sources: Vec<Source>) -> Result<Self, Error> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC);
        let epoll = epoll.map_err(system("make an epoll set"))?;
        let waiter = Waiter { sources, epoll, beat: None };
        waiter.watch(&waiter.sources, 0)?;
        Ok(waiter)
    }

    /// Takes sources into the set.
    fn watch(&self, sources: &[Source], whose: u64) -> Result<(), Error> {
        for source in sources {
            let data = epoll::EventData::new_u64(source.lines.to_bits() | whose);
            // Every interrupt is an edge: nothing has to be read for the next one to be seen.
            let edges = epoll::EventFlags::IN | epoll::EventFlags::ET;
            epoll::add(&self.epoll, source.as_fd(), data, edges)
                .map_err(system("poll the device's interrupt"))?;
        }
        Ok(())
    }

    /// Makes every wait end, if nothing else does it, at regular points in time, `every` apart.
    ///
    /// # Errors
    /// What the system says.
    pub fn beat(&mut self, every: Duration) -> Result<(), Error> {
        let last = Instant::now();
        let timer = sys::interval_timer(every).map_err(system("make a timer"))?;
        let data = epoll::EventData::new_u64(BEAT);
        epoll::add(&self.epoll, &timer, data, epoll::EventFlags::IN)
            .map_err(system("poll a timer"))?;
        self.beat = Some(Beat { timer, every, last });
        Ok(())
    }

    /// When the last beat was due that a wait has told of: how late a sleeper is can be known of
    /// this, to a few microseconds.
    #[must_use]
    pub fn last_beat(&self) -> Option<Instant> {
        self.beat.as_ref().map(|beat| beat.last)
    }

    /// Makes every wait end while `fd` is readable or closed, and tells of it in [`Woken::also`] by
    /// bit `number`: a socket that frames are to be sent for, a pipe that says that it is time to
    /// go. It leaves the set when it is closed.
    ///
    /// # Errors
    /// What the system says; [`Error::OutOfRange`] for a number above 31.
    pub fn also(&mut self, fd: impl AsFd, number: u32) -> Result<(), Error> {
        self.add(fd, number, epoll::EventFlags::IN)
    }

    /// As [`Waiter::also`], but once for each time that something new comes, whether or not the
    /// last was taken: a listener whose clients cannot be let in for now does not keep anybody
    /// awake. Nothing that comes between two waits is missed.
    ///
    /// # Errors
    /// As [`Waiter::also`].
    pub fn also_news(&mut self, fd: impl AsFd, number: u32) -> Result<(), Error> {
        self.add(fd, number, epoll::EventFlags::IN | epoll::EventFlags::ET)
    }

    fn add(&self, fd: impl AsFd, number: u32, flags: epoll::EventFlags) -> Result<(), Error> {
        if number >= u32::BITS {
            return Err(Error::OutOfRange {
                what: "number of a descriptor to wait for",
                value: number.to_string(),
                range: "from 0 to 31".into(),
            });
        }
        let data = epoll::EventData::new_u64(ALSO | u64::from(number) << 8);
        epoll::add(&self.epoll, fd, data, flags).map_err(system("poll another descriptor"))
    }

    /// Takes out those devices that stand for any of `lines`, for a thread of its own that waits
    /// for them: one for what arrives and one for what was sent, say. Each then enables and waits
    /// for its own alone; the beat stays here.
    ///
    /// # Errors
    /// What the system says.
    pub fn part(&mut self, lines: Lines) -> Result<Waiter, Error> {
        let (theirs, ours) = std::mem::take(&mut self.sources)
            .into_iter()
            .partition(|source| source.lines.meets(lines));
        self.sources = ours;
        for source in &theirs {
            epoll::delete(&self.epoll, source.as_fd())
                .map_err(system("hand on the device's interrupt"))?;
        }
        Waiter::new(theirs)
    }

    /// Waits for the lines of `other` as well from here on, and tells of them in
    /// [`Woken::included`]; `other` itself then waits for none. Each still enables its own.
    ///
    /// # Errors
    /// What the system says.
    pub fn include(&mut self, other: &Waiter) -> Result<(), Error> {
        for source in &other.sources {
            epoll::delete(&other.epoll, source.as_fd())
                .map_err(system("hand on the device's interrupt"))?;
        }
        self.watch(&other.sources, INCLUDED)
    }

    /// Waits for the lines of `other` as well from here on, as for its own: for who has one thread
    /// for both interrupt groups of a port.
    ///
    /// # Errors
    /// What the system says.
    pub fn join(&mut self, other: Waiter) -> Result<(), Error> {
        self.watch(&other.sources, 0)?;
        self.sources.extend(other.sources);
        Ok(())
    }

    /// Waits until a line fires, a beat comes or `timeout` is over. Takes what fired.
    ///
    /// A signal ends the wait early with nothing.
    ///
    /// # Errors
    /// [`Error::Removed`] if a device has been taken away, or what the system says.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Woken, Error> {
        // What does not fit is told by the next wait, at once.
        let mut ready = [epoll::Event { flags: epoll::EventFlags::empty(), data: zero() }; 4];
        let limit = timeout.map(whole_milliseconds);
        let count = match epoll::wait(&self.epoll, &mut ready[..], limit.as_ref()) {
            Ok(count) => count,
            Err(Errno::INTR) => 0,
            Err(error) => return Err(system("wait for the device")(error)),
        };
        let mut woken = Woken::default();
        for event in &ready[..count] {
            let data = event.data.u64();
            if data & BEAT != 0 {
                woken.beat = self.take_beat()?;
                continue;
            }
            if data & ALSO != 0 {
                woken.also |= 1 << (data >> 8);
                continue;
            }
            let lines = Lines::from_bits(data);
            // Of a device that was taken away nothing else would tell: not every line is enabled
            // again.
            let flags = event.flags;
            let wrong = flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP);
            if data & INCLUDED != 0 {
                woken.included.add(lines);
                if wrong {
                    woken.suspect.add(lines);
                }
            } else {
                woken.lines.add(lines);
                if wrong {
                    self.check(lines)?;
                }
            }
        }
        woken.lines = self.fired(woken.lines, woken.beat)?;
        Ok(woken)
    }

    /// Takes note of what another waiter, which has [included](Waiter::include) this one, has told.
    /// Returns all of this one's lines that fired.
    ///
    /// # Errors
    /// What UIO says, [`Error::Removed`] if a device has been taken away.
    pub fn follow(&mut self, woken: &Woken) -> Result<Lines, Error> {
        if woken.suspect.any() {
            self.check(woken.suspect)?;
        }
        self.fired(woken.included, woken.beat)
    }

    /// Whether the devices behind `lines` can still interrupt. It lets them through, as
    /// [`Waiter::enable`] does.
    #[cold]
    pub(crate) fn check(&self, lines: Lines) -> Result<(), Error> {
        let mut behind = self.sources.iter().filter(|source| source.lines.meets(lines));
        behind.try_for_each(|source| source.from.enable())
    }

    /// These lines have fired, and are to be enabled again. Returns all that have.
    fn fired(&mut self, mut lines: Lines, beat: bool) -> Result<Lines, Error> {
        for source in self.sources.iter_mut().filter(|source| source.lines.meets(lines)) {
            source.armed = false;
            source.unread = true;
        }
        if beat {
            self.read_counts(&mut lines)?;
        }
        Ok(lines)
    }

    /// Reads the counts of those that have fired. An interrupt is an edge to epoll only if the
    /// kernel's count of them is another than was read last; read with every beat, it never comes
    /// round to that.
    fn read_counts(&mut self, lines: &mut Lines) -> Result<(), Error> {
        for source in self.sources.iter_mut().filter(|source| source.unread) {
            source.unread = false;
            if let Origin::Uio(uio) = &mut source.from {
                // Another source may stand for the same line, and be the one that has fired.
                if !is_readable(uio)? {
                    continue;
                }
                uio.wait()?;
                // One that came in this moment has been read as well, and is an edge no more: so
                // the line is told of, whether or not it has fired again.
                source.armed = false;
                lines.add(source.lines);
            }
        }
        Ok(())
    }

    /// All lines of those devices that stand for any of `lines`: the events to acknowledge before
    /// these are let through, for others hold the interrupt of such a device up as well.
    #[must_use]
    pub fn beside(&self, lines: Lines) -> Lines {
        let mut all = Lines::NONE;
        for source in self.sources.iter().filter(|source| source.lines.meets(lines)) {
            all.add(source.lines);
        }
        all
    }

    /// Lets those of `lines` through again that fired, or were never let through before.
    ///
    /// # Errors
    /// What UIO says.
    pub fn enable(&mut self, lines: Lines) -> Result<(), Error> {
        let asleep = |source: &&mut Source| !source.armed && source.lines.meets(lines);
        for source in self.sources.iter_mut().filter(asleep) {
            // Before the line is let through, for it may fire at once.
            source.armed = true;
            source.from.enable()?;
        }
        Ok(())
    }

    /// Takes the beat, without which the timer would not go on; false if there was none.
    fn take_beat(&mut self) -> Result<bool, Error> {
        let Some(beat) = &mut self.beat else { return Ok(false) };
        let mut count = [0; 8];
        match rustix::io::read(&beat.timer, &mut count) {
            Ok(_) => {
                let count = u32::try_from(u64::from_ne_bytes(count)).unwrap_or(u32::MAX);
                let last = beat.last.checked_add(beat.every.saturating_mul(count));
                beat.last = last.unwrap_or(beat.last);
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(error) => Err(system("read a timer")(error)),
        }
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

/// Whether reading it would not wait.
fn is_readable(fd: &impl AsFd) -> Result<bool, Error> {
    let none = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&none)) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(system("look at the device's interrupt")(error)),
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
#[path = "wait_tests.rs"]
mod tests;
