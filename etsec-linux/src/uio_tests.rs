//! Tests of UIO devices, on fake trees: ordinary files stand for device files, sockets for
//! interrupts.

use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use etsec_core::Bus;

use super::*;

/// A directory with UIO devices that a test fills.
pub(crate) struct Tree {
    dir: tempfile::TempDir,
    pub(crate) roots: Roots,
}

impl Tree {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::below(dir.path());
        fs::create_dir_all(roots.uio_class()).unwrap();
        fs::create_dir_all(roots.proc.join("self")).unwrap();
        fs::create_dir_all(&roots.dev).unwrap();
        Tree { dir, roots }
    }

    /// Where it is.
    pub(crate) fn root(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Adds a device called `name`, with a device file of four pages.
    pub(crate) fn device(&self, number: u32, name: &str) -> PathBuf {
        let sys = self.roots.uio_class().join(format!("uio{number}"));
        fs::create_dir_all(sys.join("device/of_node")).unwrap();
        fs::write(sys.join("name"), format!("{name}\n")).unwrap();
        fs::write(sys.join("event"), "0\n").unwrap();
        let dev = File::create(self.roots.dev.join(format!("uio{number}"))).unwrap();
        dev.set_len(4 * rustix::param::page_size() as u64).unwrap();
        sys
    }

    /// Adds a map to a device.
    pub(crate) fn map(&self, number: u32, index: usize, name: &str, at: [u64; 3]) {
        let dir = self.roots.uio_class().join(format!("uio{number}/maps/map{index}"));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("name"), format!("{name}\n")).unwrap();
        for (file, value) in ["addr", "size", "offset"].iter().zip(at) {
            fs::write(dir.join(file), format!("{value:#x}\n")).unwrap();
        }
    }

    fn open(&self, name: &str) -> Result<Uio, Error> {
        let devices = list(&self.roots).unwrap();
        Uio::open(&self.roots, find(&devices, name).unwrap().unwrap())
    }
}

/// A device whose file is a socket: the other end is the kernel, which has counted `taken`
/// interrupts so far.
pub(crate) fn interrupt(taken: u32) -> (Uio, UnixStream) {
    let (ours, kernel) = UnixStream::pair().unwrap();
    let device = UioDevice {
        id: "uio7".into(),
        name: "eth0-rx".into(),
        maps: Vec::new(),
        sys: PathBuf::new(),
        dev: "/dev/uio7".into(),
    };
    (
        Uio { device, file: OwnedFd::from(ours).into(), taken, exclusive: false, writes: true },
        kernel,
    )
}

#[test]
fn devices_are_found_by_name_whatever_their_number() {
    let tree = Tree::new();
    tree.device(10, "eth0-tx");
    tree.map(10, 0, "regs", [0xF_0000_0000, 0x1000, 0]);
    tree.device(2, "eth0-rx");
    fs::create_dir(tree.roots.uio_class().join("unrelated")).unwrap();
    let devices = list(&tree.roots).unwrap();
    let ids: Vec<_> = devices.iter().map(|device| device.id.as_str()).collect();
    assert_eq!(ids, ["uio2", "uio10"]);
    let found = find(&devices, "eth0-tx").unwrap().unwrap();
    assert_eq!(found.dev, tree.roots.dev.join("uio10"));
    let map =
        UioMap { index: 0, name: "regs".into(), addr: 0xF_0000_0000, size: 0x1000, offset: 0 };
    assert_eq!(found.maps, [map]);
    assert_eq!(find(&devices, "eth1-tx").unwrap(), None);
}

#[test]
fn a_kernel_without_uio_has_no_devices() {
    let dir = tempfile::tempdir().unwrap();
    assert!(list(&Roots::below(dir.path())).unwrap().is_empty());
}

#[test]
fn two_devices_of_one_name_are_an_error() {
    let tree = Tree::new();
    tree.device(0, "uio-tx");
    tree.device(3, "uio-tx");
    let error = find(&list(&tree.roots).unwrap(), "uio-tx").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("uio0 and uio3") && text.contains("linux,uio-name"), "{text}");
}

#[test]
fn registers_are_the_device_file_at_the_maps_page() {
    let tree = Tree::new();
    tree.device(0, "eth0");
    tree.map(0, 0, "regs", [0xB_0000, 0x1000, 0]);
    tree.map(0, 1, "group1", [0xB_4000, 0x1000, 0]);
    let uio = tree.open("eth0").unwrap();
    let group1 = uio.map_named("group1").unwrap();
    let bus = uio.registers(group1).unwrap().into_bus();
    // Registers are big-endian (HW 1).
    bus.write(0x014, 0x1234_5678);
    let mut bytes = [0; 4];
    let file = File::open(&uio.device().dev).unwrap();
    file.read_exact_at(&mut bytes, rustix::param::page_size() as u64 + 0x014).unwrap();
    assert_eq!(bytes, [0x12, 0x34, 0x56, 0x78]);
}

#[test]
fn a_page_may_start_inside_the_mapped_page() {
    // As on kernels with 16 KiB pages: the map is made larger by the kernel, and starts later.
    let tree = Tree::new();
    tree.device(0, "eth0");
    tree.map(0, 0, "regs", [0x2_4000, 0x2000, 0x800]);
    let uio = tree.open("eth0").unwrap();
    uio.registers(0).unwrap().into_bus().write(0, 0xAABB_CCDD);
    let mut bytes = [0; 4];
    File::open(&uio.device().dev).unwrap().read_exact_at(&mut bytes, 0x800).unwrap();
    assert_eq!(bytes, [0xAA, 0xBB, 0xCC, 0xDD]);
}

#[test]
fn mdio_is_a_whole_page_or_the_registers_alone() {
    // HW 16.1: mdio@24520 has 0x20 bytes; the page around them is what the core takes.
    let tree = Tree::new();
    tree.device(0, "eth0-mdio");
    tree.map(0, 0, "mdio", [0x2_4000, 0x1000, 0]);
    tree.map(0, 1, "mdio", [0x2_4000, 0x20, 0x520]);
    tree.map(0, 2, "mdio", [0x2_4520, 0x20, 0]);
    tree.map(0, 3, "mdio", [0x2_4000, 0x20, 0x100]);
    tree.map(0, 4, "mdio", [0x2_4000, 0x20, 0]);
    let uio = tree.open("eth0-mdio").unwrap();
    let file = File::open(&uio.device().dev).unwrap();
    for index in 0..3 {
        uio.mdio(index).unwrap().into_bus().write(0x520, 7);
        let mut bytes = [0; 4];
        let at = index as u64 * rustix::param::page_size() as u64 + 0x520;
        file.read_exact_at(&mut bytes, at).unwrap();
        assert_eq!(bytes, [0, 0, 0, 7], "map{index}");
    }
    for index in 3..5 {
        let error = uio.mdio(index).unwrap_err();
        assert!(matches!(error, Error::BadMap { .. }), "{error}");
    }
    let text = uio.mdio(5).unwrap_err().to_string();
    assert!(text.starts_with("uio0: no map named 'mdio'; its node"), "{text}");
}

#[test]
fn maps_that_hold_no_registers_are_errors() {
    let tree = Tree::new();
    tree.device(0, "eth0");
    tree.map(0, 0, "small", [0x2_4000, 0x800, 0]);
    tree.map(0, 1, "odd", [0x2_4000, 0x1000, 2]);
    tree.map(0, 2, "huge", [0x2_4000, u64::MAX, 0x800]);
    let uio = tree.open("eth0").unwrap();
    assert!(matches!(uio.registers(0), Err(Error::BadMap { index: 0, .. })));
    assert!(matches!(uio.registers(1), Err(Error::BadMap { index: 1, .. })));
    assert!(matches!(uio.registers(2), Err(Error::BadMap { index: 2, .. })));
    assert!(matches!(uio.registers(3), Err(Error::NoMap { .. })));
}

#[test]
fn a_device_has_one_owner_until_it_is_dropped() {
    let tree = Tree::new();
    tree.device(0, "eth0");
    tree.map(0, 0, "regs", [0x2_4000, 0x1000, 0]);
    let first = tree.open("eth0").unwrap();
    // The mapping outlives the device, and must not keep it locked.
    let _bus = first.registers(0).unwrap().into_bus();
    let error = tree.open("eth0").unwrap_err();
    assert!(error.to_string().contains("uio0 'eth0'"), "{error}");
    drop(first);
    tree.open("eth0").unwrap();
}

#[test]
fn interrupts_are_counted_and_the_counter_may_wrap() {
    let (mut uio, mut kernel) = interrupt(u32::MAX);
    kernel.write_all(&0u32.to_ne_bytes()).unwrap();
    assert_eq!(uio.wait().unwrap(), 1);
    kernel.write_all(&7u32.to_ne_bytes()).unwrap();
    assert_eq!(uio.wait().unwrap(), 7);
    // A count that was taken already still was a wake-up.
    kernel.write_all(&7u32.to_ne_bytes()).unwrap();
    assert_eq!(uio.wait().unwrap(), 1);
    uio.enable().unwrap();
    let mut written = [0; 4];
    kernel.read_exact(&mut written).unwrap();
    assert_eq!(written, 1u32.to_ne_bytes());
}

#[test]
fn a_device_file_that_cannot_be_opened_is_named_with_the_cure() {
    let tree = Tree::new();
    let sys = tree.device(0, "eth0");
    let device = list(&tree.roots).unwrap().remove(0);
    let open = || Uio::open(&tree.roots, &device).unwrap_err().to_string();
    let dev = &device.dev;
    fs::remove_file(dev).unwrap();
    let text = open();
    assert!(text.contains("dev/uio0 is missing") && text.contains("devtmpfs"), "{text}");
    // What the kernel says to whoever may not open it; root may open everything.
    let refused = io("open", dev)(Errno::ACCESS.into()).to_string();
    assert!(refused.ends_with("run as root, see docs/guide/board.md#permissions"), "{refused}");
    // Let go of between being listed and being opened.
    fs::remove_dir_all(sys).unwrap();
    let text = open();
    assert!(text.starts_with("uio0 'eth0' is gone") && text.contains("etsec probe"), "{text}");
}

#[test]
fn a_device_that_was_let_go_of_is_told_from_one_without_interrupt() {
    let tree = Tree::new();
    let sys = tree.device(0, "eth0");
    let uio = tree.open("eth0").unwrap();
    let error = |errno: Errno| uio.interrupt_error("read", errno.into());
    assert!(matches!(error(Errno::IO), Error::NoInterrupt { .. }));
    assert!(matches!(error(Errno::NOSYS), Error::NoInterrupt { .. }));
    assert!(matches!(error(Errno::INVAL), Error::Io { .. }));
    fs::remove_dir_all(sys).unwrap();
    // EIO from a read, EINVAL from a write.
    for errno in [Errno::IO, Errno::INVAL] {
        assert!(matches!(error(errno), Error::Removed { .. }), "{errno}");
    }
    // UIO refuses every order with EINVAL before sysfs knows: so does an event descriptor to one of
    // four bytes.
    let refuses = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap();
    let sys = tree.device(1, "eth1");
    let mut uio = tree.open("eth1").unwrap();
    assert!(matches!(uio.interrupt_error("read", Errno::IO.into()), Error::NoInterrupt { .. }));
    uio.file = refuses.into();
    assert!(sys.exists());
    assert!(matches!(uio.interrupt_error("read", Errno::IO.into()), Error::Removed { .. }));

    let (mut uio, kernel) = interrupt(0);
    drop(kernel);
    assert!(matches!(uio.wait(), Err(Error::Io { .. })));
}

/// A register page that is plain memory.
pub(crate) fn memory_bus(page: &'static mut [u32; 1024]) -> Mmio {
    // SAFETY: 4 KiB of aligned memory that lives for ever and that nobody else has.
    unsafe { Mmio::new(page.as_mut_ptr()) }
}
