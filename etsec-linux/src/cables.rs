//! Cables between two simulated devices of this process, by name: whoever names one first waits
//! with one end for whoever names it second.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use etsec_sim::ends::{CableEnd, cable};

/// Ends that wait for somebody.
static WAITING: Mutex<Option<Waiting>> = Mutex::new(None);

#[derive(Default)]
struct Waiting {
    /// By the name of their cable, with its number.
    ends: HashMap<String, (u64, CableEnd)>,
    /// Numbers tell a cable from an earlier one of the same name.
    next: u64,
}

/// Keeps the other end of a cable waiting; dropping it takes that end away if nobody came.
#[derive(Debug)]
pub(crate) struct Lease {
    id: String,
    number: u64,
}

/// One end of the cable called `id`: of a new one, or the other end of the one that waits.
///
/// # Errors
/// What the system says about the descriptors that tell of arrivals.
pub(crate) fn plug(id: &str) -> io::Result<(CableEnd, Lease)> {
    let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    let waiting = waiting.get_or_insert_default();
    if let Some((number, end)) = waiting.ends.remove(id) {
        return Ok((end, Lease { id: id.into(), number }));
    }
    let (ours, theirs) = cable()?;
    let number = waiting.next;
    waiting.next += 1;
    waiting.ends.insert(id.into(), (number, theirs));
    Ok((ours, Lease { id: id.into(), number }))
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Waiting { ends, .. }) = waiting.as_mut() else { return };
        if ends.get(&self.id).is_some_and(|(number, _)| *number == self.number) {
            ends.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etsec_sim::ends::Wire;

    fn arrives(to: &mut CableEnd) -> bool {
        to.receive(&mut Vec::new()).unwrap_or(false)
    }

    #[test]
    fn two_of_one_name_are_joined_and_a_third_waits() {
        let (mut a, _lease_a) = plug("test-join").unwrap();
        let (mut b, _lease_b) = plug("test-join").unwrap();
        let (mut other, _lease_other) = plug("test-other").unwrap();
        a.send(&[1; 60]).unwrap();
        assert!(arrives(&mut b) && !arrives(&mut other));
        let (mut third, _lease_third) = plug("test-join").unwrap();
        b.send(&[2; 60]).unwrap();
        assert!(arrives(&mut a) && !arrives(&mut third));
    }

    #[test]
    fn an_end_nobody_came_for_goes_with_the_device_that_waited() {
        let (first, lease) = plug("test-gone").unwrap();
        drop((first, lease));
        let (mut a, _lease_a) = plug("test-gone").unwrap();
        let (mut b, _lease_b) = plug("test-gone").unwrap();
        a.send(&[1; 60]).unwrap();
        assert!(arrives(&mut b));
    }
}
