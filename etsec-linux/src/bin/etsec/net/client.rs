//! The other side of the services: pings them and downloads from them. `serve --self-test` and the
//! tests use it.

use sha2::{Digest, Sha256};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device};
use smoltcp::socket::{icmp, tcp};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Icmpv4Packet, Icmpv4Repr, IpAddress, Ipv4Address, Ipv4Cidr};

use super::{Wire, add_tcp};

const IDENT: u16 = 0x4554;
const RX_BYTES: usize = 512 * 1024;
/// An unanswered ping is given up after this time.
const PING_TIME: Duration = Duration::from_secs(1);

/// A host that uses the services.
pub struct Client {
    iface: Interface,
    sockets: SocketSet<'static>,
    icmp: SocketHandle,
    tcp: SocketHandle,
    server: Ipv4Address,
    next_port: u16,
    /// What is still to be sent of the request; TCP takes it once the handshake is through.
    request: Vec<u8>,
}

/// Pings under way.
#[derive(Debug, Default, Clone, Copy)]
pub struct Pings {
    /// Requests sent.
    pub sent: u16,
    /// Answers received.
    pub received: u16,
    sent_at: Option<Instant>,
}

/// A download under way.
#[derive(Debug, Default)]
pub struct Download {
    head: Vec<u8>,
    head_done: bool,
    hash: Sha256,
    /// Bytes of the body received.
    pub bytes: u64,
    finished: bool,
}

impl Client {
    /// A host with `address`, in the network of `server`.
    pub fn new(
        mac: [u8; 6],
        address: Ipv4Cidr,
        server: Ipv4Address,
        seed: u64,
        device: &mut impl Device,
        now: Instant,
    ) -> Self {
        let mut config = Config::new(EthernetAddress(mac).into());
        config.random_seed = seed;
        let mut iface = Interface::new(config, device, now);
        iface.update_ip_addrs(|addresses| {
            // One address fits into an empty list of two.
            let _ = addresses.push(address.into());
        });
        let mut sockets = SocketSet::new(Vec::new());
        let buffer =
            || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 8], vec![0; 2048]);
        let mut socket = icmp::Socket::new(buffer(), buffer());
        // The socket is new and the identifier not 0.
        let bound = socket.bind(icmp::Endpoint::Ident(IDENT));
        debug_assert!(bound.is_ok());
        let icmp = sockets.add(socket);
        let tcp = add_tcp(&mut sockets, RX_BYTES, 8192);
        Client { iface, sockets, icmp, tcp, server, next_port: 49152, request: Vec::new() }
    }

    /// Receives and sends. Returns whether there may be more to do at once.
    pub fn turn(&mut self, now: Instant, wire: &mut impl Wire) -> bool {
        wire.poll(&mut self.iface, now, &mut self.sockets)
    }

    /// How long the stack can be left alone if nothing arrives; `None`: for ever.
    pub fn delay(&mut self, now: Instant) -> Option<Duration> {
        self.iface.poll_delay(now, &self.sockets)
    }

    /// Goes on pinging, one at a time; returns whether `count` pings were sent and answered or
    /// given up.
    pub fn ping(&mut self, now: Instant, pings: &mut Pings, count: u16) -> bool {
        let checksums = ChecksumCapabilities::default();
        let socket = self.sockets.get_mut::<icmp::Socket<'_>>(self.icmp);
        while let Ok((bytes, from)) = socket.recv() {
            let Ok(packet) = Icmpv4Packet::new_checked(bytes) else { continue };
            let ours = matches!(Icmpv4Repr::parse(&packet, &checksums),
                Ok(Icmpv4Repr::EchoReply { ident: IDENT, seq_no, data })
                    if seq_no == pings.sent && is_ping_data(data));
            if ours && from == IpAddress::Ipv4(self.server) && pings.sent_at.take().is_some() {
                pings.received += 1;
            }
        }
        if pings.sent_at.is_some_and(|at| now < at + PING_TIME) {
            return false;
        }
        if pings.sent == count {
            return true;
        }
        let data = ping_data();
        let repr = Icmpv4Repr::EchoRequest { ident: IDENT, seq_no: pings.sent + 1, data: &data };
        if let Ok(bytes) = socket.send(repr.buffer_len(), self.server.into()) {
            repr.emit(&mut Icmpv4Packet::new_unchecked(bytes), &checksums);
            pings.sent += 1;
            pings.sent_at = Some(now);
        }
        false
    }

    /// Begins to download `path`; false if there is no way to the server.
    pub fn get(&mut self, path: &str, port: u16) -> bool {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.server);
        self.request(request.as_bytes(), port)
    }

    /// Connects, and sends `request` as it is once it can; false if there is no way to the server.
    pub fn request(&mut self, request: &[u8], port: u16) -> bool {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(self.tcp);
        socket.abort();
        self.next_port = self.next_port.checked_add(1).unwrap_or(49152);
        let to = (IpAddress::Ipv4(self.server), port);
        self.request = request.to_vec();
        socket.connect(self.iface.context(), to, self.next_port).is_ok()
    }

    /// Goes on with the download; returns whether it has ended.
    pub fn download(&mut self, download: &mut Download) -> bool {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(self.tcp);
        if !self.request.is_empty()
            && socket.can_send()
            && let Ok(sent) = socket.send_slice(&self.request)
        {
            self.request.drain(..sent);
        }
        while socket.can_recv() {
            let taken = socket.recv(|bytes| (download.take(bytes), ()));
            if taken.is_err() {
                break;
            }
        }
        // Before the handshake is through, the socket cannot receive either.
        if !socket.may_recv() && !matches!(socket.state(), tcp::State::SynSent) {
            socket.close();
            download.finished = true;
        }
        download.finished
    }
}

impl Download {
    fn take(&mut self, bytes: &[u8]) -> usize {
        let mut body = bytes;
        if !self.head_done {
            // The head is small: looking for its end from the start each time costs nothing.
            self.head.extend_from_slice(bytes);
            let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else {
                return bytes.len();
            };
            let extra = self.head.len() - (end + 4);
            self.head.truncate(end + 2);
            self.head_done = true;
            body = &bytes[bytes.len() - extra..];
        }
        self.hash.update(body);
        self.bytes += body.len() as u64;
        bytes.len()
    }

    /// The status line and headers of the answer.
    pub fn head(&self) -> String {
        String::from_utf8_lossy(&self.head).into_owned()
    }

    /// Whether the answer is a complete 200.
    pub fn is_complete(&self) -> bool {
        let head = self.head();
        let length =
            head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
        self.finished && head.starts_with("HTTP/1.1 200 ") && length == Some(self.bytes)
    }

    /// SHA-256 of the body, in hexadecimal.
    pub fn sha256(&self) -> String {
        hex(&self.hash.clone().finalize())
    }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn ping_data() -> [u8; 56] {
    std::array::from_fn(|at| at as u8)
}

fn is_ping_data(data: &[u8]) -> bool {
    data == ping_data()
}
