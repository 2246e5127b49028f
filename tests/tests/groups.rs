//! Do rings interrupt through the group they are steered to, so that two waiters serve them
//! independently; and is what halts both mended by either? (HW 9.4)

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use etsec_core::coalesce::Coalescing;
use etsec_core::error::Side;
use etsec_core::groups::GroupBus;
use etsec_core::{Bus as _, Error, Event, EventPort, Group, Line};
use etsec_sim::{Fault, Line as Wire, Sim, SimBus, SimConfig, Switches, WireSpeed};
use etsec_tests::all_rings::{self, LEN, RINGS, talker};
use etsec_tests::at;
use etsec_tests::rig::{Live, PEER, Plan, Rig, Rx, STATION, Tx, bytes_of, frame};

const ISRG0: u16 = 0xEB0;
const GROUPS: [Group; 2] = [Group::Zero, Group::One];

/// Rings with an odd number are in group 1.
fn group_of(ring: usize) -> usize {
    ring % 2
}

fn rig(switches: Switches) -> Rig {
    steered(&all_rings::plan(SimConfig { switches, ..SimConfig::default() }))
}

fn steered(plan: &Plan) -> Rig {
    let mut rig = Rig::grouped(&Sim::new(plan.sim.clone()), plan);
    all_rings::steer(&mut rig);
    for ring in 0..RINGS {
        let group = GROUPS[group_of(ring)];
        rig.port.set_rx_group(&mut rig.rx[ring], group).expect("a receive ring");
        rig.port.set_tx_group(&mut rig.tx[ring], group).expect("a transmit ring");
    }
    rig
}

fn readings() -> [Switches; 4] {
    let none = Switches::default();
    [
        none,
        Switches { errors_in_group0: true, ..none },
        Switches { halt_all: true, prefetch: true, ..none },
        Switches { a002: true, bus_error_recurs: true, errors_in_group0: true, ..none },
    ]
}

fn up(live: &Live, line: Wire) -> [bool; 2] {
    [live.sim.line(line), live.sim.second_line(line)]
}

fn ports(live: &Live) -> [EventPort<GroupBus<SimBus>>; 2] {
    GROUPS.map(|group| live.port.group_events(group).expect("both groups"))
}

#[test]
fn each_ring_interrupts_through_its_group_alone() {
    let mut live = rig(Switches::default()).start();
    assert_eq!(live.sim.bus().read(ISRG0), 0xAAAA_0000);
    assert_eq!(live.sim.bus().read(ISRG0 + 4), 0x5555_0000);
    let ports = ports(&live);
    for ring in 0..RINGS {
        let (own, other) = (group_of(ring), 1 - group_of(ring));
        let expected = [own == 0, own == 1];
        live.send(ring, &frame(PEER, STATION, 60, 0));
        assert_eq!(up(&live, Wire::Tx), expected, "transmit ring {ring}");
        live.sim.receive(&frame(STATION, talker(ring), 60, 0));
        assert_eq!(up(&live, Wire::Rx), expected, "receive ring {ring}");
        for line in [Line::Tx, Line::Rx] {
            assert_eq!(ports[other].take(line), Event::empty());
        }
        assert_eq!(ports[own].take(Line::Tx) | ports[own].take(Line::Rx), Event::TXF | Event::RXF);
        assert_eq!((up(&live, Wire::Tx), up(&live, Wire::Rx)), ([false; 2], [false; 2]));
        live.receive(ring).expect("a frame");
        live.reap();
        // A full ring is its own group's affair, too.
        for n in 0..=LEN as u8 {
            live.sim.receive(&frame(STATION, talker(ring), 60, n));
        }
        assert_eq!(up(&live, Wire::Err), expected, "receive ring {ring} is full");
        let mut mender = ports[own].clone();
        assert_eq!(mender.mend(), Event::BSY);
        while live.receive(ring).is_some() {}
        ports[own].take(Line::Rx);
    }
    drop(live.sent());
    live.exchange(1);
    live.finish();
}

#[test]
fn an_error_that_halts_all_rings_is_mended_from_either_group() {
    for switches in readings() {
        for mender in 0..2 {
            if mender == 1 && switches.errors_in_group0 {
                continue;
            }
            let mut live = rig(switches).start();
            let mut ports = ports(&live);
            for fault in [Fault::LateCollision, Fault::Underrun] {
                for ring in [2, 3] {
                    live.sim.inject(fault);
                    live.send(ring, &frame(PEER, STATION, 60, 0));
                    assert!(up(&live, Wire::Err)[mender], "{switches:?}");
                    assert!(!ports[mender].recover().is_empty());
                    assert_eq!(live.reap(), 1);
                    // The other group's waiter finds the same, or nothing, and does no harm.
                    ports[1 - mender].recover();
                    assert_eq!(up(&live, Wire::Err), [false; 2]);
                    live.exchange(1);
                    for port in &ports {
                        port.take(Line::Tx);
                        port.take(Line::Rx);
                    }
                }
            }
            live.finish();
        }
    }
}

#[test]
fn frames_waiting_in_both_groups_go_on_whoever_mends() {
    for mender in 0..2 {
        let mut plan = all_rings::plan(SimConfig::default());
        plan.sim.wire = WireSpeed::Link;
        let mut live = steered(&plan).start();
        let mut ports = ports(&live);
        let out = live.load(1);
        live.sim.inject(Fault::Underrun);
        live.delay_us(1000);
        assert!(live.sent().is_empty(), "halted by the first frame");
        assert!(ports[mender].recover().contains(Event::XFUN));
        live.delay_us(1000);
        assert_eq!(live.sent().len(), out.len() - 1, "mended from group {mender}");
        assert_eq!(live.reap(), out.len());
        live.finish();
    }
}

#[test]
fn a_tick_looks_after_both_groups() {
    for switches in readings() {
        let mut live = rig(switches).start();
        for ring in 0..RINGS {
            live.sim.inject(Fault::LateCollision);
            live.send(ring, &frame(PEER, STATION, 60, 0));
            for n in 0..=LEN as u8 {
                live.sim.receive(&frame(STATION, talker(ring), 60, n));
            }
            live.settle(1);
            assert_eq!(up(&live, Wire::Err), [false; 2], "ring {ring}, {switches:?}");
            while live.receive(ring).is_some() {}
            live.reap();
        }
        assert!(live.port.faults().late_collisions == RINGS as u64, "{switches:?}");
        drop(live.sent());
        live.exchange(1);
        live.finish();
    }
}

#[test]
fn hangs_lost_kicks_and_resets_are_no_different() {
    let mut live = rig(Switches::default()).start();
    live.exchange(1);
    live.port.reset(&mut live.delay).unwrap();
    live.exchange(2);
    // Halted, and nobody mends it: the tick does.
    for ring in [4, 5] {
        let out = frame(PEER, STATION, 70, 3);
        live.sim.inject(Fault::LateCollision);
        for bytes in [&frame(PEER, STATION, 60, 0), &out] {
            live.tx[ring].stage(live.pool.frame(bytes).expect("a buffer")).expect("room");
        }
        live.tx[ring].commit();
        assert!(live.sim.transmitted().is_none());
        live.settle(2);
        assert_eq!(live.sim.transmitted(), Some(out));
        assert_eq!(live.reap(), 2);
    }
    let rig = live.stop();
    assert_eq!(rig.sim.second_bus().read(at::IMASK), 0);
    let mut live = rig.start();
    live.exchange(3);
    live.finish();
}

/// Serves one group's rings in a thread of its own until it has seen `due` frames on each.
fn serve(
    sim: &Sim,
    group: usize,
    events: &mut EventPort<GroupBus<SimBus>>,
    rx: &mut [Rx],
    tx: &mut [Tx],
    due: usize,
) -> (usize, usize) {
    let started = Instant::now();
    let (mut wakes, mut got) = (0, 0);
    while got < due * rx.len() {
        assert!(started.elapsed() < Duration::from_secs(60), "group {group}: {got} frames");
        let line = |line| if group == 0 { sim.line(line) } else { sim.second_line(line) };
        if line(Wire::Err) {
            events.recover();
        }
        if !line(Wire::Rx) {
            thread::yield_now();
            continue;
        }
        wakes += 1;
        assert!(!events.take(Line::Rx).is_empty(), "somebody else has taken it");
        for (rx, tx) in rx.iter_mut().zip(tx.iter_mut()) {
            while let Some((buf, _)) = rx.next() {
                let bytes = bytes_of(&buf);
                assert_eq!(group_of(usize::from(bytes[11])), group, "a frame of the other group");
                got += 1;
                tx.stage(buf).expect("room");
                tx.commit();
                let sent = tx.reap().expect("the wire takes no time");
                rx.refill(sent).expect("room");
                rx.commit();
            }
        }
        events.take(Line::Tx);
    }
    (wakes, got)
}

#[test]
fn two_threads_serve_the_rings_of_their_groups() {
    const EACH: usize = 200;
    let mut live = rig(Switches::default()).start();
    let [mut zero, mut one] = ports(&live);
    let (mut rx, mut tx): ([Vec<Rx>; 2], [Vec<Tx>; 2]) = Default::default();
    for ring in (0..RINGS).rev() {
        rx[group_of(ring)].push(live.rx.pop().expect("a queue"));
        tx[group_of(ring)].push(live.tx.pop().expect("a queue"));
    }
    let [rx0, rx1] = &mut rx;
    let [tx0, tx1] = &mut tx;
    let (sim, done) = (live.sim.clone(), AtomicUsize::new(0));
    let (first, second) = thread::scope(|scope| {
        let first = scope.spawn(|| serve(&sim, 0, &mut zero, rx0, tx0, EACH));
        let second = scope.spawn(|| serve(&sim, 1, &mut one, rx1, tx1, EACH));
        for n in 0..EACH {
            for ring in 0..RINGS {
                sim.receive(&frame(STATION, talker(ring), 60, n as u8));
                // Not faster than they are served: what comes back is counted.
                while sim.transmitted().is_none() {
                    assert!(!first.is_finished() || !second.is_finished(), "a thread has ended");
                    thread::yield_now();
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
        (first.join().expect("group 0"), second.join().expect("group 1"))
    });
    assert_eq!((first.1, second.1), (EACH * RINGS / 2, EACH * RINGS / 2));
    assert_eq!(done.into_inner(), EACH * RINGS);
    assert!(first.0 > 0 && second.0 > 0);
    for ring in 0..RINGS {
        live.rx.push(rx[group_of(ring)].pop().expect("a queue"));
        live.tx.push(tx[group_of(ring)].pop().expect("a queue"));
    }
    live.finish();
}

#[test]
fn lossless_flow_control_and_coalescing_work_in_both() {
    let mut rig = rig(Switches::default());
    rig.port.set_pause_time(100).unwrap();
    for ring in [2, 3] {
        rig.port.set_lossless(&mut rig.rx[ring], Some(4)).unwrap();
    }
    let mut live = rig.start();
    live.port.set_link("1000/full/tx".parse().unwrap(), &mut live.delay).unwrap();
    // With two groups, each ring has a counter of its own.
    live.port.set_coalescing(Side::Rx, Some(Coalescing::new(4, 1000).unwrap())).unwrap();
    for ring in [2, 3] {
        for n in 0..4 {
            assert_eq!(up(&live, Wire::Rx), [false; 2]);
            live.sim.receive(&frame(STATION, talker(ring), 60, n));
        }
        assert!(up(&live, Wire::Rx)[group_of(ring)], "ring {ring}");
        assert_eq!(live.sent().len(), 1, "ring {ring}: one pause frame");
        while live.receive(ring).is_some() {}
        assert_eq!(live.sent().len(), 1, "ring {ring}: the end of the pause");
        for port in ports(&live) {
            port.take(Line::Rx);
        }
    }
    live.finish();
}

#[test]
fn a_controller_with_one_group_says_so() {
    let mut rig = Rig::new(&all_rings::plan(SimConfig::default()));
    let refused = rig.port.set_rx_group(&mut rig.rx[1], Group::One);
    assert_eq!(refused, Err(Error::OneGroup));
    let mut other = Rig::new(&all_rings::plan(SimConfig::default()));
    let refused = rig.port.set_tx_group(&mut other.tx[1], Group::One);
    assert_eq!(refused, Err(Error::Stranger(Side::Tx)));
    all_rings::steer(&mut rig);
    let mut live = rig.start();
    assert!(live.port.group_events(Group::One).is_none());
    live.exchange(1);
    live.finish();
    other.finish();
}

#[test]
fn a_port_with_one_page_gets_the_events_of_rings_that_somebody_else_had_steered() {
    let plan = all_rings::plan(SimConfig::default());
    let sim = Sim::new(plan.sim.clone());
    // As Linux leaves it with two groups (HW 3.22).
    sim.bus().write(ISRG0, 0x8080_0000);
    sim.bus().write(ISRG0 + 4, 0x4040_0000);
    let mut live = all_rings::start_as(&sim, &plan);
    live.exchange(1);
    for ring in 0..RINGS {
        let port = live.port.events();
        port.take(Line::Rx);
        live.sim.receive(&frame(STATION, talker(ring), 60, 0));
        assert_eq!(up(&live, Wire::Rx), [true, false], "ring {ring}");
        live.receive(ring).expect("a frame");
    }
    live.finish();
}
