//! The TCP/IP services of `etsec serve`, and their client, over any smoltcp device.
//!
//! Nothing here knows an eTSEC, a clock or a signal: frames come and go through [`Wire`], time is
//! handed in.

pub mod bytes;
pub mod client;
pub mod content;
pub mod echo;
pub mod http;
mod request;
pub mod services;

#[cfg(test)]
mod memory;
#[cfg(test)]
mod tests;

use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;

/// A device that moves frames for an [`Interface`] and rings its doorbells when it knows that it is
/// time.
pub trait Wire {
    /// One turn of the interface: receive, let the stack work, send. Returns whether a socket may
    /// have changed.
    fn poll(&mut self, iface: &mut Interface, now: Instant, sockets: &mut SocketSet<'_>) -> bool;
}

/// Adds a TCP socket with buffers of the given sizes.
pub fn add_tcp(sockets: &mut SocketSet<'static>, rx: usize, tx: usize) -> SocketHandle {
    let buffer = |bytes| tcp::SocketBuffer::new(vec![0; bytes]);
    let mut socket = tcp::Socket::new(buffer(rx), buffer(tx));
    // Acknowledging every second segment at once is smoltcp's doing; only the last of a burst waits
    // for this delay.
    socket.set_nagle_enabled(false);
    sockets.add(socket)
}
