//! What a scenario works on: an eTSEC with memory, a wire and interrupt lines, whoever has made it.

use embedded_hal::delay::DelayNs;
use etsec_core::{Bus, Region};
use etsec_sim::qemu::{Qemu, QemuDelay, QemuError, QemuRegion};
use etsec_sim::{Fcs, Line, Sim, SimBus, SimConfig, SimDelay, SimRegion, Switches, WireFrame};

use super::page::Page;

/// An eTSEC, as it is after power-on.
pub trait Device {
    /// Its registers.
    type Bus: Bus + Clone + std::fmt::Debug;
    /// Memory that it reaches.
    type Region: Region + std::fmt::Debug;
    /// Time, in which it lives.
    type Delay: DelayNs + std::fmt::Debug;

    /// The group 0 register page.
    fn bus(&self) -> Self::Bus;
    /// Memory of `len` bytes, below 4 GiB.
    fn region(&mut self, len: usize) -> Self::Region;
    /// A delay that is one for the device, too.
    fn delay(&self) -> Self::Delay;
    /// A good frame arrives: DA to payload, without FCS, and as long as it is.
    fn arrive(&mut self, frame: &[u8]);
    /// The device has had the time for all it can do.
    fn settle(&mut self);
    /// The next frame that has left: without FCS.
    fn left(&mut self) -> Option<Vec<u8>>;
    /// Takes a frame's bytes back when nobody wants them any more.
    fn done_with(&mut self, frame: Vec<u8>) {
        drop(frame);
    }
    /// The level of an interrupt line.
    fn line(&mut self, line: Line) -> bool;
    /// Stores bytes as a CPU does.
    fn store(&self, region: &mut Self::Region, offset: usize, bytes: &[u8]);
    /// Loads bytes as a CPU does.
    fn load(&self, region: &Self::Region, offset: usize, bytes: &mut [u8]);
    /// What is wrong, if something is: with the device, or with what was done to it.
    fn complaint(&mut self) -> Option<String>;
}

/// Our own model, its sanitizer on.
#[derive(Debug)]
pub struct Simulated(Sim);

impl Simulated {
    /// As the reference says silicon is.
    #[must_use]
    pub fn new() -> Self {
        Simulated::of(Switches::default())
    }

    /// With those switches.
    #[must_use]
    pub fn of(switches: Switches) -> Self {
        Simulated(sim(switches))
    }
}

impl Default for Simulated {
    fn default() -> Self {
        Simulated::new()
    }
}

/// A model with those switches.
pub(super) fn sim(switches: Switches) -> Sim {
    Sim::new(SimConfig { switches, ..SimConfig::default() })
}

/// Below this `Sim::receive` pads, as a sender does.
pub(super) const MIN: usize = 60;
/// Time enough for anything a model does by itself, in nanoseconds.
pub(super) const SETTLE_NS: u64 = 1_000_000;

impl Device for Simulated {
    type Bus = SimBus;
    type Region = SimRegion;
    type Delay = SimDelay;

    fn bus(&self) -> SimBus {
        self.0.bus()
    }
    fn region(&mut self, len: usize) -> SimRegion {
        self.0.region(len)
    }
    fn delay(&self) -> SimDelay {
        self.0.delay()
    }
    fn arrive(&mut self, frame: &[u8]) {
        if frame.len() < MIN {
            return self.0.receive_raw(WireFrame::exact(frame.to_vec(), Fcs::Right));
        }
        self.0.receive(frame);
    }
    fn settle(&mut self) {
        self.0.advance(SETTLE_NS);
    }
    fn left(&mut self) -> Option<Vec<u8>> {
        self.0.transmitted()
    }
    fn done_with(&mut self, frame: Vec<u8>) {
        self.0.recycle(frame);
    }
    fn line(&mut self, line: Line) -> bool {
        self.0.line(line)
    }
    fn store(&self, region: &mut SimRegion, offset: usize, bytes: &[u8]) {
        self.0.store(region, offset, bytes);
    }
    fn load(&self, region: &SimRegion, offset: usize, bytes: &mut [u8]) {
        self.0.load(region, offset, bytes);
    }
    fn complaint(&mut self) -> Option<String> {
        let violations = self.0.violations();
        let first = violations.first()?;
        Some(format!("{} DMA violations, the first: {first}", violations.len()))
    }
}

/// QEMU's eTSEC.
#[derive(Debug)]
pub struct Emulated {
    qemu: Qemu,
    led: bool,
}

impl Emulated {
    /// A machine of its own.
    ///
    /// # Errors
    /// What [`Qemu::start`] says.
    pub fn new() -> Result<Self, QemuError> {
        Ok(Emulated { qemu: Qemu::start()?, led: false })
    }

    /// The same, whose registers of transmit rings 1 to 7 are where the manual has them.
    ///
    /// # Errors
    /// As [`Emulated::new`].
    pub fn led() -> Result<Self, QemuError> {
        Ok(Emulated { led: true, ..Emulated::new()? })
    }
}

impl Device for Emulated {
    type Bus = Page;
    type Region = QemuRegion;
    type Delay = QemuDelay;

    fn bus(&self) -> Page {
        Page::new(self.qemu.bus(), self.led)
    }
    fn region(&mut self, len: usize) -> QemuRegion {
        self.qemu.region(len).unwrap_or_else(|why| panic!("{len} bytes: {why}"))
    }
    fn delay(&self) -> QemuDelay {
        self.qemu.delay()
    }
    fn arrive(&mut self, frame: &[u8]) {
        assert!(self.qemu.receive(frame), "QEMU takes no frame");
    }
    fn settle(&mut self) {
        // What it leaves on the wire is seen by what does not come.
        self.qemu.settle();
    }
    fn left(&mut self) -> Option<Vec<u8>> {
        self.qemu.transmitted()
    }
    fn line(&mut self, line: Line) -> bool {
        self.qemu.line(line)
    }
    fn store(&self, region: &mut QemuRegion, offset: usize, bytes: &[u8]) {
        self.qemu.store(region, offset, bytes);
    }
    fn load(&self, region: &QemuRegion, offset: usize, bytes: &mut [u8]) {
        self.qemu.load(region, offset, bytes);
    }
    fn complaint(&mut self) -> Option<String> {
        if self.qemu.is_alive() {
            return None;
        }
        Some(self.qemu.error().map_or("QEMU is gone".into(), |why| why.to_string()))
    }
}
