//! A booted image: its console's events, commands to it, and both its wires.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::frames::{self, MAC, SECOND_MAC};
use crate::qemu::machine::{Machine, Running};
use crate::qemu::wire::Wire;
use crate::session::Session;

/// How long anything may take that takes a moment: on a busy machine a process may stand still for
/// seconds. It ends what would hang for ever, and judges nothing.
pub const MOMENT: Duration = Duration::from_secs(60);
/// The image has megabytes of buffers, and QEMU puts the device tree far behind them.
const MEMORY_MIB: u32 = 128;

/// What an image says before it ends before its time.
const LAST_WORDS: [&str; 4] = ["failed", "gone", "panic", "exception"];

/// A running image.
#[derive(Debug)]
pub struct Guest {
    running: Running,
    /// The wire of the first port, and of the second.
    pub wires: [Wire; 2],
}

impl Guest {
    /// Boots the image with two eTSECs.
    ///
    /// # Errors
    /// Where QEMU does not start, or the loopback interface gives no ports.
    pub fn boot(session: &Session, image: &Path, log: &str) -> Result<Self> {
        let ((first, to_first), (second, to_second)) = (Wire::new()?, Wire::new()?);
        let machine = Machine::new(image)
            .memory_mib(MEMORY_MIB)
            .etsec(to_first, &text(MAC))
            .etsec(to_second, &text(SECOND_MAC));
        Ok(Self { running: machine.start(session, log)?, wires: [first, second] })
    }

    /// The next event of that name; others are passed over.
    ///
    /// # Errors
    /// It does not come within a moment, or the image has ended; Ctrl-C.
    pub fn event(&mut self, name: &str) -> Result<Value> {
        let what = format!("the event `{name}`");
        let event = self.running.console().expect(&what, MOMENT, |line| {
            let event: Value = serde_json::from_str(line).ok()?;
            let said = event["event"].as_str()?;
            (said == name || LAST_WORDS.contains(&said)).then_some(event)
        })?;
        if event["event"] != name {
            bail!("{what} was awaited, but the image said {event}");
        }
        Ok(event)
    }

    /// Sends a command.
    ///
    /// # Errors
    /// Where the socket fails.
    pub fn command(&mut self, word: &str) -> Result<()> {
        self.wires[0].send(&frames::command(word)?).map(drop)
    }

    /// Sends a command and waits for the event that answers it.
    ///
    /// # Errors
    /// As [`Guest::event`].
    pub fn ask(&mut self, word: &str, answer: &str) -> Result<Value> {
        self.command(word)?;
        self.event(answer)
    }

    /// Waits for the power to go off.
    ///
    /// # Errors
    /// It does not within a moment, or QEMU fails; Ctrl-C.
    pub fn powered_off(&mut self) -> Result<()> {
        self.running.powered_off(MOMENT)
    }
}

/// The number under that name in an event.
///
/// # Errors
/// There is none.
pub fn number(event: &Value, name: &str) -> Result<u64> {
    event[name].as_u64().with_context(|| format!("no number `{name}` in {event}"))
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}
