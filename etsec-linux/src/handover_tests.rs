//! Tests of the handover, on a tree whose switches a small kernel acts on: one that can refuse any
//! of them.

use std::cell::Cell;
use std::fs;
use std::io::Error as IoError;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::*;
use crate::devtree::tests::cells;
use crate::hugepage::tests::leave_beside;
use crate::uio::tests::Tree;

const ETHERNET: &str = "ffe25000.ethernet";
const PARTS: [&str; 3] = ["ffe25000.eth1-tx", "soc:eth1-rx", "soc:eth1-err"];

/// A machine with one port, offered to both: gianfar's node and three for UIO.
struct Machine {
    tree: Tree,
    /// Writes left until the kernel refuses one.
    patience: Cell<usize>,
    /// The error it refuses with.
    refusal: Errno,
    /// Writes so far.
    writes: Cell<usize>,
}

impl Machine {
    /// With the drivers loaded that are named, and the port as the kernel's driver has it.
    fn new(drivers: &[&str]) -> Self {
        let tree = Tree::new();
        let base = tree.roots.device_tree();
        let property = |node: &str, name: &str, value: &[u8]| {
            fs::create_dir_all(base.join(node)).unwrap();
            fs::write(base.join(node).join(name), value).unwrap();
        };
        property("soc", "#address-cells", &cells([1]));
        property("soc", "#size-cells", &cells([1]));
        let reg = cells([0x2_5000, 0x1000]);
        property("soc/ethernet@25000", "reg", &reg);
        property("soc/ethernet@25000", "compatible", b"gianfar\0");
        property("soc/eth1-tx@25000", "reg", &reg);
        for (node, name) in
            [("eth1-tx@25000", "eth1-tx"), ("eth1-rx", "eth1-rx"), ("eth1-err", "eth1-err")]
        {
            let node = format!("soc/{node}");
            property(&node, "linux,uio-name", format!("{name}\0").as_bytes());
        }
        let machine = Machine {
            tree,
            patience: Cell::new(usize::MAX),
            refusal: Errno::BUSY,
            writes: Cell::new(0),
        };
        let nodes = ["ethernet@25000", "eth1-tx@25000", "eth1-rx", "eth1-err"];
        for (id, node) in [ETHERNET].iter().chain(&PARTS).zip(nodes) {
            let sys = machine.device(id);
            fs::create_dir_all(&sys).unwrap();
            symlink(base.join("soc").join(node), sys.join("of_node")).unwrap();
            fs::write(sys.join("driver_override"), "(null)\n").unwrap();
        }
        fs::write(machine.platform().join("drivers_probe"), "").unwrap();
        for driver in drivers {
            machine.load(driver);
        }
        fs::write(machine.tree.roots.proc.join("mounts"), "").unwrap();
        machine
    }

    /// As it is after booting: gianfar has the port, UIO nothing.
    fn booted() -> Self {
        let machine = Machine::new(&["fsl-gianfar", UIO_DRIVER]);
        machine.attach("fsl-gianfar", ETHERNET).unwrap();
        machine
    }

    /// As it is when `of_id` has UIO take the nodes of a port that gianfar has as well.
    fn of_both() -> Self {
        let machine = Machine::booted();
        PARTS.iter().for_each(|part| machine.attach(UIO_DRIVER, part).unwrap());
        machine
    }

    fn load(&self, driver: &str) {
        let dir = self.platform().join("drivers").join(driver);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("bind"), "").unwrap();
        fs::write(dir.join("unbind"), "").unwrap();
    }

    fn platform(&self) -> PathBuf {
        self.tree.roots.platform()
    }

    fn device(&self, id: &str) -> PathBuf {
        self.platform().join("devices").join(id)
    }

    fn driver(&self, id: &str) -> Option<String> {
        let link = fs::read_link(self.device(id).join("driver")).ok()?;
        Some(link.file_name()?.to_str()?.to_owned())
    }

    fn reserved(&self, id: &str) -> String {
        fs::read_to_string(self.device(id).join("driver_override")).unwrap().trim().to_owned()
    }

    /// Every device with its driver and reservation.
    fn state(&self) -> Vec<(String, Option<String>, String)> {
        let ids = [ETHERNET].into_iter().chain(PARTS);
        ids.map(|id| (id.to_owned(), self.driver(id), self.reserved(id))).collect()
    }

    /// Whether the driver would take the device.
    fn matches(&self, driver: &str, id: &str) -> bool {
        match self.reserved(id).as_str() {
            "(null)" | "" => driver == "fsl-gianfar" && id == ETHERNET,
            reserved => reserved == driver,
        }
    }

    fn attach(&self, driver: &str, id: &str) -> Result<(), Errno> {
        if self.driver(id).is_some() {
            return Err(Errno::BUSY);
        }
        symlink(self.platform().join("drivers").join(driver), self.device(id).join("driver"))
            .unwrap();
        if driver == UIO_DRIVER {
            let number = (0..).find(|n| !self.uio(*n).exists()).unwrap();
            let name = id.split(['.', ':']).next_back().unwrap();
            // Behind it are the registers that were there before.
            let dev = self.tree.roots.dev.join(format!("uio{number}"));
            let registers = fs::read(&dev).ok();
            self.tree.device(number, name);
            registers.map_or(Ok(()), |registers| fs::write(&dev, registers)).unwrap();
            self.tree.map(number, 0, "regs", [0x2_5000, 0x1000, 0]);
            fs::create_dir_all(self.device(id).join(format!("uio/uio{number}"))).unwrap();
        } else {
            fs::create_dir_all(self.device(id).join("net/eth1")).unwrap();
            self.set_up(false);
        }
        Ok(())
    }

    fn detach(&self, driver: &str, id: &str) -> Result<(), Errno> {
        if self.driver(id).as_deref() != Some(driver) {
            return Err(Errno::NODEV);
        }
        if driver != UIO_DRIVER {
            let uio = PARTS.iter().find(|part| self.driver(part).as_deref() == Some(UIO_DRIVER));
            assert_eq!(uio, None, "gianfar's interrupts go from under it");
        }
        fs::remove_file(self.device(id).join("driver")).unwrap();
        let _ = fs::remove_dir_all(self.device(id).join("net"));
        let uio = self.device(id).join("uio");
        for entry in fs::read_dir(&uio).into_iter().flatten() {
            let name = entry.unwrap().file_name();
            fs::remove_dir_all(self.tree.roots.uio_class().join(name)).unwrap();
        }
        let _ = fs::remove_dir_all(uio);
        Ok(())
    }

    fn uio(&self, number: u32) -> PathBuf {
        self.tree.roots.uio_class().join(format!("uio{number}"))
    }

    fn set_up(&self, up: bool) {
        let flags = self.device(ETHERNET).join("net/eth1/flags");
        fs::write(flags, if up { "0x1003\n" } else { "0x1002\n" }).unwrap();
    }

    /// Puts an eTSEC behind the registers of the UIO device with this number.
    fn make_etsec(&self, number: u32) {
        let dev = self.tree.roots.dev.join(format!("uio{number}"));
        let mut page = vec![0; rustix::param::page_size()];
        // HW 3.1.
        page[..4].copy_from_slice(&[0x01, 0x24, 0x00, 0x00]);
        fs::write(dev, page).unwrap();
    }

    fn bind(&self, force: bool) -> Result<Outcome, Error> {
        bind_with(self, &self.tree.roots, "eth1", force)
    }

    fn unbind(&self, force: bool) -> Result<Outcome, Error> {
        unbind_with(self, &self.tree.roots, "eth1", force)
    }

    /// Runs `bind` as it was after booting, and puts a controller behind its registers.
    fn bound() -> Self {
        let machine = Machine::booted();
        machine.bind(false).unwrap();
        machine.make_etsec(0);
        machine
    }
}

impl Kernel for Machine {
    fn write(&self, path: &Path, text: &str) -> Result<(), IoError> {
        self.writes.set(self.writes.get() + 1);
        let Some(left) = self.patience.get().checked_sub(1) else {
            // It refuses once: what is undone works.
            self.patience.set(usize::MAX);
            return Err(self.refusal.into());
        };
        self.patience.set(left);
        assert!(path.exists(), "no switch {}", path.display());
        let parent = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        match path.file_name().unwrap().to_str().unwrap() {
            "bind" if !self.matches(parent, text) => Err(Errno::NODEV.into()),
            "bind" => self.attach(parent, text).map_err(IoError::from),
            "unbind" => self.detach(parent, text).map_err(IoError::from),
            "driver_override" => {
                let text = if text == "\n" { "(null)" } else { text };
                fs::write(path, format!("{text}\n"))
            }
            "drivers_probe" => {
                let drivers = fs::read_dir(self.platform().join("drivers")).unwrap();
                let mut names = drivers.map(|entry| entry.unwrap().file_name());
                let fits = names.find(|name| self.matches(name.to_str().unwrap(), text));
                // It is no error if nobody wants it.
                fits.map_or(Ok(()), |name| {
                    self.attach(name.to_str().unwrap(), text).map_err(IoError::from)
                })
            }
            other => panic!("{other} is no switch"),
        }
    }
}

fn kernel_driver_of(interfaces: &[&str]) -> Option<KernelDriver> {
    let interfaces = interfaces.iter().map(|name| (*name).to_owned()).collect();
    Some(KernelDriver { driver: "fsl-gianfar".into(), device: ETHERNET.into(), interfaces })
}

#[test]
fn a_port_is_taken_and_given_back() {
    let machine = Machine::booted();
    let before = machine.state();
    let taken = machine.bind(false).unwrap();
    let uio = [("uio0", "eth1-tx"), ("uio1", "eth1-rx"), ("uio2", "eth1-err")];
    let uio: Vec<_> = uio.map(|(id, name)| (id.to_owned(), name.to_owned())).into();
    let kernel = kernel_driver_of(&["eth1"]);
    assert_eq!(taken, Outcome { changed: true, uio: uio.clone(), kernel: kernel.clone() });
    assert_eq!(machine.driver(ETHERNET), None);
    // Not even a driver that is loaded now gets it.
    machine.write(&machine.platform().join("drivers_probe"), ETHERNET).unwrap();
    assert_eq!(machine.driver(ETHERNET), None);

    let writes = machine.writes.get();
    assert_eq!(machine.bind(false).unwrap(), Outcome { changed: false, uio, kernel: None });
    assert_eq!(machine.writes.get(), writes, "what is right already is left alone");

    machine.make_etsec(0);
    let given = machine.unbind(false).unwrap();
    assert_eq!(given, Outcome { changed: true, uio: vec![], kernel: kernel.clone() });
    assert_eq!(machine.state(), before);
    let writes = machine.writes.get();
    assert_eq!(machine.unbind(false).unwrap(), Outcome { changed: false, uio: vec![], kernel });
    assert_eq!(machine.writes.get(), writes);
}

#[test]
fn whatever_the_kernel_refuses_nothing_is_half_done() {
    let check = |start: fn() -> Machine, change: fn(&Machine) -> Result<Outcome, Error>| {
        for patience in 0.. {
            let machine = start();
            let before = machine.state();
            machine.patience.set(patience);
            let Err(error) = change(&machine) else { return patience };
            assert_eq!(machine.state(), before, "write {patience}: {error}");
            assert!(error.to_string().contains("/proc/interrupts"), "{error}");
        }
        unreachable!()
    };
    let bind = |machine: &Machine| machine.bind(false);
    // Gianfar's: unbind; four reservations; three bindings.
    assert_eq!(check(Machine::booted, bind), 8);
    assert_eq!(check(Machine::bound, |machine| machine.unbind(false)), 8);
    // Both have it: three times unbind and reserve before that.
    assert_eq!(check(Machine::of_both, bind), 11);
}

#[test]
fn an_interface_that_is_up_is_interrupted_only_by_force() {
    let machine = Machine::booted();
    machine.set_up(true);
    let text = machine.bind(false).unwrap_err().to_string();
    assert!(text.contains("interface eth1, which is up"), "{text}");
    assert!(text.contains("ip link set eth1 down") && text.contains("--force"), "{text}");
    assert_eq!(machine.writes.get(), 0);
    // Nor is one that a network namespace hides.
    fs::remove_dir_all(machine.device(ETHERNET).join("net/eth1")).unwrap();
    let text = machine.bind(false).unwrap_err().to_string();
    assert!(text.contains("another network namespace"), "{text}");
    assert_eq!(machine.writes.get(), 0);
    assert!(machine.bind(true).unwrap().changed);
}

#[test]
fn a_port_with_an_owner_is_never_given_back() {
    let machine = Machine::bound();
    let devices = uio::list(&machine.tree.roots).unwrap();
    let owner = Uio::open(&machine.tree.roots, &devices[1]).unwrap();
    let writes = machine.writes.get();
    for force in [false, true] {
        let text = machine.unbind(force).unwrap_err().to_string();
        assert!(text.contains("uio1 'eth1-rx'") && text.contains("in use by"), "{text}");
    }
    assert_eq!(machine.writes.get(), writes);
    drop(owner);
    assert!(machine.unbind(false).unwrap().changed);
}

#[test]
fn a_port_of_both_drivers_is_put_right_from_its_interrupts_on() {
    let machine = Machine::of_both();
    let devices = uio::list(&machine.tree.roots).unwrap();
    let owner = Uio::open(&machine.tree.roots, &devices[0]).unwrap();
    assert!(matches!(machine.bind(false), Err(Error::Busy { .. })));
    assert_eq!(machine.writes.get(), 0);
    drop(owner);
    let outcome = machine.bind(false).unwrap();
    assert_eq!((outcome.changed, outcome.uio.len()), (true, 3));
    assert_eq!(machine.driver(ETHERNET), None);
    assert!(PARTS.iter().all(|part| machine.driver(part).as_deref() == Some(UIO_DRIVER)));
}

#[test]
fn the_controller_is_stopped_before_it_is_given_back() {
    let machine = Machine::bound();
    let dev = machine.tree.roots.dev.join("uio0");
    let mut page = fs::read(&dev).unwrap();
    // A killed owner leaves its interrupts unmasked (HW 3.2).
    page[0x14..0x18].copy_from_slice(&[0xFF; 4]);
    fs::write(&dev, page).unwrap();
    machine.unbind(false).unwrap();
    assert_eq!(fs::read(&dev).unwrap()[0x14..0x18], [0; 4]);

    // What does not answer is let go of by force.
    let machine = Machine::bound();
    fs::write(machine.tree.roots.dev.join("uio0"), vec![0xFF; 4096]).unwrap();
    let before = machine.state();
    let text = machine.unbind(false).unwrap_err().to_string();
    assert!(text.contains("registers read all ones"), "{text}");
    assert_eq!(machine.state(), before);
    assert!(machine.unbind(true).unwrap().changed);
}

#[test]
fn memory_that_another_port_may_reach_is_not_deleted_under_it() {
    let machine = Machine::bound();
    let (roots, huge) = (&machine.tree.roots, machine.tree.root().join("huge"));
    fs::create_dir(&huge).unwrap();
    let mount = format!("none {} hugetlbfs rw,pagesize=4096K 0 0\n", huge.display());
    fs::write(roots.proc.join("mounts"), mount).unwrap();
    let path = huge.join("etsec-eth1-77");
    leave_beside(roots, &path, "uio:eth2");
    // Between the two a process has forwarded that was killed: both controllers run on.
    machine.tree.device(9, "eth2");
    machine.tree.map(9, 0, "regs", [0x2_6000, 0x1000, 0]);
    machine.make_etsec(9);
    let run = |number: u32, both: u8| {
        let dev = roots.dev.join(format!("uio{number}"));
        let mut page = fs::read(&dev).unwrap();
        // MACCFG1: it sends and receives, or neither (HW 3.14).
        page[0x503] = both;
        fs::write(&dev, page).unwrap();
    };
    run(0, 5);
    run(9, 5);
    let registers = || fs::read(roots.dev.join("uio0")).unwrap();
    let before = (machine.state(), registers());
    for force in [false, true] {
        let error = machine.unbind(force).unwrap_err();
        assert!(matches!(error, Error::Beside { .. }), "{error}");
        let cure = "`etsec reclaim --free uio:eth1 uio:eth2`";
        assert!(error.to_string().contains(cure), "{error}");
        assert!(path.exists());
        assert_eq!((machine.state(), registers()), before, "nothing was touched");
    }
    run(9, 0);
    assert!(machine.unbind(false).unwrap().changed);
    assert!(!path.exists());
}

#[test]
fn a_port_that_was_uios_from_the_start_is_reserved_too() {
    // The module of the kernel's driver is loaded afterwards.
    let machine = Machine::new(&[UIO_DRIVER]);
    for part in PARTS {
        machine.attach(UIO_DRIVER, part).unwrap();
    }
    assert!(machine.bind(false).unwrap().changed);
    machine.load("fsl-gianfar");
    machine.write(&machine.platform().join("drivers_probe"), ETHERNET).unwrap();
    assert_eq!(machine.driver(ETHERNET), None);
    assert!(!machine.bind(false).unwrap().changed);
}

#[test]
fn a_controller_whose_uio_devices_are_gone_is_stopped_all_the_same() {
    let machine = Machine::bound();
    // Its owner was killed, and UIO unbound by hand.
    let dev = machine.tree.roots.dev.join("uio0");
    let mut page = fs::read(&dev).unwrap();
    page[0x14..0x18].copy_from_slice(&[0xFF; 4]);
    for part in PARTS {
        machine.detach(UIO_DRIVER, part).unwrap();
    }
    fs::write(&dev, page).unwrap();
    assert!(machine.unbind(false).unwrap().kernel.is_some());
    assert_eq!(fs::read(&dev).unwrap()[0x14..0x18], [0; 4]);
    assert!(PARTS.iter().all(|part| machine.reserved(part) == "(null)"));
}

#[test]
fn a_port_that_nobody_would_take_is_kept() {
    // The module is not there.
    let machine = Machine::bound();
    fs::remove_dir_all(machine.platform().join("drivers/fsl-gianfar")).unwrap();
    let before = machine.state();
    let text = machine.unbind(false).unwrap_err().to_string();
    assert!(text.contains("is gianfar loaded?"), "{text}");
    assert_eq!(machine.state(), before);
    assert_eq!(machine.unbind(true).unwrap().kernel, None);

    // The node is disabled: the kernel has made no device of it.
    let machine = Machine::new(&[UIO_DRIVER]);
    fs::remove_dir_all(machine.device(ETHERNET)).unwrap();
    assert_eq!(machine.bind(false).unwrap().kernel, None);
    machine.make_etsec(0);
    let text = machine.unbind(false).unwrap_err().to_string();
    assert!(text.contains("no ethernet node for it that is enabled"), "{text}");
    assert!(machine.driver(PARTS[0]).is_some());
    machine.unbind(true).unwrap();
    assert_eq!(machine.driver(PARTS[0]), None);
}

#[test]
fn what_is_missing_is_named() {
    let machine = Machine::new(&["fsl-gianfar"]);
    let text = machine.bind(false).unwrap_err().to_string();
    assert!(text.contains("`modprobe uio_pdrv_genirq`"), "{text}");
    let named =
        |name| bind_with(&machine, &machine.tree.roots, name, true).unwrap_err().to_string();
    let text = named("eth0");
    assert!(text.contains("there is: eth1-tx, eth1-err, eth1-rx"), "{text}");
    // A node that is not for UIO is nobody's port, by whatever name.
    assert!(named("ethernet").contains("no UIO node called 'ethernet'"));
    fs::remove_dir_all(machine.device(PARTS[1])).unwrap();
    let text = named("eth1");
    assert!(text.contains("'eth1-tx' has no companion 'eth1-rx'"), "{text}");
}

#[test]
fn what_cannot_be_undone_is_told() {
    struct Broken<'a>(&'a Machine);
    impl Kernel for Broken<'_> {
        fn write(&self, path: &Path, text: &str) -> Result<(), IoError> {
            // Everything works but to bind.
            if path.ends_with("bind") { Err(Errno::NOMEM.into()) } else { self.0.write(path, text) }
        }
    }
    let machine = Machine::booted();
    let error = bind_with(&Broken(&machine), &machine.tree.roots, "eth1", false).unwrap_err();
    assert!(matches!(error, Error::Handover(HandoverError::HalfDone { .. })), "{error}");
    // A second attempt goes on from there.
    assert!(machine.bind(false).unwrap().changed);
}

#[test]
fn two_changes_do_not_cross() {
    let machine = Machine::booted();
    let _turn = turn(&machine.tree.roots, "eth1").unwrap();
    let text = machine.bind(false).unwrap_err().to_string();
    assert!(text.starts_with("the handover of 'eth1'"), "{text}");
    assert!(turn(&machine.tree.roots, "eth2").is_ok());
}

#[test]
fn a_port_that_the_kernel_has_as_well_has_a_rival() {
    let machine = Machine::booted();
    let node = Node::open(&machine.device(PARTS[0]).join("of_node")).unwrap();
    let rival = || rival(&machine.tree.roots, &node).unwrap();
    assert_eq!(rival(), kernel_driver_of(&["eth1"]));
    machine.bind(false).unwrap();
    assert_eq!(rival(), None);
}
