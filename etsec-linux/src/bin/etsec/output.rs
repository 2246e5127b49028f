//! What goes to standard output: text for people or one JSON object per line. It knows no command.

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
        let mut out = io::stdout().lock();
        out.write_all(line.as_bytes())?;
        out.flush()?;
        Ok(())
    }
}

/// Whether the error is that nobody reads our output any more, which is the reader's decision and
/// no failure.
pub fn is_reader_gone(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
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
        let gone =
            anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing");
        assert!(is_reader_gone(&gone));
        assert!(!is_reader_gone(&anyhow::Error::from(io::Error::from(io::ErrorKind::NotFound))));
    }
}
