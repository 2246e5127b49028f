//! Memory barriers between a CPU and a bus-mastering device, for each architecture.
//!
//! It knows instructions and nothing else. Device memory must be coherent (HW 3.4: snooping on).

/// Orders earlier memory stores before later stores and register writes, as seen by the device.
#[inline(always)]
pub fn publish() {
    #[cfg(any(target_arch = "powerpc", target_arch = "powerpc64"))]
    // SAFETY: a barrier instruction touches no register and no memory. `sync` is also e500's
    // `msync` encoding.
    unsafe {
        core::arch::asm!("sync", options(nostack, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a barrier instruction touches no register and no memory.
    unsafe {
        core::arch::asm!("dmb oshst", options(nostack, preserves_flags));
    }
    #[cfg(all(target_arch = "arm", target_feature = "v7"))]
    // SAFETY: a barrier instruction touches no register and no memory.
    unsafe {
        core::arch::asm!("dmb", options(nostack, preserves_flags));
    }
    #[cfg(not(any(
        target_arch = "powerpc",
        target_arch = "powerpc64",
        target_arch = "aarch64",
        all(target_arch = "arm", target_feature = "v7")
    )))]
    // On x86 stores are seen in order, so this only keeps the compiler from moving them.
    core::sync::atomic::fence(core::sync::atomic::Ordering::Release);
}

/// Orders an earlier load of a descriptor before later loads of the bytes it covers.
#[inline(always)]
pub fn observe() {
    #[cfg(any(target_arch = "powerpc", target_arch = "powerpc64"))]
    // SAFETY: a barrier instruction touches no register and no memory. e500v2 has no `lwsync`.
    unsafe {
        core::arch::asm!("sync", options(nostack, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a barrier instruction touches no register and no memory.
    unsafe {
        core::arch::asm!("dmb oshld", options(nostack, preserves_flags));
    }
    #[cfg(all(target_arch = "arm", target_feature = "v7"))]
    // SAFETY: a barrier instruction touches no register and no memory.
    unsafe {
        core::arch::asm!("dmb", options(nostack, preserves_flags));
    }
    #[cfg(not(any(
        target_arch = "powerpc",
        target_arch = "powerpc64",
        target_arch = "aarch64",
        all(target_arch = "arm", target_feature = "v7")
    )))]
    core::sync::atomic::fence(core::sync::atomic::Ordering::Acquire);
}
