//! Memory of either kind of device: huge pages, or what its driver in the kernel has set aside, for
//! silicon; the simulator's own memory for a model.
//!
//! It only chooses. What a region promises is kept by the kinds themselves.

use std::ptr::NonNull;

use etsec_core::{BusAddr, Region};

use crate::hugepage::HugeRegion;
use crate::uio_memory::UioRegion;

/// A region of either kind.
#[derive(Debug)]
pub enum AnyRegion {
    /// Huge pages.
    Huge(HugeRegion),
    /// Memory that came with a UIO device.
    Uio(UioRegion),
    /// Memory of a simulated device.
    #[cfg(feature = "sim")]
    Sim(crate::simulated::PlacedRegion),
    /// Memory of a simulated device of another process.
    #[cfg(feature = "sim")]
    Remote(crate::remote::PlacedRemote),
    /// Either of them, recorded.
    #[cfg(feature = "trace")]
    Recorded(Box<etsec_sim::trace::RecordedRegion<AnyRegion>>),
}

// SAFETY: each method passes on what the one region inside says, and that region keeps the promise.
unsafe impl Region for AnyRegion {
    fn cpu(&self) -> NonNull<u8> {
        match self {
            AnyRegion::Huge(region) => region.cpu(),
            AnyRegion::Uio(region) => region.cpu(),
            #[cfg(feature = "sim")]
            AnyRegion::Sim(placed) => placed.region.cpu(),
            #[cfg(feature = "sim")]
            AnyRegion::Remote(placed) => placed.region.cpu(),
            #[cfg(feature = "trace")]
            AnyRegion::Recorded(region) => region.cpu(),
        }
    }
    fn bus(&self) -> BusAddr {
        match self {
            AnyRegion::Huge(region) => region.bus(),
            AnyRegion::Uio(region) => region.bus(),
            #[cfg(feature = "sim")]
            AnyRegion::Sim(placed) => placed.region.bus(),
            #[cfg(feature = "sim")]
            AnyRegion::Remote(placed) => placed.region.bus(),
            #[cfg(feature = "trace")]
            AnyRegion::Recorded(region) => region.bus(),
        }
    }
    fn len(&self) -> usize {
        match self {
            AnyRegion::Huge(region) => region.len(),
            AnyRegion::Uio(region) => region.len(),
            #[cfg(feature = "sim")]
            AnyRegion::Sim(placed) => placed.region.len(),
            #[cfg(feature = "sim")]
            AnyRegion::Remote(placed) => placed.region.len(),
            #[cfg(feature = "trace")]
            AnyRegion::Recorded(region) => region.len(),
        }
    }
}
