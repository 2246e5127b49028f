//! The filer of a controller that is taken over as it runs (feature `adopt`): its table stays as it
//! is, and what it holds is read back.
//!
//! A process that dies while it changes rules leaves one of the two sets in use, whole: the other
//! is written where no search comes, and one store lets it in.

use embedded_hal::delay::DelayNs;

use super::decompile::Rules;
use super::layout::{Live, live_in};
use super::live::Filer;
use super::rule::Action;
use super::table::FilerTable;
use crate::bus::Bus;
use crate::controller::Controller;
use crate::device::Stopped;
use crate::error::Error;
use crate::event::Event;
use crate::port::Port;
use crate::regs::Readable;
use crate::regs::filer::{RBIFX, RIR};
use crate::regs::receive::{RCTRL, Rctrl};

impl<B: Bus + Clone> Stopped<B> {
    /// Leaves the filer of a controller that runs as it is, whatever is in it: for a port made by
    /// [`Stopped::over`] that is to be [adopted](Stopped::adopt), instead of setting rules.
    /// Returns whether it is on; nothing is changed if it is not.
    ///
    /// What it holds tells [`Running::filer`](crate::Running::filer) afterwards, and other rules
    /// take its place with [`Running::set_rules`](crate::Running::set_rules), between two frames if
    /// this driver has made what is there.
    ///
    /// # Errors
    /// [`Error::ParserOff`] unless [`Config::parser`](crate::Config::parser) is set, if it is on;
    /// [`Error::Gone`] or [`Error::NotAnEtsec`].
    pub fn keep_filer(&mut self) -> Result<bool, Error> {
        let port = &mut self.owner_mut().port;
        let rctrl = RCTRL.on(port.bus()).get();
        let table = FilerTable::read(port.bus());
        // Of a dead bus, what was read is worth nothing.
        port.controller.check_alive()?;
        if Rctrl::FILREN.read(rctrl) == 0 {
            return Ok(false);
        }
        if !port.controller.config.parser {
            return Err(Error::ParserOff);
        }
        port.keep(&table, rctrl);
        Ok(true)
    }
}

impl<B: Bus> Controller<B> {
    /// As `bring_up`, with the table that was to stay, which a reset of the MAC may clear (HW 8.4).
    pub(crate) fn bring_up_around_filer(&self, delay: &mut dyn DelayNs) -> Result<(), Error> {
        let kept = self.filer.is_some().then(|| FilerTable::read(self.bus()));
        self.bring_up(delay)?;
        if let Some(table) = kept {
            table.load(self.bus());
        }
        Ok(())
    }
}

impl<B: Bus> Port<B> {
    fn keep(&mut self, table: &FilerTable, rctrl: u32) {
        let settings = &mut self.controller.settings;
        settings.put_all(RBIFX, table.rbifx);
        for (n, map) in table.rir.into_iter().enumerate() {
            // Parts before the eTSEC2 have none (HW 2.3).
            if settings.over(RIR.nth(n), 0) != map {
                settings.put_all(RIR.nth(n), map);
            }
        }
        let single = Rctrl::FSQEN.val(Rctrl::FSQEN.read(rctrl));
        settings.put(RCTRL, Rctrl::FILREN::SET + single);
        let live = live_in(table);
        let interrupts = match live {
            Live::Whole => table.interrupts(),
            _ => table.rules().any(raises),
        };
        // Which bytes the rules in use look at is not asked: all that RBIFX names stay in place.
        self.controller.filer = Some(Filer::new(live, table.rbifx));
        self.controller.events.set(Event::FGPI, interrupts);
    }
}

/// Whether a rule raises FGPI.
fn raises(rule: <Rules<'_> as Iterator>::Item) -> bool {
    rule.is_ok_and(|rule| matches!(rule.action, Action::File { interrupt: true, .. }))
}
