//! Do frame events wait for as many frames, or as long, as they are told, whatever the link
//! becomes? (HW 9.3)

use etsec_core::coalesce::{Coalescing, CoalescingError};
use etsec_core::error::Side;
use etsec_core::{Bus as _, Error, Event, Line};
use etsec_sim::{Fault, Line as Wire, Sim, SimConfig, WireSpeed};
use etsec_tests::all_rings::{self, talker};
use etsec_tests::rig::{Live, PEER, Plan, Rig, STATION, frame};
use etsec_tests::trace::Traced;

const TXIC: u16 = 0x110;
const RXIC: u16 = 0x310;
const RXIC_RING: u16 = 0xED0;
const TXIC_RING: u16 = 0xF10;

fn some(frames: u32, time_us: u32) -> Option<Coalescing> {
    Some(Coalescing::new(frames, time_us).expect("in range"))
}

fn come(live: &Live, ring: usize, n: u8) {
    live.sim.receive(&frame(STATION, talker(ring), 60, n));
}

/// Nanoseconds until a line goes up, in steps of 32.
fn until_up(live: &Live, line: Wire) -> u32 {
    (0..)
        .find(|_| {
            live.sim.line(line) || {
                live.sim.advance(32);
                false
            }
        })
        .expect("a line that goes up")
        * 32
}

#[test]
fn the_event_comes_with_the_frame_that_completes_the_number() {
    let mut live = Live::new();
    for side in [Side::Tx, Side::Rx] {
        live.port.set_coalescing(side, some(5, 1000)).unwrap();
    }
    let port = live.port.events();
    for n in 0..25 {
        live.send(0, &frame(PEER, STATION, 60, n));
        come(&live, 0, n);
        let complete = n % 5 == 4;
        assert_eq!([Wire::Tx, Wire::Rx].map(|line| live.sim.line(line)), [complete; 2], "{n}");
        let taken = port.take(Line::Tx) | port.take(Line::Rx);
        assert_eq!(taken, if complete { Event::TXF | Event::RXF } else { Event::empty() });
        live.receive(0).expect("frames come at once all the same");
        live.reap();
    }
    drop(live.sent());
    live.finish();
}

#[test]
fn the_event_comes_in_time_at_every_speed_and_not_without_traffic() {
    let mut live = Live::new();
    let time = Coalescing::new(200, 100).unwrap();
    live.port.set_coalescing(Side::Rx, Some(time)).unwrap();
    // The register follows the link, and the time is the same but for the timer's tick.
    for (link, ticks) in [("1000/full", 196), ("100/full", 40), ("10/full", 4), ("1000/full", 196)]
    {
        live.port.set_link(link.parse().unwrap(), &mut live.delay).unwrap();
        assert_eq!(live.sim.bus().read(RXIC), 0x8000_0000 | 200 << 21 | ticks, "{link}");
        live.delay_us(1000);
        assert!(!live.sim.line(Wire::Rx), "{link}: no frame, no event");
        for n in 0..3 {
            come(&live, 0, n);
        }
        let ns = until_up(&live, Wire::Rx);
        let speed = live.port.config().link.speed;
        assert!(ns.abs_diff(time.time_ns(speed)) <= 32, "{link}: {ns} ns");
        assert_eq!(live.port.events().take(Line::Rx), Event::RXF);
        while live.receive(0).is_some() {}
        // And once only.
        live.delay_us(1000);
        assert!(!live.sim.line(Wire::Rx), "{link}");
    }
    live.finish();
}

#[test]
fn errors_do_not_wait() {
    let mut live = Live::new();
    live.port.set_coalescing(Side::Tx, some(200, 30_000)).unwrap();
    live.port.set_coalescing(Side::Rx, some(200, 30_000)).unwrap();
    live.sim.inject(Fault::LateCollision);
    live.send(0, &frame(PEER, STATION, 60, 0));
    assert!(live.sim.line(Wire::Err) && !live.sim.line(Wire::Tx));
    live.settle(1);
    assert!(!live.sim.line(Wire::Err));
    live.reap();
    live.finish();
}

#[test]
fn new_thresholds_count_at_once_and_outlive_stops_and_resets() {
    let mut live = Live::new();
    live.port.set_coalescing(Side::Rx, some(10, 1000)).unwrap();
    come(&live, 0, 0);
    live.receive(0);
    // The model takes thresholds over when ICEN goes from 0 to 1, and at no other time.
    live.port.set_coalescing(Side::Rx, some(2, 50)).unwrap();
    live.port.events().take(Line::Rx);
    let works = |live: &mut Live| {
        come(live, 0, 1);
        assert!(!live.sim.line(Wire::Rx));
        come(live, 0, 2);
        assert!(live.sim.line(Wire::Rx));
        live.port.events().take(Line::Rx);
        come(live, 0, 3);
        let ns = until_up(live, Wire::Rx);
        assert!((50_000..51_000).contains(&ns), "{ns}");
        live.port.events().take(Line::Rx);
        while live.receive(0).is_some() {}
        assert_eq!(live.port.coalescing(Side::Rx, 0), some(2, 50));
        assert_eq!(live.port.coalescing(Side::Tx, 0), None);
    };
    works(&mut live);
    live.port.reset(&mut live.delay).unwrap();
    works(&mut live);
    let mut live = live.stop().start();
    works(&mut live);
    live.port.set_coalescing(Side::Rx, None).unwrap();
    assert_eq!((live.port.coalescing(Side::Rx, 0), live.sim.bus().read(RXIC)), (None, 0));
    come(&live, 0, 4);
    assert!(live.sim.line(Wire::Rx), "off again");
    live.receive(0);
    live.finish();
}

#[test]
fn frames_counted_so_far_are_told_when_it_is_switched_off() {
    let mut live = Live::new();
    live.port.set_coalescing(Side::Rx, some(10, 30_000)).unwrap();
    come(&live, 0, 0);
    assert!(!live.sim.line(Wire::Rx));
    live.port.set_coalescing(Side::Rx, None).unwrap();
    assert!(live.sim.line(Wire::Rx));
    live.receive(0);
    live.finish();
}

#[test]
fn each_ring_of_an_etsec2_can_have_its_own() {
    let mut live = all_rings::start(SimConfig::default());
    live.port.set_coalescing(Side::Rx, some(100, 1000)).unwrap();
    for ring in 0..8 {
        let own = (ring != 7).then(|| Coalescing::new(ring as u32 + 1, 1000).unwrap());
        live.port.set_ring_coalescing(Side::Rx, ring, own).unwrap();
        live.port.set_ring_coalescing(Side::Tx, ring, some(ring as u32 + 1, 1000)).unwrap();
    }
    assert_eq!((live.sim.bus().read(RXIC), live.sim.bus().read(TXIC)), (0, 0));
    assert_eq!(live.sim.bus().read(RXIC_RING + 4 * 3), live.sim.bus().read(TXIC_RING + 4 * 3));
    let port = live.port.events();
    for ring in 0..8 {
        assert_eq!(live.port.coalescing(Side::Rx, ring).is_some(), ring != 7);
        for n in 0..=ring as u8 {
            live.send(ring, &frame(PEER, STATION, 60, n));
            let sent = port.take(Line::Tx);
            assert_eq!(
                sent == Event::TXF,
                usize::from(n) == ring,
                "transmit ring {ring} frame {n}"
            );
            come(&live, ring, n);
            let came = port.take(Line::Rx);
            let due = usize::from(n) == ring || ring == 7;
            assert_eq!(came == Event::RXF, due, "receive ring {ring} frame {n}");
        }
        while live.receive(ring).is_some() {}
        live.reap();
    }
    drop(live.sent());
    live.finish();
}

#[test]
fn a_ring_with_a_counter_of_its_own_is_not_counted_by_the_common_one() {
    // HW 18.11, for who sets both; the driver sets one of them.
    let mut live = all_rings::start(SimConfig::default());
    let bus = live.sim.bus();
    let after = |frames: u32| 0x8000_FFFF | frames << 21;
    bus.write(RXIC, after(3));
    bus.write(RXIC_RING + 4 * 2, after(5));
    let port = live.port.events();
    for n in 0..10 {
        come(&live, 2, n);
        assert_eq!(live.sim.line(Wire::Rx), n % 5 == 4, "frame {n} of ring 2");
        live.receive(2).expect("a frame");
        port.take(Line::Rx);
    }
    for n in 0..9 {
        come(&live, 4, n);
        assert_eq!(live.sim.line(Wire::Rx), n % 3 == 2, "frame {n} of ring 4");
        live.receive(4).expect("a frame");
        port.take(Line::Rx);
    }
    live.finish();
}

#[test]
fn rings_of_an_older_etsec_have_none_of_their_own() {
    let sim = SimConfig { etsec2: false, ..SimConfig::default() };
    let mut live = Rig::new(&Plan { sim, ..Plan::default() }).start();
    live.port.set_coalescing(Side::Rx, some(3, 100)).unwrap();
    let refused = live.port.set_ring_coalescing(Side::Rx, 0, some(5, 100));
    assert_eq!(refused, Err(CoalescingError::NoRings));
    assert_eq!(live.port.coalescing(Side::Rx, 0), some(3, 100), "nothing has changed");
    for n in 0..3 {
        assert!(!live.sim.line(Wire::Rx));
        come(&live, 0, n);
    }
    assert!(live.sim.line(Wire::Rx));
    while live.receive(0).is_some() {}
    live.finish();
}

#[test]
fn what_is_set_for_all_rings_takes_the_place_of_what_single_rings_had() {
    for second in [false, true] {
        let sim = Sim::default();
        let rig = if second { Rig::grouped } else { Rig::on };
        let mut port = rig(&sim, &Plan::default()).port;
        port.set_ring_coalescing(Side::Rx, 0, some(9, 100)).unwrap();
        port.set_ring_coalescing(Side::Rx, 4, some(5, 100)).unwrap();
        port.set_coalescing(Side::Rx, some(3, 100)).unwrap();
        let bus = sim.bus();
        let [common, ring0, ring4] = [RXIC, RXIC_RING, RXIC_RING + 4 * 4].map(|at| bus.read(at));
        // HW 9.3: with groups each ring has its own in any case, and both kinds are never on.
        let three = 0x8000_0000 | 3 << 21 | 196;
        let expected = if second { [0, three, three] } else { [three, 0, 0] };
        assert_eq!([common, ring0, ring4], expected, "with a second page: {second}");
    }
}

#[test]
fn a_stopped_port_that_has_left_is_not_one_without_rings_of_their_own() {
    let sim = Sim::default();
    let bus = Traced::new(sim.bus());
    let mut port = Rig::through(&sim, &Plan::default(), bus.clone()).port;
    // Before the first access, and while it is seen whether there are registers.
    for survived in 0..3 {
        bus.die_after(survived);
        let refused = port.set_ring_coalescing(Side::Tx, 3, some(5, 100));
        assert_eq!(refused, Err(CoalescingError::Port(Error::Gone)), "after {survived}");
        let refused = port.set_coalescing(Side::Rx, some(5, 100));
        assert_eq!(refused, Err(CoalescingError::Port(Error::Gone)), "after {survived}");
    }
    bus.revive();
    let mut delay = sim.delay();
    let port = port.start(&mut delay).map_err(|(_, error)| error).unwrap();
    assert_eq!((port.coalescing(Side::Tx, 3), port.coalescing(Side::Rx, 0)), (None, None));
    assert_eq!((sim.bus().read(TXIC_RING + 4 * 3), sim.bus().read(RXIC)), (0, 0));
    port.stop(&mut delay).map(drop).unwrap();
}

#[test]
fn a_ring_that_is_not_there_and_a_device_that_is_gone_are_named() {
    let mut live = Live::new();
    let refused = live.port.set_ring_coalescing(Side::Tx, 8, some(5, 100));
    assert_eq!(refused, Err(CoalescingError::Port(Error::RingNumber(Side::Tx, 8))));
    live.sim.inject(Fault::BusDead);
    assert_eq!(live.port.set_coalescing(Side::Tx, None), Err(CoalescingError::Port(Error::Gone)));
    live.sim.mend(Fault::BusDead);
    live.finish();
}

/// What it is for: fewer interrupts for the same traffic.
#[test]
fn a_stream_takes_an_eighth_of_the_interrupts() {
    let interrupts = |wanted| {
        let wire = WireSpeed::Link;
        let sim = Sim::new(SimConfig { wire, ..SimConfig::default() });
        let mut live = Rig::on(&sim, &Plan::default()).start();
        live.port.set_coalescing(Side::Rx, wanted).unwrap();
        let (port, mut interrupts) = (live.port.events(), 0);
        for n in 0..800 {
            come(&live, 0, n as u8);
            live.delay_us(1);
            if live.sim.line(Wire::Rx) {
                interrupts += 1;
                port.take(Line::Rx);
                while live.receive(0).is_some() {}
            }
        }
        live.finish();
        interrupts
    };
    assert_eq!((interrupts(None), interrupts(some(8, 1000))), (800, 100));
}
