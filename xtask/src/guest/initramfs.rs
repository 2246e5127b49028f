//! The guest's root file system: a cpio archive that the kernel unpacks into memory. It knows
//! neither kernels nor what the files are for.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use cpio::newc::{Builder, ModeFileType, trailer};

/// An archive that grows.
#[derive(Debug)]
pub struct Initramfs {
    archive: Vec<u8>,
    entries: u32,
}

impl Initramfs {
    /// An archive that holds `init` and the console that the kernel wants to give to it.
    ///
    /// # Errors
    /// Where `init` cannot be read.
    pub fn new(init: &Path) -> Result<Self> {
        let mut archive = Self { archive: Vec::new(), entries: 0 };
        archive.folder("dev")?;
        let console = Builder::new("dev/console").rdev_major(5).rdev_minor(1);
        archive.add(console.mode(0o600).set_mode_file_type(ModeFileType::Char), &[])?;
        archive.file("init", init)?;
        Ok(archive)
    }

    /// An empty folder; those above it have to be there already.
    ///
    /// # Errors
    /// A name that is too long.
    pub fn folder(&mut self, name: &str) -> Result<()> {
        let entry = Builder::new(name).mode(0o755).set_mode_file_type(ModeFileType::Directory);
        self.add(entry, &[])
    }

    /// A file of that name, executable, that holds what the file at `path` does.
    ///
    /// # Errors
    /// Where `path` cannot be read.
    pub fn file(&mut self, name: &str, path: &Path) -> Result<()> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        self.bytes(name, &bytes)
    }

    /// A file of that name that holds `bytes`.
    ///
    /// # Errors
    /// More bytes than an archive's file can have.
    pub fn bytes(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let entry = Builder::new(name).mode(0o755).set_mode_file_type(ModeFileType::Regular);
        self.add(entry, bytes)
    }

    fn add(&mut self, entry: Builder, bytes: &[u8]) -> Result<()> {
        self.entries += 1;
        let len = u32::try_from(bytes.len()).context("a file of 4 GiB in the guest")?;
        let mut writer = entry.ino(self.entries).write(&mut self.archive, len);
        writer.write_all(bytes)?;
        writer.finish()?;
        Ok(())
    }

    /// Writes the archive to `path`.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub fn write(mut self, path: &Path) -> Result<()> {
        trailer(&mut self.archive)?;
        fs::write(path, &self.archive).with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpio::newc::Reader;

    #[test]
    fn what_is_put_in_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let init = folder.path().join("init");
        fs::write(&init, "first").expect("written");
        let mut archive = Initramfs::new(&init).expect("made");
        archive.folder("lib").expect("added");
        archive.bytes("lib/x", b"12345").expect("added");
        assert!(archive.file("y", &folder.path().join("none")).is_err());
        let path = folder.path().join("archive");
        archive.write(&path).expect("written");

        let mut rest = &fs::read(&path).expect("read")[..];
        let mut found = Vec::new();
        loop {
            let reader = Reader::new(rest).expect("an entry");
            if reader.entry().is_trailer() {
                break;
            }
            let entry = reader.entry();
            found.push((entry.name().to_owned(), entry.mode(), entry.file_size()));
            if entry.name() == "dev/console" {
                assert_eq!((entry.rdev_major(), entry.rdev_minor()), (5, 1));
            }
            rest = reader.finish().expect("the next");
        }
        let expected = [
            ("dev", 0o040_755, 0),
            ("dev/console", 0o020_600, 0),
            ("init", 0o100_755, 5),
            ("lib", 0o040_755, 0),
            ("lib/x", 0o100_755, 5),
        ];
        assert_eq!(found, expected.map(|(name, mode, len)| (name.to_owned(), mode, len)));
    }
}
