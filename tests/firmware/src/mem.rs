//! `memcpy` and `memset` in a handful of instructions, for images that count bytes; with the
//! feature `stack` the compiler's own, faster ones are used.

core::arch::global_asm!(
    r#"
    .section .text.memcpy, "ax"
    .globl memcpy
    .type memcpy, @function
    memcpy:
        cmplwi  %r5, 0
        beqlr
        mtctr   %r5
        addi    %r6, %r3, -1
        addi    %r4, %r4, -1
    1:  lbzu    %r0, 1(%r4)
        stbu    %r0, 1(%r6)
        bdnz    1b
        blr
    .size memcpy, . - memcpy

    .section .text.memset, "ax"
    .globl memset
    .type memset, @function
    memset:
        cmplwi  %r5, 0
        beqlr
        mtctr   %r5
        addi    %r6, %r3, -1
    1:  stbu    %r4, 1(%r6)
        bdnz    1b
        blr
    .size memset, . - memset
    "#,
    options(raw)
);
