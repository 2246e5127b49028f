//! A filter from what registers hold: the inverse of [`AddressFilter::registers`].

use super::{AddressFilter, FilterError, FilterRegisters, HashMode};
use crate::addr::MacAddr;
use crate::regs::receive::Rctrl;

impl AddressFilter {
    /// The filter that has these registers: which addresses were put into its hash they do not
    /// tell, but it lets in the same ones.
    ///
    /// # Errors
    /// [`FilterError::StationIsGroup`] or [`FilterError::ZeroAddress`].
    pub fn from_registers(registers: &FilterRegisters) -> Result<Self, FilterError> {
        let FilterRegisters { station, exact, igaddr, gaddr, rctrl } = registers;
        let mut filter = AddressFilter::new(MacAddr::from_registers(*station))?;
        if Rctrl::EMEN.read(*rctrl) == 1 {
            filter.exact = exact.map(MacAddr::from_registers);
        }
        if Rctrl::GHTX.read(*rctrl) == 1 {
            filter.mode = HashMode::Group;
        }
        filter.promiscuous = Rctrl::PROM.read(*rctrl) == 1;
        filter.broadcast_reject = Rctrl::BC_REJ.read(*rctrl) == 1;
        (filter.individual, filter.group) = (*igaddr, *gaddr);
        let full = |table: &[u32; 8]| table.iter().all(|word| *word == u32::MAX);
        filter.all_multicast = full(gaddr) && (filter.mode == HashMode::Split || full(igaddr));
        if filter.all_multicast {
            filter.group = [0; 8];
            if filter.mode == HashMode::Group {
                filter.individual = [0; 8];
            }
        }
        Ok(filter)
    }
}
