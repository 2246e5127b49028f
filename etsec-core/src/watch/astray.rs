//! Transmit rings whose queue and hardware disagree on who has which descriptor: a status that
//! never reached memory leaves one ready that the hardware has passed, and one that is not ready
//! any more keeps the hardware from those behind it (HW 8.6). The queue would wait for ever.
//!
//! Both look the same: the hardware stands at a descriptor that is not ready, while others are. A
//! queue that is about to hand over a burst, from its last frame back to its first (HW 4.4), leaves
//! such a picture for a moment; so it has to be seen at two looks. Its thread may stand still just
//! then: where the ring is marked (feature `adopt`) and the picture is that of the marked burst, it
//! is waited for as long as for a transmitter that hangs. Here is what the periodic look sees and
//! does; when it looks is its own business.

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
    /// Since when it looks as if a burst were being handed over.
    #[cfg(feature = "adopt")]
    handed_since_ms: Option<u32>,
}

impl Waiting {
    /// Looks at a ring whose hardware stands at `at`. Returns whether something has to be done,
    /// which is not before `patience_ms` have passed if its queue may be about to.
    #[cfg_attr(not(feature = "adopt"), inline(always))]
    pub(super) fn look(
        &mut self,
        view: &RingView,
        at: Option<u32>,
        now_ms: u32,
        patience_ms: u32,
    ) -> bool {
        let at = at.filter(|&at| !view.bd(at).is_owned());
        let stood = at.and_then(place);
        if self.at != stood {
            *self = Waiting { at: stood, ..Waiting::default() };
        }
        let Some(at) = at else { return false };
        let before = self.astray;
        self.astray = view.next_owned(at).is_some();
        self.emptied |= !self.astray;
        if self.is_being_handed_over(view, at, now_ms, patience_ms) {
            return false;
        }
        before && self.astray && !mutant!("astray-not-found")
    }

    /// Whether the queue may be about to make ready what the hardware waits for, and has not been
    /// for too long.
    #[cfg(feature = "adopt")]
    fn is_being_handed_over(
        &mut self,
        view: &RingView,
        at: u32,
        now_ms: u32,
        patience_ms: u32,
    ) -> bool {
        if !view.is_marked_rest_ready(at) {
            self.handed_since_ms = None;
            return false;
        }
        let since = *self.handed_since_ms.get_or_insert(now_ms);
        now_ms.wrapping_sub(since) < patience_ms
    }

    /// Where rings are not marked nobody knows.
    #[cfg(not(feature = "adopt"))]
    #[inline(always)]
    #[allow(clippy::unused_self, reason = "as with marks")]
    fn is_being_handed_over(&self, _: &RingView, _: u32, _: u32, _: u32) -> bool {
        false
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
        let look = |waiting: &mut Waiting, at| waiting.look(&view, at, 0, 5);
        assert!(!look(&mut waiting, Some(1)) && waiting.emptied, "nothing is ready");
        ready(3);
        assert!(!look(&mut waiting, Some(1)), "others are, for the first time");
        ready(1);
        assert!(!look(&mut waiting, Some(1)), "the hardware can go on");
        view.bd(1).clear(false);
        assert!(!look(&mut waiting, Some(2)) && !waiting.emptied, "it has gone on");
        assert!(!look(&mut waiting, None), "it stands nowhere in this ring");
        assert!(!look(&mut waiting, Some(2)));
        assert!(look(&mut waiting, Some(2)) && !waiting.emptied);
        assert_eq!((close_ready(&view), view.next_owned(2)), (1, None));
        let flags = view.bd(3).control().tx_flags();
        assert!(flags.contains(TxFlags::L | TxFlags::UN) && !flags.contains(TxFlags::R));
    }

    #[cfg(feature = "adopt")]
    #[test]
    fn a_marked_burst_is_waited_for_but_not_without_end() {
        let (region, _alive) = Heap::new(8192);
        let mut arena = Arena::new(region).map_err(|(_, e)| e).unwrap();
        let ring = arena.ring(8).unwrap();
        let view = ring.view();
        let ready = |at: u32| view.bd(at).set_control(Control::tx(TxFlags::R | TxFlags::L, 60));
        // Six from 5 on; the last three are handed over.
        ring.mark(5, 6);
        (0..3).for_each(ready);
        let mut waiting = Waiting::default();
        let mut look = |now_ms: u32| waiting.look(&view, Some(5), now_ms, 100);
        assert_eq!([u32::MAX, 0, 98].map(&mut look), [false; 3]);
        assert!(look(99), "too long");
        ready(7);
        assert!(look(100), "it is the same burst, and it has stood there all the time");
        // It is not at the start of that one, or not its rest: then two looks do.
        for mark in [(4, 7), (5, 5), (5, 7), (6, 5), (0, 0)] {
            ring.mark(mark.0, mark.1);
            let mut waiting = Waiting::default();
            let mut look = |now_ms: u32| waiting.look(&view, Some(5), now_ms, 100);
            let looks = [look(0), look(1)];
            assert_eq!(looks, [false, mark != (5, 5)], "{mark:?}");
        }
    }
}
