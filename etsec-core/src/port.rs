//! The register procedures of a port: bring-up, start, stop, reset (HW 8.1–8.4).
//!
//! What is here touches registers in the order the manual wants. Who may call what when is decided
//! in `device`.

use embedded_hal::delay::DelayNs;

use crate::addr::AddressFilter;
use crate::bus::{Bus, Pages};
use crate::config::{Config, Schedule};
use crate::error::Error;
use crate::event::Event;
use crate::halt::Sides;
use crate::mib::Mib;
use crate::regs::control::{
    DMACTRL, Dmactrl, ECNTRL, EDIS, Ecntrl, FIFO_TX_STARVE, FIFO_TX_STARVE_SHUTOFF, FIFO_TX_THR,
    IEVENT, IMASK, PTV, Ptv, TBIPA, TSEC_ID, TsecId,
};
use crate::regs::group::{ISRG, Isrg, RXIC_RING, TXIC_RING};
use crate::regs::hash::{GADDR, IGADDR};
use crate::regs::mac::{
    MACADDR1, MACADDR2, MACCFG1, MACCFG2, MACSTNADDR1, MACSTNADDR2, MAXFRM, Maccfg1, Maccfg2,
};
use crate::regs::receive::{
    ATTR, ATTRELI, Attr, MRBLR, RBASE, RBASEH, RBDBPH, RBPTR, RCTRL, RQUEUE, RSTAT, RXIC, Rctrl,
    Rqueue, Rstat,
};
use crate::regs::transmit::{
    DFVLAN, TBASE, TBASEH, TBDBPH, TBPTR, TCTRL, TQUEUE, TR03WT, TR47WT, TSTAT, TXIC, Tctrl,
    Tqueue, Tstat,
};
use crate::regs::{ReadWriteable, Readable, Writeable};
use crate::report::info;
use crate::ring::RingView;

/// Rings of one direction.
pub(crate) const RINGS: usize = 8;
/// Every eTSEC has this ID (HW 3.1).
const ETSEC: u32 = 0x0124;
/// At least 3 TX clocks at 2.5 MHz are 1.2 µs (HW 8); generously rounded up.
const RESET_US: u32 = 10;

/// A controller and the device's side of its rings.
#[derive(Debug)]
pub(crate) struct Port<B> {
    pub pages: Pages<B>,
    pub config: Config,
    pub rx: [Option<RingView>; RINGS],
    pub tx: [Option<RingView>; RINGS],
    /// The 4 GiB window of all rings and buffers, once there is a ring.
    pub window: Option<u32>,
    /// Whether the filer's table has been loaded.
    pub filing: bool,
    pub mib: Mib,
}

impl<B: Bus> Port<B> {
    pub(crate) fn bus(&self) -> &B {
        &self.pages.group0
    }

    /// Whether an eTSEC answers at all (HW 3.1).
    pub(crate) fn check_alive(&self) -> Result<(), Error> {
        match TSEC_ID.on(self.bus()).get() {
            u32::MAX => Err(Error::Gone),
            id if TsecId::ID.read(id) == ETSEC => Ok(()),
            id => Err(Error::NotAnEtsec(id)),
        }
    }

    /// From an unknown state to a programmed, stopped controller (HW 8.1, steps 1 to 14).
    pub(crate) fn bring_up(&mut self, delay: &mut dyn DelayNs) -> Result<(), Error> {
        self.check_alive()?;
        let bus = self.bus();
        self.mask_events();
        RQUEUE.on(bus).assign(Rqueue::empty());
        TQUEUE.on(bus).assign(Tqueue::empty());
        // Whoever had the controller before may have left it in any state: if it does not stop, the
        // reset will.
        let _ = self.quiesce(Sides::BOTH, delay);
        self.soft_reset(delay);
        self.program()?;
        self.mib.reset(&self.pages.group0);
        self.check_alive()?;
        let (station, link) = (self.config.filter.station(), self.config.link);
        info!("eTSEC brought up: station {}, link {}, MTU {}", station, link, self.config.mtu);
        Ok(())
    }

    /// Stops the MAC at once and resets it (HW 8.4). What was inside it is lost.
    pub(crate) fn soft_reset(&self, delay: &mut dyn DelayNs) {
        let bus = self.bus();
        MACCFG1.on(bus).modify(Maccfg1::RX_EN::CLEAR + Maccfg1::TX_EN::CLEAR);
        MACCFG1.on(bus).write(Maccfg1::SOFT_RESET::SET);
        delay.delay_us(RESET_US);
        MACCFG1.on(bus).set(0);
        delay.delay_us(RESET_US);
    }

    /// Programs everything that a reset may have cleared (HW 8.1, steps 4 to 14).
    pub(crate) fn program(&self) -> Result<(), Error> {
        self.config.check()?;
        self.mask_events();
        self.program_mac();
        self.program_transmit();
        self.program_receive();
        self.program_filter(&self.config.filter);
        Ok(())
    }

    /// No line is raised from here on, and no event is left from before (HW 8.1 step 4, 8.3 step
    /// 1).
    fn mask_events(&self) {
        for page in [Some(&self.pages.group0), self.pages.group1.as_ref()].into_iter().flatten() {
            IMASK.on(page).assign(Event::empty());
            IEVENT.on(page).clear(Event::from_bits_retain(u32::MAX));
        }
    }

    fn program_mac(&self) {
        let (bus, config) = (self.bus(), &self.config);
        EDIS.on(bus).assign(Event::empty());
        MAXFRM.on(bus).set(config.maxfrm());
        MRBLR.on(bus).set(config.buffer_size as u32);
        let usual = Maccfg2::PREAMBLE_LENGTH.val(7) + Maccfg2::PAD_CRC::SET;
        MACCFG2.on(bus).write(usual + config.link.maccfg2());
        // HW 3.3: the strap bits are kept.
        ECNTRL.on(bus).modify(
            Ecntrl::STEN::SET + Ecntrl::FIFM::CLEAR + Ecntrl::AUTOZ::CLEAR + config.link.ecntrl(),
        );
        PTV.on(bus).write(Ptv::PT.val(config.pause_time.into()));
        TBIPA.on(bus).set(config.tbi_address.into());
        if self.pages.group1.is_some() {
            // HW 9.4: all rings interrupt through group 0.
            ISRG.nth(0).on(bus).assign(Isrg::all());
            ISRG.nth(1).on(bus).assign(Isrg::empty());
            // HW 9.3: parts with groups have thresholds for each ring besides the common ones.
            for n in 0..RINGS {
                TXIC_RING.nth(n).on(bus).set(0);
                RXIC_RING.nth(n).on(bus).set(0);
            }
        }
    }

    fn program_transmit(&self) {
        let bus = self.bus();
        let scheduling = match self.config.schedule {
            Schedule::Priority => Tctrl::TXSCHED::Priority,
            Schedule::RoundRobin([w0, w1, w2, w3, w4, w5, w6, w7]) => {
                TR03WT.on(bus).set(u32::from_be_bytes([w0, w1, w2, w3]));
                TR47WT.on(bus).set(u32::from_be_bytes([w4, w5, w6, w7]));
                Tctrl::TXSCHED::RoundRobin
            }
        };
        TCTRL.on(bus).set(scheduling.into());
        DFVLAN.on(bus).set(0x8100_0000);
        // HW 3.5: the values Linux uses.
        FIFO_TX_THR.on(bus).set(0x100);
        FIFO_TX_STARVE.on(bus).set(0x40);
        FIFO_TX_STARVE_SHUTOFF.on(bus).set(0x80);
        TXIC.on(bus).set(0);
    }

    fn program_receive(&self) {
        let bus = self.bus();
        // HW 3.19: the normal value, coherent and without stashing.
        ATTR.on(bus).write(Attr::RDSEN::SET + Attr::RBDSEN::SET);
        ATTRELI.on(bus).set(0);
        RXIC.on(bus).set(0);
    }

    /// Writes the address filter and RCTRL. RCTRL is changed only with the receiver stopped (HW
    /// 3.11).
    pub(crate) fn program_filter(&self, filter: &AddressFilter) {
        let bus = self.bus();
        let values = filter.registers();
        MACSTNADDR1.on(bus).set(values.station[0]);
        MACSTNADDR2.on(bus).set(values.station[1]);
        for (n, [addr1, addr2]) in values.exact.into_iter().enumerate() {
            MACADDR1.nth(n).on(bus).set(addr1);
            MACADDR2.nth(n).on(bus).set(addr2);
        }
        for (n, (individual, group)) in values.igaddr.into_iter().zip(values.gaddr).enumerate() {
            IGADDR.nth(n).on(bus).set(individual);
            GADDR.nth(n).on(bus).set(group);
        }
        let parsing = if self.config.parser { Rctrl::PRSDEP::L4 } else { Rctrl::PRSDEP::Off };
        let filing = Rctrl::FILREN.val(u32::from(self.filing));
        RCTRL.on(bus).set(u32::from(parsing + filing) | values.rctrl);
    }

    /// The rings of each direction that are in use, as TQUEUE and RQUEUE name them.
    pub(crate) fn tx_numbers(&self) -> impl Iterator<Item = usize> + '_ {
        (0..RINGS).filter(|&n| self.tx[n].is_some())
    }

    /// As [`Port::tx_numbers`].
    pub(crate) fn rx_numbers(&self) -> impl Iterator<Item = usize> + '_ {
        (0..RINGS).filter(|&n| self.rx[n].is_some())
    }

    /// THLT bits of the rings in use.
    pub(crate) fn thlt(&self) -> Tstat {
        self.tx_numbers().map(Tstat::thlt).collect()
    }

    /// QHLT bits of the rings in use.
    pub(crate) fn qhlt(&self) -> Rstat {
        self.rx_numbers().map(Rstat::qhlt).collect()
    }

    /// Gives the rings to the controller and lets it run (HW 8.1 step 15, 8.2).
    pub(crate) fn start(&self) {
        let bus = self.bus();
        self.load_rings();
        bus.publish();
        for view in self.rx.iter().chain(&self.tx).flatten() {
            view.set_live(true);
        }
        RQUEUE.on(bus).assign(self.rx_numbers().map(Rqueue::en).collect());
        TQUEUE.on(bus).assign(self.tx_numbers().map(Tqueue::en).collect());
        // HW 3.4: 0xC3, whatever an owner before us had set; GRS and GTS end with it.
        let snoop = Dmactrl::TDSEN::SET + Dmactrl::TBDSEN::SET;
        let stop = Dmactrl::GRS::CLEAR + Dmactrl::GTS::CLEAR;
        let wait = Dmactrl::WWR::SET + Dmactrl::WOP::SET;
        DMACTRL.on(bus).modify(Dmactrl::LE::CLEAR + snoop + wait + stop);
        IEVENT.on(bus).clear(Event::GRSC | Event::GTSC);
        TSTAT.on(bus).clear(self.thlt());
        RSTAT.on(bus).clear(self.qhlt());
        let enables = Maccfg1::RX_EN::SET + Maccfg1::TX_EN::SET;
        let loopback = Maccfg1::LOOP_BACK.val(u32::from(self.config.loopback));
        MACCFG1.on(bus).modify(enables + loopback + self.config.link.maccfg1());
        // HW 8.2: QEMU forgets a kick that comes before Tx_EN; on a running ring another one is
        // harmless.
        TSTAT.on(bus).clear(self.thlt());
        IMASK.on(bus).assign(Event::DEFAULT_MASK);
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
        for high in [TBASEH, TBDBPH, RBASEH, RBDBPH] {
            high.on(bus).set(window);
        }
        for n in 0..RINGS {
            if let Some(view) = &self.tx[n] {
                TBASE.nth(n).on(bus).set(view.bus().low());
                if view.position() != 0 {
                    TBPTR.nth(n).on(bus).set(view.bd_low(view.position()));
                }
            }
            if let Some(view) = &self.rx[n] {
                RBASE.nth(n).on(bus).set(view.bus().low());
                if view.position() != 0 {
                    RBPTR.nth(n).on(bus).set(view.bd_low(view.position()));
                }
            }
        }
    }
}
