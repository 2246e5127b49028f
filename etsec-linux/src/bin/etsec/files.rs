//! Which files a command line reads and which it writes: none may be both, for opening it to write
//! would empty it. It knows names, and opens nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use etsec_linux::{Spec, WireSpec};

use crate::args::DeviceName;
use crate::run::Usage;

/// The files of a command line, each with the words that name it.
#[derive(Debug, Default)]
pub struct Files {
    read: Vec<(String, PathBuf)>,
    written: Vec<(String, PathBuf)>,
}

impl Files {
    /// The files of these devices.
    pub fn of<'a>(devices: impl IntoIterator<Item = &'a DeviceName>) -> Self {
        let mut files = Files::default();
        for device in devices {
            if let Spec::Sim(WireSpec::Pcap { input, output }) = &device.spec {
                let named = |path: &PathBuf| (device.to_string(), path.clone());
                files.read.extend(input.as_ref().map(named));
                files.written.extend(output.as_ref().map(named));
            }
        }
        files
    }

    /// And one that `option` reads.
    pub fn and_read(mut self, option: &str, path: &Path) -> Self {
        self.read.push((option.to_owned(), path.to_owned()));
        self
    }

    /// And one that `option` writes.
    pub fn and_written(mut self, option: &str, path: &Path) -> Self {
        self.written.push((option.to_owned(), path.to_owned()));
        self
    }

    /// Finds out before any of them is opened whether one that is written is used a second time,
    /// under whatever name.
    ///
    /// # Errors
    /// [`Usage`], naming the file and both uses.
    pub fn check(&self) -> Result<()> {
        for (n, (writer, output)) in self.written.iter().enumerate() {
            let others = self.read.iter().chain(&self.written[n + 1..]);
            for (other, path) in others {
                let why = "would overwrite what";
                let shown = path.display();
                let wrong = || format!("{shown}: {writer} {why} {other} uses; name another file");
                ensure!(!is_same(output, path), Usage(wrong()));
            }
        }
        Ok(())
    }
}

/// Whether both are one regular file. Devices such as /dev/null are not emptied by opening them.
fn is_same(a: &Path, b: &Path) -> bool {
    let identity = |path: &Path| {
        let meta = fs::metadata(path).ok()?;
        meta.is_file().then(|| (meta.dev(), meta.ino()))
    };
    match (identity(a), identity(b)) {
        (Some(a), Some(b)) => a == b,
        // What is not there yet has a name only.
        (None, None) => a == b && !a.exists() && a.as_os_str() != "-",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(devices: &[&str]) -> Result<()> {
        let devices: Vec<DeviceName> = devices.iter().map(|name| name.parse().unwrap()).collect();
        Files::of(&devices).check()
    }

    #[test]
    fn one_file_has_one_use_if_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("a.pcap"), dir.path().join("b.pcap"));
        fs::write(&file, b"").unwrap();
        fs::hard_link(&file, &link).unwrap();
        let (file, link) = (file.display(), link.display());
        let own = check(&[&format!("sim,wire=pcap:{file},{link}")]).unwrap_err().to_string();
        assert!(own.starts_with(&file.to_string()), "{own}");
        let (reads, writes) = (format!("sim,wire=pcap:{file}"), format!("sim,wire=pcap:,{link}"));
        assert!(check(&[&reads, &writes]).is_err());
        assert!(check(&[&writes, &writes]).is_err());
        check(&[&reads, &reads]).unwrap();
        let new = format!("sim,wire=pcap:{file},{}/new.pcap", dir.path().display());
        check(&[&new]).unwrap();
        assert!(check(&[&new, &new]).is_err());
        check(&["sim,wire=pcap:,/dev/null", "sim,wire=pcap:/dev/null,/dev/null"]).unwrap();
    }
}
