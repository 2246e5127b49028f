//! Time from the processor's time base: waiting, and milliseconds that may wrap. All of it is done
//! in 32 bits.

use core::num::NonZeroU32;

use embedded_hal::delay::DelayNs;

use crate::cpu;

/// The time base of QEMU's machine, in ticks a microsecond.
pub const QEMU_TICKS_PER_US: u32 = 400;

/// Waits, by looking at the time base.
#[derive(Debug, Clone, Copy)]
pub struct Delay {
    ticks_per_us: u32,
}

impl Delay {
    /// A delay for a time base of that many ticks a microsecond, up to 1000.
    pub const fn new(ticks_per_us: u32) -> Self {
        Self { ticks_per_us }
    }
}

impl DelayNs for Delay {
    fn delay_ns(&mut self, ns: u32) {
        let from = cpu::time_base();
        let ticks = (ns / 1000 + 1).saturating_mul(self.ticks_per_us);
        while cpu::time_base().wrapping_sub(from) < ticks {
            core::hint::spin_loop();
        }
    }
}

/// Counts milliseconds. It must be looked at before the time base has gone round: within 4 s at
/// 1 GHz.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    ticks_per_ms: NonZeroU32,
    /// The time base at the last whole millisecond.
    at: u32,
    ms: u32,
}

impl Clock {
    /// Starts at 0, with a time base of that many ticks a microsecond.
    #[inline(never)]
    pub fn new(ticks_per_us: u32) -> Self {
        let ticks_per_ms = NonZeroU32::new(1000 * ticks_per_us).unwrap_or(NonZeroU32::MIN);
        Self { ticks_per_ms, at: cpu::time_base(), ms: 0 }
    }

    /// Milliseconds since the start.
    #[inline(never)]
    pub fn ms(&mut self) -> u32 {
        let passed = cpu::time_base().wrapping_sub(self.at) / self.ticks_per_ms;
        self.at = self.at.wrapping_add(passed * self.ticks_per_ms.get());
        self.ms = self.ms.wrapping_add(passed);
        self.ms
    }
}
