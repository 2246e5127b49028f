//! The entry: from ePAPR's state at start (r3: device tree, low memory mapped) to a Rust function
//! with a stack and cleared memory. What the image does then is its `main`'s business.

use core::arch::global_asm;

use crate::{exceptions, map};

global_asm!(
    r#"
    .section .boot, "ax"
    .globl _start
    _start:
        lis     %r1, __stack_top@ha
        addi    %r1, %r1, __stack_top@l
        li      %r0, 0
        stwu    %r0, -16(%r1)
        lis     %r4, __bss_start@ha
        addi    %r4, %r4, __bss_start@l
        lis     %r5, __bss_end@ha
        addi    %r5, %r5, __bss_end@l
    1:  cmplw   %r4, %r5
        bge     2f
        stw     %r0, 0(%r4)
        addi    %r4, %r4, 4
        b       1b
    2:  bl      firmware_entry
    3:  b       3b
    "#,
    options(raw)
);

/// What whoever started the image has left for it.
#[derive(Debug, Clone, Copy)]
pub struct Handoff {
    /// Where the device tree is.
    pub device_tree: *const u8,
}

unsafe extern "Rust" {
    /// The image's own part; made by [`main!`](crate::main).
    safe fn firmware_main(handoff: Handoff) -> !;
}

#[unsafe(no_mangle)]
extern "C" fn firmware_entry(device_tree: *const u8) -> ! {
    map::devices();
    exceptions::install();
    firmware_main(Handoff { device_tree })
}

/// States the function that an image begins with: `fn(Handoff) -> !`.
#[macro_export]
macro_rules! main {
    ($function:path) => {
        const _: () = {
            #[unsafe(no_mangle)]
            fn firmware_main(handoff: $crate::Handoff) -> ! {
                $function(handoff)
            }
        };
    };
}
