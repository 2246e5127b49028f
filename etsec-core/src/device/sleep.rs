//! A port that sleeps until a frame wakes it (HW 13.3): `Running` to `Sleeping` and back.
//!
//! What sleeps is the transmitter and, for magic packets, all DMA; the link stays up. Putting the
//! CPU to sleep, and waking it by the interrupt, is the host's business.

use core::fmt;

use bitflags::bitflags;
use embedded_hal::delay::DelayNs;

use super::Running;
use crate::bus::{Bus, Pages};
use crate::error::Error;
use crate::event::Event;
use crate::filer::FilerEntry;
use crate::port::Port;
use crate::regs::control::{DMACTRL, Dmactrl, IEVENT, IMASK};
use crate::regs::filer::{RQFAR, RQFCR, RQFPR, Rqfcr};
use crate::regs::mac::{MACCFG1, MACCFG2, Maccfg1, Maccfg2};
use crate::regs::receive::{RCTRL, Rctrl};
use crate::regs::transmit::Tstat;
use crate::regs::{ReadWriteable, Readable, Writeable};
use crate::watch::Watch;

/// What wakes a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Wake {
    /// A magic packet that the address filter lets in: six bytes 0xFF and 16 times the station
    /// address, anywhere in it. No frame is received meanwhile, not even that one.
    Magic,
    /// Any of these frames, if the address filter lets them in. They are received, on the first
    /// receive ring there is, which needs a free buffer for them; all others are rejected (RREJ).
    Frames(WakeFrames),
}

bitflags! {
    /// Kinds of frames that wake a port.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct WakeFrames: u8 {
        /// To the station address.
        const UNICAST = 0x01;
        /// To a group, broadcast included.
        const MULTICAST = 0x02;
        /// To everybody.
        const BROADCAST = 0x04;
        /// ARP, to whomever.
        const ARP = 0x08;
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for WakeFrames {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "WakeFrames({=u8:#04x})", self.bits());
    }
}

/// Why a port does not go to sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SleepError {
    /// No frame would wake it.
    Nothing,
    /// Frames that wake are chosen by the filer, which needs [`Config::parser`].
    ///
    /// [`Config::parser`]: crate::Config::parser
    ParserOff,
    /// Frames that wake are received, and there is no receive ring.
    NoRing,
    /// The device did not answer.
    Device(Error),
}

impl fmt::Display for SleepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "no kind of frame is named that wakes the port",
            Self::ParserOff => "waking by a kind of frame needs the parser: set Config::parser",
            Self::NoRing => "waking by a kind of frame needs a receive ring",
            Self::Device(error) => return error.fmt(f),
        })
    }
}

impl core::error::Error for SleepError {}

/// A port that did not fall asleep, and why.
#[derive(Debug)]
pub enum Sleepless<B> {
    /// It runs as before. With [`SleepError::Device`] it may be halted: [`Running::tick`] ends what
    /// was begun if the device comes back.
    Awake(Running<B>, SleepError),
    /// The device went away while it was falling asleep. If it comes back, [`Sleeping::wake`] gives
    /// the running port back, with the filer's rules of before.
    Halfway(Sleeping<B>, Error),
}

impl<B> Sleepless<B> {
    /// Why it did not.
    #[must_use]
    pub fn error(&self) -> SleepError {
        match self {
            Self::Awake(_, error) => *error,
            Self::Halfway(_, error) => SleepError::Device(*error),
        }
    }
}

/// The most entries of the filer that [`WakeFrames`] take: two for a kind, three for the station
/// address, one that rejects.
const MOST: usize = 10;
type Rules = heapless::Vec<FilerEntry, MOST>;

/// A port that sleeps. Its queues may stay filled; nothing is sent until [`Sleeping::wake`].
///
/// Dropping it leaves the port asleep, and its memory mapped.
pub struct Sleeping<B> {
    port: Running<B>,
    /// What the filer's first entries held before.
    covered: Rules,
}

impl<B: Bus + Clone> Running<B> {
    /// Stops the port and waits for a frame that wakes it (HW 13.3). MAG or FGPI is then the only
    /// event that interrupts, on the error line, or FGPI perhaps on the receive line (HW 9.1).
    ///
    /// # Errors
    /// The running port, unchanged, with [`SleepError::Nothing`], [`SleepError::ParserOff`] or
    /// [`SleepError::NoRing`]; or with [`SleepError::Device`], in one of two states.
    #[allow(clippy::result_large_err, reason = "the port is given back, and there is no heap")]
    pub fn sleep(
        mut self,
        wake: Wake,
        delay: &mut dyn DelayNs,
    ) -> Result<Sleeping<B>, Sleepless<B>> {
        let rules = match self.wake_rules(wake) {
            Ok(rules) => rules,
            Err(error) => return Err(Sleepless::Awake(self, error)),
        };
        let covered = match self.halt(delay).and_then(|()| self.filer_head(rules.len())) {
            Ok(covered) => covered,
            Err(error) => return Err(Sleepless::Awake(self, SleepError::Device(error))),
        };
        let fallen = fall_asleep(&self.0.port, wake, &rules);
        let asleep = Sleeping { port: self, covered };
        match fallen {
            Ok(()) => Ok(asleep),
            Err(error) => Err(Sleepless::Halfway(asleep, error)),
        }
    }

    /// What the filer's first entries hold.
    fn filer_head(&self, len: usize) -> Result<Rules, Error> {
        let bus = self.0.port.bus();
        let entries = (0..len as u32).map(|at| {
            RQFAR.on(bus).set(at);
            let control = RQFCR.on(bus).get();
            FilerEntry { control, property: RQFPR.on(bus).get() }
        });
        let head = entries.collect();
        // From a device that is gone they are all ones.
        self.0.port.controller.check_alive()?;
        Ok(head)
    }

    /// The filer's rules for what wakes; none for a magic packet.
    fn wake_rules(&self, wake: Wake) -> Result<Rules, SleepError> {
        let Wake::Frames(frames) = wake else { return Ok(Rules::new()) };
        if frames.is_empty() {
            return Err(SleepError::Nothing);
        }
        let controller = &self.0.port.controller;
        if !controller.config.parser {
            return Err(SleepError::ParserOff);
        }
        let ring = self.0.port.rx().iter().position(Option::is_some).ok_or(SleepError::NoRing)?;
        Ok(rules(frames, controller.config.filter.station().0, ring as u32))
    }
}

/// Events of which a sleeping port's owner is told.
const WAKING: Event = Event::MAG.union(Event::FGPI);

/// Both pages of a port whose rings interrupt in two groups: which of them shows FGPI is not known
/// (HW 9.4).
fn pages<B>(port: &Port<B>) -> impl Iterator<Item = &B> {
    let Pages { group0, group1, .. } = &port.controller.pages;
    core::iter::once(group0).chain(group1)
}

/// Compares the property `pid` under a mask; more is to follow.
fn masked(rules: &mut Rules, pid: u32, mask: u32, value: u32, last: FilerEntry) {
    // HW 6.1: property 0 loads the mask; masked bits are masked in software, too.
    let load = FilerEntry { control: Rqfcr::AND::SET.into(), property: mask };
    let control = u32::from(Rqfcr::PID.val(pid)) | last.control;
    // There is room: see `MOST`.
    let _ = rules.push(load);
    let _ = rules.push(FilerEntry { control, property: value & mask });
}

/// The table's head: each kind is filed with a general-purpose interrupt, and all else rejected.
fn rules(frames: WakeFrames, station: [u8; 6], ring: u32) -> Rules {
    let mut rules = Rules::new();
    let wakes = FilerEntry { control: (Rqfcr::GPI::SET + Rqfcr::Q.val(ring)).into(), property: 0 };
    let goes_on = FilerEntry { control: Rqfcr::AND::SET.into(), property: 0 };
    if frames.contains(WakeFrames::UNICAST) {
        let [a, b, c, d, e, f] = station;
        masked(&mut rules, 3, 0x00FF_FFFF, u32::from_be_bytes([0, a, b, c]), goes_on);
        let control = wakes.control | u32::from(Rqfcr::PID.val(4));
        let _ = rules.push(FilerEntry { control, property: u32::from_be_bytes([0, d, e, f]) });
    }
    if frames.contains(WakeFrames::MULTICAST) {
        masked(&mut rules, 3, 0x0001_0000, 0x0001_0000, wakes);
    }
    if frames.contains(WakeFrames::BROADCAST) {
        masked(&mut rules, 1, 0x0000_8000, 0x0000_8000, wakes);
    }
    if frames.contains(WakeFrames::ARP) {
        masked(&mut rules, 7, 0x0000_FFFF, 0x0000_0806, wakes);
    }
    let reject = Rqfcr::REJ::SET + Rqfcr::CMP::NotLess;
    let _ = rules.push(FilerEntry { control: reject.into(), property: 0 });
    rules
}

/// Writes rules over the head of the filer's table. For a stopped receiver.
fn cover<B: Bus>(bus: &B, rules: &Rules) {
    for (at, rule) in (0..).zip(rules) {
        RQFAR.on(bus).set(at);
        RQFCR.on(bus).set(rule.control);
        RQFPR.on(bus).set(rule.property);
    }
}

/// Lets a halted port wait for what wakes it, and do nothing else.
fn fall_asleep<B: Bus>(port: &Port<B>, wake: Wake, rules: &Rules) -> Result<(), Error> {
    // A stop that needed a reset has cleared the MAC's registers; GRS and GTS stay set.
    port.controller.program();
    match wake {
        Wake::Magic => MACCFG2.on(port.bus()).modify(Maccfg2::MPEN::SET),
        Wake::Frames(_) => file(port, rules),
    }
    MACCFG1.on(port.bus()).modify(Maccfg1::RX_EN::SET + Maccfg1::TX_EN::CLEAR);
    for page in pages(port) {
        IMASK.on(page).assign(WAKING);
    }
    port.controller.check_alive()
}

/// Lets the receiver look for what wakes, DMA included.
fn file<B: Bus>(port: &Port<B>, rules: &Rules) {
    let bus = port.bus();
    cover(bus, rules);
    // Options that have a say in RQUEUE have just set all of it.
    port.enable_rx();
    let filing = Rctrl::FILREN::SET + Rctrl::FSQEN::CLEAR;
    RCTRL.on(bus).modify(filing);
    DMACTRL.on(bus).modify(Dmactrl::GRS::CLEAR);
    IEVENT.on(bus).clear(Event::GRSC);
    port.controller.restart_rings(Tstat::empty(), port.qhlt());
}

impl<B: Bus + Clone> Sleeping<B> {
    /// Whether a frame has come that wakes; asked again it tells of the next one.
    ///
    /// An [`EventPort`](crate::EventPort) that takes the event of its line knows it as well, and
    /// then this does not.
    pub fn woken(&mut self) -> bool {
        let mut woken = false;
        for page in pages(&self.port.0.port) {
            let seen = IEVENT.on(page).peek();
            // All ones is a bus without a device.
            if seen.intersects(WAKING) && seen.bits() != u32::MAX {
                IEVENT.on(page).clear(seen & WAKING);
                woken = true;
            }
        }
        woken
    }

    /// Goes on where [`Running::sleep`] stopped, woken or not: frames in descriptors are sent, and
    /// those that woke the port are in their ring.
    ///
    /// # Errors
    /// The port as it was, with [`Error::Gone`] or [`Error::NotAnEtsec`], if the device does not
    /// answer.
    #[allow(clippy::result_large_err, reason = "the port is given back, and there is no heap")]
    pub fn wake(mut self, delay: &mut dyn DelayNs) -> Result<Running<B>, (Self, Error)> {
        if let Err(error) = self.port.halt(delay) {
            return Err((self, error));
        }
        let owner = &mut self.port.0;
        cover(owner.port.bus(), &self.covered);
        // MACCFG2[MPEN] ends with it, whether or not it has cleared itself, and RCTRL is as before.
        owner.port.controller.program();
        owner.port.start();
        if let Err(error) = owner.port.controller.check_alive() {
            return Err((self, error));
        }
        owner.watch = Watch::default();
        (owner.halted, owner.broken_off) = (false, false);
        Ok(self.port)
    }
}

impl<B> fmt::Debug for Sleeping<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleeping").field("port", &self.port).finish_non_exhaustive()
    }
}
