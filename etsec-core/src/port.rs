//! A controller and its rings: which there are, and letting them run (HW 8.1 step 15, 8.2).
//!
//! What is here touches registers in the order the manual wants. Who may call what when is decided
//! in `device`.

use core::mem;

use crate::bus::Bus;
use crate::controller::Controller;
use crate::error::{Error, Side};
use crate::event::Event;
#[cfg(feature = "adopt")]
use crate::mib::KeptCounters;
use crate::mib::Mib;
use crate::regs::control::{DMACTRL, Dmactrl, IEVENT, IMASK};
use crate::regs::mac::{MACCFG1, Maccfg1};
use crate::regs::receive::{RBASE, RBASEH, RBDBPH, RBPTR, RQUEUE, RSTAT, Rqueue, Rstat};
use crate::regs::transmit::{TBASE, TBASEH, TBDBPH, TBPTR, TQUEUE, TSTAT, Tqueue, Tstat};
use crate::regs::{ReadWriteable, Readable, RegArray, RegisterLongName, Rw, Writeable};
use crate::ring::{RingMemory, RingView};

/// Rings of one direction.
pub(crate) const RINGS: usize = 8;

/// The device's side of the rings: receive rings, then transmit rings.
pub(crate) type Rings = [Option<RingView>; 2 * RINGS];

/// A controller and the device's side of its rings.
#[derive(Debug)]
pub(crate) struct Port<B> {
    pub controller: Controller<B>,
    rings: Rings,
    /// The 4 GiB window of all rings and buffers, once there is a ring.
    pub window: Option<u32>,
    pub mib: Mib,
    /// Where its totals are kept.
    #[cfg(feature = "adopt")]
    pub kept: Option<KeptCounters>,
    /// What an option does once the controller has its rings and before it runs.
    pub loaded: Option<fn(&Port<B>)>,
}

/// The rings that are there, a bit each, ring 0 the highest of the word.
fn present(views: &[Option<RingView>]) -> u32 {
    let mut bits = 0;
    for (n, view) in views.iter().enumerate() {
        bits |= if view.is_some() { 0x8000_0000 >> n } else { 0 };
    }
    bits
}

impl<B: Bus> Port<B> {
    /// A port without rings; nothing is read or written.
    pub(crate) fn new(controller: Controller<B>) -> Self {
        let rings = [const { None }; 2 * RINGS];
        Port {
            controller,
            rings,
            window: None,
            mib: Mib::new(),
            #[cfg(feature = "adopt")]
            kept: None,
            loaded: None,
        }
    }

    /// Puts other rings in the place of its own, while the controller is halted.
    pub(crate) fn swap_rings(&mut self, rings: &mut Rings) {
        mem::swap(&mut self.rings, rings);
    }

    pub(crate) fn rx(&self) -> &[Option<RingView>] {
        &self.rings[..RINGS]
    }

    pub(crate) fn tx(&self) -> &[Option<RingView>] {
        &self.rings[RINGS..]
    }

    /// Keeps the device's side of a ring.
    ///
    /// # Errors
    /// [`Error::RingNumber`], [`Error::RingTaken`], [`Error::Window`].
    pub(crate) fn add(&mut self, side: Side, n: usize, ring: &RingMemory) -> Result<(), Error> {
        if n >= RINGS {
            return Err(Error::RingNumber(side, n));
        }
        let place = &mut self.rings[if side == Side::Tx { RINGS + n } else { n }];
        if place.is_some() {
            return Err(Error::RingTaken(side, n));
        }
        let of_ring = ring.bus().window();
        let of_port = *self.window.get_or_insert(of_ring);
        if of_port != of_ring {
            return Err(Error::Window { port: of_port, ring: of_ring });
        }
        *place = Some(ring.view());
        Ok(())
    }

    /// Brings the counters' totals up to date.
    #[inline]
    pub(crate) fn count(&mut self) -> &Mib {
        let bus = &self.controller.pages.group0;
        #[cfg(feature = "adopt")]
        if let Some(kept) = &self.kept {
            self.mib.collect_into(kept, bus);
            return &self.mib;
        }
        self.mib.collect(bus);
        &self.mib
    }

    /// Whether there are rings on that side.
    pub(crate) fn has(&self, side: Side) -> bool {
        let rings = if side == Side::Tx { self.tx() } else { self.rx() };
        rings.iter().any(Option::is_some)
    }

    pub(crate) fn bus(&self) -> &B {
        self.controller.bus()
    }

    /// The transmit rings that are in use, as TQUEUE names them.
    pub(crate) fn tx_numbers(&self) -> impl Iterator<Item = usize> + '_ {
        (0..RINGS).filter(|&n| self.tx()[n].is_some())
    }

    fn rings(&self) -> impl Iterator<Item = &RingView> {
        self.rings.iter().flatten()
    }

    /// Makes all rings the device's; false, and nothing done, while a queue holds one of them.
    pub(crate) fn claim_rings(&self) -> bool {
        let all = self.rings().all(RingView::claim);
        if !all {
            self.rings().for_each(RingView::disclaim);
        }
        all
    }

    /// Says of all rings whether the device may touch them.
    pub(crate) fn set_live(&self, live: bool) {
        self.rings().for_each(|view| view.set_live(live));
    }

    /// THLT bits of the rings in use.
    pub(crate) fn thlt(&self) -> Tstat {
        Tstat::from_bits_retain(present(self.tx()))
    }

    /// QHLT bits of the rings in use.
    pub(crate) fn qhlt(&self) -> Rstat {
        Rstat::from_bits_retain(present(self.rx()) >> 8)
    }

    /// The rings of one side in use, a bit each, ring 0 the highest of the byte.
    #[cfg(feature = "adopt")]
    pub(crate) fn enabled(&self, side: Side) -> u32 {
        present(if side == Side::Tx { self.tx() } else { self.rx() }) >> 24
    }

    /// Enables the receive rings in use. What is extracted for stashing stays as options have set
    /// it.
    #[inline]
    pub(crate) fn enable_rx(&self) {
        let rings = Rqueue::from_bits_retain(present(self.rx()) >> 24);
        let stashed = RQUEUE.on(self.bus()).flags() - Rqueue::from_bits_retain(0xFF);
        RQUEUE.on(self.bus()).assign(stashed | rings);
    }

    /// Gives the rings to the controller and lets it run (HW 8.1 step 15, 8.2). Returns THLT and
    /// QHLT bits of the rings in use.
    pub(crate) fn start(&self) -> (Tstat, Rstat) {
        let bus = self.bus();
        self.load_rings();
        bus.publish();
        self.set_live(true);
        let (rx, tx) = (present(self.rx()), present(self.tx()));
        let (qhlt, thlt) = (Rstat::from_bits_retain(rx >> 8), Tstat::from_bits_retain(tx));
        self.enable_rx();
        TQUEUE.on(bus).assign(Tqueue::from_bits_retain(tx >> 16));
        // HW 3.4: 0xC3, whatever an owner before us had set; GRS and GTS end with it.
        let snoop = Dmactrl::TDSEN::SET + Dmactrl::TBDSEN::SET;
        let stop = Dmactrl::GRS::CLEAR + Dmactrl::GTS::CLEAR;
        let wait = Dmactrl::WWR::SET + Dmactrl::WOP::SET;
        DMACTRL.on(bus).modify(Dmactrl::LE::CLEAR + snoop + wait + stop);
        IEVENT.on(bus).clear(Event::GRSC | Event::GTSC);
        TSTAT.on(bus).clear(thlt);
        RSTAT.on(bus).clear(qhlt);
        let enables = Maccfg1::RX_EN::SET + Maccfg1::TX_EN::SET;
        let loopback = Maccfg1::LOOP_BACK.val(u32::from(self.controller.config.loopback));
        MACCFG1.on(bus).modify(enables + loopback + self.controller.config.link.maccfg1());
        // HW 8.2: QEMU forgets a kick that comes before Tx_EN; on a running ring another one is
        // harmless.
        TSTAT.on(bus).clear(thlt);
        IMASK.on(bus).assign(self.controller.events);
        (thlt, qhlt)
    }

    /// Whether both directions are let run, as [`Port::start`] left them.
    pub(crate) fn is_running(&self) -> bool {
        let bus = self.bus();
        MACCFG1.on(bus).matches_all(Maccfg1::RX_EN::SET + Maccfg1::TX_EN::SET)
            && DMACTRL.on(bus).matches_all(Dmactrl::GRS::CLEAR + Dmactrl::GTS::CLEAR)
    }

    /// Writes bases and positions. A base also sets the position to the first descriptor (HW 3.21),
    /// so positions other than that follow it.
    fn load_rings(&self) {
        let (bus, window) = (self.bus(), self.window.unwrap_or(0));
        TBASEH.on(bus).set(window);
        TBDBPH.on(bus).set(window);
        RBASEH.on(bus).set(window);
        RBDBPH.on(bus).set(window);
        load(bus, self.tx(), TBASE, TBPTR);
        load(bus, self.rx(), RBASE, RBPTR);
        if let Some(loaded) = self.loaded {
            loaded(self);
        }
    }
}

/// As `load_rings`, for one direction.
#[inline(never)]
fn load<B: Bus, L: RegisterLongName>(
    bus: &B,
    views: &[Option<RingView>],
    base: RegArray<L, Rw>,
    pointer: RegArray<L, Rw>,
) {
    for (n, view) in views.iter().enumerate() {
        let Some(view) = view else { continue };
        base.nth(n).on(bus).set(view.bus().low());
        if view.position() != 0 && !mutant!("reset-loses-position") {
            pointer.nth(n).on(bus).set(view.bd_low(view.position()));
        }
    }
}
