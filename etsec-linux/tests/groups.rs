//! Two interrupt groups of one port, each served by a thread of its own that only its rings wake.
#![cfg(feature = "sim")]

use std::thread;
use std::time::Duration;

use etsec_core::filer::{Action, Match, Number, Rule};
use etsec_core::groups::GroupBus;
use etsec_core::{EventPort, Group, Line, Running};
use etsec_linux::device::{Rx, Tx};
use etsec_linux::{AnyBus, Device, Lines, Options, Waiter};

const LIMIT: Duration = Duration::from_secs(60);
/// Rings each way; those with an odd number are in the second group.
const RINGS: usize = 4;
/// Frames to each ring.
const EACH: usize = 200;
/// Frames for ring 0; those for ring 1 have the next EtherType.
const TYPE: u16 = 0x88B5;

fn started(device: Device) -> Device<Running<AnyBus>> {
    let mut device = device.start().map_err(|(_, error)| error).unwrap();
    assert!(device.service(0).unwrap().link.is_ok());
    device
}

/// Waits for an interrupt; whether it was the receive line's. That of what was sent comes once, as
/// every line is let through at first.
fn received(waiter: &mut Waiter) -> bool {
    let woken = waiter.wait(Some(LIMIT)).unwrap();
    assert!(woken.lines.any(), "no interrupt comes");
    woken.lines.rx
}

/// A port that files frames to rings by EtherType, with its odd rings in the second group.
fn grouped(cable: &str) -> Device<Running<AnyBus>> {
    let options = Options {
        rx_rings: RINGS,
        tx_rings: RINGS,
        ring: 64,
        parser: true,
        promiscuous: true,
        ..Options::default()
    };
    let mut device = Device::open(cable, &options).unwrap();
    let rules: Vec<_> = (0..RINGS)
        .map(|ring| {
            let when =
                Match { ethertype: Some(Number::Exactly(TYPE + ring as u16)), ..Match::default() };
            Rule { when, action: Action::to(ring as u8) }
        })
        .collect();
    device.port.set_rules(&rules, Action::to(0)).unwrap();
    let Device { port, rx, tx, .. } = &mut device;
    for ring in (1..RINGS).step_by(2) {
        port.set_rx_group(&mut rx[ring], Group::One).unwrap();
        port.set_tx_group(&mut tx[ring], Group::One).unwrap();
    }
    started(device)
}

/// What one thread serves.
struct Half {
    group: usize,
    waiter: Waiter,
    events: EventPort<GroupBus<AnyBus>>,
    rx: Vec<Rx>,
    tx: Vec<Tx>,
}

impl Half {
    /// Sends every frame back that arrives in this group, until there were `due`. Returns how often
    /// it was woken.
    fn serve(&mut self, due: usize) -> usize {
        let (mut served, mut wakes) = (0, 0);
        while served < due {
            self.waiter.enable(Lines::RX).unwrap();
            if !received(&mut self.waiter) {
                continue;
            }
            wakes += 1;
            assert!(!self.events.take(Line::Rx).is_empty(), "woken by another's ring");
            for (rx, tx) in self.rx.iter_mut().zip(&mut self.tx) {
                while let Some((buf, _)) = rx.next() {
                    let ring = usize::from(u16::from_be_bytes([buf[12], buf[13]]) - TYPE);
                    assert_eq!(ring % 2, self.group, "a frame of the other group");
                    tx.stage(buf).unwrap();
                    tx.commit();
                    served += 1;
                }
                while let Some(sent) = tx.reap() {
                    rx.refill(sent).unwrap();
                }
                rx.commit();
            }
        }
        wakes
    }
}

/// Takes the queues of a port apart by group.
fn halves(device: &mut Device<Running<AnyBus>>, second: Waiter, first: Waiter) -> [Half; 2] {
    let mut halves = [(Group::Zero, first), (Group::One, second)].map(|(group, waiter)| Half {
        group: group as usize,
        waiter,
        events: device.port.group_events(group).unwrap(),
        rx: Vec::new(),
        tx: Vec::new(),
    });
    for (ring, rx) in device.rx.drain(..).enumerate() {
        halves[ring % 2].rx.push(rx);
    }
    for (ring, tx) in device.tx.drain(..).enumerate() {
        halves[ring % 2].tx.push(tx);
    }
    halves
}

/// Sends a frame for `ring` and waits until it comes back.
fn exchange(partner: &mut Device<Running<AnyBus>>, ring: usize, number: usize) {
    let mut frame = [number as u8; 60];
    frame[..6].fill(0xFF);
    frame[12..14].copy_from_slice(&(TYPE + ring as u16).to_be_bytes());
    let buf = partner.pool.frame(&frame).unwrap();
    partner.tx[0].stage(buf).unwrap();
    partner.tx[0].commit();
    let events = partner.port.events();
    let back = loop {
        if let Some((buf, _)) = partner.rx[0].next() {
            break buf;
        }
        partner.waiter.enable(Lines::RX).unwrap();
        if received(&mut partner.waiter) {
            events.take(Line::Rx);
        }
    };
    assert_eq!(&back[..], &frame);
    while partner.tx[0].reap().is_some() {}
    partner.rx[0].refill(back).unwrap();
    partner.rx[0].commit();
}

#[test]
fn two_threads_are_woken_by_the_rings_of_their_groups_alone() {
    let cable = "sim,wire=cable:groups";
    let mut device = grouped(cable);
    let promiscuous = Options { promiscuous: true, ..Options::default() };
    let mut partner = started(Device::open(cable, &promiscuous).unwrap());
    let second = device.second.take().expect("a simulated port has two groups");
    // The threads wait by these; the port keeps one that nobody rings.
    let first = std::mem::replace(&mut device.waiter, Waiter::bells(Vec::new()).unwrap());
    let mut both = halves(&mut device, second, first);
    let [zero, one] = &mut both;
    let due = EACH * RINGS / 2;
    let (woken_zero, woken_one) = thread::scope(|scope| {
        let one = scope.spawn(move || one.serve(due));
        let zero = scope.spawn(move || zero.serve(due));
        // First those of one group only: the other thread sleeps all the time, or it would find
        // that it was woken for nothing.
        for number in 0..EACH {
            (0..RINGS).step_by(2).for_each(|ring| exchange(&mut partner, ring, number));
        }
        for number in 0..EACH {
            (1..RINGS).step_by(2).for_each(|ring| exchange(&mut partner, ring, number));
        }
        (zero.join().unwrap(), one.join().unwrap())
    });
    assert!((1..=due).contains(&woken_zero) && (1..=due).contains(&woken_one));
    for port in [device, partner] {
        let port = port.stop().map_err(|(_, error)| error).unwrap();
        let sim = port.memory.simulated().unwrap().sim().clone();
        assert!(sim.violations().is_empty());
        drop(port);
    }
    drop(both);
}

#[test]
fn one_thread_may_wait_for_both_groups() {
    let cable = "sim,wire=cable:joined";
    let mut device = grouped(cable);
    let mut partner = started(Device::open(cable, &Options::default()).unwrap());
    let second = device.second.take().unwrap();
    device.waiter.join(second).unwrap();
    let events = [Group::Zero, Group::One].map(|group| device.port.group_events(group).unwrap());
    for ring in [0, 1, 3, 2, 1] {
        let mut frame = [0xFF; 60];
        frame[12..14].copy_from_slice(&(TYPE + ring as u16).to_be_bytes());
        let buf = partner.pool.frame(&frame).unwrap();
        partner.tx[0].stage(buf).unwrap();
        partner.tx[0].commit();
        device.waiter.enable(Lines::RX).unwrap();
        while !received(&mut device.waiter) {}
        let taken = events.each_ref().map(|events| !events.take(Line::Rx).is_empty());
        assert_eq!(taken, [ring % 2 == 0, ring % 2 == 1], "ring {ring}");
        assert!(device.rx[ring].next().is_some());
    }
    for port in [device, partner] {
        port.stop().map_err(|(_, error)| error).unwrap().close().unwrap();
    }
}
