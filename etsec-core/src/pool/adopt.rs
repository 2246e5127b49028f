//! A pool that a process has left: which buffers are still in rings, and the others, which nobody
//! has any more.

use core::ptr::NonNull;

use super::{
    HEADROOM, Meta, NONE, Pool, PoolHeader, PoolRef, bytes, first, next_tag, size_is_valid, stride,
};
use crate::arena::{Handle, PartnerError, Partners, Place};
use crate::buf::Buf;
use crate::dma::BusAddr;

/// In place of a buffer's next free one: it is in a ring.
const IN_RING: u32 = 1 << 16;
/// The same: nobody has asked for it yet.
const LEFT: u32 = 2 << 16;

/// Bytes of the pool that somebody left at `place`, if it can be one.
///
/// # Safety
/// A header fits at `place`, mapped and aligned.
pub(crate) unsafe fn bytes_at(place: &Place) -> Option<usize> {
    // SAFETY: the caller's. Any bits are a header but for a stride of 0, so that is looked at
    // first.
    let words = unsafe { place.cpu.cast::<[u32; size_of::<PoolHeader>() / 4]>().as_ref() };
    let stride_word = core::mem::offset_of!(PoolHeader, stride) / 4;
    if words[stride_word] == 0 {
        return None;
    }
    // SAFETY: as above.
    let header = unsafe { place.cpu.cast::<PoolHeader>().as_ref() };
    let (buffers, size) = (header.buffers as usize, header.size as usize);
    let counts = (1..super::MAX_BUFFERS + 1).contains(&buffers) && size_is_valid(size);
    let is_right = counts
        && header.bus_low == place.bus.low()
        && header.window == place.bus.window()
        && header.kind == header.size | header.window
        && header.stride.get() as usize == stride(size)
        && header.first as usize == first(buffers);
    is_right.then(|| bytes(buffers, size))
}

impl Pool {
    /// Where the device finds it: no other pool is there.
    #[must_use]
    pub fn place(&self) -> BusAddr {
        let header = self.pool.get();
        // A window has four bits.
        let at = u64::from(header.window) << 32 | u64::from(header.bus_low);
        BusAddr::new(at).unwrap_or_default()
    }

    /// Says what its region is called, for [partners](Pool::pair) from then on.
    ///
    /// # Errors
    /// [`PartnerError::Name`].
    pub fn set_name(&self, name: &str) -> Result<(), PartnerError> {
        self.region.set_name(name)
    }

    /// Notes, in the regions of both, that buffers of one may be in rings of the other: to be
    /// called before the first one is. Then what a process leaves of one is not taken over without
    /// the other ([`Stopped::adopt`](crate::Stopped::adopt)), and whoever finds it can tell
    /// ([`arena::partners`](crate::arena::partners)). It lasts until the regions are given back. A
    /// pool and itself are nothing to be noted.
    ///
    /// # Errors
    /// [`PartnerError::TooMany`]; then it may be noted in one of them.
    pub fn pair(&self, other: &Pool) -> Result<(), PartnerError> {
        if self.place() == other.place() {
            return Ok(());
        }
        self.region.note_partner(&other.region, other.place())?;
        other.region.note_partner(&self.region, self.place())
    }

    /// The pools it is [paired](Pool::pair) with.
    #[must_use]
    pub fn partners(&self) -> Partners {
        // What was found in a region was looked at before there was a pool.
        self.region.partner_list().unwrap_or_default()
    }

    /// The pool that somebody left at `place`. Each of its buffers can be asked for once, and none
    /// is free until [`Pool::reclaim`].
    ///
    /// # Safety
    /// [`bytes_at`] saw a pool there that fits; nobody has it or a buffer of it any more.
    pub(crate) unsafe fn found(region: Handle, place: &Place) -> Pool {
        let header: NonNull<PoolHeader> = place.cpu.cast();
        let pool = Pool { pool: PoolRef(header), region };
        pool.pool.get().head.store(NONE.into());
        (0..pool.buffers()).for_each(|index| pool.meta(index).free.store(LEFT));
        pool
    }

    fn meta(&self, index: usize) -> &Meta {
        // Fewer than there are buffers, of which there are at most 65,535.
        self.pool.meta(index as u16)
    }

    /// The number of the buffer that the device knows as having this byte, and where in it that
    /// is.
    fn find(&self, low: u32) -> Option<(u32, u32)> {
        let header = self.pool.get();
        let from = low.wrapping_sub(header.bus_low).checked_sub(header.first)?;
        let (index, inside) = (from / header.stride, from % header.stride);
        let is_in = inside as usize <= HEADROOM + self.buffer_size();
        (is_in && (index as usize) < self.buffers()).then_some((index, inside))
    }

    /// Whether both bytes of that 4 GiB window are of one buffer of this pool.
    pub(crate) fn is_one_buffer(&self, window: u32, lows: [u32; 2]) -> bool {
        if window != self.window() {
            return false;
        }
        let [one, other] = lows.map(|low| self.find(low).map(|(index, _)| index));
        one.is_some() && one == other
    }

    /// The buffer that the device knows as having this byte of that 4 GiB window, with its bytes
    /// beginning there; `None` if it is none of this pool, or has been given before.
    pub(crate) fn claim(&self, window: u32, low: u32) -> Option<Buf> {
        if window != self.window() {
            return None;
        }
        let header = self.pool.get();
        let (index, inside) = self.find(low)?;
        let free = &self.meta(index as usize).free;
        if !free.replace(LEFT, IN_RING) {
            return None;
        }
        let at = header.first + index * header.stride.get();
        // SAFETY: a buffer begins there, and it is given once.
        let mut buf = unsafe { Buf::new(self.pool.0, at) };
        buf.start_at(inside);
        Some(buf)
    }

    /// Makes every buffer free that is in no ring: those a dead process had in its hands. Returns
    /// how many there were.
    ///
    /// To be called once, when every ring that may hold buffers of this pool was taken over.
    pub fn reclaim(&self) -> usize {
        let mut count = 0;
        for index in (0..self.buffers()).rev() {
            let meta = self.meta(index);
            if meta.free.load() != LEFT {
                continue;
            }
            count += 1;
            let _ = self.pool.get().head.update(|head| {
                meta.free.store(head & 0xFFFF);
                Some(next_tag(head) | index as u32)
            });
        }
        count
    }
}
