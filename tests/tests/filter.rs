//! Does the controller let in the addresses the driver was told, and only those? (HW 7)

use embedded_hal::delay::DelayNs;
use etsec_core::addr::HashMode;
use etsec_core::bd::RxFlags;
use etsec_core::mib::Counter;
use etsec_core::{AddressFilter, MacAddr};
use etsec_sim::random::Random;
use etsec_sim::{Fault, Sim, SimConfig, SimDelay, Switches};
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, frame};

fn filter() -> AddressFilter {
    AddressFilter::new(STATION).unwrap()
}

/// Whether a frame to `to` gets through; it is taken out again.
fn gets_through(live: &mut Live, to: MacAddr) -> bool {
    let bytes = frame(to, PEER, 64, 5);
    live.sim.receive(&bytes);
    match live.receive(0) {
        Some(found) => {
            assert_eq!(found, bytes);
            assert_eq!(live.receive(0), None);
            true
        }
        None => false,
    }
}

fn set(live: &mut Live, filter: &AddressFilter) {
    live.port.set_filter(filter, &mut live.delay).unwrap();
    assert_eq!(&live.port.config().filter, filter);
}

fn random_address(rng: &mut Random, group: bool) -> MacAddr {
    let mut octets = [0; 6];
    octets.copy_from_slice(&rng.next().to_be_bytes()[..6]);
    octets[0] = octets[0] & 0xFE | u8::from(group);
    MacAddr(octets)
}

#[test]
fn station_broadcast_and_nobody_else() {
    let mut live = Live::new();
    let mut other = STATION;
    other.0[5] ^= 0x80;
    assert!(gets_through(&mut live, STATION));
    assert!(gets_through(&mut live, MacAddr::BROADCAST));
    assert!(!gets_through(&mut live, other));
    assert!(!gets_through(&mut live, MacAddr([0x01, 0x00, 0x5E, 0, 0, 1])));
    assert!(!gets_through(&mut live, MacAddr::ZERO));

    let mut moved = filter();
    moved.set_station(other).unwrap();
    moved.broadcast_reject = true;
    set(&mut live, &moved);
    assert!(gets_through(&mut live, other));
    assert!(!gets_through(&mut live, STATION));
    assert!(!gets_through(&mut live, MacAddr::BROADCAST));
    live.finish();
}

#[test]
fn fifteen_exact_addresses_of_both_kinds() {
    let mut live = Live::new();
    let mut rng = Random::new(1);
    let mut filter = filter();
    let addresses: Vec<_> = (0..15).map(|n| random_address(&mut rng, n % 2 == 0)).collect();
    addresses.iter().for_each(|addr| filter.add_exact(*addr).unwrap());
    set(&mut live, &filter);
    for addr in &addresses {
        assert!(gets_through(&mut live, *addr), "{addr}");
        let mut near = *addr;
        near.0[3] ^= 1;
        assert!(!gets_through(&mut live, near), "{near}");
    }
    assert!(filter.remove_exact(addresses[7]));
    set(&mut live, &filter);
    assert!(!gets_through(&mut live, addresses[7]));
    assert!(gets_through(&mut live, addresses[8]));
    live.finish();
}

#[test]
fn promiscuous_frames_say_that_they_missed_the_filter() {
    let mut live = Live::new();
    let stranger = MacAddr([0x02, 9, 9, 9, 9, 9]);
    let mut open = filter();
    open.promiscuous = true;
    open.broadcast_reject = true;
    set(&mut live, &open);
    for (to, missed) in [(stranger, true), (STATION, false), (MacAddr::BROADCAST, true)] {
        live.sim.receive(&frame(to, PEER, 64, 0));
        let (buf, meta) = live.rx[0].next().unwrap();
        assert_eq!(meta.flags.contains(RxFlags::M), missed, "{to}");
        drop(buf);
    }
    live.rx[0].fill(&live.pool);
    live.rx[0].commit();
    set(&mut live, &filter());
    assert!(!gets_through(&mut live, stranger));
    live.finish();
}

#[test]
fn all_multicast_in_both_hash_modes_leaves_individual_addresses_alone() {
    for mode in [HashMode::Split, HashMode::Group] {
        let mut live = Live::new();
        let mut rng = Random::new(2);
        let mut filter = filter();
        filter.set_hash_mode(mode).unwrap();
        filter.all_multicast = true;
        set(&mut live, &filter);
        for _ in 0..200 {
            let (group, individual) =
                (random_address(&mut rng, true), random_address(&mut rng, false));
            assert!(gets_through(&mut live, group), "{mode:?} {group}");
            assert!(!gets_through(&mut live, individual), "{mode:?} {individual}");
        }
        live.finish();
    }
}

/// The driver's own judgement and the model's, which share no code, over random filters and
/// addresses.
#[test]
fn what_the_driver_says_it_accepts_is_what_the_device_lets_in() {
    let mut live = Live::new();
    let (mut yes, mut no) = (0, 0);
    for seed in 0..300 {
        let mut rng = Random::new(seed);
        let mut filter = filter();
        let mode = if rng.below(2) == 0 { HashMode::Split } else { HashMode::Group };
        filter.set_hash_mode(mode).unwrap();
        filter.broadcast_reject = rng.below(2) == 0;
        filter.all_multicast = rng.below(8) == 0;
        filter.promiscuous = rng.below(16) == 0;
        let mut known = vec![STATION, MacAddr::BROADCAST, MacAddr::ZERO];
        for _ in 0..rng.below(15) {
            let addr = random_address(&mut rng, seed % 3 == 0);
            filter.add_exact(addr).unwrap();
            known.push(addr);
        }
        for _ in 0..rng.below(200) {
            let group = mode == HashMode::Group || rng.below(2) == 0;
            let addr = random_address(&mut rng, group);
            filter.add_hash(addr).unwrap();
            known.push(addr);
        }
        set(&mut live, &filter);
        let strangers: Vec<_> = (0..60).map(|n| random_address(&mut rng, n % 2 == 0)).collect();
        for addr in known.into_iter().take(40).chain(strangers) {
            let accepts = filter.accepts(addr);
            *if accepts { &mut yes } else { &mut no } += 1;
            assert_eq!(gets_through(&mut live, addr), accepts, "seed {seed}, {addr}, {filter:?}");
        }
    }
    assert!(yes > 3000 && no > 3000, "{yes} accepted, {no} not");
    live.finish();
}

/// A delay in which frames arrive: the moment a stop waits. After a hundred the stop completes.
struct Busy {
    sim: Sim,
    delay: SimDelay,
    arrived: u64,
}

impl DelayNs for Busy {
    fn delay_ns(&mut self, ns: u32) {
        self.sim.receive(&frame(STATION, PEER, 64, 0xEE));
        self.arrived += 1;
        if self.arrived == 100 {
            self.sim.mend(Fault::GrsNeverCompletes);
        }
        self.delay.delay_ns(ns);
    }
}

#[test]
fn frames_that_come_while_the_filter_changes_are_counted_and_not_garbled() {
    // Where GRSC never comes (A002), the change takes a reset.
    for never in [false, true] {
        let switches = Switches { a002: never, ..Switches::default() };
        let sim = SimConfig { switches, ..SimConfig::default() };
        let mut live = Rig::new(&Plan { sim, ..Plan::default() }).start();
        let before = frame(STATION, PEER, 100, 1);
        live.sim.receive(&before);
        live.sim.inject(Fault::GrsNeverCompletes);
        let mut busy = Busy { sim: live.sim.clone(), delay: live.sim.delay(), arrived: 0 };
        let mut next = filter();
        next.add_exact(PEER).unwrap();
        live.port.set_filter(&next, &mut busy).unwrap();
        let arrived = busy.arrived;
        drop(busy);
        let dropped = live.port.mib().total(Counter::RDRP);
        match never {
            false => assert_eq!((arrived, dropped), (100, 100)),
            // And the receiver, idle again, is not waited for (HW 14).
            true => {
                assert!((100..200).contains(&dropped) && arrived >= dropped, "{arrived} {dropped}");
            }
        }
        assert_eq!(live.port.faults().resets, u64::from(never));
        assert_eq!(live.receive(0), Some(before));
        assert!(gets_through(&mut live, PEER));
        assert_eq!(live.receive(0), None);
        assert_eq!(live.rx[0].counters().errors(), 0);
        live.exchange(3);
        live.finish();
    }
}

#[test]
fn the_filter_outlives_resets_and_stops() {
    let mut live = Live::new();
    let group = MacAddr([0x01, 0x00, 0x5E, 0, 0, 0xFB]);
    let mut next = filter();
    next.add_hash(group).unwrap();
    next.add_exact(PEER).unwrap();
    set(&mut live, &next);
    live.port.reset(&mut live.delay).unwrap();
    assert!(gets_through(&mut live, group) && gets_through(&mut live, PEER));
    // A stop that ends in a reset of the MAC.
    live.sim.inject(Fault::GtsNeverCompletes);
    let mut live = live.stop().start();
    live.sim.mend(Fault::GtsNeverCompletes);
    assert!(gets_through(&mut live, group) && gets_through(&mut live, PEER));
    assert!(!gets_through(&mut live, MacAddr([0x02, 8, 8, 8, 8, 8])));
    live.finish();
}
