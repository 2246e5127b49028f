//! The register page of either kind of device, as one type that a program can choose at run time.
//!
//! It knows which kinds there are and nothing of registers.

use etsec_core::{Bus, Mmio};

/// A register page of silicon or of a model.
///
/// The data path meets the choice twice a burst, at the barrier and at the doorbell.
#[derive(Debug, Clone)]
pub enum AnyBus {
    /// A mapped page.
    Mmio(Mmio),
    /// A page of a simulated device of this process.
    #[cfg(feature = "sim")]
    Sim(etsec_sim::runner::RunnerBus),
    /// A page of a simulated device of another process.
    #[cfg(feature = "sim")]
    Remote(etsec_sim::remote::RemoteBus),
    /// Either of them, recorded.
    #[cfg(feature = "trace")]
    Recorded(Box<etsec_sim::trace::Recorded<AnyBus>>),
}

impl Bus for AnyBus {
    #[inline]
    fn read(&self, at: u16) -> u32 {
        match self {
            AnyBus::Mmio(bus) => bus.read(at),
            #[cfg(feature = "sim")]
            AnyBus::Sim(bus) => bus.read(at),
            #[cfg(feature = "sim")]
            AnyBus::Remote(bus) => bus.read(at),
            #[cfg(feature = "trace")]
            AnyBus::Recorded(bus) => bus.read(at),
        }
    }
    #[inline]
    fn write(&self, at: u16, value: u32) {
        match self {
            AnyBus::Mmio(bus) => bus.write(at, value),
            #[cfg(feature = "sim")]
            AnyBus::Sim(bus) => bus.write(at, value),
            #[cfg(feature = "sim")]
            AnyBus::Remote(bus) => bus.write(at, value),
            #[cfg(feature = "trace")]
            AnyBus::Recorded(bus) => bus.write(at, value),
        }
    }
    #[inline]
    fn publish(&self) {
        match self {
            AnyBus::Mmio(bus) => bus.publish(),
            #[cfg(feature = "sim")]
            AnyBus::Sim(bus) => bus.publish(),
            #[cfg(feature = "sim")]
            AnyBus::Remote(bus) => bus.publish(),
            #[cfg(feature = "trace")]
            AnyBus::Recorded(bus) => bus.publish(),
        }
    }
    #[inline]
    fn observe(&self) {
        match self {
            AnyBus::Mmio(bus) => bus.observe(),
            #[cfg(feature = "sim")]
            AnyBus::Sim(bus) => bus.observe(),
            #[cfg(feature = "sim")]
            AnyBus::Remote(bus) => bus.observe(),
            #[cfg(feature = "trace")]
            AnyBus::Recorded(bus) => bus.observe(),
        }
    }
}
