//! Where the machine's devices are, and TLB1 entries that let us reach them: they lie above the
//! 4 GiB that the processor can address directly.

use core::arch::asm;

use crate::cpu::mtspr;

/// The block of on-chip devices, 1 MiB.
const CCSR: Mapping = Mapping { at: 0xE000_0000, physical: 0xF_E000_0000, size: Size::Mib1 };

/// Where a register page of an eTSEC becomes visible; further ones follow.
const PORTS: u32 = 0xE020_0000;

/// A page size of TLB1: 4 to the power of this many KiB.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
enum Size {
    Kib4 = 1,
    Mib1 = 5,
}

/// One TLB1 entry for a device.
#[derive(Debug, Clone, Copy)]
struct Mapping {
    at: u32,
    physical: u64,
    size: Size,
}

/// The address of the device `offset` bytes into the on-chip block.
pub(crate) const fn on_chip(offset: u32) -> *mut u8 {
    (CCSR.at + offset) as *mut u8
}

/// Maps the on-chip devices; first thing of all.
pub(crate) fn devices() {
    // SAFETY: nothing else is mapped there, and the entry is not the one we run from (0).
    unsafe { map(1, &CCSR) }
}

/// Maps the register page at `physical` as port number `n`, 0 or 1, and returns where it is.
#[inline(never)]
pub fn port(n: u32, physical: u64) -> *mut u32 {
    let n = n & 1;
    let at = PORTS + n * 0x1000;
    // SAFETY: as above; each port has an address and an entry of its own.
    unsafe { map(2 + n, &Mapping { at, physical, size: Size::Kib4 }) }
    at as *mut u32
}

/// Writes a TLB1 entry: valid, protected from invalidation, for the supervisor, no execution, and
/// neither cached nor speculated (I, G).
///
/// # Safety
/// `entry` is in use for nothing but an earlier mapping of the same address.
unsafe fn map(entry: u32, mapping: &Mapping) {
    let mas0 = 0x1000_0000 | entry << 16;
    let mas1 = 0xC000_0000 | (mapping.size as u32) << 8;
    let mas2 = mapping.at | 0xA;
    let mas3 = mapping.physical as u32 | 0x5;
    let mas7 = (mapping.physical >> 32) as u32;
    // SAFETY: the caller's; the MAS registers themselves do nothing.
    unsafe {
        mtspr!(624, mas0);
        mtspr!(625, mas1);
        mtspr!(626, mas2);
        mtspr!(627, mas3);
        mtspr!(944, mas7);
        asm!("isync", "tlbwe", "isync", options(nostack, preserves_flags));
    }
}
