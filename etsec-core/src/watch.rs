//! Finding what no event tells: a transmitter that hangs, a descriptor that fails again and again,
//! a ring that waits for a lost kick, a queue and a hardware that disagree (HW 8.6). It looks at
//! pointers and descriptors, from outside the data path, and stops nothing.

mod astray;

use core::mem;
use core::num::NonZeroU32;

use embedded_hal::delay::DelayNs;

use self::astray::Waiting;
use crate::bus::Bus;
use crate::event::Event;
use crate::halt::close_frame;
use crate::port::{Port, RINGS};
use crate::regs::Readable;
use crate::regs::receive::{RBPTR, Rstat};
use crate::regs::transmit::{TBPTR, TCTRL, Tctrl, Tstat};
use crate::report::warning;
use crate::ring::{Question, RingView};

/// How often in a row a ring is found halted at one ready descriptor before its frame is given up.
/// It has been restarted after each time but the last.
const STRIKES: u8 = 3;

/// A descriptor that is closed, and the pointer that goes on, are two stores of the hardware: so
/// long the one may be behind the other.
pub(crate) const SETTLE_US: u32 = 10;

/// A descriptor's place in its ring, counted from 1: what is remembered begins as plain zeros.
type Place = NonZeroU32;

/// A transmit ring's progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Progress {
    /// The ready descriptor the hardware stands at; `None` while nothing is ready there.
    waiting: Option<Place>,
    /// How often it was found halted there although it had been restarted.
    strikes: u8,
    /// Whether a hang was found while it stood there.
    hung: bool,
}

/// Where a receive ring stood: the descriptor, counted from 1, and in the lowest bit whether it was
/// filled. 0: nothing is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Standing(u32);

impl Standing {
    fn at(view: &RingView, at: u32) -> Standing {
        Standing((at + 1) << 1 | u32::from(!view.bd(at).is_owned()))
    }

    /// Whether it was the same descriptor.
    fn is_where(self, other: Standing) -> bool {
        self.0 >> 1 == other.0 >> 1
    }
}

/// What is remembered between two looks.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    tx: [Progress; RINGS],
    /// Where each transmit ring waits.
    waits: [Waiting; RINGS],
    /// Where each receive ring stood at the last look.
    rx: [Standing; RINGS],
    /// When the transmitter last got on, or had nothing to do; `None`: to be taken from the next
    /// look.
    moved_ms: Option<u32>,
    /// Frames sent, as the controller counts them.
    sent: u64,
}

/// What a look at the transmitter found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transmitter {
    /// It works, or has nothing to do.
    Well,
    /// This ring halts again and again at the same descriptor.
    Halting(usize),
    /// It has had frames to send and sent none for too long.
    Hanging,
    /// The queue of this ring and it disagree on who has which descriptor.
    Astray(usize),
}

impl Watch {
    /// Looks how the transmitter gets on, and restarts rings that wait for nothing. `sent` is the
    /// number of frames the controller has counted so far.
    ///
    /// A ring that waits is no hang while others get on: it may have to wait for them (HW 10). An
    /// error of one ring halts all (HW 3.7), so rings are restarted one at a time from the lowest:
    /// of those that do not get on, the lowest is the one that fails.
    pub(crate) fn check_transmit<B: Bus>(
        &mut self,
        port: &Port<B>,
        now_ms: u32,
        sent: u64,
    ) -> Transmitter {
        let bus = port.bus();
        let (halted, _) = port.controller.halts();
        // A pause frame holds the transmitter up rightly (HW 11.1).
        let paused = TCTRL.on(bus).is_set(Tctrl::RFC_PAUSE);
        let mut moved = paused || self.sent != sent;
        self.sent = sent;
        let (mut waits, mut halting, mut astray) = (false, None, None);
        for n in port.tx_numbers().filter(|&n| !port.controller.config.schedule.blocks(n)) {
            let Some(view) = &port.tx()[n] else { continue };
            let at = view.index_of(TBPTR.nth(n).on(bus).get());
            let patience_ms = port.controller.config.hang_ms;
            if self.waits[n].look(view, at, now_ms, patience_ms) && !paused {
                astray = astray.or(Some(n));
            }
            let at = at.filter(|&at| view.bd(at).is_owned()).and_then(place);
            let progress = &mut self.tx[n];
            if progress.waiting != at {
                moved = true;
                *progress = Progress { waiting: at, ..Progress::default() };
            } else if at.is_some() {
                let again = halted.contains(Tstat::thlt(n));
                progress.strikes = if again { progress.strikes.saturating_add(1) } else { 0 };
                halting = halting.or((progress.strikes >= STRIKES).then_some(n));
                // Harmless while the ring runs (HW 8.5), and the cure for a kick that was lost.
                port.controller.restart_rings(Tstat::thlt(n), Rstat::empty());
            }
            waits |= at.is_some();
        }
        let since = match self.moved_ms {
            Some(since) if waits && !moved => since,
            _ => now_ms,
        };
        self.moved_ms = Some(since);
        if mutant!("hang-not-found") {
            return Transmitter::Well;
        }
        if waits && !moved && now_ms.wrapping_sub(since) >= port.controller.config.hang_ms {
            self.moved_ms = None;
            warning!("the transmitter has not moved for {} ms", port.controller.config.hang_ms);
            return Transmitter::Hanging;
        }
        let astray = astray.map_or(Transmitter::Well, Transmitter::Astray);
        halting.map_or(astray, Transmitter::Halting)
    }

    /// Leads hardware and queue of transmit ring `n` together again. Returns how many frames were
    /// given up; `None` if the transmitter does not stop for it.
    pub(crate) fn lead_back<B: Bus>(
        &mut self,
        port: &Port<B>,
        n: usize,
        delay: &mut dyn DelayNs,
    ) -> Option<u32> {
        self.waits[n].lead_back(port, n, delay)
    }

    /// After a hang, on a halted port: the first of the frames that the transmitter has hung at
    /// before is closed as failed, so that its ring goes on behind it. Returns whether there was
    /// one.
    pub(crate) fn give_up_if_stuck<B: Bus>(&mut self, port: &Port<B>) -> bool {
        let stuck = port.tx_numbers().find(|&n| {
            let progress = self.tx[n];
            progress.hung
                && progress.waiting == port.tx()[n].as_ref().and_then(|view| place(view.position()))
        });
        for progress in &mut self.tx {
            progress.hung = progress.waiting.is_some();
        }
        let Some(n) = stuck else { return false };
        self.tx[n] = Progress::default();
        if let Some(view) = &port.tx()[n] {
            view.set_position(close_frame(view, view.position()));
        }
        true
    }

    /// Tells queues to check their position where it may be wrong, and answers those that ask.
    pub(crate) fn check_receive<B: Bus>(
        &mut self,
        port: &Port<B>,
        events: Event,
        delay: &mut dyn DelayNs,
    ) {
        let bus = port.bus();
        let (_, halted) = port.controller.halts();
        for n in 0..RINGS {
            let Some(view) = &port.rx()[n] else { continue };
            let question = view.question();
            let Some(at) = view.index_of(RBPTR.nth(n).on(bus).get()) else { continue };
            // Where the hardware has moved on a moment ago, the descriptor it has left may still be
            // on its way to memory, and would count as left out.
            if question.is_some() {
                delay.delay_us(SETTLE_US);
            }
            // Descriptors are looked at as they were then, or later: one that is not seen to be
            // filled would be left out.
            bus.observe();
            let last = mem::replace(&mut self.rx[n], Standing::at(view, at));
            // Filled now and at the last look, it is no frame that comes in this very moment.
            let full = self.rx[n] == last && !view.bd(at).is_owned();
            let first = match question.and_then(Question::head) {
                Some(head) => Some(view.first_between(head, at)),
                None => view.first_filled(at, || bus.observe()).or(full.then_some(at)),
            };
            if let (Some(question), Some(first)) = (question, first) {
                view.answer(question, first);
            }
            // A filled descriptor before the hardware's position is either not taken yet or will
            // never be looked at.
            let filled = !view.bd(at + view.len() - 1).is_owned();
            let halt = halted.intersects(port.qhlt()) || events.contains(Event::BSY);
            if filled || halt {
                view.suspect();
            }
            // Halted before an empty descriptor, the restart was lost. Where nothing has come since
            // the last look it is harmless, and QEMU's model gives the frame it has kept only at a
            // second write (HW 15.3).
            let idle = self.rx[n].is_where(last);
            if (idle || halted.contains(Rstat::qhlt(n))) && view.bd(at).is_owned() {
                port.controller.restart_rings(Tstat::empty(), Rstat::qhlt(n));
            }
        }
    }
}

fn place(at: u32) -> Option<Place> {
    NonZeroU32::new(at.wrapping_add(1))
}
