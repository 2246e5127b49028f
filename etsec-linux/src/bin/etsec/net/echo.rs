//! TCP echo (RFC 862) on smoltcp sockets: what arrives is sent back, until the client closes its
//! side.

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, State};
use smoltcp::time::Duration;

use super::add_tcp;

const CONNECTIONS: usize = 8;
const BUFFER_BYTES: usize = 64 * 1024;
/// A client that vanishes is noticed by the probes sent this often, and gone after four of them.
const PROBE_EVERY: Duration = Duration::from_secs(15);

/// The server.
#[derive(Debug)]
pub struct Echo {
    port: u16,
    handles: Vec<SocketHandle>,
    bytes: u64,
}

impl Echo {
    /// An echo server on TCP `port`, not 0.
    pub fn new(sockets: &mut SocketSet<'static>, port: u16) -> Self {
        let handles = (0..CONNECTIONS)
            .map(|_| {
                let handle = add_tcp(sockets, BUFFER_BYTES, BUFFER_BYTES);
                let socket = sockets.get_mut::<Socket<'_>>(handle);
                socket.set_keep_alive(Some(PROBE_EVERY));
                socket.set_timeout(Some(PROBE_EVERY * 4));
                handle
            })
            .collect();
        Echo { port, handles, bytes: 0 }
    }

    /// Does what can be done at once on every connection. Returns whether anything was.
    pub fn serve(&mut self, sockets: &mut SocketSet<'static>) -> bool {
        let mut moved = false;
        for handle in &self.handles {
            let socket = sockets.get_mut::<Socket<'_>>(*handle);
            match socket.state() {
                State::Listen | State::SynReceived => {}
                // As for HTTP: a slot is not left to TIME-WAIT.
                State::Closed | State::TimeWait => {
                    socket.abort();
                    moved |= socket.listen(self.port).is_ok();
                }
                _ => {
                    let sent = send_back(socket);
                    self.bytes += sent;
                    moved |= sent > 0;
                    if !socket.may_recv() && socket.may_send() {
                        socket.close();
                        moved = true;
                    }
                }
            }
        }
        moved
    }

    /// Bytes sent back so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn send_back(socket: &mut Socket<'static>) -> u64 {
    let mut piece = [0; 4096];
    let mut total = 0;
    loop {
        let room = (socket.send_capacity() - socket.send_queue()).min(piece.len());
        if room == 0 || !socket.can_recv() || !socket.can_send() {
            return total;
        }
        let Ok(count) = socket.recv_slice(&mut piece[..room]) else { return total };
        // There is room for all of it: nobody else sends on this socket.
        let Ok(sent) = socket.send_slice(&piece[..count]) else { return total };
        debug_assert_eq!(sent, count);
        total += sent as u64;
    }
}
