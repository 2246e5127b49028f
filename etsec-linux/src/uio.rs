//! UIO devices of the kernel: found by name, their registers mapped, their interrupts waited for.
//!
//! It knows what `/sys/class/uio` and `/dev/uioN` look like. It does not know what a register
//! means, nor that three such devices may be one MAC (see `port`).

use std::fs::{File, OpenOptions};
use std::io::{self as stdio, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use etsec_core::Mmio;
use memmap2::{MmapOptions, MmapRaw};
use rustix::io::Errno;

use crate::error::{Error, io};
use crate::lock;
use crate::names;
use crate::observer::UioObserver;
use crate::platform::ETSEC_DRIVER;
use crate::roots::{Roots, read_number, read_text};

/// A UIO device as sysfs describes it; nothing is open yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UioDevice {
    /// Its kernel name, such as `uio0`. The number is not stable: devices are told apart by `name`.
    pub id: String,
    /// Its given name: the `linux,uio-name` of its device-tree node, else the node's name.
    pub name: String,
    /// Its memory maps in the order of their numbers.
    pub maps: Vec<UioMap>,
    /// Its directory in sysfs.
    pub sys: PathBuf,
    /// Its device file.
    pub dev: PathBuf,
}

/// One memory map of a UIO device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UioMap {
    /// Its number, which selects it in `mmap`.
    pub index: usize,
    /// Its name (`reg-names` of the device tree), empty if it has none.
    pub name: String,
    /// Physical address.
    pub addr: u64,
    /// Length in bytes.
    pub size: u64,
    /// Where in the first page it starts.
    pub offset: u64,
}

impl UioDevice {
    /// Whether its driver hands on all interrupts of its node, where UIO's own takes the first.
    #[must_use]
    pub fn has_all_lines(&self) -> bool {
        let driver = std::fs::read_link(self.sys.join("device/driver"));
        driver.is_ok_and(|driver| driver.file_name().is_some_and(|name| name == ETSEC_DRIVER))
    }
}

impl UioMap {
    /// Where in the mapped pages the map starts: newer kernels say so in `offset`, older ones leave
    /// it in the address.
    fn start(&self) -> u64 {
        let page = rustix::param::page_size() as u64;
        if self.offset != 0 { self.offset } else { self.addr % page }
    }
}

/// All UIO devices, in the order of their numbers. None where the kernel has no UIO.
///
/// # Errors
/// What the system says about their attributes.
pub fn list(roots: &Roots) -> Result<Vec<UioDevice>, Error> {
    let class = roots.uio_class();
    let entries = match std::fs::read_dir(&class) {
        Ok(entries) => entries,
        Err(error) if error.kind() == stdio::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io("list", &class)(error)),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.map_err(io("list", &class))?.file_name();
        numbers
            .extend(name.to_str().and_then(|name| name.strip_prefix("uio")?.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    numbers.into_iter().map(|number| describe(roots, &format!("uio{number}"))).collect()
}

fn describe(roots: &Roots, id: &str) -> Result<UioDevice, Error> {
    let sys = roots.uio_class().join(id);
    let mut maps = Vec::new();
    loop {
        let dir = sys.join("maps").join(format!("map{}", maps.len()));
        if !dir.is_dir() {
            break;
        }
        maps.push(UioMap {
            index: maps.len(),
            // Kernels print the name of a map without one as nothing or "(null)"; neither is looked
            // for.
            name: read_text(&dir.join("name")).unwrap_or_default(),
            addr: read_number(&dir.join("addr"))?,
            size: read_number(&dir.join("size"))?,
            offset: read_number(&dir.join("offset")).unwrap_or(0),
        });
    }
    let name = read_text(&sys.join("name"))?;
    Ok(UioDevice { id: id.into(), name, maps, dev: roots.dev.join(id), sys })
}

/// The one device called `name`, or none.
///
/// # Errors
/// [`Error::AmbiguousName`] if there are two.
pub fn find<'a>(devices: &'a [UioDevice], name: &str) -> Result<Option<&'a UioDevice>, Error> {
    names::find_one(devices, name, |device| &device.name, |device| &device.id)
}

/// Opens the file of `device` for nothing but to keep it open, beside its owner.
///
/// # Errors
/// What the system says.
pub fn hold(device: &UioDevice) -> Result<File, Error> {
    File::open(&device.dev).map_err(io("open", &device.dev))
}

/// An open UIO device: its interrupt, and the door to its memory maps.
#[derive(Debug)]
pub struct Uio {
    device: UioDevice,
    file: File,
    /// Interrupts counted so far by the kernel, as far as they were taken.
    taken: u32,
    /// Whether this is the device's one owner.
    exclusive: bool,
    /// Whether registers are mapped for writing too.
    writes: bool,
}

impl Uio {
    /// Opens `device` and becomes its only owner in this sense: a second [`Uio::open`] anywhere is
    /// refused.
    ///
    /// # Errors
    /// [`Error::Busy`] if another owner has it, or what the system says.
    pub fn open(roots: &Roots, device: &UioDevice) -> Result<Self, Error> {
        let mut uio = Self::open_shared(device)?;
        let what = format!("{} '{}'", device.id, device.name);
        lock::acquire(roots, &uio.file, &device.dev, &what)?;
        uio.exclusive = true;
        Ok(uio)
    }

    /// Opens `device` beside others, as is right for MDIO registers that several MACs use.
    ///
    /// # Errors
    /// What the system says.
    pub fn open_shared(device: &UioDevice) -> Result<Self, Error> {
        Self::open_as(device, true)
    }

    /// Opens `device` to look at it: beside its owner, and without any way to write to it.
    ///
    /// # Errors
    /// What the system says.
    pub fn open_observer(device: &UioDevice) -> Result<UioObserver, Error> {
        Ok(UioObserver::new(Self::open_as(device, false)?))
    }

    fn open_as(device: &UioDevice, writes: bool) -> Result<Self, Error> {
        // The standard library opens close-on-exec.
        let mut options = OpenOptions::new();
        let file = options.read(true).write(writes).open(&device.dev);
        let file = file.map_err(|error| match error.kind() {
            _ if !device.sys.exists() => removed(device),
            stdio::ErrorKind::NotFound => Error::NoDeviceFile { path: device.dev.clone() },
            _ => io("open", &device.dev)(error),
        })?;
        // Interrupts from before are not news. Without the attribute the first wait counts them
        // too, which is harmless.
        let taken = read_number(&device.sys.join("event")).unwrap_or(0) as u32;
        Ok(Uio { device: device.clone(), file, taken, exclusive: false, writes })
    }

    /// What sysfs says of it.
    #[must_use]
    pub fn device(&self) -> &UioDevice {
        &self.device
    }

    /// Another descriptor of the same open file.
    pub(crate) fn another(&self) -> stdio::Result<File> {
        self.file.try_clone()
    }

    /// Waits for an interrupt and takes it; returns how many came since the last one taken, at
    /// least 1.
    ///
    /// The kernel has disabled the interrupt by then; [`Uio::enable`] lets the next one through. It
    /// blocks without limit: poll the descriptor first where that matters.
    ///
    /// # Errors
    /// [`Error::NoInterrupt`] if the device has none, [`Error::Removed`] if its driver has let go
    /// of it, or what the system says.
    pub fn wait(&mut self) -> Result<u32, Error> {
        let mut count = [0; 4];
        (&self.file).read_exact(&mut count).map_err(|error| self.interrupt_error("read", error))?;
        let count = u32::from_ne_bytes(count);
        // The kernel's counter wraps, and so does this difference.
        let news = count.wrapping_sub(self.taken);
        self.taken = count;
        Ok(news.max(1))
    }

    /// Lets the next interrupt through. All openers of the device share this switch.
    ///
    /// # Errors
    /// [`Error::NoInterrupt`] if the device has none, [`Error::Removed`] if its driver has let go
    /// of it, or what the system says.
    pub fn enable(&self) -> Result<(), Error> {
        self.order().map_err(|error| self.interrupt_error("write", error.into()))
    }

    /// Tells UIO to let interrupts through. It takes four bytes at once and nothing else.
    fn order(&self) -> Result<(), Errno> {
        rustix::io::write(&self.file, &1u32.to_ne_bytes()).map(drop)
    }

    fn interrupt_error(&self, doing: &'static str, error: stdio::Error) -> Error {
        match Errno::from_io_error(&error) {
            Some(Errno::IO | Errno::INVAL) if self.is_gone() => removed(&self.device),
            // UIO answers EIO where there is no interrupt, ENOSYS to a write where it cannot be
            // switched.
            Some(Errno::IO | Errno::NOSYS) => Error::NoInterrupt { device: self.device.id.clone() },
            _ => io(doing, &self.device.dev)(error),
        }
    }

    /// Whether the driver has let go of the device. UIO wakes those who wait before it takes the
    /// device out of sysfs, and says EINVAL to any order from then on.
    fn is_gone(&self) -> bool {
        self.order() == Err(Errno::INVAL) || !self.device.sys.exists()
    }

    /// Maps the register page in map `index`.
    ///
    /// # Errors
    /// [`Error::NoMap`] if there is no such map, [`Error::BadMap`] if it holds no whole page of
    /// registers.
    pub fn registers(&self, index: usize) -> Result<Page, Error> {
        let map = self.device.maps.get(index);
        let map = map.ok_or_else(|| self.no_map("register map"))?;
        if map.size < Mmio::SIZE as u64 {
            return Err(self.bad_map(map, "page of eTSEC registers (4096 bytes)"));
        }
        self.page(map, map.start(), "page of eTSEC registers (4096 bytes)")
    }

    /// Maps the page around the MII management registers in map `index`, which is either the whole
    /// page or, as in many device trees, just the 32 bytes at 0x520 (HW 16.1).
    ///
    /// # Errors
    /// As [`Uio::registers`].
    pub fn mdio(&self, index: usize) -> Result<Page, Error> {
        let map = self.device.maps.get(index);
        let map = map.ok_or_else(|| self.no_map("map named 'mdio'"))?;
        let wanted = "MII management registers (offset 0x520, 0x20 bytes)";
        let start = map.start();
        // HW 1.1: the registers take 0x520 to 0x533 of a page that is aligned to its size.
        let (in_page, page) = (start % Mmio::SIZE as u64, start - start % Mmio::SIZE as u64);
        let fits = match in_page {
            0 => map.size >= Mmio::SIZE as u64,
            0x520 => map.size >= 0x14,
            _ => false,
        };
        if fits { self.page(map, page, wanted) } else { Err(self.bad_map(map, wanted)) }
    }

    /// Number of the map called `name`.
    #[must_use]
    pub fn map_named(&self, name: &str) -> Option<usize> {
        self.device.maps.iter().position(|map| map.name == name)
    }

    /// Physical address of the register page that map `index` is, or lies in; 0 if there is no such
    /// map.
    #[must_use]
    pub fn address(&self, index: usize) -> u64 {
        let map = self.device.maps.get(index);
        // Newer kernels give the address of the kernel's page and the offset in it, older ones the
        // sum.
        let at = map.map_or(0, |map| {
            let page = rustix::param::page_size() as u64;
            (map.addr - map.addr % page).saturating_add(map.start())
        });
        at - at % Mmio::SIZE as u64
    }

    fn page(&self, map: &UioMap, start: u64, wanted: &'static str) -> Result<Page, Error> {
        let page_size = rustix::param::page_size();
        // Whole kernel pages are mapped, so what lies around a map smaller than a page is reachable
        // too.
        let whole = |start: u64, size: u64| {
            start.checked_add(size)?.checked_next_multiple_of(page_size as u64)
        };
        let length = whole(start, Mmio::SIZE as u64);
        let mapped = whole(map.start(), map.size);
        let offset = map.index.checked_mul(page_size);
        let (Some(length), Some(mapped), Some(offset)) = (length, mapped, offset) else {
            return Err(self.bad_map(map, wanted));
        };
        if length > mapped || !start.is_multiple_of(4) {
            return Err(self.bad_map(map, wanted));
        }
        let mut options = MmapOptions::new();
        options.len(length as usize).offset(offset as u64);
        let memory = match self.writes {
            true => options.map_raw(&self.file),
            false => options.map_raw_read_only(&self.file),
        };
        let memory = memory.map_err(|error| match self.device.sys.exists() {
            true => io("map", &self.device.dev)(error),
            false => removed(&self.device),
        })?;
        Ok(Page { memory, start: start as usize })
    }

    fn no_map(&self, map: &'static str) -> Error {
        Error::NoMap { device: self.device.id.clone(), map }
    }

    fn bad_map(&self, map: &UioMap, wanted: &'static str) -> Error {
        let (device, index) = (self.device.id.clone(), map.index);
        Error::BadMap { device, index, size: map.size, start: map.start(), wanted }
    }
}

fn removed(device: &UioDevice) -> Error {
    Error::Removed { device: device.id.clone(), name: device.name.clone() }
}

impl Drop for Uio {
    fn drop(&mut self) {
        // Closing alone would not do: mappings of the file keep it open.
        if self.exclusive {
            lock::release(&self.file);
        }
    }
}

impl AsFd for Uio {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A mapped page of registers.
#[derive(Debug)]
pub struct Page {
    memory: MmapRaw,
    start: usize,
}

impl Page {
    /// The page as a bus, for as long as the process lives: the mapping is never taken back,
    /// because copies of the bus go to queues in any thread.
    #[must_use]
    pub fn into_bus(self) -> Mmio {
        let base = self.memory.as_mut_ptr().wrapping_add(self.start);
        // The mapping stays; giving it back while some queue still rings its bell would be unsound.
        std::mem::forget(self.memory);
        // SAFETY: `Uio::page` mapped at least a whole register page behind `start`, which is a
        // multiple of 4, from a device file; UIO maps device memory uncached. The mapping was just
        // made permanent. A page that may only be read stays inside `UioObserver`'s bus, which
        // never writes. Copies stay inside this crate's devices, whose users are as trusted as
        // the kernel (design of the process: it owns the MAC).
        unsafe { Mmio::new(base.cast()) }
    }
}

#[cfg(test)]
#[path = "uio_tests.rs"]
pub(crate) mod tests;
