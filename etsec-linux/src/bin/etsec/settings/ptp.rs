//! The IEEE 1588 clock of the SoC, which is in the page of its first controller: what it counts,
//! what it does at pins and to frames, and reading, setting and steering it while the port runs.

use anyhow::{Context, Result, bail, ensure};
use etsec_core::ptp::{Alarm, ClockConfig, ClockSource, Edge, PtpClock, Pulse, Trigger};
use etsec_core::regs::timer::TimerEvent;
use etsec_linux::device::Device;
use etsec_linux::time::Delay;
use etsec_linux::{AnyBus, PortConfig};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Live, Ready, Section, Settings, Wrong, fit};
use crate::run::wall_clock;

/// What the clock counts, and what it is for. It begins with the computer's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Ptp {
    /// The input, if there is to be a clock at all.
    pub clock: Input,
    /// Its frequency.
    pub hz: i64,
    /// Every received frame is stamped with the time at which it began.
    pub rx_stamps: bool,
    /// The frames that `send` sends are stamped as they leave.
    pub tx_stamps: bool,
    /// Nanoseconds between two pulses at pin 1; 0: none.
    #[serde(rename = "pulse-1")]
    pub pulse_1: i64,
    /// At pin 2.
    #[serde(rename = "pulse-2")]
    pub pulse_2: i64,
    /// At pin 3.
    #[serde(rename = "pulse-3")]
    pub pulse_3: i64,
    /// When alarm 1 expires, in nanoseconds of the clock; 0: never.
    #[serde(rename = "alarm-1")]
    pub alarm_1: i64,
    /// Alarm 2.
    #[serde(rename = "alarm-2")]
    pub alarm_2: i64,
    /// Which edge of trigger input 1 is stamped.
    #[serde(rename = "edge-1")]
    pub edge_1: Slope,
    /// Of input 2.
    #[serde(rename = "edge-2")]
    pub edge_2: Slope,
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

/// An edge of a trigger input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slope {
    /// From low to high.
    #[default]
    Rising,
    /// From high to low.
    Falling,
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

    /// The pulses, each with its key and its period.
    fn pulses(&self) -> [(Pulse, &'static str, i64); 3] {
        [
            (Pulse::One, "ptp.pulse-1", self.pulse_1),
            (Pulse::Two, "ptp.pulse-2", self.pulse_2),
            (Pulse::Three, "ptp.pulse-3", self.pulse_3),
        ]
    }

    fn alarms(&self) -> [(Alarm, &'static str, i64); 2] {
        [(Alarm::One, "ptp.alarm-1", self.alarm_1), (Alarm::Two, "ptp.alarm-2", self.alarm_2)]
    }

    fn edges(&self) -> [(Trigger, Slope); 2] {
        [(Trigger::One, self.edge_1), (Trigger::Two, self.edge_2)]
    }

    /// `show`, `events`, `set NS|now`, `step NS`, `adjust PPB`; the clock as it is then.
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
            ["events"] => return Ok(events(clock)),
            ["set", "now"] => clock.set(wall_ns())?,
            ["set", time] => clock.set(number(time)?)?,
            ["step", ns] => clock.step(number(ns)?)?,
            ["adjust", ppb] => adjust(clock, number(ppb)?)?,
            _ => bail!(
                "'{}' is none of show, events, set NS|now, step NS, adjust PPB",
                words.join(" ")
            ),
        }
        let (config, adjusted) = (*clock.config(), clock.adjustment());
        let mut shown = serde_json::to_value(self)?;
        shown["time-ns"] = clock.now().into();
        shown["adjusted-ppb"] = adjusted.into();
        shown["range-ppb"] = config.range_ppb().into();
        shown["tick-ns"] = config.period_ns.into();
        Ok(shown)
    }

    /// The clock that is wished for, if one is, doing what is wished for.
    fn start(
        &self,
        page: &AnyBus,
        config: &PortConfig,
        time_ns: u64,
        ppb: i32,
    ) -> Result<Option<PtpClock<AnyBus>>> {
        let Some(wanted) = self.config() else { return Ok(None) };
        ensure!(
            config.timer != Some(false),
            "the clock is in the page of the SoC's first controller, and this is another port: \
             name that one"
        );
        let mut clock = PtpClock::start(page.clone(), wanted, Some(time_ns), &mut Delay)?;
        clock.adjust(ppb)?;
        self.apply(&Ptp::default(), &mut clock)?;
        Ok(Some(clock))
    }

    /// The clock that a process has left, as it runs, if there is to be one.
    fn go_on(&self, page: &AnyBus) -> Result<Option<PtpClock<AnyBus>>> {
        let Some(wanted) = self.config() else { return Ok(None) };
        let clock = PtpClock::running(page.clone(), wanted)?;
        Ok(Some(clock.context("the IEEE 1588 clock is not the one of ptp.clock and ptp.hz")?))
    }

    /// The same for a running port, which has none; and stamps, if they are wished for.
    fn start_under(&self, live: &mut Live<'_>, time_ns: u64, ppb: i32) -> Result<()> {
        let page = live.port.pages().group0.clone();
        *live.clock = self.start(&page, live.config, time_ns, ppb)?;
        if self.rx_stamps {
            live.port.set_rx_stamps(live.clock.as_ref(), &mut Delay)?;
        }
        Ok(())
    }

    /// Ends the clock of a running port, and first what needs it.
    fn stop_under(&self, live: &mut Live<'_>) -> Result<()> {
        if self.rx_stamps {
            live.port.set_rx_stamps(None, &mut Delay)?;
        }
        if let Some(clock) = live.clock.take() {
            clock.stop();
        }
        Ok(())
    }

    /// Tells a running clock what differs from `old`.
    fn apply(&self, old: &Ptp, clock: &mut PtpClock<AnyBus>) -> Result<()> {
        // Alarm 1 starts the pulses, so it is given up before there are any and had again after.
        let alarms = || self.alarms().into_iter().zip(old.alarms());
        for ((alarm, _, at), (_, _, before)) in alarms() {
            if at != before && at == 0 {
                clock.cancel_alarm(alarm)?;
            }
        }
        for ((pulse, _, ns), (_, _, before)) in self.pulses().into_iter().zip(old.pulses()) {
            if ns != before {
                clock.set_pulse(pulse, (ns != 0).then(|| fit(ns)))?;
            }
        }
        for ((alarm, _, at), (_, _, before)) in alarms() {
            if at != before && at != 0 {
                clock.set_alarm(alarm, fit(at))?;
            }
        }
        for ((trigger, slope), (_, before)) in self.edges().into_iter().zip(old.edges()) {
            if slope != before {
                let falling = slope == Slope::Falling;
                clock.set_edge(trigger, if falling { Edge::Falling } else { Edge::Rising });
            }
        }
        Ok(())
    }

    /// The same, and the port whether it stamps.
    fn apply_under(&self, old: &Ptp, live: &mut Live<'_>) -> Result<()> {
        let Some(clock) = live.clock.as_mut() else { return Ok(()) };
        self.apply(old, clock)?;
        if self.rx_stamps != old.rx_stamps {
            let clock = self.rx_stamps.then_some(&*clock);
            live.port.set_rx_stamps(clock, &mut Delay)?;
        }
        Ok(())
    }

    fn check_pins(&self, tick: i64) -> Result<(), Wrong> {
        let most = i64::from(u32::MAX);
        for (_, key, ns) in self.pulses() {
            if ns != 0 && (ns % tick != 0 || !(2 * tick..=most).contains(&ns)) {
                let (least, most) = (2 * tick, most - most % tick);
                let why = format!(
                    "is {ns}, but must be a multiple of {tick}, the clock's tick, from {least} to \
                     {most}; or 0"
                );
                return Err(Wrong::new(key, why));
            }
        }
        for (_, key, at) in self.alarms() {
            Wrong::unless_in(key, at, (0, i64::MAX))?;
        }
        if self.alarm_1 != 0 && self.pulses().iter().any(|(_, _, ns)| *ns != 0) {
            return Err(Wrong::new("ptp.alarm-1", "starts the pulses: use alarm-2, or no pulse"));
        }
        Ok(())
    }
}

/// What has happened since it was last asked for, and the stamps of triggers.
fn events(clock: &mut PtpClock<AnyBus>) -> Value {
    let seen = clock.take_events();
    let names: Vec<_> = seen.iter_names().map(|(name, _)| name).collect();
    let mut shown = json!({ "events": names });
    for (event, trigger, key) in [
        (TimerEvent::ETS1, Trigger::One, "trigger-1-ns"),
        (TimerEvent::ETS2, Trigger::Two, "trigger-2-ns"),
    ] {
        if seen.contains(event) {
            shown[key] = clock.trigger_stamp(trigger).into();
        }
    }
    shown
}

impl Section for Ptp {
    fn check(&self, all: &Settings) -> Result<(), Wrong> {
        Wrong::unless_in("ptp.hz", self.hz, (0, u32::MAX.into()))?;
        let Some(config) = self.config() else {
            let without = Ptp { hz: self.hz, ..Ptp::default() };
            if *self == without {
                return Ok(());
            }
            let why = "must not be none, for stamps, pulses, alarms and edges need a clock";
            return Err(Wrong::new("ptp.clock", why));
        };
        // A tick is shorter than a microsecond.
        if config.range_ppb() < 1 {
            let why = format!("is {}, but must be more than 1 MHz: the clock's frequency", self.hz);
            return Err(Wrong::new("ptp.hz", why));
        }
        let padding = all.offload.rx_padding;
        if self.rx_stamps && padding < 8 {
            let why = format!("is {padding}, but must be 8 or more, such as 10, for ptp.rx-stamps");
            return Err(Wrong::new("offload.rx-padding", why));
        }
        if self.tx_stamps && all.vlan.id.is_some() {
            let why = "cannot be true beside vlan.id: a frame has one of them";
            return Err(Wrong::new("ptp.tx-stamps", why));
        }
        self.check_pins(config.period_ns.into())
    }

    fn begin(&self, ready: &mut Ready<'_>) -> Result<()> {
        let taken_over = ready.device.is_taken_over();
        let Device { port, config, .. } = &mut *ready.device;
        let page = port.pages().group0.clone();
        *ready.clock = match taken_over {
            true => self.go_on(&page)?,
            false => self.start(&page, config, wall_ns(), 0)?,
        };
        // Before the first frame comes.
        if self.rx_stamps {
            port.set_rx_stamps(ready.clock.as_ref())?;
        }
        Ok(())
    }

    fn change(&self, old: &Settings, live: &mut Live<'_>) -> Result<()> {
        let old = &old.ptp;
        ensure!(
            self.tx_stamps == old.tx_stamps,
            "tx-stamps cannot be changed while the port runs; set it at the start, in the --config \
             file"
        );
        if (self.clock, self.hz) == (old.clock, old.hz) {
            return self.apply_under(old, live).inspect_err(|_| {
                // What was in force has been in force before.
                let _ = old.apply_under(self, live);
            });
        }
        ensure!(
            !old.tx_stamps,
            "frames that are sent are being stamped by this clock (tx-stamps): it can neither be \
             stopped nor another"
        );
        let before = live.clock.as_mut().map(|clock| (clock.now(), clock.adjustment()));
        old.stop_under(live)?;
        self.start_under(live, wall_ns(), 0).inspect_err(|_| {
            // One that cannot be does not end the one there was.
            let _ = self.stop_under(live);
            if let Some((time_ns, ppb)) = before {
                let _ = old.start_under(live, time_ns, ppb);
            }
        })
    }
}

fn wall_ns() -> u64 {
    wall_clock().as_nanos() as u64
}

/// Steers the clock; what is beyond all clocks is named with the range of this one.
fn adjust(clock: &mut PtpClock<AnyBus>, ppb: i64) -> Result<()> {
    let most = clock.config().range_ppb();
    let Ok(ppb) = i32::try_from(ppb) else {
        bail!("adjust {ppb}: from -{most} to {most} ppb are possible");
    };
    Ok(clock.adjust(ppb)?)
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T> {
    word.parse().ok().with_context(|| format!("'{word}' is no number that can be taken here"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use etsec_core::Bus;

    #[test]
    fn what_needs_a_clock_or_a_tick_is_named() {
        // 200 MHz: ticks of 8 ns.
        let clock = Ptp { clock: Input::System, hz: 200_000_000, ..Ptp::default() };
        let text = |ptp: Ptp| ptp.check(&Settings::default()).unwrap_err().to_string();
        let second = 1_000_000_000;
        assert!(Ptp { pulse_1: second, ..clock }.check(&Settings::default()).is_ok());
        for (ptp, named) in [
            (Ptp { pulse_2: 8, ..Ptp::default() }, "ptp.clock must not be none"),
            (Ptp { pulse_2: second + 1, ..clock }, "ptp.pulse-2 is 1000000001, but must be a mult"),
            (Ptp { pulse_3: 8, ..clock }, "of 8, the clock's tick, from 16 to 4294967288; or 0"),
            (Ptp { pulse_3: -16, ..clock }, "ptp.pulse-3 is -16"),
            (Ptp { alarm_2: -1, ..clock }, "ptp.alarm-2 is -1, but must be from 0 to"),
            (Ptp { pulse_3: 16, alarm_1: 1, ..clock }, "ptp.alarm-1 starts the pulses"),
            (Ptp { rx_stamps: true, ..clock }, "offload.rx-padding is 0, but must be 8 or more"),
        ] {
            assert!(text(ptp).contains(named), "{}", text(ptp));
        }
    }

    #[test]
    fn a_port_without_the_timer_is_refused_before_anything_is_touched() {
        let device = Device::open("sim", &etsec_linux::Options::default()).unwrap();
        let page = &device.port.pages().group0;
        let ptp = Ptp { clock: Input::System, hz: 200_000_000, ..Ptp::default() };
        let start = |timer| {
            let config = PortConfig { timer, ..PortConfig::default() };
            ptp.start(page, &config, 0, 0)
        };
        let text = start(Some(false)).unwrap_err().to_string();
        assert!(text.contains("in the page of the SoC's first controller"), "{text}");
        // HW 2.6: the clock is off, as after power-on.
        assert_eq!(page.read(0xE00), 0x0001_0001);
        for timer in [None, Some(true)] {
            assert!(start(timer).unwrap().is_some());
        }
    }
}
