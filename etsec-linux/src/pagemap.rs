//! Physical addresses of this process's pages, from the kernel's page map.
//!
//! It turns virtual into physical addresses, and judges whether a run of pages is one block the
//! device can use. It knows neither huge pages nor devices.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use etsec_core::BusAddr;

use crate::error::{Error, io};

/// An open page map.
#[derive(Debug)]
pub struct Pagemap {
    file: File,
    path: PathBuf,
    base_page: usize,
}

// The fields of a page map entry (Linux, admin-guide/mm/pagemap).
const PRESENT: u64 = 1 << 63;
const FRAME_MASK: u64 = (1 << 55) - 1;
const ENTRY_BYTES: u64 = 8;

impl Pagemap {
    /// Opens the page map at `path`.
    ///
    /// # Errors
    /// [`Error::NoPagemap`] if the kernel has none, or what the system says.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::NoPagemap { path: path.into() },
            _ => io("open", path)(error),
        })?;
        Ok(Pagemap { file, path: path.into(), base_page: rustix::param::page_size() })
    }

    /// Sees that this process is shown physical addresses at all.
    ///
    /// # Errors
    /// [`Error::FrameHidden`] without the privilege, or what the system says.
    pub fn check_shown(&self) -> Result<(), Error> {
        // Any page that is there will do.
        let byte = std::hint::black_box(0_u8);
        match self.translate(&raw const byte as usize) {
            // Where no device reaches it matters only for memory of one.
            Ok(_) | Err(Error::BeyondBus { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The physical address of the byte at virtual address `at`, whose page must have been touched.
    ///
    /// # Errors
    /// [`Error::FrameHidden`] if the kernel shows frame number 0, as it does without the privilege,
    /// [`Error::PageAbsent`] if no page is there, [`Error::BeyondBus`] if the device cannot form
    /// the address.
    pub fn translate(&self, at: usize) -> Result<BusAddr, Error> {
        let mut entry = [0; ENTRY_BYTES as usize];
        let index = (at / self.base_page) as u64;
        self.file.read_exact_at(&mut entry, index * ENTRY_BYTES).map_err(io("read", &self.path))?;
        let entry = u64::from_ne_bytes(entry);
        if entry & PRESENT == 0 {
            return Err(Error::PageAbsent { at });
        }
        let frame = entry & FRAME_MASK;
        if frame == 0 {
            return Err(Error::FrameHidden { path: self.path.clone() });
        }
        let physical = frame * self.base_page as u64 + (at % self.base_page) as u64;
        BusAddr::new(physical).ok_or(Error::BeyondBus { physical })
    }
}

/// The address of the whole block made of `pages` of `page_size` bytes each, in the order of their
/// virtual addresses.
///
/// # Errors
/// [`Error::NotContiguous`] at the first page that does not follow the one before,
/// [`Error::TwoWindows`] if the block crosses a 4 GiB boundary: one high register serves a whole
/// block (HW 4.5).
pub fn join(pages: &[BusAddr], page_size: usize) -> Result<BusAddr, Error> {
    let first = *pages.first().ok_or(Error::EmptyRegion)?;
    let page_bytes = page_size as u64;
    for (index, pair) in pages.windows(2).enumerate() {
        if pair[0].checked_add(page_bytes) != Some(pair[1]) {
            let (page, before, after) = (index + 1, pair[0], pair[1]);
            return Err(Error::NotContiguous { page, before, after, page_size });
        }
    }
    let bytes = page_bytes * pages.len() as u64;
    let last = first.raw() + bytes - 1;
    match BusAddr::new(last) {
        None => Err(Error::BeyondBus { physical: last }),
        Some(last) if last.window() != first.window() => Err(Error::TwoWindows { first, last }),
        Some(_) => Ok(first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page map whose entries from virtual address `at` on are `entries`.
    fn fake(at: usize, entries: &[u64]) -> (tempfile::NamedTempFile, Pagemap) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let first = (at / rustix::param::page_size()) as u64;
        for (i, entry) in entries.iter().enumerate() {
            let offset = (first + i as u64) * ENTRY_BYTES;
            file.as_file().write_all_at(&entry.to_ne_bytes(), offset).unwrap();
        }
        let map = Pagemap::open(file.path()).unwrap();
        (file, map)
    }

    fn addr(raw: u64) -> BusAddr {
        BusAddr::new(raw).unwrap()
    }

    #[test]
    fn a_frame_number_becomes_an_address() {
        let page = rustix::param::page_size();
        // Soft-dirty and exclusive bits lie beside the frame number and must not leak into it.
        let (_file, map) = fake(7 * page, &[PRESENT | 1 << 55 | 1 << 56 | 0x3000]);
        assert_eq!(map.translate(7 * page + 12).unwrap().raw(), 0x3000 * page as u64 + 12);
    }

    #[test]
    fn frame_number_zero_is_an_error_about_privilege() {
        let (_file, map) = fake(0, &[PRESENT]);
        let error = map.translate(0).unwrap_err();
        assert!(matches!(error, Error::FrameHidden { .. }));
        assert!(error.to_string().contains("CAP_SYS_ADMIN"), "{error}");
    }

    #[test]
    fn a_kernel_without_page_maps_is_told_from_one_that_hides_them() {
        let error = Pagemap::open(Path::new("/nonexistent/pagemap")).unwrap_err();
        assert!(matches!(error, Error::NoPagemap { .. }));
        assert!(error.to_string().contains("CONFIG_PROC_PAGE_MONITOR"), "{error}");
    }

    #[test]
    fn an_untouched_page_a_short_map_and_an_address_beyond_36_bits_are_errors() {
        let page = rustix::param::page_size();
        let (_file, map) = fake(0, &[0, PRESENT | (0x10_0000_0000 / page as u64)]);
        assert!(matches!(map.translate(0), Err(Error::PageAbsent { .. })));
        assert!(matches!(map.translate(page), Err(Error::BeyondBus { .. })));
        assert!(matches!(map.translate(2 * page), Err(Error::Io { .. })));
    }

    #[test]
    fn who_is_shown_nothing_is_told_so_before_there_is_memory() {
        let here = std::hint::black_box(0_u8);
        let first = (&raw const here as usize) / rustix::param::page_size() - 512;
        let stack = |entry: u64| fake(first * rustix::param::page_size(), &[entry; 1024]);
        let shown = |entry: u64| stack(entry).1.check_shown();
        assert!(matches!(shown(PRESENT), Err(Error::FrameHidden { .. })));
        shown(PRESENT | 0x3000).unwrap();
        shown(PRESENT | 0x1000_0000).unwrap();
    }

    #[test]
    fn this_process_sees_its_own_pages() {
        // Whether the kernel shows the number depends on privilege; that the page is present does
        // not.
        let byte = std::hint::black_box(1u8);
        let map = Pagemap::open(Path::new("/proc/self/pagemap")).unwrap();
        match map.translate(&raw const byte as usize) {
            Ok(at) => assert_ne!(at.raw(), 0),
            Err(error) => assert!(matches!(error, Error::FrameHidden { .. }), "{error}"),
        }
    }

    #[test]
    fn pages_in_a_row_are_one_block() {
        let pages = [addr(0x3000_0000), addr(0x3040_0000), addr(0x3080_0000)];
        assert_eq!(join(&pages, 0x40_0000).unwrap(), pages[0]);
        // The very end of a window still belongs to it.
        assert!(join(&[addr(0xFFC0_0000)], 0x40_0000).is_ok());
    }

    #[test]
    fn a_gap_is_named_with_both_addresses() {
        let pages = [addr(0x3000_0000), addr(0x3040_0000), addr(0x2000_0000)];
        let error = join(&pages, 0x40_0000).unwrap_err();
        assert!(matches!(error, Error::NotContiguous { page: 2, .. }));
        let text = error.to_string();
        assert!(text.contains("0x030400000") && text.contains("0x020000000"), "{text}");
    }

    #[test]
    fn a_block_in_two_windows_is_refused() {
        let pages = [addr(0xFFC0_0000), addr(0x1_0000_0000)];
        let error = join(&pages, 0x40_0000).unwrap_err();
        assert!(matches!(error, Error::TwoWindows { .. }));
        assert!(error.to_string().contains("4 GiB"), "{error}");
        assert!(matches!(join(&[], 4096), Err(Error::EmptyRegion)));
        assert!(matches!(join(&[BusAddr::MAX], 4096), Err(Error::BeyondBus { .. })));
    }
}
