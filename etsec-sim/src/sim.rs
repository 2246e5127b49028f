//! Handles to one model that several owners share: the only file with a lock.
//!
//! It adds nothing to the model but the lock, and the rule that violations are not overlooked.

use core::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use embedded_hal::delay::DelayNs;
use etsec_core::{Bus, BusAddr};

use crate::config::SimConfig;
use crate::control::Line;
use crate::fault::Fault;
use crate::memory::SimRegion;
use crate::model::Model;
use crate::timer::Reading;
use crate::violation::Violation;
use crate::wire::{Fcs, WireFrame};

#[derive(Debug)]
struct Shared(Mutex<Model>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Model> {
        // A panic elsewhere leaves the model usable: it is only numbers.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first controller of a SoC, as another one reaches its timer.
#[derive(Debug)]
pub(crate) struct First(Weak<Shared>);

impl First {
    /// As [`Model::timer_reading`]; `None` as well if that controller is no more.
    pub(crate) fn timer_reading(&self, ns: u64) -> Option<Reading> {
        // It waits for nobody: it has a timer of its own.
        self.0.upgrade()?.lock().timer_reading(ns)
    }
}

/// Looks for violations nobody has taken out when the last [`Sim`] goes.
#[derive(Debug)]
struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        let found = self.0.lock().violations();
        if !found.is_empty() && !std::thread::panicking() {
            let lines: Vec<String> = found.iter().take(20).map(|v| format!("  {v}")).collect();
            panic!("{} DMA violations, the first:\n{}", found.len(), lines.join("\n"));
        }
    }
}

/// A simulated eTSEC. Clones are handles to the same one.
///
/// Dropping the last `Sim` while violations have not been taken out with [`Sim::violations`] panics
/// with a list of them, unless the thread is panicking already.
#[derive(Debug, Clone)]
pub struct Sim {
    guard: Arc<Guard>,
}

impl Default for Sim {
    fn default() -> Self {
        Sim::new(SimConfig::default())
    }
}

impl Sim {
    /// A controller as it is after power-on.
    pub fn new(config: SimConfig) -> Sim {
        Sim { guard: Arc::new(Guard(Arc::new(Shared(Mutex::new(Model::new(config)))))) }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.guard.0
    }

    /// The group 0 register page.
    pub fn bus(&self) -> SimBus {
        SimBus { shared: Arc::clone(self.shared()), page: Page::Group0 }
    }

    /// The page of the second interrupt group of an eTSEC2 (HW 9.4).
    pub fn second_bus(&self) -> SimBus {
        SimBus { shared: Arc::clone(self.shared()), page: Page::Group1 }
    }

    /// The page an eTSEC2 has for MDIO (HW 1.3): MII registers at 0x520–0x534 that reach the
    /// same bus.
    pub fn mdio_bus(&self) -> SimBus {
        SimBus { shared: Arc::clone(self.shared()), page: Page::Mdio }
    }

    /// Memory of `len` bytes that the device reaches, in its first 4 GiB. Its bus address is not
    /// its pointer.
    ///
    /// # Panics
    /// When regions of 4 GiB have been handed out.
    pub fn region(&self, len: usize) -> SimRegion {
        self.with(|model| model.region(len)).expect("no room for a region below 4 GiB")
    }

    /// Memory of `len` bytes at a bus address of the caller's choice.
    ///
    /// # Panics
    /// If `bus` is not a multiple of 64, the end lies beyond 36 bits, or a region is there already.
    pub fn region_at(&self, bus: BusAddr, len: usize) -> SimRegion {
        self.with(|model| model.region_at(bus.raw(), len))
            .expect("a region needs a free place, aligned to 64 bytes, within 36 bits")
    }

    /// The region handed out first once more, as another process would map it that takes it over;
    /// `None` if there is none. The handle before must not be used any more, nor dropped.
    pub fn region_again(&self) -> Option<SimRegion> {
        self.with(|model| model.memory.again())
    }

    /// Lets this device reach the regions that `other` has now, as two controllers reach one
    /// memory: buffers can then go from one to the other.
    ///
    /// Returns `false`, and changes nothing, if a region of the two is at the same place: see
    /// [`Sim::region_at`].
    pub fn reach(&self, other: &Sim) -> bool {
        // One lock after the other, so that two devices may be joined from two threads.
        let theirs = other.with(|model| model.memory.blocks());
        self.with(|model| model.memory.reach(&theirs))
    }

    /// Lets the timer of `first` stamp the frames of this device: a SoC has one timer, in its first
    /// controller's page (HW 1.4). Virtual time has to pass for both alike.
    ///
    /// Returns `false`, and changes nothing, if `first` is this device, or has no timer of its own.
    pub fn stamp_by(&self, first: &Sim) -> bool {
        let own = !Arc::ptr_eq(self.shared(), first.shared()) && first.with(|m| m.first.is_none());
        if own {
            let first = First(Arc::downgrade(first.shared()));
            self.with(|model| model.first = Some(first));
        }
        own
    }

    /// A delay that lets virtual time pass.
    pub fn delay(&self) -> SimDelay {
        SimDelay { shared: Arc::clone(self.shared()) }
    }

    /// Lets `ns` nanoseconds of virtual time pass.
    pub fn advance(&self, ns: u64) {
        self.with(|model| model.advance(ns));
    }

    /// Virtual time so far, in nanoseconds.
    pub fn now_ns(&self) -> u64 {
        self.with(|model| model.now_ns())
    }

    /// A good frame arrives: DA to payload, without FCS. The sender's side has padded it to 60
    /// bytes and added the FCS.
    pub fn receive(&self, frame: &[u8]) {
        self.with(|model| model.receive_good(frame));
    }

    /// A frame arrives exactly as given, with whatever is wrong with it.
    pub fn receive_raw(&self, frame: WireFrame) {
        self.with(|model| model.receive(&frame));
    }

    /// The next frame that left on the wire, FCS verified and stripped. A frame with a wrong FCS is
    /// dropped here, as any receiver would.
    pub fn transmitted(&self) -> Option<Vec<u8>> {
        self.with(|model| {
            while let Some(frame) = model.transmitted() {
                if frame.fcs.is_right(&frame.data) {
                    return Some(frame.data);
                }
            }
            None
        })
    }

    /// The next frame that left on the wire, good or bad.
    pub fn transmitted_raw(&self) -> Option<WireFrame> {
        self.with(Model::transmitted)
    }

    /// Takes a frame's buffer back, so that the next one that leaves needs no allocation.
    pub fn recycle(&self, buffer: Vec<u8>) {
        self.with(|model| model.recycle(buffer));
    }

    /// The level of an interrupt line.
    pub fn line(&self, line: Line) -> bool {
        self.with(|model| model.line(line))
    }

    /// The level of an interrupt line of the second group.
    pub fn second_line(&self, line: Line) -> bool {
        self.with(|model| model.second_line(line))
    }

    /// Injects a fault once; a lasting one until [`Sim::mend`].
    pub fn inject(&self, fault: Fault) {
        self.inject_times(fault, 1);
    }

    /// Injects a fault on the next `times` occasions.
    pub fn inject_times(&self, fault: Fault, times: u32) {
        self.with(|model| model.inject(fault, times));
    }

    /// Ends a lasting fault, or disarms what is left of another.
    pub fn mend(&self, fault: Fault) {
        self.with(|model| model.mend(fault));
    }

    /// Plugs or pulls the PHY's cable.
    pub fn set_link_up(&self, up: bool) {
        self.with(|model| model.set_link_up(up));
    }

    /// Resets the external PHY by its pin: what was set in it is lost, and the link is sought anew.
    pub fn reset_phy(&self) {
        self.with(|model| model.miim.phy_mut().reset());
    }

    /// Takes out what the sanitizer has found.
    pub fn violations(&self) -> Vec<Violation> {
        self.with(Model::violations)
    }

    /// Stores bytes at `offset` of a region, as a CPU would: for tests that have no driver.
    ///
    /// # Panics
    /// Beyond the end of the region.
    pub fn store(&self, region: &mut SimRegion, offset: usize, bytes: &[u8]) {
        self.with(|_| region.store(offset, bytes));
    }

    /// Loads bytes from `offset` of a region, as a CPU would.
    ///
    /// # Panics
    /// Beyond the end of the region.
    pub fn load(&self, region: &SimRegion, offset: usize, bytes: &mut [u8]) {
        self.with(|_| region.load(offset, bytes));
    }

    /// Works on the model itself, under its lock.
    pub fn with<R>(&self, f: impl FnOnce(&mut Model) -> R) -> R {
        f(&mut self.shared().lock())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    Group0,
    Group1,
    Mdio,
}

/// A register page of a simulated eTSEC.
#[derive(Debug, Clone)]
pub struct SimBus {
    shared: Arc<Shared>,
    page: Page,
}

impl Bus for SimBus {
    fn read(&self, at: u16) -> u32 {
        let mut model = self.shared.lock();
        match self.page {
            Page::Group0 => model.read(at),
            Page::Group1 => model.read_second(at),
            Page::Mdio => model.read_mdio(at),
        }
    }

    fn write(&self, at: u16, value: u32) {
        let mut model = self.shared.lock();
        model.set_caller(std::thread::current().id());
        match self.page {
            Page::Group0 => model.write(at, value),
            Page::Group1 => model.write_second(at, value),
            Page::Mdio => model.write_mdio(at, value),
        }
    }

    fn publish(&self) {
        fence(Ordering::SeqCst);
        self.shared.lock().publish();
    }

    fn observe(&self) {
        fence(Ordering::Acquire);
        self.shared.lock().observe();
    }
}

/// A delay in virtual time.
#[derive(Debug, Clone)]
pub struct SimDelay {
    shared: Arc<Shared>,
}

impl DelayNs for SimDelay {
    fn delay_ns(&mut self, ns: u32) {
        self.shared.lock().advance(ns.into());
    }
}

impl Model {
    /// A good frame arrives, without an allocation unless it has to be padded.
    pub fn receive_good(&mut self, frame: &[u8]) {
        if !self.link_up {
            return;
        }
        if frame.len() >= 60 {
            self.arrive(crate::receive::Incoming::plain(frame, Fcs::Right));
        } else {
            let mut padded = [0; 60];
            padded[..frame.len()].copy_from_slice(frame);
            self.arrive(crate::receive::Incoming::plain(&padded, Fcs::Right));
        }
        self.run_transmitter();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_shared<T: Send + Sync>(_: &T) {}

    #[test]
    fn handles_go_to_other_threads() {
        let sim = Sim::default();
        is_shared(&sim);
        is_shared(&sim.bus());
        is_shared(&sim.delay());
        is_shared(&sim.region(64));
        let other = sim.clone();
        std::thread::spawn(move || other.delay().delay_us(3)).join().unwrap();
        assert_eq!(sim.now_ns(), 3000);
    }
}
