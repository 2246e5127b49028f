//! Ending: the machine powers itself off through a GPIO pin.

use crate::mmio::Device;

const GPIO: Device = Device::at(0xF_F000);
/// Direction and data registers, and pin 0 in them.
const GPDIR: u32 = 0;
const GPDAT: u32 = 8;
const PIN0: u32 = 0x8000_0000;

/// Powers off. On a machine without that pin it stays here for ever.
pub fn off() -> ! {
    GPIO.write32(GPDIR, PIN0);
    GPIO.write32(GPDAT, PIN0);
    loop {
        core::hint::spin_loop();
    }
}
