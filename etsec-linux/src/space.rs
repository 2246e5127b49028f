//! Bus addresses of simulated devices: none is given twice within a process.
//!
//! It knows numbers only; what is at an address is its owner's business.

use std::sync::{Mutex, PoisonError};

use crate::error::Error;

/// The 4 GiB of bus addresses in which the devices of a kind are, so that buffers can go from one
/// to another; a ring refuses those of another window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    /// Devices whose models are in this process.
    Here = 0,
    /// Those whose models are in others.
    Elsewhere = 1,
}

/// A range of bus addresses that one device has; free again when dropped.
#[derive(Debug)]
pub(crate) struct Space {
    start: u64,
    end: u64,
}

/// Ranges in use, by their starts.
static TAKEN: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());
/// The first addresses of a window are nobody's, so that a pointer never set is noticed.
const FIRST: u64 = 0x1000_0000;
const WINDOW: u64 = 1 << 32;
/// Ranges begin at multiples of this, with at least one unused between two.
const GRAIN: u64 = 0x10_0000;

impl Space {
    /// A range of `bytes` in a window.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if the window is full.
    pub(crate) fn take(window: Window, bytes: usize) -> Result<Self, Error> {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let placed = place(&taken, window, bytes as u64);
        let (start, end) = placed.ok_or_else(|| Error::OutOfRange {
            what: "memory of all simulated devices in bytes",
            value: format!("{bytes} more than before"),
            range: "at most 4 GiB".into(),
        })?;
        taken.push((start, end));
        taken.sort_unstable();
        Ok(Space { start, end })
    }

    /// The `bytes` from `start` on, where somebody else's memory is already; `None` if a device of
    /// this process has one of them.
    pub(crate) fn at(start: u64, bytes: u64) -> Option<Self> {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let end = end(start, bytes)?;
        if taken.iter().any(|(from, to)| *from < end && start < *to) {
            return None;
        }
        taken.push((start, end));
        taken.sort_unstable();
        Some(Space { start, end })
    }

    /// Its first address.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }
}

/// The lowest range of `bytes` in a window beside those that are `taken`, which are sorted.
fn place(taken: &[(u64, u64)], window: Window, bytes: u64) -> Option<(u64, u64)> {
    let base = window as u64 * WINDOW;
    let mut start = base + FIRST;
    for (from, to) in taken.iter().filter(|(from, _)| (base..base + WINDOW).contains(from)) {
        if end(start, bytes)? <= *from {
            break;
        }
        start = *to;
    }
    let end = end(start, bytes)?;
    (end <= base + WINDOW).then_some((start, end))
}

/// Where a range of `bytes` ends, with the gap behind it.
fn end(start: u64, bytes: u64) -> Option<u64> {
    start.checked_add(bytes)?.checked_add(GRAIN)?.checked_next_multiple_of(GRAIN)
}

impl Drop for Space {
    fn drop(&mut self) {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|range| *range != (self.start, self.end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_given_is_had_once() {
        // Beyond what other tests take.
        let start = 5 * WINDOW;
        let place = Space::at(start, GRAIN).unwrap();
        assert_eq!(place.start(), start);
        assert!(Space::at(start, 1).is_none());
        assert!(Space::at(start - 1, GRAIN).is_none());
        assert!(Space::at(start + 2 * GRAIN, GRAIN).is_some());
        drop(place);
        assert!(Space::at(start, GRAIN).is_some());
        assert!(Space::at(u64::MAX, 1).is_none());
    }

    #[test]
    fn ranges_are_apart_and_used_again() {
        const MIB: u64 = 1 << 20;
        let here = |taken: &[(u64, u64)], bytes| place(taken, Window::Here, bytes);
        let first = here(&[], MIB).unwrap();
        assert_eq!(first, (FIRST, FIRST + 2 * MIB));
        let second = here(&[first], 3 * MIB).unwrap();
        assert_eq!(second, (first.1, first.1 + 4 * MIB));
        // What fits into the gap in front goes there, what does not goes behind.
        assert_eq!(here(&[second], MIB).unwrap(), first);
        assert_eq!(here(&[second], 2 * MIB).unwrap().0, second.1);
        assert_eq!(here(&[], WINDOW), None);
        assert_eq!(here(&[], u64::MAX), None);
        // The other window is another.
        let elsewhere = place(&[first, second], Window::Elsewhere, MIB).unwrap();
        assert_eq!(elsewhere, (WINDOW + FIRST, WINDOW + FIRST + 2 * MIB));
        assert_eq!(here(&[elsewhere], MIB).unwrap(), first);
    }
}
