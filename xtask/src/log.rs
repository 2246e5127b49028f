//! The log file of one suite: what was run and what it said. Children write to it directly, so
//! nothing is lost when we are killed.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// How many lines of a failed suite are shown.
const TAIL_LINES: usize = 60;

/// A log file, open for appending.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Creates the file, or empties it.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn create(path: PathBuf) -> Result<Self> {
        let named =
            || format!("cannot write {} (CARGO_TARGET_DIR can be another folder)", path.display());
        File::create(&path).with_context(named)?;
        let file = File::options().append(true).read(true).open(&path).with_context(named)?;
        Ok(Self { path, file })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes the command, and makes its output go here.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn attach(&mut self, command: &mut Command) -> Result<()> {
        self.line(&format!("$ {}", shown(command)))?;
        command.stdin(std::process::Stdio::null());
        command.stdout(self.file.try_clone()?).stderr(self.file.try_clone()?);
        Ok(())
    }

    /// The file once more, for somebody who appends to it from a thread of his own.
    ///
    /// # Errors
    /// Where the system has no more descriptors.
    pub fn appender(&self) -> Result<File> {
        self.file.try_clone().with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Adds a line of our own.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn line(&mut self, text: &str) -> Result<()> {
        writeln!(self.file, "{text}")
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// The whole text.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn text(&self) -> Result<String> {
        let bytes = std::fs::read(&self.path)
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The last line that is not empty, for the progress line; empty where there is none.
    pub fn last_line(&mut self) -> String {
        const WINDOW: u64 = 512;
        let mut bytes = Vec::new();
        let end = self.file.seek(SeekFrom::End(0)).unwrap_or(0);
        let from = end.saturating_sub(WINDOW);
        if self.file.seek(SeekFrom::Start(from)).is_err() {
            return String::new();
        }
        // A progress line is a courtesy: an unreadable log shows up where it matters, in `text`.
        let _ = self.file.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        text.lines().rev().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default().to_owned()
    }

    /// The end of the log, indented, and where the rest is.
    pub fn tail(&self) -> String {
        let text = self.text().unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(TAIL_LINES);
        let mut out = String::new();
        if from > 0 {
            out += &format!("    … {from} lines above\n");
        }
        for line in &lines[from..] {
            out += &format!("    {line}\n");
        }
        out + &format!("    whole log: {}", self.path.display())
    }
}

/// A command as one would type it.
fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(lines: usize) -> (tempfile::TempDir, Log) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut log = Log::create(dir.path().join("x.log")).expect("a log");
        for n in 0..lines {
            log.line(&format!("line {n}")).expect("written");
        }
        (dir, log)
    }

    #[test]
    fn a_long_log_shows_its_end_and_says_how_much_is_missing() {
        let (_dir, log) = filled(100);
        let tail = log.tail();
        assert!(tail.starts_with("    … 40 lines above\n    line 40\n"), "{tail}");
        assert!(tail.contains("    line 99\n    whole log: "), "{tail}");
    }

    #[test]
    fn the_last_line_skips_blank_ones() {
        let (_dir, mut log) = filled(200);
        log.line("   ").expect("written");
        assert_eq!(log.last_line(), "line 199");
        let (_dir, mut empty) = filled(0);
        assert_eq!(empty.last_line(), "");
    }

    #[test]
    fn a_second_log_of_the_same_name_starts_empty() {
        let (dir, mut log) = filled(3);
        log.line("old").expect("written");
        let again = Log::create(dir.path().join("x.log")).expect("a log");
        assert_eq!(again.text().expect("read"), "");
    }
}
