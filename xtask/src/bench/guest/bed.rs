//! A guest that is measured: its eTSECs, our ends of their wires, the counter of its instructions.
//! It knows how a driver is made ready and what a burst of frames is; what is measured with them is
//! in `paths`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::Needed;
use super::counter::Counter;
use super::snapshot::Snapshot;
use super::symbols::Symbols;
use super::wire::{Plug, Wire};
use crate::guest::{Boot, Guest};
use crate::log::Log;
use crate::qemu::machine::Machine;
use crate::session::Session;

/// What the device tree gives the two ports.
pub const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];
/// Where our program for the kernel's driver is in the guest.
pub const PEER: &str = "/bin/etsec-peer";
/// A configuration file with which ports are looked after every second only, and what is in it:
/// that happens by the clock, and not for any packet.
pub const NAPS: &str = "/naps.toml";
const NAPS_TEXT: &str = "[port.eth0.wait]\nnap-msecs = 1000\n[port.eth1.wait]\nnap-msecs = 1000\n";
/// How long anything that the guest does may take; it takes milliseconds.
pub const LIMIT: Duration = Duration::from_secs(60);
/// How long the guest is left alone before a snapshot, so that all that is under way is through.
const PAUSE: Duration = Duration::from_millis(30);
/// How long an idle guest is looked at, to see what a tick of its timer costs.
const IDLE: Duration = Duration::from_millis(600);

/// Who drives the eTSECs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// `etsec`, over UIO.
    Etsec,
    /// The kernel, by that module.
    Gianfar(&'static str),
}

/// The kernel's module as it is.
pub const GIANFAR: Driver = Driver::Gianfar("gianfar_driver");
/// The same, asking for transmit interrupts as rarely as silicon gives them.
pub const GIANFAR_COALESCED: Driver = Driver::Gianfar(crate::guest::coalesced::MODULE);

/// What gianfar wants to be there, in this order.
const BEFORE_GIANFAR: [&str; 7] =
    ["libphy", "fixed_phy", "fwnode_mdio", "of_mdio", "mdio_devres", "ptp-qoriq", "fsl_pq_mdio"];
const UIO: [&str; 2] = ["uio", "uio_pdrv_genirq"];
const OVERLAYS: [&str; 2] =
    ["etsec-linux/dts/qemu-ppce500-eth0.dtso", "etsec-linux/dts/qemu-ppce500-eth1.dtso"];

/// What is watched: an interrupt, and a frame that the kernel's driver has received.
const WATCHED: [&str; 2] = ["do_IRQ", "napi_gro_receive"];
pub const INTERRUPT: usize = 0;
pub const FRAME: usize = 1;

/// Addresses of the instructions that say that something happened.
#[derive(Debug, Clone, Copy)]
struct Marks {
    interrupt: u32,
    tick: u32,
    miss: u32,
}

/// What was executed in some time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Instructions of programs.
    pub user: f64,
    /// Instructions of the kernel, without its timer's ticks.
    pub kernel: f64,
    /// Interrupts of devices.
    pub interrupts: f64,
    /// Data TLB misses.
    pub misses: f64,
}

impl Cost {
    /// All instructions.
    pub fn all(self) -> f64 {
        self.user + self.kernel
    }

    /// What this cost more than `other`, for each of `packets`.
    pub fn more_than(self, other: Self, packets: u64) -> Self {
        let each = |more: f64, less: f64| (more - less) / packets as f64;
        Self {
            user: each(self.user, other.user),
            kernel: each(self.kernel, other.kernel),
            interrupts: each(self.interrupts, other.interrupts),
            misses: each(self.misses, other.misses),
        }
    }
}

/// A guest with everything around it.
#[derive(Debug)]
pub struct Bed {
    /// Who drives.
    pub driver: Driver,
    /// The guest.
    pub guest: Guest,
    /// What it has executed.
    pub counter: Counter,
    /// Our ends of its wires.
    pub wires: Vec<Wire>,
    marks: Marks,
    /// Instructions of a tick of the kernel's timer.
    tick: f64,
    // Last: QEMU uses what is in it.
    _folder: TempDir,
}

impl Bed {
    /// Boots a guest and makes its driver ready.
    ///
    /// # Errors
    /// Where it does not come up; Ctrl-C.
    pub fn boot(
        session: &mut Session,
        log: &mut Log,
        needed: &Needed,
        driver: Driver,
    ) -> Result<Self> {
        let folder = session.target.join("xtask");
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(folder)?;
        let kernel = Symbols::of_kernel(&needed.kernel.system_map())?;
        let watched: Result<Vec<u32>> = WATCHED.iter().map(|name| kernel.address(name)).collect();
        let counter = Counter::new(folder.path(), &watched?)?;
        let mut machine = Machine::new(needed.kernel.vmlinux());
        let mut plugs = Vec::new();
        for (n, mac) in MACS.iter().enumerate() {
            let plug = Plug::new(&folder.path().join(format!("wire{n}")))?;
            let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
            machine = machine.etsec(plug.netdev(), &mac);
            plugs.push(plug);
        }
        let machine = counter.on(machine, &needed.plugin);
        let mut guest = boot(session, log, needed, driver, machine)?;
        let wires = plugs.into_iter().map(Plug::connect).collect::<Result<_>>()?;
        make_ready(&mut guest, driver)?;
        let marks = Marks {
            interrupt: kernel.address("do_IRQ")?,
            tick: kernel.address("timer_interrupt")?,
            miss: kernel.address("DataTLBError")?,
        };
        let mut bed = Self { driver, guest, counter, wires, marks, tick: 0.0, _folder: folder };
        bed.tick = bed.idle()?;
        Ok(bed)
    }

    /// All counts, once the guest has been left alone for a moment.
    ///
    /// # Errors
    /// It does not come to rest; Ctrl-C.
    pub fn rest(&mut self) -> Result<Snapshot> {
        std::thread::sleep(PAUSE);
        self.counter.snapshot(LIMIT)
    }

    /// What these counts come to.
    pub fn cost(&self, counts: &Snapshot) -> Cost {
        let at = |address: u32| counts.at(address) as f64;
        Cost {
            user: counts.user() as f64,
            kernel: counts.kernel() as f64 - at(self.marks.tick) * self.tick,
            interrupts: at(self.marks.interrupt),
            misses: at(self.marks.miss),
        }
    }

    /// Instructions of a tick: an idle guest executes nothing else.
    fn idle(&mut self) -> Result<f64> {
        let before = self.rest()?;
        std::thread::sleep(IDLE);
        let counts = self.rest()?.since(&before);
        let ticks = counts.at(self.marks.tick);
        ensure!(ticks > 0, "the guest's timer stands still");
        Ok((counts.user() + counts.kernel()) as f64 / ticks as f64)
    }
}

fn boot(
    session: &mut Session,
    log: &mut Log,
    needed: &Needed,
    driver: Driver,
    machine: Machine,
) -> Result<Guest> {
    let (name, modules, overlays) = match driver {
        Driver::Etsec => ("bench-etsec".to_owned(), UIO.to_vec(), &OVERLAYS[..]),
        Driver::Gianfar(module) => {
            (format!("bench-{module}"), [&BEFORE_GIANFAR[..], &[module]].concat(), &[][..])
        }
    };
    let peer = std::fs::read(&needed.peer);
    let peer = peer.with_context(|| format!("cannot read {}", needed.peer.display()))?;
    let boot = Boot {
        name,
        kernel: &needed.kernel,
        programs: &needed.programs,
        machine,
        overlays: overlays.iter().map(|name| session.root.join(name)).collect(),
        append: "hugepagesz=4M hugepages=8".to_owned(),
        modules: &modules,
        own_module: None,
        files: vec![
            (PEER[1..].to_owned(), Some(peer)),
            (NAPS[1..].to_owned(), Some(NAPS_TEXT.into())),
        ],
    };
    Guest::boot(session, log, boot)
}

fn make_ready(guest: &mut Guest, driver: Driver) -> Result<()> {
    match driver {
        Driver::Etsec => {
            let [core, driver] = UIO;
            guest.load(core, "")?;
            guest.load(driver, "of_id=generic-uio")?;
            guest.mount("hugetlbfs", "/dev/hugepages", "pagesize=4M")
        }
        Driver::Gianfar(module) => {
            BEFORE_GIANFAR.iter().chain([&module]).try_for_each(|module| guest.load(module, ""))
        }
    }
}
