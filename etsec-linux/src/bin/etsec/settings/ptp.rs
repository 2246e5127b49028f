//! The IEEE 1588 clock of the SoC, which is in the page of its first controller: what it counts,
//! and reading, setting and steering it while the port runs.

use anyhow::{Context, Result, bail};
use etsec_core::ptp::{ClockConfig, ClockSource, PtpClock};
use etsec_linux::time::Delay;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Live, Section, Settings, Wrong, fit};
use crate::run::wall_clock;

/// What the clock counts. It begins with the computer's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Ptp {
    /// The input, if there is to be a clock at all.
    pub clock: Input,
    /// Its frequency.
    pub hz: i64,
}

/// The input of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// There is no clock.
    #[default]
    None,
    /// The TSEC_1588_CLK pin.
    External,
    /// The controller's system clock.
    System,
    /// The first controller's transmit clock.
    Transmit,
    /// The RTC input.
    Rtc,
}

impl Ptp {
    fn config(self) -> Option<ClockConfig> {
        let source = match self.clock {
            Input::None => return None,
            Input::External => ClockSource::External,
            Input::System => ClockSource::System,
            Input::Transmit => ClockSource::Transmit,
            Input::Rtc => ClockSource::Rtc,
        };
        Some(ClockConfig::new(source, fit(self.hz)))
    }

    /// `show`, `set NS|now`, `step NS`, `adjust PPB`; the clock as it is then.
    ///
    /// # Errors
    /// That there is no clock, other words, or a number that cannot be.
    pub fn act(self, words: &[String], live: &mut Live<'_>) -> Result<Value> {
        let Some(clock) = live.clock else {
            bail!("there is no clock; `etsec ptp start INPUT HZ` makes one")
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["show"] => {}
            ["set", "now"] => clock.set(wall_ns()),
            ["set", time] => clock.set(number(time)?),
            ["step", ns] => clock.step(number(ns)?),
            ["adjust", ppb] => clock.adjust(number(ppb)?)?,
            _ => bail!("'{}' is none of show, set NS|now, step NS, adjust PPB", words.join(" ")),
        }
        let (config, adjusted) = (*clock.config(), clock.adjustment());
        Ok(json!({
            "clock": self.clock, "hz": self.hz, "time-ns": clock.now(), "adjusted-ppb": adjusted,
            "range-ppb": config.range_ppb(), "tick-ns": config.period_ns,
        }))
    }
}

impl Section for Ptp {
    fn check(&self, _: &Settings) -> Result<(), Wrong> {
        Wrong::unless_in("ptp.hz", self.hz, (0, u32::MAX.into()))?;
        let Some(config) = self.config() else { return Ok(()) };
        // A tick is shorter than a microsecond.
        if config.range_ppb() < 1 {
            let why = format!("is {}, but must be more than 1 MHz: the clock's frequency", self.hz);
            return Err(Wrong::new("ptp.hz", why));
        }
        Ok(())
    }

    fn launch(&self, live: &mut Live<'_>) -> Result<()> {
        let Some(config) = self.config() else { return Ok(()) };
        let page = live.port.pages().group0.clone();
        *live.clock = Some(PtpClock::start(page, config, Some(wall_ns()), &mut Delay)?);
        Ok(())
    }

    fn change(&self, _: &Settings, live: &mut Live<'_>) -> Result<()> {
        let Some(mut before) = live.clock.take() else { return self.launch(live) };
        let (config, ppb, time) = (*before.config(), before.adjustment(), before.now());
        before.stop();
        self.launch(live).inspect_err(|_| {
            // One that cannot be does not end the one there was.
            let page = live.port.pages().group0.clone();
            if let Ok(mut again) = PtpClock::start(page, config, Some(time), &mut Delay) {
                let _ = again.adjust(ppb);
                *live.clock = Some(again);
            }
        })
    }
}

fn wall_ns() -> u64 {
    wall_clock().as_nanos() as u64
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T> {
    word.parse().ok().with_context(|| format!("'{word}' is no number that can be taken here"))
}
