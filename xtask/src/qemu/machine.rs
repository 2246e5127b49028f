//! QEMU's `ppce500` machine: what it is made of, starting it, and its end. What runs in it, what it
//! says and what is sent to it are the caller's business.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::console::Console;
use crate::log::Log;
use crate::run::{self, Ended, Group};
use crate::session::Session;
use crate::tools::QEMU;

/// The oldest QEMU that has all we use: `-netdev stream` and `dgram` came with it.
const VERSION: [u32; 2] = [7, 2];

/// How long QEMU may take to write a device tree.
const DUMP_LIMIT: Duration = Duration::from_secs(60);

/// Makes sure of a QEMU that will do; else says in one line what is wrong and what mends it.
///
/// # Errors
/// Ctrl-C, or a log that cannot be written.
pub fn available(session: &mut Session) -> Result<Result<(), String>> {
    if let Err(missing) = QEMU.ensure(session)? {
        return Ok(Err(missing));
    }
    let [least, point] = VERSION;
    Ok(match installed(session)? {
        Some(version) if version >= VERSION => Ok(()),
        Some([major, minor]) => Err(format!(
            "{} is version {major}.{minor}, too old: {least}.{point} or newer is needed \
             (Debian 12 and Ubuntu 23.04 have it)",
            QEMU.program
        )),
        None => Err(format!(
            "`{} --version` does not say a version; {least}.{point} or newer is needed",
            QEMU.program
        )),
    })
}

/// The version of the QEMU that is here; none where it says none.
///
/// # Errors
/// Where it cannot be started.
pub fn installed(session: &Session) -> Result<Option<[u32; 2]>> {
    let said = session.program(QEMU.program).arg("--version").output();
    let said = said.with_context(|| format!("cannot start {}", QEMU.program))?;
    Ok(version(&String::from_utf8_lossy(&said.stdout)))
}

/// Whether the QEMU that is here loads plugins, which is decided when it is built.
///
/// # Errors
/// Where it cannot be started.
pub fn loads_plugins(session: &Session) -> Result<bool> {
    let said = session.program(QEMU.program).arg("-help").output();
    let said = said.with_context(|| format!("cannot start {}", QEMU.program))?;
    Ok(String::from_utf8_lossy(&said.stdout).lines().any(|line| line.starts_with("-plugin ")))
}

/// The 7.2 in `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg)`.
fn version(said: &str) -> Option<[u32; 2]> {
    let mut parts = said.split_once("version ")?.1.split(|c: char| !c.is_ascii_digit());
    Some([parts.next()?.parse().ok()?, parts.next()?.parse().ok()?])
}

/// The other end of an eTSEC's wire, as QEMU is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Netdev {
    /// One UDP datagram is one frame, between two ports of 127.0.0.1: QEMU's, then ours.
    Datagrams(u16, u16),
    /// A Unix socket that we listen on: each frame after its length in four big-endian bytes.
    Stream(PathBuf),
    /// QEMU's own network in user space, with its options (`hostfwd=…`, may be empty).
    User(String),
}

impl Netdev {
    fn option(&self, id: &str) -> String {
        match self {
            Self::Datagrams(qemu, ours) => format!(
                "dgram,id={id},local.type=inet,local.host=127.0.0.1,local.port={qemu},\
                 remote.type=inet,remote.host=127.0.0.1,remote.port={ours}"
            ),
            Self::Stream(path) => {
                // A comma inside a value is doubled.
                let path = path.to_string_lossy().replace(',', ",,");
                format!("stream,id={id},server=off,addr.type=unix,addr.path={path}")
            }
            Self::User(options) if options.is_empty() => format!("user,id={id}"),
            Self::User(options) => format!("user,id={id},{options}"),
        }
    }
}

/// An eTSEC and what its wire leads to; a hub joins several.
#[derive(Debug, Clone)]
struct Port {
    wires: Vec<Netdev>,
    mac: String,
}

impl Port {
    /// The arguments that make port number `n`.
    fn arguments(&self, n: usize) -> Vec<String> {
        let id = format!("n{n}");
        let mut netdevs = Vec::new();
        if let [wire] = &self.wires[..] {
            netdevs.push(wire.option(&id));
        } else {
            netdevs.push(format!("hubport,id={id},hubid={n}"));
            for (k, wire) in self.wires.iter().enumerate() {
                let end = format!("{id}.{k}");
                netdevs.push(wire.option(&end));
                netdevs.push(format!("hubport,id={id}.hub{k},hubid={n},netdev={end}"));
            }
        }
        let mut arguments = Vec::new();
        for netdev in netdevs {
            arguments.extend(["-netdev".to_owned(), netdev]);
        }
        arguments.extend(["-device".to_owned(), format!("eTSEC,netdev={id},mac={}", self.mac)]);
        arguments
    }
}

/// What a machine is made of. Made by [`Machine::new`], then completed by the other methods.
#[derive(Debug, Clone)]
pub struct Machine {
    options: String,
    kernel: PathBuf,
    memory_mib: u32,
    ports: Vec<Port>,
    arguments: Vec<OsString>,
}

impl Machine {
    /// A machine that boots that ELF file: 64 MiB of memory, no port.
    pub fn new(kernel: impl Into<PathBuf>) -> Self {
        Self {
            options: "ppce500".into(),
            kernel: kernel.into(),
            memory_mib: 64,
            ports: Vec::new(),
            arguments: Vec::new(),
        }
    }

    /// That much memory.
    pub fn memory_mib(mut self, mib: u32) -> Self {
        self.memory_mib = mib;
        self
    }

    /// An eTSEC; the first one's registers are at 0xF_0000_0000, each further one's a page later.
    pub fn etsec(self, wire: Netdev, mac: &str) -> Self {
        self.etsec_on_hub(vec![wire], mac)
    }

    /// An eTSEC whose wire ends in a hub with all of `wires`.
    pub fn etsec_on_hub(mut self, wires: Vec<Netdev>, mac: &str) -> Self {
        self.ports.push(Port { wires, mac: mac.to_owned() });
        self
    }

    /// An option of `-machine`, such as `dumpdtb=FILE`.
    pub fn option(mut self, option: &str) -> Self {
        self.options = format!("{},{option}", self.options);
        self
    }

    /// A further argument with its value: `-initrd FILE`, `-append WORDS`, `-dtb FILE`.
    pub fn argument(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.arguments.extend([name.into(), value.into()]);
        self
    }

    fn command_line(&self) -> Vec<OsString> {
        let mut line: Vec<OsString> = Vec::new();
        // Without defaults there is nothing in it that we did not ask for.
        line.extend(["-nodefaults", "-display", "none", "-serial", "stdio"].map(Into::into));
        line.extend(["-no-reboot", "-cpu", "e500v2", "-M"].map(Into::into));
        line.extend([self.options.clone().into(), "-m".into()]);
        line.extend([format!("{}M", self.memory_mib).into(), "-kernel".into()]);
        line.push(self.kernel.clone().into());
        for (n, port) in self.ports.iter().enumerate() {
            line.extend(port.arguments(n).into_iter().map(Into::into));
        }
        line.extend(self.arguments.iter().cloned());
        line
    }

    /// Writes the device tree that QEMU makes for it to `path`, instead of starting it. Kernel,
    /// initrd and command line are in that tree.
    ///
    /// # Errors
    /// Where QEMU cannot be started, or fails; Ctrl-C.
    pub fn dump_tree(&self, session: &mut Session, log: &mut Log, path: &Path) -> Result<()> {
        // A comma inside a value is doubled.
        let doubled = path.to_string_lossy().replace(',', ",,");
        let mut qemu = run::tied(QEMU.program);
        qemu.current_dir(&session.root);
        qemu.args(self.clone().option(&format!("dumpdtb={doubled}")).command_line());
        let ended = run::limited(qemu, log, &mut session.progress, Some(DUMP_LIMIT))?;
        ensure!(ended.success(), "QEMU has written no device tree, see {}", log.path().display());
        Ok(())
    }

    /// Starts it. Its command line, what QEMU complains of and the console's lines go to
    /// `target/xtask/LOG.log`.
    ///
    /// # Errors
    /// Where QEMU cannot be started (see [`available`]), or the log not be written.
    pub fn start(&self, session: &Session, log: &str) -> Result<Running> {
        let mut log = session.log(log)?;
        let mut qemu = run::tied(QEMU.program);
        qemu.current_dir(&session.root).args(self.command_line());
        log.attach(&mut qemu)?;
        qemu.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut group = Group::start(&mut qemu)?;
        let console = Console::new(group.child(), &log)?;
        Ok(Running { group, console })
    }
}

/// A machine that runs; dropped, it is stopped.
#[derive(Debug)]
pub struct Running {
    group: Group,
    console: Console,
}

impl Running {
    /// Its console.
    pub fn console(&mut self) -> &mut Console {
        &mut self.console
    }

    /// Waits until the machine has powered itself off.
    ///
    /// # Errors
    /// It takes longer, or QEMU fails; Ctrl-C.
    pub fn powered_off(&mut self, limit: Duration) -> Result<()> {
        match self.group.wait(Some(limit), || ())? {
            Ended::Exit(status) if status.success() => Ok(()),
            Ended::Exit(status) => bail!("QEMU: {status}, see {}", self.console.log().display()),
            Ended::TimedOut => bail!("the machine did not power off within {} s", limit.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared() {
        let said = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright";
        assert_eq!(version(said), Some([7, 2]));
        assert_eq!(version("QEMU emulator version 10.0.2"), Some([10, 0]));
        assert!(version("QEMU emulator version 6.2.0") < Some(VERSION));
        assert!(version("QEMU emulator version 10.0.2") > Some(VERSION));
        assert_eq!(version("something else"), None);
    }

    #[test]
    fn the_command_line_has_what_was_asked_for_in_order() {
        let machine = Machine::new("image.elf")
            .memory_mib(256)
            .option("dumpdtb=x.dtb")
            .etsec(Netdev::Datagrams(1, 2), "52:54:00:12:34:56")
            .etsec(Netdev::Stream("a,b".into()), "52:54:00:12:34:57")
            .etsec(Netdev::User(String::new()), "52:54:00:12:34:58")
            .argument("-append", "console=ttyS0 quiet");
        let line: Vec<String> =
            machine.command_line().iter().map(|a| a.to_string_lossy().into_owned()).collect();
        let after = |name: &str, nth: usize| {
            let mut found = line.iter().enumerate().filter(|(_, a)| *a == name);
            found.nth(nth).map(|(at, _)| line[at + 1].as_str())
        };
        assert_eq!(after("-M", 0), Some("ppce500,dumpdtb=x.dtb"));
        assert_eq!(after("-m", 0), Some("256M"));
        assert_eq!(after("-kernel", 0), Some("image.elf"));
        assert!(after("-netdev", 0).is_some_and(|a| a.starts_with("dgram,id=n0,local.type=inet,")));
        let stream = "stream,id=n1,server=off,addr.type=unix,addr.path=a,,b";
        assert_eq!(after("-netdev", 1), Some(stream));
        assert_eq!(after("-netdev", 2), Some("user,id=n2"));
        assert_eq!(after("-device", 1), Some("eTSEC,netdev=n1,mac=52:54:00:12:34:57"));
        assert_eq!(after("-append", 0), Some("console=ttyS0 quiet"));
    }

    #[test]
    fn a_hub_joins_the_wires_of_one_port() {
        let wires = vec![Netdev::User("ipv6=off".into()), Netdev::Stream("x".into())];
        let line = Machine::new("image.elf").etsec_on_hub(wires, "52:54:00:12:34:56");
        let line: Vec<String> = line.ports[0].arguments(1);
        let netdevs: Vec<_> = line.iter().skip(1).step_by(2).map(String::as_str).collect();
        assert_eq!(
            netdevs[..3],
            [
                "hubport,id=n1,hubid=1",
                "user,id=n1.0,ipv6=off",
                "hubport,id=n1.hub0,hubid=1,netdev=n1.0",
            ]
        );
        assert!(netdevs[3].starts_with("stream,id=n1.1,"), "{netdevs:?}");
        assert_eq!(netdevs[5], "eTSEC,netdev=n1,mac=52:54:00:12:34:56");
    }
}
