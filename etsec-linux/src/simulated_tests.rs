//! Tests of simulated devices as a program sees them: opened by name, run, waited for, closed.

use std::time::{Duration, Instant};

use etsec_core::errata::{Part, Revision};
use etsec_core::link::{Duplex, FlowControl, Link, Pause, Speed};
use etsec_core::mdio::MdioBus;
use etsec_core::mib::Counter;
use etsec_core::phy::LinkChange;
use etsec_core::{Buf, Running};

use super::*;
use crate::link::LinkSource;
use crate::time::Delay;
use crate::{Device, Options};

const LIMIT: Duration = Duration::from_secs(60);

fn open(spec: &str) -> Device {
    Device::open(spec, &Options::default()).unwrap()
}

fn run(spec: &str) -> Device<Running<AnyBus>> {
    let mut device = open(spec).start().map_err(|(_, error)| error).unwrap();
    let service = device.service(0).unwrap();
    assert!(matches!(service.link, Ok(Some(LinkChange::Up(_)))), "{service:?}");
    device
}

fn stop(device: Device<Running<AnyBus>>) -> Device {
    device.stop().map_err(|(_, error)| error).unwrap()
}

fn broadcast(number: u8) -> [u8; 60] {
    let mut frame = [number; 60];
    frame[..6].fill(0xFF);
    frame
}

fn send(device: &mut Device<Running<AnyBus>>, buf: Buf) {
    device.tx[0].stage(buf).unwrap();
    assert_eq!(device.tx[0].commit(), 1);
}

/// The next frame, waiting for interrupts as a program would.
fn receive(device: &mut Device<Running<AnyBus>>) -> Buf {
    let events = device.port.events();
    let start = Instant::now();
    loop {
        if let Some((buf, _)) = device.rx[0].next() {
            return buf;
        }
        assert!(start.elapsed() < LIMIT, "no frame came");
        device.waiter.enable(Lines::ALL).unwrap();
        let woken = device.waiter.wait(Some(LIMIT)).unwrap();
        assert!(woken.lines.any(), "no interrupt came");
        for line in Line::ALL {
            events.take(line);
        }
    }
}

#[test]
fn frames_cross_a_cable_between_two_devices() {
    let mut a = run("sim,wire=cable:test-cross");
    let mut b = run("sim,wire=cable:test-cross");
    for number in 0..10 {
        let buf = a.pool.frame(&broadcast(number)).unwrap();
        send(&mut a, buf);
        assert_eq!(&receive(&mut b)[..], &broadcast(number));
    }
    stop(a).close().unwrap();
    stop(b).close().unwrap();
}

#[test]
fn a_buffer_goes_from_device_to_device_without_a_copy() {
    let mut from = run("sim,wire=cable:test-forward-in");
    let mut a = run("sim,wire=cable:test-forward-in");
    let mut b = run("sim,wire=cable:test-forward-out");
    let mut to = run("sim,wire=cable:test-forward-out");
    crate::device::check_exchange(&a.pool, &b.pool).unwrap();
    let home = a.pool.free();
    for number in 0..100 {
        let buf = from.pool.frame(&broadcast(number)).unwrap();
        send(&mut from, buf);
        while from.tx[0].reap().is_some() {}

        let buf = receive(&mut a);
        let bytes = buf.as_ptr();
        send(&mut b, buf);
        assert_eq!(&receive(&mut to)[..], &broadcast(number));
        let sent = b.tx[0].reap().unwrap();
        assert_eq!(sent.as_ptr(), bytes);
        // The very buffer goes back into the ring it came from.
        a.rx[0].refill(sent).unwrap();
        a.rx[0].commit();
    }
    assert_eq!(a.pool.free(), home);
    for device in [from, a, b, to] {
        stop(device).close().unwrap();
    }
}

#[test]
fn a_fixed_link_and_a_station_address_go_over_what_is_found() {
    let link = Link::new(Speed::Mbps100, Duplex::Full);
    let station = etsec_core::MacAddr([2, 0, 0, 0, 0, 9]);
    let port = PortConfig { station: Some(station), fixed_link: Some(link), ..Default::default() };
    let options = Options { port, rx_rings: 8, tx_rings: 8, ring: 16, ..Options::default() };
    let device = Device::open("sim", &options).unwrap();
    assert_eq!(device.link.link(), Some(link));
    assert_eq!(device.port.config().link, link);
    assert_eq!(device.config.station, Some(station));
    assert_eq!((device.rx.len(), device.tx.len()), (8, 8));
    // Rings are full, and there are buffers left to send with.
    assert!(device.rx.iter().all(|queue| queue.space() == 0));
    assert_eq!(device.pool.free(), device.pool.buffers() - 8 * 16);
    device.close().unwrap();
}

#[test]
fn on_a_part_that_needs_it_reception_is_proved_after_each_reset() {
    let looped = |part| {
        let port = PortConfig { part, ..Default::default() };
        let device = Device::open("sim", &Options { port, ..Options::default() }).unwrap();
        let mut device = device.start().map_err(|(_, error)| error).unwrap();
        device.prove_reception().unwrap();
        let mut counted = [0; 3];
        for count in &mut counted {
            // Proved already: nothing is sent.
            device.service(0).unwrap();
            *count = device.port.mib().total(Counter::RPKT);
            device.port.reset(&mut Delay).unwrap();
        }
        stop(device).close().unwrap();
        counted
    };
    assert_eq!(looped(Some(Part::Mpc8548(Revision::UNKNOWN))), [1, 2, 3]);
    assert_eq!(looped(Some(Part::P10xx)), [0; 3]);
    // The wire is not cut off on a mere suspicion.
    assert_eq!(looped(None), [0; 3]);
}

#[test]
fn without_a_phy_and_without_a_fixed_link_there_is_a_cure() {
    // The model's PHY is at address 1.
    let port = PortConfig { phy_address: Some(7), ..Default::default() };
    let error = Device::open("sim", &Options { port, ..Options::default() }).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("no PHY answers at address 7") && text.contains("fixed link"), "{text}");
}

#[test]
fn a_lost_link_is_told_and_so_is_its_return() {
    let mut device = run("sim");
    let sim = device.memory.simulated().unwrap().sim().clone();
    sim.set_link_up(false);
    let down = device.service(1000).unwrap().link;
    assert_eq!(down, Ok(Some(LinkChange::Down)));
    assert_eq!(device.link.link(), None);
    sim.set_link_up(true);
    sim.advance(POWERED_NS);
    let up = device.service(2000).unwrap().link;
    assert!(matches!(up, Ok(Some(LinkChange::Up(_)))), "{up:?}");
    stop(device).close().unwrap();
}

#[test]
fn memory_with_a_buffer_elsewhere_stays_lent() {
    let device = open("sim");
    let buf = device.pool.alloc().unwrap();
    assert!(matches!(device.close(), Err(Error::MemoryInUse { .. })));
    drop(buf);
}

#[test]
fn a_wire_that_cannot_be_had_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("absent.pcap");
    let spec = format!("sim,wire=pcap:{}", path.display());
    let error = Device::open(&spec, &Options::default()).unwrap_err();
    assert!(matches!(error, Error::Wire { .. }), "{error}");
    assert!(error.to_string().contains("absent.pcap"), "{error}");
}

#[test]
fn the_other_end_going_away_is_told() {
    let a = run("sim,wire=cable:test-unplug");
    let mut b = run("sim,wire=cable:test-unplug");
    stop(a).close().unwrap();
    let start = Instant::now();
    let error = loop {
        let buf = b.pool.frame(&broadcast(0)).unwrap();
        send(&mut b, buf);
        while b.tx[0].reap().is_some() {}
        if let Some(error) = b.memory.simulated().unwrap().wire_error() {
            break error;
        }
        assert!(start.elapsed() < LIMIT, "nobody noticed");
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(matches!(error, WireError::Unplugged), "{error}");
    stop(b).close().unwrap();
}

/// Miri runs this one: what it says of a region's pointer is not the model's alone.
#[test]
fn memory_at_a_place_is_carved_used_and_given_back() {
    let bytes = etsec_core::arena::HEADER_BYTES + etsec_core::arena::pool_bytes(4, 128);
    let space = Space::take(Window::Here, bytes).unwrap();
    let region = Sim::default().region_at(BusAddr::new(space.start()).unwrap(), bytes);
    let region = crate::AnyRegion::Sim(PlacedRegion { region, _space: space });
    let mut arena = etsec_core::Arena::new(region).map_err(|(_, error)| error).unwrap();
    let pool = arena.pool(4, 128).unwrap();
    let bufs: Vec<Buf> = (0..4).map(|n| pool.frame(&[n; 100]).unwrap()).collect();
    assert!(pool.alloc().is_none());
    assert!(bufs.iter().zip(0..).all(|(buf, n)| **buf == [n; 100]));
    drop((bufs, pool));
    assert!(arena.retire().is_ok());
}

#[test]
fn a_phy_that_somebody_else_has_reset_offers_again_what_it_was_told() {
    let flow_control = FlowControl::Negotiated(Pause { rx: true, tx: false });
    let options = Options { flow_control, ..Options::default() };
    let device = Device::open("sim", &options).unwrap();
    let mut device = device.start().map_err(|(_, error)| error).unwrap();
    let LinkSource::Phy(phy) = device.link.source() else { panic!("no PHY") };
    let phy = phy.address();
    // HW 8.10: the pause bits of ANAR, which no reset sets.
    let offer = |device: &mut Device<_>| device.link.mdio().read(phy, 4).unwrap() & 0x0C00;
    let told = offer(&mut device);
    assert_ne!(told, 0);
    let (mut now_ms, mut changes) = (0, Vec::new());
    for reset in 0..3 {
        // Until the link is up, which takes the model some seconds at most.
        while changes.iter().filter(|change| matches!(change, LinkChange::Up(_))).count() <= reset {
            now_ms += 10;
            changes.extend(device.service(now_ms).unwrap().link.unwrap());
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(offer(&mut device), told);
        device.memory.simulated().unwrap().sim().reset_phy();
    }
    stop(device);
}
