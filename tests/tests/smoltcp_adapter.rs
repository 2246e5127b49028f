//! Does a smoltcp stack work on the driver, and does a turn of it ring each doorbell once?
//!
//! A port on the model at one end, a second smoltcp stack without any driver at the other, in
//! virtual time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use etsec_core::adapters::smoltcp::SmoltcpPort;
use etsec_core::{
    AddressFilter, Arena, Bus, Config, MacAddr, PageBell, Pages, Pool, Running, Stopped,
};
use etsec_sim::{Sim, SimBus, SimRegion};
use smoltcp::iface::{self, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const TSTAT: u16 = 0x104;
const RSTAT: u16 = 0x304;

/// Counts the accesses to the model's registers.
#[derive(Debug, Clone)]
struct Counting {
    bus: SimBus,
    reads: Arc<AtomicUsize>,
    tx_bells: Arc<AtomicUsize>,
    rx_bells: Arc<AtomicUsize>,
    others: Arc<AtomicUsize>,
}

impl Counting {
    fn of(bus: SimBus) -> Self {
        let zero = Arc::<AtomicUsize>::default;
        Counting { bus, reads: zero(), tx_bells: zero(), rx_bells: zero(), others: zero() }
    }

    /// Reads, TSTAT writes, RSTAT writes and other writes since the last call.
    fn take(&self) -> [usize; 4] {
        [&self.reads, &self.tx_bells, &self.rx_bells, &self.others]
            .map(|n| n.swap(0, Ordering::Relaxed))
    }
}

impl Bus for Counting {
    fn read(&self, at: u16) -> u32 {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bus.read(at)
    }
    fn write(&self, at: u16, value: u32) {
        let counter = match at {
            TSTAT => &self.tx_bells,
            RSTAT => &self.rx_bells,
            _ => &self.others,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.bus.write(at, value);
    }
    fn publish(&self) {
        self.bus.publish();
    }
    fn observe(&self) {
        self.bus.observe();
    }
}

/// A smoltcp stack on the driver on the model.
struct Host {
    sim: Sim,
    bus: Counting,
    running: Option<Running<Counting>>,
    port: Option<SmoltcpPort<PageBell<Counting>>>,
    pool: Pool,
    arena: Option<Arena<SimRegion>>,
    iface: Interface,
    sockets: SocketSet<'static>,
}

struct Sizes {
    ring: usize,
    buffers: usize,
    buffer_size: usize,
    mtu: usize,
}

const USUAL: Sizes = Sizes { ring: 64, buffers: 192, buffer_size: 1536, mtu: 1500 };

fn host(sizes: &Sizes) -> Host {
    let sim = Sim::default();
    let bus = Counting::of(sim.bus());
    let mut arena = Arena::new(sim.region(1 << 20)).map_err(|(_, error)| error).unwrap();
    let config = Config {
        mtu: sizes.mtu,
        buffer_size: sizes.buffer_size,
        ..Config::new(AddressFilter::new(MacAddr(MAC)).unwrap())
    };
    let mut delay = sim.delay();
    let mut stopped = Stopped::attach(Pages::single(bus.clone()), config, &mut delay).unwrap();
    let rx = stopped.add_rx(0, arena.ring(sizes.ring).unwrap()).unwrap();
    let tx = stopped.add_tx(0, arena.ring(sizes.ring).unwrap()).unwrap();
    let pool = arena.pool(sizes.buffers, sizes.buffer_size).unwrap();
    let mut port = SmoltcpPort::new(rx, tx, pool.clone(), sizes.mtu).unwrap();
    let running = Some(stopped.start(&mut delay).map_err(|(_, error)| error).unwrap());
    let iface = interface(&mut port, MAC, [10, 0, 0, 1]);
    let sockets = SocketSet::new(Vec::new());
    bus.take();
    Host { sim, bus, running, port: Some(port), pool, arena: Some(arena), iface, sockets }
}

fn interface(device: &mut impl Device, mac: [u8; 6], ip: [u8; 4]) -> Interface {
    let mut config = iface::Config::new(EthernetAddress(mac).into());
    config.random_seed = u64::from(mac[5]);
    let mut iface = Interface::new(config, device, Instant::ZERO);
    let address = IpCidr::new(IpAddress::v4(ip[0], ip[1], ip[2], ip[3]), 24);
    iface.update_ip_addrs(|list| list.push(address).unwrap());
    iface
}

fn add_tcp(sockets: &mut SocketSet<'static>) -> SocketHandle {
    let buffer = || tcp::SocketBuffer::new(vec![0; 65536]);
    sockets.add(tcp::Socket::new(buffer(), buffer()))
}

impl Host {
    fn turn(&mut self, now: Instant) {
        self.port.as_mut().unwrap().poll(&mut self.iface, now, &mut self.sockets);
    }

    /// Stops the port and sees that every buffer finds its way home.
    fn end(mut self) {
        let mut delay = self.sim.delay();
        let stopped = self.running.take().unwrap().stop(&mut delay);
        let stopped = stopped.map_err(|(_, error)| error).unwrap();
        let (mut rx, mut tx, pool) = self.port.take().unwrap().into_parts();
        while rx.drain().is_some() || tx.drain().is_some() {}
        assert_eq!(pool.free(), pool.buffers());
        drop((rx, tx, pool, stopped));
        drop(std::mem::replace(&mut self.pool, spare_pool()));
        self.arena.take().unwrap().retire().map_err(drop).expect("nothing refers to the region");
        assert_eq!(self.sim.violations(), []);
    }
}

/// Something to put in the place of a pool that is given up.
fn spare_pool() -> Pool {
    let mut arena = Arena::new(Sim::default().region(8192)).map_err(|(_, error)| error).unwrap();
    arena.pool(1, 64).unwrap()
}

/// The stack at the other end: frames come from the model's wire and go there.
#[derive(Debug, Default)]
struct Peer {
    rx: VecDeque<Vec<u8>>,
    tx: Vec<Vec<u8>>,
}

struct PeerRx(Vec<u8>);
struct PeerTx<'a>(&'a mut Vec<Vec<u8>>);

impl phy::RxToken for PeerRx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl phy::TxToken for PeerTx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push(frame);
        result
    }
}

impl Device for Peer {
    type RxToken<'a> = PeerRx;
    type TxToken<'a> = PeerTx<'a>;

    fn receive(&mut self, _: Instant) -> Option<(PeerRx, PeerTx<'_>)> {
        let frame = self.rx.pop_front()?;
        Some((PeerRx(frame), PeerTx(&mut self.tx)))
    }

    fn transmit(&mut self, _: Instant) -> Option<PeerTx<'_>> {
        Some(PeerTx(&mut self.tx))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities.max_burst_size = Some(32);
        capabilities
    }
}

impl Peer {
    /// Frames move over the wire, both ways.
    fn exchange(&mut self, sim: &Sim) {
        while let Some(frame) = sim.transmitted() {
            self.rx.push_back(frame);
        }
        for frame in self.tx.drain(..) {
            sim.receive(&frame);
        }
    }
}

/// Sends `count` bytes from the host to the peer over TCP; returns whether all arrived in `limit`.
fn transfer(host: &mut Host, count: usize, limit: Duration) -> bool {
    let mut peer = Peer::default();
    let mut peer_iface = interface(&mut peer, PEER_MAC, [10, 0, 0, 2]);
    let mut peer_sockets = SocketSet::new(Vec::new());
    let (server, client) = (add_tcp(&mut host.sockets), add_tcp(&mut peer_sockets));
    host.sockets.get_mut::<tcp::Socket<'_>>(server).listen(80).unwrap();
    let socket = peer_sockets.get_mut::<tcp::Socket<'_>>(client);
    socket.connect(peer_iface.context(), (IpAddress::v4(10, 0, 0, 1), 80), 50000).unwrap();
    let byte = |at: usize| (at % 251) as u8;
    let (mut sent, mut received, mut now) = (0, 0, Instant::ZERO);
    while received < count {
        if now > Instant::ZERO + limit {
            return false;
        }
        now += Duration::from_micros(200);
        peer_iface.poll(now, &mut peer, &mut peer_sockets);
        peer.exchange(&host.sim);
        host.turn(now);
        let socket = host.sockets.get_mut::<tcp::Socket<'_>>(server);
        while socket.can_send() && sent < count {
            let piece: Vec<u8> = (sent..count.min(sent + 8192)).map(byte).collect();
            sent += socket.send_slice(&piece).unwrap();
        }
        let socket = peer_sockets.get_mut::<tcp::Socket<'_>>(client);
        while socket.can_recv() {
            socket
                .recv(|bytes| {
                    let good = bytes.iter().enumerate().all(|(n, got)| *got == byte(received + n));
                    assert!(good, "wrong bytes behind {received}");
                    received += bytes.len();
                    (bytes.len(), ())
                })
                .unwrap();
        }
    }
    true
}

#[test]
fn a_transfer_arrives_and_every_buffer_comes_home() {
    let mut host = host(&USUAL);
    assert!(transfer(&mut host, 2_000_000, Duration::from_secs(30)));
    assert_eq!(host.port.as_ref().unwrap().counters().refused, 0);
    host.end();
}

#[test]
fn a_turn_rings_each_doorbell_once_and_reads_nothing() {
    let mut host = host(&USUAL);
    // The peer's address, so that the burst is not held up by an ARP request.
    host.sim.receive(&arp_request());
    host.turn(Instant::ZERO);
    while host.sim.transmitted().is_some() {}
    host.bus.take();
    for _ in 0..20 {
        host.sim.receive(&ping());
    }
    host.turn(Instant::from_millis(1));
    assert_eq!(host.bus.take(), [0, 1, 1, 0], "reads, TSTAT, RSTAT, others");
    let replies = std::iter::from_fn(|| host.sim.transmitted()).count();
    assert_eq!(replies, 20);
    host.turn(Instant::from_millis(2));
    assert_eq!(host.bus.take(), [0, 0, 0, 0], "an idle turn");
    host.end();
}

#[test]
fn a_turn_takes_no_more_than_its_limit_and_says_so() {
    let mut host = host(&USUAL);
    host.sim.receive(&arp_request());
    host.turn(Instant::ZERO);
    while host.sim.transmitted().is_some() {}
    assert!(!host.port.as_ref().unwrap().is_behind());
    host.port.as_mut().unwrap().limit_turn(2);
    for _ in 0..5 {
        host.sim.receive(&ping());
    }
    for (replies, behind) in [(2, true), (2, true), (1, false)] {
        host.turn(Instant::from_millis(1));
        assert_eq!(std::iter::from_fn(|| host.sim.transmitted()).count(), replies);
        assert_eq!(host.port.as_ref().unwrap().is_behind(), behind);
    }
    host.end();
}

/// A ring of 8: a burst of answers must be committed in pieces, because the ring fills up.
#[test]
fn a_burst_larger_than_the_ring_is_sent_in_pieces() {
    let mut host = host(&Sizes { ring: 8, buffers: 24, ..USUAL });
    host.sim.receive(&arp_request());
    host.turn(Instant::ZERO);
    while host.sim.transmitted().is_some() {}
    let mut replies = 0;
    for _ in 0..10 {
        for _ in 0..8 {
            host.sim.receive(&ping());
        }
        host.turn(Instant::from_millis(1));
        replies += std::iter::from_fn(|| host.sim.transmitted()).count();
    }
    assert_eq!(replies, 80);
    assert!(transfer(&mut host, 200_000, Duration::from_secs(60)));
    host.end();
}

#[test]
fn an_empty_pool_holds_the_stack_up_and_no_longer() {
    let mut host = host(&USUAL);
    let taken: Vec<_> = std::iter::from_fn(|| host.pool.alloc()).collect();
    assert!(!taken.is_empty());
    assert!(!transfer(&mut host, 10_000, Duration::from_secs(2)));
    assert!(host.port.as_ref().unwrap().counters().exhausted > 0);
    drop(taken);
    // The stack of before goes on with its retransmissions; a new peer starts anew.
    host.sockets = SocketSet::new(Vec::new());
    assert!(transfer(&mut host, 100_000, Duration::from_secs(30)));
    host.end();
}

#[test]
fn buffers_too_small_for_the_mtu_are_refused_by_name() {
    let sim = Sim::default();
    let mut arena = Arena::new(sim.region(1 << 20)).map_err(|(_, error)| error).unwrap();
    let config =
        Config { buffer_size: 512, ..Config::new(AddressFilter::new(MacAddr(MAC)).unwrap()) };
    let mut stopped = Stopped::attach(Pages::single(sim.bus()), config, &mut sim.delay()).unwrap();
    let rx = stopped.add_rx(0, arena.ring(8).unwrap()).unwrap();
    let tx = stopped.add_tx(0, arena.ring(8).unwrap()).unwrap();
    let pool = arena.pool(16, 512).unwrap();
    let error = SmoltcpPort::new(rx, tx, pool, 1500).unwrap_err();
    assert!(error.to_string().contains("1518"), "{error}");
}

#[test]
fn capabilities_follow_the_port() {
    let host = host(&Sizes { mtu: 576, ..USUAL });
    let capabilities = host.port.as_ref().unwrap().capabilities();
    assert_eq!(capabilities.max_transmission_unit, 590);
    assert_eq!(capabilities.max_burst_size, Some(64));
    host.end();
}

fn arp_request() -> Vec<u8> {
    let mut frame = vec![0xFF; 6];
    frame.extend(PEER_MAC);
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(PEER_MAC);
    frame.extend([10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1]);
    frame
}

/// An ICMP echo request without data; the checksums are constants of this very packet.
fn ping() -> Vec<u8> {
    let mut frame = MAC.to_vec();
    frame.extend(PEER_MAC);
    frame.extend([8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0x66, 0xDF, 10, 0, 0, 2, 10, 0, 0, 1]);
    frame.extend([8, 0, 0xF7, 0xFD, 0, 1, 0, 1]);
    frame
}
