//! Reading a trace, line by line: it holds one line at a time, however long the trace is.

use core::fmt;
use std::io::{self, BufRead, Read};

use super::error::{Problem, TraceError};
use super::line::{Line, What};
use super::{BYTES_MAX, Header, MAGIC, VERSION};

/// Longest line: that with the most bytes of a buffer.
const LINE_MAX: u64 = 2 * BYTES_MAX as u64 + 200;

/// A trace that is being read: an iterator over its lines, each with its number in the file.
///
/// A recording that stops without its end gives all of its lines and then an error that
/// [is](TraceError::is_cut_off) no more than that; any other error is the last item, too.
pub struct Reader<R> {
    input: R,
    header: Header,
    number: u64,
    last_ns: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Lines,
    /// The end was read.
    Ended,
    Over,
}

impl<R> fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("header", &self.header)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Problem::NoTrace`], [`Problem::Version`], or what else is wrong with it.
    pub fn new(input: R) -> Result<Self, TraceError> {
        let header = Header::default();
        let mut reader = Reader { input, header, number: 0, last_ns: 0, state: State::Lines };
        reader.read_header().map_err(|problem| reader.error(problem))?;
        Ok(reader)
    }

    /// What the header says.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    fn error(&self, problem: Problem) -> TraceError {
        TraceError { line: self.number.max(1), problem }
    }

    fn read_header(&mut self) -> Result<(), Problem> {
        let first = self.text();
        let foreign = |begins: String| Problem::NoTrace { begins };
        let first = match first {
            Ok(Some(text)) => text,
            // Whatever it is, it is not ours.
            Ok(None) | Err(Problem::CutOff) => return Err(foreign(String::new())),
            Err(Problem::TooLong | Problem::NotText) => return Err(foreign("…".into())),
            Err(problem) => return Err(problem),
        };
        let version = first.strip_prefix(MAGIC).and_then(|rest| rest.strip_prefix(' '));
        match version {
            None => return Err(foreign(first.chars().take(20).collect())),
            Some(version) if version != VERSION.to_string() => {
                return Err(Problem::Version { version: version.chars().take(20).collect() });
            }
            Some(_) => {}
        }
        loop {
            let text = self.text()?.ok_or(Problem::CutOff)?;
            if text.is_empty() {
                return Ok(());
            }
            let wrong = || Problem::Wrong(format!("'{text}' is no line of a header: KEY VALUE"));
            let (key, value) = text.split_once(' ').ok_or_else(wrong)?;
            match key {
                "device" => self.header.device = value.into(),
                "part" => self.header.part = value.into(),
                "by" => self.header.by = value.into(),
                // Those that come after us may say more.
                _ if key.bytes().all(|byte| byte.is_ascii_lowercase()) => {}
                _ => return Err(wrong()),
            }
        }
    }

    /// The next line of the file, without its newline; `None` at the end.
    fn text(&mut self) -> Result<Option<String>, Problem> {
        let mut bytes = Vec::new();
        let mut limited = Read::by_ref(&mut self.input).take(LINE_MAX);
        let read = limited.read_until(b'\n', &mut bytes).map_err(Problem::Io)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if bytes.pop() != Some(b'\n') {
            let long = read as u64 == LINE_MAX;
            return Err(if long { Problem::TooLong } else { Problem::CutOff });
        }
        String::from_utf8(bytes).map(Some).map_err(|_| Problem::NotText)
    }

    fn line(&mut self) -> Result<Option<Line>, Problem> {
        let text = self.text();
        if self.state == State::Ended {
            return match text {
                Ok(None) => Ok(None),
                Err(Problem::Io(error)) => Err(Problem::Io(error)),
                _ => Err(Problem::AfterEnd),
            };
        }
        let line = Line::parse(&text?.ok_or(Problem::CutOff)?).map_err(Problem::Wrong)?;
        if line.at_ns < self.last_ns {
            return Err(Problem::TimeGoesBack);
        }
        self.last_ns = line.at_ns;
        if line.what == What::End {
            self.state = State::Ended;
        }
        Ok(Some(line))
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<(u64, Line), TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Over {
            return None;
        }
        let item = match self.line() {
            Ok(None) => None,
            Ok(Some(line)) => Some(Ok((self.number, line))),
            Err(problem) => Some(Err(self.error(problem))),
        };
        if !matches!(item, Some(Ok(_))) {
            self.state = State::Over;
        }
        item
    }
}

/// A trace in memory.
impl<'a> Reader<io::Cursor<&'a [u8]>> {
    /// As [`Reader::new`].
    ///
    /// # Errors
    /// As [`Reader::new`].
    pub fn of_bytes(bytes: &'a [u8]) -> Result<Self, TraceError> {
        Reader::new(io::Cursor::new(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "etsec-trace 1\ndevice sim\ncolour blue\n\n0.000000001 publish\n";

    fn read(text: &str) -> Result<Vec<(u64, Line)>, TraceError> {
        Reader::of_bytes(text.as_bytes())?.collect()
    }

    fn message(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn a_trace_is_read_to_its_end() {
        let text = format!("{GOOD}0.000000002 end\n");
        let lines = read(&text).unwrap();
        assert_eq!(lines.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [5, 6]);
        let reader = Reader::of_bytes(text.as_bytes()).unwrap();
        assert_eq!((&*reader.header().device, &*reader.header().part), ("sim", ""));
    }

    #[test]
    fn foreign_files_are_told() {
        assert!(message("").starts_with("line 1: this is no trace"));
        assert!(message("\n").starts_with("line 1: this is no trace"));
        let message_of = |bytes: &[u8]| Reader::of_bytes(bytes).unwrap_err().to_string();
        assert!(message_of(&[0x0A, 0x0D, 0x0D, 0x0A, 0x1C]).contains("begins with '' instead"));
        assert!(message_of(&[0xFF; 70_000]).contains("begins with '…' instead"));
        assert!(message("tcpdump says hello\n").contains("begins with 'tcpdump says hello'"));
        let newer = message("etsec-trace 2\n\n");
        assert_eq!(newer, "line 1: a trace of version 2; this program reads version 1");
        assert!(message("etsec-trace 1\nNo header\n").starts_with("line 2: 'No header' is no"));
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        assert!(message(&format!("{GOOD}x\n")).starts_with("line 6: "));
        assert!(message(&format!("{GOOD}0.000000000 end\n")).contains("before the line above"));
        let twice = message(&format!("{GOOD}0.000000001 end\n{GOOD}"));
        assert_eq!(twice, "line 7: more behind the end: are these two traces?");
    }

    #[test]
    fn a_recording_that_was_cut_off_gives_what_it_has() {
        for cut in [GOOD.to_owned(), format!("{GOOD}0.0000"), format!("{GOOD}0.000000001 end")] {
            let mut reader = Reader::of_bytes(cut.as_bytes()).unwrap();
            assert!(reader.next().unwrap().is_ok());
            let error = reader.next().unwrap().unwrap_err();
            assert!(error.is_cut_off(), "{error}");
            assert!(reader.next().is_none());
        }
    }
}
