//! The exception vectors: external interrupts and the decrementer go to their handlers; any other
//! exception is reported on the console, with what the processor knows of it, and ends the image.

use core::arch::global_asm;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::console::Console;
use crate::cpu::{self, mfspr, mtspr};
use crate::{mpic, power};

// A vector holds 16 bytes: its number and a jump. The interrupt path saves what a C function may
// change, and returns with MSR[WE] clear, so that the code behind a `wait` goes on. There is no red
// zone below the stack pointer in this ABI.
global_asm!(
    r#"
    .macro FATAL number
        li      %r3, \number
        b       fatal_exception
        .balign 16
    .endm
    .macro INTERRUPT handler
        stwu    %r1, -80(%r1)
        stw     %r3, 20(%r1)
        lis     %r3, \handler@ha
        addi    %r3, %r3, \handler@l
        b       interrupt
        .balign 32
    .endm

    .section .vectors, "ax"
    .balign 16
    .globl vectors
    vectors:
        FATAL 0
        FATAL 1
        FATAL 2
        FATAL 3
        FATAL 4
        FATAL 5
        FATAL 6
        FATAL 7
        FATAL 8
        FATAL 9
        FATAL 10
        FATAL 11
        FATAL 12
        FATAL 13
        FATAL 14
        FATAL 15
        FATAL 32
        FATAL 33
        FATAL 34
        FATAL 35
        .balign 32
    .globl vector_external
    vector_external:
        INTERRUPT firmware_external
    .globl vector_decrementer
    vector_decrementer:
        INTERRUPT firmware_decrementer

    interrupt:
        stw     %r0, 8(%r1)
        stw     %r4, 24(%r1)
        stw     %r5, 28(%r1)
        stw     %r6, 32(%r1)
        stw     %r7, 36(%r1)
        stw     %r8, 40(%r1)
        stw     %r9, 44(%r1)
        stw     %r10, 48(%r1)
        stw     %r11, 52(%r1)
        stw     %r12, 56(%r1)
        mflr    %r4
        stw     %r4, 60(%r1)
        mfctr   %r4
        stw     %r4, 64(%r1)
        mfxer   %r4
        stw     %r4, 68(%r1)
        mfcr    %r4
        stw     %r4, 72(%r1)
        mtctr   %r3
        bctrl
        mfspr   %r4, 27
        rlwinm  %r4, %r4, 0, 14, 12
        mtspr   27, %r4
        lwz     %r4, 72(%r1)
        mtcr    %r4
        lwz     %r4, 68(%r1)
        mtxer   %r4
        lwz     %r4, 64(%r1)
        mtctr   %r4
        lwz     %r4, 60(%r1)
        mtlr    %r4
        lwz     %r0, 8(%r1)
        lwz     %r3, 20(%r1)
        lwz     %r4, 24(%r1)
        lwz     %r5, 28(%r1)
        lwz     %r6, 32(%r1)
        lwz     %r7, 36(%r1)
        lwz     %r8, 40(%r1)
        lwz     %r9, 44(%r1)
        lwz     %r10, 48(%r1)
        lwz     %r11, 52(%r1)
        lwz     %r12, 56(%r1)
        addi    %r1, %r1, 80
        rfi

    fatal_exception:
        lis     %r1, __fault_stack_top@ha
        addi    %r1, %r1, __fault_stack_top@l
        li      %r0, 0
        stwu    %r0, -16(%r1)
        bl      firmware_exception
    1:  b       1b
    "#,
    options(raw)
);

unsafe extern "C" {
    static vectors: [u8; 0];
    static vector_external: [u8; 0];
    static vector_decrementer: [u8; 0];
}

/// How often the decrementer has interrupted, and how often somebody has taken note.
static TICKS: AtomicU32 = AtomicU32::new(0);
static TAKEN: AtomicU32 = AtomicU32::new(0);

/// Points IVPR and the IVORs to the vectors, all in the image's first 64 KiB.
pub(crate) fn install() {
    let base = (&raw const vectors) as u32;
    let offset = |n: u32| base + 16 * n & 0xFFFF;
    let external = (&raw const vector_external) as u32 & 0xFFFF;
    let decrementer = (&raw const vector_decrementer) as u32 & 0xFFFF;
    // SAFETY: each vector is code that handles its exception.
    unsafe {
        mtspr!(63, base & 0xFFFF_0000);
        mtspr!(400, offset(0));
        mtspr!(401, offset(1));
        mtspr!(402, offset(2));
        mtspr!(403, offset(3));
        mtspr!(404, external);
        mtspr!(405, offset(5));
        mtspr!(406, offset(6));
        mtspr!(407, offset(7));
        mtspr!(408, offset(8));
        mtspr!(409, offset(9));
        mtspr!(410, decrementer);
        mtspr!(411, offset(11));
        mtspr!(412, offset(12));
        mtspr!(413, offset(13));
        mtspr!(414, offset(14));
        mtspr!(415, offset(15));
        mtspr!(528, offset(16));
        mtspr!(529, offset(17));
        mtspr!(530, offset(18));
        mtspr!(531, offset(19));
    }
}

/// Whether the decrementer has interrupted since the last call.
pub fn take_tick() -> bool {
    let ticks = TICKS.load(Ordering::Relaxed);
    TAKEN.swap(ticks, Ordering::Relaxed) != ticks
}

/// Whether [`take_tick`] would say so.
pub fn is_tick_due() -> bool {
    TICKS.load(Ordering::Relaxed) != TAKEN.load(Ordering::Relaxed)
}

/// How often the decrementer has interrupted.
pub fn ticks() -> u32 {
    TICKS.load(Ordering::Relaxed)
}

#[unsafe(no_mangle)]
extern "C" fn firmware_external() {
    mpic::acknowledge();
}

#[unsafe(no_mangle)]
extern "C" fn firmware_decrementer() {
    cpu::clear_decrementer();
    TICKS.fetch_add(1, Ordering::Relaxed);
}

/// The end of an image that has met an exception it cannot handle. It runs on a stack of its own
/// and formats nothing, so that it works whatever is broken.
#[unsafe(no_mangle)]
extern "C" fn firmware_exception(number: u32) -> ! {
    // Critical, machine-check and debug exceptions keep their return address elsewhere.
    let at = match number {
        0 | 12 | 15 => mfspr!(58),
        1 => mfspr!(570),
        _ => mfspr!(26),
    };
    text("{\"event\":\"exception\",\"ivor\":");
    hex(number);
    text(",\"at\":");
    hex(at);
    text(",\"syndrome\":");
    hex(mfspr!(62));
    text(",\"address\":");
    hex(mfspr!(61));
    text("}\n");
    power::off()
}

fn text(text: &str) {
    text.bytes().for_each(|byte| Console.put(byte));
}

fn hex(value: u32) {
    text("\"0x");
    for shift in (0..8).rev() {
        let digit = (value >> (4 * shift) & 0xF) as u8;
        Console.put(digit + if digit < 10 { b'0' } else { b'a' - 10 });
    }
    Console.put(b'"');
}
