//! The processor's own registers: time base, machine state, sleep. It knows no device.

use core::arch::asm;

/// MSR\[EE\]: external interrupts and the decrementer are taken.
const EE: u32 = 0x8000;
/// MSR\[WE\]: the processor waits for an interrupt, in the state that HID0 says.
pub(crate) const WE: u32 = 0x0004_0000;
/// HID0\[DOZE\]: that state still answers to snoops, so the controller's DMA stays coherent.
const DOZE: u32 = 0x0080_0000;
/// TCR\[DIE\] and TCR\[ARE\]: the decrementer interrupts, and starts anew by itself.
const DECREMENTER_ON: u32 = 0x0400_0000 | 0x0040_0000;
/// TSR\[DIS\]: the decrementer has run out.
const DECREMENTED: u32 = 0x0800_0000;

/// Reads a special-purpose register.
macro_rules! mfspr {
    ($number:literal) => {{
        let value: u32;
        // SAFETY: reading a special-purpose register that every e500 has changes nothing.
        unsafe {
            core::arch::asm!(concat!("mfspr {0}, ", $number), out(reg) value,
                options(nomem, nostack, preserves_flags));
        }
        value
    }};
}

/// Writes a special-purpose register; `unsafe`, because some change the machine under us.
macro_rules! mtspr {
    ($number:literal, $value:expr) => {
        core::arch::asm!(concat!("mtspr ", $number, ", {0}"), in(reg) $value,
            options(nostack, preserves_flags))
    };
}

pub(crate) use {mfspr, mtspr};

/// The low half of the time base, which wraps.
#[inline]
pub fn time_base() -> u32 {
    mfspr!(268)
}

/// Starts the decrementer: an interrupt every `ticks` of the time base.
pub fn start_decrementer(ticks: u32) {
    // SAFETY: DECAR, DEC, TSR and TCR rule the decrementer only; its interrupt has a handler.
    unsafe {
        mtspr!(54, ticks);
        mtspr!(22, ticks);
        mtspr!(336, DECREMENTED);
        mtspr!(340, DECREMENTER_ON);
    }
}

/// Stops the decrementer's interrupts.
pub fn stop_decrementer() {
    // SAFETY: as above.
    unsafe { mtspr!(340, 0) }
}

/// Acknowledges the decrementer's interrupt.
pub(crate) fn clear_decrementer() {
    // SAFETY: as above.
    unsafe { mtspr!(336, DECREMENTED) }
}

/// Lets interrupts in.
pub fn enable_interrupts() {
    // SAFETY: the vectors are installed before `main`, and the handlers keep to Rust's rules.
    unsafe { asm!("wrteei 1", options(nostack, preserves_flags)) }
}

/// Keeps interrupts out.
pub fn disable_interrupts() {
    // SAFETY: nobody's memory changes by it.
    unsafe { asm!("wrteei 0", options(nostack, preserves_flags)) }
}

/// Takes the interrupts that are waiting, without sleeping; called, and returns, with interrupts
/// kept out.
pub fn take_interrupts() {
    enable_interrupts();
    disable_interrupts();
}

/// Lets [`wait`] sleep.
pub fn allow_doze() {
    let hid0 = mfspr!(1008) | DOZE;
    // SAFETY: DOZE has no effect before MSR[WE] is set. The manual wants these around HID0.
    unsafe {
        asm!("msync", "isync", "mtspr 1008, {0}", "isync", in(reg) hid0,
            options(nostack, preserves_flags));
    }
}

/// Sleeps until an interrupt has been handled; called, and returns, with interrupts kept out.
///
/// A flag that is looked at before, with interrupts out, and set by a handler, is never missed: EE
/// and WE are set by one instruction, an interrupt that is pending by then is taken at once, and
/// the return from every interrupt clears WE (see `exceptions`).
pub fn wait() {
    let msr: u32;
    // SAFETY: reads a register.
    unsafe { asm!("mfmsr {0}", out(reg) msr, options(nomem, nostack, preserves_flags)) }
    // SAFETY: as for `enable_interrupts`. The manual wants the barriers around WE.
    unsafe {
        asm!("msync", "mtmsr {0}", "isync", "wrteei 0", in(reg) msr | EE | WE,
            options(nostack, preserves_flags));
    }
}

/// Reads where nothing is mapped, to see that it is reported.
pub fn touch_nothing() {
    // SAFETY: it ends in the handler of the TLB miss, which does not return.
    unsafe {
        asm!("lwz {0}, 0({1})", out(reg) _, in(reg_nonzero) 0x7000_0000_u32,
        options(nostack, readonly))
    }
}
