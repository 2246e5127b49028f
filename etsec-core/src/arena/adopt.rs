//! A region that a process has left, found again by another: what was carved from it is where it
//! says, if all of it can be true.
//!
//! Whoever wrote it may have died between any two stores, or be somebody else entirely: nothing is
//! believed that was not checked, and what lies in it is only used through [`Adopted`].

use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::Range;

use heapless::Vec;

use super::partners::{PartnerError, Partners, Table};
use super::{Arena, ArenaHeader, Handle, MAGIC, MemoryError, Place, VERSION, check};
use crate::barrier;
use crate::dma::{BusAddr, Region};
use crate::mib::KeptCounters;
use crate::pool::{self, Pool};
use crate::ring::{self, RingMemory};
use crate::word::Word;

/// More rings than two controllers have.
const MOST_RINGS: usize = 32;

/// What was carved, in the header of a region.
#[repr(C)]
pub(super) struct Contents {
    /// Bytes of the region, and of a pointer: what was written by a program of another kind is of
    /// no use.
    len: Word,
    pointer: Word,
    /// Bytes carved so far.
    used: Word,
    /// From the start of the region to the ring carved last, and to the pool; 0: there is none.
    last_ring: Word,
    pool: Word,
    /// To the totals of counters; 0: there are none.
    counters: Word,
    /// How many rings were carved.
    rings: Word,
    /// Whose buffers may be in them.
    partners: Table,
}

impl Contents {
    pub(super) fn new(len: usize) -> Self {
        Contents {
            len: Word::new(len as u32),
            pointer: Word::new(size_of::<usize>() as u32),
            used: Word::new(0),
            last_ring: Word::new(0),
            pool: Word::new(0),
            counters: Word::new(0),
            rings: Word::new(0),
            partners: Table::new(),
        }
    }
}

/// A ring that was left.
#[derive(Debug)]
pub struct LeftRing {
    /// Which ring of its controller it was: receive rings 0 to 7, transmit rings 0 to 7 with 8
    /// more.
    pub(crate) role: usize,
    /// The ring, with its buffers.
    pub memory: RingMemory,
}

impl LeftRing {
    /// Its number, if it was a receive ring.
    #[must_use]
    pub fn rx(&self) -> Option<usize> {
        (self.role < 8).then_some(self.role)
    }

    /// Its number, if it was a transmit ring.
    #[must_use]
    pub fn tx(&self) -> Option<usize> {
        (8..16).contains(&self.role).then(|| self.role - 8)
    }
}

/// What was found in a region that a process had left.
#[derive(Debug)]
pub struct Adopted<R: Region> {
    /// The region, for what else is to be carved.
    pub arena: Arena<R>,
    /// The pool. None of its buffers is free until [`Pool::reclaim`] has been called, which is to
    /// be when all rings that may hold some have been taken over.
    pub pool: Pool,
    /// The rings that belonged to a controller.
    pub rings: Vec<LeftRing, MOST_RINGS>,
    /// The totals of a port's counters, if they were kept there.
    pub counters: Option<KeptCounters>,
}

/// Why a region is not what a process of this driver has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum LeftError {
    /// No region for a device at all.
    Memory(MemoryError),
    /// It does not begin as one.
    Foreign,
    /// It was written by another version of the driver, or for another kind of CPU.
    Version(u32),
    /// Its length is another than it says.
    Length(u32),
    /// What it says of its pool cannot be.
    Pool,
    /// What it says of a ring, at this offset, cannot be: or it is where something else is.
    Ring(u32),
    /// It says to have so many rings, and they are not found.
    Rings(u32),
    /// What it says of the totals of counters cannot be.
    Counters,
    /// What it says of others whose buffers may be in its rings cannot be.
    Partners,
}

impl fmt::Display for LeftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(error) => error.fmt(f),
            Self::Foreign => f.write_str("the memory is not this driver's"),
            Self::Version(found) => {
                write!(f, "the memory is of version {found}, or of another kind of CPU")
            }
            Self::Length(said) => write!(f, "the memory says to be {said} bytes long, and is not"),
            Self::Pool => f.write_str("the memory has no pool where it says"),
            Self::Ring(at) => write!(f, "the memory has no ring at {at:#x}, where it says"),
            Self::Rings(said) => {
                write!(f, "the memory says to have {said} rings, and they are not found")
            }
            Self::Counters => f.write_str("the memory has no counters where it says"),
            Self::Partners => f.write_str("the memory names others that cannot be"),
        }
    }
}

impl core::error::Error for LeftError {}

impl<R: Region> Arena<R> {
    /// Notes a ring that was just carved.
    pub(super) fn note_ring(&self, ring: &RingMemory, bytes: usize) {
        let contents = self.contents();
        // In this order, so that the region is whole after each of them.
        contents.used.store(self.used as u32);
        ring.set_previous(contents.last_ring.load());
        contents.last_ring.store((self.used - bytes) as u32);
        contents.rings.store(contents.rings.load() + 1);
    }

    /// Notes the pool that was just carved.
    pub(super) fn note_pool(&self, bytes: usize) {
        let contents = self.contents();
        contents.used.store(self.used as u32);
        contents.pool.store((self.used - bytes) as u32);
    }

    /// Notes the place for counters that was just carved.
    pub(super) fn note_counters(&self, bytes: usize) {
        let contents = self.contents();
        contents.used.store(self.used as u32);
        contents.counters.store((self.used - bytes) as u32);
    }

    /// Whether there is such a place.
    pub(super) fn has_counters(&self) -> bool {
        self.contents().counters.load() != 0
    }

    fn contents(&self) -> &Contents {
        // SAFETY: the region is mapped as long as the arena lives, and begins with a header.
        unsafe { &self.header.as_ref().contents }
    }

    /// Takes over a region with what a process has carved from it that is no more.
    ///
    /// # Safety
    /// No process but this one uses the region any more, and in this one nothing refers to it. A
    /// device may still reach it: until it has been stopped, or each ring with buffers of this pool
    /// was [taken over](crate::Stopped::adopt), [`Pool::reclaim`] is not called.
    ///
    /// # Errors
    /// [`LeftError`], with the region; nothing in it has changed then.
    pub unsafe fn adopt(region: R) -> Result<Adopted<R>, (R, LeftError)> {
        match find(&region) {
            Err(error) => Err((region, error)),
            // SAFETY: the caller's; `find` has seen that all is where it says.
            Ok(found) => Ok(unsafe { found.take(region) }),
        }
    }
}

impl<R: Region> Adopted<R> {
    /// Gives the region back with all that is in it, of which nothing is taken over.
    ///
    /// # Safety
    /// No device reaches the region any more: it has been stopped.
    pub unsafe fn give_up(self) -> R {
        let Adopted { arena, pool, rings, counters } = self;
        // The process before left them the device's, which keeps a region mapped.
        rings.iter().for_each(|ring| ring.memory.view().set_live(false));
        drop((pool, rings, counters));
        let mut arena = ManuallyDrop::new(arena);
        disown(&*arena.region);
        // SAFETY: `arena` is never used again, so the region is taken out once; nothing refers to
        // it, for no buffer was claimed and all handles are gone.
        unsafe { ManuallyDrop::take(&mut arena.region) }
    }
}

impl Handle {
    fn partners(&self) -> &Table {
        // SAFETY: this handle keeps the region mapped.
        unsafe { &self.0.as_ref().contents.partners }
    }

    pub(crate) fn set_name(&self, name: &str) -> Result<(), PartnerError> {
        self.partners().set_name(name)
    }

    /// Notes in this region that buffers of the pool at `pool`, in the region of `other`, may be in
    /// rings of this one.
    pub(crate) fn note_partner(&self, other: &Handle, pool: BusAddr) -> Result<(), PartnerError> {
        self.partners().add(pool, other.partners())
    }

    /// What is noted.
    pub(crate) fn partner_list(&self) -> Option<Partners> {
        self.partners().list()
    }
}

/// Whose buffers may be in rings of a region that a process has left, and the other way round. It
/// only looks: nothing is taken over.
///
/// # Errors
/// [`LeftError`], if it is no such region.
pub fn partners(region: &impl Region) -> Result<Partners, LeftError> {
    header_of(region)?.contents.partners.list().ok_or(LeftError::Partners)
}

/// What a process before has left in a region is no more, before anything of it changes: so nobody
/// takes for a whole what is neither its nor ours. And in the end, when it is given back: it has no
/// partners any more. `check` has found room for a header.
pub(super) fn disown(region: &impl Region) {
    // SAFETY: there is room, aligned, and any bits are a header.
    unsafe { region.cpu().cast::<ArenaHeader>().as_ref() }.magic.store(0);
    barrier::publish();
}

/// The header of a region is written: from here on it is one.
pub(super) fn own(region: &impl Region) {
    barrier::publish();
    // SAFETY: it has just been written there.
    unsafe { region.cpu().cast::<ArenaHeader>().as_ref() }.magic.store(MAGIC);
}

/// What a region says of itself, checked.
struct Found {
    used: usize,
    pool: usize,
    rings: Vec<(usize, usize), MOST_RINGS>,
    counters: Option<usize>,
}

/// The header of a region, if this version of the driver has written it there.
fn header_of(region: &impl Region) -> Result<&ArenaHeader, LeftError> {
    check(region).map_err(LeftError::Memory)?;
    // SAFETY: `check` found room and alignment, and any bits are a header.
    let header = unsafe { region.cpu().cast::<ArenaHeader>().as_ref() };
    if header.magic.load() != MAGIC {
        return Err(LeftError::Foreign);
    }
    let (version, contents) = (header.version.load(), &header.contents);
    if version != VERSION || contents.pointer.load() as usize != size_of::<usize>() {
        return Err(LeftError::Version(version));
    }
    let (len, used) = (contents.len.load(), contents.used.load() as usize);
    if len as usize != region.len() || used > region.len() {
        return Err(LeftError::Length(len));
    }
    Ok(header)
}

fn find(region: &impl Region) -> Result<Found, LeftError> {
    let contents = &header_of(region)?.contents;
    if contents.partners.list().is_none() {
        return Err(LeftError::Partners);
    }
    let used = contents.used.load() as usize;
    let place = |at: usize| Place {
        // SAFETY: the callers have seen that it is inside the region.
        cpu: unsafe { region.cpu().add(at) },
        bus: region.bus().inside(at),
    };
    let fits = |at: usize, bytes: usize| {
        at >= size_of::<ArenaHeader>()
            && at.is_multiple_of(super::LINE)
            && at.checked_add(bytes).is_some_and(|end| end <= used)
    };
    let pool = contents.pool.load() as usize;
    if !fits(pool, size_of::<pool::PoolHeader>()) {
        return Err(LeftError::Pool);
    }
    // SAFETY: a header of a pool fits there, mapped and aligned.
    let bytes = unsafe { pool::bytes_at(&place(pool)) }.ok_or(LeftError::Pool)?;
    if !fits(pool, bytes) {
        return Err(LeftError::Pool);
    }
    let mut taken = Taken { used, pool: pool..pool + bytes, counters: 0..0 };
    let at = contents.counters.load() as usize;
    if at != 0 {
        let counters = at..at.saturating_add(super::COUNTERS_BYTES);
        if !fits(at, super::COUNTERS_BYTES) || overlap(&counters, &taken.pool) {
            return Err(LeftError::Counters);
        }
        taken.counters = counters;
    }
    let mut rings = Vec::new();
    let mut at = contents.last_ring.load();
    while at != 0 {
        let (here, wrong) = (at as usize, LeftError::Ring(at));
        if !fits(here, ring::bytes(ring::MIN_LEN)) {
            return Err(wrong);
        }
        // SAFETY: a control block fits there, mapped and aligned.
        let len = unsafe { RingMemory::len_at(&place(here)) }.ok_or(wrong)?;
        let ring = here..here.saturating_add(ring::bytes(len));
        if !taken.leaves(&ring) || rings.push((here, len)).is_err() {
            return Err(wrong);
        }
        // Each was carved before the one that names it, so it ends where that one begins, at the
        // latest, and there is an end.
        taken.used = here;
        // SAFETY: as above.
        at = unsafe { RingMemory::previous_at(&place(here)) };
        if at as usize >= here {
            return Err(wrong);
        }
    }
    let said = contents.rings.load();
    // The last one may not have been counted yet.
    if ![0, 1].map(|more| (said as usize).saturating_add(more)).contains(&rings.len()) {
        return Err(LeftError::Rings(said));
    }
    let Taken { counters, .. } = taken;
    let counters = (!counters.is_empty()).then_some(counters.start);
    Ok(Found { used, pool, rings, counters })
}

/// Where something else is than the next ring.
struct Taken {
    /// It ends here, at the latest.
    used: usize,
    pool: Range<usize>,
    counters: Range<usize>,
}

impl Taken {
    fn leaves(&self, ring: &Range<usize>) -> bool {
        ring.end <= self.used && !overlap(ring, &self.pool) && !overlap(ring, &self.counters)
    }
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

impl Found {
    /// # Safety
    /// As of [`Arena::adopt`]; `self` was found in this region.
    unsafe fn take<R: Region>(self, region: R) -> Adopted<R> {
        let header = region.cpu().cast::<ArenaHeader>();
        let place = |at: usize| Place {
            // SAFETY: inside the region, as `find` has seen.
            cpu: unsafe { region.cpu().add(at) },
            bus: region.bus().inside(at),
        };
        // SAFETY: mapped; the handles of the process before are gone with it.
        unsafe { header.as_ref() }.handles.store(0);
        let mut rings = Vec::new();
        for (at, _) in &self.rings {
            // SAFETY: `find` saw a ring there, and nobody else has it any more.
            let memory = unsafe { RingMemory::found(header, &place(*at)) };
            if let Some(role) = memory.role() {
                // There is room: no more were found.
                let _ = rings.push(LeftRing { role, memory });
            }
        }
        // SAFETY: the region is mapped as long as the arena lives.
        let handle = unsafe { Handle::new(header) };
        let counters = self.counters.map(|at| {
            // SAFETY: as for the pool.
            unsafe { KeptCounters::found(handle.clone(), &place(at)) }
        });
        // SAFETY: `find` saw a pool there, and nobody else has it or a buffer of it any more.
        let pool = unsafe { Pool::found(handle, &place(self.pool)) };
        let arena = Arena {
            region: ManuallyDrop::new(region),
            header,
            used: self.used,
            pool: Some(pool.header()),
        };
        Adopted { arena, pool, rings, counters }
    }
}

#[cfg(test)]
mod tests;
