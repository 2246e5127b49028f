//! Time stamps of frames: when they began to arrive, and when they left (HW 12.3, 12.4).
//!
//! Stamps of received frames lie in the padding in front of them; those of sent ones in the
//! buffer's headroom, where [`TxQueue::stage_stamped`](crate::TxQueue::stage_stamped) makes room.
//! It knows no ring; the clock that makes stamps is `ptp`.

use embedded_hal::delay::DelayNs;

use crate::buf::Buf;
use crate::bus::Bus;
use crate::controller::Controller;
use crate::device::{Running, Stopped};
use crate::error::Error;
use crate::fcb::{RxFcb, TxFcb};
use crate::pool::HEADROOM;
use crate::ptp::PtpClock;
use crate::regs::receive::{RCTRL, Rctrl};

/// Control block and TxPAL of a frame to be stamped (HW 12.4), from the buffer's start on.
pub(crate) const SENT_ROOM: usize = 24;
/// Where the device writes the stamp.
const SENT_AT: usize = 16;
/// Where the stamp of a received frame is.
const RECEIVED_AT: usize = HEADROOM + RxFcb::LEN;
/// Bytes of a stamp.
const STAMP: usize = 8;

impl Buf {
    /// When this frame began to arrive, in nanoseconds of the clock: of a frame as it comes from a
    /// queue whose port stamps ([`Stopped::set_rx_stamps`]). `None` if its headroom has been used,
    /// or there is no stamp. From another port's queue it is any number.
    #[must_use]
    pub fn received_stamp(&self) -> Option<u64> {
        if self.headroom() < RECEIVED_AT + STAMP {
            return None;
        }
        let time_ns = u64::from_be_bytes(self.load(RECEIVED_AT));
        (time_ns != 0).then_some(time_ns)
    }

    /// When this frame left, in nanoseconds of the clock: of a frame that was staged with
    /// [`TxQueue::stage_stamped`](crate::TxQueue::stage_stamped) and reaped. `None` if it was not
    /// sent, and when it is asked a second time.
    #[must_use]
    pub fn take_sent_stamp(&mut self) -> Option<u64> {
        if self.headroom() < SENT_ROOM || self.load(0) != TxFcb::STAMPED.bytes() {
            return None;
        }
        self.store(0, [0; 8]);
        let time_ns = u64::from_be_bytes(self.load(SENT_AT));
        // HW 12.4: 0 after an error.
        (time_ns != 0).then_some(time_ns)
    }

    /// Puts a control block that asks for a stamp at the buffer's start, and nothing where the
    /// stamp will be. Returns the low half of its address.
    pub(crate) fn ask_for_stamp(&mut self) -> u32 {
        self.store(SENT_AT, [0; 8]);
        self.store(0, TxFcb::STAMPED.bytes())
    }
}

impl<B> Controller<B> {
    /// Whether received frames are to be stamped.
    pub(crate) fn stamps(&self) -> bool {
        Rctrl::TS.is_set(self.settings.over(RCTRL, 0))
    }

    fn set_stamps(&mut self, on: bool) -> Result<(), Error> {
        if on && !self.config.parser {
            return Err(Error::ParserOff);
        }
        let padding = Rctrl::PAL.read(self.settings.over(RCTRL, 0)) as u8;
        if on && usize::from(padding) < STAMP {
            return Err(Error::StampPadding(padding));
        }
        self.settings.put(RCTRL, Rctrl::TS.val(on.into()));
        Ok(())
    }
}

impl<B: Bus + Clone> Stopped<B> {
    /// Stamps every received frame with the time at which it began, or, with `None`, none any
    /// more: before the clock is stopped (HW 3.11).
    ///
    /// # Errors
    /// [`Error::ParserOff`]; [`Error::StampPadding`] unless
    /// [`RxOffload::padding`](crate::RxOffload::padding) is 8 or more. Nothing changes then.
    pub fn set_rx_stamps(&mut self, clock: Option<&PtpClock<B>>) -> Result<(), Error> {
        self.owner_mut().port.controller.set_stamps(clock.is_some())
    }
}

impl<B: Bus + Clone> Running<B> {
    /// As [`Stopped::set_rx_stamps`]. Reception stops for the moment, as in
    /// [`Running::set_filter`]; frames that are in rings have no stamp.
    ///
    /// # Errors
    /// As [`Stopped::set_rx_stamps`]; [`Error::Gone`] or [`Error::NotAnEtsec`] if the device does
    /// not answer.
    pub fn set_rx_stamps(
        &mut self,
        clock: Option<&PtpClock<B>>,
        delay: &mut dyn DelayNs,
    ) -> Result<(), Error> {
        let controller = &mut self.owner_mut().port.controller;
        controller.check_alive()?;
        controller.set_stamps(clock.is_some())?;
        self.program_stopped_receiver(delay)
    }
}
