//! A change that the device leaves in the middle: is all of it made, or nothing of it, once the
//! device is back?

use etsec_core::coalesce::Coalescing;
use etsec_core::device::{SleepError, Sleepless, Wake, WakeFrames};
use etsec_core::error::Side;
use etsec_core::{Bus as _, Error, MacAddr, RxOffload, Schedule};
use etsec_sim::{Sim, SimBus, SimConfig};
use etsec_tests::all_rings;
use etsec_tests::at;
use etsec_tests::rig::{Live, PEER, Rig, STATION, frame};
use etsec_tests::trace::{Access, Traced};

type Bus = Traced<SimBus>;
/// A change, and whether it was made.
type Change = fn(&mut Live<Bus>) -> bool;

const CHANGES: [(&str, Change); 11] = [
    ("set_link", |live| {
        live.port.set_link("100/full/rx".parse().unwrap(), &mut live.delay).is_ok()
    }),
    ("set_filter", |live| {
        let mut filter = live.port.config().filter;
        filter.add_exact(MacAddr([1, 0, 0x5E, 0, 0, 9])).unwrap();
        filter.promiscuous = true;
        live.port.set_filter(&filter, &mut live.delay).is_ok()
    }),
    ("set_schedule", |live| {
        live.port.set_schedule(Schedule::RoundRobin([9; 8]), &mut live.delay).is_ok()
    }),
    ("set_coalescing", |live| live.port.set_coalescing(Side::Rx, coalescing()).is_ok()),
    ("set_ring_coalescing", |live| {
        live.port.set_ring_coalescing(Side::Tx, 3, coalescing()).is_ok()
    }),
    ("set_lossless", |live| {
        live.port.set_lossless(&mut live.rx[2], Some(4), &mut live.delay).is_ok()
    }),
    ("set_pause_time", |live| live.port.set_pause_time(77).is_ok()),
    ("set_rx_offload", |live| {
        let both = RxOffload { ip_checksum: true, l4_checksum: true, ..RxOffload::default() };
        live.port.set_rx_offload(both, &mut live.delay).is_ok()
    }),
    ("set_single_queue", |live| live.port.set_single_queue(true, &mut live.delay).is_ok()),
    ("set_rules", |live| {
        let rules = ["tcp drop".parse().unwrap()];
        live.port.set_rules(&rules, "queue 3".parse().unwrap(), &mut live.delay).is_ok()
    }),
    ("reset", |live| live.port.reset(&mut live.delay).is_ok()),
];

fn coalescing() -> Option<Coalescing> {
    Coalescing::new(5, 100).ok()
}

fn start() -> (Live<Bus>, Bus) {
    let mut plan = all_rings::plan(SimConfig::default());
    plan.config.link = "1000/full/tx".parse().unwrap();
    let sim = Sim::new(plan.sim.clone());
    let bus = Traced::new(sim.bus());
    let mut rig = Rig::through(&sim, &plan, bus.clone());
    all_rings::steer(&mut rig);
    (rig.start(), bus)
}

/// What the controller is told to do: no events, positions or counters.
fn told(live: &mut Live<Bus>) -> Vec<(u16, u32)> {
    let ranges = [
        0x014..0x018,
        0x020..0x030,
        0x100..0x104,
        0x108..0x118,
        0x140..0x148,
        0x300..0x304,
        0x310..0x318,
        0x330..0x334,
        0x340..0x344,
        0x500..0x514,
        0x540..0x5C0,
        0x800..0x900,
        0xBF8..0xC20,
        0xEB0..0xF30,
    ];
    let bus = live.sim.bus();
    let registers = ranges.into_iter().flat_map(|range| range.step_by(4));
    // The MAC's own answers to its enables come later.
    let answers = |at| if at == at::MACCFG1 { 0xA } else { 0 };
    let mut told: Vec<_> = registers.map(|at| (at, bus.read(at) & !answers(at))).collect();
    let table = live.port.filer();
    told.extend((0..=255).map(|n| (0x338, table.entry(n).control)));
    told.extend((0..=255).map(|n| (0x33C, table.entry(n).property)));
    told
}

fn end(live: Live<Bus>) {
    drop(live.sent());
    live.finish();
}

fn differences(one: &[(u16, u32)], other: &[(u16, u32)]) -> String {
    let all = one.iter().zip(other).filter(|(one, other)| one != other);
    let shown = all.map(|((at, one), (_, other))| format!(" {at:#05x}: {one:#x}, not {other:#x}"));
    shown.collect()
}

fn accesses(bus: &Bus) -> u64 {
    bus.take().iter().filter(|access| **access != Access::Publish).count() as u64
}

#[test]
fn a_change_that_is_broken_off_is_made_when_the_device_is_back() {
    for (name, change) in CHANGES {
        let (mut live, bus) = start();
        let before = told(&mut live);
        let _ = bus.take();
        assert!(change(&mut live), "{name}");
        let count = accesses(&bus);
        let done = told(&mut live);
        end(live);
        for survived in (0..count).filter(|n| *n < 60 || n % 5 == 0) {
            let (mut live, bus) = start();
            bus.die_after(survived);
            assert!(!change(&mut live), "{name} is gone after {survived} accesses of {count}");
            bus.revive();
            live.settle(2);
            let now = told(&mut live);
            // Rules that could not be written are set again by whoever did: see set_rules.
            let rules = name == "set_rules";
            let whole = now == done || now == before;
            assert!(whole || rules, "{name} {survived}:{}", differences(&now, &done));
            assert!(change(&mut live), "{name} after {survived} accesses");
            let now = told(&mut live);
            assert!(now == done || rules, "{name} {survived}:{}", differences(&now, &done));
            end(live);
        }
    }
}

/// Puts the port to sleep and, if it does, wakes it; the device goes away after so many accesses of
/// either. Returns how many the operation made.
fn sleep(wake: Wake, wakes: bool, survived: u64) -> u64 {
    let (mut live, bus) = start();
    let before = told(&mut live);
    let Live { port, rx, tx, pool, arena, mut delay, sim } = live;
    let _ = bus.take();
    let again = |bus: &Bus| {
        let made = accesses(bus);
        bus.revive();
        made
    };
    let made;
    let port = if wakes {
        let asleep = port.sleep(wake, &mut delay).map_err(|awake| awake.error()).unwrap();
        let _ = bus.take();
        bus.die_after(survived);
        let woken = asleep.wake(&mut delay);
        made = again(&bus);
        match woken {
            Ok(port) => port,
            Err((asleep, _)) => asleep.wake(&mut delay).map_err(|(_, error)| error).unwrap(),
        }
    } else {
        bus.die_after(survived);
        let asleep = port.sleep(wake, &mut delay);
        made = again(&bus);
        match asleep {
            Ok(asleep) => asleep.wake(&mut delay).map_err(|(_, error)| error).unwrap(),
            Err(Sleepless::Awake(port, _)) => port,
            Err(Sleepless::Halfway(asleep, error)) => {
                assert_eq!(error, Error::Gone);
                asleep.wake(&mut delay).map_err(|(_, error)| error).unwrap()
            }
        }
    };
    let mut live = Live { port, rx, tx, pool, arena, delay, sim };
    live.settle(2);
    let now = told(&mut live);
    let differ = differences(&now, &before);
    assert!(differ.is_empty(), "{wake:?}, to be woken {wakes}, {survived}:{differ}");
    // Each talker's frames go to its ring, and all rings send.
    live.exchange(1);
    // It can sleep as if nothing had been, and its rules outlive that.
    let Live { port, rx, tx, pool, arena, mut delay, sim } = live;
    let asleep = port.sleep(wake, &mut delay).map_err(|awake| awake.error()).unwrap();
    sim.receive(&frame(STATION, PEER, 60, 3));
    let port = asleep.wake(&mut delay).map_err(|(_, error)| error).unwrap();
    let mut live = Live { port, rx, tx, pool, arena, delay, sim };
    assert_eq!(live.receive(0).is_some(), wake != Wake::Magic);
    let differ = differences(&told(&mut live), &before);
    assert!(differ.is_empty(), "{wake:?} afterwards, {wakes}, {survived}:{differ}");
    end(live);
    made
}

#[test]
fn a_sleep_that_is_broken_off_leaves_the_filer_s_rules() {
    for wake in [Wake::Magic, Wake::Frames(WakeFrames::all())] {
        for wakes in [false, true] {
            let count = sleep(wake, wakes, u64::MAX);
            // Before them lies the programming of all registers, which is the same everywhere.
            for survived in (0..count).step_by(11).chain(count.saturating_sub(100)..count) {
                sleep(wake, wakes, survived);
            }
        }
    }
}

#[test]
fn a_port_that_the_device_left_half_asleep_says_why_and_what_it_is() {
    let wake = Wake::Frames(WakeFrames::UNICAST);
    let (live, bus) = start();
    let Live { port, rx, tx, pool, arena, mut delay, sim } = live;
    let _ = bus.take();
    let asleep = port.sleep(wake, &mut delay).map_err(|awake| awake.error()).unwrap();
    let count = accesses(&bus);
    let port = asleep.wake(&mut delay).map_err(|(_, error)| error).unwrap();
    let _ = bus.take();
    // All is done but the last look, whether there is still a device.
    bus.die_after(count - 1);
    let sleepless = port.sleep(wake, &mut delay).expect_err("gone");
    assert_eq!(accesses(&bus), count);
    bus.revive();
    assert_eq!(sleepless.error(), SleepError::Device(Error::Gone));
    assert_eq!(sleepless.error().to_string(), Error::Gone.to_string());
    let Sleepless::Halfway(asleep, _) = sleepless else { panic!("it was falling asleep") };
    let shown = format!("{asleep:?}");
    let port = asleep.wake(&mut delay).map_err(|(_, error)| error).unwrap();
    // The filer's rules that it covers are a table, and left out.
    assert_eq!(shown, format!("Sleeping {{ port: {port:?}, .. }}"));
    let mut live = Live { port, rx, tx, pool, arena, delay, sim };
    live.exchange(1);
    end(live);
}
