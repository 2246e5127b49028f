//! QEMU's test socket: a line of text for each access of the bus, a line for each answer, and lines
//! in between where an interrupt input has changed. It knows no register.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long QEMU may think. A model that runs in circles does so for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// The interrupt controller of a `ppce500`.
const INTERRUPTS: &str = "/machine/pic";

/// What has gone wrong with the conversation.
#[derive(Debug)]
pub(super) enum Failure {
    /// The socket is at its end, or has failed.
    Closed(io::Error),
    /// No answer to this.
    Silent(String),
    /// To this, an answer that nobody understands.
    Answer(String, String),
}

/// Our end of the conversation.
#[derive(Debug)]
pub(super) struct Qtest {
    stream: BufReader<UnixStream>,
    command: String,
    answer: String,
    /// Levels of the interrupt controller's first inputs.
    levels: u64,
}

impl Qtest {
    pub(super) fn new(stream: UnixStream) -> Result<Qtest, Failure> {
        stream.set_read_timeout(Some(PATIENCE)).map_err(Failure::Closed)?;
        Ok(Qtest {
            stream: BufReader::new(stream),
            command: String::new(),
            answer: String::new(),
            levels: 0,
        })
    }

    /// From here on QEMU tells of the interrupt controller's inputs, and not its processor.
    pub(super) fn intercept(&mut self) -> Result<(), Failure> {
        self.say(format_args!("irq_intercept_in {INTERRUPTS}"))?;
        self.done()
    }

    /// Reads a word in the processor's byte order.
    pub(super) fn read(&mut self, at: u64) -> Result<u32, Failure> {
        self.say(format_args!("readl {at:#x}"))?;
        self.listen()?;
        let value = self.answer.strip_prefix("OK 0x");
        let value = value.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        value.and_then(|value| u32::try_from(value).ok()).ok_or_else(|| self.misunderstood())
    }

    /// Writes a word; it has happened when this returns.
    pub(super) fn write(&mut self, at: u64, value: u32) -> Result<(), Failure> {
        self.say(format_args!("writel {at:#x} {value:#x}"))?;
        self.done()
    }

    /// The level of an input, as it was at the last answer.
    pub(super) fn level(&self, input: u32) -> bool {
        self.levels >> input & 1 != 0
    }

    fn say(&mut self, command: std::fmt::Arguments<'_>) -> Result<(), Failure> {
        self.command.clear();
        // Writing to a string cannot fail.
        let _ = self.command.write_fmt(command);
        self.command.push('\n');
        let sent = self.stream.get_mut().write_all(self.command.as_bytes());
        self.command.pop();
        sent.map_err(Failure::Closed)
    }

    fn done(&mut self) -> Result<(), Failure> {
        self.listen()?;
        if self.answer == "OK" { Ok(()) } else { Err(self.misunderstood()) }
    }

    /// Takes lines up to the answer.
    fn listen(&mut self) -> Result<(), Failure> {
        loop {
            self.answer.clear();
            match self.stream.read_line(&mut self.answer) {
                Ok(0) => return Err(Failure::Closed(ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Err(Failure::Silent(self.command.clone()));
                }
                Err(error) => return Err(Failure::Closed(error)),
            }
            self.answer.truncate(self.answer.trim_end().len());
            if !self.note_interrupt() {
                return Ok(());
            }
        }
    }

    /// Whether the line is about an interrupt input.
    fn note_interrupt(&mut self) -> bool {
        let Some(change) = self.answer.strip_prefix("IRQ ") else { return false };
        if let Some((change, number)) = change.split_once(' ')
            && let Some(bit) = number.parse().ok().and_then(|n| 1u64.checked_shl(n))
        {
            match change {
                "raise" => self.levels |= bit,
                _ => self.levels &= !bit,
            }
        }
        true
    }

    fn misunderstood(&self) -> Failure {
        Failure::Answer(self.command.clone(), self.answer.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    /// A conversation in which QEMU has said its part already; what it is asked is returned.
    fn talk<R>(says: &str, ask: impl FnOnce(&mut Qtest) -> R) -> (R, String) {
        let (ours, mut theirs) = UnixStream::pair().expect("sockets");
        theirs.write_all(says.as_bytes()).expect("said");
        theirs.shutdown(std::net::Shutdown::Write).expect("closed");
        let mut qtest = Qtest::new(ours).expect("a conversation");
        let result = ask(&mut qtest);
        drop(qtest);
        let mut asked = String::new();
        theirs.read_to_string(&mut asked).expect("heard");
        (result, asked)
    }

    #[test]
    fn words_are_read_and_written() {
        let (value, asked) = talk("OK 0x0000000040605060\n", |q| q.read(0xF_0000_0508));
        assert_eq!(value.expect("a value"), 0x4060_5060);
        assert_eq!(asked, "readl 0xf00000508\n");
        let (done, asked) = talk("OK\n", |q| q.write(0x10, 0xFF));
        assert!(done.is_ok());
        assert_eq!(asked, "writel 0x10 0xff\n");
    }

    #[test]
    fn interrupts_may_come_before_any_answer() {
        let says = "IRQ raise 5\nIRQ raise 7\nIRQ lower 5\nIRQ raise 999\nOK 0x1\n";
        let (levels, _) = talk(says, |q| {
            assert_eq!(q.read(0).expect("a value"), 1);
            [q.level(5), q.level(6), q.level(7)]
        });
        assert_eq!(levels, [false, false, true]);
    }

    #[test]
    fn an_end_and_nonsense_are_told_apart() {
        assert!(matches!(talk("", |q| q.read(0)).0, Err(Failure::Closed(_))));
        for says in ["ERR\n", "OK\n", "OK 0x1ffffffff\n", "FAIL Unknown\n"] {
            let Err(Failure::Answer(command, answer)) = talk(says, |q| q.read(4)).0 else {
                panic!("{says} was understood")
            };
            assert_eq!((command.as_str(), answer.as_str()), ("readl 0x4", says.trim()));
        }
    }
}
