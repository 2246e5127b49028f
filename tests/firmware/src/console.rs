//! The console: the first 16550 UART, as whoever started us has set it up. Lines out, nothing in.

use core::fmt;

use crate::mmio::Device;

const UART: Device = Device::at(0x4500);
/// Transmit holding register.
const THR: u32 = 0;
/// Line status register, and its bit "the holding register is empty".
const LSR: u32 = 5;
const THRE: u8 = 0x20;
/// A UART that has not sent a byte after that many looks is not there.
const LOOKS: u32 = 1_000_000;

/// The console; all values are the same one.
#[derive(Debug, Clone, Copy)]
pub struct Console;

impl Console {
    /// Sends a byte, or gives it up.
    pub fn put(self, byte: u8) {
        for _ in 0..LOOKS {
            if UART.read8(LSR) & THRE != 0 {
                UART.write8(THR, byte);
                return;
            }
        }
    }
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.put(byte));
        Ok(())
    }
}
