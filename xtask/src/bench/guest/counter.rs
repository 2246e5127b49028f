//! Counting the instructions of a guest: the QEMU plugin that does it (`tests/guest/plugin`), and
//! what we say to each other through a page that is a file. It knows addresses, and nothing of
//! what is at them.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::snapshot::Snapshot;
use crate::interrupt;
use crate::log::Log;
use crate::qemu::machine::{self, Machine};
use crate::run;
use crate::session::Session;
use crate::tools::{CC, QEMU};

/// The plugin's source, from the root.
const SOURCE: &str = "tests/guest/plugin/insncount.c";
/// The first QEMU whose interface for plugins is the second version.
const SECOND: [u32; 2] = [9, 0];
/// Bytes of the page.
const PAGE_BYTES: usize = 4096;
/// Where things are in the page, as the plugin has them; the first word is of no interest here.
const TAKEN: u64 = 8;
const WANTED: u64 = 16;
const WATCH: u64 = 24;
const SEEN: u64 = WATCH + 8 * WATCHES as u64;
/// How many instructions can be watched.
const WATCHES: usize = 4;
/// How often the page is looked at. A guest's burst takes a fraction of a millisecond.
const LOOK: Duration = Duration::from_micros(50);

/// Compiles the plugin; else what is missing, and the command that installs it.
///
/// # Errors
/// Ctrl-C, or a source that does not compile.
pub fn plugin(session: &mut Session, log: &mut Log) -> Result<Result<PathBuf, String>> {
    if let Err(missing) = CC.ensure(session)? {
        return Ok(Err(missing));
    }
    if !machine::loads_plugins(session)? {
        let why = "was built without plugins, which count instructions; Debian's has them";
        return Ok(Err(format!("{} {why}", QEMU.program)));
    }
    let api = if machine::installed(session)? >= Some(SECOND) { "-DAPI=2" } else { "-DAPI=1" };
    let plugin = session.target.join("xtask/insncount.so");
    let mut cc = session.program(CC.program);
    cc.args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden", api]);
    cc.arg("-o").arg(&plugin).arg(session.root.join(SOURCE));
    let compiled = run::logged(cc, log, &mut session.progress)?.success();
    ensure!(compiled, "{SOURCE} does not compile\n{}", log.tail());
    Ok(Ok(plugin))
}

/// What the plugin has said of one guest so far.
#[derive(Debug)]
pub struct Counter {
    page: File,
    folder: PathBuf,
    snapshots: u64,
}

impl Counter {
    /// A page in `folder`, where snapshots go as well; the instructions at `watch` are watched.
    ///
    /// # Errors
    /// Where files cannot be made there.
    pub fn new(folder: &Path, watch: &[u32]) -> Result<Self> {
        ensure!(watch.len() <= WATCHES, "{} instructions cannot be watched", watch.len());
        let path = folder.join("page");
        fs::write(&path, [0; PAGE_BYTES])
            .with_context(|| format!("cannot write {}", path.display()))?;
        let page = File::options().read(true).write(true).open(&path)?;
        for (n, address) in watch.iter().enumerate() {
            page.write_all_at(&u64::from(*address).to_ne_bytes(), WATCH + 8 * n as u64)?;
        }
        Ok(Self { page, folder: folder.to_path_buf(), snapshots: 0 })
    }

    /// The machine with `plugin` loaded.
    pub fn on(&self, machine: Machine, plugin: &Path) -> Machine {
        // A comma inside a value is doubled.
        let doubled = |path: &Path| path.to_string_lossy().replace(',', ",,");
        let (page, out) = (self.folder.join("page"), self.folder.join("counts"));
        let value = format!("{},page={},out={}", doubled(plugin), doubled(&page), doubled(&out));
        machine.argument("-accel", "tcg,thread=multi").argument("-plugin", value)
    }

    /// How often watched instruction `n` had been executed when the CPU last went to sleep.
    ///
    /// # Errors
    /// Where the page cannot be read.
    pub fn seen(&self, n: usize) -> Result<u64> {
        self.word(SEEN + 8 * n as u64)
    }

    /// All counts, the next time the CPU goes to sleep.
    ///
    /// # Errors
    /// It does not within `limit`; Ctrl-C.
    pub fn snapshot(&mut self, limit: Duration) -> Result<Snapshot> {
        self.snapshots += 1;
        let number = self.snapshots;
        self.page.write_all_at(&number.to_ne_bytes(), WANTED)?;
        let taken = self.until(limit, || Ok(self.word(TAKEN)? == number))?;
        ensure!(taken, "the guest does not go to sleep");
        let path = self.folder.join(format!("counts.{number}"));
        let snapshot = Snapshot::read(&path)?;
        fs::remove_file(&path)?;
        Ok(snapshot)
    }

    /// Waits until `true`, or for `limit`; returns whether it has become true.
    ///
    /// # Errors
    /// Those of `what`; Ctrl-C.
    pub fn until(&self, limit: Duration, mut what: impl FnMut() -> Result<bool>) -> Result<bool> {
        let started = Instant::now();
        while !what()? {
            interrupt::check()?;
            if started.elapsed() >= limit {
                return Ok(false);
            }
            std::thread::sleep(LOOK);
        }
        Ok(true)
    }

    fn word(&self, at: u64) -> Result<u64> {
        let mut bytes = [0; 8];
        if self.page.read_exact_at(&mut bytes, at).is_err() {
            bail!("the page that is shared with QEMU has gone");
        }
        Ok(u64::from_ne_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_laid_out_as_the_plugin_has_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut counter = Counter::new(folder.path(), &[0xC000_0100, 0xC000_0200]).expect("made");
        let at = |word: u64, value: u64| {
            counter.page.write_all_at(&value.to_ne_bytes(), 8 * word).expect("written");
        };
        assert_eq!(counter.word(WATCH + 8).expect("read"), 0xC000_0200);
        at(7, 6);
        at(8, 7);
        assert_eq!((counter.seen(0).expect("read"), counter.seen(1).expect("read")), (6, 7));
        fs::write(folder.path().join("counts.1"), "00000010 3\nc0000100 4\n").expect("written");
        at(1, 1);
        let snapshot = counter.snapshot(LOOK).expect("taken");
        assert_eq!(snapshot.at(0xC000_0100), 4);
        assert!(counter.snapshot(LOOK).is_err(), "nobody is there to take a second one");
        assert!(Counter::new(folder.path(), &[0; 5]).is_err());
    }
}
