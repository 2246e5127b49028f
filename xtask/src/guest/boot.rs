//! Booting a guest and talking to it as long as it runs.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use super::control::{Control, Finished, Line, Program};
use super::initramfs::Initramfs;
use super::kernel::Kernel;
use super::kmod::MODULE;
use super::programs::Programs;
use super::tree;
use crate::log::Log;
use crate::qemu::machine::{Machine, Running};
use crate::session::Session;

/// How long a guest may take from power-on to its first word, and to power off. It takes a second;
/// the rest is for machines that are busy with other things.
const LIMIT: Duration = Duration::from_secs(60);
/// How long a program in the guest may take, unless somebody knows better.
const RUN_LIMIT: Duration = Duration::from_secs(30);
/// What the kernel says of its own accord on its console: warnings and worse. The machine has both
/// serial ports at one interrupt, and whichever has nothing to say takes it back, also from the
/// other: a word of ours that comes while the kernel speaks may never be read. That happened when
/// `random: crng init done` met one.
const KERNEL_SAYS: &str = "loglevel=5";
/// Memory of the guest in MiB.
const MEMORY_MIB: u32 = 128;

/// What a guest is made of.
#[derive(Debug)]
pub struct Boot<'a> {
    /// A name for its logs: `NAME.log` is the talk with it, `NAME-kernel.log` what its kernel says.
    pub name: String,
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The programs of ours.
    pub programs: &'a Programs,
    /// The eTSECs, on a machine that boots the kernel.
    pub machine: Machine,
    /// What is put over QEMU's device tree.
    pub overlays: Vec<PathBuf>,
    /// Words for the kernel's command line.
    pub append: String,
    /// Modules that are to be found in `/lib` of the guest, by name.
    pub modules: &'a [&'a str],
    /// Our own, if one was built for that kernel.
    pub own_module: Option<&'a Path>,
    /// Further files, and folders before what is in them: name in the guest, contents of a file.
    pub files: Vec<(String, Option<Vec<u8>>)>,
}

/// A guest that runs; dropped, it is switched off.
#[derive(Debug)]
pub struct Guest {
    running: Running,
    control: Control,
    memory: File,
    // Last: the machine uses what is in it.
    _folder: TempDir,
}

impl Guest {
    /// Boots a guest and waits until it is up.
    ///
    /// # Errors
    /// Where it does not come up, with the logs to look at; Ctrl-C.
    pub fn boot(session: &mut Session, log: &mut Log, boot: Boot<'_>) -> Result<Self> {
        let folder = session.target.join("xtask");
        let folder = tempfile::Builder::new().prefix("guest-").tempdir_in(folder)?;
        let initrd = folder.path().join("initrd");
        root(&boot)?.write(&initrd)?;
        let kernel_log = session.target.join(format!("xtask/{}-kernel.log", boot.name));
        let memory = folder.path().join("memory");
        let machine = boot
            .machine
            .memory_mib(MEMORY_MIB)
            .option("memory-backend=ram")
            .argument("-object", backend(&memory.to_string_lossy()))
            .argument("-serial", format!("file:{}", kernel_log.display()))
            .argument("-initrd", &initrd)
            .argument("-append", format!("console=ttyS1 panic=-1 {KERNEL_SAYS} {}", boot.append));
        let tree = tree::make(session, log, &machine, &boot.overlays, folder.path())?;
        let mut running = machine.argument("-dtb", tree).start(session, &boot.name)?;
        let mut control = Control::default();
        let expected = boot.kernel.version().name();
        let kernel = control
            .ready(running.console(), LIMIT)
            .with_context(|| format!("the guest's kernel: {}", kernel_log.display()))?;
        ensure!(kernel.starts_with(&format!("{expected}.")), "Linux {kernel} is no {expected}");
        let memory = File::options().read(true).write(true).open(&memory);
        let memory = memory.context("the guest's memory")?;
        Ok(Self { running, control, memory, _folder: folder })
    }

    /// Runs a program in the guest to its end.
    ///
    /// # Errors
    /// It cannot be started, or does not end; Ctrl-C.
    pub fn run(&mut self, argv: &[&str]) -> Result<Finished> {
        let program = self.start(argv)?;
        self.finish(program, RUN_LIMIT)
    }

    /// Starts a program in the guest.
    ///
    /// # Errors
    /// It cannot be started; Ctrl-C.
    pub fn start(&mut self, argv: &[&str]) -> Result<Program> {
        self.control.start(self.running.console(), argv)
    }

    /// Waits until a program says a line that `wanted` makes something of; `what` names it.
    ///
    /// # Errors
    /// No such line comes in time, or the program ends before; Ctrl-C.
    pub fn line<T>(
        &mut self,
        program: &Program,
        what: &str,
        limit: Duration,
        wanted: impl FnMut(&Line) -> Option<T>,
    ) -> Result<T> {
        self.control.line(self.running.console(), program, what, limit, wanted)
    }

    /// Waits for a program's end.
    ///
    /// # Errors
    /// It does not end in time; Ctrl-C.
    pub fn finish(&mut self, program: Program, limit: Duration) -> Result<Finished> {
        self.control.finish(self.running.console(), program, limit)
    }

    /// Kills every program that still runs, and waits for their ends.
    ///
    /// # Errors
    /// One does not end; Ctrl-C.
    pub fn kill_all(&mut self) -> Result<()> {
        for program in self.control.running() {
            self.signal(&program, Signal::KILL)?;
            self.finish(program, RUN_LIMIT)?;
        }
        Ok(())
    }

    /// Sends a signal to a program.
    ///
    /// # Errors
    /// It has ended; Ctrl-C.
    pub fn signal(&mut self, program: &Program, signal: Signal) -> Result<()> {
        self.control.signal(self.running.console(), program, signal)
    }

    /// A file's bytes.
    ///
    /// # Errors
    /// What the guest says; Ctrl-C.
    pub fn read(&mut self, path: &str) -> Result<Vec<u8>> {
        self.control.ask(self.running.console(), json!({ "do": "read", "path": path }))
    }

    /// A file's text.
    ///
    /// # Errors
    /// What the guest says; Ctrl-C.
    pub fn text(&mut self, path: &str) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.read(path)?).into_owned())
    }

    /// Writes to a file.
    ///
    /// # Errors
    /// What the guest says; Ctrl-C.
    pub fn write(&mut self, path: &str, text: &str) -> Result<()> {
        self.ask(json!({ "do": "write", "path": path, "text": text }))
    }

    /// A file's length in bytes.
    ///
    /// # Errors
    /// What the guest says; Ctrl-C.
    pub fn size(&mut self, path: &str) -> Result<u64> {
        let size =
            self.control.ask(self.running.console(), json!({ "do": "size", "path": path }))?;
        String::from_utf8_lossy(&size).parse().context("the guest says no size")
    }

    /// The names in a folder, sorted.
    ///
    /// # Errors
    /// What the guest says; Ctrl-C.
    pub fn list(&mut self, path: &str) -> Result<Vec<String>> {
        let names =
            self.control.ask(self.running.console(), json!({ "do": "list", "path": path }))?;
        Ok(String::from_utf8_lossy(&names).lines().map(str::to_owned).collect())
    }

    /// Loads a module.
    ///
    /// # Errors
    /// What the guest says; Ctrl-C.
    pub fn load(&mut self, module: &str, options: &str) -> Result<()> {
        let path = format!("/lib/{module}.ko");
        self.ask(json!({ "do": "load", "path": path, "options": options }))
    }

    /// Unloads a module.
    ///
    /// # Errors
    /// What the guest says: somebody uses it, perhaps; Ctrl-C.
    pub fn unload(&mut self, module: &str) -> Result<()> {
        self.ask(json!({ "do": "unload", "module": module }))
    }

    /// Mounts a file system.
    ///
    /// # Errors
    /// What the guest says; Ctrl-C.
    pub fn mount(&mut self, kind: &str, at: &str, options: &str) -> Result<()> {
        self.ask(json!({ "do": "mount", "kind": kind, "at": at, "options": options }))
    }

    /// Gives a network interface of the kernel's an address.
    ///
    /// # Errors
    /// What the guest says; Ctrl-C.
    pub fn address(&mut self, interface: &str, address: Ipv4Addr, prefix: u8) -> Result<()> {
        self.ask(json!({
            "do": "address", "interface": interface, "address": address, "prefix": prefix
        }))
    }

    /// The bytes of the guest's memory from physical address `at` on, as they are at this moment.
    ///
    /// # Errors
    /// An address beyond it.
    pub fn memory(&self, at: u64, len: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.memory
            .read_exact_at(&mut bytes, at)
            .with_context(|| format!("the guest has no {len} bytes of memory at {at:#x}"))?;
        Ok(bytes)
    }

    /// Puts bytes into the guest's memory from physical address `at` on, behind its back.
    ///
    /// # Errors
    /// An address beyond it.
    pub fn set_memory(&self, at: u64, bytes: &[u8]) -> Result<()> {
        let len = bytes.len();
        self.memory
            .write_all_at(bytes, at)
            .with_context(|| format!("the guest has no {len} bytes of memory at {at:#x}"))
    }

    /// Powers it off.
    ///
    /// # Errors
    /// It does not; Ctrl-C.
    pub fn power_off(mut self) -> Result<()> {
        let console = self.running.console();
        console.type_line(&json!({ "id": 0, "do": "power-off" }).to_string())?;
        self.running.powered_off(LIMIT)
    }

    fn ask(&mut self, action: serde_json::Value) -> Result<()> {
        self.control.ask(self.running.console(), action).map(drop)
    }
}

/// The value of `-object` for memory that can be looked at from outside.
fn backend(path: &str) -> String {
    // A comma inside a value is doubled.
    let path = path.replace(',', ",,");
    format!("memory-backend-file,id=ram,size={MEMORY_MIB}M,mem-path={path},share=on")
}

/// What is in the guest's root file system.
fn root(boot: &Boot<'_>) -> Result<Initramfs> {
    let mut root = Initramfs::new(&boot.programs.init)?;
    root.folder("bin")?;
    root.file("bin/etsec", &boot.programs.etsec)?;
    root.folder("lib")?;
    for module in boot.modules {
        root.file(&format!("lib/{module}.ko"), &boot.kernel.module(module))?;
    }
    if let Some(module) = boot.own_module {
        root.file(&format!("lib/{MODULE}.ko"), module)?;
    }
    for (name, bytes) in &boot.files {
        match bytes {
            Some(bytes) => root.bytes(name, bytes)?,
            None => root.folder(name)?,
        }
    }
    Ok(root)
}
