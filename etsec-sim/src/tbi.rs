//! The ten-bit-interface PHY inside an eTSEC, which SGMII needs set up (HW 8.9).
//!
//! Its partner is the external PHY's serial side, taken to be always there. It knows no management
//! bus.

const CR_RESET: u16 = 0x8000;
const CR_AN_ENABLE: u16 = 0x1000;
const CR_AN_RESTART: u16 = 0x0200;
const CR_DEFAULT: u16 = CR_AN_ENABLE | 0x0100 | 0x0040;
const SR_AN_DONE: u16 = 0x0020;
const SR_LINK: u16 = 0x0004;
/// SR's fixed bits: extended status, able to negotiate, extended registers.
const SR_ABLE: u16 = 0x0100 | 0x0008 | 0x0001;
const TBICON_RESET: u16 = 0x8000;

/// How long CR[reset] stays set: a few TBI clocks of 16 ns (HW 8.9).
const RESET_NS: u64 = 100;
/// How long the serial side takes to settle: its link timer and a few pages.
const LINK_NS: u64 = 40_000_000;

/// The internal PHY. After power-on it has no link until software starts it.
#[derive(Debug, Clone)]
pub struct Tbi {
    cr: u16,
    ana: u16,
    tbicon: u16,
    reset_left_ns: u64,
    attempt_left_ns: Option<u64>,
    link: bool,
    link_latch: bool,
}

impl Default for Tbi {
    fn default() -> Self {
        Tbi {
            cr: CR_DEFAULT,
            ana: 0,
            tbicon: 0,
            reset_left_ns: 0,
            attempt_left_ns: None,
            link: false,
            link_latch: false,
        }
    }
}

impl Tbi {
    /// Whether the serial link to the external PHY is up.
    #[must_use]
    pub fn link(&self) -> bool {
        self.link
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
            self.cr &= !CR_RESET;
            self.attempt();
        }
        match self.attempt_left_ns {
            Some(left) if left > ns => self.attempt_left_ns = Some(left - ns),
            Some(_) => {
                self.attempt_left_ns = None;
                self.link = true;
            }
            None => {}
        }
    }

    /// Reads register `reg` (0–31); reading SR renews its latched link bit.
    pub fn read(&mut self, reg: u8) -> u16 {
        match reg {
            0 => self.cr,
            1 => {
                let done = if self.link && self.cr & CR_AN_ENABLE != 0 { SR_AN_DONE } else { 0 };
                let link = if self.link_latch { SR_LINK } else { 0 };
                self.link_latch = self.link;
                SR_ABLE | done | link
            }
            4 => self.ana,
            // What the external PHY's serial side acknowledges: full duplex gigabit.
            5 => u16::from(self.link) * 0x4020,
            0xF => 0x8000,
            0x11 => self.tbicon,
            _ => 0,
        }
    }

    /// Writes register `reg` (0–31); during a reset and to a read-only register it is ignored.
    pub fn write(&mut self, reg: u8, value: u16) {
        if self.reset_left_ns > 0 {
            return;
        }
        match reg {
            0 => self.write_control(value),
            4 => self.ana = value & 0x01E0,
            0x11 => self.tbicon = value & !TBICON_RESET,
            _ => {}
        }
    }

    fn write_control(&mut self, value: u16) {
        let restart = value & CR_AN_RESTART != 0;
        let changed = (self.cr ^ value) & CR_AN_ENABLE != 0;
        self.cr = value & !CR_AN_RESTART & 0xFFC0;
        if value & CR_RESET != 0 {
            self.drop_link();
            // HW 8.9: the rest of the value stays (U-Boot sets reset and the mode in one write).
            self.reset_left_ns = RESET_NS;
        } else if restart || changed {
            self.attempt();
        }
    }

    fn drop_link(&mut self) {
        self.link = false;
        self.link_latch = false;
        self.attempt_left_ns = None;
    }

    fn attempt(&mut self) {
        self.drop_link();
        self.attempt_left_ns = Some(LINK_NS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_known_set_ups_bring_the_serial_link_up() {
        // HW 8.9: Linux's and U-Boot's values of CR.
        for cr in [0x1340, 0x9140] {
            let mut tbi = Tbi::default();
            tbi.advance(10_000_000_000);
            assert_eq!(tbi.read(1) & SR_LINK, 0, "no link before software asks for it");
            tbi.write(0x11, 0x0020);
            tbi.write(4, 0x01A0);
            tbi.write(0, cr);
            tbi.advance(LINK_NS - 1);
            assert!(!tbi.link());
            tbi.advance(RESET_NS + 1);
            assert_eq!(tbi.read(0), 0x1140);
            assert_eq!(tbi.read(4), 0x01A0);
            tbi.read(1);
            assert_eq!(tbi.read(1) & (SR_LINK | SR_AN_DONE), SR_LINK | SR_AN_DONE);
        }
    }

    #[test]
    fn reset_holds_for_a_few_clocks() {
        let mut tbi = Tbi::default();
        tbi.write(0, 0x9140);
        assert_eq!(tbi.read(0) & CR_RESET, CR_RESET);
        tbi.advance(RESET_NS);
        assert_eq!(tbi.read(0) & CR_RESET, 0);
    }
}
