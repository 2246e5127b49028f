//! Transmit rings whose queue and hardware disagree on who has which descriptor: a status that
//! never reached memory leaves one ready that the hardware has passed, and one that is not ready
//! any more keeps the hardware from those behind it (HW 8.6). The queue would wait for ever.
//!
//! Both look the same: the hardware stands at a descriptor that is not ready, while others are. A
//! queue that is about to hand over a burst, from its last frame back to its first (HW 4.4), leaves
//! such a picture for a moment; so it has to be seen at two looks. Here is what the periodic look
//! sees and does; when it looks is its own business.

use embedded_hal::delay::DelayNs;

use super::{Place, place};
use crate::bd::{Control, TxFlags};
use crate::bus::Bus;
use crate::halt::{Sides, is_mid_frame};
use crate::port::Port;
use crate::regs::transmit::TBPTR;
use crate::regs::{Readable, Writeable};
use crate::report::warning;
use crate::ring::RingView;

/// Where a transmit ring stood at the last look, at a descriptor that was not ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    at: Option<Place>,
    /// Since it stands there, there was a moment when no descriptor was ready. So what is ready now
    /// was handed over after that, and the hardware has not passed it.
    emptied: bool,
    /// At the last look others were ready.
    astray: bool,
}

impl Waiting {
    /// Looks at a ring whose hardware stands at `at`. Returns whether something has to be done.
    pub(super) fn look(&mut self, view: &RingView, at: Option<u32>) -> bool {
        let at = at.filter(|&at| !view.bd(at).is_owned());
        let stood = at.and_then(place);
        if self.at != stood {
            *self = Waiting { at: stood, ..Waiting::default() };
        }
        let Some(at) = at else { return false };
        let before = self.astray;
        self.astray = view.next_owned(at).is_some();
        self.emptied |= !self.astray;
        before && self.astray && !mutant!("astray-not-found")
    }

    /// Leads hardware and queue of transmit ring `n` together again, with the transmitter stopped
    /// for the moment. Returns how many frames were given up; `None` if it does not stop.
    ///
    /// Where the ring was seen to be empty, the hardware goes on at what was handed over since.
    /// Where it was not, nobody knows what of the ready descriptors has been sent: so none of them
    /// is sent, or sent again, and each is closed as if it had failed. With that the ring is empty.
    pub(super) fn lead_back<B: Bus>(
        &mut self,
        port: &Port<B>,
        n: usize,
        delay: &mut dyn DelayNs,
    ) -> Option<u32> {
        let bus = port.bus();
        let mut given_up = 0;
        // Once the stop is complete, all of what was sent is in memory (HW 8.3).
        let stopped = port.controller.quiesce(Sides::TX, delay).is_empty();
        if stopped
            && let Some(view) = &port.tx()[n]
            && let Some(at) = view.index_of(TBPTR.nth(n).on(bus).get())
            && let Some(next) = view.next_owned(at)
            && !view.bd(at).is_owned()
        {
            warning!("transmit ring {} stands at {}, and {} is ready", n, at, next);
            if self.emptied && !is_mid_frame(view, next) {
                // HW 3.21: the pointer may be written while its direction is stopped.
                TBPTR.nth(n).on(bus).set(view.bd_low(next));
            } else {
                given_up = close_ready(view);
                bus.publish();
                self.emptied = true;
            }
        }
        self.astray = false;
        port.resume();
        stopped.then_some(given_up)
    }
}

/// Closes all descriptors that are ready as an underrun. Returns how many frames end with them. For
/// a stopped transmitter.
fn close_ready(view: &RingView) -> u32 {
    let mut frames = 0;
    for at in 0..view.len() {
        let bd = view.bd(at);
        let control = bd.control();
        let flags = control.tx_flags();
        if !flags.contains(TxFlags::R) {
            continue;
        }
        let closed = flags.difference(TxFlags::R) | TxFlags::UN;
        // Its queue, in another thread, may have made another of it by now.
        if bd.replace_control(control, Control::tx(closed, control.len())) {
            frames += u32::from(flags.contains(TxFlags::L));
        }
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Arena;
    use crate::testing::Heap;

    #[test]
    fn a_burst_that_is_being_handed_over_is_left_alone_and_one_that_stays_so_is_not() {
        let (region, _alive) = Heap::new(4096);
        let mut arena = Arena::new(region).map_err(|(_, e)| e).unwrap();
        let ring = arena.ring(4).unwrap();
        let view = ring.view();
        let ready = |at: u32| view.bd(at).set_control(Control::tx(TxFlags::R | TxFlags::L, 60));
        let mut waiting = Waiting::default();
        assert!(!waiting.look(&view, Some(1)) && waiting.emptied, "nothing is ready");
        ready(3);
        assert!(!waiting.look(&view, Some(1)), "others are, for the first time");
        ready(1);
        assert!(!waiting.look(&view, Some(1)), "the hardware can go on");
        view.bd(1).clear(false);
        assert!(!waiting.look(&view, Some(2)) && !waiting.emptied, "it has gone on");
        assert!(!waiting.look(&view, None), "it stands nowhere in this ring");
        assert!(!waiting.look(&view, Some(2)));
        assert!(waiting.look(&view, Some(2)) && !waiting.emptied);
        assert_eq!((close_ready(&view), view.next_owned(2)), (1, None));
        let flags = view.bd(3).control().tx_flags();
        assert!(flags.contains(TxFlags::L | TxFlags::UN) && !flags.contains(TxFlags::R));
    }
}
