//! A guest with what is around it: our ends of its wires, a way for the host's TCP into it, and the
//! questions that several scenarios ask. It judges nothing by itself.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::fetch;
use crate::guest::kernel::{GIANFAR, UIO};
use crate::guest::{Boot, Finished, Guest, Kernel, Program, Programs};
use crate::log::Log;
use crate::qemu::machine::{Machine, Netdev};
use crate::qemu::packet::Host;
use crate::qemu::peer::Peer;
use crate::qemu::qtest::{self, Qtest};
use crate::qemu::wire::Wire;
use crate::session::Session;

/// The command in the guest.
pub const ETSEC: &str = "/bin/etsec";
/// The address that `etsec serve` has; the network is the one QEMU makes.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
/// The same, as the command wants it.
pub const SERVER_NET: &str = "10.0.2.15/24";
/// We, beside QEMU's own host on that network.
pub const PEER: Peer = Peer(Host { mac: [2, 0, 0, 0, 0, 9], ip: Ipv4Addr::new(10, 0, 2, 9) });
/// What the device tree gives the two ports.
pub const MACS: [&str; 2] = ["02:00:00:00:00:01", "02:00:00:00:00:02"];
/// The folder that is served.
pub const WWW: &str = "/srv";
/// The file in it.
pub const FILE: &str = "download.bin";
/// A configuration file with which the second port is looked after every second only.
pub const NAPS: &str = "/naps.toml";
/// What is in it.
const NAPS_TEXT: &str = "\
[port.eth1.wait]
nap-msecs = 1000
[port.\"ethernet@f00001000\".wait]
nap-msecs = 1000
";
/// The length of the file that can be downloaded.
const FILE_BYTES: usize = 4 << 20;
/// Makes `uio_pdrv_genirq` take every node that is meant for it.
pub const ALL_NODES: &str = "of_id=generic-uio";
/// Pages of 4 MiB that are reserved at boot.
pub const PAGES: u64 = 8;
/// Bytes in each.
pub const PAGE_BYTES: usize = 4 << 20;
/// Where the kernel keeps their numbers.
const POOL: &str = "/sys/kernel/mm/hugepages/hugepages-4096kB";
/// Where hugetlbfs is mounted.
pub const HUGETLBFS: &str = "/dev/hugepages";
/// How long anything may take that takes a moment: on a busy machine a process may stand still for
/// seconds. It ends what would hang for ever, and judges nothing.
pub const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at memory.
const LOOK: Duration = Duration::from_millis(20);

/// What differs between the machines that are booted.
#[derive(Debug)]
pub struct Description {
    /// What to call it.
    pub name: &'static str,
    /// What is put over QEMU's device tree, from the root.
    pub overlays: &'static [&'static str],
    /// What is done before the first scenario.
    pub prepare: fn(&mut Rig) -> Result<()>,
    /// Whether its registers are to be reached from outside.
    pub qtest: bool,
}

/// A guest and its surroundings.
#[derive(Debug)]
pub struct Rig {
    /// The guest.
    pub guest: Guest,
    /// Our ends of the ports' wires.
    pub wires: Vec<Wire>,
    /// Leads to port 80 of the server.
    pub http: SocketAddr,
    /// The file that can be downloaded.
    pub file: Vec<u8>,
    /// What its kernel has said.
    pub kernel_log: PathBuf,
    /// Its bus from outside, on a machine that is made for that.
    pub qtest: Option<Qtest>,
}

impl Rig {
    /// Boots a machine with two eTSECs. The first one's wire leads to us and to a network of
    /// QEMU's, through which the host's own TCP reaches it.
    pub fn boot(
        session: &mut Session,
        log: &mut Log,
        (linux, module): (&Kernel, &Path),
        programs: &Programs,
        machine: &Description,
    ) -> Result<Self> {
        let http = free_port()?;
        let user = format!("ipv6=off,hostfwd=tcp:{http}-{SERVER}:80");
        let (first, first_end) = Wire::new()?;
        let (second, second_end) = Wire::new()?;
        let mut qemu = Machine::new(linux.vmlinux())
            .etsec_on_hub(vec![first_end, Netdev::User(user)], MACS[0])
            .etsec(second_end, MACS[1]);
        // Names of sockets are short.
        let folder = tempfile::tempdir()?;
        let mut line = None;
        if machine.qtest {
            let (added, with) = qtest::Line::add(qemu, &folder.path().join("qtest"))?;
            (line, qemu) = (Some(added), with);
        }
        let overlays = machine.overlays.iter().map(|name| session.root.join(name)).collect();
        let name = format!("linux-{}-{}", linux.version().name(), machine.name.replace(' ', "-"));
        let kernel_log = session.target.join(format!("xtask/{name}-kernel.log"));
        let file = fetch::content(FILE_BYTES);
        let boot = Boot {
            name,
            kernel: linux,
            programs,
            machine: qemu,
            overlays,
            append: format!("hugepagesz=4M hugepages={PAGES}"),
            modules: &[&UIO[..], &GIANFAR].concat(),
            own_module: Some(module),
            files: vec![
                (WWW[1..].to_owned(), None),
                (format!("srv/{FILE}"), Some(file.clone())),
                (NAPS[1..].to_owned(), Some(NAPS_TEXT.into())),
            ],
        };
        let guest = Guest::boot(session, log, boot)?;
        let qtest = line.map(|line| line.machine()).transpose()?;
        let wires = vec![first, second];
        let mut rig = Self { guest, wires, http, file, kernel_log, qtest };
        (machine.prepare)(&mut rig)?;
        Ok(rig)
    }

    /// Loads what makes UIO devices of the nodes in the device tree; with `of_id=generic-uio` of
    /// all that are meant for it, else of none by itself.
    pub fn load_uio(&mut self, options: &str) -> Result<()> {
        let [core, driver] = UIO;
        self.guest.load(core, "")?;
        self.guest.load(driver, options)
    }

    /// Loads the kernel's own driver for the eTSEC.
    pub fn load_gianfar(&mut self) -> Result<()> {
        GIANFAR.iter().try_for_each(|module| self.guest.load(module, ""))
    }

    /// Mounts the pages that were reserved.
    pub fn mount_huge_pages(&mut self) -> Result<()> {
        self.guest.mount("hugetlbfs", HUGETLBFS, "pagesize=4M")
    }

    /// How many huge pages nobody uses.
    pub fn free_pages(&mut self) -> Result<u64> {
        let text = self.guest.text(&format!("{POOL}/free_hugepages"))?;
        text.trim().parse().with_context(|| format!("free_hugepages says {text:?}"))
    }

    /// Sets how many huge pages there are; the kernel may not get as many.
    pub fn reserve_pages(&mut self, pages: u64) -> Result<()> {
        self.guest.write(&format!("{POOL}/nr_hugepages"), &pages.to_string())
    }

    /// Runs the command to its end.
    pub fn etsec(&mut self, arguments: &str) -> Result<Finished> {
        self.guest.run(&words(arguments))
    }

    /// Starts the command.
    pub fn start(&mut self, arguments: &str) -> Result<Program> {
        self.guest.start(&words(arguments))
    }

    /// Starts the command, waits until the port runs, and says where the port's memory is.
    pub fn start_port(&mut self, arguments: &str) -> Result<(Program, u64)> {
        let program = self.start(&format!("-v {arguments}"))?;
        let mut memory = None;
        self.guest.line(&program, "a running port", LIMIT, |line| {
            memory = memory.or_else(|| memory_address(&line.text));
            line.text.contains(": started, station address ").then_some(())
        })?;
        Ok((program, memory.context("etsec did not say where its memory is")?))
    }

    /// Starts `etsec serve` on eth0, and waits until it is ready.
    pub fn start_server(&mut self) -> Result<Program> {
        self.start_server_of(WWW)
    }

    /// Starts `etsec serve` on eth0 for that folder, and waits until it is ready.
    pub fn start_server_of(&mut self, folder: &str) -> Result<Program> {
        let arguments = "serve --json --quiet -v --device uio:eth0";
        let program =
            self.start(&format!("{arguments} --address {SERVER_NET} --http-dir {folder}"))?;
        self.guest.line(&program, "a ready server", LIMIT, |line| {
            line.text.contains("\"event\":\"ready\"").then_some(())
        })?;
        Ok(program)
    }

    /// Ctrl-C, and a good end within moments.
    pub fn stop(&mut self, program: Program) -> Result<Finished> {
        self.guest.signal(&program, Signal::INT)?;
        let finished = self.guest.finish(program, LIMIT).context("after Ctrl-C")?;
        ensure!(
            finished.status == Some(0),
            "after Ctrl-C: status {:?}, signal {:?}: {}",
            finished.status,
            finished.signal,
            finished.err()
        );
        Ok(finished)
    }

    /// Runs the command, which has to fail with one line that has all of `expected` in it; returns
    /// that line.
    pub fn refused(&mut self, argv: &[&str], expected: &[&str]) -> Result<String> {
        let finished = self.guest.run(argv)?;
        let said = finished.err();
        ensure!(
            finished.status == Some(1),
            "status {:?} instead of 1; it said: {said}",
            finished.status
        );
        refusal(&said, expected)
    }

    /// Registers of a port whose names begin with one of `names` (all: none), by name.
    pub fn registers(&mut self, port: &str, names: &str) -> Result<Vec<(String, Value)>> {
        let said = self.etsec(&format!("regs --json --device uio:{port} {names}"))?;
        ensure!(said.status == Some(0), "etsec regs: {}", said.err());
        let values = said.values();
        let named = |value: Value| Some((value["name"].as_str()?.to_owned(), value));
        Ok(values.into_iter().filter_map(named).collect())
    }

    /// Waits until memory from `address` on is not as it was `before`; whether that came about.
    pub fn changes(&mut self, address: u64, before: &[u8]) -> Result<bool> {
        let until = Instant::now() + LIMIT;
        while self.guest.memory(address, before.len())? == before {
            if Instant::now() >= until {
                return Ok(false);
            }
            std::thread::sleep(LOOK);
        }
        Ok(true)
    }

    /// How many interrupts the kernel has counted for a line, by its name.
    pub fn interrupts(&mut self, line: &str) -> Result<u64> {
        let table = self.guest.text("/proc/interrupts")?;
        let row = table.lines().find(|row| row.split_whitespace().last() == Some(line));
        let count = row.and_then(|row| row.split_whitespace().nth(1)?.parse().ok());
        count.with_context(|| format!("/proc/interrupts has no {line}"))
    }

    /// Kills a process, whoever has started it, by a program that is started for it. Until that
    /// comes to it both are at work in turn, so that the other one may be anywhere: who is asked by
    /// the serial line finds it asleep.
    pub fn kill_from_beside(&mut self, pid: u32) -> Result<()> {
        let signal = Signal::KILL.as_raw().to_string();
        let killed = self.guest.run(&["/init", "signal", &pid.to_string(), &signal])?;
        ensure!(killed.status == Some(0), "{}", killed.err());
        Ok(())
    }

    /// Kills a process, whoever has started it, after so many instructions of its own program.
    pub fn kill_after(&mut self, pid: u32, steps: u64) -> Result<()> {
        let killed =
            self.guest.run(&["/init", "die-after", &pid.to_string(), &steps.to_string()])?;
        ensure!(killed.status == Some(0), "{}", killed.err());
        Ok(())
    }

    /// Ends all that a scenario has left running.
    pub fn clear(&mut self) {
        // A guest that is gone makes the next scenario fail, with a reason.
        let _ = self.guest.kill_all();
    }

    /// Switches the guest off.
    pub fn power_off(self) -> Result<()> {
        self.guest.power_off()
    }
}

/// The line of `said` with which the command was refused, if it is one line and has all of
/// `expected` in it.
pub fn refusal(said: &str, expected: &[&str]) -> Result<String> {
    let mut lines = said.lines().filter(|line| line.starts_with("etsec: "));
    let line = lines.next().with_context(|| format!("no reason was given, but {said:?}"))?;
    ensure!(lines.next().is_none(), "more than one reason was given: {said:?}");
    for word in expected {
        ensure!(line.contains(word), "no {word:?} in {line:?}");
    }
    Ok(line.to_owned())
}

/// The command line of the command.
fn words(arguments: &str) -> Vec<&str> {
    std::iter::once(ETSEC).chain(arguments.split_whitespace()).collect()
}

/// The address in `info: eth0: memory: 4194304 bytes at 0x003000000, pages of 4194304`.
pub fn memory_address(line: &str) -> Option<u64> {
    let rest = line.split_once(": memory: ")?.1.split_once(" bytes at 0x")?.1;
    let (address, _) = rest.split_once(',')?;
    u64::from_str_radix(address, 16).ok()
}

/// A TCP port of this machine that is free at this moment.
fn free_port() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.context("no TCP port on the loopback interface")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_line_with_all_words() {
        let said = "info: x\netsec: no thing; see there\n";
        assert_eq!(refusal(said, &["thing", "there"]).expect("one"), "etsec: no thing; see there");
        assert!(refusal(said, &["cure"]).is_err());
        assert!(refusal("etsec: a\netsec: b\n", &[]).is_err());
        assert!(refusal("", &[]).is_err());
    }

    #[test]
    fn the_address_of_the_memory_is_read() {
        let line = "info: eth0: memory: 4194304 bytes at 0x0f3000000, pages of 4194304";
        assert_eq!(memory_address(line), Some(0xf300_0000));
        assert_eq!(memory_address("info: eth0: link up"), None);
    }
}
