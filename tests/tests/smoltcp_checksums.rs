//! Does the smoltcp adapter leave to the controller the checksums that it makes and verifies, and
//! those only; and the tags of a VLAN?

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use etsec_core::adapters::smoltcp::SmoltcpPort;
use etsec_core::{Config, PageBell, RxOffload, TxOffload, checksum};
use etsec_sim::{Sim, SimBus};
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, config};
use etsec_tests::shapes;
use smoltcp::iface::{self, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Checksum, Device};
use smoltcp::socket::udp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

const VERIFY: RxOffload =
    RxOffload { ip_checksum: true, l4_checksum: true, vlan_extract: false, padding: 2 };

/// A stack with a UDP socket at the port that `shapes` sends to.
struct Host {
    sim: Sim,
    live: Live,
    port: SmoltcpPort<PageBell<SimBus>>,
    iface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
}

impl Host {
    fn new(rx_offload: RxOffload, tx_offload: TxOffload) -> Self {
        let config = Config { parser: true, ..config() };
        let plan = Plan { config, buffers: 96, rx_offload, tx_offload, ..Plan::default() };
        let mut live = Rig::new(&plan).start();
        let (rx, tx) = (live.rx.remove(0), live.tx.remove(0));
        let mut port = SmoltcpPort::new(rx, tx, live.pool.clone(), 1500).expect("large buffers");
        let mut config = iface::Config::new(EthernetAddress(STATION.0).into());
        config.random_seed = 1;
        let mut iface = Interface::new(config, &mut port, Instant::ZERO);
        iface.update_ip_addrs(|list| {
            list.push(IpCidr::new(IpAddress::v4(192, 168, 200, 9), 0)).expect("room");
        });
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 16], vec![0; 8192]);
        let mut sockets = SocketSet::new(Vec::new());
        let socket = sockets.add(udp::Socket::new(buffer(), buffer()));
        sockets.get_mut::<udp::Socket<'_>>(socket).bind(4321).expect("a free port");
        let mut host = Host { sim: live.sim.clone(), live, port, iface, sockets, socket };
        host.sim.receive(&arp_request());
        host.turn();
        while host.sim.transmitted().is_some() {}
        host
    }

    fn turn(&mut self) {
        self.port.poll(&mut self.iface, Instant::ZERO, &mut self.sockets);
    }

    /// Whether a frame reaches the socket, which answers with what it got.
    fn delivers(&mut self, frame: &[u8]) -> bool {
        self.answer(frame).is_some()
    }

    /// What the socket answers to a frame, if it gets it.
    fn answer(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        self.sim.receive(frame);
        self.turn();
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(self.socket);
        let (data, from) = socket.recv().ok()?;
        let data = data.to_vec();
        socket.send_slice(&data, from.endpoint).expect("room");
        self.turn();
        let answer = self.sim.transmitted()?;
        judge(&answer, &data);
        Some(answer)
    }

    fn finish(mut self) {
        let (rx, tx, pool) = self.port.into_parts();
        self.live.rx.push(rx);
        self.live.tx.push(tx);
        drop(pool);
        self.live.finish();
    }
}

/// Both checksums of an answer are right, by etherparse.
fn judge(frame: &[u8], data: &[u8]) {
    let packet = SlicedPacket::from_ethernet(frame).expect("a packet");
    let Some(NetSlice::Ipv4(ip)) = &packet.net else { panic!("no IPv4") };
    let Some(TransportSlice::Udp(udp)) = &packet.transport else { panic!("no UDP") };
    let header = ip.header().to_header();
    assert_eq!(header.header_checksum, header.calc_header_checksum());
    let sum = udp.to_header().calc_checksum_ipv4(&header, udp.payload());
    assert_eq!((udp.checksum(), udp.payload()), (sum.expect("short"), data));
}

fn arp_request() -> Vec<u8> {
    let mut frame = vec![0xFF; 6];
    frame.extend(PEER.0);
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(PEER.0);
    frame.extend([10, 1, 2, 3, 0, 0, 0, 0, 0, 0, 192, 168, 200, 9]);
    frame
}

/// UDP in IPv4 of that many bytes, and where its checksums are.
fn datagram(len: usize) -> (Vec<u8>, [usize; 2]) {
    let name = format!("Udp of {len} bytes in IPv4 with 0 bytes of options, Whole");
    let shape = shapes::all().into_iter().find(|shape| shape.name == name).expect("a shape");
    (shape.bytes, [24, 40])
}

#[test]
fn capabilities_follow_what_is_switched_on() {
    let some = RxOffload { l4_checksum: false, ..VERIFY };
    for (rx, tx, expected) in [
        (RxOffload::default(), TxOffload::Off, Checksum::Both),
        (VERIFY, TxOffload::Off, Checksum::Tx),
        (RxOffload::default(), TxOffload::All, Checksum::Rx),
        (VERIFY, TxOffload::All, Checksum::None),
        // Half of it is nothing the stack could leave out.
        (some, TxOffload::All, Checksum::Rx),
    ] {
        let host = Host::new(rx, tx);
        let found = host.port.capabilities().checksum;
        for found in [found.ipv4, found.udp, found.tcp] {
            assert_eq!((found.rx(), found.tx()), (expected.rx(), expected.tx()));
        }
        // ICMP is not the controller's.
        assert!(found.icmpv4.rx() && found.icmpv4.tx());
        host.finish();
    }
}

#[test]
fn right_frames_get_through_and_wrong_ones_do_not_whoever_looks() {
    for rx in [RxOffload::default(), VERIFY] {
        for tx in [TxOffload::Off, TxOffload::All, TxOffload::UpTo(100)] {
            let mut host = Host::new(rx, tx);
            let mut bad = 0;
            for len in [0, 1, 5, 64, 1001] {
                let (right, fields) = datagram(len);
                assert!(host.delivers(&right), "{len} bytes with {rx:?} and {tx:?}");
                for at in fields {
                    let mut wrong = right.clone();
                    wrong[at] ^= 1;
                    assert!(!host.delivers(&wrong), "{at} of {len} bytes with {rx:?}");
                    bad += u64::from(rx == VERIFY);
                }
            }
            assert_eq!(host.port.counters().bad_checksums, bad);
            assert_eq!((host.port.counters().refused, host.port.counters().unverifiable), (0, 0));
            host.finish();
        }
    }
}

#[test]
fn what_the_controller_does_not_verify_is_verified_in_software() {
    let mut host = Host::new(VERIFY, TxOffload::All);
    let (right, fields) = datagram(64);
    host.live
        .port
        .set_rx_offload(RxOffload { padding: 2, ..RxOffload::default() }, &mut host.live.delay)
        .expect("a device");
    assert!(host.delivers(&right));
    for at in fields {
        let mut wrong = right.clone();
        wrong[at] ^= 0x80;
        assert!(!host.delivers(&wrong));
    }
    assert_eq!(host.port.counters().bad_checksums, 2);
    // A datagram without a checksum has no wrong one.
    let mut bare = right.clone();
    bare[40..42].fill(0);
    assert!(host.delivers(&bare));
    host.finish();
}

#[test]
fn fragments_that_nobody_could_verify_are_dropped_and_counted() {
    let mut host = Host::new(VERIFY, TxOffload::All);
    let (mut fragment, _) = datagram(64);
    fragment[20] = 0x20;
    checksum::fill(&mut fragment);
    assert!(!host.delivers(&fragment));
    assert_eq!((host.port.counters().unverifiable, host.port.counters().bad_checksums), (1, 0));
    host.finish();
}

#[test]
fn a_station_of_a_vlan_gets_its_frames_and_tags_its_answers() {
    let tagged = |frame: &[u8], tag: u16| {
        [&frame[..12], &[0x81, 0], &tag.to_be_bytes(), &frame[12..]].concat()
    };
    let extract = RxOffload { vlan_extract: true, ..VERIFY };
    for rx in [extract, RxOffload { ip_checksum: false, l4_checksum: false, ..extract }] {
        // Frames beyond a limit are summed in software and tagged all the same.
        for tx in [TxOffload::All, TxOffload::UpTo(100), TxOffload::UpTo(1)] {
            let mut host = Host::new(rx, tx);
            for len in [5, 64, 1001] {
                let (frame, _) = datagram(len);
                host.port.set_vlan(Some(0x6005));
                let answer = host.answer(&tagged(&frame, 0x2005)).expect("of its VLAN");
                assert_eq!(answer[12..16], [0x81, 0, 0x60, 0x05]);
                for other in [tagged(&frame, 0x6006), tagged(&frame, 0x6000), frame.clone()] {
                    assert!(!host.delivers(&other));
                }
                // Of no VLAN: untagged frames, and those with a priority alone.
                host.port.set_vlan(None);
                assert!(host.delivers(&frame) && host.delivers(&tagged(&frame, 0x6000)));
                assert!(!host.delivers(&tagged(&frame, 5)));
            }
            assert_eq!(host.port.counters().other_vlans, 3 * 4);
            host.finish();
        }
    }
}

#[test]
fn where_no_tag_may_be_put_in_nothing_leaves_without() {
    let mut host = Host::new(RxOffload { vlan_extract: true, ..VERIFY }, TxOffload::Off);
    let (frame, _) = datagram(64);
    host.port.set_vlan(Some(5));
    let tagged = [&frame[..12], &[0x81, 0, 0, 5], &frame[12..]].concat();
    assert_eq!(host.answer(&tagged), None);
    assert_eq!(host.port.counters().refused, 1);
    host.finish();
}
