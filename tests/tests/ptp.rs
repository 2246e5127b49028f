//! Do two stations with different oscillators come to one time, by the driver's clock and stamps?
//! (HW 12)

use etsec_core::ptp::Pulse;
use etsec_sim::TimerPin;
use etsec_tests::ptp::{Network, Servo, Station};

const SECOND: u64 = 1_000_000_000;
const CABLE_NS: u64 = 481;
/// Some time in 2026.
const TODAY: u64 = 1_795_000_000_000_000_000;

/// A master that runs 37 ppm fast, and a slave 52.3 ppm slow that begins hours behind.
fn network() -> Network {
    let slave = Station::new(-52_300, TODAY - 12_345 * SECOND);
    Network::new(Station::new(37_000, TODAY), slave, CABLE_NS)
}

/// Lets the slave follow for some seconds.
fn follow(network: &mut Network, servo: &mut Servo, seconds: u32) {
    for _ in 0..seconds {
        let measured = network.exchange();
        servo.steer(&mut network.slave.clock, measured);
        network.advance(SECOND);
    }
}

#[test]
fn oscillators_alone_drift_apart() {
    let mut network = network();
    let before = network.truth();
    network.advance(10 * SECOND);
    // 89.3 ppm of ten seconds.
    let drift = before - network.truth();
    assert!((drift - 893_000).abs() < 1000, "{drift}");
}

#[test]
fn an_exchange_measures_offset_and_cable() {
    let mut network = network();
    let measured = network.exchange();
    // During the exchange they have drifted apart, by a part in ten thousand of its few ms.
    let off = measured.offset_ns - network.truth();
    assert!(off.abs() < 1000, "{off}");
    let delay = measured.delay_ns - CABLE_NS as i64;
    assert!(delay.abs() < 200, "{delay}");
}

#[test]
fn two_stations_come_within_a_hundred_nanoseconds_and_stay_there() {
    let mut network = network();
    let mut servo = Servo::default();
    follow(&mut network, &mut servo, 30);
    let mut worst = 0;
    for _ in 0..100 {
        follow(&mut network, &mut servo, 1);
        worst = network.truth().abs().max(worst);
    }
    assert!(worst < 100, "{worst} ns");
    // What it had to make up for is the difference of the oscillators: 37 + 52.3 ppm.
    let ppb = network.slave.clock.adjustment();
    assert!((ppb - 89_300).abs() < 100, "{ppb}");
    network.master.live.finish();
    network.slave.live.finish();
}

#[test]
fn their_pulses_come_together() {
    let mut network = network();
    let mut servo = Servo::default();
    follow(&mut network, &mut servo, 30);
    for station in [&mut network.master, &mut network.slave] {
        station.clock.set_pulse(Pulse::One, Some(SECOND as u32)).unwrap();
    }
    let forget = |station: &Station| {
        station.live.sim.with(|model| while model.timer_output().is_some() {});
    };
    follow(&mut network, &mut servo, 5);
    forget(&network.master);
    forget(&network.slave);
    follow(&mut network, &mut servo, 20);
    let pulses = |station: &Station| {
        let all = std::iter::from_fn(|| station.live.sim.with(|model| model.timer_output()));
        let pulses = all.filter(|(_, pin)| *pin == TimerPin::Pulse(1));
        pulses.map(|(at, _)| at).collect::<Vec<u64>>()
    };
    let (of_master, of_slave) = (pulses(&network.master), pulses(&network.slave));
    assert!(of_master.len() >= 19 && of_master.len().abs_diff(of_slave.len()) <= 1);
    for at in &of_master[1..of_master.len() - 1] {
        let apart = of_slave.iter().map(|other| at.abs_diff(*other)).min();
        assert!(apart.is_some_and(|apart| apart < 100), "{apart:?} ns");
    }
}
