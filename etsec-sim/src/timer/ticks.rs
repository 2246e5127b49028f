//! The timer between two looks at it: input clocks, the carries they make, and what expires
//! meanwhile (HW 12.1, 12.2, 18.16).

use crate::bits::{at, tmr_ctrl, tmr_event};
use crate::model::Model;
use crate::timer::{OUTPUTS, TimerPin};

/// An input clock: its frequency times (10⁹ + error in ppb), that is in 10⁻⁹ Hz.
#[derive(Debug, Clone, Copy)]
struct Clock {
    nano_hz: u128,
}

const ATTO: u128 = 1_000_000_000_000_000_000;

impl Clock {
    /// How many clocks there have been by a virtual time.
    fn edges(self, ns: u64) -> u64 {
        (u128::from(ns) * self.nano_hz / ATTO) as u64
    }

    /// The virtual time of clock number `edge`.
    fn time_of(self, edge: u64) -> u64 {
        (u128::from(edge) * ATTO).div_ceil(self.nano_hz) as u64
    }
}

/// A stretch of ticks of TMR_CNT, as many as there were carries out of TMR_ACC.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    clock: Clock,
    first_edge: u64,
    accumulator: u64,
    addend: u64,
}

impl Stretch {
    /// The virtual time of its tick number `tick`, from 1 on.
    fn time_of(&self, tick: u64) -> u64 {
        let missing = (u128::from(tick) << 32) - u128::from(self.accumulator);
        let edges = missing.div_ceil(u128::from(self.addend.max(1))) as u64;
        self.clock.time_of(self.first_edge + edges)
    }
}

impl Model {
    /// The clock that TMR_CTRL\[CKSEL\] chooses, if there is one.
    fn timer_clock(&self) -> Option<Clock> {
        let config = &self.config.timer;
        let hz = match self.reg(at::TMR_CTRL) & tmr_ctrl::CKSEL {
            0 => config.external_hz,
            1 => config.system_hz,
            // The transmit clock of the interface: 125, 25 or 2.5 MHz.
            2 => match self.mbps() {
                Some(1000) => 125_000_000,
                Some(mbps) => mbps * 250_000,
                None => 0,
            },
            _ => config.rtc_hz,
        };
        let rate = (1_000_000_000 + i64::from(config.error_ppb)).max(0) as u128;
        (hz != 0 && rate != 0).then_some(Clock { nano_hz: u128::from(hz) * rate })
    }

    pub(super) fn tclk_period(&self) -> u32 {
        (self.reg(at::TMR_CTRL) & tmr_ctrl::TCLK_PERIOD) >> 16
    }

    /// What TMR_ACC grows by with each clock; a full turn where compensation is bypassed.
    fn timer_addend(&self) -> u64 {
        match self.reg(at::TMR_CTRL) & tmr_ctrl::BYP {
            0 => self.reg(at::TMR_ADD).into(),
            _ => 1 << 32,
        }
    }

    /// Brings the timer up to now.
    pub(crate) fn run_timer(&mut self) {
        let from = std::mem::replace(&mut self.timer.counted_ns, self.now);
        if self.reg(at::TMR_CTRL) & (tmr_ctrl::TE | tmr_ctrl::TMSR) != tmr_ctrl::TE {
            return;
        }
        let Some(clock) = self.timer_clock() else { return };
        let first_edge = clock.edges(from);
        let accumulator = self.reg(at::TMR_ACC).into();
        let addend = self.timer_addend();
        let edges = u128::from(clock.edges(self.now) - first_edge);
        let sum = edges * u128::from(addend) + u128::from(accumulator);
        self.set_reg(at::TMR_ACC, sum as u32);
        self.run_ticks((sum >> 32) as u64, Stretch { clock, first_edge, accumulator, addend });
    }

    /// How many ticks there were in the last `ago_ns`; `None` while the timer is off.
    pub(super) fn ticks_back(&self, ago_ns: u64) -> Option<u64> {
        if self.reg(at::TMR_CTRL) & (tmr_ctrl::TE | tmr_ctrl::TMSR) != tmr_ctrl::TE {
            return None;
        }
        let clock = self.timer_clock()?;
        let edges = clock.edges(self.now) - clock.edges(self.now.saturating_sub(ago_ns));
        let turned = u128::from(edges) * u128::from(self.timer_addend());
        Some((turned.saturating_sub(self.reg(at::TMR_ACC).into())).div_ceil(1 << 32) as u64)
    }

    fn run_ticks(&mut self, ticks: u64, stretch: Stretch) {
        let period = u64::from(self.tclk_period());
        let mut done = 0;
        while period != 0 && done < ticks {
            let to_alarm = (0..2).filter_map(|n| self.ticks_to_alarm(n, period)).min();
            let here = to_alarm.unwrap_or(u64::MAX).min(ticks - done);
            if self.timer.pulsing {
                (0..3).for_each(|n| self.run_fiper(n, done, here, stretch));
            }
            let low = u64::from(self.reg(at::TMR_CNT_L));
            let count = u64::from(self.reg(at::TMR_CNT_H)) << 32 | low;
            let count = count.wrapping_add(here.wrapping_mul(period));
            self.set_reg(at::TMR_CNT_H, (count >> 32) as u32);
            self.set_reg(at::TMR_CNT_L, count as u32);
            done += here;
            (0..2).for_each(|n| self.fire_alarm(n, stretch.time_of(done)));
        }
    }

    fn alarm_time(&self, n: usize) -> u64 {
        let high = at::TMR_ALARM1_H + 8 * n as u16;
        u64::from(self.reg(high)) << 32 | u64::from(self.reg(high + 4))
    }

    /// Ticks until an armed alarm fires, at least one.
    fn ticks_to_alarm(&self, n: usize, period: u64) -> Option<u64> {
        let left = self.alarm_time(n).saturating_sub(self.timer_visible());
        self.timer.armed[n].then(|| left.div_ceil(period).max(1))
    }

    fn fire_alarm(&mut self, n: usize, time_ns: u64) {
        if !self.timer.armed[n] || self.timer_visible() < self.alarm_time(n) {
            return;
        }
        self.timer.armed[n] = false;
        self.timer_raise(tmr_event::ALM1 << n);
        self.timer_show(time_ns, TimerPin::Alarm(n as u8 + 1));
        let waits = self.reg(at::TMR_CTRL) & tmr_ctrl::FIPERST != 0 && !self.timer.pulsing;
        if n == 0 && waits {
            self.timer.pulsing = true;
            for n in 0..3 {
                self.load_fiper(n);
                // HW 18.16: it is loaded with the tick that follows.
                self.timer.left[n] += u64::from(self.tclk_period());
            }
        }
    }

    pub(super) fn load_fiper(&mut self, n: usize) {
        self.timer.left[n] = self.fiper_period(n);
    }

    /// From one pulse to the next: the counter's value and the tick that loads it (HW 12.2).
    fn fiper_period(&self, n: usize) -> u64 {
        u64::from(self.reg(at::TMR_FIPER1 + 4 * n as u16)) + u64::from(self.tclk_period())
    }

    /// Lets a FIPER count `here` ticks; `done` of the stretch have been counted before.
    fn run_fiper(&mut self, n: usize, done: u64, here: u64, stretch: Stretch) {
        let period = u64::from(self.tclk_period());
        let first = self.timer.left[n].div_ceil(period).max(1);
        if first > here {
            self.timer.left[n] -= here * period;
            return;
        }
        let every = self.fiper_period(n).div_ceil(period);
        let more = (here - first) / every;
        let last = first + more * every;
        self.timer.left[n] = self.fiper_period(n).saturating_sub((here - last) * period);
        self.timer_raise(tmr_event::PP1 >> n);
        for number in more.saturating_sub(OUTPUTS as u64)..=more {
            let time_ns = stretch.time_of(done + first + number * every);
            self.timer_show(time_ns, TimerPin::Pulse(n as u8 + 1));
        }
        // Pulses 1 and 2 can be led back to their trigger inputs (HW 3.23 PPnL).
        if n < 2 && self.reg(at::TMR_CTRL) & (tmr_ctrl::PP1L >> n) != 0 {
            self.stamp_trigger(n, self.timer_visible().wrapping_add(last * period));
        }
    }

    fn timer_show(&mut self, time_ns: u64, pin: TimerPin) {
        if self.timer.outputs.len() == OUTPUTS {
            self.timer.outputs.pop_front();
        }
        self.timer.outputs.push_back((time_ns, pin));
    }
}
