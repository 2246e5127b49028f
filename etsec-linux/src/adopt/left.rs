//! Memory that a process has left: found, opened, and given up. Whether it is what this process
//! would have made is not asked here.

use std::path::Path;

use etsec_core::adopt::{receives_in, runs};
use etsec_core::arena::Adopted;
use etsec_core::{Arena, Region};

use super::NotAdopted;
use crate::bus::AnyBus;
use crate::error::Error;
use crate::hugepage::HugeRegion;
use crate::leftover;
use crate::memory::{tell, tell_of_uio};
use crate::region::AnyRegion;
use crate::roots::Roots;
use crate::uio_memory::UioMemory;

/// The number of no process, for memory that does not say whose it was.
pub(crate) const NOBODY_KNOWS: u32 = 0;

/// Memory that a process has left, and a device may be using.
pub(crate) struct LeftMemory {
    /// It may not be dropped before the device has been stopped.
    pub region: AnyRegion,
    /// The process that had it, or [`NOBODY_KNOWS`].
    pub pid: u32,
}

impl LeftMemory {
    /// What is in it.
    ///
    /// # Errors
    /// [`NotAdopted::Memory`], with the memory.
    #[allow(clippy::result_large_err, reason = "the memory is given back")]
    pub(crate) fn open(self) -> Result<Adopted<AnyRegion>, (AnyRegion, NotAdopted)> {
        // SAFETY: its process is dead, for its lock is ours, or its connection to the simulator
        // is; it was mapped here a moment ago, and nothing refers to it. That a pool's buffers are
        // made free once the rings have been taken over, or the device has been stopped, is what
        // `adopt` sees to.
        unsafe { Arena::adopt(self.region) }
            .map_err(|(region, source)| (region, NotAdopted::Memory(source)))
    }
}

/// Gives memory back that was opened in vain; the device has been stopped.
pub(crate) fn give_up(opened: Adopted<AnyRegion>) {
    // SAFETY: the callers have stopped the device.
    drop(unsafe { opened.give_up() });
}

/// The file of a dead owner in which the controller of `page` is.
pub(crate) fn left_on_huge_pages(
    roots: &Roots,
    name: &str,
    page: &AnyBus,
) -> Result<LeftMemory, NotAdopted> {
    left_in_files(roots, name, page, |path| HugeRegion::take_over(roots, path))
}

/// The same, of files that `take` takes over.
fn left_in_files(
    roots: &Roots,
    name: &str,
    page: &AnyBus,
    take: impl Fn(&Path) -> Result<HugeRegion, Error>,
) -> Result<LeftMemory, NotAdopted> {
    let found = leftover::list(roots).map_err(NotAdopted::unusable)?;
    let mut found: Vec<_> = found.into_iter().filter(|left| left.name == name).collect();
    if found.is_empty() {
        return Err(NotAdopted::Nothing);
    }
    if !runs(page) {
        return Err(NotAdopted::Still);
    }
    let mut why = NotAdopted::Elsewhere;
    for left in found.drain(..) {
        let mut region = match take(&left.path) {
            Ok(region) => region,
            Err(error) => {
                why = NotAdopted::unusable(error);
                continue;
            }
        };
        // Until the file is kept it stays, whatever becomes of the region.
        if receives_in(page, region.bus(), region.len()) {
            region.keep_as(name).map_err(NotAdopted::unusable)?;
            tell(name, &region);
            return Ok(LeftMemory { region: AnyRegion::Huge(region), pid: left.pid });
        }
    }
    Err(why)
}

/// The memory that came with a UIO device, if the controller of `page` is in it.
pub(crate) fn left_in_uio(
    memory: &UioMemory,
    name: &str,
    page: &AnyBus,
) -> Result<LeftMemory, NotAdopted> {
    // Whose driver was not told to keep it, has stopped it.
    if !runs(page) {
        return Err(NotAdopted::Nothing);
    }
    let region = memory.left().map_err(NotAdopted::unusable)?;
    if !receives_in(page, region.bus(), region.len()) {
        return Err(NotAdopted::Elsewhere);
    }
    tell_of_uio(name, &region);
    Ok(LeftMemory { region: AnyRegion::Uio(region), pid: NOBODY_KNOWS })
}

#[cfg(test)]
#[path = "left_tests.rs"]
mod tests;
