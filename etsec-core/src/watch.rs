//! Finding what no event tells: a transmitter that hangs, a ring that waits for a lost kick, a receive queue and a
//! hardware that disagree (HW 8.6). It looks at pointers and descriptors, from outside the data path.

use crate::bus::Bus;
use crate::event::Event;
use crate::halt::close_frame;
use crate::port::{Port, RINGS};
use crate::regs::Readable;
use crate::regs::receive::{RBPTR, RSTAT, Rstat};
use crate::regs::transmit::{TBPTR, TCTRL, TSTAT, Tctrl, Tstat};
use crate::report::warning;

/// A transmit ring's progress.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// The descriptor the hardware waits at, and since when; `None` while nothing is ready there.
    waiting: Option<(u32, u32)>,
    /// Where the last hang was found.
    hung_at: Option<u32>,
}

/// What is remembered between two looks.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    tx: [Progress; RINGS],
    /// Where each receive ring stood at the last look.
    rx: [Option<u32>; RINGS],
}

impl Watch {
    /// Looks for a ring that has had a ready descriptor for too long. Returns one that hangs.
    pub(crate) fn check_transmit<B: Bus>(&mut self, port: &Port<B>, now_ms: u32) -> Option<usize> {
        let bus = port.bus();
        // A pause frame holds the transmitter up rightly (HW 11.1).
        let paused = TCTRL.on(bus).is_set(Tctrl::RFC_PAUSE);
        let mut hung = None;
        for n in 0..RINGS {
            let Some(view) = &port.tx[n] else { continue };
            let progress = &mut self.tx[n];
            let at = view.index_of(TBPTR.nth(n).on(bus).get());
            let Some(at) = at.filter(|&at| view.bd(at).is_owned() && !paused) else {
                progress.waiting = None;
                continue;
            };
            match progress.waiting {
                Some((place, since)) if place == at => {
                    // Harmless while the ring runs (HW 8.5), and the cure for a kick that was lost.
                    TSTAT.on(bus).clear(Tstat::thlt(n));
                    if now_ms.wrapping_sub(since) >= port.config.hang_ms {
                        warning!("transmit ring {} hangs at descriptor {}", n, at);
                        hung = Some(n);
                        progress.waiting = None;
                    }
                }
                _ => progress.waiting = Some((at, now_ms)),
            }
        }
        hung
    }

    /// After a hang, on a halted port: a frame that has hung before is closed as failed, so that the ring goes on
    /// behind it. Returns whether one was.
    pub(crate) fn give_up_if_stuck<B: Bus>(&mut self, port: &Port<B>, n: usize) -> bool {
        let Some(view) = &port.tx[n] else { return false };
        let at = view.position();
        let again = self.tx[n].hung_at.replace(at) == Some(at) && view.bd(at).is_owned();
        if again {
            view.set_position(close_frame(view, at));
            self.tx[n].hung_at = None;
        }
        again
    }

    /// Tells queues to check their position where it may be wrong, and answers those that ask.
    pub(crate) fn check_receive<B: Bus>(&mut self, port: &Port<B>, events: Event) {
        let bus = port.bus();
        let halted = RSTAT.on(bus).peek();
        for n in 0..RINGS {
            let Some(view) = &port.rx[n] else { continue };
            let question = view.question();
            let Some(at) = view.index_of(RBPTR.nth(n).on(bus).get()) else { continue };
            if let Some(number) = question {
                view.answer(number, at);
            }
            // A filled descriptor before the hardware's position is either not taken yet or will never be looked at.
            let filled = !view.bd(at + view.len() - 1).is_owned();
            let halt = halted.intersects(port.qhlt()) || events.contains(Event::BSY);
            if filled || halt {
                view.suspect();
            }
            // Halted before an empty descriptor, the restart was lost. Where nothing has come since the last look it is
            // harmless, and QEMU's model gives the frame it has kept only at a second write (HW 15.3).
            let idle = self.rx[n].replace(at) == Some(at);
            if (idle || halted.contains(Rstat::qhlt(n))) && view.bd(at).is_owned() {
                RSTAT.on(bus).clear(Rstat::qhlt(n));
            }
        }
    }
}
