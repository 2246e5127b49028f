//! Does the driver's IEEE 1588 clock keep, take and tell the time? (HW 12.1, 12.2)

use embedded_hal::delay::DelayNs as _;
use etsec_core::Bus as _;
use etsec_core::ptp::{Alarm, ClockError, Edge, Pulse, TIME_MAX_NS, Trigger};
use etsec_core::regs::timer::TimerEvent;
use etsec_core::{ClockConfig, ClockSource, PtpClock};
use etsec_sim::{Fault, Sim, SimBus, SimConfig, TimerConfig, TimerPin};
use etsec_tests::slow::Slow;
use etsec_tests::trace::{Access, Traced};

const SECOND: u64 = 1_000_000_000;
/// Some time in 2026.
const TODAY: u64 = 1_795_000_000_123_456_789;

/// What the clock's input is said to be.
fn config() -> ClockConfig {
    ClockConfig::new(ClockSource::System, 166_666_666)
}

fn model(timer: TimerConfig) -> Sim {
    Sim::new(SimConfig { timer, ..SimConfig::default() })
}

fn start(sim: &Sim) -> PtpClock<SimBus> {
    PtpClock::start(sim.bus(), config(), Some(TODAY), &mut sim.delay()).expect("a clock")
}

#[track_caller]
fn near(found: u64, wanted: u64, within: u64) {
    assert!(found.abs_diff(wanted) <= within, "{found} is not {wanted} ± {within}");
}

#[track_caller]
fn on_a_second(time: u64) {
    near(time.wrapping_add(SECOND / 2) % SECOND, SECOND / 2, 20);
}

#[test]
fn it_starts_at_the_given_time_and_counts_nanoseconds() {
    let sim = model(TimerConfig::default());
    let mut clock = start(&sim);
    // The start itself takes 10 µs.
    near(clock.now(), TODAY + 10_000, 16);
    sim.advance(100 * SECOND);
    near(clock.now(), TODAY + 10_000 + 100 * SECOND, 50);
}

#[test]
fn adjustments_make_it_faster_and_slower_by_parts_per_billion() {
    for (error_ppb, ppb) in [(0, 5000), (0, -123_456), (80_000, -80_000), (-33, 33), (0, 0)] {
        let sim = model(TimerConfig { error_ppb, ..TimerConfig::default() });
        let mut clock = start(&sim);
        clock.adjust(ppb).unwrap();
        assert_eq!(clock.adjustment(), ppb);
        let before = clock.now();
        sim.advance(100 * SECOND);
        let wanted = 100 * SECOND.wrapping_add_signed((error_ppb + ppb).into());
        // A step of TMR_ADD is 0.3 ppb, the oscillators' product 10 ppb for the largest.
        near(clock.now() - before, wanted, 100 + u64::from(error_ppb.unsigned_abs()) / 50);
    }
}

#[test]
fn it_can_be_set_and_stepped() {
    let sim = model(TimerConfig::default());
    let mut clock = start(&sim);
    clock.set(42).unwrap();
    near(clock.now(), 42, 8);
    sim.advance(SECOND);
    clock.step(500_000).unwrap();
    near(clock.now(), 42 + SECOND + 500_000, 16);
    clock.step(-600_000).unwrap();
    near(clock.now(), 42 + SECOND - 100_000, 16);
}

/// Reads and sets a clock around each carry into the high word, on a bus so slow that the carry
/// falls between any two accesses.
fn around_the_carry(latches: bool) {
    let timer = TimerConfig { latches, ..TimerConfig::default() };
    for before_ns in (0..12_000).step_by(70) {
        let sim = model(timer);
        let delay = &mut sim.delay();
        let slow = Slow::new(&sim, 250);
        let mut clock = PtpClock::start(slow, config(), Some(0), delay).unwrap();
        clock.set((7 << 32) - before_ns).unwrap();
        let (set_at, mut last) = (sim.now_ns(), 0);
        for _ in 0..8 {
            let now = clock.now();
            let passed = sim.now_ns() - set_at;
            near(now, (7 << 32) - before_ns + passed, 6000);
            assert!(now >= last, "time goes back: {last:#x}, {now:#x}");
            last = now;
        }
    }
}

#[test]
fn a_carry_between_the_two_words_is_not_seen() {
    around_the_carry(true);
    around_the_carry(false);
}

#[test]
fn without_a_time_a_running_clock_goes_on() {
    let sim = model(TimerConfig::default());
    let mut clock = start(&sim);
    clock.set_pulse(Pulse::One, Some(1_000_000)).unwrap();
    clock.listen(TimerEvent::all());
    drop(clock);
    sim.advance(5 * SECOND);
    let mut clock = PtpClock::start(sim.bus(), config(), None, &mut sim.delay()).unwrap();
    near(clock.now(), TODAY + 20_000 + 5 * SECOND, 50);
    // Nothing of the last owner's is left.
    while sim.with(|model| model.timer_output()).is_some() {}
    sim.advance(5 * SECOND);
    assert_eq!(clock.take_events(), TimerEvent::empty());
    assert_eq!(sim.with(|model| model.timer_output()), None);
    assert!(!sim.with(|model| model.timer_line()));
    clock.stop();
    sim.advance(SECOND);
    let mut clock = PtpClock::start(sim.bus(), config(), None, &mut sim.delay()).unwrap();
    near(clock.now(), TODAY + 30_000 + 10 * SECOND, 100);
}

#[test]
fn a_clock_of_somebody_else_s_is_taken_over_with_nothing_of_theirs() {
    for (time, stopped) in [(None, false), (None, true), (Some(TODAY), false), (Some(TODAY), true)]
    {
        let sim = model(TimerConfig::default());
        let mut clock = start(&sim);
        clock.adjust(300_000_000).unwrap();
        clock.listen(TimerEvent::all());
        clock.set_alarm(Alarm::One, TODAY + 2 * SECOND).unwrap();
        clock.set_alarm(Alarm::Two, TODAY + 2 * SECOND).unwrap();
        if stopped {
            clock.stop();
        }
        // HW 12.1: what is added to the time that is seen: 4.3 s.
        sim.bus().write(0xE30, 1);
        let [low, high] = [0xE1C, 0xE18].map(|at| u64::from(sim.bus().read(at)));
        let shown = high << 32 | low;
        let mut clock = PtpClock::start(sim.bus(), config(), time, &mut sim.delay()).unwrap();
        near(clock.now(), time.unwrap_or(shown) + 10_000, 50);
        assert_eq!(clock.adjustment(), 0);
        // Set anew it is there, and goes at its own rate.
        clock.set(TODAY).unwrap();
        near(clock.now(), TODAY, 16);
        sim.advance(10 * SECOND);
        near(clock.now(), TODAY + 10 * SECOND, 50);
        sim.with(|model| model.set_trigger(1, true));
        assert!(!sim.with(|model| model.timer_line()), "nobody listens");
        assert_eq!(clock.take_events(), TimerEvent::ETS1, "no alarm is left");
    }
}

#[test]
fn a_running_clock_is_not_stopped_to_be_set() {
    // A port may be stamping by it (HW 3.11 TS).
    let sim = model(TimerConfig::default());
    drop(start(&sim));
    let bus = Traced::new(sim.bus());
    let mut clock = PtpClock::start(bus.clone(), config(), Some(5), &mut sim.delay()).unwrap();
    near(clock.now(), 5 + 10_000, 50);
    let stops = |access: &Access| matches!(access, Access::Write(0xE00, value) if value & 4 == 0);
    assert!(!bus.take().iter().any(stops));
}

#[test]
fn an_alarm_comes_once_in_time() {
    let sim = model(TimerConfig::default());
    let mut clock = start(&sim);
    clock.listen(TimerEvent::ALM2);
    clock.set_alarm(Alarm::Two, TODAY + 1_000_000).unwrap();
    sim.advance(989_000);
    assert_eq!(clock.take_events(), TimerEvent::empty());
    sim.advance(2000);
    assert!(sim.with(|model| model.timer_line()));
    assert_eq!(clock.take_events(), TimerEvent::ALM2);
    assert!(!sim.with(|model| model.timer_line()));
    clock.set_alarm(Alarm::One, TODAY + 5_000_000).unwrap();
    clock.cancel_alarm(Alarm::One).unwrap();
    sim.advance(10 * SECOND);
    assert_eq!(clock.take_events(), TimerEvent::empty());
}

/// True times of the pulses at a pin since the last call.
fn pulses(sim: &Sim, pin: u8) -> Vec<u64> {
    let all = std::iter::from_fn(|| sim.with(|model| model.timer_output()));
    all.filter(|(_, what)| *what == TimerPin::Pulse(pin)).map(|(at, _)| at).collect()
}

#[test]
fn pulses_fall_on_the_clocks_full_seconds() {
    let sim = model(TimerConfig::default());
    let mut clock = start(&sim);
    // The clock is that much ahead of the model's time.
    let ahead = clock.now() - sim.now_ns();
    clock.set_pulse(Pulse::Two, Some(SECOND as u32)).unwrap();
    clock.set_pulse(Pulse::One, Some(10_000_000)).unwrap();
    sim.advance(5 * SECOND);
    assert_eq!(clock.take_events(), TimerEvent::PP1 | TimerEvent::PP2);
    let found = pulses(&sim, 2);
    assert!(found.len() >= 2, "{found:?}");
    for at in found {
        on_a_second(at.wrapping_add(ahead));
    }
    // They follow the clock when it is set, also in between.
    clock.set(250_000_000).unwrap();
    let ahead = clock.now().wrapping_sub(sim.now_ns());
    sim.advance(5 * SECOND);
    let found = pulses(&sim, 2);
    assert!(found.len() >= 2, "{found:?}");
    for at in found {
        on_a_second(at.wrapping_add(ahead));
    }
    assert_eq!(clock.set_alarm(Alarm::One, 0), Err(ClockError::AlarmTaken));
    clock.set_pulse(Pulse::One, None).unwrap();
    clock.set_pulse(Pulse::Two, None).unwrap();
    let _ = clock.take_events();
    sim.advance(10 * SECOND);
    assert_eq!(clock.take_events(), TimerEvent::empty());
    clock.set_alarm(Alarm::One, 0).unwrap();
}

#[test]
fn triggers_are_stamped_at_the_edge_chosen() {
    let sim = model(TimerConfig::default());
    let mut clock = start(&sim);
    clock.set_edge(Trigger::Two, Edge::Falling);
    let edge = |pin, level| {
        sim.advance(777);
        sim.with(|model| model.set_trigger(pin, level));
    };
    edge(1, true);
    let rising = clock.now();
    edge(2, true);
    assert_eq!(clock.take_events(), TimerEvent::ETS1);
    edge(1, false);
    edge(2, false);
    let falling = clock.now();
    sim.advance(5000);
    assert_eq!(clock.take_events(), TimerEvent::ETS2);
    assert_eq!(clock.trigger_stamp(Trigger::One), rising);
    assert_eq!(clock.trigger_stamp(Trigger::Two), falling);
}

#[test]
fn what_cannot_be_is_named_and_changes_nothing() {
    let sim = model(TimerConfig::default());
    let refused = |config| PtpClock::start(sim.bus(), config, Some(1), &mut sim.delay()).err();
    let before: Vec<u32> = (0xE00..0xEB0).step_by(4).map(|at| sim.bus().read(at)).collect();
    let slow = ClockError::TooSlow { input_hz: 166_666_666, period_ns: 6 };
    assert_eq!(refused(ClockConfig { period_ns: 6, ..config() }), Some(slow));
    assert_eq!(refused(ClockConfig { period_ns: 0, ..config() }), Some(ClockError::Period(0)));
    let divisor = ClockError::Divisor(0);
    assert_eq!(refused(ClockConfig { output_divisor: 0, ..config() }), Some(divisor));
    let after: Vec<u32> = (0xE00..0xEB0).step_by(4).map(|at| sim.bus().read(at)).collect();
    assert_eq!(before, after);

    let mut clock = start(&sim);
    let before = (sim.bus().read(0xE20), sim.bus().read(0xE80));
    let most = config().range_ppb();
    let adjustment = ClockError::Adjustment { ppb: most + 1, most };
    assert_eq!(clock.adjust(most + 1), Err(adjustment));
    for period_ns in [0, 8, 15, 1_000_001] {
        let pulse = ClockError::Pulse { period_ns, tick_ns: 8 };
        assert_eq!(clock.set_pulse(Pulse::One, Some(period_ns)), Err(pulse));
    }
    assert_eq!((sim.bus().read(0xE20), sim.bus().read(0xE80)), before);
    clock.set(5 * SECOND).unwrap();
    let now_ns = clock.now();
    for by_ns in [-6_000_000_000, i64::MIN, i64::MAX] {
        assert_eq!(clock.step(by_ns), Err(ClockError::Step { by_ns, now_ns }));
    }
    for time_ns in [TIME_MAX_NS + 1, u64::MAX] {
        assert_eq!(clock.set(time_ns), Err(ClockError::Time(time_ns)));
        let late = PtpClock::start(sim.bus(), config(), Some(time_ns), &mut sim.delay());
        assert_eq!(late.err(), Some(ClockError::Time(time_ns)));
    }
    assert_eq!(clock.now(), now_ns);
    clock.set(TIME_MAX_NS).unwrap();
    clock.step(-(TIME_MAX_NS as i64)).unwrap();
    near(clock.now(), 0, 16);
    assert_eq!(
        ClockError::Step { by_ns: -6, now_ns: 5 }.to_string(),
        "a step by -6 ns from 5: times from 0 to 9223372036854775807 are possible"
    );
    assert_eq!(
        adjustment.to_string(),
        "an adjustment by 333333328 ppb: 333333327 either way are possible"
    );
}

#[test]
fn a_timer_without_a_clock_or_a_device_is_named() {
    let sim = model(TimerConfig::default());
    let config = ClockConfig { source: ClockSource::External, ..config() };
    let refused = PtpClock::start(sim.bus(), config, Some(1), &mut sim.delay()).err();
    assert_eq!(refused, Some(ClockError::Still(ClockSource::External)));
    assert_eq!(sim.bus().read(0xE00) & 4, 0, "it is left off");
    sim.inject(Fault::BusDead);
    let refused = PtpClock::start(sim.bus(), config, Some(1), &mut sim.delay()).err();
    assert_eq!(refused, Some(ClockError::Gone));
    sim.mend(Fault::BusDead);
    // One that goes away later shows a time that never comes, and no events.
    let mut clock = start(&sim);
    sim.inject(Fault::BusDead);
    sim.delay().delay_us(1);
    assert_eq!((clock.now(), clock.take_events()), (u64::MAX, TimerEvent::empty()));
    assert_eq!(clock.step(-1), Err(ClockError::Gone));
}
