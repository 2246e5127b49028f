//! A machine's registers and memory as its bus has them, read and written past its CPU: QEMU's own
//! protocol for tests, lines of text on a socket, which runs beside whatever the CPU does. What the
//! words mean is the caller's business.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::machine::Machine;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Where a machine that is to be started will call.
#[derive(Debug)]
pub struct Line(UnixListener);

impl Line {
    /// Makes a socket of that name, and a machine that will call there.
    ///
    /// # Errors
    /// A socket that cannot be made.
    pub fn add(machine: Machine, path: &Path) -> Result<(Self, Machine)> {
        let listener = UnixListener::bind(path);
        let listener = listener.with_context(|| format!("cannot listen at {}", path.display()))?;
        listener.set_nonblocking(true)?;
        // A comma inside a value is doubled.
        let path = path.to_string_lossy().replace(',', ",,");
        let machine =
            machine.argument("-qtest", format!("unix:{path}")).argument("-qtest-log", "/dev/null");
        Ok((Self(listener), machine))
    }

    /// The machine, which has been started.
    ///
    /// # Errors
    /// It has not called.
    pub fn machine(&self) -> Result<Qtest> {
        let mut last = None;
        // Who wrote the device tree before has called as well, and is gone.
        loop {
            match self.0.accept() {
                Ok((stream, _)) => last = Some(stream),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("the machine's line for tests"),
            }
        }
        let stream = last.context("the machine has not called on its line for tests")?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(Qtest(BufReader::new(stream)))
    }
}

/// A machine's bus.
#[derive(Debug)]
pub struct Qtest(BufReader<UnixStream>);

impl Qtest {
    /// Reads the word at a physical address, as the CPU would.
    ///
    /// # Errors
    /// The machine is gone.
    pub fn read(&mut self, at: u64) -> Result<u32> {
        let answer = self.ask(&format!("readl {at:#x}"))?;
        let value = answer.strip_prefix("0x").map(|digits| u64::from_str_radix(digits, 16));
        let value = value.and_then(Result::ok).and_then(|value| u32::try_from(value).ok());
        value.with_context(|| format!("readl {at:#x}: {answer:?}"))
    }

    /// Writes a word at a physical address, as the CPU would.
    ///
    /// # Errors
    /// The machine is gone.
    pub fn write(&mut self, at: u64, value: u32) -> Result<()> {
        self.ask(&format!("writel {at:#x} {value:#x}")).map(drop)
    }

    fn ask(&mut self, order: &str) -> Result<String> {
        let mut answer = String::new();
        writeln!(self.0.get_mut(), "{order}").with_context(|| order.to_owned())?;
        self.0.read_line(&mut answer).with_context(|| order.to_owned())?;
        let words = answer.trim_end().strip_prefix("OK");
        ensure!(words.is_some(), "{order}: {answer:?}");
        Ok(words.unwrap_or_default().trim_start().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_written_and_a_refusal_is_an_error() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let answers = std::thread::spawn(move || {
            let mut theirs = BufReader::new(theirs);
            let mut orders = Vec::new();
            for answer in ["OK 0x0000000001240000", "OK", "FAIL Unknown command"] {
                let mut order = String::new();
                theirs.read_line(&mut order).expect("an order");
                orders.push(order);
                writeln!(theirs.get_mut(), "{answer}").expect("answered");
            }
            orders
        });
        let mut qtest = Qtest(BufReader::new(ours));
        assert_eq!(qtest.read(0xF_0000_0000).expect("read"), 0x0124_0000);
        qtest.write(0xF_0000_0014, 0x80).expect("written");
        assert!(qtest.read(0).is_err());
        let orders = answers.join().expect("no panic");
        let expected = ["readl 0xf00000000\n", "writel 0xf00000014 0x80\n", "readl 0x0\n"];
        assert_eq!(orders, expected);
    }
}
