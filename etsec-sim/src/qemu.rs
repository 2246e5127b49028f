//! QEMU's eTSEC, driven from this process without any guest code: a second model, written by others
//! (feature `qemu`).
//!
//! QEMU runs a machine whose processor sleeps for ever. Registers are read and written through its
//! test socket, its memory is shared with us, and its network is a socket pair. What that model
//! does otherwise than the manual is in HW 15; nothing here corrects it.
//!
//! Each [`Qemu`] is a machine of its own, as it is after power-on, and takes about as long to start
//! as any program. It leaves nothing behind: neither files nor ports, and it ends with this process
//! however that ends.

mod frames;
mod memory;
mod process;
mod qtest;
mod sleeper;

use core::fmt;
use core::sync::atomic::{Ordering, fence};
use std::io;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use embedded_hal::delay::DelayNs;
use etsec_core::Bus;

use self::frames::Frames;
pub use self::memory::QemuRegion;
use self::memory::Ram;
use self::process::Process;
use self::qtest::{Failure, Qtest};
use crate::Line;

/// Where the first eTSEC of a `ppce500` is (HW 15.1).
const REGISTERS: u64 = 0xF_0000_0000;
/// A page is all there is behind it.
const PAGE: u16 = 0x0FFC;
/// TSEC_ID, which is read where anything will do.
const ID: u16 = 0;

/// Why there is no QEMU, or none any more.
#[derive(Debug)]
#[non_exhaustive]
pub enum QemuError {
    /// A program is not here.
    Missing {
        /// The program.
        program: &'static str,
        /// Debian's package that brings it.
        package: &'static str,
    },
    /// The system refuses what is needed: a process, a socket, memory.
    System {
        /// What was wanted.
        what: &'static str,
        /// Why there is none.
        why: io::Error,
    },
    /// QEMU has ended.
    Ended {
        /// How.
        status: ExitStatus,
        /// What it said last.
        said: String,
    },
    /// QEMU has not answered for a long time, and was ended.
    Silent {
        /// What it was asked.
        command: String,
    },
    /// QEMU answers what nobody expects: its version does not fit.
    Answer {
        /// What it was asked.
        command: String,
        /// What it said.
        answer: String,
    },
    /// The machine's memory has been handed out.
    Full,
}

impl fmt::Display for QemuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QemuError::Missing { program, package } => write!(
                f,
                "{program} is missing: `apt-get install {package}`, or the equivalent of Debian's \
                 {package} elsewhere"
            ),
            QemuError::System { what, why } => write!(f, "no {what} for QEMU: {why}"),
            QemuError::Ended { status, said } => match said.trim() {
                "" => write!(f, "QEMU has ended: {status}"),
                said => write!(f, "QEMU has ended ({status}) and said: {said}"),
            },
            QemuError::Silent { command } => {
                write!(f, "QEMU does not answer to `{command}`; it was ended")
            }
            QemuError::Answer { command, answer } => {
                write!(f, "QEMU answers `{answer}` to `{command}`; version 7.2 is known to work")
            }
            QemuError::Full => f.write_str("the machine's memory is used up"),
        }
    }
}

impl std::error::Error for QemuError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            QemuError::System { why, .. } => Some(why),
            _ => None,
        }
    }
}

/// The machine, until it fails.
#[derive(Debug)]
enum State {
    Alive(Qtest, Process),
    /// It is gone; why, until somebody has asked.
    Gone(Option<QemuError>),
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    frames: Frames,
    ram: Arc<Ram>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere has left the machine in order, or its next answer will tell.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Talks to the machine; `None` once it is gone.
    fn ask<R>(&self, talk: impl FnOnce(&mut Qtest) -> Result<R, Failure>) -> Option<R> {
        let mut state = self.lock();
        let State::Alive(qtest, process) = &mut *state else { return None };
        match talk(qtest) {
            Ok(answer) => Some(answer),
            Err(failure) => {
                *state = State::Gone(Some(process.failed(failure)));
                None
            }
        }
    }

    fn read(&self, at: u16) -> Option<u32> {
        self.ask(|qtest| qtest.read(REGISTERS + u64::from(at & PAGE)))
    }
}

/// A machine of QEMU's with one eTSEC. Clones are handles to the same one; it ends with the last of
/// them and of its buses.
#[derive(Debug, Clone)]
pub struct Qemu {
    shared: Arc<Shared>,
}

impl Qemu {
    /// Starts a machine; its eTSEC is as it is after power-on.
    ///
    /// # Errors
    /// QEMU is missing, or the system has no room; see [`QemuError`].
    pub fn start() -> Result<Qemu, QemuError> {
        let ram = Ram::new()?;
        let (frames, theirs) = Frames::new()?;
        let (mut process, stream) = Process::start(&ram, theirs)?;
        let qtest = Qtest::new(stream).and_then(|mut qtest| {
            qtest.intercept()?;
            qtest.read(REGISTERS)?;
            Ok(qtest)
        });
        match qtest {
            Ok(qtest) => {
                let state = Mutex::new(State::Alive(qtest, process));
                Ok(Qemu { shared: Arc::new(Shared { state, frames, ram }) })
            }
            Err(failure) => Err(process.failed(failure)),
        }
    }

    /// The eTSEC's register page. A dead machine's reads as all ones.
    #[must_use]
    pub fn bus(&self) -> QemuBus {
        QemuBus { shared: Arc::clone(&self.shared) }
    }

    /// Memory of `len` bytes that the eTSEC reaches. Its bytes are 0; what is given back is not
    /// handed out again.
    ///
    /// # Errors
    /// [`QemuError::Full`]; there are 15 MiB in all.
    pub fn region(&self, len: usize) -> Result<QemuRegion, QemuError> {
        Ram::region(&self.shared.ram, len).ok_or(QemuError::Full)
    }

    /// A delay in real time, in which the machine lives.
    #[must_use]
    pub fn delay(&self) -> QemuDelay {
        QemuDelay(())
    }

    /// Puts a frame on the wire to the eTSEC: DA to payload, without FCS, as long as it is. Whether
    /// it has arrived is known after [`Qemu::settle`].
    ///
    /// `false`: it is lost, because the machine is gone or takes no more.
    #[must_use]
    pub fn receive(&self, frame: &[u8]) -> bool {
        if self.shared.frames.send(frame) {
            return true;
        }
        // QEMU is behind: that is no reason for a loss.
        self.settle();
        self.shared.frames.send(frame)
    }

    /// The next frame that left on the wire, without FCS.
    #[must_use]
    pub fn transmitted(&self) -> Option<Vec<u8>> {
        self.shared.frames.receive()
    }

    /// Waits until QEMU has done all it can do with the frames it was sent. `false`: it leaves some
    /// on the wire, or is gone.
    pub fn settle(&self) -> bool {
        // QEMU looks at its sockets once for each command, and takes a frame at a time.
        let turns = self.shared.frames.given() + SPARE_TURNS;
        for _ in 0..turns {
            let taken = self.shared.frames.are_taken();
            if self.shared.read(ID).is_none() {
                return false;
            }
            if taken {
                // The one before was answered before, perhaps, the last frame was done with.
                self.shared.frames.forget_given();
                return self.shared.read(ID).is_some();
            }
        }
        false
    }

    /// The level of an interrupt line.
    #[must_use]
    pub fn line(&self, line: Line) -> bool {
        // Changes are told with the next answer.
        let input = match line {
            Line::Tx => 5,
            Line::Rx => 6,
            Line::Err => 7,
        };
        self.shared.ask(|qtest| qtest.read(REGISTERS).map(|_| qtest.level(input))) == Some(true)
    }

    /// Why the machine is gone, if it is; told once.
    #[must_use]
    pub fn error(&self) -> Option<QemuError> {
        match &mut *self.shared.lock() {
            State::Alive(..) => None,
            State::Gone(why) => why.take(),
        }
    }

    /// Ends the machine: from here on its bus has no device.
    pub fn end(&self) {
        *self.shared.lock() = State::Gone(None);
    }

    /// The number of QEMU's process; `None` once it is gone.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        match &*self.shared.lock() {
            State::Alive(_, process) => Some(process.id()),
            State::Gone(_) => None,
        }
    }

    /// Whether the machine still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.shared.read(ID).is_some()
    }

    /// Stores bytes at `offset` of a region, as a CPU would: for tests that have no driver.
    ///
    /// # Panics
    /// Beyond the end of the region.
    pub fn store(&self, region: &mut QemuRegion, offset: usize, bytes: &[u8]) {
        region.store(offset, bytes);
    }

    /// Loads bytes from `offset` of a region, as a CPU would.
    ///
    /// # Panics
    /// Beyond the end of the region.
    pub fn load(&self, region: &QemuRegion, offset: usize, bytes: &mut [u8]) {
        region.load(offset, bytes);
    }
}

/// Turns of QEMU's loop beyond one for each frame.
const SPARE_TURNS: usize = 8;

/// The register page of QEMU's eTSEC.
#[derive(Debug, Clone)]
pub struct QemuBus {
    shared: Arc<Shared>,
}

impl Bus for QemuBus {
    fn read(&self, at: u16) -> u32 {
        self.shared.read(at).unwrap_or(u32::MAX)
    }

    fn write(&self, at: u16, value: u32) {
        // A bus without a device takes no value.
        self.shared.ask(|qtest| qtest.write(REGISTERS + u64::from(at & PAGE), value));
    }

    fn publish(&self) {
        fence(Ordering::SeqCst);
    }

    fn observe(&self) {
        fence(Ordering::Acquire);
    }
}

/// A delay in real time.
#[derive(Debug, Clone)]
pub struct QemuDelay(());

impl DelayNs for QemuDelay {
    fn delay_ns(&mut self, ns: u32) {
        std::thread::sleep(Duration::from_nanos(ns.into()));
    }
}
