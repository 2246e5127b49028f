//! A bus in front of a bus: it writes down every access, and can take the device away before a
//! chosen one.
//!
//! It knows offsets, not registers.

use std::sync::{Arc, Mutex};

use etsec_core::Bus;

/// A register access, as the driver made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A read of the register at an offset.
    Read(u16),
    /// A write of a value to the register at an offset.
    Write(u16, u32),
    /// A barrier.
    Publish,
}

#[derive(Debug, Default)]
struct State {
    log: Vec<Access>,
    /// Accesses left until the device is gone; `None`: it stays.
    left: Option<u64>,
}

/// The wrapping bus. Clones share one log.
#[derive(Debug, Clone)]
pub struct Traced<B> {
    bus: B,
    state: Arc<Mutex<State>>,
}

impl<B: Bus> Traced<B> {
    /// Puts a trace in front of `bus`.
    pub fn new(bus: B) -> Self {
        Traced { bus, state: Arc::default() }
    }

    /// What has been accessed since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<Access> {
        std::mem::take(&mut self.state().log)
    }

    /// Lets `accesses` more reach the device; from then on it is gone: reads are all ones, writes
    /// go nowhere.
    pub fn die_after(&self, accesses: u64) {
        self.state().left = Some(accesses);
    }

    /// The device is back.
    pub fn revive(&self) {
        self.state().left = None;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no test panics inside an access")
    }

    /// Notes an access; says whether the device is still there for it.
    fn note(&self, access: Access) -> bool {
        let mut state = self.state();
        state.log.push(access);
        match &mut state.left {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }
}

impl<B: Bus> Bus for Traced<B> {
    fn read(&self, at: u16) -> u32 {
        if self.note(Access::Read(at)) { self.bus.read(at) } else { u32::MAX }
    }

    fn write(&self, at: u16, value: u32) {
        if self.note(Access::Write(at, value)) {
            self.bus.write(at, value);
        }
    }

    fn publish(&self) {
        // No register access: it neither counts nor fails.
        self.state().log.push(Access::Publish);
        self.bus.publish();
    }

    fn observe(&self) {
        self.bus.observe();
    }
}

/// Where in `log` the first access is that `wanted` picks.
///
/// # Panics
/// If there is none: `what` names it then.
#[must_use]
pub fn first(log: &[Access], what: &str, wanted: impl Fn(Access) -> bool) -> usize {
    log.iter().position(|&access| wanted(access)).unwrap_or_else(|| panic!("no {what} in {log:x?}"))
}

/// The last access that `wanted` picks.
///
/// # Panics
/// As [`first`].
#[must_use]
pub fn last(log: &[Access], what: &str, wanted: impl Fn(Access) -> bool) -> usize {
    log.iter()
        .rposition(|&access| wanted(access))
        .unwrap_or_else(|| panic!("no {what} in {log:x?}"))
}
