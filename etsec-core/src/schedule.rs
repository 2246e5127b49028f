//! How the transmit rings share the wire (HW 10). It knows weights and registers, and no ring.

use embedded_hal::delay::DelayNs;

use crate::bus::Bus;
use crate::controller::Controller;
use crate::device::{Running, Stopped};
use crate::error::Error;
use crate::halt::Sides;
use crate::regs::Writeable;
use crate::regs::transmit::{TCTRL, TR03WT, TR47WT, Tctrl};

/// How the transmit rings share the wire (HW 10). One frame is sent, then the next ring is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Schedule {
    /// Ring 0 alone: what the other rings hold waits.
    Single,
    /// The lowest-numbered ring that has a frame, decided anew after each frame.
    #[default]
    Priority,
    /// Modified weighted round robin: the weight of each ring in units of 64 bytes a visit; 0
    /// blocks a ring.
    ///
    /// Rings 1 to 7 are visited in turn, and ring 0 before each of them. So while all have frames,
    /// rings 1 to 7 share by their weights, and ring 0 gets its weight once for each other ring in
    /// use. Weights of at least a whole frame (24 for 1536 bytes) keep the shares even within few
    /// visits.
    RoundRobin([u8; 8]),
}

impl Schedule {
    /// Whether nothing is ever sent from transmit ring `n`, 0 to 7.
    pub(crate) fn blocks(self, n: usize) -> bool {
        match self {
            Schedule::Single => n != 0,
            Schedule::Priority => false,
            Schedule::RoundRobin(weights) => weights.get(n) == Some(&0),
        }
    }
}

impl<B: Bus> Controller<B> {
    /// Writes the weights, and returns what TCTRL is to hold: it must not choose by weights that
    /// are not there yet.
    pub(crate) fn program_weights(&self, bus: &impl Bus) -> Tctrl::TXSCHED::Value {
        if let Schedule::RoundRobin([w0, w1, w2, w3, w4, w5, w6, w7]) = self.config.schedule {
            TR03WT.on(bus).set(u32::from_be_bytes([w0, w1, w2, w3]));
            TR47WT.on(bus).set(u32::from_be_bytes([w4, w5, w6, w7]));
        }
        match self.config.schedule {
            Schedule::Single => Tctrl::TXSCHED::Value::Single,
            Schedule::Priority => Tctrl::TXSCHED::Value::Priority,
            Schedule::RoundRobin(_) => Tctrl::TXSCHED::Value::RoundRobin,
        }
    }
}

impl<B: Bus + Clone> Stopped<B> {
    /// Changes how the transmit rings share the wire, from the next start on; instead of
    /// [`Config::schedule`](crate::Config::schedule).
    pub fn set_schedule(&mut self, schedule: Schedule) {
        self.owner_mut().port.controller.config.schedule = schedule;
    }
}

impl<B: Bus + Clone> Running<B> {
    /// Changes how the transmit rings share the wire. Transmission stops behind the frame on the
    /// wire and goes on at once; no frame is lost. While a pause is in force, that is waited for,
    /// at most 10 ms.
    ///
    /// # Errors
    /// [`Error::Gone`] or [`Error::NotAnEtsec`] if the device does not answer.
    pub fn set_schedule(
        &mut self,
        schedule: Schedule,
        delay: &mut dyn DelayNs,
    ) -> Result<(), Error> {
        let port = &mut self.owner_mut().port;
        port.controller.check_alive()?;
        port.controller.config.schedule = schedule;
        // HW 8.4: rings are chosen anew with the transmitter stopped. One that is paused, or has no
        // clock, does not stop: it chooses no ring either, so the change is right all the same.
        let _ = port.controller.quiesce(Sides::TX, delay);
        let chosen = port.controller.program_weights(port.bus());
        TCTRL.on(port.bus()).modify(Tctrl::TXSCHED.val(chosen as u32));
        port.resume();
        self.ended()
    }
}
