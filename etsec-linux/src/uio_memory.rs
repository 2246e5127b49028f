//! Memory for DMA that a UIO device brings along, as those of the kernel module `uio_etsec` do: a
//! map called `dma`, physically contiguous, that stays the kernel's whatever becomes of us.
//!
//! It knows maps and mappings. It knows neither rings nor registers.

use std::fs::File;
use std::ptr::NonNull;

use etsec_core::{BusAddr, Region};
use memmap2::{MmapOptions, MmapRaw};

use crate::error::{Error, io};
use crate::pagemap;
use crate::uio::{Uio, UioDevice, UioMap};

/// What such a map is called.
pub const NAME: &str = "dma";

/// The map of a device, if it has one.
#[must_use]
pub fn map_of(device: &UioDevice) -> Option<&UioMap> {
    device.maps.iter().find(|map| map.name == NAME)
}

/// The memory of an open UIO device, to be mapped when it is known how much is wanted.
#[derive(Debug)]
pub struct UioMemory {
    device: UioDevice,
    map: UioMap,
    file: File,
}

impl UioMemory {
    /// The memory that `uio` brings along; `None` if it brings none.
    ///
    /// # Errors
    /// What the system says about another descriptor of its file.
    pub fn of(uio: &Uio) -> Result<Option<Self>, Error> {
        let device = uio.device();
        let Some(map) = map_of(device) else { return Ok(None) };
        let file = uio.another().map_err(io("open", &device.dev))?;
        Ok(Some(UioMemory { device: device.clone(), map: map.clone(), file }))
    }

    /// Maps all of it and fills it with zeros. Only after the device has been stopped: until then
    /// it may write what a predecessor wanted.
    ///
    /// # Errors
    /// [`Error::SmallDmaMap`] if it holds less than `bytes`, [`Error::BadMap`], or
    /// [`Error::BeyondBus`] and [`Error::TwoWindows`] for addresses no device can be given; or what
    /// the system says.
    pub fn region(&self, bytes: usize) -> Result<UioRegion, Error> {
        let (device, map) = (&self.device, &self.map);
        let wanted = bytes as u64;
        if map.size < wanted {
            let (device, has) = (device.id.clone(), map.size / 1024);
            return Err(Error::SmallDmaMap { device, has, wanted: wanted.div_ceil(1024) });
        }
        let region = self.left()?;
        // SAFETY: the mapping has just been made, of that many bytes, and nobody else knows it. The
        // device has been stopped, so it writes nothing to the same memory.
        unsafe { region.map.as_mut_ptr().write_bytes(0, region.map.len()) };
        Ok(region)
    }

    /// Maps all of it as it is: what a predecessor may have left, with the device that uses it.
    ///
    /// # Errors
    /// As [`UioMemory::region`].
    pub fn left(&self) -> Result<UioRegion, Error> {
        let (device, map) = (&self.device, &self.map);
        let page = rustix::param::page_size();
        let len = usize::try_from(map.size).ok().filter(|len| len.is_multiple_of(page));
        let start = map.addr.is_multiple_of(page as u64) && map.offset == 0;
        let Some(len) = len.filter(|len| start && *len > 0) else {
            let (index, size, start) = (map.index, map.size, map.offset);
            let wanted = "whole pages of memory for DMA";
            return Err(Error::BadMap { device: device.id.clone(), index, size, start, wanted });
        };
        let bus = BusAddr::new(map.addr).ok_or(Error::BeyondBus { physical: map.addr })?;
        // It is one block, of a size of its own.
        let bus = pagemap::join(&[bus], len)?;
        let mut options = MmapOptions::new();
        options.len(len).offset((map.index * page) as u64);
        let map = options.map_raw(&self.file).map_err(io("map", &device.dev))?;
        Ok(UioRegion { map, bus })
    }
}

/// Memory of a UIO device, mapped into this process.
#[derive(Debug)]
pub struct UioRegion {
    map: MmapRaw,
    bus: BusAddr,
}

// SAFETY: the mapping is made once, readable and writable, and goes with this value. Who maps it
// owns the device, so nobody else uses it. The kernel has set it aside in one piece at the address
// it tells, does not move it, and gives it to nobody else before it has stopped the device. It
// maps it so that it is coherent with the device.
unsafe impl Region for UioRegion {
    fn cpu(&self) -> NonNull<u8> {
        // A mapping is never at address 0; the fallback only keeps this free of panics.
        NonNull::new(self.map.as_mut_ptr()).unwrap_or(NonNull::dangling())
    }
    fn bus(&self) -> BusAddr {
        self.bus
    }
    fn len(&self) -> usize {
        self.map.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    use crate::uio::tests::Tree;
    use crate::uio::{self};

    /// A device with registers and this map of memory behind them.
    fn device(at: [u64; 3]) -> (Tree, Uio) {
        let tree = Tree::new();
        tree.device(0, "eth0");
        tree.map(0, 0, "regs", [0xF_0000_0000, 0x1000, 0]);
        tree.map(0, 1, NAME, at);
        let devices = uio::list(&tree.roots).unwrap();
        let uio = Uio::open(&tree.roots, &devices[0]).unwrap();
        (tree, uio)
    }

    #[test]
    fn the_memory_is_where_the_kernel_says_and_has_no_past() {
        let page = rustix::param::page_size();
        let (tree, uio) = device([0x40_0000, 2 * page as u64, 0]);
        let file = std::fs::OpenOptions::new().write(true).open(&uio.device().dev).unwrap();
        let past = vec![7; 4 * page];
        file.write_all_at(&past, 0).unwrap();
        let region = UioMemory::of(&uio).unwrap().unwrap().region(page).unwrap();
        assert_eq!((region.bus().raw(), region.len()), (0x40_0000, 2 * page));
        // Map 1 begins at the second page of the file, and nothing beside it is touched.
        let mut bytes = vec![1; 4 * page];
        let file = File::open(tree.roots.dev.join("uio0")).unwrap();
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes[page..3 * page].iter().all(|byte| *byte == 0));
        assert!(bytes[..page].iter().chain(&bytes[3 * page..]).all(|byte| *byte == 7));
    }

    #[test]
    fn a_device_without_memory_has_none() {
        let tree = Tree::new();
        tree.device(0, "eth0");
        tree.map(0, 0, "regs", [0xF_0000_0000, 0x1000, 0]);
        let devices = uio::list(&tree.roots).unwrap();
        let uio = Uio::open(&tree.roots, &devices[0]).unwrap();
        assert!(UioMemory::of(&uio).unwrap().is_none());
    }

    #[test]
    fn what_does_not_do_is_refused_with_the_reason() {
        let page = rustix::param::page_size() as u64;
        let check = |at: [u64; 3], bytes: u64| {
            let (_tree, uio) = device(at);
            UioMemory::of(&uio).unwrap().unwrap().region(bytes as usize).unwrap_err()
        };
        let error = check([0x40_0000, page, 0], page + 1).to_string();
        assert!(error.contains("dma_kib=") && error.contains("uio0"), "{error}");
        for odd in [[0x40_0000, page + 1, 0], [0x40_0010, page, 0], [0x40_0000, page, 16]] {
            assert!(matches!(check(odd, 1), Error::BadMap { index: 1, .. }), "{odd:x?}");
        }
        let far = [0x10_0000_0000, page, 0];
        assert!(matches!(check(far, 1), Error::BeyondBus { .. }));
        let two = [0x1_0000_0000 - page, 2 * page, 0];
        assert!(matches!(check(two, 1), Error::TwoWindows { .. }));
    }
}
