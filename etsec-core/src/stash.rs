//! Stashing: the controller puts descriptors and the beginning of frames into the second-level
//! cache of the CPU as it writes them (HW 3.10, 3.19).

use crate::bus::Bus;
use crate::device::Stopped;
use crate::error::Error;
use crate::regs::receive::{ATTR, ATTRELI, Attr, Attreli, RQUEUE, Rqueue};

/// What is stashed. Nothing, usually: whether it pays depends on how soon frames are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Stash {
    /// Receive descriptors.
    pub descriptors: bool,
    /// How many bytes of each received frame: a multiple of 8, up to [`Stash::LENGTH_MAX`]; 0 is
    /// none.
    pub length: u16,
    /// From which byte of the stored frame on: a multiple of 64, up to [`Stash::INDEX_MAX`].
    pub index: u16,
}

impl Stash {
    /// Largest length (HW 3.19 EL).
    pub const LENGTH_MAX: u16 = 0x3FF8;
    /// Largest index (HW 3.19 EI).
    pub const INDEX_MAX: u16 = 0x3FC0;
}

impl<B: Bus + Clone> Stopped<B> {
    /// Sets what is stashed of what all receive rings get, from the next start on.
    ///
    /// # Errors
    /// [`Error::Stash`] for a length or index that cannot be. Nothing changes then.
    pub fn set_stash(&mut self, new: Stash) -> Result<(), Error> {
        let (length, index) = (new.length, new.index);
        let length_fits = length.is_multiple_of(8) && length <= Stash::LENGTH_MAX;
        if !length_fits || !index.is_multiple_of(64) || index > Stash::INDEX_MAX {
            return Err(Error::Stash { length, index });
        }
        let allocate = |on: bool| if on { 2 } else { 0 };
        let settings = &mut self.owner_mut().port.controller.settings;
        let data = Attr::ELCWT.val(allocate(length != 0));
        settings.put(ATTR, data + Attr::BDLWT.val(allocate(new.descriptors)));
        let extract = Attreli::EL.val((length / 8).into()) + Attreli::EI.val((index / 64).into());
        settings.put(ATTRELI, extract);
        // HW 3.10: of which rings; the start adds the rings that are there.
        let rings = if length == 0 { Rqueue::empty() } else { (0..8).map(Rqueue::ex).collect() };
        settings.put_all(RQUEUE, rings.bits());
        Ok(())
    }
}
