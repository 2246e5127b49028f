//! What goes to standard output: text for people or one JSON object per line. It knows no command.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};

use anyhow::Result;
use serde::Serialize;

/// Standard output in the form the user asked for.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// Output as JSON or as text.
    pub fn new(json: bool) -> Self {
        Output { json }
    }

    /// Whether it is JSON.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Prints `value` as JSON, or else what `text` makes of it; flushed, so that a reading program
    /// sees it now.
    ///
    /// # Errors
    /// When standard output cannot be written, such as a pipe whose reader has gone.
    pub fn show<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> Result<()> {
        let mut line = if self.json { serde_json::to_string(value)? } else { text(value) };
        if !line.ends_with('\n') {
            line.push('\n');
        }
        let mut out = Stdout(io::stdout());
        out.write_all(line.as_bytes())?;
        out.flush()?;
        Ok(())
    }
}

/// Standard output, whose errors say what they are about.
#[derive(Debug)]
pub struct Stdout(pub io::Stdout);

/// What the system says of standard output.
#[derive(Debug)]
struct Unwritten(io::Error);

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write to standard output: {}", self.0)
    }
}

impl Error for Unwritten {}

impl Unwritten {
    fn of(error: io::Error) -> io::Error {
        io::Error::new(error.kind(), Unwritten(error))
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            // Whoever writes all of it tries again.
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(Unwritten::of(error)),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(Unwritten::of)
    }
}

/// Whether the error is that nobody reads our output any more, which is the reader's decision and
/// no failure. A device may break off as well, and is another matter.
pub fn is_reader_gone(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|error| {
        error.kind() == io::ErrorKind::BrokenPipe
            && error.get_ref().is_some_and(|inner| inner.is::<Unwritten>())
    })
}

/// Lays out rows in columns as wide as their widest cell; the last column is left as it is.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows =
            [vec!["a".to_owned(), "b".into()], vec!["long".into(), "c".into(), "d".into()], vec![]];
        assert_eq!(table(&rows), "a     b\nlong  c  d\n\n");
    }

    #[test]
    fn a_closed_pipe_is_told_from_other_errors() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        let gone = anyhow::Error::from(Unwritten::of(broken())).context("writing");
        assert!(is_reader_gone(&gone));
        let full = anyhow::Error::from(Unwritten::of(io::ErrorKind::StorageFull.into()));
        assert!(!is_reader_gone(&full));
        assert!(full.to_string().starts_with("cannot write to standard output: "));
        // Somebody else has hung up.
        assert!(!is_reader_gone(&anyhow::Error::from(broken()).context("sim:a")));
    }
}
