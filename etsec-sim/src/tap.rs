//! A TAP device of Linux as an end of the wire (feature `tap`): the kernel's network stack is the
//! other station.
//!
//! The device is opened with tun-rs. tappers 0.4.2 does not fit: it insists on a device that is not
//! there yet, and so cannot attach to a persistent TAP, the only kind a user without privileges
//! can have.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::io::Errno;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use crate::ends::{Wire, WireError};

const TUN: &str = "/dev/net/tun";
/// The longest frame the kernel hands out, and some.
const FRAME_MAX: usize = 65536;
/// The longest name of a Linux network interface.
const NAME_MAX: usize = 15;

/// Why a TAP device cannot be used; each names the interface and the cure.
#[derive(Debug)]
pub enum TapError {
    /// No interface can have this name.
    Name(String),
    /// The kernel has no TAP devices.
    NoTun(String),
    /// Neither an existing device of ours nor the right to create one.
    Permission(String),
    /// Another process has it.
    Busy(String),
    /// An interface of this name exists and is no TAP device.
    NotATap(String),
    /// It was deleted while in use.
    Gone(String),
    /// Anything else.
    Io(String, io::Error),
}

impl fmt::Display for TapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TapError::Name(name) => write!(
                f,
                "{name:?} is no interface name: it takes 1 to {NAME_MAX} characters without \
                 spaces, '/', ':' and '%'"
            ),
            TapError::NoTun(name) => write!(
                f,
                "cannot open TAP device {name}: there is no {TUN}; load the module with \
                 `modprobe tun`, or let the container have the device"
            ),
            TapError::Permission(name) => write!(
                f,
                "cannot open TAP device {name}: no permission; create it once as root with \
                 `ip tuntap add dev {name} mode tap user $USER`"
            ),
            TapError::Busy(name) => {
                write!(f, "cannot open TAP device {name}: another process is using it")
            }
            TapError::NotATap(name) => {
                write!(f, "cannot open TAP device {name}: it exists and is no single-queue TAP")
            }
            TapError::Gone(name) => {
                write!(f, "TAP device {name} is gone: it was deleted while in use")
            }
            TapError::Io(name, error) => write!(f, "TAP device {name} has failed: {error}"),
        }
    }
}

impl std::error::Error for TapError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TapError::Io(_, error) => Some(error),
            _ => None,
        }
    }
}

/// An open TAP device. Reading and writing never wait.
pub struct Tap {
    name: String,
    device: SyncDevice,
    scratch: Box<[u8]>,
    gone: bool,
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Tap {
    /// Attaches to the TAP device `name`, or creates it until the value is dropped.
    ///
    /// Its addresses and whether it is up are left as they are. Linux activates the interface's
    /// queue a few milliseconds after this returns, and drops what it would send before.
    ///
    /// # Errors
    /// See [`TapError`].
    pub fn open(name: &str) -> Result<Tap, TapError> {
        if !is_interface_name(name) {
            return Err(TapError::Name(name.into()));
        }
        // tun-rs would make the node, which is not for us to do.
        if !Path::new(TUN).exists() {
            return Err(TapError::NoTun(name.into()));
        }
        let device = DeviceBuilder::new().name(name).layer(Layer::L2).build_sync();
        let device = device.map_err(|error| open_error(name, error))?;
        device.set_nonblocking(true).map_err(|error| open_error(name, error))?;
        let scratch = vec![0; FRAME_MAX].into_boxed_slice();
        Ok(Tap { name: name.into(), device, scratch, gone: false })
    }

    /// The interface's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Receives a frame the kernel has sent; `None` if there is none.
    ///
    /// # Errors
    /// As the system call; a deleted device is an error of no fixed number.
    pub fn recv(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.device.recv(buffer) {
                Ok(len) => return Ok(Some(len)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Hands a frame to the kernel; `false` if it was dropped, because the interface is down or
    /// the kernel is short of memory.
    ///
    /// # Errors
    /// As the system call; a deleted device is an error of no fixed number.
    pub fn send(&mut self, frame: &[u8]) -> io::Result<bool> {
        loop {
            match self.device.send(frame) {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => match Errno::from_io_error(&error) {
                    // Down; out of memory; shorter than an Ethernet header.
                    Some(Errno::IO | Errno::NOBUFS | Errno::INVAL) => return Ok(false),
                    _ => return Err(error),
                },
            }
        }
    }

    fn failed(&mut self, error: io::Error) -> WireError {
        self.gone = true;
        match Errno::from_io_error(&error) {
            // The first from writing, the second from reading.
            Some(Errno::BADFD | Errno::FAULT | Errno::NODEV) => {
                TapError::Gone(self.name.clone()).into()
            }
            _ => TapError::Io(self.name.clone(), error).into(),
        }
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

impl Wire for Tap {
    fn send(&mut self, frame: &[u8]) -> Result<(), WireError> {
        if self.gone {
            return Ok(());
        }
        Tap::send(self, frame).map(|_| ()).map_err(|error| self.failed(error))
    }

    fn receive(&mut self, frame: &mut Vec<u8>) -> Result<bool, WireError> {
        if self.gone {
            return Ok(false);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let received = self.recv(&mut scratch);
        self.scratch = scratch;
        let Some(len) = received.map_err(|error| self.failed(error))? else { return Ok(false) };
        frame.clear();
        frame.extend_from_slice(&self.scratch[..len]);
        Ok(true)
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        // The descriptor of a deleted device is readable for ever.
        (!self.gone).then(|| self.as_fd())
    }

    fn ended(&self) -> bool {
        self.gone
    }
}

fn is_interface_name(name: &str) -> bool {
    let wrong = |c: char| c.is_whitespace() || c.is_control() || "/:%".contains(c);
    (1..=NAME_MAX).contains(&name.len()) && name != "." && name != ".." && !name.contains(wrong)
}

fn open_error(name: &str, error: io::Error) -> TapError {
    let name = name.to_string();
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => TapError::NoTun(name),
        Some(Errno::PERM | Errno::ACCESS) => TapError::Permission(name),
        Some(Errno::BUSY) => TapError::Busy(name),
        Some(Errno::INVAL) => TapError::NotATap(name),
        _ => TapError::Io(name, error),
    }
}

#[cfg(test)]
mod tests;
