//! What the options of a port put into registers, beyond what every port is given: kept to be
//! written again after each reset. It knows addresses and masks, and no option.
//!
//! An option that nobody uses is thus not linked into a small image: what every image has is a
//! short list and the loop over it.

use tock_registers::fields::FieldValue;

use crate::bus::Bus;
use crate::regs::{CanRead, CanWrite, Reg, RegisterLongName, Strobe};

/// More than there are registers that options set.
const MOST: usize = 64;

/// What some bits of a register are to be.
#[derive(Debug, Clone, Copy)]
struct Setting {
    at: u16,
    mask: u32,
    value: u32,
}

impl Setting {
    fn over(&self, old: u32) -> u32 {
        old & !self.mask | self.value
    }
}

/// All that is set, a register each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings(heapless::Vec<Setting, MOST>);

impl Settings {
    /// Sets fields of a register, from the next reset on; other fields stay as they are.
    pub(crate) fn put<L, A>(&mut self, reg: Reg<L, A>, fields: FieldValue<u32, L>)
    where
        L: RegisterLongName,
        A: CanRead + CanWrite,
    {
        self.merge(Setting { at: reg.offset(), mask: fields.mask(), value: fields.value });
    }

    /// As [`Settings::put`] for a register with bits that do something when written, which are
    /// always written as 0.
    pub(crate) fn put_beside<L, const STROBES: u32>(
        &mut self,
        reg: Reg<L, Strobe<STROBES>>,
        fields: FieldValue<u32, L>,
    ) where
        L: RegisterLongName,
    {
        let mask = fields.mask() | STROBES;
        self.merge(Setting { at: reg.offset(), mask, value: fields.value & !STROBES });
    }

    /// Sets a whole register, from the next reset on.
    pub(crate) fn put_all<L, A: CanWrite>(&mut self, reg: Reg<L, A>, value: u32) {
        self.merge(Setting { at: reg.offset(), mask: u32::MAX, value });
    }

    fn merge(&mut self, new: Setting) {
        if let Some(old) = self.0.iter_mut().find(|old| old.at == new.at) {
            *old = Setting { at: new.at, mask: old.mask | new.mask, value: new.over(old.value) };
        } else {
            let pushed = self.0.push(new);
            debug_assert!(pushed.is_ok(), "more registers than there are");
        }
    }

    /// What a register is to hold that would be `value` without options.
    pub(crate) fn over<L, A>(&self, reg: Reg<L, A>, value: u32) -> u32 {
        let found = self.0.iter().find(|setting| setting.at == reg.offset());
        found.map_or(value, |setting| setting.over(value))
    }

    /// Writes everything that is set.
    pub(crate) fn write<B: Bus>(&self, bus: &B) {
        for setting in &self.0 {
            // What is written whole may not be readable.
            let old = if setting.mask == u32::MAX { 0 } else { bus.read(setting.at) };
            bus.write(setting.at, setting.over(old));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regs::mac::{MACCFG2, Maccfg2};
    use crate::regs::transmit::{TCTRL, TR03WT, TXIC, Tctrl};

    #[test]
    fn fields_of_a_register_are_gathered_and_the_last_word_counts() {
        let mut settings = Settings::default();
        settings.put(MACCFG2, Maccfg2::PREAMBLE_LENGTH.val(7));
        settings.put(MACCFG2, Maccfg2::PREAMBLE_LENGTH.val(3) + Maccfg2::PAD_CRC::CLEAR);
        settings.put_all(TXIC, 5);
        assert_eq!(settings.over(MACCFG2, 0x0000_F007 | 1 << 2), 0x0000_3003);
        assert_eq!((settings.over(TXIC, 9), settings.over(TR03WT, 9)), (5, 9));
        settings.put_beside(TCTRL, Tctrl::VLINS::SET);
        assert_eq!(settings.over(TCTRL, 0x000A), 0x1002, "the strobe is not written again");
    }
}
