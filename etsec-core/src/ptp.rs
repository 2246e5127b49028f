//! The IEEE 1588 clock: reading, setting and steering it (HW 12.1).
//!
//! A SoC has one timer, in its first eTSEC's page, for all its controllers (HW 1.4). It does not
//! stop when a port stops, and no reset of a MAC reaches it; so this is an object of its own, which
//! needs that page and no port. Pulses, alarms and triggers are in `ptp/pins`. It knows neither
//! frames nor the protocol.

mod config;
mod error;
mod pins;

use core::fmt;

use embedded_hal::delay::DelayNs;
use tock_registers::fields::FieldValue;

pub use self::config::{ClockConfig, ClockSource};
pub use self::error::ClockError;
pub use self::pins::{Alarm, Edge, Pulse, Trigger};
use crate::bus::Bus;
#[cfg(feature = "adopt")]
use crate::regs::timer::TMR_FIPER;
use crate::regs::timer::{
    PacketEvent, TMR_ACC, TMR_ADD, TMR_CNT_H, TMR_CNT_L, TMR_CTRL, TMR_PEMASK, TMR_PEVENT,
    TMR_PRSC, TMR_TEMASK, TMR_TEVENT, TMROFF_H, TMROFF_L, TimerEvent, TmrCtrl,
};
use crate::regs::{ReadWriteable, Readable, Writeable};

/// How long a clock that was started is watched: a tick is 1.023 µs at most.
const WATCH_US: u32 = 10;
const SECOND_NS: u64 = 1_000_000_000;
/// The furthest time a clock is set to: 292 years after its beginning, and as many before its 64
/// bits are over.
pub const TIME_MAX_NS: u64 = i64::MAX.unsigned_abs();

/// A running IEEE 1588 clock: 64 bits of nanoseconds.
///
/// Dropping it leaves the timer running; [`PtpClock::start`] takes it over again.
pub struct PtpClock<B> {
    bus: B,
    config: ClockConfig,
    ppb: i32,
    /// FIPER values; [`pins::IDLE`] where no pulse is asked for.
    pulses: [u32; 3],
}

impl<B: Bus> PtpClock<B> {
    /// Takes the timer in the first controller's page from an unknown state, and lets it run from
    /// `time_ns`, or, with `None`, from where it is. No pulse, alarm, interrupt or adjustment is
    /// left from before.
    ///
    /// If it runs as `config` says already, it is not stopped for that. Otherwise no port may stamp
    /// frames meanwhile, as for [`PtpClock::stop`].
    ///
    /// # Errors
    /// [`ClockError::Period`], [`ClockError::TooSlow`] or [`ClockError::Divisor`] for a `config`
    /// that cannot be, [`ClockError::Time`], [`ClockError::Gone`] if no device answers: the timer
    /// is untouched then. [`ClockError::Still`] if it does not count, with the timer left off.
    pub fn start(
        bus: B,
        config: ClockConfig,
        time_ns: Option<u64>,
        delay: &mut dyn DelayNs,
    ) -> Result<Self, ClockError> {
        let addend = config.addend()?;
        time_ns.map_or(Ok(()), check_time)?;
        let found = TMR_CTRL.on(&bus).extract();
        if found.get() == u32::MAX {
            return Err(ClockError::Gone);
        }
        let counting = counting(&config);
        let runs = found.matches_all(counting + TmrCtrl::TE::SET + TmrCtrl::BYP::CLEAR);
        let mut clock = PtpClock { bus, config, ppb: 0, pulses: [pins::IDLE; 3] };
        TMR_TEMASK.on(&clock.bus).assign(TimerEvent::empty());
        TMR_PEMASK.on(&clock.bus).assign(PacketEvent::empty());
        clock.forget_alarms();
        // HW 12.1: from here on in the order of its start sequence, after a stop. One that runs
        // stays on: a port may be stamping by it (HW 3.11 TS).
        let time_ns = time_ns.or_else(|| clock.shown_by_offset());
        if !runs {
            TMR_CTRL.on(&clock.bus).write(counting);
            TMR_ACC.on(&clock.bus).set(0);
        }
        TMROFF_H.on(&clock.bus).set(0);
        TMROFF_L.on(&clock.bus).set(0);
        if let Some(time_ns) = time_ns {
            clock.write_time(time_ns);
        }
        TMR_ADD.on(&clock.bus).set(addend);
        TMR_PRSC.on(&clock.bus).set(config.output_divisor.into());
        let run = TmrCtrl::RTPE::SET + TmrCtrl::FRD::SET + TmrCtrl::TE::SET;
        TMR_CTRL.on(&clock.bus).write(counting + run + TmrCtrl::FIPERST::SET);
        clock.align_pulses();
        TMR_TEVENT.on(&clock.bus).clear(TimerEvent::from_bits_retain(u32::MAX));
        TMR_PEVENT.on(&clock.bus).clear(PacketEvent::from_bits_retain(u32::MAX));
        let before = clock.now();
        delay.delay_us(WATCH_US);
        if clock.now() == before {
            clock.stop();
            return Err(ClockError::Still(config.source));
        }
        Ok(clock)
    }

    /// The clock as it runs, with the time, adjustment, pulses and alarms that it has: for a
    /// process that goes on with what another one has left. Nothing is written. `None` if it is
    /// not one that [`PtpClock::start`] has made with `config`.
    ///
    /// # Errors
    /// Those of `start` for a `config` that cannot be; [`ClockError::Gone`].
    #[cfg(feature = "adopt")]
    pub fn running(bus: B, config: ClockConfig) -> Result<Option<Self>, ClockError> {
        config.addend()?;
        let found = TMR_CTRL.on(&bus).extract();
        if found.get() == u32::MAX {
            return Err(ClockError::Gone);
        }
        let runs = found.matches_all(counting(&config) + TmrCtrl::TE::SET + TmrCtrl::BYP::CLEAR);
        let ppb = config.adjustment(TMR_ADD.on(&bus).get());
        let pulses = core::array::from_fn(|n| TMR_FIPER.nth(n).on(&bus).get());
        Ok(ppb.filter(|_| runs).map(|ppb| PtpClock { bus, config, ppb, pulses }))
    }

    /// The time, if TMROFF, which is not to be used, has a part in it.
    fn shown_by_offset(&mut self) -> Option<u64> {
        let offset = TMROFF_H.on(&self.bus).get() | TMROFF_L.on(&self.bus).get();
        (offset != 0).then(|| self.now())
    }

    /// Stops the clock where it is. Switch off the stamping of frames before it, at every port
    /// (HW 3.11 TS, 5.1 PTP).
    pub fn stop(self) {
        TMR_TEMASK.on(&self.bus).assign(TimerEvent::empty());
        TMR_CTRL.on(&self.bus).modify(TmrCtrl::TE::CLEAR);
    }

    /// The time in nanoseconds. A device that is gone shows all ones.
    #[must_use]
    pub fn now(&mut self) -> u64 {
        let (low, high) = (TMR_CNT_L.on(&self.bus), TMR_CNT_H.on(&self.bus));
        // Whether the low word latches the high one is not verified (HW 12.1), so a carry between
        // the two is looked for: a smaller low word is from behind it.
        let (first, above, second) = (low.get(), high.get(), low.get());
        let (above, low) = if second >= first { (above, first) } else { (high.get(), second) };
        u64::from(above) << 32 | u64::from(low)
    }

    /// Sets the time, up to [`TIME_MAX_NS`]. Pulses are aligned anew.
    ///
    /// # Errors
    /// [`ClockError::Time`]; nothing changes then.
    pub fn set(&mut self, time_ns: u64) -> Result<(), ClockError> {
        check_time(time_ns)?;
        self.write_time(time_ns);
        if self.pulses() {
            self.align_pulses();
        }
        Ok(())
    }

    /// Adds to the time, at once. It ends up late by what the register accesses in between take:
    /// steering does the rest. Pulses are aligned anew.
    ///
    /// # Errors
    /// [`ClockError::Step`] to before 0 or beyond [`TIME_MAX_NS`], [`ClockError::Gone`]; nothing
    /// changes then.
    pub fn step(&mut self, by_ns: i64) -> Result<(), ClockError> {
        let now_ns = self.now();
        if now_ns == u64::MAX {
            return Err(ClockError::Gone);
        }
        let time_ns = now_ns.checked_add_signed(by_ns);
        self.set(time_ns.unwrap_or(u64::MAX)).map_err(|_| ClockError::Step { by_ns, now_ns })
    }

    /// Makes the clock `ppb` parts per billion faster than its configured input says, or slower if
    /// it is negative; the whole adjustment, not a change of the last one.
    ///
    /// # Errors
    /// [`ClockError::Adjustment`] beyond [`ClockConfig::range_ppb`].
    pub fn adjust(&mut self, ppb: i32) -> Result<(), ClockError> {
        TMR_ADD.on(&self.bus).set(self.config.adjusted(ppb)?);
        self.ppb = ppb;
        Ok(())
    }

    /// The present adjustment in parts per billion.
    #[must_use]
    pub fn adjustment(&self) -> i32 {
        self.ppb
    }

    /// What the clock was started with.
    #[must_use]
    pub fn config(&self) -> &ClockConfig {
        &self.config
    }

    /// Low word first (HW 12.1). A carry out of it before the high word is written is lost, and
    /// made up for.
    fn write_time(&mut self, time_ns: u64) {
        let high = (time_ns >> 32) as u32;
        TMR_CNT_L.on(&self.bus).set(time_ns as u32);
        TMR_CNT_H.on(&self.bus).set(high);
        if self.now().wrapping_sub(time_ns) > SECOND_NS {
            TMR_CNT_H.on(&self.bus).set(high.wrapping_add(1));
        }
    }
}

/// How it counts, as TMR_CTRL says it.
fn counting(config: &ClockConfig) -> FieldValue<u32, TmrCtrl::Register> {
    TmrCtrl::TCLK_PERIOD.val(config.period_ns.into()) + TmrCtrl::CKSEL.val(config.source as u32)
}

fn check_time(time_ns: u64) -> Result<(), ClockError> {
    if time_ns <= TIME_MAX_NS { Ok(()) } else { Err(ClockError::Time(time_ns)) }
}

impl<B> fmt::Debug for PtpClock<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PtpClock")
            .field("config", &self.config)
            .field("ppb", &self.ppb)
            .finish_non_exhaustive()
    }
}
