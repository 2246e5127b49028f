//! Waiting for one of two devices at once, acknowledging what was waited for, and telling errors
//! from it. It knows lines and events, no frame.

use std::time::Duration;

use etsec_core::event::Line;
use etsec_core::groups::GroupBus;
use etsec_core::park::Park;
use etsec_core::{EventPort, Group, Running};
use etsec_linux::{AnyBus, Error, Lines, Waiter, Woken};

/// The events of a port whose thread serves all its groups.
#[derive(Debug)]
pub struct Events {
    first: EventPort<AnyBus>,
    /// Those of the second interrupt group, if rings are in it.
    second: Option<EventPort<GroupBus<AnyBus>>>,
}

impl Events {
    /// The events of a port, of both groups if rings are in the second.
    pub fn of(port: &Running<AnyBus>, are_two: bool) -> Self {
        let second = are_two.then(|| port.group_events(Group::One)).flatten();
        Events { first: port.events(), second }
    }

    /// Acknowledges those of a line.
    pub fn take(&self, line: Line) {
        self.first.take(line);
        if let Some(second) = &self.second {
            second.take(line);
        }
    }

    /// Whether there are any that the device has to be looked after for.
    fn have_failed(&self) -> bool {
        self.first.has_failed() || self.second.as_ref().is_some_and(EventPort::has_failed)
    }
}

/// Sees of a wake-up whether something has failed. Where there is one interrupt for all lines, each
/// frame comes with the error line, and a look at a register tells whether that is for a reason.
pub fn sift(mut woken: Woken, ours: &Events, others: Option<&Events>) -> Woken {
    woken.lines.err = woken.lines.err && ours.have_failed();
    woken.included.err = woken.included.err && others.is_some_and(Events::have_failed);
    woken
}

/// Who sleeps for two devices, the second of which is [included](Waiter::include) by the first.
pub struct Naps<'a, L> {
    /// What it sleeps by.
    pub waiters: [&'a mut Waiter; 2],
    /// What it acknowledges.
    pub events: [&'a Events; 2],
    /// The lines that are worth waking up for.
    pub lines: [Lines; 2],
    /// How long at most.
    pub limit: Option<Duration>,
    /// Looks at the rings.
    pub look: L,
}

impl<L: FnMut() -> bool> Park for Naps<'_, L> {
    type Woken = Woken;
    type Error = Error;

    fn acknowledge(&mut self) {
        for ((events, waiter), lines) in self.events.iter().zip(&self.waiters).zip(self.lines) {
            waiter.beside(lines).each_of_frames(|line| events.take(line));
        }
    }

    fn arm(&mut self) -> Result<(), Error> {
        let [one, two] = &mut self.waiters;
        one.enable(self.lines[0])?;
        two.enable(self.lines[1])
    }

    fn look(&mut self) -> bool {
        (self.look)()
    }

    fn block(&mut self) -> Result<Woken, Error> {
        let [one, two] = &mut self.waiters;
        let mut woken = one.wait(self.limit)?;
        woken.included = two.follow(&woken)?;
        for (events, lines) in self.events.iter().zip([woken.lines, woken.included]) {
            lines.each_of_frames(|line| events.take(line));
        }
        Ok(woken)
    }
}
