//! What of a ring a process finds that takes it over (feature `adopt`): a few words in its control
//! block, and how a ring is found again.
//!
//! What they mean to a queue is the queue's business.

use super::RingMemory;
#[cfg(feature = "adopt")]
use super::{
    ArenaHeader, Bd, Control, HELD, Handle, IDLE, MAX_LEN, MIN_LEN, NonNull, Place, Word, bds_at,
    slots_at,
};

/// What a process finds that takes the ring over from one that has died.
#[cfg(feature = "adopt")]
#[derive(Default)]
pub(super) struct Left {
    /// Of a receive ring: the first descriptor that was not taken in the high half, and how many
    /// from there on were lent in the low. Of a transmit ring: the first one of the burst that was
    /// handed over last, or was about to be, and how many it has.
    mark: Word,
    /// Which ring of a controller it is, its number plus 1, transmit rings 8 more; 0: of none.
    role: Word,
    /// From the start of the region to the ring carved before; 0: there was none.
    previous: Word,
}

/// What is left for a process that takes the ring over. Without the feature `adopt`, nothing is.
impl RingMemory {
    /// Notes that `count` descriptors from `at` on are lent, and, of a receive ring, those before
    /// taken.
    #[inline(always)]
    pub(crate) fn mark(&self, at: u32, count: u32) {
        #[cfg(feature = "adopt")]
        self.control().left.mark.store(at << 16 | count & 0xFFFF);
        #[cfg(not(feature = "adopt"))]
        let _ = (at, count);
    }

    /// Notes which ring of a controller it is: receive ring n, or transmit ring n with 8 more.
    #[inline(always)]
    pub(crate) fn set_role(&self, role: usize) {
        #[cfg(feature = "adopt")]
        self.control().left.role.store(role as u32 + 1);
        #[cfg(not(feature = "adopt"))]
        let _ = role;
    }
}

#[cfg(feature = "adopt")]
impl super::RingView {
    /// Whether the marked burst begins at `at`, where nothing is ready, and the rest of it is, from
    /// somewhere on: as while it is being handed over from its end.
    pub(crate) fn is_marked_rest_ready(&self, at: u32) -> bool {
        let (start, count) = unpacked(self.control().left.mark.load());
        let ready = |n: u32| self.bd(start + n).is_owned();
        let gap = (0..count).take_while(|n| !ready(*n)).count() as u32;
        start == at && gap > 0 && gap < count && count <= self.len() && (gap..count).all(ready)
    }
}

/// The two halves of a mark.
#[cfg(feature = "adopt")]
fn unpacked(mark: u32) -> (u32, u32) {
    (mark >> 16, mark & 0xFFFF)
}

#[cfg(feature = "adopt")]
impl Control {
    /// Forgets what a queue that is no more has asked, which its successor asks under the same
    /// numbers, and that it held the ring. Whether the device has it stays as it is.
    fn forget_queue(&self) {
        self.forget_questions();
        let _ = self.state.replace(HELD, IDLE);
    }

    fn forget_questions(&self) {
        for word in [&self.suspect, &self.asked, &self.answer] {
            word.store(0);
        }
    }
}

#[cfg(feature = "adopt")]
impl RingMemory {
    /// The ring that somebody built at `place` and left, as it is.
    ///
    /// # Safety
    /// As of [`RingMemory::build`]; `place` holds what that function has written, for a region that
    /// may have been mapped elsewhere, and nobody has this ring any more.
    pub(crate) unsafe fn found(arena: NonNull<ArenaHeader>, place: &Place) -> Self {
        // SAFETY: the caller's.
        let (bds, len) = unsafe {
            Handle::take(arena);
            let control = place.cpu.cast::<Control>().as_mut();
            control.arena = arena;
            control.forget_queue();
            (place.cpu.add(bds_at()).cast::<Bd>(), control.len)
        };
        // SAFETY: as above; the slots are behind the descriptors.
        let slots = unsafe { place.cpu.add(slots_at(len as usize)).cast() };
        RingMemory { bds, slots, len }
    }

    /// Forgets what was asked of the device side: a queue begins with its first question again, and
    /// must not take the answer to another's.
    pub(crate) fn forget_questions(&self) {
        self.control().forget_questions();
    }

    /// The same ring as it was when it was carved, but that it was. The device does not touch it,
    /// and nobody has a buffer that was in it.
    pub(crate) fn emptied(self) -> Self {
        let control = self.control();
        self.view().set_live(false);
        self.forget_questions();
        control.position.store(0);
        control.left.mark.store(0);
        (0..self.len).for_each(|at| self.bd(at).clear(self.is_last(at)));
        self
    }

    /// How many descriptors the ring says to have that somebody left at `place`, if it can be one.
    ///
    /// # Safety
    /// A control block fits at `place`, mapped and aligned.
    pub(crate) unsafe fn len_at(place: &Place) -> Option<usize> {
        // SAFETY: the caller's; any bits are a control block.
        let control = unsafe { place.cpu.cast::<Control>().as_ref() };
        let len = control.len as usize;
        let is_right = control.bus == place.bus.inside(bds_at());
        (is_right && (MIN_LEN..=MAX_LEN).contains(&len)).then_some(len)
    }

    /// From the start of the region to the ring carved before the one at `place`.
    ///
    /// # Safety
    /// As of [`RingMemory::len_at`].
    pub(crate) unsafe fn previous_at(place: &Place) -> u32 {
        // SAFETY: the caller's; any bits are a control block.
        unsafe { place.cpu.cast::<Control>().as_ref() }.left.previous.load()
    }

    /// As [`RingMemory::mark`] noted it.
    pub(crate) fn marked(&self) -> (u32, u32) {
        unpacked(self.control().left.mark.load())
    }

    /// As [`RingMemory::set_role`] noted it.
    pub(crate) fn role(&self) -> Option<usize> {
        self.control().left.role.load().checked_sub(1).map(|role| role as usize)
    }

    pub(crate) fn set_previous(&self, previous: u32) {
        self.control().left.previous.store(previous);
    }
}
