//! Memory of a model in another process, as its driver maps it.

use core::fmt;
use core::ptr::NonNull;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use etsec_core::{BusAddr, Region};
use memmap2::{MmapOptions, MmapRaw};

use super::client::Client;

/// A memfd of the model's process that is mapped here.
///
/// Dropping it tells the model that the memory is no longer used, if it was not only looked at. A
/// process that dies without that leaves it to the model: the next owner finds it.
pub struct RemoteRegion {
    map: MmapRaw,
    start: NonNull<u8>,
    bus: BusAddr,
    len: usize,
    file: Arc<File>,
    /// Who is told; `None` if it is only looked at.
    client: Option<Client>,
}

/// Memory as another device is given it.
#[derive(Debug, Clone)]
pub struct Shared {
    pub(super) file: Arc<File>,
    pub(super) bus: u64,
    pub(super) len: u64,
}

// SAFETY: it is a mapping, and words in it are shared by the rules of `Region` only.
unsafe impl Send for RemoteRegion {}
// SAFETY: as above.
unsafe impl Sync for RemoteRegion {}

impl RemoteRegion {
    /// Maps what the model's process has handed over.
    pub(super) fn map(client: Client, fd: OwnedFd, bus: u64, len: u64) -> io::Result<Self> {
        let wrong = || io::Error::other("the simulator's memory is not what it says");
        let (len, file) = (usize::try_from(len).map_err(|_| wrong())?, File::from(fd));
        if file.metadata()?.len() < len as u64 || len == 0 {
            return Err(wrong());
        }
        let bus = BusAddr::new(bus).ok_or_else(wrong)?;
        let map = MmapOptions::new().len(len).map_raw(&file)?;
        let start = NonNull::new(map.as_mut_ptr()).ok_or_else(wrong)?;
        Ok(RemoteRegion { map, start, bus, len, file: Arc::new(file), client: Some(client) })
    }

    /// The same, of which nothing is told when it is dropped.
    pub(super) fn looked_at(mut self) -> Self {
        self.client = None;
        self
    }

    /// What another device needs to [reach](Client::reach) this memory.
    #[must_use]
    pub fn shared(&self) -> Shared {
        Shared { file: Arc::clone(&self.file), bus: self.bus.raw(), len: self.len as u64 }
    }

    /// Stores bytes from `offset` on, as a CPU would.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] beyond the end; nothing is stored then.
    pub fn store(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        self.check(offset, bytes.len())?;
        self.file.write_all_at(bytes, offset as u64)
    }

    /// Loads bytes from `offset` on, as a CPU would.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] beyond the end.
    pub fn load(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        self.check(offset, bytes.len())?;
        self.file.read_exact_at(bytes, offset as u64)
    }

    fn check(&self, offset: usize, len: usize) -> io::Result<()> {
        match offset <= self.len && len <= self.len - offset {
            true => Ok(()),
            false => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

impl Drop for RemoteRegion {
    fn drop(&mut self) {
        if let Some(client) = &self.client {
            // A model that is gone has no use for the news.
            let _ = client.unmap();
        }
    }
}

// SAFETY: the mapping lasts as long as `self` and is not moved; the model maps the same file and
// reaches it at `bus`; a mapping begins at a page, and the server gives out addresses that are
// multiples of 64; nobody else is given this memory while this client owns the device.
unsafe impl Region for RemoteRegion {
    fn cpu(&self) -> NonNull<u8> {
        self.start
    }
    fn bus(&self) -> BusAddr {
        self.bus
    }
    fn len(&self) -> usize {
        self.len
    }
}

impl fmt::Debug for RemoteRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteRegion")
            .field("bus", &self.bus)
            .field("len", &self.map.len())
            .finish_non_exhaustive()
    }
}
