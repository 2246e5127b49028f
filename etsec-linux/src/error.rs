//! What can go wrong between this process, the kernel and the device: each error names the thing
//! and the cure.
//!
//! It knows words. Errors of the controller itself are etsec-core's and are only carried here.

use std::io::{Error as IoError, ErrorKind};
use std::path::{Path, PathBuf};

use etsec_core::BusAddr;
use etsec_core::arena::NAME_BYTES;

use crate::handover_error::HandoverError;
use crate::lock::Owner;

/// Why something about a device, its memory or its description did not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened, read, written or mapped.
    #[error("cannot {doing} {}: {source}{}", path.display(), cure_of_io(source))]
    Io {
        /// What was tried, a verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: IoError,
    },
    /// A system call that concerns no file failed.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What the system says.
        source: IoError,
    },
    /// An attribute or property has a content that makes no sense.
    #[error("{} says '{text}', which is not {wanted}", path.display())]
    Attribute {
        /// The file.
        path: PathBuf,
        /// Its content.
        text: String,
        /// What it should be.
        wanted: &'static str,
    },

    /// The description of a device cannot be understood.
    #[error(
        "'{text}' names no device: {why}; \
         write uio:NAME, sim,wire=tap:NAME|pcap:IN,OUT|socket:PATH|cable:ID|null or sim:SOCKET"
    )]
    BadName {
        /// What was asked for.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The kernel has no UIO at all.
    #[error(
        "no UIO device '{name}', for this kernel has no UIO ({} is missing): \
         `modprobe uio_pdrv_genirq`, or build it with CONFIG_UIO_PDRV_GENIRQ; \
         see docs/guide/board.md#kernel", class.display()
    )]
    NoUio {
        /// The name asked for.
        name: String,
        /// Where its devices would be.
        class: PathBuf,
    },
    /// The device tree has nodes of that name, but they are not, or not all, UIO devices.
    #[error(
        "'{name}' is in the device tree ({}), but not bound to UIO: `modprobe uio_pdrv_genirq`, \
         then `etsec bind {name}`; see docs/guide/board.md#taking-a-port", node.display()
    )]
    NotBound {
        /// The name asked for.
        name: String,
        /// One of its nodes.
        node: PathBuf,
    },
    /// There is no UIO device, and no set of three, of that name.
    #[error(
        "no UIO device is called '{name}' or '{name}-tx' (there is: {found}); \
         see docs/guide/board.md#device-tree"
    )]
    UnknownDevice {
        /// The name asked for.
        name: String,
        /// Names that exist, or "none".
        found: String,
    },
    /// Part of a set of three is there, another is not.
    #[error(
        "UIO device '{present}' has no companion '{absent}'; the device tree needs a node for each \
         interrupt line, see docs/guide/board.md#device-tree"
    )]
    IncompleteSet {
        /// One that was found.
        present: String,
        /// One that was not.
        absent: String,
    },
    /// Two UIO devices have the same name.
    #[error(
        "{first} and {second} are both called '{name}'; give each a linux,uio-name, \
         see docs/guide/board.md#device-tree"
    )]
    AmbiguousName {
        /// The name.
        name: String,
        /// One of them, such as `uio0`.
        first: String,
        /// The other.
        second: String,
    },
    /// A device has no memory map that is needed.
    #[error(
        "{device}: no {map}; its node in the device tree needs it in reg and reg-names, \
         see docs/guide/board.md#device-tree"
    )]
    NoMap {
        /// The device, such as `uio0`.
        device: String,
        /// Which map, such as `map named 'mdio'`.
        map: &'static str,
    },
    /// A memory map is too small for what is in it, or starts at the wrong place.
    #[error(
        "{device} map{index}: {size:#x} bytes at {start:#x} hold no {wanted}; \
         see docs/guide/board.md#device-tree"
    )]
    BadMap {
        /// The device, such as `uio0`.
        device: String,
        /// Number of the map.
        index: usize,
        /// Its size in bytes.
        size: u64,
        /// Where in the first page it starts.
        start: u64,
        /// What it should hold.
        wanted: &'static str,
    },
    /// The device file has no interrupt.
    #[error(
        "{device}: no interrupt to wait for; its node in the device tree needs interrupts, \
         see docs/guide/board.md#device-tree"
    )]
    NoInterrupt {
        /// The device, such as `uio0`.
        device: String,
    },
    /// One device stands for the whole port, and would hear one of several interrupts.
    #[error(
        "{device} '{name}': its node has {count} interrupts, and UIO takes the first of a node \
         only; the device tree needs a node for each, see docs/guide/board.md#device-tree"
    )]
    OneInterrupt {
        /// The device, such as `uio0`.
        device: String,
        /// Its given name.
        name: String,
        /// How many interrupts the node has.
        count: usize,
    },
    /// The device was there when it was looked up, and is no more.
    #[error(
        "{device} '{name}' is gone: its driver in the kernel has let go of it (`etsec unbind`?); \
         `etsec probe` shows what there is"
    )]
    Removed {
        /// The device, such as `uio0`.
        device: String,
        /// Its given name.
        name: String,
    },
    /// The device is there, its device file is not.
    #[error(
        "{} is missing: mount devtmpfs on /dev (CONFIG_DEVTMPFS), or let mdev or udev make it",
        path.display()
    )]
    NoDeviceFile {
        /// The device file.
        path: PathBuf,
    },
    /// The port is not user space's to use, or cannot be taken or given back.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// Somebody else owns the device or the memory.
    #[error("{what} ({}) is in use by {owner}; stop that one first", path.display())]
    Busy {
        /// The thing.
        what: String,
        /// The file that is locked.
        path: PathBuf,
        /// Who has it.
        owner: Owner,
    },

    /// No hugetlbfs is mounted, or none with pages of the size wanted.
    #[error(
        "no hugetlbfs {wanted} is mounted ({found}): {cure}; see docs/guide/board.md#huge-pages"
    )]
    NoHugePages {
        /// What was looked for.
        wanted: String,
        /// What there is.
        found: String,
        /// What helps.
        cure: String,
    },
    /// There is a mount but it has not pages enough.
    #[error(
        "cannot get {pages} huge pages of {page_size} bytes from {}: {source}; \
         raise nr_hugepages, see docs/guide/board.md#huge-pages", path.display()
    )]
    TooFewPages {
        /// How many are needed.
        pages: usize,
        /// Bytes in each.
        page_size: usize,
        /// The file that was to hold them.
        path: PathBuf,
        /// What the system says.
        source: IoError,
    },
    /// Memory for hardware must be on huge pages, and this is not.
    #[error(
        "{} is not on hugetlbfs: its pages may move while the device uses them; \
         see docs/guide/board.md#huge-pages", path.display()
    )]
    NotHugePages {
        /// The file.
        path: PathBuf,
    },
    /// The kernel tells nobody where its pages are.
    #[error(
        "{} is missing: build the kernel with CONFIG_PROC_PAGE_MONITOR; \
         see docs/guide/board.md#kernel", path.display()
    )]
    NoPagemap {
        /// The page map.
        path: PathBuf,
    },
    /// The kernel hides frame numbers from this process.
    #[error(
        "{} shows frame number 0: physical addresses need CAP_SYS_ADMIN \
         (run as root, or setcap cap_sys_admin,cap_dac_override+ep); \
         see docs/guide/board.md#permissions", path.display()
    )]
    FrameHidden {
        /// The page map.
        path: PathBuf,
    },
    /// No page is at an address that was touched.
    #[error("the page at virtual address {at:#x} is not present: touch it first")]
    PageAbsent {
        /// The virtual address.
        at: usize,
    },
    /// Memory beyond what the device can address.
    #[error(
        "physical address {physical:#x} is beyond the 36 bits of the device; \
         reserve pages at boot, see docs/guide/board.md#huge-pages"
    )]
    BeyondBus {
        /// The address.
        physical: u64,
    },
    /// A region of no bytes.
    #[error("a region of no bytes was asked for: one byte is the least")]
    EmptyRegion,
    /// Neighbouring pages of a region are not neighbours in physical memory.
    #[error(
        "memory is not contiguous: page {page} ({page_size} bytes each) is at {after}, \
         the one before at {before}; \
         use a larger page size or reserve pages at boot, see docs/guide/board.md#huge-pages"
    )]
    NotContiguous {
        /// Number of the first page out of place.
        page: usize,
        /// Address of the page before it.
        before: BusAddr,
        /// Its own address.
        after: BusAddr,
        /// Bytes in a page.
        page_size: usize,
    },
    /// Memory that must lie in one 4 GiB window does not.
    #[error(
        "memory from {first} to {last} is in two 4 GiB windows, \
         and the device has one high register for all of it; \
         reserve more pages at boot, see docs/guide/board.md#huge-pages"
    )]
    TwoWindows {
        /// One end, or one region.
        first: BusAddr,
        /// The other.
        last: BusAddr,
    },

    /// The controller, or what it was asked to do.
    #[error("{name}: {source}{}", cure_of_core(source))]
    Device {
        /// Name of the port.
        name: String,
        /// What the core says.
        source: etsec_core::Error,
    },
    /// The receiver does not work after it was enabled, as it happens on some parts.
    #[error("{name}: {source}; start it again")]
    Reception {
        /// Name of the port.
        name: String,
        /// What the core says.
        source: etsec_core::reception::ReceptionError,
    },
    /// Memory could not be carved as asked.
    #[error("{name}: {source}")]
    Memory {
        /// Name of the port.
        name: String,
        /// What the core says.
        source: etsec_core::MemoryError,
    },
    /// Buffers or queues of a port are still in use elsewhere.
    #[error(
        "{name}: memory stays lent, for buffers or queues of it are still in use; drop them first"
    )]
    MemoryInUse {
        /// Name of the port.
        name: String,
    },
    /// A process has left memory of a port in which another one's buffers may be, and the other way
    /// round; and that other one is still there.
    #[error(
        "{port}: a process has left it with buffers of {other}, which is still there: open both \
         together, or stop and free both with `etsec reclaim --free {port} {other}`"
    )]
    Beside {
        /// The port.
        port: String,
        /// The other.
        other: String,
    },
    /// Ports that exchange buffers note each other in their memory, and one has no room there.
    #[error(
        "'{label}' cannot exchange buffers with another port: that one would note it, to be found \
         after a crash, and has room for {NAME_BYTES} bytes, not {}; use a shorter name or path \
         (what the path leads to counts, not a link)", label.len()
    )]
    LongLabel {
        /// What it is found by.
        label: String,
    },
    /// A port cannot exchange buffers with more others.
    #[error(transparent)]
    Partners(#[from] etsec_core::arena::PartnerError),
    /// No PHY answers.
    #[error(
        "{name}: no PHY answers {}; check the wiring and phy-handle, or give a fixed link, \
         see docs/guide/board.md#device-tree", place(*address)
    )]
    NoPhy {
        /// Name of the port.
        name: String,
        /// The address that was tried; none: all.
        address: Option<u8>,
    },
    /// A PHY, the TBI or the bus to them did not do as asked.
    #[error("{name}: {source}")]
    Phy {
        /// Name of the port.
        name: String,
        /// What the core says.
        source: etsec_core::phy::PhyError,
    },
    /// A link that cannot be.
    #[error("{name}: {source}")]
    Link {
        /// Name of the port.
        name: String,
        /// What the core says.
        source: etsec_core::link::LinkError,
    },
    /// A station address that cannot be one.
    #[error("{name}: {source}")]
    Station {
        /// Name of the port.
        name: String,
        /// What the core says.
        source: etsec_core::addr::FilterError,
    },

    /// Two ports that are to exchange buffers have their memory in different windows.
    #[error(
        "buffers in 4 GiB window {first:#x} of bus addresses cannot go to a port with its memory \
         in window {second:#x}; reserve the huge pages of both in one, \
         see docs/guide/board.md#huge-pages"
    )]
    Windows {
        /// Window of the one.
        first: u32,
        /// Window of the other.
        second: u32,
    },

    /// The end of a simulated device's wire could not be had.
    #[cfg(feature = "sim")]
    #[error("{name}: {source}")]
    Wire {
        /// What the device was asked for by.
        name: String,
        /// What the simulator says.
        source: etsec_sim::ends::WireError,
    },

    /// No wire of a simulated device.
    #[error("'{text}' is no wire: {why}; write tap:NAME, pcap:IN,OUT, socket:PATH or null")]
    BadWire {
        /// What was asked for.
        text: String,
        /// What is wrong with it.
        why: String,
    },

    /// A simulated device of another process.
    #[cfg(feature = "sim")]
    #[error("{name}: {source}")]
    Remote {
        /// What the device was asked for by.
        name: String,
        /// What its simulator says.
        source: etsec_sim::remote::RemoteError,
    },

    /// The memory that came with a UIO device is less than the port takes.
    #[error(
        "{device} has {has} KiB of memory for DMA, and the port takes {wanted}; give it that with \
         `modprobe uio_etsec dma_kib={wanted}`, or ask for fewer or smaller rings and buffers"
    )]
    SmallDmaMap {
        /// The device, such as `uio0`.
        device: String,
        /// What it has, in KiB.
        has: u64,
        /// What is wanted, in KiB.
        wanted: u64,
    },

    /// A number is outside what the device or the driver can do.
    #[error("{what} is {value}, but must be {range}")]
    OutOfRange {
        /// What the number is, with its unit.
        what: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        range: String,
    },
}

/// What helps when the system refuses, as the end of a sentence.
fn cure_of_io(source: &IoError) -> &'static str {
    match source.kind() {
        ErrorKind::PermissionDenied => "; run as root, see docs/guide/board.md#permissions",
        _ => "",
    }
}

/// What helps when there is no controller where one should be.
fn cure_of_core(source: &etsec_core::Error) -> &'static str {
    use etsec_core::Error::{Gone, NotAnEtsec};
    match source {
        NotAnEtsec(_) => "; see what reg says, docs/guide/board.md#device-tree",
        Gone => "; is it switched on, and is reg right? see docs/guide/board.md#device-tree",
        _ => "",
    }
}

/// Where on an MDIO bus a PHY was looked for.
fn place(address: Option<u8>) -> String {
    match address {
        Some(address) => format!("at address {address} of its MDIO bus"),
        None => "at any address of its MDIO bus".into(),
    }
}

/// Makes a file error: `.map_err(io("open", path))`.
pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(IoError) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path, source }
}

/// Makes an error of a system call: `.map_err(system("make an epoll set"))`.
pub(crate) fn system<E: Into<IoError>>(doing: &'static str) -> impl FnOnce(E) -> Error {
    move |source| Error::System { doing, source: source.into() }
}
