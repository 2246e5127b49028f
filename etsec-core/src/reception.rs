//! Proving that the receiver works, on parts where it may not after it was enabled (HW 14,
//! NMG_eTSEC129): a frame is led from the MAC's output to its input, and what arrives is compared.
//!
//! The test has a small ring of its own in each direction. They take the place of the port's rings
//! for the moment, so it can be made whenever the receiver was enabled, with queues as they are.

use core::{array, fmt, iter, mem};

use embedded_hal::delay::DelayNs;
use heapless::Vec;

use crate::buf::Buf;
use crate::bus::{Bus, PageBell};
use crate::device::{Running, Stopped};
use crate::errata::Errata;
use crate::error::Error;
use crate::event::Event;
use crate::halt::Sides;
use crate::pool::Pool;
use crate::port::{Port, Rings};
use crate::regs::ReadWriteable;
use crate::regs::control::IMASK;
use crate::regs::group::{ISRG, Isrg};
use crate::regs::mac::{MACCFG1, MACCFG2, Maccfg1, Maccfg2};
use crate::regs::receive::{RCTRL, Rctrl};
use crate::regs::transmit::{TCTRL, Tctrl};
use crate::ring::RingMemory;
use crate::rx::RxQueue;
use crate::tx::TxQueue;

/// How often the receiver is enabled anew before it is given up (HW 14).
const TRIES: u8 = 5;
/// The receiver stays disabled this long.
const OFF_MS: u32 = 1;
/// A test frame at 10 Mb/s takes 67 µs.
const POLLS: u32 = 100;
const POLL_US: u32 = 10;
/// A frame of the smallest size.
const LEN: usize = 60;
/// Descriptors that each ring of a test needs.
pub const RING: usize = 4;

/// Why reception is not proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ReceptionError {
    /// No test frame arrived as it was sent, however often the receiver was enabled.
    Deaf,
    /// The pool had no buffer left for the test.
    NoBuffer,
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
            Self::NoBuffer => f.write_str("the pool has no buffer left for a test frame"),
            Self::Port(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ReceptionError {}

/// Buffers that a test keeps.
pub const BUFFERS: usize = 4;

/// What a test of reception needs: a ring each way, and buffers that it keeps.
pub struct ReceptionTest<B: Bus> {
    /// The test's own rings; while it is made, those of the port.
    rings: Rings,
    tx: TxQueue<PageBell<B>>,
    rx: RxQueue<PageBell<B>>,
    pool: Pool,
    bufs: Vec<Buf, BUFFERS>,
}

impl<B: Bus + Clone> Stopped<B> {
    /// Makes what [`Running::prove_reception`] needs of two rings, [`RING`] descriptors long or
    /// longer, and [`BUFFERS`] buffers of `pool`, fewer if it has fewer.
    ///
    /// To be called after the options of received frames are set.
    ///
    /// # Errors
    /// [`Error::Window`]: the rings are in another window of 4 GiB than the port's. Their memory is
    /// lost to its arena then.
    pub fn reception_test(
        &mut self,
        rx: RingMemory,
        tx: RingMemory,
        pool: &Pool,
    ) -> Result<ReceptionTest<B>, Error> {
        // The port's own rings step aside, for their numbers are taken.
        let mut rings = Rings::default();
        self.owner_mut().port.swap_rings(&mut rings);
        let queues = self.add_rx(0, rx).and_then(|rx| Ok((rx, self.add_tx(0, tx)?)));
        self.owner_mut().port.swap_rings(&mut rings);
        let (rx, tx) = queues?;
        Ok(ReceptionTest { rings, tx, rx, pool: pool.clone(), bufs: Vec::new() })
    }
}

impl<B: Bus + Clone> Running<B> {
    /// On parts with [`Errata::NMG129`], makes sure that the receiver works, and enables it anew
    /// until it does; elsewhere it does nothing. Returns how often that was needed.
    ///
    /// To be called after the start and after each reset
    /// ([`FaultCounters::resets`](crate::FaultCounters::resets)). The wire is cut off meanwhile.
    /// What is in the port's rings stays there, and the queues may be used.
    ///
    /// # Errors
    /// [`ReceptionError`]. The port was reset then, and runs as after [`Running::reset`]; if the
    /// device does not answer, [`Running::tick`] ends what was begun when it comes back.
    pub fn prove_reception(
        &mut self,
        test: &mut ReceptionTest<B>,
        delay: &mut dyn DelayNs,
    ) -> Result<u32, ReceptionError> {
        if !self.config().errata.contains(Errata::NMG129) {
            return Ok(0);
        }
        if !test.take_buffers() {
            return Err(ReceptionError::NoBuffer);
        }
        self.halt(delay)?;
        let port = &mut self.owner_mut().port;
        port.swap_rings(&mut test.rings);
        let tried = test.make(port, delay);
        port.swap_rings(&mut test.rings);
        match tried {
            // The receiver stays enabled: to enable it anew would prove nothing.
            Some(_) => self.resume_from_test()?,
            None => self.restart(delay)?,
        }
        tried.ok_or(ReceptionError::Deaf)
    }

    /// Gives the controller, stopped and enabled, its own rings and filter again.
    fn resume_from_test(&mut self) -> Result<(), Error> {
        let port = &self.owner().port;
        let loopback = port.controller.config.loopback;
        MACCFG1.on(port.bus()).modify(Maccfg1::LOOP_BACK.val(loopback.into()));
        port.controller.refilter(&port.controller.config.filter);
        let chosen = port.controller.program_weights(port.bus());
        TCTRL.on(port.bus()).modify(Tctrl::TXSCHED.val(chosen as u32));
        port.controller.settings.write(port.bus());
        port.start();
        port.controller.check_alive()?;
        self.set_halted(false);
        Ok(())
    }
}

impl<B: Bus + Clone> ReceptionTest<B> {
    /// One buffer to send and one to receive at least.
    fn take_buffers(&mut self) -> bool {
        while !self.bufs.is_full()
            && let Some(buf) = self.pool.alloc()
        {
            // There is room.
            let _ = self.bufs.push(buf);
        }
        self.bufs.len() > 1
    }

    /// Makes the test on a halted port that has the test's rings, and leaves it gracefully stopped.
    /// Returns how often the receiver had to be enabled anew; `None` if that did not help, or it
    /// does not stop.
    fn make(&mut self, port: &mut Port<B>, delay: &mut dyn DelayNs) -> Option<u32> {
        self.lend_buffers();
        self.lead_back(port);
        // The enables cross into the MAC's clock domains.
        delay.delay_us(1);
        let tried = (0..=TRIES).find(|&again| {
            if again != 0 {
                MACCFG1.on(port.bus()).modify(Maccfg1::RX_EN::CLEAR);
                delay.delay_ms(OFF_MS);
                MACCFG1.on(port.bus()).modify(Maccfg1::RX_EN::SET);
            }
            self.try_frame(again, delay)
        });
        let stopped = port.controller.quiesce(Sides::BOTH, delay).is_empty();
        if !stopped {
            MACCFG1.on(port.bus()).modify(Maccfg1::RX_EN::CLEAR + Maccfg1::TX_EN::CLEAR);
            port.controller.soft_reset(delay);
        }
        port.keep_positions();
        port.set_live(false);
        self.take_back();
        tried.filter(|_| stopped).map(u32::from)
    }

    /// Starts the port with its output led to its input, and lets everything in to ring 0.
    fn lead_back(&self, port: &mut Port<B>) {
        // A stop that needed a reset has cleared the MAC's registers (HW 8.4).
        port.controller.program();
        // Nor may the fill of rings that are not there stop the sender.
        let open = Rctrl::PROM::SET + Rctrl::FILREN::CLEAR + Rctrl::LFC::CLEAR;
        RCTRL.on(port.bus()).modify(open);
        // Nor weights that give ring 0 no turn, frames that bring their own endings, or the other
        // group, whose page nobody here rings at (HW 10, 3.15, 9.4).
        TCTRL.on(port.bus()).modify(Tctrl::TXSCHED::Single);
        MACCFG2.on(port.bus()).modify(Maccfg2::PAD_CRC::SET);
        ISRG.nth(0).on(port.bus()).assign(Isrg::all());
        ISRG.nth(1).on(port.bus()).assign(Isrg::empty());
        let loopback = mem::replace(&mut port.controller.config.loopback, true);
        let loaded = port.loaded.take();
        port.start();
        port.loaded = loaded;
        port.controller.config.loopback = loopback;
        IMASK.on(port.bus()).assign(Event::empty());
    }

    /// Puts all buffers but one into the receive ring.
    fn lend_buffers(&mut self) {
        while self.bufs.len() > 1
            && let Some(buf) = self.bufs.pop()
            && self.rx.refill(buf).is_ok()
        {}
        self.rx.commit();
    }

    /// Takes all buffers back from rings that the device no longer touches.
    fn take_back(&mut self) {
        let of_tx = iter::from_fn(|| self.tx.drain());
        let of_rx = iter::from_fn(|| self.rx.drain());
        for buf in of_tx.chain(of_rx) {
            // Drained or not, there are no more than were taken.
            let _ = self.bufs.push(buf);
        }
    }

    /// Whether a test frame arrives as it is sent.
    fn try_frame(&mut self, seed: u8, delay: &mut dyn DelayNs) -> bool {
        let frame = test_frame(seed);
        let Some(mut buf) = self.bufs.pop() else { return false };
        buf.reset();
        buf.set_len(LEN);
        buf.copy_from_slice(&frame);
        if let Err(refused) = self.tx.stage(buf) {
            let _ = self.bufs.push(refused.buf);
            return false;
        }
        self.tx.commit();
        let mut arrived = false;
        for _ in 0..POLLS {
            if let Some(sent) = self.tx.reap() {
                let _ = self.bufs.push(sent);
            }
            while let Some((come, _)) = self.rx.next() {
                let mut bytes = [0; LEN];
                arrived |= come.copy_to(&mut bytes) == LEN && bytes == frame;
                // It came out of the ring, so there is room.
                drop(self.rx.refill(come));
            }
            self.rx.commit();
            if arrived && !self.bufs.is_empty() {
                break;
            }
            delay.delay_us(POLL_US);
        }
        arrived
    }
}

/// A frame of an ethertype for experiments, which no protocol takes for its own.
fn test_frame(seed: u8) -> [u8; LEN] {
    let mut frame = array::from_fn(|n| (n as u8).wrapping_mul(0x35) ^ seed);
    frame[..12].fill(0x02);
    frame[12..14].copy_from_slice(&[0x88, 0xB5]);
    frame
}

impl<B: Bus> fmt::Debug for ReceptionTest<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceptionTest").field("bufs", &self.bufs.len()).finish_non_exhaustive()
    }
}
