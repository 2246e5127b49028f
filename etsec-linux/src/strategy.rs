//! How to wait: look again for a while, and sleep if nothing comes.
//!
//! What a wait is made of is handed in as a [`Park`]; here is when to do what of it, how long to
//! look, and what is learned from how it ended. It knows no device and no descriptor.

use std::hint::spin_loop;
use std::thread::yield_now;
use std::time::{Duration, Instant};

use etsec_core::event::Line;
use etsec_core::park::{Park, park, park_acknowledged, park_after_look};

use crate::error::Error;
use crate::wait::{Lines, Waiter, Woken};
use crate::waits::WaitCounters;

/// How long rings are looked at before a thread sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Budget {
    /// Not at all: an idle thread sleeps at once.
    #[default]
    Off,
    /// So long, at every wait.
    Fixed(Duration),
    /// So long at most: it grows when a sleep has turned out to be shorter than this, and shrinks
    /// to nothing when sleeps are long. An idle port costs nothing.
    Adaptive(Duration),
}

impl Budget {
    /// The longest there is.
    pub const MAX: Duration = Duration::from_millis(10);

    /// What to begin with.
    fn first(self) -> Duration {
        match self {
            Budget::Off | Budget::Adaptive(_) => Duration::ZERO,
            Budget::Fixed(time) => time.min(Self::MAX),
        }
    }

    /// What to go on with after a sleep of `slept`.
    fn after(self, present: Duration, slept: Duration) -> Duration {
        let Budget::Adaptive(most) = self else { return present };
        let most = most.min(Self::MAX);
        if slept <= most {
            return (present * 2).max(GROW_FROM).min(most);
        }
        let less = present / 2;
        if less < GROW_FROM { Duration::ZERO } else { less }
    }
}

/// Shorter than this it is not worth it to look at a clock.
const GROW_FROM: Duration = Duration::from_micros(4);
/// Looks at rings without a look at the clock.
const SPINS: u32 = 32;

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// There was something to do without a sleep.
    Found,
    /// An interrupt of a frame ended a sleep.
    Woken,
    /// Something else did.
    Otherwise,
}

/// What a wait may end with.
pub trait Wakes {
    /// Whether it was the interrupt of a frame, or of everything where there is only one.
    fn by_frame(&self) -> bool;
}

impl Wakes for Woken {
    fn by_frame(&self) -> bool {
        let (ours, others) = (self.lines, self.included);
        let frame = ours.tx || ours.rx || others.tx || others.rx;
        frame && !(self.beat || self.also != 0)
    }
}

/// How a thread waits, and how that went so far.
#[derive(Debug)]
pub struct Strategy {
    budget: Budget,
    /// How long the next wait looks.
    present: Duration,
    ended: Ended,
    /// What the caller had done by the last wait.
    done: u64,
    /// When the last sleep began, if the clock was looked at.
    began: Option<Instant>,
    counters: WaitCounters,
}

impl Strategy {
    /// A strategy with that budget.
    #[must_use]
    pub fn new(budget: Budget) -> Self {
        Strategy {
            budget,
            present: budget.first(),
            ended: Ended::Otherwise,
            done: 0,
            began: None,
            counters: WaitCounters::default(),
        }
    }

    /// Changes the budget; what was learned is forgotten.
    pub fn set_budget(&mut self, budget: Budget) {
        if budget != self.budget {
            (self.budget, self.present) = (budget, budget.first());
        }
    }

    /// How long the next wait looks at rings.
    #[must_use]
    pub fn present(&self) -> Duration {
        self.present
    }

    /// How waits have ended.
    #[must_use]
    pub fn counters(&self) -> &WaitCounters {
        &self.counters
    }

    /// Waits until there is something to do: `None` if there was without a sleep.
    ///
    /// `done` is any number that changes when the caller does something, such as the frames that
    /// were taken and reaped so far: by it is known whether a wake-up was worth it.
    ///
    /// # Errors
    /// What the parker says.
    pub fn wait<P: Park>(&mut self, parker: &mut P, done: u64) -> Result<Option<P::Woken>, P::Error>
    where
        P::Woken: Wakes,
    {
        let idle = std::mem::replace(&mut self.done, done) == done;
        match self.ended {
            Ended::Woken if idle => self.counters.spurious += 1,
            Ended::Otherwise if !idle && self.counters.slept > 0 => self.counters.unheard += 1,
            _ => {}
        }
        if idle && self.ended == Ended::Found {
            // What is found cannot be taken now: no reason to be awake.
            self.began = None;
            let woken = park_after_look(parker)?;
            return Ok(Some(self.slept(woken)));
        }
        if !self.present.is_zero() && self.poll(parker) {
            self.ended = Ended::Found;
            self.counters.polled += 1;
            return Ok(None);
        }
        self.began = (self.budget != Budget::Off).then(Instant::now);
        // What has ended a sleep was acknowledged, and the caller has looked since.
        let woken = match self.ended {
            Ended::Found => park(parker)?,
            Ended::Woken | Ended::Otherwise => park_acknowledged(parker)?,
        };
        if woken.is_none() {
            self.ended = Ended::Found;
            self.counters.in_time += 1;
        }
        Ok(woken.map(|woken| self.slept(woken)))
    }

    /// Looks for as long as the budget lasts; whether there is something.
    fn poll(&self, parker: &mut impl Park) -> bool {
        let until = Instant::now() + self.present;
        loop {
            for _ in 0..SPINS {
                if parker.look() {
                    return true;
                }
                spin_loop();
            }
            if Instant::now() >= until {
                return false;
            }
            // Whoever else wants this processor has been waiting for it.
            yield_now();
        }
    }

    /// Takes note of a sleep that is over.
    fn slept<W: Wakes>(&mut self, woken: W) -> W {
        self.counters.slept += 1;
        self.ended = Ended::Otherwise;
        if woken.by_frame() {
            self.counters.woken += 1;
            self.ended = Ended::Woken;
        }
        // A beat says nothing about when frames come, unless the sleep was a long one.
        if let Some(began) = self.began {
            self.present = self.budget.after(self.present, began.elapsed());
        }
        woken
    }

    /// Takes note of how late a sleeper was: something that is known to have happened at `due` has
    /// ended a sleep, and was seen at `now`. Software knows this of its own
    /// [beat](crate::Waiter::last_beat), and of no frame.
    ///
    /// Without a budget nobody has looked at the clock when the sleep began: then the work that was
    /// in hand when the beat came is counted, too.
    pub fn note_late(&mut self, due: Instant, now: Instant) {
        // While the rings were being looked at, nobody slept.
        if self.began.is_none_or(|began| began <= due) {
            self.counters.latency.note(now.saturating_duration_since(due));
        }
    }
}

/// Who sleeps by one waiter.
pub struct Nap<'a, A, L> {
    /// What it sleeps by.
    pub waiter: &'a mut Waiter,
    /// The lines that are worth waking up for.
    pub lines: Lines,
    /// How long at most.
    pub limit: Option<Duration>,
    /// Acknowledges a line's events, with [`EventPort::take`](etsec_core::EventPort::take).
    pub acknowledge: A,
    /// Looks at the rings.
    pub look: L,
}

impl<A, L> std::fmt::Debug for Nap<'_, A, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nap").field("lines", &self.lines).finish_non_exhaustive()
    }
}

impl<A: FnMut(Line), L: FnMut() -> bool> Park for Nap<'_, A, L> {
    type Woken = Woken;
    type Error = Error;

    fn acknowledge(&mut self) {
        self.waiter.beside(self.lines).each_of_frames(&mut self.acknowledge);
    }

    fn arm(&mut self) -> Result<(), Error> {
        self.waiter.enable(self.lines)
    }

    fn look(&mut self) -> bool {
        (self.look)()
    }

    fn block(&mut self) -> Result<Woken, Error> {
        let woken = self.waiter.wait(self.limit)?;
        woken.lines.each_of_frames(&mut self.acknowledge);
        Ok(woken)
    }
}

#[cfg(test)]
#[path = "strategy_tests.rs"]
mod tests;
