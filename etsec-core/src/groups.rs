//! Interrupt groups of an eTSEC2: which rings interrupt through which of the two register pages, so
//! that two waiters can serve them independently (HW 9.4).
//!
//! A ring is steered by its queue, whose doorbell is then the group's page.

use crate::bus::{Bus, PageBell};
use crate::controller::Controller;
use crate::device::{Owner, Running, Stopped};
use crate::error::{Error, Side};
use crate::event::Event;
use crate::event_port::EventPort;
use crate::flow;
use crate::port::Port;
use crate::regs::control::{IEVENT, IMASK};
use crate::regs::group::{ISRG, Isrg};
use crate::regs::receive::{RSTAT, Rstat};
use crate::regs::transmit::{TSTAT, Tstat};
use crate::ring::RingMemory;
use crate::rx::RxQueue;
use crate::tx::TxQueue;

/// An interrupt group: a register page with lines of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Group {
    /// The group of the page that all configuration goes through: all rings, unless steered.
    #[default]
    Zero,
    /// The group of the second page.
    One,
}

impl<B: Bus> Controller<B> {
    /// The rings that interrupt through the second page.
    fn steered(&self) -> Isrg {
        Isrg::from_bits_retain(self.settings.over(ISRG.nth(1), 0))
    }

    /// Notes that a ring interrupts through a group.
    fn steer(&mut self, ring: Isrg, group: Group) {
        let mut second = self.steered();
        second.set(ring, group == Group::One);
        self.settings.put_all(ISRG.nth(0), (Isrg::all() - second).bits());
        self.settings.put_all(ISRG.nth(1), second.bits());
    }

    /// Clears the halts of rings. Where there are two pages, each takes those of its group (HW
    /// 9.4).
    pub(crate) fn restart_rings(&self, thlt: Tstat, qhlt: Rstat) {
        for page in [Some(&self.pages.group0), self.pages.group1.as_ref()].into_iter().flatten() {
            TSTAT.on(page).clear(thlt);
            RSTAT.on(page).clear(qhlt);
        }
    }

    /// The halts of all rings: each page shows those of its group.
    pub(crate) fn halts(&self) -> (Tstat, Rstat) {
        let second = self.pages.group1.as_ref();
        let (thlt, qhlt) = (TSTAT.on(self.bus()).peek(), RSTAT.on(self.bus()).peek());
        second.map_or((thlt, qhlt), |page| {
            (thlt | TSTAT.on(page).peek(), qhlt | RSTAT.on(page).peek())
        })
    }
}

/// What options do when the controller has its rings and does not run yet.
pub(crate) fn ready<B: Bus>(port: &Port<B>) {
    flow::tell_free(port);
    open_second(port);
}

/// Starts the rings of the second page, before the controller runs, and lets it raise its lines.
fn open_second<B: Bus>(port: &Port<B>) {
    if let Some(page) = &port.controller.pages.group1
        && !port.controller.steered().is_empty()
    {
        TSTAT.on(page).clear(port.thlt());
        RSTAT.on(page).clear(port.qhlt());
    }
    listen(port);
}

/// Lets the second page raise its lines, if there are rings of it.
pub(crate) fn listen<B: Bus>(port: &Port<B>) {
    if let Some(page) = &port.controller.pages.group1
        && !port.controller.steered().is_empty()
    {
        IMASK.on(page).assign(port.controller.events);
    }
}

/// The two pages as the events of a group need them: IEVENT is the group's own, a halt is cleared
/// in both pages, each of which takes those of its group, and everything else is in the first.
#[derive(Debug, Clone)]
pub struct GroupBus<B> {
    first: B,
    second: B,
    /// `None`: both, which is for the port's owner.
    listens: Option<Group>,
}

impl<B: Bus> GroupBus<B> {
    fn listens(&self, group: Group) -> bool {
        self.listens.is_none_or(|own| own == group)
    }
}

impl<B: Bus> Bus for GroupBus<B> {
    fn read(&self, at: u16) -> u32 {
        if at != IEVENT.offset() {
            return self.first.read(at);
        }
        let pages = [(&self.first, Group::Zero), (&self.second, Group::One)];
        let own = pages.into_iter().filter(|(_, group)| self.listens(*group));
        own.fold(0, |events, (page, _)| events | page.read(at))
    }

    fn write(&self, at: u16, value: u32) {
        let (events, halts) = (at == IEVENT.offset(), at == TSTAT.offset() || at == RSTAT.offset());
        if !events || self.listens(Group::Zero) {
            self.first.write(at, value);
        }
        if halts || events && self.listens(Group::One) {
            self.second.write(at, value);
        }
    }

    fn publish(&self) {
        self.first.publish();
    }

    fn observe(&self) {
        self.first.observe();
    }
}

/// As [`EventPort::recover`] of the port's owner, for both groups.
fn recover<B: Bus + Clone>(owner: &mut Owner<B>) -> Event {
    let pages = &owner.port.controller.pages;
    let (first, second) = (pages.group0.clone(), pages.group1.clone());
    let Some(second) = second else { return owner.events.recover() };
    let bus = GroupBus { first: first.clone(), second, listens: None };
    let mut both = owner.events.clone().on(bus);
    let events = both.recover();
    owner.events = both.on(first);
    events
}

impl<B: Bus + Clone> Port<B> {
    /// The page of a group; the option is linked from here on.
    fn steer(&mut self, side: Side, n: usize, ring: &RingMemory, group: Group) -> Result<B, Error> {
        let (views, flag) = match side {
            Side::Rx => (self.rx(), Isrg::rr(n)),
            Side::Tx => (self.tx(), Isrg::tr(n)),
        };
        let view = views.get(n).and_then(Option::as_ref);
        if !view.is_some_and(|view| view.is_of(ring)) {
            return Err(Error::Stranger(side));
        }
        let pages = &self.controller.pages;
        let second = pages.group1.as_ref().ok_or(Error::OneGroup)?;
        let page = match group {
            Group::Zero => &pages.group0,
            Group::One => second,
        };
        let page = page.clone();
        self.controller.steer(flag, group);
        self.loaded = Some(ready);
        Ok(page)
    }
}

impl<B: Bus + Clone> Owner<B> {
    /// Lets a queue's ring interrupt through a group, and returns that group's page.
    fn steer(&mut self, side: Side, n: usize, ring: &RingMemory, group: Group) -> Result<B, Error> {
        let page = self.port.steer(side, n, ring, group)?;
        self.recover_groups = Some(recover);
        Ok(page)
    }
}

impl<B: Bus + Clone> Stopped<B> {
    /// Lets a receive ring interrupt through a group's lines; its doorbell is that group's page
    /// from here on.
    ///
    /// # Errors
    /// [`Error::OneGroup`] without [`Pages::group1`](crate::Pages::group1); [`Error::Stranger`] for
    /// another port's queue. Nothing changes then.
    pub fn set_rx_group(
        &mut self,
        queue: &mut RxQueue<PageBell<B>>,
        group: Group,
    ) -> Result<(), Error> {
        let n = queue.number();
        let page = self.owner_mut().steer(Side::Rx, n, queue.ring(), group)?;
        queue.bell_mut().ring_through(page);
        Ok(())
    }

    /// Lets a transmit ring interrupt through a group's lines; its doorbell is that group's page
    /// from here on.
    ///
    /// # Errors
    /// As [`Stopped::set_rx_group`].
    pub fn set_tx_group(
        &mut self,
        queue: &mut TxQueue<PageBell<B>>,
        group: Group,
    ) -> Result<(), Error> {
        let n = queue.number();
        let page = self.owner_mut().steer(Side::Tx, n, queue.ring(), group)?;
        queue.bell_mut().ring_through(page);
        Ok(())
    }
}

impl<B: Bus + Clone> Running<B> {
    /// A port for the events of one interrupt group, for a waiter of its own; `None` if the
    /// controller has one group. Whichever of them mends an error restarts the rings of both
    /// groups; an error that shows in both is counted by both.
    #[must_use]
    pub fn group_events(&self, group: Group) -> Option<EventPort<GroupBus<B>>> {
        let pages = self.pages();
        let (first, second) = (pages.group0.clone(), pages.group1.clone()?);
        Some(self.events().on(GroupBus { first, second, listens: Some(group) }))
    }
}
