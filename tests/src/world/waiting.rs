//! What must be true of a station between two steps: nobody waits for something that will not come.

use etsec_sim::{Direction, Fault, Line, Model};

use super::rules::{Broken, Check, Rule, check};
use super::station::{Port, Station};

/// IEVENT bits that say why a ring is halted (HW 3.2): TXE and EBERR, BSY and EBERR.
const TX_TROUBLE: u32 = 0x1040_0000;
const RX_TROUBLE: u32 = 0x3000_0000;

impl Station {
    /// All rules that concern one station alone.
    ///
    /// # Errors
    /// The first that is broken.
    pub fn check(&mut self) -> Check {
        let violations = self.sim.violations();
        if let Some(first) = violations.first()
            && !self.was_hit
        {
            return Err(Broken::new(Rule::Manual, first.to_string()));
        }
        self.check_buffers()?;
        if !matches!(self.port, Port::Running(_)) || self.is_dead() {
            return Ok(());
        }
        self.check_restarted()?;
        self.check_woken()
    }

    /// A ring with something to do is not halted, unless an event tells why or a restart was lost.
    fn check_restarted(&self) -> Check {
        let events = self.sim.with(|model| model.events());
        let waits = |direction, ring| {
            self.sim
                .with(|model| model.is_halted(direction, ring) && model.is_ready(direction, ring))
        };
        let excused = events & TX_TROUBLE != 0 || self.excuses.unkicked_tx > 0;
        for (ring, sender) in self.tx.iter().enumerate() {
            let waits = waits(Direction::Tx, ring) && !excused && !sender.hit;
            check(!waits, Rule::Restarted, || {
                format!(
                    "transmit ring {ring} is halted at a frame that is ready, and no event is set"
                )
            })?;
        }
        let excused = events & RX_TROUBLE != 0 || self.excuses.unkicked_rx > 0;
        for (ring, receiver) in self.rx.iter().enumerate() {
            let waits = waits(Direction::Rx, ring) && !excused && !receiver.hit;
            check(!waits, Rule::Restarted, || {
                format!("receive ring {ring} is halted at an empty descriptor, and no event is set")
            })?;
        }
        Ok(())
    }

    /// While something is there to be taken, the line is up.
    fn check_woken(&self) -> Check {
        let later = |model: &mut Model| model.status_pending() || model.coalescing_pending();
        if self.excuses.masked || self.sim.with(later) {
            return Ok(());
        }
        let arrived = |rx: &super::station::Receiver| !rx.expected.is_empty() && !rx.hit;
        if self.rx.iter().any(arrived) && !self.excuses.unwoken_rx {
            check(self.sim.line(Line::Rx), Rule::Woken, || {
                "a frame has arrived, and the receive line is down".into()
            })?;
        }
        let hangs = self.sim.with(|model| model.armed(Fault::TxHang) > 0);
        for (ring, sender) in self.tx.iter().enumerate() {
            let done = !hangs
                && sender.flying.front().is_some_and(|frame| frame.committed)
                && !sender.hit
                && !self.sim.with(|model| model.is_ready(Direction::Tx, ring));
            check(
                !done || self.excuses.unwoken_tx || self.sim.line(Line::Tx),
                Rule::Woken,
                || format!("all frames of transmit ring {ring} are sent, and the line is down"),
            )?;
        }
        Ok(())
    }
}
