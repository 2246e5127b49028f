//! The IEEE 1588 timer: what its registers do, and time stamps (HW 12, 18.14, 18.16).
//!
//! It is brought up to date when somebody looks at it or time has passed; what happens in between
//! is `ticks.rs`. It knows no frame and no ring.

mod stamps;
mod ticks;

use std::collections::VecDeque;

use crate::bits::{at, tmr_ctrl, tmr_event};
use crate::fault::Fault;
use crate::model::Model;
use crate::table;
use crate::timer::stamps::TxStamp;

/// Clocks the timer can count (HW 3.23 CKSEL). All of them, the transmit clock too, come from one
/// oscillator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerConfig {
    /// The TSEC_1588_CLK pin in Hz; 0: nothing is connected, and the timer stands still on it.
    pub external_hz: u32,
    /// The eTSEC's system clock in Hz.
    pub system_hz: u32,
    /// The RTC input in Hz; 0: nothing is connected.
    pub rtc_hz: u32,
    /// How much too fast the oscillator is, in parts per billion.
    pub error_ppb: i32,
    /// Whether reading TMR_CNT_L latches TMR_CNT_H, which is not verified (HW 12.1).
    pub latches: bool,
}

impl Default for TimerConfig {
    fn default() -> Self {
        TimerConfig {
            external_hz: 0,
            system_hz: 166_666_666,
            rtc_hz: 0,
            error_ppb: 0,
            latches: true,
        }
    }
}

/// Something the timer's output pins show (HW 12.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerPin {
    /// Alarm 1 or 2 has expired.
    Alarm(u8),
    /// Fixed-period pulse 1, 2 or 3.
    Pulse(u8),
}

/// A time, for a stamp.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) time: u64,
    /// Whether transmit stamps go to memory: TMR_CTRL\[RTPE\].
    pub(crate) to_memory: bool,
}

/// Outputs that are kept for who asks; older ones are forgotten.
const OUTPUTS: usize = 1024;

/// State beside the registers.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    /// Virtual time up to which input clocks have been counted.
    counted_ns: u64,
    /// What TMR_CNT_H reads, if it is latched.
    latched: u32,
    /// Whether each alarm will fire.
    armed: [bool; 2],
    /// Whether the FIPERs count.
    pulsing: bool,
    /// Nanoseconds of the timer's own until each FIPER's next pulse.
    left: [u64; 3],
    triggers: [bool; 2],
    /// The stamp of the frame that is being sent.
    pub(crate) sending: Option<TxStamp>,
    /// Whether the next transmit stamp goes to the second set of registers.
    second_set: bool,
    outputs: VecDeque<(u64, TimerPin)>,
}

impl Model {
    pub(crate) fn read_timer(&mut self, at: u16) -> u32 {
        self.run_timer();
        let visible = self.timer_visible();
        match at {
            at::TMR_CNT_L => {
                self.timer.latched = (visible >> 32) as u32;
                visible as u32
            }
            at::TMR_CNT_H if self.config.timer.latches => self.timer.latched,
            at::TMR_CNT_H => (visible >> 32) as u32,
            _ => self.reg(at),
        }
    }

    pub(crate) fn write_timer(&mut self, at: u16, value: u32) {
        self.run_timer();
        let old = self.reg(at);
        self.store(at, value);
        match at {
            at::TMR_CTRL => self.timer_control(old),
            at::TMR_CNT_H => self.timer.latched = value,
            // Writing the high word arms (HW 12.2).
            at::TMR_ALARM1_H => self.timer.armed[0] = true,
            at::TMR_ALARM2_H => self.timer.armed[1] = true,
            at::TMR_FIPER1..=at::TMR_FIPER3 => {
                self.load_fiper(usize::from(at - at::TMR_FIPER1) / 4);
            }
            _ => {}
        }
    }

    fn timer_control(&mut self, old: u32) {
        let new = self.reg(at::TMR_CTRL);
        let set = new & !old;
        if new & tmr_ctrl::TMSR != 0 {
            for at in (at::TMR_CTRL + 4..=at::TMR_LAST).step_by(4) {
                self.set_reg(at, table::row(at).map_or(0, |row| row.reset));
            }
            let Timer { triggers, ref mut outputs, .. } = self.timer;
            let outputs = std::mem::take(outputs);
            let counted_ns = self.now;
            self.timer = Timer { counted_ns, triggers, outputs, ..Timer::default() };
        }
        if set & tmr_ctrl::FIPERST != 0 {
            // They wait for alarm 1 (HW 12.2).
            self.timer.pulsing = false;
        } else if new & tmr_ctrl::FIPERST == 0 {
            let starts = !self.timer.pulsing || set & tmr_ctrl::TE != 0;
            self.timer.pulsing = true;
            (0..3).filter(|_| starts).for_each(|n| self.load_fiper(n));
        }
    }

    /// Time as software sees it: TMR_CNT + TMROFF.
    fn timer_visible(&self) -> u64 {
        let pair = |high: u16| u64::from(self.reg(high)) << 32 | u64::from(self.reg(high + 4));
        pair(at::TMR_CNT_H).wrapping_add(pair(at::TMROFF_H))
    }

    /// The time of something that was `ago_ns` ago; `None` while the timer is off.
    fn timer_stamp(&mut self, ago_ns: u64) -> Option<u64> {
        self.run_timer();
        let back = self.ticks_back(ago_ns)?;
        let period = u64::from(self.tclk_period());
        Some(self.timer_visible().wrapping_sub(back * period))
    }

    /// What a frame is stamped with at virtual time `ns`; `None` while the timer is off. Of a time
    /// to come, in a model that is behind, it is what the timer shows now.
    pub(crate) fn timer_reading(&mut self, ns: u64) -> Option<Reading> {
        let time = self.timer_stamp(self.now.saturating_sub(ns))?;
        Some(Reading { time, to_memory: self.reg(at::TMR_CTRL) & tmr_ctrl::RTPE != 0 })
    }

    fn timer_raise(&mut self, events: u32) {
        self.set_reg(at::TMR_TEVENT, self.reg(at::TMR_TEVENT) | events);
    }

    /// A filer rule with GPI chose a frame (HW 6.1): the timer's own event, while it runs.
    pub(crate) fn timer_gpi(&mut self, queue: u8) {
        if self.reg(at::TMR_CTRL) & tmr_ctrl::TE != 0 {
            self.set_reg(at::TMR_STAT, u32::from(queue & 0x3F));
            self.set_reg(at::TMR_PEVENT, self.reg(at::TMR_PEVENT) | tmr_event::RXP);
        }
    }

    /// Input `pin`, 1 or 2, of the external triggers has a new level; the edge that
    /// TMR_CTRL\[ETEP\] chooses stamps the time (HW 12.2): rising at 0, falling at 1 (HW 18.16).
    pub fn set_trigger(&mut self, pin: u8, level: bool) {
        let Some(n) = usize::from(pin).checked_sub(1).filter(|n| *n < 2) else { return };
        let was = std::mem::replace(&mut self.timer.triggers[n], level);
        let falling = self.reg(at::TMR_CTRL) & (tmr_ctrl::ETEP1 << n) != 0;
        if was != level
            && level != falling
            && let Some(stamp) = self.timer_stamp(0)
        {
            self.stamp_trigger(n, stamp);
        }
    }

    fn stamp_trigger(&mut self, n: usize, stamp: u64) {
        let high = at::TMR_ETTS1_H + 8 * n as u16;
        self.set_reg(high, (stamp >> 32) as u32);
        self.set_reg(high + 4, stamp as u32);
        self.timer_raise(tmr_event::ETS1 << n);
    }

    /// The timer's interrupt line (HW 1.4, 12.2): level, as the others.
    pub fn timer_line(&mut self) -> bool {
        self.run_timer();
        let pending = self.reg(at::TMR_TEVENT) & self.reg(at::TMR_TEMASK);
        let packets = self.reg(at::TMR_PEVENT) & self.reg(at::TMR_PEMASK);
        !self.faults.is(Fault::BusDead) && pending | packets != 0
    }

    /// The next thing an output pin has shown, with the virtual time of it in nanoseconds.
    pub fn timer_output(&mut self) -> Option<(u64, TimerPin)> {
        self.run_timer();
        self.timer.outputs.pop_front()
    }
}
