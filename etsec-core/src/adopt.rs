//! Taking over a controller that runs, with its rings and buffers, from a process that is no more:
//! without a reset, and without losing or repeating a frame (feature `adopt`).
//!
//! What the process has left is in the region ([`Arena::adopt`](crate::Arena::adopt)) and in the
//! controller's registers. Both are compared with what this process would have made; where they
//! differ, nothing is touched, and the port can be brought up as usual.

mod found;

use core::array;
use core::cell::{Cell, RefCell};
use core::fmt;

use embedded_hal::delay::DelayNs;
use heapless::Vec;

pub use self::found::{receives_in, runs};
use crate::addr::{AddressFilter, FilterError, FilterRegisters, MacAddr};
use crate::bus::{Bus, PageBell, Pages};
use crate::config::Config;
use crate::controller::Controller;
use crate::device::{Running, Stopped};
use crate::dma::BusAddr;
use crate::error::{Error, Side};
use crate::groups;
use crate::link::{Duplex, Link, Pause, Speed};
use crate::pool::Pool;
use crate::port::{Port, RINGS};
use crate::regs::control::{ECNTRL, Ecntrl, IMASK, PTV, Ptv};
use crate::regs::group::ISRG;
use crate::regs::hash::{GADDR, IGADDR};
use crate::regs::mac::{
    MACADDR1, MACADDR2, MACCFG1, MACCFG2, MACSTNADDR1, MACSTNADDR2, Maccfg1, Maccfg2,
};
use crate::regs::receive::{RBASE, RBASEH, RBDBPH, RBPTR, RCTRL, RQUEUE};
use crate::regs::transmit::{TBASE, TBASEH, TBDBPH, TBPTR, TCTRL, TQUEUE};
use crate::regs::{Readable, RegArray, RegisterLongName, Rw, Writeable};
use crate::ring::{RingMemory, RingView};
use crate::rx::RxQueue;
use crate::tx::TxQueue;

/// More registers than are programmed.
const MOST: usize = 160;
/// TCTRL: RFC_PAUSE and TFC_PAUSE (HW 3.6).
const PAUSES: u32 = 0x18;

/// What is wrong with a ring that was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RingFault {
    /// What it says of itself cannot be.
    Mark,
    /// This descriptor's buffer is of no pool that was named, or is in a second place as well.
    Buffer(u32),
    /// The hardware does not stand in it, or nowhere it can.
    Position,
    /// The ring's queue is missing, or is one of another ring.
    Another,
}

/// Why a controller is not taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum AdoptError {
    /// It does not answer.
    Port(Error),
    /// It does not run.
    Still,
    /// A register holds something else than this process would have put there.
    Register {
        /// Its offset in the page.
        at: u16,
        /// What it holds.
        found: u32,
        /// What it would hold.
        wanted: u32,
    },
    /// Buffers of the pool there may be in its rings, and are in nobody's who takes it over.
    Partner(BusAddr),
    /// More registers are set than can be compared, this one among them.
    NotCompared(u16),
    /// A ring.
    Ring(Side, usize, RingFault),
}

impl fmt::Display for RingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mark => f.write_str("what it says of itself cannot be"),
            Self::Buffer(at) => write!(f, "the buffer of descriptor {at} is of no known pool"),
            Self::Position => f.write_str("the hardware stands where it cannot"),
            Self::Another => f.write_str("its queue is missing, or is one of another ring"),
        }
    }
}

impl fmt::Display for AdoptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(error) => error.fmt(f),
            Self::Still => f.write_str("the controller does not run"),
            Self::Register { at, found, wanted } => {
                write!(f, "register {at:#05x} holds {found:#010x}, not {wanted:#010x}")
            }
            Self::Partner(pool) => {
                write!(
                    f,
                    "buffers of the pool at {pool} may be in its rings, and the other way round"
                )
            }
            Self::NotCompared(at) => {
                write!(f, "more registers are set than can be compared: {at:#05x} among them")
            }
            Self::Ring(side, n, fault) => write!(f, "{side} ring {n}: {fault}"),
        }
    }
}

impl core::error::Error for AdoptError {}

/// What was found when a controller was taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Adoption {
    /// Filled receive descriptors that wait to be taken.
    pub waiting: u32,
    /// Transmit descriptors that the controller has not finished with.
    pub in_flight: u32,
}

/// The station address and the link of a controller as it runs, for the configuration of the port
/// that takes it over.
#[must_use]
pub fn running_as<B: Bus>(page: &B) -> (MacAddr, Link) {
    let station = [MACSTNADDR1.on(page).get(), MACSTNADDR2.on(page).get()];
    let (maccfg1, maccfg2) = (MACCFG1.on(page).extract(), MACCFG2.on(page).extract());
    let speed = if maccfg2.matches_all(Maccfg2::IF_MODE::Byte) {
        Speed::Mbps1000
    } else if ECNTRL.on(page).is_set(Ecntrl::R100M) {
        Speed::Mbps100
    } else {
        Speed::Mbps10
    };
    let full = maccfg2.is_set(Maccfg2::FULL_DUPLEX);
    let mut link = Link::new(speed, if full { Duplex::Full } else { Duplex::Half });
    link.pause =
        Pause { rx: maccfg1.is_set(Maccfg1::RX_FLOW), tx: maccfg1.is_set(Maccfg1::TX_FLOW) };
    (MacAddr::from_registers(station), link)
}

/// The address filter of a controller as it runs, likewise.
///
/// # Errors
/// [`FilterError`] if its station address is none.
pub fn running_filter<B: Bus>(page: &B) -> Result<AddressFilter, FilterError> {
    AddressFilter::from_registers(&FilterRegisters {
        station: [MACSTNADDR1.on(page).get(), MACSTNADDR2.on(page).get()],
        exact: array::from_fn(|n| [MACADDR1.nth(n).on(page).get(), MACADDR2.nth(n).on(page).get()]),
        igaddr: array::from_fn(|n| IGADDR.nth(n).on(page).get()),
        gaddr: array::from_fn(|n| GADDR.nth(n).on(page).get()),
        rctrl: RCTRL.on(page).get() & FilterRegisters::RCTRL_MASK,
    })
}

impl<B: Bus + Clone> Stopped<B> {
    /// A port over a controller that is left as it is: to [`adopt`](Stopped::adopt) it, when
    /// options are set and queues added as they were. Dropping it touches nothing. Rules of the
    /// filer are no such option: to set them writes its table at once. They
    /// [stay](Stopped::keep_filer).
    ///
    /// # Errors
    /// [`Error::NotAnEtsec`] or [`Error::Gone`]; an error that names the field if `config` is out
    /// of range.
    pub fn over(pages: Pages<B>, config: Config) -> Result<Self, Error> {
        config.check()?;
        let controller = Controller::new(pages, config);
        controller.check_alive()?;
        Ok(Stopped::of(controller))
    }

    /// Takes the running controller over. `rx` and `tx` are all queues, made of the rings that were
    /// left; `pools` all pools whose buffers may be in them, those they are
    /// [paired](crate::Pool::pair) with among them. Then [reclaim](crate::Pool::reclaim) what is in
    /// no ring.
    ///
    /// Nothing but what is left undone by the dead process is written.
    ///
    /// # Errors
    /// [`AdoptError`], with the port: [`Stopped::bring_up`] makes it one that can be started, with
    /// the memory of these rings given up.
    #[allow(clippy::result_large_err, reason = "the port is given back, and there is no heap")]
    pub fn adopt(
        mut self,
        rx: &mut [RxQueue<PageBell<B>>],
        tx: &mut [TxQueue<PageBell<B>>],
        pools: &[&Pool],
        delay: &mut dyn DelayNs,
    ) -> Result<(Running<B>, Adoption), (Self, AdoptError)> {
        match self.take_over(rx, tx, pools, delay) {
            Ok(adoption) => Ok((self.into_running(), adoption)),
            Err(error) => Err((self, error)),
        }
    }

    fn take_over(
        &mut self,
        rx: &mut [RxQueue<PageBell<B>>],
        tx: &mut [TxQueue<PageBell<B>>],
        pools: &[&Pool],
        delay: &mut dyn DelayNs,
    ) -> Result<Adoption, AdoptError> {
        let port = &self.owner().port;
        port.controller.check_alive().map_err(AdoptError::Port)?;
        if !port.is_running() {
            return Err(AdoptError::Still);
        }
        port.compare()?;
        for partner in pools.iter().flat_map(|pool| pool.partners()) {
            if !pools.iter().any(|pool| pool.place() == partner.pool) {
                return Err(AdoptError::Partner(partner.pool));
            }
        }
        // A ring that nobody takes over has buffers that would count as free.
        let has_rx = |n| rx.iter().any(|queue| queue.number() == n);
        let has_tx = |n| tx.iter().any(|queue| queue.number() == n);
        for n in 0..RINGS {
            if port.rx()[n].is_some() && !has_rx(n) {
                return Err(AdoptError::Ring(Side::Rx, n, RingFault::Another));
            }
            if port.tx()[n].is_some() && !has_tx(n) {
                return Err(AdoptError::Ring(Side::Tx, n, RingFault::Another));
            }
        }
        let bus = port.bus();
        let mut found = Adoption::default();
        for queue in rx {
            let n = queue.number();
            let fault = |fault| AdoptError::Ring(Side::Rx, n, fault);
            let view = part_of(&port.rx()[n], queue.memory()).ok_or(fault(RingFault::Another))?;
            let position = || view.index_of(RBPTR.nth(n).on(bus).get());
            found.waiting += queue.adopt(pools, &position, delay).map_err(fault)?;
        }
        for queue in tx {
            let n = queue.number();
            let fault = |fault| AdoptError::Ring(Side::Tx, n, fault);
            let view = part_of(&port.tx()[n], queue.memory()).ok_or(fault(RingFault::Another))?;
            let position = || view.index_of(TBPTR.nth(n).on(bus).get());
            found.in_flight += queue.adopt(pools, &position, delay).map_err(fault)?;
        }
        port.set_live(true);
        // It may have died in the middle of a pause frame of its own, or of a stop.
        let time = Ptv::PT.val(port.controller.config.pause_time.into());
        if PTV.on(bus).get() != time.into() {
            PTV.on(bus).write(time);
        }
        IMASK.on(bus).assign(port.controller.events);
        groups::listen(port);
        port.controller.check_alive().map_err(AdoptError::Port)?;
        Ok(found)
    }
}

/// The view, if it is one of that ring.
fn part_of<'a>(view: &'a Option<RingView>, ring: &RingMemory) -> Option<&'a RingView> {
    view.as_ref().filter(|view| view.is_of(ring))
}

impl<B: Bus> Port<B> {
    /// Whether the controller holds what this port would have programmed, its rings among it.
    fn compare(&self) -> Result<(), AdoptError> {
        let wanted = Wanted::of(self.bus());
        self.controller.program_on(&wanted);
        let config = &self.controller.config;
        let maccfg1 = Maccfg1::LOOP_BACK.val(u32::from(config.loopback)) + config.link.maccfg1();
        let there = MACCFG1.on(self.bus()).get();
        wanted.write(MACCFG1.offset(), maccfg1.modify(there));
        wanted
            .write(RQUEUE.offset(), wanted.read(RQUEUE.offset()) & !0xFF | self.enabled(Side::Rx));
        wanted.write(TQUEUE.offset(), self.enabled(Side::Tx) << 8);
        for high in [TBASEH.offset(), TBDBPH.offset(), RBASEH.offset(), RBDBPH.offset()] {
            wanted.write(high, self.window.unwrap_or(0));
        }
        for (n, view) in self.rx().iter().enumerate() {
            wanted.base(RBASE, n, view);
        }
        for (n, view) in self.tx().iter().enumerate() {
            wanted.base(TBASE, n, view);
        }
        wanted.difference()
    }
}

/// A page that takes down what would be written to another.
struct Wanted<'a, B> {
    real: &'a B,
    values: RefCell<Vec<(u16, u32), MOST>>,
    /// A register that found no place.
    dropped: Cell<Option<u16>>,
}

impl<B: Bus> Bus for Wanted<'_, B> {
    fn read(&self, at: u16) -> u32 {
        let values = self.values.borrow();
        let written = values.iter().find(|(there, _)| *there == at);
        written.map_or_else(|| self.real.read(at), |(_, value)| *value)
    }

    fn write(&self, at: u16, value: u32) {
        let mut values = self.values.borrow_mut();
        if let Some((_, old)) = values.iter_mut().find(|(there, _)| *there == at) {
            *old = value;
        } else {
            // It is not taken for one that is as it should be.
            if values.push((at, value)).is_err() {
                self.dropped.set(Some(at));
            }
        }
    }

    fn publish(&self) {}
    fn observe(&self) {}
}

impl<'a, B: Bus> Wanted<'a, B> {
    fn of(real: &'a B) -> Self {
        Wanted { real, values: RefCell::default(), dropped: Cell::new(None) }
    }

    fn base<L: RegisterLongName>(&self, base: RegArray<L, Rw>, n: usize, view: &Option<RingView>) {
        if let Some(view) = view {
            self.write(base.nth(n).offset(), view.bus().low());
        }
    }

    /// The first register that holds something else.
    fn difference(&self) -> Result<(), AdoptError> {
        if let Some(at) = self.dropped.get() {
            return Err(AdoptError::NotCompared(at));
        }
        for &(at, wanted) in self.values.borrow().iter() {
            let found = match at {
                // Whoever sends a pause frame has borrowed it.
                _ if at == PTV.offset() => wanted,
                // HW 3.6: that a partner holds us, or we are about to hold it, is no setting.
                _ if at == TCTRL.offset() => self.real.read(at) & !PAUSES | wanted & PAUSES,
                _ => self.real.read(at),
            };
            // HW 2.6: parts without groups have nothing there.
            let absent = found == 0 && (at == ISRG.nth(0).offset() || at == ISRG.nth(1).offset());
            if found != wanted && !absent {
                return Err(AdoptError::Register { at, found, wanted });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod process_tests;
#[cfg(test)]
mod tests;
