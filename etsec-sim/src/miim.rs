//! The MII management block of an eTSEC page (HW 3.17, 8.7, 18.13), with the PHYs on its bus.
//!
//! It keeps no clock: a command takes the virtual time that `advance` is told of.

use crate::phy::{Phy, PhyConfig};
use crate::tbi::Tbi;

const MIIMCFG: u16 = 0x520;
const MIIMCOM: u16 = 0x524;
const MIIMADD: u16 = 0x528;
const MIIMCON: u16 = 0x52C;
const MIIMSTAT: u16 = 0x530;
const MIIMIND: u16 = 0x534;

const CFG_RESET_MGMT: u32 = 0x8000_0000;
const CFG_NO_PRE: u32 = 0x0000_0010;
const COM_SCAN_CYCLE: u32 = 2;
const COM_READ_CYCLE: u32 = 1;
const IND_NOT_VALID: u32 = 4;
const IND_SCAN: u32 = 2;
const IND_BUSY: u32 = 1;

/// One bit on MDC at its upper limit, 2.5 MHz. The divisor is not followed: its source clock is
/// unknown (HW 17).
const BIT_NS: u64 = 400;

/// A cycle on the management bus.
#[derive(Debug, Clone, Copy)]
enum Cycle {
    Read { scan: bool },
    Write(u16),
}

/// The management block, an external PHY on its pins and the TBI inside.
#[derive(Debug, Clone)]
pub struct Miim {
    config: u32,
    command: u32,
    address: u32,
    data: u16,
    not_valid: bool,
    /// The cycle on the bus, its target (PHY, register), and how long it still takes.
    cycle: Option<(Cycle, (u8, u8), u64)>,
    tbipa: u8,
    stuck: bool,
    commands_while_busy: u32,
    phy_address: u8,
    phy: Phy,
    tbi: Tbi,
}

impl Miim {
    /// A block at power-on with an external PHY at `phy_address`; from 32 on there is none.
    #[must_use]
    pub fn new(phy_address: u8) -> Self {
        Miim {
            config: 7,
            command: 0,
            address: 0,
            data: 0,
            not_valid: false,
            cycle: None,
            tbipa: 0,
            stuck: false,
            commands_while_busy: 0,
            phy_address,
            phy: Phy::new(PhyConfig::default()),
            tbi: Tbi::default(),
        }
    }

    /// The external PHY.
    #[must_use]
    pub fn phy(&self) -> &Phy {
        &self.phy
    }

    /// The external PHY, to change its partner or its times.
    pub fn phy_mut(&mut self) -> &mut Phy {
        &mut self.phy
    }

    /// The PHY inside the controller.
    #[must_use]
    pub fn tbi(&self) -> &Tbi {
        &self.tbi
    }

    /// Plugs the external PHY's cable in or pulls it.
    pub fn set_link_up(&mut self, up: bool) {
        self.phy.set_link_up(up);
    }

    /// Returns the block and the TBI to their power-on state. The external PHY has a reset pin of
    /// its own and stays.
    pub fn reset(&mut self) {
        self.reset_block();
        self.config = 7;
        self.tbi = Tbi::default();
    }

    /// From here on no command completes (`true`), or the fault is over: the cycle under way
    /// continues.
    pub fn stick_busy(&mut self, stuck: bool) {
        self.stuck = stuck;
    }

    /// How many commands were written while the block was busy, and therefore ignored: each is a
    /// driver's mistake.
    #[must_use]
    pub fn commands_while_busy(&self) -> u32 {
        self.commands_while_busy
    }

    /// Reads the register at page offset `at`; outside the block it reads 0. `tbipa` is TBIPA as it
    /// is now.
    pub fn read(&mut self, at: u16, tbipa: u8) -> u32 {
        self.tbipa = tbipa;
        match at {
            MIIMCFG => self.config,
            MIIMCOM => self.command,
            MIIMADD => self.address,
            MIIMSTAT => u32::from(self.data),
            MIIMIND => self.indicators(),
            // HW 2.4: MIIMCON is write only.
            _ => 0,
        }
    }

    /// Writes the register at page offset `at`; outside the block it is ignored. `tbipa` is TBIPA
    /// as it is now.
    pub fn write(&mut self, at: u16, value: u32, tbipa: u8) {
        self.tbipa = tbipa;
        match at {
            MIIMCFG => {
                if value & CFG_RESET_MGMT != 0 {
                    self.reset_block();
                }
                self.config = value & (CFG_RESET_MGMT | CFG_NO_PRE | 7);
            }
            MIIMADD => self.address = value & 0x1F1F,
            MIIMCOM => self.write_command(value & (COM_SCAN_CYCLE | COM_READ_CYCLE)),
            MIIMCON => self.start(Cycle::Write(value as u16)),
            _ => {}
        }
    }

    /// Lets `ns` nanoseconds pass for the bus and the PHYs on it.
    pub fn advance(&mut self, ns: u64) {
        let mut ns = ns;
        while let Some((cycle, target, left)) = self.cycle.filter(|_| !self.stuck) {
            if left > ns {
                self.cycle = Some((cycle, target, left - ns));
                break;
            }
            self.pass(left);
            ns -= left;
            self.finish(cycle, target);
            ns -= self.skip_scans(ns);
        }
        self.pass(ns);
    }

    fn pass(&mut self, ns: u64) {
        self.phy.advance(ns);
        self.tbi.advance(ns);
    }

    /// Passes whole scan cycles at once, up to the last two of `ns`: nobody looks at the results
    /// before. Two, because BMSR[link] is latched until read once.
    fn skip_scans(&mut self, ns: u64) -> u64 {
        if self.command & COM_SCAN_CYCLE == 0 {
            return 0;
        }
        let whole = (ns / self.cycle_ns()).saturating_sub(2) * self.cycle_ns();
        self.pass(whole);
        whole
    }

    fn indicators(&self) -> u32 {
        let mut value = 0;
        if self.cycle.is_some() || self.stuck {
            value |= IND_BUSY;
        }
        if self.command & COM_SCAN_CYCLE != 0 {
            value |= IND_SCAN;
        }
        if self.not_valid {
            value |= IND_NOT_VALID;
        }
        value
    }

    /// HW 3.17: Read_Cycle works by its 0→1 edge, Scan_Cycle as long as it is set.
    fn write_command(&mut self, value: u32) {
        let rising = value & !self.command;
        self.command = value;
        if rising & COM_SCAN_CYCLE != 0 {
            self.start(Cycle::Read { scan: true });
        } else if rising & COM_READ_CYCLE != 0 {
            self.start(Cycle::Read { scan: false });
        }
    }

    fn start(&mut self, cycle: Cycle) {
        if self.config & CFG_RESET_MGMT != 0 {
            return;
        }
        if self.cycle.is_some() {
            self.commands_while_busy = self.commands_while_busy.saturating_add(1);
            return;
        }
        if matches!(cycle, Cycle::Read { .. }) {
            self.not_valid = true;
        }
        self.cycle = Some((cycle, self.target(), self.cycle_ns()));
    }

    /// HW 3.17 MIIMADD: the PHY in bits 0x1F00, the register in 0x001F.
    fn target(&self) -> (u8, u8) {
        ((self.address >> 8) as u8 & 0x1F, self.address as u8 & 0x1F)
    }

    /// HW 8.7: a frame of 32 bits, behind 32 preamble bits unless No_Pre.
    fn cycle_ns(&self) -> u64 {
        if self.config & CFG_NO_PRE != 0 { 32 * BIT_NS } else { 64 * BIT_NS }
    }

    fn finish(&mut self, cycle: Cycle, (phy, reg): (u8, u8)) {
        self.cycle = None;
        match cycle {
            Cycle::Write(value) => self.write_phy(phy, reg, value),
            Cycle::Read { scan } => {
                self.data = self.read_phy(phy, reg);
                self.not_valid = false;
                if scan && self.command & COM_SCAN_CYCLE != 0 {
                    self.cycle = Some((cycle, self.target(), self.cycle_ns()));
                }
            }
        }
    }

    /// HW 8.9: the TBI answers at TBIPA and hides an external PHY there. HW 8.7: nobody drives the
    /// line → ones.
    fn read_phy(&mut self, phy: u8, reg: u8) -> u16 {
        if phy == self.tbipa & 0x1F {
            self.tbi.read(reg)
        } else if phy == self.phy_address {
            self.phy.read(reg)
        } else {
            0xFFFF
        }
    }

    fn write_phy(&mut self, phy: u8, reg: u8, value: u16) {
        if phy == self.tbipa & 0x1F {
            self.tbi.write(reg, value);
        } else if phy == self.phy_address {
            self.phy.write(reg, value);
        }
    }

    fn reset_block(&mut self) {
        self.cycle = None;
        self.command = 0;
        self.address = 0;
        self.data = 0;
        self.not_valid = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TBIPA: u8 = 0x1F;
    const CYCLE_NS: u64 = 64 * BIT_NS;

    fn ind(miim: &mut Miim) -> u32 {
        miim.read(MIIMIND, TBIPA)
    }

    /// HW 8.7: a read as a driver does it.
    fn read(miim: &mut Miim, phy: u8, reg: u8) -> u16 {
        miim.write(MIIMADD, u32::from(phy) << 8 | u32::from(reg), TBIPA);
        miim.write(MIIMCOM, 0, TBIPA);
        miim.write(MIIMCOM, 1, TBIPA);
        miim.advance(CYCLE_NS);
        assert_eq!(ind(miim), 0);
        let value = miim.read(MIIMSTAT, TBIPA) as u16;
        miim.write(MIIMCOM, 0, TBIPA);
        value
    }

    fn write(miim: &mut Miim, phy: u8, reg: u8, value: u16) {
        miim.write(MIIMADD, u32::from(phy) << 8 | u32::from(reg), TBIPA);
        miim.write(MIIMCON, value.into(), TBIPA);
        assert_eq!(ind(miim), IND_BUSY);
        miim.advance(CYCLE_NS);
        assert_eq!(ind(miim), 0);
    }

    #[test]
    fn a_read_is_busy_and_not_valid_until_the_data_is_in() {
        let mut miim = Miim::new(3);
        miim.write(MIIMADD, 0x0302, TBIPA);
        miim.write(MIIMCOM, 1, TBIPA);
        miim.advance(CYCLE_NS - 1);
        assert_eq!(ind(&mut miim), IND_NOT_VALID | IND_BUSY);
        assert_eq!(miim.read(MIIMSTAT, TBIPA), 0);
        miim.advance(1);
        assert_eq!(ind(&mut miim), 0);
        assert_eq!(miim.read(MIIMSTAT, TBIPA), 0x0E75);
    }

    #[test]
    fn only_an_edge_starts_a_read() {
        let mut miim = Miim::new(3);
        assert_eq!(read(&mut miim, 3, 2), 0x0E75);
        miim.write(MIIMCOM, 1, TBIPA);
        miim.advance(CYCLE_NS);
        miim.write(MIIMADD, 0x0303, TBIPA);
        miim.write(MIIMCOM, 1, TBIPA);
        assert_eq!(ind(&mut miim), 0, "no edge, no cycle");
        miim.advance(CYCLE_NS);
        assert_eq!(miim.read(MIIMSTAT, TBIPA), 0x0E75);
    }

    #[test]
    fn an_absent_phy_reads_ones_and_the_tbi_hides_another() {
        let mut miim = Miim::new(3);
        assert_eq!(read(&mut miim, 4, 2), 0xFFFF);
        assert_eq!(read(&mut miim, TBIPA, 0xF), 0x8000);
        // HW 1.2: TBIPA is 0 after reset and hides an external PHY there.
        let mut hidden = Miim::new(0);
        hidden.write(MIIMADD, 0x0002, 0);
        hidden.write(MIIMCOM, 1, 0);
        hidden.advance(CYCLE_NS);
        assert_eq!(hidden.read(MIIMSTAT, 0), 0);
        let mut none = Miim::new(32);
        assert!((0..31).all(|phy| read(&mut none, phy, 2) == 0xFFFF));
    }

    #[test]
    fn a_write_reaches_the_phy() {
        let mut miim = Miim::new(3);
        write(&mut miim, 3, 4, 0x0DE1);
        assert_eq!(read(&mut miim, 3, 4), 0x0DE1);
        assert_eq!(miim.read(MIIMCON, TBIPA), 0);
    }

    #[test]
    fn a_command_while_busy_is_ignored_and_counted() {
        let mut miim = Miim::new(3);
        write(&mut miim, 3, 4, 0x0DE1);
        miim.write(MIIMCON, 0x0101, TBIPA);
        miim.write(MIIMCON, 0x0001, TBIPA);
        miim.advance(CYCLE_NS);
        assert_eq!(miim.commands_while_busy(), 1);
        assert_eq!(read(&mut miim, 3, 4), 0x0101);
    }

    #[test]
    fn scanning_follows_the_register() {
        let mut miim = Miim::new(3);
        miim.write(MIIMADD, 0x0301, TBIPA);
        miim.write(MIIMCOM, COM_SCAN_CYCLE, TBIPA);
        assert_eq!(ind(&mut miim), IND_NOT_VALID | IND_SCAN | IND_BUSY);
        miim.advance(CYCLE_NS);
        assert_eq!(ind(&mut miim) & IND_NOT_VALID, 0);
        assert_eq!(miim.read(MIIMSTAT, TBIPA) & 4, 0);
        miim.advance(3_600_000_000_000);
        assert_eq!(miim.read(MIIMSTAT, TBIPA) & 4, 4);
        miim.write(MIIMCOM, 0, TBIPA);
        miim.advance(CYCLE_NS);
        assert_eq!(ind(&mut miim), 0);
    }

    #[test]
    fn reset_mgmt_holds_the_block() {
        let mut miim = Miim::new(3);
        miim.write(MIIMADD, 0x0302, TBIPA);
        miim.write(MIIMCOM, 1, TBIPA);
        miim.write(MIIMCFG, CFG_RESET_MGMT, TBIPA);
        assert_eq!(ind(&mut miim), 0);
        miim.write(MIIMCOM, 1, TBIPA);
        assert_eq!(ind(&mut miim), 0, "no command while held in reset");
        miim.write(MIIMCFG, 7, TBIPA);
        assert_eq!(read(&mut miim, 3, 3), 0xEC10);
    }

    #[test]
    fn a_stuck_block_stays_busy() {
        let mut miim = Miim::new(3);
        miim.stick_busy(true);
        miim.write(MIIMADD, 0x0302, TBIPA);
        miim.write(MIIMCOM, 1, TBIPA);
        miim.advance(3_600_000_000_000);
        assert_eq!(ind(&mut miim), IND_BUSY | IND_NOT_VALID);
        miim.stick_busy(false);
        miim.advance(CYCLE_NS);
        assert_eq!(ind(&mut miim), 0);
        assert_eq!(miim.read(MIIMSTAT, TBIPA), 0x0E75);
    }
}
