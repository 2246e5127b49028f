//! `--trace`: a recording for each device that a command opens. It knows files, and nothing of what
//! is in them.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use etsec_core::errata::Part;
use etsec_linux::{Roots, Spec, part};
use etsec_sim::trace::{Header, Limits, Recorder};

use crate::args::DeviceName;
use crate::run::Usage;

/// What records devices. Clones share the recordings.
#[derive(Debug, Clone)]
pub struct Tracer {
    /// `None`: nothing is recorded.
    file: Option<PathBuf>,
    bytes: usize,
    begun: Arc<Mutex<Vec<(PathBuf, Recorder)>>>,
}

impl Tracer {
    /// Records into `file`, with so many bytes of each buffer.
    pub fn new(file: Option<PathBuf>, bytes: u16) -> Self {
        Tracer { file, bytes: bytes.into(), begun: Arc::default() }
    }

    /// What records `device`, if anything is to.
    ///
    /// # Errors
    /// If there is such a file already, or it cannot be written.
    pub fn begin(&self, device: &DeviceName) -> Result<Option<Recorder>> {
        let Some(file) = &self.file else { return Ok(None) };
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let path = numbered(file, begun.len() + 1);
        let file = create(&path)?;
        let part = match &device.spec {
            Spec::Uio(_) => part::find(&Roots::default()).map(name_of).unwrap_or_default(),
            Spec::Sim(_) | Spec::Remote(_) => String::new(),
        };
        let by = format!("etsec {}", env!("CARGO_PKG_VERSION"));
        let header = Header { device: device.to_string(), part, by };
        let limits = Limits { buffer_bytes: self.bytes, ..Limits::default() };
        let started = Instant::now();
        let clock = move || u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let recorder = Recorder::new(file, &header, limits, clock).with_context(|| bad(&path))?;
        begun.push((path, recorder.clone()));
        Ok(Some(recorder))
    }

    /// Sees that all was recorded.
    ///
    /// # Errors
    /// The first file that could not be written.
    pub fn finish(&self) -> Result<()> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        for (path, recorder) in begun.iter() {
            if let Some(error) = recorder.failure() {
                return Err(error).with_context(|| format!("{}: its end is missing", bad(path)));
            }
        }
        Ok(())
    }
}

fn bad(path: &Path) -> String {
    format!("--trace: cannot write {}", path.display())
}

/// The file of a command's device number `n`, counted from 1.
fn numbered(file: &Path, n: usize) -> PathBuf {
    if n == 1 {
        return file.to_owned();
    }
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{n}"));
    name.into()
}

/// A new file, or what is no file and cannot be overwritten. A recording may be all there is of
/// something that happens once, and an input of the command would be emptied.
fn create(path: &Path) -> Result<File> {
    let new = OpenOptions::new().write(true).create_new(true).open(path);
    match new {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let meta = path.metadata().with_context(|| bad(path))?;
            let wrong = || format!("--trace: {} is there already; name a new file", path.display());
            ensure!(!meta.is_file() || meta.len() == 0, Usage(wrong()));
            OpenOptions::new().write(true).open(path).with_context(|| bad(path))
        }
        new => new.with_context(|| bad(path)),
    }
}

/// The name of a part, in words of this program.
fn name_of(part: Part) -> String {
    match part {
        Part::Mpc8308 => "MPC8308".into(),
        Part::Mpc837x => "MPC837x".into(),
        Part::P10xx => "P10xx".into(),
        Part::Mpc8313(revision) => format!("MPC8313 {revision:?}"),
        Part::Mpc8548(revision) => format!("MPC8548 {revision:?}"),
        Part::P2020(revision) => format!("P2020 {revision:?}"),
        _ => "other".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_has_a_new_file_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("trace");
        let device: DeviceName = "sim".parse().unwrap();
        let tracer = Tracer::new(Some(file.clone()), 64);
        for _ in 0..2 {
            assert!(tracer.begin(&device).unwrap().is_some());
        }
        tracer.finish().unwrap();
        drop(tracer);
        for name in ["trace", "trace.2"] {
            let text = std::fs::read_to_string(dir.path().join(name)).unwrap();
            assert!(text.starts_with("etsec-trace 1\ndevice sim\nby etsec "), "{text}");
            assert!(text.ends_with(" end\n"), "{text}");
        }
        let again = Tracer::new(Some(file), 64).begin(&device).unwrap_err();
        assert!(again.to_string().ends_with("trace is there already; name a new file"), "{again}");
        assert!(again.is::<Usage>());
        Tracer::new(Some("/dev/null".into()), 64).begin(&device).unwrap();
        assert!(Tracer::new(None, 64).begin(&device).unwrap().is_none());
    }

    #[test]
    fn a_full_disk_is_told_at_the_end() {
        let device: DeviceName = "sim".parse().unwrap();
        let tracer = Tracer::new(Some("/dev/full".into()), 64);
        let error = tracer.begin(&device).unwrap_err();
        assert!(error.to_string().contains("/dev/full"), "{error:#}");
    }
}
