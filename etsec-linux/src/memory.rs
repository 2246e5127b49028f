//! The memory under a device: where a region comes from, and how it goes back.
//!
//! It knows regions and when they may go. What is carved from one is the core's business.

use std::fmt;

use etsec_core::arena::partners;
use etsec_core::{Arena, Region};

use crate::adopt::NotAdopted;
use crate::adopt::left::{LeftMemory, left_in_uio, left_on_huge_pages};
use crate::bus::AnyBus;
use crate::error::Error;
use crate::hugepage::HugeRegion;
use crate::leftover;
use crate::mounts;
use crate::options::Options;
use crate::pagemap::Pagemap;
use crate::region::AnyRegion;
use crate::roots::Roots;
use crate::uio_memory::{UioMemory, UioRegion};

/// Where a device's memory comes from.
#[derive(Debug)]
pub(crate) enum Supply {
    /// Huge pages, as hardware needs.
    Huge,
    /// What the kernel's driver of the device has set aside.
    Uio(UioMemory),
    /// The model's memory; keeps the model alive.
    #[cfg(feature = "sim")]
    Sim(crate::simulated::Simulated),
    /// The memory of a model in another process.
    #[cfg(feature = "sim")]
    Remote(crate::remote::Remote),
}

impl Supply {
    /// A region of at least `bytes` for the device `name`, which has been stopped.
    pub(crate) fn region(
        &self,
        options: &Options,
        name: &str,
        bytes: usize,
    ) -> Result<AnyRegion, Error> {
        let region = self.plain_region(options, name, bytes)?;
        #[cfg(feature = "trace")]
        let region = region.recorded(options.trace.as_ref());
        Ok(region)
    }

    /// What the device `name` is found by from other processes; nothing, if it dies with this one.
    pub(crate) fn label(&self, name: &str) -> String {
        match self {
            Supply::Huge | Supply::Uio(_) => format!("uio:{name}"),
            #[cfg(feature = "sim")]
            Supply::Sim(_) => String::new(),
            #[cfg(feature = "sim")]
            Supply::Remote(remote) => remote.label(),
        }
    }

    /// The labels of devices whose buffers may be in what dead owners of the device `name` have
    /// left, and the other way round.
    pub(crate) fn partners(&self, roots: &Roots, name: &str) -> Result<Vec<String>, Error> {
        match self {
            Supply::Huge => leftover::partners(roots, name),
            // It may have had huge pages before it came to the module.
            Supply::Uio(memory) => {
                let mut partners = named_in(&memory.left()?);
                partners.extend(leftover::partners(roots, name)?);
                Ok(partners)
            }
            #[cfg(feature = "sim")]
            Supply::Sim(_) => Ok(Vec::new()),
            #[cfg(feature = "sim")]
            Supply::Remote(remote) => remote.partners(),
        }
    }

    /// Frees what dead owners of the device `name`, which has been stopped, have left.
    pub(crate) fn clear(&self, roots: &Roots, name: &str) -> Result<(), Error> {
        match self {
            Supply::Huge => sweep(roots, name),
            // What came with the device is the kernel's, and stays; but nothing is left in it.
            // Files of that name are from before.
            Supply::Uio(memory) => {
                memory.region(1)?;
                sweep(roots, name)
            }
            #[cfg(feature = "sim")]
            Supply::Sim(_) => Ok(()),
            #[cfg(feature = "sim")]
            Supply::Remote(remote) => remote.clear(),
        }
    }

    /// The memory in which a process before has left the controller of `page`.
    pub(crate) fn left(
        &self,
        options: &Options,
        name: &str,
        page: &AnyBus,
    ) -> Result<LeftMemory, NotAdopted> {
        let found = match self {
            Supply::Huge => left_on_huge_pages(&options.roots, name, page)?,
            Supply::Uio(memory) => left_in_uio(memory, name, page)?,
            #[cfg(feature = "sim")]
            Supply::Sim(_) => return Err(NotAdopted::Nothing),
            #[cfg(feature = "sim")]
            Supply::Remote(remote) => remote.left(page)?,
        };
        #[cfg(feature = "trace")]
        let found = LeftMemory { region: found.region.recorded(options.trace.as_ref()), ..found };
        Ok(found)
    }

    fn plain_region(
        &self,
        options: &Options,
        name: &str,
        bytes: usize,
    ) -> Result<AnyRegion, Error> {
        match self {
            Supply::Huge => {
                let roots = &options.roots;
                // Who may not have new memory does not lose the old.
                Pagemap::open(&roots.pagemap)?.check_shown()?;
                // The controller is quiet now, so nothing writes to what dead owners left.
                sweep(roots, name)?;
                let mount = mounts::choose(roots, bytes, options.page_size)?;
                let region = HugeRegion::create(roots, &mount, name, bytes)?;
                tell(name, &region);
                Ok(AnyRegion::Huge(region))
            }
            Supply::Uio(memory) => {
                let region = memory.region(bytes)?;
                sweep(&options.roots, name)?;
                tell_of_uio(name, &region);
                Ok(AnyRegion::Uio(region))
            }
            #[cfg(feature = "sim")]
            Supply::Sim(simulated) => Ok(AnyRegion::Sim(simulated.region(bytes)?)),
            #[cfg(feature = "sim")]
            Supply::Remote(remote) => Ok(AnyRegion::Remote(remote.region(bytes)?)),
        }
    }
}

/// The labels of devices whose buffers may be in a region. What is no region of this driver, and
/// of this version, names nobody.
pub(crate) fn named_in(region: &impl Region) -> Vec<String> {
    let partners = partners(region).unwrap_or_default();
    partners.into_iter().map(|partner| partner.name.as_str().to_owned()).collect()
}

fn sweep(roots: &Roots, name: &str) -> Result<(), Error> {
    for mount in mounts::hugetlbfs(roots)? {
        for path in leftover::sweep(&mount, name)? {
            log::info!("{name}: deleted {} of a dead owner", path.display());
        }
    }
    Ok(())
}

pub(crate) fn tell(name: &str, region: &HugeRegion) {
    let (len, page) = (region.len(), region.page_size());
    log::info!("{name}: memory: {len} bytes at {}, pages of {page}", region.bus());
}

pub(crate) fn tell_of_uio(name: &str, region: &UioRegion) {
    let (len, bus) = (region.len(), region.bus());
    log::info!("{name}: memory: {len} bytes at {bus}, that of its UIO device");
}

/// The memory of an open device.
///
/// Dropping it gives the region back if nothing of it is in use, and leaves it mapped otherwise.
pub struct Memory {
    arena: Arena<AnyRegion>,
    // Dropped after the arena.
    supply: Supply,
}

impl Memory {
    pub(crate) fn new(arena: Arena<AnyRegion>, supply: Supply) -> Self {
        Memory { arena, supply }
    }

    /// Takes it apart; whoever does keeps the region until nothing reaches it.
    pub(crate) fn into_parts(self) -> (Arena<AnyRegion>, Supply) {
        (self.arena, self.supply)
    }

    /// Frees what other dead owners of the device `name` have left, which has been taken over, so
    /// that its controller is in this memory and in no other.
    pub(crate) fn sweep_others(&self, roots: &Roots, name: &str) {
        if matches!(self.supply, Supply::Huge | Supply::Uio(_))
            && let Err(error) = sweep(roots, name)
        {
            log::warn!("{name}: {error}");
        }
    }

    /// Whether it may outlive this process.
    pub(crate) fn may_stay(&self) -> bool {
        !self.supply.label("").is_empty()
    }

    /// The rest of the region, for further rings.
    pub fn arena(&mut self) -> &mut Arena<AnyRegion> {
        &mut self.arena
    }

    /// The simulated device of this process that this memory belongs to; `None` for silicon, and
    /// for a model in another process.
    #[cfg(feature = "sim")]
    #[must_use]
    pub fn simulated(&self) -> Option<&crate::simulated::Simulated> {
        match &self.supply {
            Supply::Huge | Supply::Uio(_) | Supply::Remote(_) => None,
            Supply::Sim(simulated) => Some(simulated),
        }
    }

    /// Gives the region back to where it came from.
    ///
    /// # Errors
    /// The memory itself, while queues or buffers of it are in use.
    #[allow(clippy::result_large_err, reason = "the memory is given back")]
    pub fn retire(self) -> Result<(), Self> {
        let Memory { arena, supply } = self;
        match arena.retire() {
            Ok(_region) => Ok(()),
            Err(arena) => Err(Memory { arena, supply }),
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("arena", &self.arena).field("supply", &self.supply).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hugepage::tests::leave_beside;
    use crate::uio::tests::Tree;
    use crate::uio::{self, Uio};
    use crate::uio_memory;

    /// A tree with a mount, in which a dead process has left a file of `eth1` with buffers of
    /// another port.
    fn left() -> (Tree, std::path::PathBuf) {
        let tree = Tree::new();
        let huge = tree.root().join("huge");
        std::fs::create_dir(&huge).unwrap();
        let mount = format!("none {} hugetlbfs rw,pagesize=4096K 0 0\n", huge.display());
        std::fs::write(tree.roots.proc.join("mounts"), mount).unwrap();
        let path = huge.join("etsec-eth1-77");
        leave_beside(&tree.roots, &path, "uio:eth2");
        (tree, path)
    }

    #[test]
    fn a_port_that_has_memory_of_its_own_now_leaves_no_files_from_before() {
        let (tree, path) = left();
        let page = rustix::param::page_size() as u64;
        tree.device(0, "eth1");
        tree.map(0, 0, "regs", [0x2_5000, 0x1000, 0]);
        tree.map(0, 1, uio_memory::NAME, [0x40_0000, page, 0]);
        let supply = || {
            let device = uio::list(&tree.roots).unwrap().remove(0);
            let uio = Uio::open(&tree.roots, &device).unwrap();
            Supply::Uio(UioMemory::of(&uio).unwrap().unwrap())
        };
        // The other's rings may hold buffers of it all the same.
        assert_eq!(supply().partners(&tree.roots, "eth1").unwrap(), ["uio:eth2"]);
        let dev = tree.roots.dev.join("uio0");
        std::fs::write(&dev, vec![0x5A; 2 * page as usize]).unwrap();
        supply().clear(&tree.roots, "eth1").unwrap();
        assert!(!path.exists());
        assert!(std::fs::read(&dev).unwrap()[page as usize..].iter().all(|byte| *byte == 0));
        leave_beside(&tree.roots, &path, "uio:eth2");
        let options = Options { roots: tree.roots.clone(), ..Options::default() };
        supply().region(&options, "eth1", 64).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn what_was_left_goes_only_if_there_may_be_something_in_its_place() {
        let (tree, path) = left();
        let options = Options { roots: tree.roots.clone(), ..Options::default() };
        // This process is shown nothing of its pages.
        std::fs::write(&tree.roots.pagemap, "").unwrap();
        Supply::Huge.region(&options, "eth1", 4096).unwrap_err();
        assert!(path.exists());
    }
}
