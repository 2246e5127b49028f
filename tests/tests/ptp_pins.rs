//! Do alarms come when they are set, once, and whatever else the clock is told; and do pulses fall
//! on full seconds to the tick? (HW 12.2)

use etsec_core::ptp::{Alarm, Pulse};
use etsec_core::regs::timer::TimerEvent;
use etsec_core::{Bus, PtpClock};
use etsec_sim::{Sim, SimBus, TimerPin};
use etsec_tests::slow::Slow;
use etsec_tests::stamping::clock_config;

const SECOND: u64 = 1_000_000_000;
/// What the low half of the time counts, and then the high one.
const CARRY: u64 = 7 << 32;

fn start<B: Bus>(bus: B, sim: &Sim, time_ns: u64) -> PtpClock<B> {
    PtpClock::start(bus, clock_config(), Some(time_ns), &mut sim.delay()).expect("a clock")
}

fn usual(sim: &Sim) -> PtpClock<SimBus> {
    start(sim.bus(), sim, 1000 * SECOND)
}

#[test]
fn an_alarm_outlives_what_else_the_clock_is_told() {
    for alarm in [Alarm::One, Alarm::Two] {
        let sim = Sim::default();
        let mut clock = usual(&sim);
        clock.set_alarm(alarm, 1010 * SECOND).unwrap();
        clock.step(100).unwrap();
        clock.set(1005 * SECOND).unwrap();
        clock.adjust(77).unwrap();
        clock.set_pulse(Pulse::Three, None).unwrap();
        sim.advance(5 * SECOND - 1_000_000);
        assert_eq!(clock.take_events(), TimerEvent::empty(), "{alarm:?}");
        sim.advance(2_000_000);
        let comes = if alarm == Alarm::One { TimerEvent::ALM1 } else { TimerEvent::ALM2 };
        assert_eq!(clock.take_events(), comes);
    }
}

#[test]
fn an_alarm_that_is_put_off_does_not_come_in_between() {
    // The old time's high half with the new one's low half has passed, or the other way round, and
    // each access takes time.
    for (now, first, then) in [
        (CARRY - SECOND, CARRY - SECOND / 1000, CARRY + 5 * SECOND),
        (CARRY + SECOND, 8 << 32, CARRY + 3 * SECOND),
        (CARRY - 2 * SECOND, CARRY + SECOND, CARRY - SECOND),
    ] {
        let sim = Sim::default();
        let mut clock = start(Slow::new(&sim, 250), &sim, now);
        clock.set_alarm(Alarm::Two, first).unwrap();
        clock.set_alarm(Alarm::Two, then).unwrap();
        sim.advance(then - now - SECOND / 1000);
        assert_eq!(clock.take_events(), TimerEvent::empty(), "{now:#x} {first:#x} {then:#x}");
        sim.advance(2 * SECOND / 1000);
        assert_eq!(clock.take_events(), TimerEvent::ALM2);
    }
}

#[test]
fn pulses_that_nobody_has_asked_for_are_not_told_of() {
    let sim = Sim::default();
    let mut clock = usual(&sim);
    for (pulse, event) in [
        (Pulse::One, TimerEvent::PP1),
        (Pulse::Two, TimerEvent::PP2),
        (Pulse::Three, TimerEvent::PP3),
    ] {
        clock.set_pulse(pulse, Some(SECOND as u32)).unwrap();
        // The others' counters come to their end after 4.3 s.
        sim.advance(20 * SECOND);
        assert_eq!(clock.take_events(), event);
        clock.set_pulse(pulse, None).unwrap();
        let _ = clock.take_events();
    }
}

#[test]
fn pulses_fall_on_full_seconds_to_the_tick() {
    let sim = Sim::default();
    let mut clock = usual(&sim);
    clock.set_pulse(Pulse::Two, Some(SECOND as u32)).unwrap();
    let mut found = 0;
    for _ in 0..6 {
        // To shortly before a full second; the tick is 8 ns.
        let before = 99 + (clock.now() + 99) % SECOND;
        sim.advance(SECOND - before % SECOND);
        while sim.with(|model| model.timer_output()).is_some() {}
        let mut shown = None;
        for _ in 0..300 {
            sim.advance(1);
            let output = sim.with(|model| model.timer_output());
            if output.is_some_and(|(_, pin)| pin == TimerPin::Pulse(2)) {
                shown = Some(clock.now() % SECOND);
                break;
            }
        }
        found += usize::from(shown.is_some());
        assert!(shown.is_none_or(|within| within == 0), "{shown:?} ns behind the second");
    }
    assert!(found >= 3, "{found}");
}
