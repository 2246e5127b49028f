//! An external clause 22 gigabit PHY: its registers, its autonegotiation and its cable, in virtual
//! time (HW 8.10).
//!
//! It knows no management bus (`miim.rs` does) and carries no frames: it only says what the link
//! would let through.

use crate::partner::{
    ANAR_10FD, ANAR_10HD, ANAR_100FD, ANAR_100HD, ANAR_SELECTOR, STAT1000_FD, STAT1000_HD, common,
};
#[cfg(test)]
use crate::partner::{ANAR_ASYM_PAUSE, ANAR_PAUSE};
pub use crate::partner::{Partner, PhyConfig, PhyLink};

/// BMCR: reset, clears itself.
const BMCR_RESET: u16 = 0x8000;
const BMCR_LOOPBACK: u16 = 0x4000;
const BMCR_SPEED_100: u16 = 0x2000;
const BMCR_AN_ENABLE: u16 = 0x1000;
const BMCR_POWER_DOWN: u16 = 0x0800;
const BMCR_ISOLATE: u16 = 0x0400;
const BMCR_AN_RESTART: u16 = 0x0200;
const BMCR_FULL_DUPLEX: u16 = 0x0100;
const BMCR_SPEED_1000: u16 = 0x0040;
/// Autonegotiation on, and what a gigabit PHY's straps usually say besides.
const BMCR_DEFAULT: u16 = BMCR_AN_ENABLE | BMCR_FULL_DUPLEX | BMCR_SPEED_1000;

/// BMSR without its live bits: 100/10 in both duplexes, extended status, able to negotiate,
/// extended registers.
const BMSR_ABLE: u16 = 0x7800 | 0x0100 | 0x0008 | 0x0001;
const BMSR_AN_DONE: u16 = 0x0020;
const BMSR_LINK: u16 = 0x0004;

/// Everything but pause, which the MAC's driver has to ask for.
const ANAR_DEFAULT: u16 = ANAR_100FD | ANAR_100HD | ANAR_10FD | ANAR_10HD | ANAR_SELECTOR;
const ANLPAR_ACK: u16 = 0x4000;

const CTRL1000_FD: u16 = 0x0200;
const CTRL1000_HD: u16 = 0x0100;
const STAT1000_MASTER: u16 = 0x4000;
const STAT1000_RX_OK: u16 = 0x2000 | 0x1000;
const ESTATUS_1000T: u16 = 0x2000 | 0x1000;

/// An external clause 22 PHY with a cable that can be pulled.
#[derive(Debug, Clone)]
pub struct Phy {
    config: PhyConfig,
    partner: Partner,
    plugged: bool,
    bmcr: u16,
    anar: u16,
    ctrl1000: u16,
    /// Until BMCR[reset] clears; 0 when no reset is under way.
    reset_left_ns: u64,
    /// Until the link attempt under way has its result.
    attempt_left_ns: Option<u64>,
    link: Option<PhyLink>,
    /// What the partner sent (registers 5 and 10), while negotiated.
    heard: Option<(u16, u16)>,
    /// BMSR[link] as it will next be read: low until read once after a loss (HW 8.10).
    link_latch: bool,
}

impl Phy {
    /// A PHY just powered on, its cable plugged into `Partner::gigabit`, so that it starts to
    /// negotiate.
    #[must_use]
    pub fn new(config: PhyConfig) -> Self {
        let mut phy = Phy {
            config,
            partner: Partner::gigabit(),
            plugged: true,
            bmcr: 0,
            anar: 0,
            ctrl1000: 0,
            reset_left_ns: 0,
            attempt_left_ns: None,
            link: None,
            heard: None,
            link_latch: false,
        };
        phy.load_defaults();
        phy.attempt();
        phy
    }

    /// Changes how long things take from the next attempt on.
    pub fn set_config(&mut self, config: PhyConfig) {
        self.config = config;
    }

    /// Plugs the cable into another station: the link is lost and sought again.
    pub fn set_partner(&mut self, partner: Partner) {
        self.partner = partner;
        self.attempt();
    }

    /// Plugs the cable in or pulls it. Plugging in what is plugged in changes nothing.
    pub fn set_link_up(&mut self, up: bool) {
        if up != self.plugged {
            self.plugged = up;
            self.attempt();
        }
    }

    /// Brings the link up at once at what would be negotiated, for tests that do not care how it
    /// comes up.
    pub fn settle(&mut self) {
        if self.reset_left_ns > 0 {
            self.advance(self.reset_left_ns);
        }
        if let Some(left) = self.attempt_left_ns {
            self.advance(left);
        }
    }

    /// The link as it is now, not as a register has latched it.
    #[must_use]
    pub fn link(&self) -> Option<PhyLink> {
        self.link
    }

    /// Whether frames get through between the MAC and the cable: link up and not isolated from the
    /// MAC.
    #[must_use]
    pub fn carries(&self) -> bool {
        self.link.is_some() && self.bmcr & (BMCR_ISOLATE | BMCR_LOOPBACK) == 0
    }

    /// Whether the PHY returns what the MAC sends to the MAC (BMCR\[loopback\]).
    #[must_use]
    pub fn loops_back(&self) -> bool {
        self.bmcr & BMCR_LOOPBACK != 0 && self.bmcr & (BMCR_ISOLATE | BMCR_POWER_DOWN) == 0
    }

    /// Lets `ns` nanoseconds pass.
    pub fn advance(&mut self, ns: u64) {
        let mut ns = ns;
        if self.reset_left_ns > 0 {
            let step = ns.min(self.reset_left_ns);
            self.reset_left_ns -= step;
            ns -= step;
            if self.reset_left_ns > 0 {
                return;
            }
            self.load_defaults();
            self.attempt();
        }
        match self.attempt_left_ns {
            Some(left) if left > ns => self.attempt_left_ns = Some(left - ns),
            Some(_) => self.conclude(),
            None => {}
        }
    }

    /// Reads register `reg` (0–31) over the management bus; reading BMSR renews its latched link
    /// bit.
    pub fn read(&mut self, reg: u8) -> u16 {
        match reg {
            0 => self.bmcr,
            1 => self.read_status(),
            2 => (self.config.id >> 16) as u16,
            3 => self.config.id as u16,
            4 => self.anar,
            5 => self.heard.map_or(0, |(base, _)| base),
            9 => self.ctrl1000,
            10 => self.gigabit_status(),
            15 => ESTATUS_1000T,
            _ => 0,
        }
    }

    /// Writes register `reg` (0–31) over the management bus; a read-only one ignores it, and all do
    /// during a reset.
    pub fn write(&mut self, reg: u8, value: u16) {
        if self.reset_left_ns > 0 {
            return;
        }
        match reg {
            0 => self.write_control(value),
            4 => self.anar = value & !ANLPAR_ACK,
            9 => self.ctrl1000 = value,
            _ => {}
        }
    }

    fn load_defaults(&mut self) {
        self.bmcr = BMCR_DEFAULT;
        self.anar = ANAR_DEFAULT;
        self.ctrl1000 = CTRL1000_FD | CTRL1000_HD;
    }

    fn read_status(&mut self) -> u16 {
        let mut value = BMSR_ABLE;
        if self.negotiated() {
            value |= BMSR_AN_DONE;
        }
        if self.link_latch {
            value |= BMSR_LINK;
        }
        // HW 8.10: latched low, so this reading tells of a loss and the next one of the present.
        self.link_latch = self.link.is_some();
        value
    }

    fn gigabit_status(&self) -> u16 {
        let Some((_, gigabit)) = self.heard else { return 0 };
        match self.link {
            Some(PhyLink { mbps: 1000, .. }) => gigabit | STAT1000_MASTER | STAT1000_RX_OK,
            _ => gigabit,
        }
    }

    /// Resets it by its pin, as BMCR\[reset\] does.
    pub fn reset(&mut self) {
        self.drop_link();
        self.bmcr = BMCR_DEFAULT | BMCR_RESET;
        self.reset_left_ns = self.config.reset_ns.max(1);
    }

    fn write_control(&mut self, value: u16) {
        if value & BMCR_RESET != 0 {
            self.reset();
            return;
        }
        let before = self.bmcr;
        let restart = value & BMCR_AN_RESTART != 0 && value & BMCR_AN_ENABLE != 0;
        self.bmcr = value & !BMCR_AN_RESTART & 0xFFC0;
        let seeks = BMCR_AN_ENABLE | BMCR_POWER_DOWN;
        let fixed = BMCR_SPEED_100 | BMCR_SPEED_1000 | BMCR_FULL_DUPLEX;
        let watched = if value & BMCR_AN_ENABLE != 0 { seeks } else { seeks | fixed };
        if restart || (before ^ self.bmcr) & watched != 0 {
            self.attempt();
        }
    }

    fn negotiated(&self) -> bool {
        self.bmcr & BMCR_AN_ENABLE != 0 && self.link.is_some()
    }

    fn drop_link(&mut self) {
        self.link = None;
        self.link_latch = false;
        self.heard = None;
        self.attempt_left_ns = None;
    }

    /// Gives up the link there is and starts to look for one, if there is a cable and power.
    fn attempt(&mut self) {
        self.drop_link();
        if !self.plugged || self.bmcr & (BMCR_POWER_DOWN | BMCR_RESET) != 0 {
            return;
        }
        let negotiates = self.bmcr & BMCR_AN_ENABLE != 0;
        self.attempt_left_ns = Some(if negotiates {
            self.config.autonegotiation_ns
        } else {
            self.config.fixed_link_ns
        });
    }

    /// The attempt's time is over: the link is up at what both ends have in common, or stays down.
    fn conclude(&mut self) {
        self.attempt_left_ns = None;
        let (link, heard) = if self.bmcr & BMCR_AN_ENABLE == 0 {
            (self.fixed(), None)
        } else if self.partner.negotiates {
            let base = self.partner.base | ANLPAR_ACK | ANAR_SELECTOR;
            (self.resolve(), Some((base, self.partner.gigabit)))
        } else {
            // Parallel detection: the speed can be seen on the wire, the duplex cannot.
            let half = self.partner.base & (ANAR_100HD | ANAR_10HD);
            (common(self.anar & half), Some((half, 0)))
        };
        self.link = link;
        self.heard = heard.filter(|_| link.is_some());
        // The latch is left low: it shows a link only from the second reading after it came up.
    }

    /// The best mode both ends offer (HW 8.10).
    fn resolve(&self) -> Option<PhyLink> {
        let gigabit = (self.ctrl1000 << 2) & self.partner.gigabit;
        if gigabit & STAT1000_FD != 0 {
            return Some(PhyLink { mbps: 1000, full_duplex: true });
        }
        if gigabit & STAT1000_HD != 0 {
            return Some(PhyLink { mbps: 1000, full_duplex: false });
        }
        common(self.anar & self.partner.base)
    }

    /// The link without negotiation: at our speed, if the partner knows it. 1000BASE-T always
    /// negotiates.
    fn fixed(&self) -> Option<PhyLink> {
        let full_duplex = self.bmcr & BMCR_FULL_DUPLEX != 0;
        let (mbps, abilities) = match self.bmcr & (BMCR_SPEED_1000 | BMCR_SPEED_100) {
            0 => (10, ANAR_10FD | ANAR_10HD),
            BMCR_SPEED_100 => (100, ANAR_100FD | ANAR_100HD),
            _ => return None,
        };
        (self.partner.base & abilities != 0).then_some(PhyLink { mbps, full_duplex })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn linked() -> Phy {
        let mut phy = Phy::new(PhyConfig::default());
        phy.advance(2 * SECOND);
        phy.read(1);
        phy
    }

    #[test]
    fn negotiation_takes_its_time() {
        let mut phy = Phy::new(PhyConfig::default());
        phy.advance(1_499_999_999);
        assert_eq!(phy.read(1) & (BMSR_LINK | BMSR_AN_DONE), 0);
        assert_eq!(phy.read(5), 0);
        phy.advance(1);
        // HW 8.10: latched low, the first reading still tells of the time without a link.
        assert_eq!(phy.read(1) & (BMSR_LINK | BMSR_AN_DONE), BMSR_AN_DONE);
        assert_eq!(phy.read(1) & (BMSR_LINK | BMSR_AN_DONE), BMSR_LINK | BMSR_AN_DONE);
        assert_eq!(phy.link(), Some(PhyLink { mbps: 1000, full_duplex: true }));
        assert_eq!(phy.read(10), 0x7C00);
        assert_eq!(phy.read(5), 0x45E1);
        assert_eq!(phy.read(15), 0x3000);
    }

    #[test]
    fn a_short_loss_is_latched_until_read() {
        let mut phy = linked();
        phy.set_link_up(false);
        assert!(!phy.carries());
        phy.set_link_up(true);
        phy.advance(2 * SECOND);
        assert!(phy.carries());
        assert_eq!(phy.read(1) & BMSR_LINK, 0);
        assert_eq!(phy.read(1) & BMSR_LINK, BMSR_LINK);
    }

    #[test]
    fn reset_clears_itself_and_restores_the_defaults() {
        let mut phy = linked();
        phy.write(4, 0x0001);
        phy.write(0, 0x8000);
        assert_eq!(phy.read(0) & BMCR_RESET, BMCR_RESET);
        phy.write(4, 0x0C01);
        phy.advance(499_999);
        assert_eq!(phy.read(0) & BMCR_RESET, BMCR_RESET);
        phy.advance(1);
        assert_eq!(phy.read(0), BMCR_DEFAULT);
        assert_eq!(phy.read(4), ANAR_DEFAULT);
        assert_eq!(phy.link(), None);
        phy.advance(2 * SECOND);
        assert!(phy.link().is_some());
    }

    #[test]
    fn the_best_common_mode_wins() {
        let cases = [
            (Partner::gigabit(), ANAR_DEFAULT, 0x0200, Some((1000, true))),
            (Partner::gigabit(), ANAR_DEFAULT, 0x0100, Some((1000, false))),
            (Partner::gigabit(), ANAR_DEFAULT, 0, Some((100, true))),
            (Partner::fast(), ANAR_DEFAULT, 0x0200, Some((100, true))),
            (Partner::fast(), ANAR_10FD, 0x0200, Some((10, true))),
            (Partner::fast(), ANAR_100HD | ANAR_10FD, 0x0200, Some((100, false))),
            (Partner::fixed(true), ANAR_DEFAULT, 0x0200, Some((100, false))),
            (Partner::fixed(false), ANAR_DEFAULT, 0x0200, Some((10, false))),
            (Partner::fast(), ANAR_SELECTOR, 0x0200, None),
        ];
        for (partner, anar, ctrl1000, expected) in cases {
            let mut phy = linked();
            phy.set_partner(partner);
            phy.write(4, anar);
            phy.write(9, ctrl1000);
            phy.write(0, BMCR_AN_ENABLE | BMCR_AN_RESTART);
            assert_eq!(phy.read(0), BMCR_AN_ENABLE, "restart clears itself");
            phy.advance(2 * SECOND);
            let link = expected.map(|(mbps, full_duplex)| PhyLink { mbps, full_duplex });
            assert_eq!(phy.link(), link, "{partner:?} {anar:#06x} {ctrl1000:#06x}");
        }
    }

    #[test]
    fn a_fixed_speed_needs_a_partner_that_knows_it() {
        let mut phy = linked();
        phy.write(0, BMCR_SPEED_100 | BMCR_FULL_DUPLEX);
        assert_eq!(phy.link(), None);
        phy.advance(SECOND);
        assert_eq!(phy.link(), Some(PhyLink { mbps: 100, full_duplex: true }));
        assert_eq!(phy.read(1) & BMSR_AN_DONE, 0);
        phy.write(0, BMCR_SPEED_1000 | BMCR_FULL_DUPLEX);
        phy.advance(SECOND);
        assert_eq!(phy.link(), None);
    }

    #[test]
    fn power_down_isolate_and_loopback_cut_the_cable_off() {
        let mut phy = linked();
        phy.write(0, BMCR_AN_ENABLE | BMCR_ISOLATE);
        assert!(phy.link().is_some() && !phy.carries() && !phy.loops_back());
        phy.write(0, BMCR_AN_ENABLE | BMCR_LOOPBACK);
        assert!(phy.loops_back() && !phy.carries());
        phy.write(0, BMCR_AN_ENABLE | BMCR_POWER_DOWN);
        phy.advance(10 * SECOND);
        assert_eq!(phy.link(), None);
        phy.write(0, BMCR_AN_ENABLE);
        phy.settle();
        assert!(phy.carries());
    }

    #[test]
    fn pause_abilities_of_the_partner_are_seen() {
        let mut phy = linked();
        phy.set_partner(Partner::gigabit().with_pause(false, true));
        phy.settle();
        assert_eq!(phy.read(5) & (ANAR_PAUSE | ANAR_ASYM_PAUSE), ANAR_ASYM_PAUSE);
    }
}
