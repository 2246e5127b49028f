//! A management bus with PHYs that behave as HW 8.10 says, for tests. It shares no table with the
//! driver.

use std::vec::Vec;

use embedded_hal::delay::DelayNs;

use crate::mdio::{MdioBus, MdioError};

/// A gigabit copper PHY with a cable to a partner.
#[derive(Debug, Clone)]
pub(crate) struct FakePhy {
    pub regs: [u16; 32],
    /// A cable is plugged in.
    pub cable: bool,
    /// Reads of register 1 that a negotiation takes.
    pub negotiation_reads: u32,
    /// Reads of register 0 that a reset takes.
    pub reset_reads: u32,
    /// Answers nothing, though a reset may have been asked of it.
    pub mute: bool,
    /// Reads of register 1 and 0 still to come, and whether the link bit is latched low.
    pub negotiating: u32,
    pub resetting: u32,
    pub lost: bool,
}

impl FakePhy {
    /// A PHY of all modes, with nothing on the wire but a cable to a partner of all modes and
    /// symmetric pause.
    pub fn gigabit() -> Self {
        let mut regs = [0; 32];
        regs[0] = 0x1140;
        regs[1] = 0x7909;
        regs[2] = 0x0141;
        regs[3] = 0x0CC2;
        regs[4] = 0x01E1;
        regs[5] = 0x45E1;
        regs[9] = 0x0300;
        regs[10] = 0x3C00;
        regs[15] = 0x3000;
        FakePhy {
            regs,
            cable: true,
            negotiation_reads: 0,
            reset_reads: 0,
            mute: false,
            negotiating: 0,
            resetting: 0,
            lost: true,
        }
    }

    /// The cable is pulled out or put in.
    pub fn plug(&mut self, cable: bool) {
        self.cable = cable;
        self.restart();
    }

    /// The link is lost for a moment, and negotiation begins again.
    pub fn restart(&mut self) {
        self.lost = true;
        self.negotiating = self.negotiation_reads;
    }

    fn asleep(&self) -> bool {
        self.regs[0] & 0x0C00 != 0
    }

    fn read(&mut self, reg: u8) -> u16 {
        match reg {
            0 if self.resetting > 0 => {
                self.resetting -= 1;
                self.regs[0] | 0x8000
            }
            1 => self.status(),
            reg => self.regs[usize::from(reg)],
        }
    }

    fn status(&mut self) -> u16 {
        let negotiates = self.regs[0] & 0x1000 != 0;
        let ready = self.cable && !self.asleep();
        let complete = ready && negotiates && self.negotiating == 0;
        if ready && self.negotiating > 0 {
            self.negotiating -= 1;
        }
        let link = ready && (complete || !negotiates);
        let shown = link && !self.lost;
        self.lost = !link;
        self.regs[1] | if complete { 0x20 } else { 0 } | if shown { 0x04 } else { 0 }
    }

    fn write(&mut self, reg: u8, value: u16) {
        match reg {
            0 if value & 0x8000 != 0 => {
                self.resetting = self.reset_reads;
                self.regs[0] = 0x1140;
                self.restart();
            }
            0 => {
                if value & 0x0200 != 0 || (value ^ self.regs[0]) & 0x3D40 != 0 {
                    self.restart();
                }
                self.regs[0] = value & !0x0200;
            }
            // Asleep, it listens to register 0 only. The others of this list are read only.
            _ if self.asleep() => {}
            1 | 2 | 3 | 5 | 10 | 15 => {}
            reg => self.regs[usize::from(reg)] = value,
        }
    }
}

/// Up to 32 of them.
#[derive(Debug)]
pub(crate) struct FakeBus {
    pub phys: [Option<FakePhy>; 32],
    /// Accesses left before every further one times out.
    pub accesses_left: Option<u32>,
    /// Every write: PHY, register, value.
    pub writes: Vec<(u8, u8, u16)>,
    /// How many reads there were.
    pub reads: u32,
}

impl FakeBus {
    /// A bus with one PHY.
    pub fn with(address: u8, phy: FakePhy) -> Self {
        let mut bus = FakeBus::empty();
        bus.phys[usize::from(address)] = Some(phy);
        bus
    }

    /// A bus with no PHY.
    pub fn empty() -> Self {
        let phys = [const { None }; 32];
        FakeBus { phys, accesses_left: None, writes: Vec::new(), reads: 0 }
    }

    /// The PHY at an address where there is one.
    pub fn phy(&mut self, address: u8) -> &mut FakePhy {
        self.phys[usize::from(address)].as_mut().expect("a PHY at this address")
    }

    fn access(&mut self, phy: u8, reg: u8) -> Result<(), MdioError> {
        if phy > 31 || reg > 31 {
            return Err(MdioError::Address { phy, reg });
        }
        match &mut self.accesses_left {
            Some(0) => Err(MdioError::Timeout { phy, reg }),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl MdioBus for FakeBus {
    fn read(&mut self, phy: u8, reg: u8) -> Result<u16, MdioError> {
        self.access(phy, reg)?;
        self.reads += 1;
        Ok(match &mut self.phys[usize::from(phy)] {
            Some(phy) if !phy.mute => phy.read(reg),
            _ => 0xFFFF,
        })
    }

    fn write(&mut self, phy: u8, reg: u8, value: u16) -> Result<(), MdioError> {
        self.access(phy, reg)?;
        self.writes.push((phy, reg, value));
        if let Some(phy) = &mut self.phys[usize::from(phy)] {
            phy.write(reg, value);
        }
        Ok(())
    }
}

/// A delay that only counts.
#[derive(Debug, Default)]
pub(crate) struct FakeDelay {
    pub ns: u64,
}

impl DelayNs for FakeDelay {
    fn delay_ns(&mut self, ns: u32) {
        self.ns += u64::from(ns);
    }
}
