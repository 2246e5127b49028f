//! The machine's memory, shared with QEMU, and regions of it. A bus address is a place in it.
//!
//! It knows nothing of what is kept there.

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use etsec_core::{BusAddr, Region};
use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{MemfdFlags, memfd_create};

use super::{QemuError, sleeper};

/// All of the machine's memory.
pub(super) const BYTES: usize = 64 << 20;
/// What is handed out: not the exception vectors, and nothing from the program on, behind which
/// QEMU puts its device tree.
const FIRST: usize = 1 << 20;
const END: usize = sleeper::AT as usize;
const ALIGN: usize = 64;

/// The memory, and the program that is in it from the start.
pub(super) struct Ram {
    map: MmapRaw,
    file: File,
    program: File,
    next: AtomicUsize,
}

impl fmt::Debug for Ram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ram").field("next", &self.next).finish_non_exhaustive()
    }
}

/// A file that is nowhere but in memory.
fn file(name: &str) -> Result<File, QemuError> {
    let fd = memfd_create(name, MemfdFlags::CLOEXEC);
    Ok(File::from(fd.map_err(|why| QemuError::System { what: "memory", why: why.into() })?))
}

/// Where another process finds a file of ours that has no name.
fn path(file: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())
}

impl Ram {
    pub(super) fn new() -> Result<Arc<Ram>, QemuError> {
        let refused = |why| QemuError::System { what: "memory", why };
        let (memory, mut program) = (file("etsec-qemu-ram")?, file("etsec-qemu-program")?);
        program.write_all(&sleeper::elf()).map_err(refused)?;
        memory.set_len(BYTES as u64).map_err(refused)?;
        let map = MmapOptions::new().len(BYTES).map_raw(&memory).map_err(refused)?;
        Ok(Arc::new(Ram { map, file: memory, program, next: AtomicUsize::new(FIRST) }))
    }

    pub(super) fn path(&self) -> String {
        path(&self.file)
    }

    pub(super) fn program_path(&self) -> String {
        path(&self.program)
    }

    /// The next `len` bytes; `None` when there are not so many left.
    pub(super) fn region(ram: &Arc<Ram>, len: usize) -> Option<QemuRegion> {
        let size = len.max(1).checked_next_multiple_of(ALIGN)?;
        let fits = |at: usize| at.checked_add(size).filter(|end| *end <= END);
        let at = ram.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(QemuRegion { ram: Arc::clone(ram), at, len })
    }
}

/// Memory that QEMU's eTSEC reaches, at the same place in the machine's memory.
pub struct QemuRegion {
    ram: Arc<Ram>,
    at: usize,
    len: usize,
}

impl fmt::Debug for QemuRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QemuRegion").field("bus", &self.bus()).field("len", &self.len).finish()
    }
}

// SAFETY: the pointer goes nowhere but into the map, which is shared with another process anyway.
unsafe impl Send for QemuRegion {}
// SAFETY: as above; `&self` only loads.
unsafe impl Sync for QemuRegion {}

// SAFETY: the map is as long as the machine's memory, initialised by the kernel, page-aligned, and
// lives as long as `ram`; each place is handed out once, at a multiple of 64. QEMU has mapped the
// same file from the address 0 on, so a place is the device's address. `len` is far below
// `isize::MAX`.
unsafe impl Region for QemuRegion {
    fn cpu(&self) -> NonNull<u8> {
        let first = NonNull::new(self.ram.map.as_mut_ptr()).expect("a map is not at address 0");
        // SAFETY: `at` is within the map.
        unsafe { first.add(self.at) }
    }

    fn bus(&self) -> BusAddr {
        BusAddr::new(self.at as u64).expect("the machine has 64 MiB")
    }

    fn len(&self) -> usize {
        self.len
    }
}

impl QemuRegion {
    /// The bytes at `offset`, or words where all is a multiple of 4: descriptors are words, and may
    /// be looked at by QEMU in the same moment.
    fn check(&self, offset: usize, len: usize, what: &str) {
        assert!(offset <= self.len && len <= self.len - offset, "{what} beyond the region");
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: callers have checked `offset`, a multiple of 4; the region is aligned to 64.
        // Words in use by both sides are atomics on ours.
        unsafe { AtomicU32::from_ptr(self.cpu().as_ptr().add(offset).cast()) }
    }

    pub(super) fn store(&mut self, offset: usize, bytes: &[u8]) {
        self.check(offset, bytes.len(), "store");
        if offset.is_multiple_of(4) && bytes.len().is_multiple_of(4) {
            for (n, word) in bytes.chunks_exact(4).enumerate() {
                let value = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
                self.word(offset + 4 * n).store(value, Ordering::Release);
            }
            return;
        }
        // SAFETY: in bounds; the CPU owns these bytes, or else the test is wrong and no more.
        unsafe {
            let to = self.cpu().as_ptr().add(offset);
            to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
    }

    pub(super) fn load(&self, offset: usize, bytes: &mut [u8]) {
        self.check(offset, bytes.len(), "load");
        if offset.is_multiple_of(4) && bytes.len().is_multiple_of(4) {
            for (n, word) in bytes.chunks_exact_mut(4).enumerate() {
                let value = self.word(offset + 4 * n).load(Ordering::Acquire);
                word.copy_from_slice(&value.to_ne_bytes());
            }
            return;
        }
        // SAFETY: as in `store`.
        unsafe {
            let from = self.cpu().as_ptr().add(offset);
            bytes.as_mut_ptr().copy_from_nonoverlapping(from, bytes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_apart_aligned_and_come_to_an_end() {
        let ram = Ram::new().expect("memory");
        let mut first = Ram::region(&ram, 100).expect("room");
        let second = Ram::region(&ram, 64).expect("room");
        assert_eq!((first.bus().raw(), second.bus().raw()), (0x10_0000, 0x10_0080));
        first.store(3, b"abc");
        first.store(96, &[1, 2, 3, 4]);
        let mut back = [0; 4];
        first.load(96, &mut back);
        assert_eq!(back, [1, 2, 3, 4]);
        first.load(2, &mut back);
        assert_eq!(&back, b"\0abc");
        assert!(Ram::region(&ram, END).is_none() && Ram::region(&ram, usize::MAX).is_none());
        assert!(Ram::region(&ram, END - FIRST - 192).is_some());
        assert!(Ram::region(&ram, 1).is_none());
    }

    #[test]
    #[should_panic(expected = "store beyond the region")]
    fn nothing_is_stored_beyond_a_region() {
        let ram = Ram::new().expect("memory");
        Ram::region(&ram, 64).expect("room").store(61, &[0; 4]);
    }
}
