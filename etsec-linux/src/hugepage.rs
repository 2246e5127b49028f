//! Memory that the device can reach: huge pages, touched once, their physical address looked up
//! once.
//!
//! A region is a file on hugetlbfs with an owner record (its name and a lock), not anonymous
//! memory: the pages of a killed process stay with the file until somebody has stopped the device,
//! instead of going back to the kernel under a running DMA engine. This file knows neither rings
//! nor registers.

use std::ffi::CString;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use etsec_core::{BusAddr, Region};
use memmap2::{MmapOptions, MmapRaw};

use crate::error::{Error, io, system};
use crate::mounts::Mount;
use crate::pagemap::{self, Pagemap};
use crate::roots::Roots;
use crate::{lock, sys};

/// A physically contiguous block of huge pages, mapped into this process; zeroed when it is created
/// here.
///
/// Dropping it unmaps it and deletes its file. Whoever gives it to a device drops it only after the
/// device has stopped; etsec-core's arena sees to that by handing it back from `retire` alone.
pub struct HugeRegion {
    // Fields are dropped in this order: the mapping goes before the file.
    map: MmapRaw,
    bus: BusAddr,
    page_size: usize,
    record: Record,
}

/// What kind of file a region accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backing {
    /// Huge pages only: what hardware needs.
    Huge,
    /// Any file, taken as pages of this many bytes, so that tests run on machines without huge
    /// pages.
    #[cfg(test)]
    Any(usize),
}

impl HugeRegion {
    /// Makes a region of at least `bytes` on `mount`, for the owner `name`; the length is rounded
    /// up to whole pages.
    ///
    /// The file is called `etsec-NAME-PID` and stays locked as long as the region lives.
    ///
    /// # Errors
    /// [`Error::NotHugePages`], [`Error::TooFewPages`], [`Error::FrameHidden`],
    /// [`Error::NotContiguous`], [`Error::TwoWindows`], [`Error::EmptyRegion`], or what the system
    /// says about the file.
    pub fn create(roots: &Roots, mount: &Mount, name: &str, bytes: usize) -> Result<Self, Error> {
        let record = Record::create(roots, mount, name)?;
        Self::build(roots, record, Some(bytes), Backing::Huge)
    }

    /// Makes a region of a whole memfd of huge pages, usually made by a process that keeps it open
    /// for as long as the device may write to it. Its content stays as it is.
    ///
    /// # Errors
    /// As [`HugeRegion::create`].
    ///
    /// # Safety
    /// As long as the region lives nobody else changes the length of the file, or touches its bytes
    /// other than as the device or as part of the same driver.
    pub unsafe fn from_memfd(roots: &Roots, memfd: OwnedFd) -> Result<Self, Error> {
        let record = Record { file: memfd.into(), path: "the memfd".into(), delete: false };
        Self::build(roots, record, None, Backing::Huge)
    }

    /// Makes a region of the file at `path`, which a dead owner has left. Its content stays as it
    /// is, and so does the file when the region is dropped, until it is [kept](Self::keep_as).
    ///
    /// # Errors
    /// [`Error::Busy`] if its owner lives; as [`HugeRegion::create`].
    pub fn take_over(roots: &Roots, path: &Path) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(path).map_err(io("open", path))?;
        let record = Record { file, path: path.into(), delete: false };
        lock::acquire(roots, &record.file, path, "the memory")?;
        Self::build(roots, record, None, Backing::Huge)
    }

    /// Makes the file of a region that was taken over this process's own, as one that it has
    /// [created](Self::create) for `name`.
    ///
    /// # Errors
    /// If all names for such a file are taken, or what the system says; all is as before then.
    pub fn keep_as(&mut self, name: &str) -> Result<(), Error> {
        let old = &self.record.path;
        let mut names = own_names(name)?.map(|own| old.with_file_name(own));
        // A dead process may have had our number.
        let path = names.find(|path| path == old || !path.exists());
        let path = path.ok_or_else(|| io("rename", old)(ErrorKind::AlreadyExists.into()))?;
        if path != *old {
            std::fs::rename(old, &path).map_err(io("rename", old))?;
        }
        (self.record.path, self.record.delete) = (path, true);
        Ok(())
    }

    /// Where its file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.record.path
    }

    /// Bytes in one of its pages.
    #[must_use]
    pub fn page_size(&self) -> usize {
        self.page_size
    }

    /// Maps, touches and looks up the file of `record`; sets its length first if `bytes` is given.
    fn build(
        roots: &Roots,
        record: Record,
        bytes: Option<usize>,
        backing: Backing,
    ) -> Result<Self, Error> {
        let pagemap = Pagemap::open(&roots.pagemap)?;
        let page_size = page_size_of(&record, backing)?;
        let length = match bytes {
            Some(bytes) => record.set_length(bytes, page_size)?,
            None => record.length(page_size)?,
        };
        let map = map(&record, length, page_size)?;
        let bus = locate(&pagemap, &map, page_size)?;
        Ok(HugeRegion { map, bus, page_size, record })
    }
}

impl fmt::Debug for HugeRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HugeRegion")
            .field("bus", &self.bus)
            .field("len", &self.map.len())
            .field("page_size", &self.page_size)
            .field("path", &self.record.path)
            .finish_non_exhaustive()
    }
}

// SAFETY: the mapping is made once, readable and writable, with the length of the file, and goes
// with this value. The file is locked and its name is this process's own, so nobody else uses it
// (or the caller of `from_memfd` promised as much); fresh pages are zeroed. `locate` asked the
// kernel for the address of every page and found them in a row; huge pages are neither moved nor
// swapped while mapped. The SoCs with an eTSEC keep DMA coherent (HW 3.19, snooping).
unsafe impl Region for HugeRegion {
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

/// A file of memory that is looked at, whoever has it: it is mapped for reading, neither locked nor
/// deleted, and where a device finds it is not asked for. So no privilege is needed but to read it.
pub(crate) struct Glance {
    map: MmapRaw,
}

impl Glance {
    /// Looks at the file at `path`; `None` if there is none, or nothing in it.
    ///
    /// # Errors
    /// What the system says. Then there may be anything in it.
    pub(crate) fn at(path: &Path) -> Result<Option<Self>, Error> {
        let file = match File::open(path) {
            Ok(file) => file,
            // Its owner has just ended.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io("open", path)(error)),
        };
        let data = file.metadata().map_err(io("examine", path))?;
        if !data.is_file() || data.len() == 0 {
            return Ok(None);
        }
        let map = MmapOptions::new().map_raw_read_only(&file).map_err(io("map", path))?;
        Ok(Some(Glance { map }))
    }
}

// SAFETY: this is for who only reads words and gives them to no device: the mapping is made once,
// with the length of the file, and goes with this value. Others may write to it meanwhile, as to
// all that a device shares. Its address on the bus is none that any device is told.
unsafe impl Region for Glance {
    fn cpu(&self) -> NonNull<u8> {
        // As for `HugeRegion`.
        NonNull::new(self.map.as_mut_ptr()).unwrap_or(NonNull::dangling())
    }
    fn bus(&self) -> BusAddr {
        BusAddr::default()
    }
    fn len(&self) -> usize {
        self.map.len()
    }
}

/// Makes a memfd of `bytes` (rounded up) in huge pages of `page_size` bytes, to be held by one
/// process and handed to another's [`HugeRegion::from_memfd`].
///
/// # Errors
/// What the system says, for example that it has no pages of that size.
pub fn make_memfd(name: &str, bytes: usize, page_size: usize) -> Result<OwnedFd, Error> {
    let name = CString::new(name).map_err(|_| bad_name(name))?;
    if !page_size.is_power_of_two() {
        return Err(Error::OutOfRange {
            what: "size of a huge page in bytes",
            value: page_size.to_string(),
            range: "a power of two".into(),
        });
    }
    let memfd = sys::huge_memfd(&name, page_size).map_err(system("make a memfd of huge pages"))?;
    let record = Record { file: memfd.into(), path: "the memfd".into(), delete: false };
    record.set_length(bytes, page_size)?;
    // The record deletes nothing, so giving up its file is all there is to taking it apart.
    record.file.try_clone().map(OwnedFd::from).map_err(system("duplicate a memfd"))
}

/// An open file, and whether it is deleted with this value.
struct Record {
    file: File,
    path: PathBuf,
    delete: bool,
}

impl Record {
    fn create(roots: &Roots, mount: &Mount, name: &str) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        // Frames of whoever uses the port are in it, so it is for its owner alone.
        options.read(true).write(true).create_new(true).mode(0o600);
        let mut taken = io("create", &mount.path)(ErrorKind::AlreadyExists.into());
        for own in own_names(name)? {
            let path = mount.path.join(own);
            match options.open(&path) {
                Ok(file) => {
                    let record = Record { file, path, delete: true };
                    lock::acquire(roots, &record.file, &record.path, name)?;
                    return Ok(record);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    taken = io("create", &path)(error);
                }
                Err(error) => return Err(io("create", &path)(error)),
            }
        }
        Err(taken)
    }

    /// Gives the file room for `bytes` in whole pages; returns the length.
    fn set_length(&self, bytes: usize, page_size: usize) -> Result<usize, Error> {
        let length = bytes.checked_next_multiple_of(page_size);
        let length = length.filter(|length| *length <= isize::MAX as usize).ok_or_else(|| {
            let range = format!("at most {}", isize::MAX as usize / page_size * page_size);
            Error::OutOfRange { what: "size of a region in bytes", value: bytes.to_string(), range }
        })?;
        self.file.set_len(length as u64).map_err(io("set the length of", &self.path))?;
        Ok(length)
    }

    /// The length the file has, which must be whole pages.
    fn length(&self, page_size: usize) -> Result<usize, Error> {
        let length = self.file.metadata().map_err(io("examine", &self.path))?.len();
        let whole = |length: &usize| *length > 0 && length.is_multiple_of(page_size);
        let whole = usize::try_from(length).ok().filter(whole);
        whole.ok_or_else(|| Error::OutOfRange {
            what: "length of memory in a file in bytes",
            value: length.to_string(),
            range: format!("a multiple of {page_size} and more than 0"),
        })
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // A file that cannot be deleted is a leftover, which the next start finds.
        if self.delete
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            log::warn!("cannot delete {}: {error}", self.path.display());
        }
    }
}

/// How the files of the owner `name` begin; its number comes behind.
pub(crate) fn record_prefix(name: &str) -> Result<String, Error> {
    if name.is_empty() || name.contains(['/', '\0']) {
        return Err(bad_name(name));
    }
    Ok(format!("etsec-{name}-"))
}

/// What a file of this process's own may be called that is the owner `name`'s, the usual name
/// first. Memory of this process that has to stay mapped, because somebody has a buffer of it,
/// keeps its name; the next one's number has zeros in front.
fn own_names(name: &str) -> Result<impl Iterator<Item = String>, Error> {
    let (prefix, number) = (record_prefix(name)?, std::process::id());
    Ok((0..OWN_NAMES).map(move |zeros| format!("{prefix}{}{number}", "0".repeat(zeros))))
}

/// So many regions of one owner may have stayed mapped.
const OWN_NAMES: usize = 16;

fn bad_name(name: &str) -> Error {
    Error::BadName { text: name.into(), why: "it cannot be part of a file name".into() }
}

fn page_size_of(record: &Record, backing: Backing) -> Result<usize, Error> {
    match backing {
        Backing::Huge => {
            let system = sys::file_system(&record.file).map_err(io("examine", &record.path))?;
            if !system.huge || !system.block_size.is_power_of_two() {
                return Err(Error::NotHugePages { path: record.path.clone() });
            }
            Ok(system.block_size)
        }
        #[cfg(test)]
        Backing::Any(page_size) => Ok(page_size),
    }
}

/// Maps the file and touches each page, so that every one is there before the first address is
/// asked for.
fn map(record: &Record, length: usize, page_size: usize) -> Result<MmapRaw, Error> {
    if length == 0 {
        return Err(Error::EmptyRegion);
    }
    // Without MAP_NORESERVE the kernel sets the pages aside here, so too few of them is an error
    // now and no signal later. MAP_POPULATE is left alone: it crashes some e500 kernels.
    let map = MmapOptions::new().len(length).map_raw(&record.file).map_err(|source| {
        let pages = length / page_size;
        Error::TooFewPages { pages, page_size, path: record.path.clone(), source }
    })?;
    for offset in (0..length).step_by(page_size) {
        let first = map.as_ptr().wrapping_add(offset);
        // SAFETY: `first` lies inside the mapping. It is only read, for a device that a dead owner
        // has left may be writing there; that is enough for the page to be there.
        let _ = unsafe { first.read_volatile() };
    }
    Ok(map)
}

/// Looks up the physical address of each page once, and joins them.
fn locate(pagemap: &Pagemap, map: &MmapRaw, page_size: usize) -> Result<BusAddr, Error> {
    let start = map.as_ptr() as usize;
    let pages = (0..map.len()).step_by(page_size).map(|offset| pagemap.translate(start + offset));
    pagemap::join(&pages.collect::<Result<Vec<_>, _>>()?, page_size)
}

#[cfg(test)]
#[path = "hugepage_tests.rs"]
pub(crate) mod tests;
