//! The filer of a port: loaded before the start, changed while frames come (HW 6.1).
//!
//! A search may be under way at any moment. So nothing is written where it could come, and what
//! lets it come there is one store. RCTRL, and with it PRSDEP and FILREN, changes only with the
//! receiver stopped (HW 3.11).

use embedded_hal::delay::DelayNs;

use super::error::{FilerError, RuleError};
use super::layout::{Change, Live, Placed};
use super::rule::{Action, Rule};
use super::table::{FilerEntry, FilerTable};
use crate::bus::Bus;
use crate::controller::Controller;
use crate::device::{Running, Stopped};
use crate::error::Error;
use crate::event::Event;
use crate::halt::Sides;
use crate::port::Port;
use crate::regs::control::IMASK;
use crate::regs::filer::{RBIFX, RIR, RQFAR, RQFCR};
use crate::regs::receive::{RCTRL, Rctrl};
use crate::regs::{Readable, Writeable};

/// A search takes one clock for two entries (HW 6.1), so 128 of them: 2 µs at 64 MHz, and no eTSEC
/// is that slow. After it, no search is left that began before.
const SEARCH_US: u32 = 10;

/// What a controller knows of its filer, once it has one.
#[derive(Debug)]
pub(crate) struct Filer<B> {
    live: Live,
    /// RBIFX as far as the rules in use look at it.
    places: u32,
    /// Resets the MAC around a table that may not outlive it (HW 8.4). Here, so that only an image
    /// that has a filer has this.
    pub reset: fn(&Controller<B>, &mut dyn DelayNs),
}

impl<B: Bus> Filer<B> {
    pub(super) fn new(live: Live, places: u32) -> Self {
        Filer { live, places, reset: reset_around_table }
    }
}

/// Whether a reset of the MAC clears the filer's table is not told (HW 8.4).
fn reset_around_table<B: Bus>(controller: &Controller<B>, delay: &mut dyn DelayNs) {
    let table = FilerTable::read(controller.bus());
    controller.reset_mac(delay);
    table.load(controller.bus());
}

impl<B: Bus> Controller<B> {
    /// Lets these events raise lines while the port runs. In which group FGPI shows is not told (HW
    /// 9.4): in each that raises any.
    fn listen(&self, events: Event) {
        IMASK.on(self.bus()).assign(events);
        if let Some(page) = &self.pages.group1
            && !IMASK.on(page).flags().is_empty()
        {
            IMASK.on(page).assign(events);
        }
    }

    /// Microseconds that the longest frame takes, preamble included.
    fn frame_us(&self) -> u32 {
        (self.config.maxfrm() + 8) * 8 / self.config.link.speed.mbps() + 1
    }
}

impl<B: Bus> Port<B> {
    /// Whether rules can be set, and whether this port has a ring for each queue.
    fn check_rules(&self, rules: &[Rule], default: Action) -> Result<(), FilerError> {
        if !self.controller.config.parser {
            return Err(Error::ParserOff.into());
        }
        let actions = rules.iter().map(|rule| rule.action).chain([default]);
        for (n, action) in actions.enumerate() {
            let missing = match action {
                Action::File { queue, .. } => self.missing(queue),
                Action::Reject => None,
                Action::Spread(spread) => {
                    let mut missing = spread.rings.into_iter().map(|ring| self.missing(ring));
                    missing.find_map(|missing| missing)
                }
            };
            if let Some(error) = missing {
                return Err(FilerError::at(n, rules.len(), error));
            }
        }
        Ok(())
    }

    /// The error if a queue's ring is not there.
    fn missing(&self, queue: u8) -> Option<RuleError> {
        let single = Rctrl::FSQEN.read(self.controller.settings.over(RCTRL, 0)) == 1;
        let ring = if single { 0 } else { queue & 7 };
        let there = self.rx().get(usize::from(ring)).is_some_and(Option::is_some);
        // What is no queue at all is told by the rule itself.
        (!there && queue < 64).then_some(RuleError::NoRing { queue, ring })
    }

    /// Whether RIRn keep what they are told: on parts without hash filing they read 0 (HW 2.6).
    fn check_maps(
        &self,
        placed: &Placed,
        rules: &[Rule],
        default: Action,
    ) -> Result<(), FilerError> {
        let bus = self.bus();
        for (n, _) in placed.maps() {
            // A set of rules that is not in use has these.
            RIR.nth(n).on(bus).set(u32::MAX << 8);
            let kept = RIR.nth(n).on(bus).get() == u32::MAX << 8;
            RIR.nth(n).on(bus).set(self.controller.settings.over(RIR.nth(n), 0));
            if !kept {
                self.controller.check_alive()?;
                let actions = rules.iter().map(|rule| rule.action).chain([default]);
                let spreads = |action: &Action| matches!(action, Action::Spread(_));
                let at = actions.take_while(|action| !spreads(action)).count();
                return Err(FilerError::at(at, rules.len(), RuleError::NoSpreading));
            }
        }
        Ok(())
    }

    /// Writes a whole table while nobody searches it. Whether there is one shows the first time.
    fn load(&self, table: &FilerTable) -> Result<(), Error> {
        table.load(self.bus());
        if self.controller.filer.is_some() || table.is_kept(self.bus()) {
            return Ok(());
        }
        self.controller.check_alive()?;
        Err(Error::NoFiler)
    }

    /// Writes what belongs to rules besides their entries, now and after each reset.
    fn set_registers(&mut self, placed: &Placed) {
        let settings = &mut self.controller.settings;
        settings.put_all(RBIFX, placed.program.places);
        for (n, map) in placed.maps() {
            settings.put_all(RIR.nth(n), map);
        }
        settings.put(RCTRL, Rctrl::FILREN::SET);
        let bus = self.controller.bus();
        RBIFX.on(bus).set(placed.program.places);
        for (n, map) in placed.maps() {
            RIR.nth(n).on(bus).set(map);
        }
    }

    /// Notes the rules that are in use from here on.
    fn note(&mut self, placed: &Placed) {
        self.controller.filer = Some(Filer::new(placed.live, placed.program.looks_at));
        self.controller.events.set(Event::FGPI, placed.program.interrupts);
    }
}

impl<B: Bus + Clone> Stopped<B> {
    /// Loads a table made by hand and switches the filer on; frames of rings that do not exist are
    /// dropped (HW 6).
    ///
    /// # Errors
    /// [`Error::ParserOff`] unless [`Config::parser`](crate::Config::parser) is set,
    /// [`Error::NoFiler`] if the controller has none.
    pub fn set_filer(&mut self, table: &FilerTable) -> Result<(), Error> {
        let port = &mut self.owner_mut().port;
        if !port.controller.config.parser {
            return Err(Error::ParserOff);
        }
        port.load(table)?;
        let settings = &mut port.controller.settings;
        settings.put_all(RBIFX, table.rbifx);
        for (n, map) in table.rir.into_iter().enumerate() {
            // Parts before the eTSEC2 have none (HW 2.3).
            if settings.over(RIR.nth(n), 0) != map {
                settings.put_all(RIR.nth(n), map);
            }
        }
        settings.put(RCTRL, Rctrl::FILREN::SET);
        port.controller.filer = Some(Filer::new(Live::Whole, table.rbifx));
        port.controller.events.set(Event::FGPI, table.interrupts());
        Ok(())
    }

    /// Sets the rules that say which ring a frame goes to, tried in order, and what becomes of
    /// frames that none of them matches (HW 6). Add the rings first.
    ///
    /// # Errors
    /// [`FilerError`] that names the rule; nothing changes then.
    pub fn set_rules(&mut self, rules: &[Rule], default: Action) -> Result<(), FilerError> {
        let port = &mut self.owner_mut().port;
        port.check_rules(rules, default)?;
        let placed = Placed::anew(rules, default)?;
        port.check_maps(&placed, rules, default)?;
        port.load(&placed.table())?;
        port.set_registers(&placed);
        port.note(&placed);
        Ok(())
    }

    /// Whether all frames go to ring 0, and only tell the queue that was chosen for them (HW 3.11).
    /// Set it before rules that name queues of rings which are not there.
    pub fn set_single_queue(&mut self, on: bool) {
        self.owner_mut().port.controller.settings.put(RCTRL, Rctrl::FSQEN.val(on.into()));
    }

    /// The filer's table as the hardware has it; undefined before it was set (HW 6.1).
    #[must_use]
    pub fn filer(&mut self) -> FilerTable {
        FilerTable::read(self.owner_mut().port.bus())
    }
}

impl<B: Bus + Clone> Running<B> {
    /// Sets other rules while frames come, as [`Stopped::set_rules`].
    ///
    /// Each frame is filed by the rules before or by the new ones as a whole. The new ones are
    /// written where no search comes, and one store puts them in the others' place; where the table
    /// has no room for both, where they look at other bytes, and where the filer was off, reception
    /// stops for the moment, at most 10 ms. If it does not stop, the controller is reset as by
    /// [`Running::reset`].
    ///
    /// # Errors
    /// [`FilerError`] that names the rule; nothing changes then. [`FilerError::Port`] if the device
    /// does not answer: which rules it has is not known then, so set them again if it comes back.
    ///
    /// # Stack
    /// Tables of 2 KiB are made on it, several at a time: leave 12 KiB.
    pub fn set_rules(
        &mut self,
        rules: &[Rule],
        default: Action,
        delay: &mut dyn DelayNs,
    ) -> Result<Change, FilerError> {
        let port = &mut self.owner_mut().port;
        port.controller.check_alive()?;
        port.check_rules(rules, default)?;
        if let Some(Filer { live, places, .. }) = port.controller.filer
            && let Some((placed, guard)) = Placed::beside(live, places, rules, default)
        {
            port.check_maps(&placed, rules, default)?;
            port.switch(live, &placed, guard, delay)?;
            return Ok(Change::Seamless);
        }
        let placed = Placed::anew(rules, default)?;
        let replaced = self.replace(&placed, rules, default, delay);
        if let Err(FilerError::Port(_)) = replaced {
            self.owner_mut().port.distrust();
        }
        replaced.map(|()| Change::Stopped)
    }

    /// As [`Stopped::set_single_queue`]; reception stops for the moment.
    ///
    /// # Errors
    /// [`Error::Gone`] or [`Error::NotAnEtsec`] if the device does not answer.
    pub fn set_single_queue(&mut self, on: bool, delay: &mut dyn DelayNs) -> Result<(), Error> {
        self.owner_mut().port.controller.check_alive()?;
        self.owner_mut().port.controller.settings.put(RCTRL, Rctrl::FSQEN.val(on.into()));
        self.while_deaf(delay, &mut |_| ())
    }

    /// The filer's table as the hardware has it; undefined before it was set (HW 6.1).
    #[must_use]
    pub fn filer(&mut self) -> FilerTable {
        FilerTable::read(self.owner_mut().port.bus())
    }

    /// Writes a new table with the receiver stopped.
    fn replace(
        &mut self,
        placed: &Placed,
        rules: &[Rule],
        default: Action,
        delay: &mut dyn DelayNs,
    ) -> Result<(), FilerError> {
        let (table, mut checked) = (placed.table(), Ok(()));
        self.while_deaf(delay, &mut |port| {
            let maps = port.check_maps(placed, rules, default);
            checked = maps.and_then(|()| Ok(port.load(&table)?));
            if checked.is_ok() {
                port.set_registers(placed);
                port.note(placed);
                port.controller.listen(port.controller.events);
            }
        })?;
        checked
    }

    /// Does something with the receiver stopped, and writes RCTRL: gracefully stopped if that
    /// works, in the course of a reset if not (erratum A002).
    fn while_deaf(
        &mut self,
        delay: &mut dyn DelayNs,
        what: &mut dyn FnMut(&mut Port<B>),
    ) -> Result<(), Error> {
        if !self.owner_mut().port.controller.quiesce(Sides::RX, delay).is_empty() {
            self.halt(delay)?;
            what(&mut self.owner_mut().port);
            return self.restart(delay);
        }
        let port = &mut self.owner_mut().port;
        what(port);
        port.controller.refilter(&port.controller.config.filter);
        port.resume();
        self.ended()
    }
}

impl<B: Bus> Port<B> {
    /// What is in the table is not known any more: the next rules are for a whole new one.
    fn distrust(&mut self) {
        if let Some(filer) = &mut self.controller.filer {
            filer.live = Live::Whole;
        }
    }

    /// Writes rules beside those in use and switches over, which the guard does.
    fn switch(
        &mut self,
        before: Live,
        placed: &Placed,
        guard: FilerEntry,
        delay: &mut dyn DelayNs,
    ) -> Result<(), Error> {
        let looked_at = self.controller.settings.over(RBIFX, 0);
        self.set_registers(placed);
        for (at, entry) in placed.entries(before) {
            entry.write(self.bus(), at);
        }
        if looked_at != placed.program.places {
            // A frame that is on its way in may be past a byte that only the new rules look at: it
            // has to be searched for by the old ones.
            delay.delay_us(self.controller.frame_us());
        }
        let had = self.controller.events;
        self.note(placed);
        let bus = self.bus();
        self.controller.listen(had | self.controller.events);
        // The one store. The property word stays 0, whichever part is in use.
        RQFAR.on(bus).set(0);
        RQFCR.on(bus).set(guard.control);
        // Read back, it has arrived; and after the longest search, nobody is left where the next
        // rules will be written.
        let arrived = RQFCR.on(bus).get() == guard.control;
        delay.delay_us(SEARCH_US);
        self.controller.listen(self.controller.events);
        if arrived {
            return Ok(());
        }
        self.distrust();
        self.controller.check_alive()?;
        Err(Error::NoFiler)
    }
}
