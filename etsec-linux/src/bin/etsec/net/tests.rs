//! The services against a second smoltcp stack, over a cable in memory and in virtual time.

use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, IpAddress, Ipv4Address, Ipv4Cidr,
};

use super::client::{Client, Download, Pings, hex};
use super::content::Content;
use super::memory::{End, cable};
use super::services::{Event, Services, Settings};
use super::{Wire, add_tcp, bytes, http};

const SERVER: Ipv4Address = Ipv4Address::new(192, 0, 2, 1);
const CLIENT: Ipv4Cidr = Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, 2), 24);
const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// A server, the end of the cable it does not have, and the time.
struct World {
    services: Services,
    server_end: End,
    client_end: End,
    now: Instant,
}

fn world(address: Option<Ipv4Cidr>, content: Content) -> World {
    let (mut server_end, client_end) = cable();
    let settings = Settings {
        mac: [2, 0, 0, 0, 0, 1],
        address,
        gateway: None,
        http: Some((80, content)),
        echo: Some(7),
        seed: 1,
    };
    let services = Services::new(settings, &mut server_end, Instant::ZERO);
    World { services, server_end, client_end, now: Instant::ZERO }
}

fn serving(content: Content) -> (World, Client) {
    let mut world = world(Some(Ipv4Cidr::new(SERVER, 24)), content);
    let client = Client::new(CLIENT_MAC, CLIENT, SERVER, 2, &mut world.client_end, Instant::ZERO);
    (world, client)
}

impl World {
    /// One turn of the server; time goes on by `step`.
    fn turn(&mut self, step: Duration) {
        self.now += step;
        while self.services.turn(self.now, &mut self.server_end) {}
    }

    /// Sends one request and runs until it is answered or a virtual minute is over.
    fn fetch(&mut self, client: &mut Client, request: &str) -> Download {
        let mut download = Download::default();
        assert!(client.request(request.as_bytes(), 80));
        let end = self.now + Duration::from_secs(60);
        while self.now < end {
            client.turn(self.now, &mut self.client_end);
            if client.download(&mut download) {
                break;
            }
            self.turn(Duration::from_millis(1));
        }
        // The last acknowledgements.
        client.turn(self.now, &mut self.client_end);
        self.turn(Duration::from_millis(1));
        download
    }
}

#[test]
fn pings_are_answered() {
    let (mut world, mut client) = serving(Content::Sequence);
    let mut pings = Pings::default();
    while !client.ping(world.now, &mut pings, 20) {
        client.turn(world.now, &mut world.client_end);
        world.turn(Duration::from_millis(1));
        assert!(world.now < Instant::from_secs(2));
    }
    assert_eq!((pings.sent, pings.received), (20, 20));
}

#[test]
fn unanswered_pings_are_not_counted() {
    let (mut world, mut client) = serving(Content::Sequence);
    let mut pings = Pings::default();
    while !client.ping(world.now, &mut pings, 3) {
        client.turn(world.now, &mut world.client_end);
        world.now += Duration::from_millis(100);
        assert!(world.now < Instant::from_secs(10));
    }
    assert_eq!((pings.sent, pings.received), (3, 0));
}

#[test]
fn a_download_is_whole() {
    let (mut world, mut client) = serving(Content::Sequence);
    let count = 3_000_001;
    let download = world.fetch(&mut client, &format!("GET /bytes/{count} HTTP/1.0\r\n\r\n"));
    assert!(download.is_complete(), "{}", download.head());
    let mut expected = vec![0; count];
    bytes::fill(0, &mut expected);
    let expected = hex(&<sha2::Sha256 as sha2::Digest>::digest(&expected));
    assert_eq!((download.bytes, download.sha256()), (count as u64, expected));
    let counters = world.services.counters().http;
    assert_eq!((counters.ok, counters.refused, counters.aborted), (1, 0, 0));
    assert_eq!(counters.bytes, count as u64 + download.head().len() as u64 + 2);
}

#[test]
fn every_status_has_its_cause() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("file.txt"), "text").unwrap();
    std::fs::create_dir(root.path().join("sub")).unwrap();
    let (mut world, mut client) = serving(Content::directory(root.path()).unwrap());
    for (request, status, header) in [
        ("GET /file.txt HTTP/1.0", "200 OK", "Content-Length: 4"),
        ("HEAD /file.txt HTTP/1.0", "200 OK", "Content-Length: 4"),
        ("GET /sub HTTP/1.0", "301 Moved Permanently", "Location: /sub/"),
        ("GET /%zz HTTP/1.0", "400 Bad Request", "Connection: close"),
        ("GET /file.txt HTTP/1.1", "400 Bad Request", "Connection: close"),
        ("nonsense", "400 Bad Request", "Connection: close"),
        ("GET /../../etc/passwd HTTP/1.0", "403 Forbidden", "Content-Type: text/plain"),
        ("GET /none HTTP/1.0", "404 Not Found", "Content-Length: 14"),
        ("DELETE /file.txt HTTP/1.0", "405 Method Not Allowed", "Allow: GET, HEAD"),
        ("GET / HTTP/3.0", "505 HTTP Version Not Supported", "Connection: close"),
    ] {
        let download = world.fetch(&mut client, &format!("{request}\r\n\r\n"));
        let head = download.head();
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {head}");
        assert!(head.contains(&format!("{header}\r\n")), "{request}: {head}");
        assert_eq!(download.bytes == 0, request.starts_with("HEAD"), "{request}");
    }
    assert_eq!(world.services.counters().http.refused, 8);
}

#[test]
fn one_connection_serves_requests_one_after_another() {
    let (mut world, mut client) = serving(Content::Sequence);
    let first = "GET /bytes/10 HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /bytes/20 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    // Both at once: the second waits in the server's buffer.
    let download = world.fetch(&mut client, &format!("{first}{last}"));
    let counters = world.services.counters().http;
    assert_eq!((counters.ok, counters.refused), (2, 0));
    // The client takes all after the first head for the first body.
    assert!(download.bytes > 30 && !download.is_complete());
}

/// More clients at once than there are connections: all that fit are served, again and again.
#[test]
fn connections_are_served_at_once_and_used_again() {
    let mut world = world(Some(Ipv4Cidr::new(SERVER, 24)), Content::Sequence);
    let mut config = Config::new(EthernetAddress(CLIENT_MAC).into());
    config.random_seed = 3;
    let mut iface = Interface::new(config, &mut world.client_end, Instant::ZERO);
    iface.update_ip_addrs(|list| list.push(CLIENT.into()).unwrap());
    let mut sockets = SocketSet::new(Vec::new());
    let handles: Vec<_> =
        (0..http::CONNECTIONS).map(|_| add_tcp(&mut sockets, 65536, 1024)).collect();
    for round in 0..3 {
        for (nth, handle) in handles.iter().enumerate() {
            let socket = sockets.get_mut::<tcp::Socket<'_>>(*handle);
            socket.abort();
            let port = 50000 + round * 100 + nth as u16;
            let to = (IpAddress::Ipv4(SERVER), 80);
            socket.connect(iface.context(), to, port).unwrap();
        }
        let mut received = vec![0; handles.len()];
        let open_at_once =
            run_downloads(&mut world, &mut iface, &mut sockets, &handles, &mut received);
        assert!(open_at_once >= 8, "{open_at_once}");
        assert!(received.iter().all(|bytes| *bytes > 50_000 && *bytes < 50_300), "{received:?}");
    }
    assert_eq!(world.services.counters().http.ok, 3 * http::CONNECTIONS as u64);
}

fn run_downloads(
    world: &mut World,
    iface: &mut Interface,
    sockets: &mut SocketSet<'static>,
    handles: &[smoltcp::iface::SocketHandle],
    received: &mut [usize],
) -> usize {
    let mut open_at_once = 0;
    let end = world.now + Duration::from_secs(9);
    loop {
        assert!(world.now < end, "{received:?}");
        world.client_end.poll(iface, world.now, sockets);
        world.turn(Duration::from_millis(1));
        let mut open = 0;
        for (handle, total) in handles.iter().zip(received.iter_mut()) {
            let socket = sockets.get_mut::<tcp::Socket<'_>>(*handle);
            open += usize::from(socket.may_recv());
            if socket.can_send() && socket.send_queue() == 0 && *total == 0 {
                socket.send_slice(b"GET /bytes/50000 HTTP/1.0\r\n\r\n").unwrap();
            }
            while socket.can_recv() {
                *total += socket.recv(|bytes| (bytes.len(), bytes.len())).unwrap();
            }
            if !socket.may_recv() && socket.state() != tcp::State::SynSent {
                socket.close();
            }
        }
        open_at_once = open_at_once.max(open);
        if open == 0 && open_at_once > 0 && received.iter().all(|total| *total > 50_000) {
            return open_at_once;
        }
    }
}

/// A client that connects and says nothing, or half of something, does not keep its place.
#[test]
fn silent_clients_are_shown_out() {
    let (mut world, mut client) = serving(Content::Sequence);
    let mut download = Download::default();
    assert!(client.request(b"GET / HT", 80));
    let mut ended_at = None;
    while world.now < Instant::from_secs(40) && ended_at.is_none() {
        client.turn(world.now, &mut world.client_end);
        if client.download(&mut download) {
            ended_at = Some(world.now);
        }
        world.turn(Duration::from_millis(10));
    }
    let ended_at = ended_at.expect("the server closes the connection");
    assert!(ended_at > Instant::from_secs(10), "{ended_at}");
    assert_eq!(download.bytes, 0);
}

#[test]
fn echo_sends_back_what_it_was_sent() {
    let mut world = world(Some(Ipv4Cidr::new(SERVER, 24)), Content::Sequence);
    let config = Config::new(EthernetAddress(CLIENT_MAC).into());
    let mut iface = Interface::new(config, &mut world.client_end, Instant::ZERO);
    iface.update_ip_addrs(|list| list.push(CLIENT.into()).unwrap());
    let mut sockets = SocketSet::new(Vec::new());
    let handle = add_tcp(&mut sockets, 8192, 8192);
    let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
    socket.connect(iface.context(), (IpAddress::Ipv4(SERVER), 7), 50000).unwrap();
    let mut sent = vec![0; 300_000];
    bytes::fill(0, &mut sent);
    let (mut at, mut back) = (0, Vec::new());
    while back.len() < sent.len() {
        assert!(world.now < Instant::from_secs(60));
        world.client_end.poll(&mut iface, world.now, &mut sockets);
        world.turn(Duration::from_millis(1));
        let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
        if socket.can_send() && at < sent.len() {
            at += socket.send_slice(&sent[at..]).unwrap();
            if at == sent.len() {
                socket.close();
            }
        }
        while socket.can_recv() {
            socket.recv(|bytes| (bytes.len(), back.extend_from_slice(bytes))).unwrap();
        }
    }
    assert!(back == sent);
    assert_eq!(world.services.counters().echo_bytes, sent.len() as u64);
}

/// A DHCP server of one address: answers DISCOVER with OFFER and REQUEST with ACK.
fn dhcp_answer(request: &[u8], address: Ipv4Address) -> Option<(Vec<u8>, DhcpMessageType)> {
    let packet = DhcpPacket::new_checked(request).ok()?;
    let request = DhcpRepr::parse(&packet).ok()?;
    let message_type = match request.message_type {
        DhcpMessageType::Discover => DhcpMessageType::Offer,
        DhcpMessageType::Request => DhcpMessageType::Ack,
        _ => return None,
    };
    let server = CLIENT.address();
    let answer = DhcpRepr {
        message_type,
        your_ip: address,
        server_ip: server,
        server_identifier: Some(server),
        subnet_mask: Some(Ipv4Address::new(255, 255, 255, 0)),
        router: Some(server),
        lease_duration: Some(100),
        requested_ip: None,
        parameter_request_list: None,
        client_identifier: None,
        max_size: None,
        ..request
    };
    let mut bytes = vec![0; answer.buffer_len()];
    answer.emit(&mut DhcpPacket::new_unchecked(&mut bytes)).ok()?;
    Some((bytes, message_type))
}

#[test]
fn an_address_comes_from_dhcp_and_is_lost_with_the_lease() {
    let mut world = world(None, Content::Sequence);
    let config = Config::new(EthernetAddress(CLIENT_MAC).into());
    let mut iface = Interface::new(config, &mut world.client_end, Instant::ZERO);
    iface.update_ip_addrs(|list| list.push(CLIENT.into()).unwrap());
    let mut sockets = SocketSet::new(Vec::new());
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; 4096]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(67).unwrap();
    let handle = sockets.add(socket);

    let offered = Ipv4Address::new(192, 0, 2, 77);
    let mut events = Vec::new();
    let mut acks = 0;
    while world.now < Instant::from_secs(400) {
        world.turn(Duration::from_millis(100));
        events.extend(world.services.event());
        world.client_end.poll(&mut iface, world.now, &mut sockets);
        let socket = sockets.get_mut::<udp::Socket<'_>>(handle);
        while let Ok((request, _)) = socket.recv() {
            let Some((answer, kind)) = dhcp_answer(request, offered) else { continue };
            // The first lease is granted; nothing is answered afterwards.
            if acks == 0 {
                socket.send_slice(&answer, (IpAddress::Ipv4(Ipv4Address::BROADCAST), 68)).unwrap();
                acks += usize::from(kind == DhcpMessageType::Ack);
            }
        }
        world.client_end.poll(&mut iface, world.now, &mut sockets);
    }
    assert_eq!(events, [Event::Address(Ipv4Cidr::new(offered, 24)), Event::AddressLost]);
}
