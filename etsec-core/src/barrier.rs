//! Memory barriers between a CPU and a bus-mastering device, for each architecture.
//!
//! It knows instructions and nothing else; miri, which knows none, gets the language's fences.
//! Device memory must be coherent (HW 3.4: snooping on).

#[cfg(not(all(loom, test)))]
#[allow(unused_imports, reason = "only where there is no instruction of our own")]
use core::sync::atomic::{Ordering, fence};
#[cfg(all(loom, test))]
use loom::sync::atomic::{Ordering, fence};

/// Orders earlier memory accesses before later stores and register writes, as seen by the device:
/// loads as well, for a buffer that was read may be given to the device.
#[inline(always)]
pub fn publish() {
    #[cfg(all(any(target_arch = "powerpc", target_arch = "powerpc64"), not(miri)))]
    // SAFETY: a barrier instruction touches no register and no memory. `sync` is also e500's
    // `msync` encoding.
    unsafe {
        core::arch::asm!("sync", options(nostack, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a barrier instruction touches no register and no memory.
    unsafe {
        core::arch::asm!("dmb osh", options(nostack, preserves_flags));
    }
    #[cfg(all(target_arch = "arm", target_feature = "v7"))]
    // SAFETY: a barrier instruction touches no register and no memory.
    unsafe {
        core::arch::asm!("dmb", options(nostack, preserves_flags));
    }
    #[cfg(not(any(
        all(any(target_arch = "powerpc", target_arch = "powerpc64"), not(miri)),
        target_arch = "aarch64",
        all(target_arch = "arm", target_feature = "v7")
    )))]
    // On x86 stores are seen in order, so this only keeps the compiler from moving them.
    fence(Ordering::Release);
}

/// Orders an earlier load of a descriptor before later loads of the bytes it covers.
#[inline(always)]
pub fn observe() {
    #[cfg(all(any(target_arch = "powerpc", target_arch = "powerpc64"), not(miri)))]
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
        all(any(target_arch = "powerpc", target_arch = "powerpc64"), not(miri)),
        target_arch = "aarch64",
        all(target_arch = "arm", target_feature = "v7")
    )))]
    fence(Ordering::Acquire);
}
