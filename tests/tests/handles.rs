//! What do a port and what is its say of themselves: numbers, pages, settings, and for a log?

use std::fmt::Debug;

use etsec_core::mib::Counter;
use etsec_core::{Bus as _, Error, Layout, Mib, Pages, TxOffload};
use etsec_sim::{Fault, Sim, SimDelay};
use etsec_tests::at;
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, config, frame};

/// What it prints begins with its name and names these.
#[track_caller]
fn prints(of: &impl Debug, name: &str, words: &[&str]) {
    let text = format!("{of:?}");
    assert!(text.starts_with(name), "{text}");
    assert!(words.iter().all(|word| text.contains(word)), "{text}: not all of {words:?}");
}

#[test]
fn a_port_tells_its_number_its_pages_and_its_settings() {
    let sim = Sim::default();
    let pages = Pages { group1: Some(sim.second_bus()), ..Pages::single(sim.bus()) };
    let plan = Plan { tx_offload: TxOffload::UpTo(1000), ..Plan::default() };
    let rig = Rig::build(&sim, &plan, pages, sim.region(plan.bytes()));
    assert!(rig.port.pages().group1.is_some() && rig.port.pages().mdio.is_none());
    assert_eq!(rig.port.pages().group0.read(0), sim.bus().read(0));
    assert_eq!((rig.port.config().mtu, rig.port.tx_offload()), (1500, TxOffload::UpTo(1000)));
    let live = rig.start();
    assert!(live.port.pages().group1.is_some());
    assert_eq!((live.port.id(), live.port.id() >> 16), (sim.bus().read(0), 0x0124));
    sim.inject(Fault::BusDead);
    assert_eq!(live.port.id(), u32::MAX);
    sim.mend(Fault::BusDead);
    live.finish();
}

#[test]
fn what_is_printed_for_a_log_names_the_thing_and_what_it_holds() {
    let mut live = Live::new();
    prints(&live.port, "Running", &["mtu: 1500", "EventPort"]);
    prints(&live.port.events(), "EventPort", &["faults: FaultCounters", "busy: 0"]);
    prints(&live.rx[0], "RxQueue", &["number: 0", "len: 16", "used: 16"]);
    prints(&live.pool, "Pool", &["buffers: 64", "buffer_size: 1536", "free: 48"]);
    prints(&live.arena, "Arena", &["used"]);
    live.send(0, &frame(PEER, STATION, 60, 0));
    prints(&live.tx[0], "TxQueue", &["number: 0", "sent: 1", "staged: 0"]);
    prints(&live.tx[0].sent(), "Sent", &["left: 1"]);
    prints(&live.tx[0].stager(), "Stager", &["TxQueue"]);
    live.sim.receive(&frame(STATION, PEER, 61, 0));
    prints(&live.rx[0].refiller(), "Refiller", &["RxQueue"]);
    prints(&live.rx[0].arrived(), "Arrived", &["known"]);
    let (buf, _) = live.rx[0].next().expect("a frame");
    prints(&buf, "Buf", &["61", "1"]);
    drop(buf);
    live.reap();
    live.rx[0].fill(&live.pool);
    let rig = live.stop();
    prints(&rig.port, "Stopped", &["mtu: 1500"]);
    rig.finish();
}

#[test]
fn a_ring_s_memory_is_printed_by_its_place() {
    let sim = Sim::default();
    let layout = Layout { rx: &[4], tx: &[], buffers: 4 };
    let mut arena =
        etsec_core::Arena::new(sim.region(layout.bytes(1536))).map_err(|(_, e)| e).unwrap();
    let ring = arena.ring(4).unwrap();
    prints(&ring, "RingMemory", &["BusAddr(0x", "len: 4"]);
    assert_eq!(format!("{}", ring.bus()), format!("{:?}", ring.bus())["BusAddr(".len()..][..11]);
}

#[test]
fn counters_begin_at_nothing() {
    let mib = Mib::default();
    assert!(mib.iter().all(|(_, total)| total == 0));
    let told: Vec<&str> = Counter::ALL.iter().map(|counter| counter.counts()).collect();
    assert!(told.iter().all(|text| !text.is_empty()), "each says what it counts");
    let mut unlike = told.clone();
    unlike.sort_unstable();
    unlike.dedup();
    assert_eq!(unlike.len(), told.len(), "no two count the same");
}

#[test]
fn mending_alone_acknowledges_and_restarts_and_counts_nothing() {
    let mut live = Live::new();
    live.sim.inject(Fault::LateCollision);
    for n in 0..3 {
        let buf = live.pool.frame(&frame(PEER, STATION, 60, n)).unwrap();
        live.tx[0].stage(buf).unwrap();
    }
    // One doorbell for all: each would be a restart.
    live.tx[0].commit();
    assert_eq!(live.sent().len(), 0, "the ring is halted at the first one");
    let events = live.port.mend();
    assert!(events.contains(etsec_core::Event::LC | etsec_core::Event::TXE), "{events:?}");
    assert_eq!(live.sent().len(), 2, "the others go on");
    assert_eq!(live.sim.bus().read(at::IEVENT) & events.bits(), 0, "acknowledged");
    assert_eq!(live.port.faults().late_collisions, 0, "nothing is counted");
    assert!(live.port.mend().is_empty());
    live.reap();
    live.finish();
}

#[test]
fn a_stopped_port_s_filter_counts_from_the_next_start_on() {
    let mut rig = Rig::new(&Plan::default());
    let other = etsec_core::MacAddr([2, 0, 0, 0, 0, 9]);
    let mut filter = config().filter;
    filter.add_exact(other).unwrap();
    rig.port.set_filter(&filter);
    assert_eq!(rig.port.config().filter, filter);
    let mut live = rig.start();
    live.sim.receive(&frame(other, PEER, 60, 1));
    assert_eq!(live.receive(0), Some(frame(other, PEER, 60, 1)));
    // And taken back.
    let mut rig = live.stop();
    rig.port.set_filter(&config().filter);
    let mut live = rig.start();
    live.sim.receive(&frame(other, PEER, 60, 2));
    assert_eq!(live.receive(0), None);
    live.exchange(1);
    live.finish();
}

#[test]
fn a_stopped_port_counts_what_came_before() {
    let mut live = Live::new();
    live.exchange(3);
    let mut rig = live.stop();
    assert!(rig.port.mib().total(Counter::RPKT) > 0);
    rig.sim.inject(Fault::BusDead);
    let mut delay: SimDelay = rig.delay.clone();
    let (port, error) = rig.port.start(&mut delay).map(drop).unwrap_err();
    assert_eq!(error, Error::Gone);
    rig.sim.mend(Fault::BusDead);
    Rig { port, ..rig }.finish();
}
