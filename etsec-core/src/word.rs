//! A 32-bit word that two parties see: CPU and device, or two threads.
//!
//! The only file of the crate that names an atomic. It knows nothing of what a word means. Words
//! are stored and loaded without ordering of their own: order comes from
//! [`Bus::publish`](crate::Bus::publish) and [`Bus::observe`](crate::Bus::observe), once a burst.

#[cfg(etsec_stores)]
pub mod stores;
#[cfg(all(loom, test))]
pub(crate) mod witness;

#[cfg(not(all(loom, test)))]
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering;

#[cfg(all(loom, test))]
use self::witness::AtomicU32;

/// A shared 32-bit word in CPU order.
#[repr(transparent)]
#[derive(Debug, Default)]
pub struct Word(AtomicU32);

impl Word {
    /// A word holding `value`.
    #[inline(always)]
    pub fn new(value: u32) -> Self {
        Word(AtomicU32::new(value))
    }

    /// Reads the word.
    #[inline(always)]
    pub fn load(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Stores the word in one access.
    #[inline(always)]
    pub fn store(&self, value: u32) {
        #[cfg(etsec_stores)]
        if !stores::is_made(self) {
            return;
        }
        self.0.store(value, Ordering::Relaxed);
    }

    /// Reads the word; what another thread stored before its [`Word::release`] is visible
    /// afterwards.
    #[inline(always)]
    pub fn acquire(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Stores the word; everything stored before is visible to whoever [`Word::acquire`]s it.
    #[inline(always)]
    pub fn release(&self, value: u32) {
        #[cfg(etsec_stores)]
        if !stores::is_made(self) {
            return;
        }
        self.0.store(value, Ordering::Release);
    }

    /// Replaces `old` by `new` in one step; false, and nothing done, if the word is another.
    ///
    /// Without compare-and-swap this is a critical section.
    pub fn replace(&self, old: u32, new: u32) -> bool {
        #[cfg(etsec_stores)]
        if !stores::is_made(self) {
            return false;
        }
        #[cfg(target_has_atomic = "32")]
        {
            self.0.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
        }
        #[cfg(not(target_has_atomic = "32"))]
        critical_section::with(|_| {
            let same = self.acquire() == old;
            if same {
                self.release(new);
            }
            same
        })
    }

    /// Replaces the word by `f(word)` in one step and returns the old value; `None` from `f` leaves
    /// it.
    ///
    /// Without compare-and-swap this is a critical section.
    #[inline]
    pub fn update(&self, f: impl FnMut(u32) -> Option<u32>) -> Result<u32, u32> {
        #[cfg(etsec_stores)]
        if !stores::is_made(self) {
            return Err(self.load());
        }
        #[cfg(target_has_atomic = "32")]
        {
            self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, f)
        }
        #[cfg(not(target_has_atomic = "32"))]
        critical_section::with(|_| {
            let mut f = f;
            let old = self.acquire();
            match f(old) {
                Some(new) => {
                    self.release(new);
                    Ok(old)
                }
                None => Err(old),
            }
        })
    }
}
