//! The IEEE 1588 timer: clock, alarms, pulses, triggers (HW 3.23, 12.1, 12.2, 18.16).

use etsec_core::Bus;
use etsec_sim::{Sim, SimConfig, TimerConfig, TimerPin};

const CTRL: u16 = 0xE00;
const TEVENT: u16 = 0xE04;
const TEMASK: u16 = 0xE08;
const CNT_H: u16 = 0xE18;
const CNT_L: u16 = 0xE1C;
const ADD: u16 = 0xE20;
const OFF_H: u16 = 0xE30;
const OFF_L: u16 = 0xE34;
const ALARM1_H: u16 = 0xE40;
const ALARM2_H: u16 = 0xE48;
const FIPER1: u16 = 0xE80;
const FIPER3: u16 = 0xE88;
const ETTS1_H: u16 = 0xEA0;

const FIPERST: u32 = 0x1000_0000;
const TMSR: u32 = 0x20;
const BYP: u32 = 0x08;
const TE: u32 = 0x04;
/// Period 8 ns on the system clock of 166,666,666 Hz: HW 12.1, first example.
const RUN: u32 = 8 << 16 | TE | 1;
const SECOND: u64 = 1_000_000_000;

fn started(timer: TimerConfig) -> Sim {
    let sim = Sim::new(SimConfig { timer, ..SimConfig::default() });
    sim.bus().write(ADD, 0xC000_000D);
    sim.bus().write(CTRL, RUN);
    sim
}

fn running() -> Sim {
    started(TimerConfig::default())
}

fn count(sim: &Sim) -> u64 {
    let low = sim.bus().read(CNT_L);
    u64::from(sim.bus().read(CNT_H)) << 32 | u64::from(low)
}

fn set_alarm(sim: &Sim, high: u16, time: u64) {
    sim.bus().write(high + 4, time as u32);
    sim.bus().write(high, (time >> 32) as u32);
}

fn outputs(sim: &Sim) -> Vec<(u64, TimerPin)> {
    std::iter::from_fn(|| sim.with(|model| model.timer_output())).collect()
}

#[track_caller]
fn near(found: u64, wanted: u64, within: u64) {
    assert!(found.abs_diff(wanted) <= within, "{found} is not {wanted} ± {within}");
}

#[test]
fn the_examples_of_the_reference_count_nanoseconds() {
    for (system_hz, add, period) in [
        (166_666_666, 0xC000_000D, 8),
        (133_333_333, 0xC000_0009, 10),
        (300_000_000, 0xAAAA_AAAB, 5),
    ] {
        let timer = TimerConfig { system_hz, ..TimerConfig::default() };
        let sim = Sim::new(SimConfig { timer, ..SimConfig::default() });
        sim.bus().write(ADD, add);
        sim.bus().write(CTRL, period << 16 | TE | 1);
        sim.advance(10 * SECOND);
        // The addend is rounded up to 1 in 2^32, a quarter of a ppb.
        near(count(&sim), 10 * SECOND, 20);
    }
}

#[test]
fn an_oscillator_that_is_wrong_makes_a_clock_that_is_wrong() {
    for error_ppb in [50_000, -50_000] {
        let sim = started(TimerConfig { error_ppb, ..TimerConfig::default() });
        sim.advance(10 * SECOND);
        near(count(&sim), 10 * SECOND.wrapping_add_signed(error_ppb.into()), 20);
    }
}

#[test]
fn bypassed_every_clock_counts() {
    let sim = running();
    sim.bus().write(CTRL, RUN | BYP);
    sim.advance(SECOND);
    assert_eq!(count(&sim), 8 * 166_666_666);
}

#[test]
fn it_stands_still_while_off_without_clock_and_in_reset() {
    let sim = running();
    sim.bus().write(CTRL, RUN & !TE);
    sim.advance(SECOND);
    assert_eq!(count(&sim), 0);
    // Clock 0, the external pin, is not connected here; neither is the RTC.
    for cksel in [0, 3] {
        sim.bus().write(CTRL, RUN & !3 | cksel);
        sim.advance(SECOND);
        assert_eq!(count(&sim), 0);
    }
    sim.bus().write(CTRL, RUN);
    sim.advance(SECOND);
    assert_ne!(count(&sim), 0);
    sim.bus().write(CTRL, RUN | TMSR);
    sim.advance(SECOND);
    assert_eq!((count(&sim), sim.bus().read(ADD)), (0, 0));
}

#[test]
fn many_small_steps_are_one_large_step() {
    let (whole, pieces) = (running(), running());
    for sim in [&whole, &pieces] {
        sim.bus().write(FIPER1, 992);
        set_alarm(sim, ALARM2_H, 70_000);
    }
    whole.advance(123_457);
    let mut random = etsec_sim::random::Random::new(5);
    let mut left = 123_457;
    while left > 0 {
        let step = (1 + random.below(97)).min(left);
        pieces.advance(step);
        // Looking does not change what is seen.
        let _ = count(&pieces);
        left -= step;
    }
    assert_eq!(count(&whole), count(&pieces));
    assert_eq!(outputs(&whole), outputs(&pieces));
    assert_eq!(whole.bus().read(0xE24), pieces.bus().read(0xE24));
}

#[test]
fn the_low_word_latches_the_high_one_or_does_not() {
    for latches in [true, false] {
        let sim = started(TimerConfig { latches, ..TimerConfig::default() });
        sim.bus().write(CNT_L, 0xFFFF_FF00);
        sim.bus().write(CNT_H, 6);
        let low = sim.bus().read(CNT_L);
        assert!(low >= 0xFFFF_FF00);
        sim.advance(1000);
        assert_eq!(sim.bus().read(CNT_H), if latches { 6 } else { 7 });
        assert_eq!(count(&sim) >> 32, 7);
    }
}

#[test]
fn the_offset_is_added_to_what_is_seen() {
    let sim = running();
    sim.advance(1000);
    let before = count(&sim);
    sim.bus().write(OFF_L, 500);
    sim.bus().write(OFF_H, 0);
    assert_eq!(count(&sim), before + 500);
    sim.bus().write(OFF_L, 0xFFFF_FF00);
    sim.bus().write(OFF_H, 0xFFFF_FFFF);
    assert_eq!(count(&sim), before - 256);
}

#[test]
fn an_alarm_fires_once_when_its_time_has_come() {
    let sim = running();
    sim.bus().write(TEMASK, 0x0002_0000);
    // The low word alone does not arm it.
    sim.bus().write(ALARM2_H + 4, 100);
    sim.advance(1000);
    assert_eq!(sim.bus().read(TEVENT), 0);
    set_alarm(&sim, ALARM2_H, 5000);
    sim.advance(3900);
    assert_eq!((sim.bus().read(TEVENT), sim.with(|model| model.timer_line())), (0, false));
    sim.advance(200);
    assert_eq!(sim.bus().read(TEVENT), 0x0002_0000);
    assert!(sim.with(|model| model.timer_line()));
    sim.bus().write(TEVENT, 0x0002_0000);
    assert!(!sim.with(|model| model.timer_line()));
    sim.advance(SECOND);
    assert_eq!(sim.bus().read(TEVENT), 0);
    let [(at, TimerPin::Alarm(2))] = outputs(&sim)[..] else { panic!("one alarm") };
    near(at, 5000, 16);
    // One whose time is past fires at once.
    set_alarm(&sim, ALARM2_H, 1);
    sim.advance(20);
    assert_eq!(sim.bus().read(TEVENT), 0x0002_0000);
}

#[test]
fn pulses_come_at_their_period() {
    let sim = running();
    sim.bus().write(FIPER3, 1_000_000 - 8);
    sim.bus().write(TEMASK, 0x20);
    sim.advance(10 * 1_000_000 + 100);
    let pulses = outputs(&sim);
    assert_eq!(pulses.len(), 10);
    for (n, (at, pin)) in pulses.into_iter().enumerate() {
        assert_eq!(pin, TimerPin::Pulse(3));
        near(at, (n as u64 + 1) * 1_000_000, 16);
    }
    assert_eq!(sim.bus().read(TEVENT), 0x20);
    assert!(sim.with(|model| model.timer_line()));
}

#[test]
fn pulses_that_wait_for_the_alarm_fall_on_full_seconds() {
    // As Linux does it: alarm 1 a tick before a full second (HW 12.2).
    let sim = running();
    sim.bus().write(CTRL, RUN | FIPERST);
    sim.bus().write(FIPER1, 1_000_000_000 - 8);
    sim.advance(300_000_000);
    set_alarm(&sim, ALARM1_H, SECOND - 8);
    sim.advance(3 * SECOND);
    let pulses: Vec<u64> = outputs(&sim)
        .into_iter()
        .filter(|(_, pin)| *pin == TimerPin::Pulse(1))
        .map(|(at, _)| at)
        .collect();
    assert_eq!(pulses.len(), 2);
    near(pulses[0], 2 * SECOND, 16);
    near(pulses[1], 3 * SECOND, 16);
}

#[test]
fn triggers_stamp_the_edge_that_is_chosen() {
    let sim = running();
    for (n, falling) in [(1, false), (2, false), (1, true), (2, true)] {
        sim.bus().write(CTRL, RUN | if falling { 0x80 << n } else { 0 });
        sim.bus().write(TEVENT, 0xFFFF_FFFF);
        sim.with(|model| model.set_trigger(n, falling));
        assert_eq!(sim.bus().read(TEVENT), 0, "the other edge");
        sim.advance(12_345);
        let now = count(&sim);
        sim.with(|model| model.set_trigger(n, !falling));
        sim.advance(999);
        assert_eq!(sim.bus().read(TEVENT), 0x0080_0000 << n);
        let at = ETTS1_H + 8 * (u16::from(n) - 1);
        assert_eq!(sim.bus().read(at), 0);
        assert_eq!(u64::from(sim.bus().read(at + 4)), now);
    }
}

#[test]
fn a_pulse_led_back_stamps_itself() {
    let sim = running();
    // PP2L (HW 3.23).
    sim.bus().write(CTRL, RUN | 0x0400_0000);
    sim.bus().write(FIPER1 + 4, 40_000 - 8);
    sim.advance(100_000);
    assert_eq!(sim.bus().read(TEVENT), 0x0200_0040);
    assert_eq!(sim.bus().read(ETTS1_H + 12), 80_000);
}

#[test]
fn short_pulses_over_a_long_time_are_no_endless_work() {
    let sim = running();
    sim.bus().write(FIPER1, 0);
    sim.advance(3600 * SECOND);
    assert_eq!(sim.bus().read(TEVENT) & 0x80, 0x80);
    assert_eq!(outputs(&sim).len(), 1024);
}
