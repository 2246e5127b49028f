//! What the clock does at pins and interrupt line: alarms, fixed-period pulses, external triggers
//! (HW 12.2).

use super::{ClockError, PtpClock, SECOND_NS};
use crate::bus::Bus;
use crate::regs::timer::{
    TMR_ALARM_H, TMR_ALARM_L, TMR_CTRL, TMR_ETTS_H, TMR_ETTS_L, TMR_FIPER, TMR_TEMASK, TMR_TEVENT,
    TimerEvent, TmrCtrl,
};
use crate::regs::{ReadWriteable, Readable, Writeable};

/// The value of a FIPER that nobody asked for.
pub(super) const IDLE: u32 = u32::MAX;
/// A time that never comes.
const NEVER: u64 = u64::MAX;

/// An alarm of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Alarm {
    /// Alarm 1, which is not to be had while there are pulses. It starts those that nobody has
    /// asked for, too: once it has expired, each pulse's pin shows one every 4.3 s.
    One,
    /// Alarm 2.
    Two,
}

/// A fixed-period pulse (FIPER).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Pulse {
    /// FIPER 1.
    One,
    /// FIPER 2.
    Two,
    /// FIPER 3.
    Three,
}

/// An input whose edges are stamped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Trigger {
    /// External trigger 1.
    One,
    /// External trigger 2.
    Two,
}

/// Which edge of a trigger is stamped: ETEPn 0 and 1 (HW 3.23, which is which is not verified).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Edge {
    /// From low to high.
    Rising,
    /// From high to low.
    Falling,
}

impl<B: Bus> PtpClock<B> {
    /// Lets an alarm expire when the clock reaches `at_ns`; if it has passed that, at once. It
    /// expires once, shows at its pin, and sets ALM1 or ALM2.
    ///
    /// # Errors
    /// [`ClockError::AlarmTaken`] for alarm 1 while there are pulses.
    pub fn set_alarm(&mut self, alarm: Alarm, at_ns: u64) -> Result<(), ClockError> {
        if alarm == Alarm::One && self.pulses() {
            return Err(ClockError::AlarmTaken);
        }
        self.write_alarm(alarm, at_ns);
        Ok(())
    }

    /// Takes an alarm back that has not expired.
    ///
    /// # Errors
    /// As [`PtpClock::set_alarm`].
    pub fn cancel_alarm(&mut self, alarm: Alarm) -> Result<(), ClockError> {
        self.set_alarm(alarm, NEVER)
    }

    /// Gives a pulse every `period_ns`, a multiple of the clock's tick, or none of that number any
    /// more. Each sets PP1, PP2 or PP3.
    ///
    /// Alarm 1 starts them: with the first pulse, an alarm 1 that was set is lost. All pulses begin
    /// anew: on the next full second that is half a second away, each with its
    /// first pulse a period later. They do so as well when the clock is set. While there is one,
    /// the other pins show a pulse each 4.3 s: nothing switches them off.
    ///
    /// # Errors
    /// [`ClockError::Pulse`].
    pub fn set_pulse(&mut self, pulse: Pulse, period_ns: Option<u32>) -> Result<(), ClockError> {
        let tick_ns = self.config.period_ns;
        let tick = u32::from(tick_ns);
        let value = match period_ns {
            None => IDLE,
            // HW 12.2: the tick that loads the counter is part of the period.
            Some(ns) if ns >= 2 * tick && ns.is_multiple_of(tick) => ns - tick,
            Some(period_ns) => return Err(ClockError::Pulse { period_ns, tick_ns }),
        };
        let had_some = self.pulses();
        self.pulses[pulse as usize] = value;
        if had_some || self.pulses() {
            self.align_pulses();
        }
        Ok(())
    }

    pub(super) fn pulses(&self) -> bool {
        self.pulses.iter().any(|value| *value != IDLE)
    }

    /// Lets all pulses begin on a full second, and none if none is asked for. Alarm 1 is theirs.
    pub(super) fn align_pulses(&mut self) {
        // What still counts must not come to an end while it is turned.
        (0..3).for_each(|n| TMR_FIPER.nth(n).on(&self.bus).set(IDLE));
        let begin = match self.pulses() {
            false => NEVER,
            true => {
                let half_away = self.now().saturating_add(3 * SECOND_NS / 2);
                // The alarm is a tick early, in which the counters are loaded (HW 12.2).
                half_away - half_away % SECOND_NS - u64::from(self.config.period_ns)
            }
        };
        self.write_alarm(Alarm::One, begin);
        // HW 3.23: FIPERs wait for the alarm from when this bit is set.
        TMR_CTRL.on(&self.bus).modify(TmrCtrl::FIPERST::CLEAR);
        TMR_CTRL.on(&self.bus).modify(TmrCtrl::FIPERST::SET);
        for (n, value) in self.pulses.iter().enumerate() {
            TMR_FIPER.nth(n).on(&self.bus).set(*value);
        }
    }

    /// Lets no alarm of before come.
    pub(super) fn forget_alarms(&mut self) {
        self.write_alarm(Alarm::One, NEVER);
        self.write_alarm(Alarm::Two, NEVER);
    }

    /// Low word first; the high one arms it (HW 12.2). One that is armed already is put off first:
    /// half of the new time with half of the old one may have passed.
    fn write_alarm(&mut self, alarm: Alarm, at_ns: u64) {
        TMR_ALARM_H.nth(alarm as usize).on(&self.bus).set((NEVER >> 32) as u32);
        TMR_ALARM_L.nth(alarm as usize).on(&self.bus).set(at_ns as u32);
        TMR_ALARM_H.nth(alarm as usize).on(&self.bus).set((at_ns >> 32) as u32);
    }

    /// Chooses the edge that a trigger stamps; the rising one at the start.
    pub fn set_edge(&mut self, trigger: Trigger, edge: Edge) {
        let falling = (edge == Edge::Falling) as u32;
        TMR_CTRL.on(&self.bus).modify(match trigger {
            Trigger::One => TmrCtrl::ETEP1.val(falling),
            Trigger::Two => TmrCtrl::ETEP2.val(falling),
        });
    }

    /// The time of a trigger's last edge, after its event ETS1 or ETS2.
    #[must_use]
    pub fn trigger_stamp(&mut self, trigger: Trigger) -> u64 {
        let high = TMR_ETTS_H.nth(trigger as usize).on(&self.bus).get();
        let low = TMR_ETTS_L.nth(trigger as usize).on(&self.bus).get();
        u64::from(high) << 32 | u64::from(low)
    }

    /// Lets exactly these events raise the timer's interrupt line.
    pub fn listen(&mut self, events: TimerEvent) {
        TMR_TEMASK.on(&self.bus).assign(events);
    }

    /// The events that have happened since the last call; they are acknowledged. Pulses that
    /// nobody has asked for are not told of, nor is ALM1 while it starts pulses.
    pub fn take_events(&mut self) -> TimerEvent {
        let seen = TMR_TEVENT.on(&self.bus).peek();
        // All ones is a bus without a device.
        if seen.is_empty() || seen.bits() == u32::MAX {
            return TimerEvent::empty();
        }
        TMR_TEVENT.on(&self.bus).clear(seen);
        let pulses = [TimerEvent::PP1, TimerEvent::PP2, TimerEvent::PP3].into_iter();
        let idle = pulses.zip(self.pulses).filter(|(_, value)| *value == IDLE);
        let idle: TimerEvent = idle.map(|(event, _)| event).collect();
        let starts = if self.pulses() { TimerEvent::ALM1 } else { TimerEvent::empty() };
        seen.difference(idle | starts)
    }
}
