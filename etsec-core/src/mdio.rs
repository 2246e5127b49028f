//! MII management: the two-wire bus on which PHYs are configured (HW 3.17, 8.7).
//!
//! Reads and writes 16-bit registers of PHYs by number. It knows nothing of what those registers
//! mean.
//!
//! External PHYs of all controllers usually hang on one bus, while each controller's TBI is on its
//! own (HW 1.2). A bus has one master at a time: share an [`Mdio`] in a [`RefCell`] between ports
//! of one thread; between threads or processes, put a lock around one.

use core::cell::RefCell;
use core::fmt;

use embedded_hal::delay::DelayNs;

use crate::bus::Bus;
use crate::regs::miim::{MIIMADD, MIIMCFG, MIIMCOM, MIIMCON, MIIMIND, MIIMSTAT};
use crate::regs::miim::{Miimadd, Miimcfg, Miimcom, Miimcon, Miimind};
use crate::regs::{Readable, Writeable};

/// Registers of PHYs, by PHY address and register number, both 0..=31.
pub trait MdioBus {
    /// Reads register `reg` of the PHY at address `phy`. Where no PHY answers this is 0xFFFF and no
    /// error.
    ///
    /// # Errors
    /// As [`MdioError`] says; nothing has been read.
    fn read(&mut self, phy: u8, reg: u8) -> Result<u16, MdioError>;

    /// Writes register `reg` of the PHY at address `phy`. Where no PHY answers this does nothing
    /// and is no error.
    ///
    /// # Errors
    /// As [`MdioError`] says; after a time-out the register may have been written or not.
    fn write(&mut self, phy: u8, reg: u8, value: u16) -> Result<(), MdioError>;
}

impl<M: MdioBus + ?Sized> MdioBus for &mut M {
    fn read(&mut self, phy: u8, reg: u8) -> Result<u16, MdioError> {
        (**self).read(phy, reg)
    }
    fn write(&mut self, phy: u8, reg: u8, value: u16) -> Result<(), MdioError> {
        (**self).write(phy, reg, value)
    }
}

/// One bus for the PHYs of several MACs. Being used already is an error, not a panic.
impl<M: MdioBus + ?Sized> MdioBus for &RefCell<M> {
    fn read(&mut self, phy: u8, reg: u8) -> Result<u16, MdioError> {
        let mut bus = self.try_borrow_mut().map_err(|_| MdioError::InUse { phy, reg })?;
        bus.read(phy, reg)
    }
    fn write(&mut self, phy: u8, reg: u8, value: u16) -> Result<(), MdioError> {
        let mut bus = self.try_borrow_mut().map_err(|_| MdioError::InUse { phy, reg })?;
        bus.write(phy, reg, value)
    }
}

/// Why a PHY's register could not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum MdioError {
    /// The management interface stayed busy for longer than any frame takes.
    Timeout {
        /// Address of the PHY.
        phy: u8,
        /// Number of the register.
        reg: u8,
    },
    /// The management interface stayed busy after its reset.
    ResetTimeout,
    /// The controller's registers read all ones: it is unmapped, unclocked or gone.
    Gone,
    /// An address or register number above 31, which a management frame cannot carry.
    Address {
        /// Address of the PHY.
        phy: u8,
        /// Number of the register.
        reg: u8,
    },
    /// Another user of a shared bus is in the middle of an access.
    InUse {
        /// Address of the PHY.
        phy: u8,
        /// Number of the register.
        reg: u8,
    },
}

impl fmt::Display for MdioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MdioError::Timeout { phy, reg } => {
                write!(f, "MDIO access to register {reg} of PHY {phy} did not complete; ")?;
                f.write_str("reset the management interface")
            }
            MdioError::ResetTimeout => {
                f.write_str("MDIO interface still busy after its reset; is the controller clocked?")
            }
            MdioError::Gone => {
                f.write_str("MDIO registers read all ones; is the page mapped and clocked?")
            }
            MdioError::Address { phy, reg } => {
                write!(f, "no register {reg} of PHY {phy} exists; both numbers are 0 to 31")
            }
            MdioError::InUse { phy, reg } => {
                write!(f, "MDIO bus is in use, register {reg} of PHY {phy} not reached; try again")
            }
        }
    }
}

impl core::error::Error for MdioError {}

/// Time between two looks at MIIMIND in microseconds.
const POLL_US: u32 = 10;
/// Looks at MIIMIND before giving up: 10 ms in all, where a frame takes less than 100 µs (HW 8.7).
const POLLS: u32 = 1000;
/// No register has all bits: this value means that nothing answers.
const GONE: u32 = u32::MAX;

/// The management interface of one register page: a controller's own, or an eTSEC2's MDIO page (HW
/// 1.2, 1.3).
///
/// On both the registers are at offset 0x520. Every access is bounded to 10 ms.
#[derive(Debug)]
pub struct Mdio<B, D> {
    bus: B,
    delay: D,
}

impl<B: Bus, D: DelayNs> Mdio<B, D> {
    /// The management interface of the page `bus`. Touches nothing; [`Mdio::reset`] it unless
    /// another program, such as a running owner or the boot loader, is known to have done so.
    pub const fn new(bus: B, delay: D) -> Self {
        Mdio { bus, delay }
    }

    /// Gives back what [`Mdio::new`] took.
    pub fn release(self) -> (B, D) {
        (self.bus, self.delay)
    }

    /// Resets the management interface and sets its slowest clock, which every PHY follows (HW
    /// 8.7).
    ///
    /// # Errors
    /// [`MdioError::ResetTimeout`], [`MdioError::Gone`].
    pub fn reset(&mut self) -> Result<(), MdioError> {
        MIIMCFG.on(&self.bus).write(Miimcfg::RESET_MGMT::SET);
        self.bus.publish();
        // HW 3.17: the largest divisor keeps MDC below 2.5 MHz on every part, and No_Pre = 0 suits
        // every PHY.
        MIIMCFG.on(&self.bus).write(Miimcfg::MGMTCLK::Div28);
        self.bus.publish();
        // A predecessor may have left a continuous read running; the reset is not known to end it.
        self.command(0);
        match self.wait(Miimind::BUSY::SET.value) {
            Wait::Ready => Ok(()),
            Wait::Expired => Err(MdioError::ResetTimeout),
            Wait::Gone => Err(MdioError::Gone),
        }
    }

    /// Names the register of the next access.
    fn address(&self, phy: u8, reg: u8) -> Result<(), MdioError> {
        if phy > 31 || reg > 31 {
            return Err(MdioError::Address { phy, reg });
        }
        let fields =
            Miimadd::PHY_ADDRESS.val(phy.into()) + Miimadd::REGISTER_ADDRESS.val(reg.into());
        MIIMADD.on(&self.bus).write(fields);
        self.bus.publish();
        Ok(())
    }

    /// Writes MIIMCOM.
    fn command(&self, value: u32) {
        MIIMCOM.on(&self.bus).set(value);
        self.bus.publish();
    }

    /// Waits until no bit of `busy` is left in MIIMIND.
    fn wait(&mut self, busy: u32) -> Wait {
        for _ in 0..POLLS {
            match MIIMIND.on(&self.bus).get() {
                GONE => return Wait::Gone,
                indicators if indicators & busy == 0 => return Wait::Ready,
                _ => self.delay.delay_us(POLL_US),
            }
        }
        Wait::Expired
    }
}

/// How a wait for MIIMIND ended.
enum Wait {
    Ready,
    Expired,
    Gone,
}

impl Wait {
    fn or_error(self, phy: u8, reg: u8) -> Result<(), MdioError> {
        match self {
            Wait::Ready => Ok(()),
            Wait::Expired => Err(MdioError::Timeout { phy, reg }),
            Wait::Gone => Err(MdioError::Gone),
        }
    }
}

impl<B: Bus, D: DelayNs> MdioBus for Mdio<B, D> {
    // HW 8.7 Read
    fn read(&mut self, phy: u8, reg: u8) -> Result<u16, MdioError> {
        self.address(phy, reg)?;
        // The edge from 0 to 1 starts the cycle, whatever was left here before.
        self.command(0);
        self.command(Miimcom::READ_CYCLE::SET.value);
        let busy = Miimind::NOT_VALID::SET.value | Miimind::BUSY::SET.value;
        let result = self.wait(busy).or_error(phy, reg).and_then(|()| {
            self.bus.observe();
            match MIIMSTAT.on(&self.bus).get() {
                GONE => Err(MdioError::Gone),
                value => Ok((value & 0xFFFF) as u16),
            }
        });
        self.command(0);
        result
    }

    // HW 8.7 Write
    fn write(&mut self, phy: u8, reg: u8, value: u16) -> Result<(), MdioError> {
        self.address(phy, reg)?;
        MIIMCON.on(&self.bus).write(Miimcon::PHY_CONTROL.val(value.into()));
        self.bus.publish();
        self.wait(Miimind::BUSY::SET.value).or_error(phy, reg)
    }
}

#[cfg(test)]
mod tests;
