//! Halting a running controller, for good or for a moment, and picking up where it stopped (HW 8.3,
//! 8.4).

use embedded_hal::delay::DelayNs;

use crate::bd::{Control, TxFlags};
use crate::bus::Bus;
use crate::controller::Controller;
use crate::errata::Errata;
use crate::event::Event;
use crate::port::{Port, RINGS};
use crate::regs::control::{DMACTRL, Dmactrl, IEVENT, IMASK};
use crate::regs::mac::{MACCFG1, Maccfg1};
use crate::regs::receive::{A002_RX_STATE, RBPTR};
use crate::regs::transmit::TBPTR;
use crate::regs::{ReadWriteable, Readable, Writeable};
use crate::report::warning;
use crate::ring::RingView;

/// One or both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sides {
    pub tx: bool,
    pub rx: bool,
}

impl Sides {
    pub(crate) const BOTH: Sides = Sides { tx: true, rx: true };
    pub(crate) const RX: Sides = Sides { tx: false, rx: true };
    pub(crate) const TX: Sides = Sides { tx: true, rx: false };

    fn events(self) -> Event {
        let tx = if self.tx { Event::GTSC } else { Event::empty() };
        let rx = if self.rx { Event::GRSC } else { Event::empty() };
        tx | rx
    }
}

/// A frame of 9600 bytes at 10 Mb/s takes 7.7 ms; HW 8.1 allows 10 ms for frames in progress.
const STOP_POLLS: u32 = 1000;
const STOP_POLL_US: u32 = 10;
/// A receiver that is idle stops at once (HW 8.3), unless erratum A002 has struck.
const IDLE_POLLS: u32 = 10;
/// The bits of the receiver's state whose halves are equal while it is idle (HW 14).
const A002_MASK: u32 = 0x7F80_7F80;

impl<B: Bus> Controller<B> {
    /// Asks for a graceful stop and waits for it, bounded. Returns what did not stop: pause frames,
    /// a dead link clock or a stuck FIFO can delay it for ever (HW 8.3).
    #[must_use]
    pub(crate) fn quiesce(&self, sides: Sides, delay: &mut dyn DelayNs) -> Event {
        let bus = self.bus();
        let wanted = sides.events();
        let request = Dmactrl::GRS.val(sides.rx.into()) + Dmactrl::GTS.val(sides.tx.into());
        // The edge from 0 to 1 is what restarts a stop that was already asked for.
        DMACTRL.on(bus).modify(Dmactrl::GRS::CLEAR + Dmactrl::GTS::CLEAR);
        IEVENT.on(bus).clear(wanted);
        DMACTRL.on(bus).modify(request);
        let mut missing = wanted;
        for polls in 0..STOP_POLLS {
            missing = wanted.difference(IEVENT.on(bus).peek());
            if missing.is_empty() || (missing == Event::GRSC && self.is_a002(polls)) {
                break;
            }
            delay.delay_us(STOP_POLL_US);
        }
        // What the device wrote until it stopped, before anything that is read from here on.
        bus.observe();
        missing
    }

    /// Whether GRSC has not come for a while, on a part where it may never come, although the
    /// receiver is idle: it may be reset then (HW 14).
    fn is_a002(&self, polls: u32) -> bool {
        if polls < IDLE_POLLS || !self.config.errata.contains(Errata::A002) {
            return false;
        }
        let state = A002_RX_STATE.on(self.bus()).get() & A002_MASK;
        state & 0xFFFF == state >> 16
    }
}

impl<B: Bus> Port<B> {
    /// Ends a graceful stop and restarts all rings in use (HW 8.3 step 5).
    pub(crate) fn resume(&self) {
        let bus = self.bus();
        DMACTRL.on(bus).modify(Dmactrl::GRS::CLEAR + Dmactrl::GTS::CLEAR);
        IEVENT.on(bus).clear(Event::GRSC | Event::GTSC);
        self.controller.restart_rings(self.thlt(), self.qhlt());
    }

    /// Stops DMA for good: gracefully if that works, by a reset of the MAC if not. Positions are
    /// kept in the rings.
    pub(crate) fn halt(&self, delay: &mut dyn DelayNs) -> Lost {
        let bus = self.bus();
        IMASK.on(bus).assign(Event::empty());
        if let Some(page) = &self.controller.pages.group1 {
            IMASK.on(page).assign(Event::empty());
        }
        let missing = self.controller.quiesce(Sides::BOTH, delay);
        MACCFG1.on(bus).modify(Maccfg1::RX_EN::CLEAR + Maccfg1::TX_EN::CLEAR);
        if !missing.is_empty() {
            warning!("graceful stop incomplete, {:?} missing: the MAC is reset", missing);
            self.controller.soft_reset(delay);
        }
        self.keep_positions()
    }

    /// Closes the frame that transmit ring `n` fails at, so that the ring goes on behind it; the
    /// rest of the port keeps running (HW 8.6, bus error). Returns whether that could be done.
    pub(crate) fn skip_failing(&self, n: usize, delay: &mut dyn DelayNs) -> bool {
        let bus = self.bus();
        let stopped = self.controller.quiesce(Sides::TX, delay).is_empty();
        if stopped
            && let Some(view) = &self.tx()[n]
            && let Some(at) = view.index_of(TBPTR.nth(n).on(bus).get())
        {
            let next = close_frame(view, at);
            bus.publish();
            // HW 3.21: the pointer may be written while its direction is stopped.
            TBPTR.nth(n).on(bus).set(view.bd_low(next));
        }
        self.resume();
        stopped
    }

    /// Notes where the hardware stood in each ring, and closes frames that it had begun and not
    /// finished.
    pub(crate) fn keep_positions(&self) -> Lost {
        let bus = self.bus();
        let mut lost = Lost::default();
        for n in 0..RINGS {
            if let Some(view) = &self.tx()[n] {
                let at = view.index_of(TBPTR.nth(n).on(bus).get()).unwrap_or(view.position());
                let frame = close_begun(view, at);
                lost.tx += u32::from(frame != at);
                view.set_position(frame);
            }
            if let Some(view) = &self.rx()[n] {
                let at = view.index_of(RBPTR.nth(n).on(bus).get()).unwrap_or(view.position());
                // The queue drops the beginning when the next frame begins (HW 4.4). A position
                // that is as at the last stop was counted then.
                lost.rx += u32::from(at != view.position() && is_mid_frame(view, at));
                view.set_position(at);
            }
        }
        lost
    }
}

/// Frames that were inside the controller when it was reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lost {
    pub tx: u32,
    pub rx: u32,
}

/// Whether the hardware stands inside a frame: the descriptor before belongs to it and does not end
/// a frame. An unused descriptor has length 0. L is the same bit in both directions.
pub(crate) fn is_mid_frame(view: &RingView, at: u32) -> bool {
    let before = view.bd(at + view.len() - 1);
    let control = before.control();
    !before.is_owned() && control.len() != 0 && !control.tx_flags().contains(TxFlags::L)
}

/// If the hardware stands inside a transmit frame, sending its tail would make a false frame: what
/// is left of it is closed as the hardware would close a failed one. Returns where the next frame
/// begins.
fn close_begun(view: &RingView, at: u32) -> u32 {
    if is_mid_frame(view, at) { close_frame(view, at) } else { at }
}

/// Closes the ready descriptors from `at` to the end of their frame as an underrun. Returns where
/// the next one begins. For a stopped controller.
pub(crate) fn close_frame(view: &RingView, mut at: u32) -> u32 {
    for _ in 0..view.len() {
        let bd = view.bd(at);
        let control = bd.control();
        let flags = control.tx_flags();
        if !flags.contains(TxFlags::R) {
            break;
        }
        bd.set_control(Control::tx(flags.difference(TxFlags::R) | TxFlags::UN, control.len()));
        at = (at + 1) % view.len();
        if flags.contains(TxFlags::L) {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Arena;
    use crate::testing::Heap;

    const FIRST: TxFlags = TxFlags::empty();
    const LAST: TxFlags = TxFlags::L;

    #[test]
    fn the_tail_of_a_frame_that_was_begun_is_closed_and_the_next_frame_is_not() {
        let (region, _alive) = Heap::new(4096);
        let mut arena = Arena::new(region).map_err(|(_, e)| e).unwrap();
        let ring = arena.ring(4).unwrap();
        let view = ring.view();
        let set = |at: u32, flags: TxFlags| view.bd(at).set_control(Control::tx(flags, 100));
        // A frame of three buffers from descriptor 3 on, of which the hardware has closed the
        // first.
        set(3, FIRST);
        set(0, FIRST | TxFlags::R);
        set(1, LAST | TxFlags::R);
        set(2, LAST | TxFlags::R);
        assert_eq!(close_begun(&view, 0), 2);
        for at in [0, 1] {
            let flags = view.bd(at).control().tx_flags();
            assert!(flags.contains(TxFlags::UN) && !flags.contains(TxFlags::R), "{at}");
        }
        assert!(view.bd(2).control().tx_flags().contains(TxFlags::R));
        // Between frames there is nothing to close.
        assert_eq!(close_begun(&view, 2), 2);
        assert!(view.bd(2).is_owned());
    }
}
