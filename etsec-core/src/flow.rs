//! Flow control beyond what the link settles: pause frames on demand, and lossless flow control,
//! where a receive ring that runs short holds the partner back (HW 11).
//!
//! It knows rings by their descriptors and no frame.

use core::fmt;

use embedded_hal::delay::DelayNs;

use crate::bus::{Bus, PageBell};
use crate::controller::Controller;
use crate::device::{Running, Stopped};
use crate::error::{Error, Side};
use crate::event::Event;
use crate::groups;
use crate::halt::Sides;
use crate::port::{Port, RINGS};
use crate::regs::control::{IEVENT, PTV, Ptv};
use crate::regs::receive::{RBPTR, RCTRL, RFBPTR, RQPRM, Rctrl, Rqprm};
use crate::regs::transmit::{TCTRL, Tctrl};
use crate::regs::{ReadWriteable, Readable, Writeable};
use crate::rx::RxQueue;

/// A pause frame waits for the frame on the wire: 9600 bytes at 10 Mb/s take 7.7 ms.
const SENT_POLLS: u32 = 1000;
const SENT_POLL_US: u32 = 10;
/// What a partner may need to obey, beyond the frame it is sending.
const REACTION_US: u32 = 10;
/// How long a partner is held while reception stops: as long as that may take (HW 8.3).
const HOLD_US: u32 = 10_000;
/// Bits in a unit of pause time (HW 11.1).
const QUANTUM: u32 = 512;
/// Bytes that lie in one page for the arithmetic of lossless flow control, as a shift (HW 3.20).
const PAGE: u32 = 28;

/// Why flow control was not changed, or a pause frame not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FlowError {
    /// The link does not allow pause frames to be sent: it lacks `tx`, or is half duplex.
    NotAllowed,
    /// The pause frame did not leave within 10 ms. It may still leave later.
    NotSent,
    /// Lossless flow control is on: the controller alone says when the partner sends.
    Lossless,
    /// Lossless flow control by pause frames with time 0, which end a pause (HW 11.1).
    PauseTime,
    /// Threshold out of range for the ring.
    Threshold {
        /// The ring.
        ring: usize,
        /// What was asked for.
        threshold: u8,
        /// Descriptors of the ring.
        len: usize,
    },
    /// The ring crosses a boundary of 256 MiB, so the controller cannot count its descriptors (HW
    /// 3.20).
    Boundary(usize),
    /// The port.
    Port(Error),
}

impl From<Error> for FlowError {
    fn from(error: Error) -> Self {
        FlowError::Port(error)
    }
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed => f.write_str(
                "the link does not let this port send pause frames: it needs full duplex and tx",
            ),
            Self::NotSent => f.write_str("the pause frame did not leave within 10 ms"),
            Self::Lossless => f.write_str(
                "lossless flow control sends the pause frames: switch it off to send one by hand",
            ),
            Self::PauseTime => f.write_str(
                "a pause time of 0 holds nobody back: with lossless flow control 1 to 65535 are \
                 possible",
            ),
            Self::Threshold { ring, threshold, len } => {
                let most = (len - 1).min(255);
                write!(
                    f,
                    "threshold {threshold} of receive ring {ring}: 2 to {most} are possible \
                     with {len} descriptors"
                )
            }
            Self::Boundary(ring) => write!(
                f,
                "receive ring {ring} crosses a boundary of 256 MiB of bus addresses: \
                 place its memory elsewhere"
            ),
            Self::Port(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for FlowError {}

impl<B: Bus> Controller<B> {
    fn is_lossless(&self, n: usize) -> bool {
        self.settings.over(RQPRM.nth(n), 0) != 0
    }

    fn has_lossless(&self) -> bool {
        (0..RINGS).any(|n| self.is_lossless(n))
    }

    /// Notes from which threshold on ring `n` of `len` descriptors is short; 0: never.
    fn put_threshold(&mut self, n: usize, threshold: u8, len: u32) {
        let parameters = Rqprm::FBTHR.val(threshold.into()) + Rqprm::LEN.val(len);
        let value = if threshold == 0 { 0 } else { parameters.into() };
        self.settings.put_all(RQPRM.nth(n), value);
        let any = self.has_lossless();
        self.settings.put(RCTRL, Rctrl::LFC.val(any.into()));
    }

    fn put_pause_time(&mut self, time: u16) -> Result<(), FlowError> {
        if time == 0 && self.has_lossless() {
            return Err(FlowError::PauseTime);
        }
        self.config.pause_time = time;
        Ok(())
    }

    /// Sends one pause frame and waits until it has left.
    fn pause(&self, time: u16, delay: &mut dyn DelayNs) -> Result<(), FlowError> {
        self.check_alive()?;
        if !self.config.link.effective_pause().tx {
            return Err(FlowError::NotAllowed);
        }
        let bus = self.bus();
        PTV.on(bus).write(Ptv::PT.val(time.into()));
        IEVENT.on(bus).clear(Event::TXC);
        TCTRL.on(bus).modify(Tctrl::TFC_PAUSE::SET);
        // HW 3.6: the request clears itself, then TXC. The frame carries what PTV holds when it is
        // made, so PTV stays until it has left.
        let has_left = || {
            !TCTRL.on(bus).is_set(Tctrl::TFC_PAUSE) && IEVENT.on(bus).peek().contains(Event::TXC)
        };
        let mut polls = 0;
        while !has_left() && polls < SENT_POLLS {
            delay.delay_us(SENT_POLL_US);
            polls += 1;
        }
        PTV.on(bus).write(Ptv::PT.val(self.config.pause_time.into()));
        IEVENT.on(bus).clear(Event::TXC);
        self.check_alive()?;
        if polls < SENT_POLLS { Ok(()) } else { Err(FlowError::NotSent) }
    }

    /// Keeps the partner from sending while reception stops for a moment, if the link allows it
    /// (HW 11.2). Returns whether it does.
    ///
    /// Where lossless flow control is on already, a pause frame of its own may carry this time: it
    /// is as long as is needed until that starts anew.
    fn hold_partner(&self, delay: &mut dyn DelayNs) -> Result<bool, FlowError> {
        let mbps = self.config.link.speed.mbps();
        let obeys_us = 8 * self.config.maxfrm() / mbps + REACTION_US;
        let time = (obeys_us + HOLD_US) * mbps / QUANTUM;
        match self.pause(time as u16, delay) {
            Ok(()) => {
                delay.delay_us(obeys_us);
                Ok(true)
            }
            // Frames that come meanwhile are lost, and counted.
            Err(FlowError::NotAllowed | FlowError::NotSent) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Tells the controller of each lossless ring's last empty descriptor, reception being stopped.
///
/// A ring that is not empty throughout must not be told by its own position: that would mean that
/// it is (HW 11.2). One descriptor too many, where none or one is empty, is below any threshold.
pub(crate) fn tell_free<B: Bus>(port: &Port<B>) {
    let bus = port.bus();
    for (n, view) in port.rx().iter().enumerate() {
        let Some(view) = view else { continue };
        if port.controller.is_lossless(n)
            && let Some(at) = view.index_of(RBPTR.nth(n).on(bus).get())
        {
            let empty = (0..view.len()).take_while(|by| view.bd(at + by).is_owned()).count() as u32;
            let last = (at + empty.max(2) - 1) % view.len();
            RFBPTR.nth(n).on(bus).set(view.bd_low(last));
        }
    }
}

impl<B: Bus> Port<B> {
    /// Makes a queue lossless from `threshold` on, or lets it be as others. Registers are not
    /// written.
    fn put_lossless(
        &mut self,
        queue: &mut RxQueue<PageBell<B>>,
        threshold: Option<u8>,
    ) -> Result<(), FlowError> {
        let ring = queue.number();
        let view = self.rx().get(ring).and_then(Option::as_ref);
        let view = view.filter(|view| view.is_of(queue.ring())).ok_or(Error::Stranger(Side::Rx))?;
        let len = view.len();
        if let Some(threshold) = threshold {
            if self.controller.config.pause_time == 0 {
                return Err(FlowError::PauseTime);
            }
            // HW 11.2: the difference of two positions is at most one less than the length, and the
            // case of equal ones is told apart from 2 on.
            if threshold < 2 || u32::from(threshold) >= len {
                return Err(FlowError::Threshold { ring, threshold, len: len as usize });
            }
            if (view.bd_low(0) ^ view.bd_low(len - 1)) >> PAGE != 0 {
                return Err(FlowError::Boundary(ring));
            }
        }
        self.controller.put_threshold(ring, threshold.unwrap_or(0), len);
        self.loaded = Some(groups::ready);
        queue.set_lossless(threshold.is_some());
        Ok(())
    }
}

impl<B: Bus + Clone> Stopped<B> {
    /// Lossless flow control of one receive ring: while fewer than `threshold` of its descriptors
    /// are empty, the controller keeps the partner from sending (HW 11.2). `None`: frames that find
    /// the ring full are lost, as usual.
    ///
    /// It takes a link with flow control `tx`, a partner that obeys, and a threshold of at least as
    /// many descriptors as the partner fills until it obeys: 4 on a short cable at a gigabit, more
    /// with switches or frames in several buffers. The queue then writes a second register in each
    /// [`RxQueue::commit`]. The pause frames carry [`Config::pause_time`]; a short one (16) lets
    /// the partner go on soon where the controller does not end the pause itself.
    ///
    /// # Errors
    /// [`FlowError::Threshold`] below 2, or not below the ring's length;
    /// [`FlowError::Boundary`]; [`FlowError::PauseTime`] while that is 0; [`Error::Stranger`] for
    /// another port's queue. Nothing changes then.
    ///
    /// [`Config::pause_time`]: crate::Config::pause_time
    pub fn set_lossless(
        &mut self,
        queue: &mut RxQueue<PageBell<B>>,
        threshold: Option<u8>,
    ) -> Result<(), FlowError> {
        self.owner_mut().port.put_lossless(queue, threshold)
    }

    /// Changes the pause time of the pause frames this port sends, in units of 512 bit times.
    ///
    /// # Errors
    /// [`FlowError::PauseTime`] for 0 while a ring is lossless. Nothing changes then.
    pub fn set_pause_time(&mut self, time: u16) -> Result<(), FlowError> {
        self.owner_mut().port.controller.put_pause_time(time)
    }
}

impl<B: Bus + Clone> Running<B> {
    /// As [`Stopped::set_lossless`]. Reception stops for the moment; where the link allows it, the
    /// partner is kept from sending meanwhile, and some 10 ms longer while there is a lossless
    /// ring. If reception does not stop, the controller is reset as by [`Running::reset`].
    ///
    /// # Errors
    /// As [`Stopped::set_lossless`]; [`FlowError::Port`] if the device does not answer.
    pub fn set_lossless(
        &mut self,
        queue: &mut RxQueue<PageBell<B>>,
        threshold: Option<u8>,
        delay: &mut dyn DelayNs,
    ) -> Result<(), FlowError> {
        let port = &mut self.owner_mut().port;
        port.controller.check_alive()?;
        port.put_lossless(queue, threshold)?;
        let changed = self.follow_lossless(delay);
        self.ended()?;
        changed
    }

    /// Brings thresholds to the registers.
    fn follow_lossless(&mut self, delay: &mut dyn DelayNs) -> Result<(), FlowError> {
        let port = &self.owner().port;
        let held = port.controller.hold_partner(delay)?;
        if !port.controller.quiesce(Sides::RX, delay).is_empty() {
            // HW 3.11: RCTRL may not change under a receiver that runs.
            return Ok(self.reset(delay)?);
        }
        let (bus, settings) = (port.bus(), &port.controller.settings);
        // HW 11.2: in this order.
        RCTRL.on(bus).modify(Rctrl::LFC::CLEAR);
        for n in 0..RINGS {
            RQPRM.nth(n).on(bus).set(settings.over(RQPRM.nth(n), 0));
        }
        tell_free(port);
        RCTRL.on(bus).set(settings.over(RCTRL, RCTRL.on(bus).get()));
        port.resume();
        // A ring may be short by now, or become so in a moment: then nobody but the controller may
        // let the partner go, nor find a time of 0 in PTV. It does, or the hold's time ends.
        if held && !port.controller.has_lossless() {
            let _ = port.controller.pause(0, delay);
        }
        Ok(())
    }

    /// The threshold of a receive ring, 0 to 7, that is lossless.
    #[must_use]
    pub fn lossless(&self, ring: usize) -> Option<u8> {
        let settings = &self.owner().port.controller.settings;
        let parameters = if ring < RINGS { settings.over(RQPRM.nth(ring), 0) } else { 0 };
        let [threshold, ..] = parameters.to_be_bytes();
        (threshold != 0).then_some(threshold)
    }

    /// Changes the pause time of the pause frames this port sends, in units of 512 bit times.
    ///
    /// # Errors
    /// As [`Stopped::set_pause_time`]; [`FlowError::Port`] if the device does not answer.
    pub fn set_pause_time(&mut self, time: u16) -> Result<(), FlowError> {
        let controller = &mut self.owner_mut().port.controller;
        controller.check_alive()?;
        controller.put_pause_time(time)?;
        PTV.on(controller.bus()).write(Ptv::PT.val(time.into()));
        Ok(self.ended()?)
    }

    /// Asks the partner to send nothing for `time` units of 512 bit times, behind the frame on the
    /// wire; 0 ends a pause. Returns when the pause frame has left.
    ///
    /// # Errors
    /// [`FlowError::NotAllowed`] on a link without `tx`; [`FlowError::Lossless`] while a ring is
    /// lossless, for it could let the partner go while that is short; [`FlowError::NotSent`] if it
    /// takes more than 10 ms; [`FlowError::Port`] if the device does not answer.
    pub fn send_pause(&mut self, time: u16, delay: &mut dyn DelayNs) -> Result<(), FlowError> {
        let controller = &self.owner_mut().port.controller;
        if controller.has_lossless() {
            return Err(FlowError::Lossless);
        }
        controller.pause(time, delay)
    }
}
