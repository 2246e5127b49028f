//! A controller as it is programmed, without its rings: the register procedures from an unknown
//! state to a stopped one (HW 8.1, 8.4).
//!
//! What is here touches registers in the order the manual wants. Who may call what when is decided
//! in `device`.

use embedded_hal::delay::DelayNs;

use crate::addr::AddressFilter;
use crate::bus::{Bus, Pages};
use crate::coalesce::Wanted;
use crate::config::Config;
use crate::error::Error;
use crate::event::Event;
use crate::filer::Filer;
use crate::halt::Sides;
use crate::mib;
use crate::port::RINGS;
use crate::regs::control::{
    ECNTRL, EDIS, Ecntrl, FIFO_TX_STARVE, FIFO_TX_STARVE_SHUTOFF, FIFO_TX_THR, IEVENT, IMASK, PTV,
    Ptv, TBIPA, TSEC_ID, TsecId,
};
use crate::regs::group::{ISRG, Isrg, RXIC_RING, TXIC_RING};
use crate::regs::hash::{GADDR, IGADDR};
use crate::regs::mac::{
    MACADDR1, MACADDR2, MACCFG1, MACCFG2, MACSTNADDR1, MACSTNADDR2, MAXFRM, Maccfg1, Maccfg2,
};
use crate::regs::receive::{ATTR, ATTRELI, Attr, MRBLR, RCTRL, RQUEUE, RXIC, Rctrl, Rqueue};
use crate::regs::transmit::{DFVLAN, TCTRL, TQUEUE, TXIC, Tctrl, Tqueue};
use crate::regs::{ReadWriteable, Readable, Writeable};
use crate::report::info;
use crate::rx_form::RxForm;
use crate::settings::Settings;

/// Every eTSEC has this ID (HW 3.1).
const ETSEC: u32 = 0x0124;
/// At least 3 TX clocks at 2.5 MHz are 1.2 µs (HW 8); generously rounded up.
const RESET_US: u32 = 10;

/// A controller: where its registers are, and what they are to hold.
#[derive(Debug)]
pub(crate) struct Controller<B> {
    pub pages: Pages<B>,
    pub config: Config,
    /// What is in the filer's table, once it has been loaded.
    pub filer: Option<Filer<B>>,
    /// The events that raise a line.
    pub events: Event,
    /// What options have set beyond that.
    pub settings: Settings,
    /// What frame events wait for.
    pub coalescing: Wanted,
    /// What an option does once the link has changed.
    pub relinked: Option<fn(&mut Controller<B>)>,
    /// How received frames are stored.
    pub rx_form: RxForm,
    /// Longest frame whose checksums transmit queues may ask for; 0: they may ask for nothing. And
    /// whether frames may have preambles of their own, as a bit.
    pub summed: u32,
}

fn mask_events<B: Bus>(page: &B) {
    IMASK.on(page).assign(Event::empty());
    IEVENT.on(page).clear(Event::from_bits_retain(u32::MAX));
}

impl<B> Controller<B> {
    /// Nothing is read or written.
    pub(crate) fn new(pages: Pages<B>, config: Config) -> Self {
        let (settings, coalescing) = (Settings::default(), Wanted::NONE);
        let (events, relinked) = (Event::DEFAULT_MASK, None);
        Controller {
            pages,
            config,
            filer: None,
            events,
            settings,
            coalescing,
            relinked,
            rx_form: RxForm::default(),
            summed: 0,
        }
    }
}

impl<B: Bus> Controller<B> {
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
    pub(crate) fn bring_up(&self, delay: &mut dyn DelayNs) -> Result<(), Error> {
        self.check_alive()?;
        let bus = self.bus();
        self.mask_events();
        RQUEUE.on(bus).assign(Rqueue::empty());
        TQUEUE.on(bus).assign(Tqueue::empty());
        // Whoever had the controller before may have left it in any state: if it does not stop, the
        // reset will.
        let _ = self.quiesce(Sides::BOTH, delay);
        self.reset_mac(delay);
        self.program();
        mib::zero(self.bus());
        self.check_alive()?;
        let (station, link) = (self.config.filter.station(), self.config.link);
        info!("eTSEC brought up: station {}, link {}, MTU {}", station, link, self.config.mtu);
        Ok(())
    }

    /// Stops the MAC at once and resets it (HW 8.4). What was inside it is lost.
    pub(crate) fn soft_reset(&self, delay: &mut dyn DelayNs) {
        match &self.filer {
            Some(filer) => (filer.reset)(self, delay),
            None => self.reset_mac(delay),
        }
    }

    pub(crate) fn reset_mac(&self, delay: &mut dyn DelayNs) {
        let bus = self.bus();
        MACCFG1.on(bus).modify(Maccfg1::RX_EN::CLEAR + Maccfg1::TX_EN::CLEAR);
        MACCFG1.on(bus).write(Maccfg1::SOFT_RESET::SET);
        delay.delay_us(RESET_US);
        MACCFG1.on(bus).set(0);
        delay.delay_us(RESET_US);
    }

    /// Programs everything that a reset may have cleared (HW 8.1, steps 4 to 14).
    pub(crate) fn program(&self) {
        self.mask_events();
        self.program_on(self.bus());
    }

    /// The same to another page, events left alone.
    #[inline]
    pub(crate) fn program_on(&self, bus: &impl Bus) {
        self.program_mac(bus);
        self.program_transmit(bus);
        self.program_receive(bus);
        RCTRL.on(bus).set(self.program_filter(bus, &self.config.filter));
        self.settings.write(bus);
    }

    /// No line is raised from here on, and no event is left from before (HW 8.1 step 4, 8.3 step
    /// 1).
    fn mask_events(&self) {
        mask_events(&self.pages.group0);
        if let Some(group1) = &self.pages.group1 {
            mask_events(group1);
        }
    }

    fn program_mac(&self, bus: &impl Bus) {
        let config = &self.config;
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
        // HW 9.4: all rings interrupt through group 0, whatever an owner before us had steered. On
        // parts without groups these offsets are reserved and ignore it (HW 2.6).
        ISRG.nth(0).on(bus).assign(Isrg::all());
        ISRG.nth(1).on(bus).assign(Isrg::empty());
        // HW 9.3: parts with groups have thresholds for each ring besides the common ones.
        for n in 0..RINGS {
            TXIC_RING.nth(n).on(bus).set(0);
            RXIC_RING.nth(n).on(bus).set(0);
        }
    }

    fn program_transmit(&self, bus: &impl Bus) {
        let chosen = Tctrl::TXSCHED.val(self.program_weights(bus) as u32);
        TCTRL.on(bus).set(chosen.into());
        DFVLAN.on(bus).set(0x8100_0000);
        // HW 3.5: the values Linux uses.
        FIFO_TX_THR.on(bus).set(0x100);
        FIFO_TX_STARVE.on(bus).set(0x40);
        FIFO_TX_STARVE_SHUTOFF.on(bus).set(0x80);
        TXIC.on(bus).set(0);
    }

    fn program_receive(&self, bus: &impl Bus) {
        // HW 3.19: the normal value, coherent and without stashing.
        ATTR.on(bus).write(Attr::RDSEN::SET + Attr::RBDSEN::SET);
        ATTRELI.on(bus).set(0);
        RXIC.on(bus).set(0);
    }

    /// Writes the address filter and RCTRL anew. RCTRL is changed only with the receiver stopped
    /// (HW 3.11).
    pub(crate) fn refilter(&self, filter: &AddressFilter) {
        let usual = self.program_filter(self.bus(), filter);
        RCTRL.on(self.bus()).set(self.settings.over(RCTRL, usual));
    }

    /// Writes the address filter; returns what RCTRL is to hold without options.
    #[must_use]
    fn program_filter(&self, bus: &impl Bus, filter: &AddressFilter) -> u32 {
        let [station1, station2] = filter.station().to_registers();
        MACSTNADDR1.on(bus).set(station1);
        MACSTNADDR2.on(bus).set(station2);
        for n in 0..AddressFilter::EXACT {
            let [addr1, addr2] = filter.exact_registers(n);
            MACADDR1.nth(n).on(bus).set(addr1);
            MACADDR2.nth(n).on(bus).set(addr2);
        }
        for n in 0..8 {
            let [individual, group] = filter.hash_words(n);
            IGADDR.nth(n).on(bus).set(individual);
            GADDR.nth(n).on(bus).set(group);
        }
        let parsing = if self.config.parser { Rctrl::PRSDEP::L4 } else { Rctrl::PRSDEP::Off };
        u32::from(parsing) | filter.rctrl()
    }
}
