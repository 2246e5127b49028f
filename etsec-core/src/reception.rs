//! Proving that the receiver works, on parts where it may not after it was enabled (HW 14,
//! NMG_eTSEC129): a frame is led from the MAC's output to its input, and what arrives is compared.

use core::fmt;

use embedded_hal::delay::DelayNs;

use crate::bus::{Bus, PageBell};
use crate::device::Running;
use crate::errata::Errata;
use crate::error::Error;
use crate::halt::Sides;
use crate::pool::Pool;
use crate::regs::ReadWriteable;
use crate::regs::mac::{MACCFG1, Maccfg1};
use crate::regs::receive::{RCTRL, Rctrl};
use crate::rx::RxQueue;
use crate::tx::TxQueue;

/// How often the receiver is enabled anew before it is given up (HW 14).
const TRIES: u32 = 5;
/// The receiver stays disabled this long.
const OFF_MS: u32 = 1;
/// A test frame at 10 Mb/s takes 67 µs.
const POLLS: u32 = 100;
const POLL_US: u32 = 10;
/// A frame of the smallest size.
const LEN: usize = 60;

/// Why reception is not proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ReceptionError {
    /// No test frame arrived as it was sent, however often the receiver was enabled.
    Deaf,
    /// The test takes receive ring 0, where frames go without a filer.
    NotRing0(usize),
    /// There was no free buffer, or no room in the transmit ring.
    Full,
    /// The port.
    Port(Error),
}

impl From<Error> for ReceptionError {
    fn from(error: Error) -> Self {
        ReceptionError::Port(error)
    }
}

impl fmt::Display for ReceptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deaf => f.write_str("the receiver gets no frame right: reset the port"),
            Self::NotRing0(n) => write!(f, "reception is proved on receive ring 0, not {n}"),
            Self::Full => f.write_str("no free buffer, or no room in the ring, for a test frame"),
            Self::Port(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ReceptionError {}

impl<B: Bus + Clone> Running<B> {
    /// On parts with [`Errata::NMG129`], makes sure that the receiver works, and enables it anew
    /// until it does; elsewhere it does nothing. Returns how often that was needed.
    ///
    /// To be called after the start and after each reset
    /// ([`FaultCounters::resets`](crate::FaultCounters::resets)), with queues that have nothing to
    /// do yet: what arrives meanwhile is dropped, and the wire is cut off. `rx` is ring 0.
    ///
    /// # Errors
    /// [`ReceptionError`]; the port then runs as before.
    pub fn prove_reception(
        &mut self,
        tx: &mut TxQueue<PageBell<B>>,
        rx: &mut RxQueue<PageBell<B>>,
        pool: &Pool,
        delay: &mut dyn DelayNs,
    ) -> Result<u32, ReceptionError> {
        if rx.number() != 0 {
            return Err(ReceptionError::NotRing0(rx.number()));
        }
        if !self.config().errata.contains(Errata::NMG129) {
            return Ok(0);
        }
        self.lead_back(true, delay)?;
        let mut tried = Err(ReceptionError::Deaf);
        for again in 0..=TRIES {
            if again != 0 {
                let bus = self.owner().port.bus();
                MACCFG1.on(bus).modify(Maccfg1::RX_EN::CLEAR);
                delay.delay_ms(OFF_MS);
                MACCFG1.on(bus).modify(Maccfg1::RX_EN::SET);
            }
            match self.try_frame(again as u8, tx, rx, pool, delay) {
                Ok(true) => tried = Ok(again),
                Ok(false) => continue,
                Err(error) => tried = Err(error),
            }
            break;
        }
        self.lead_back(false, delay)?;
        tried
    }

    /// Leads the MAC's output to its input and lets everything in to ring 0, or ends that.
    fn lead_back(&mut self, on: bool, delay: &mut dyn DelayNs) -> Result<(), Error> {
        let port = &self.owner().port;
        port.controller.check_alive()?;
        // A receiver that does not work may not stop either.
        let _ = port.controller.quiesce(Sides::BOTH, delay);
        let bus = port.bus();
        if on {
            RCTRL.on(bus).modify(Rctrl::PROM::SET + Rctrl::FILREN::CLEAR);
        } else {
            port.controller.refilter(&port.controller.config.filter);
        }
        let loopback = on || port.controller.config.loopback;
        MACCFG1.on(bus).modify(Maccfg1::LOOP_BACK.val(loopback.into()));
        port.resume();
        port.controller.check_alive()
    }

    /// Whether a test frame arrives as it is sent.
    fn try_frame(
        &self,
        seed: u8,
        tx: &mut TxQueue<PageBell<B>>,
        rx: &mut RxQueue<PageBell<B>>,
        pool: &Pool,
        delay: &mut dyn DelayNs,
    ) -> Result<bool, ReceptionError> {
        let station = self.config().filter.station();
        let mut frame = [0; LEN];
        for (n, byte) in frame.iter_mut().enumerate() {
            *byte = (n as u8).wrapping_mul(0x35) ^ seed;
        }
        frame[..6].copy_from_slice(&station.0);
        frame[6..12].copy_from_slice(&station.0);
        // An ethertype for experiments, which no protocol takes for its own.
        frame[12..14].copy_from_slice(&[0x88, 0xB5]);
        let buf = pool.frame(&frame).ok_or(ReceptionError::Full)?;
        if tx.stage(buf).is_err() {
            return Err(ReceptionError::Full);
        }
        tx.commit();
        let (mut sent, mut arrived) = (false, false);
        for _ in 0..POLLS {
            sent |= tx.reap().is_some();
            while let Some((come, _)) = rx.next() {
                arrived |= come.first_chunk::<LEN>() == Some(&frame);
                // It came out of the ring, so there is room.
                drop(rx.refill(come));
            }
            rx.commit();
            if sent && arrived {
                break;
            }
            delay.delay_us(POLL_US);
        }
        Ok(arrived)
    }
}
