//! What buffers cost the TLB: frames' buffers are in no order after a while, so each frame is
//! another page.

use std::ptr::{NonNull, null_mut};

use anyhow::{Context, Result};

use crate::area::Area;

/// All buffers together, and one of them.
const REGION: usize = 16 << 20;
const BUFFER: usize = 2048;

/// Reads and writes a word in each of `count` buffers, picked at random out of 16 MiB of them that
/// lie in pages of `mib` MiB; 0: in ordinary ones.
pub fn walk(mib: usize, count: u32) -> Result<()> {
    let mut area = map(mib)?;
    for page in (0..REGION).step_by(4096) {
        area.bytes_mut(page, 1)[0] = 1;
    }
    println!("ready");
    // The same picks in every run.
    let mut random = 12345u32;
    for n in 0..count {
        random = random.wrapping_mul(1_103_515_245).wrapping_add(12345);
        let buffer = (random >> 8) as usize % (REGION / BUFFER) * BUFFER;
        std::hint::black_box(area.bytes(buffer + 12, 4)[0]);
        area.bytes_mut(buffer + 16, 4).copy_from_slice(&n.to_ne_bytes());
    }
    Ok(())
}

fn map(mib: usize) -> Result<Area> {
    let huge = match mib {
        0 => 0,
        // The size of a page travels as its logarithm.
        mib => libc::MAP_HUGETLB | ((mib << 20).trailing_zeros() as i32) << libc::MAP_HUGE_SHIFT,
    };
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | huge;
    // SAFETY: a new mapping takes nothing away from anybody.
    let at = unsafe { libc::mmap(null_mut(), REGION, access, flags, -1, 0) };
    let at = if at == libc::MAP_FAILED { None } else { NonNull::new(at.cast()) };
    let at = at.ok_or_else(std::io::Error::last_os_error);
    let at = at.with_context(|| format!("no 16 MiB in pages of {mib} MiB"))?;
    // SAFETY: just mapped, with that length, and never unmapped.
    Ok(unsafe { Area::new(at, REGION) })
}
