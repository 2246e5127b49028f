//! What the timer counts, and the arithmetic from an input clock to nanoseconds (HW 12.1). It
//! touches no register.

use super::ClockError;

/// The clock that the timer counts (HW 3.23 CKSEL).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ClockSource {
    /// The TSEC_1588_CLK pin.
    External = 0,
    /// The eTSEC's system clock.
    System = 1,
    /// The first controller's transmit clock.
    Transmit = 2,
    /// The RTC input.
    Rtc = 3,
}

/// How a [`PtpClock`](super::PtpClock) makes nanoseconds of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ClockConfig {
    /// What is counted.
    pub source: ClockSource,
    /// Its frequency in Hz, as the board's makers give it.
    pub input_hz: u32,
    /// Nanoseconds of a tick (TCLK_PERIOD), 1 to 1023: the resolution of the clock and of time
    /// stamps. The input must be faster than a tick each `period_ns`; by how much is how far the
    /// clock can be made faster.
    pub period_ns: u16,
    /// Divisor of the clock that is put out (TMR_PRSC), at least 2.
    pub output_divisor: u16,
}

/// Parts of a billion.
const BILLION: u64 = 1_000_000_000;

impl ClockConfig {
    /// With the shortest tick that divides a second and leaves a twentieth for adjustments; an
    /// input too slow for any gets the longest one.
    #[must_use]
    pub const fn new(source: ClockSource, input_hz: u32) -> Self {
        let mut period_ns = 1;
        while period_ns < 1000 {
            let divides = BILLION.is_multiple_of(period_ns as u64);
            if divides && input_hz as u64 * period_ns as u64 * 20 >= BILLION * 21 {
                break;
            }
            period_ns += 1;
        }
        ClockConfig { source, input_hz, period_ns, output_divisor: 2 }
    }

    /// The furthest the clock can be made faster, in parts per billion; as far the other way
    /// (HW 12.1).
    #[must_use]
    pub fn range_ppb(&self) -> i32 {
        let most = self.product().saturating_sub(BILLION + 1).min(BILLION - 1);
        most as i32
    }

    /// Nanoseconds that would pass in a second if each input clock were a tick.
    const fn product(&self) -> u64 {
        self.input_hz as u64 * self.period_ns as u64
    }

    /// TMR_ADD for no adjustment: ceil(2³² · nominal / input) (HW 12.1).
    ///
    /// # Errors
    /// [`ClockError::Period`], [`ClockError::TooSlow`], [`ClockError::Divisor`].
    pub(super) fn addend(&self) -> Result<u32, ClockError> {
        if !(1..0x400).contains(&self.period_ns) {
            return Err(ClockError::Period(self.period_ns));
        }
        if self.output_divisor < 2 {
            return Err(ClockError::Divisor(self.output_divisor));
        }
        if self.product() <= BILLION {
            let (input_hz, period_ns) = (self.input_hz, self.period_ns);
            return Err(ClockError::TooSlow { input_hz, period_ns });
        }
        // Below 2³², because the input is faster than the ticks.
        Ok((BILLION << 32).div_ceil(self.product()) as u32)
    }

    /// TMR_ADD for an adjustment by `ppb`, to the nearest of its steps: of a quarter of a ppb at
    /// most, if the input is less than five times as fast as the ticks.
    ///
    /// # Errors
    /// [`ClockError::Adjustment`], and those of [`ClockConfig::addend`].
    pub(super) fn adjusted(&self, ppb: i32) -> Result<u32, ClockError> {
        let (base, most) = (self.addend()?, self.range_ppb());
        if ppb.unsigned_abs() > most.unsigned_abs() {
            return Err(ClockError::Adjustment { ppb, most });
        }
        let change = (u64::from(base) * u64::from(ppb.unsigned_abs()) + BILLION / 2) / BILLION;
        let change = change.min(u32::MAX.into()) as u32;
        Ok(if ppb < 0 { base.saturating_sub(change) } else { base.saturating_add(change) })
    }

    /// The adjustment that has made this TMR_ADD, if one has.
    #[cfg(feature = "adopt")]
    pub(super) fn adjustment(&self, addend: u32) -> Option<i32> {
        let base = self.addend().ok()?;
        let (by, half) = (u64::from(addend.abs_diff(base)) * BILLION, u64::from(base) / 2);
        let ppb = i32::try_from((by + half) / u64::from(base)).ok()?;
        let ppb = if addend < base { -ppb } else { ppb };
        (self.adjusted(ppb) == Ok(addend)).then_some(ppb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn config(input_hz: u32, period_ns: u16) -> ClockConfig {
        ClockConfig { source: ClockSource::System, input_hz, period_ns, output_divisor: 2 }
    }

    #[test]
    #[cfg(feature = "adopt")]
    fn an_adjustment_is_known_by_its_addend() {
        let clock = config(166_666_666, 8);
        for ppb in [0, 1, -1, 12_345, -99_999_999, clock.range_ppb()] {
            assert_eq!(clock.adjustment(clock.adjusted(ppb).unwrap()), Some(ppb));
        }
        assert_eq!(clock.adjustment(0), None);
        assert_eq!(config(200_000_000, 8).adjustment(clock.addend().unwrap() + 1), None);
    }

    #[test]
    fn addends_are_the_references_examples() {
        // HW 12.1.
        for (input_hz, period_ns, addend) in [
            (166_666_666, 8, 0xC000_000D),
            (133_333_333, 10, 0xC000_0009),
            (300_000_000, 5, 0xAAAA_AAAB),
        ] {
            assert_eq!(config(input_hz, period_ns).addend(), Ok(addend));
        }
    }

    #[test]
    fn adjustments_are_that_many_parts_of_a_billion() {
        let config = config(166_666_666, 8);
        let base = f64::from(config.addend().unwrap());
        for ppb in [-333_333_327, -50_000, -1000, -1, 0, 1, 17, 1000, 50_000, 333_333_327] {
            let addend = f64::from(config.adjusted(ppb).unwrap());
            let found = (addend / base - 1.0) * 1e9;
            assert!((found - f64::from(ppb)).abs() < 0.2, "{ppb}: {found}");
        }
    }

    #[test]
    fn the_range_is_the_references_and_is_kept() {
        // 10⁹ · (f_in − f_nom) / f_nom − 1 with 125 MHz (HW 12.1).
        let config = config(166_666_666, 8);
        let most = 1_000_000_000.0 * (166_666_666.0 - 125e6) / 125e6 - 1.0;
        assert_eq!(f64::from(config.range_ppb()), most);
        let (over, most) = (config.range_ppb() + 1, config.range_ppb());
        for ppb in [over, -over, i32::MAX, i32::MIN] {
            assert_eq!(config.adjusted(ppb), Err(ClockError::Adjustment { ppb, most }));
        }
        // At the edge the addend is still one.
        assert!(config.adjusted(most).unwrap() > 0xFFFF_FFF0);
    }

    #[test]
    fn what_cannot_count_is_named() {
        assert_eq!(config(100, 0).addend(), Err(ClockError::Period(0)));
        assert_eq!(config(100, 1024).addend(), Err(ClockError::Period(1024)));
        let slow = ClockError::TooSlow { input_hz: 125_000_000, period_ns: 8 };
        assert_eq!(config(125_000_000, 8).addend(), Err(slow));
        assert!(config(125_000_001, 8).addend().is_ok());
        let divisor = ClockConfig { output_divisor: 1, ..config(200_000_000, 8) };
        assert_eq!(divisor.addend(), Err(ClockError::Divisor(1)));
    }

    #[test]
    fn the_shortest_tick_that_divides_a_second_is_chosen() {
        for (input_hz, period_ns) in [
            (166_666_666, 8),
            (133_333_333, 8),
            (125_000_000, 10),
            (300_000_000, 4),
            (u32::MAX, 1),
            (2_000_000, 625),
            (0, 1000),
        ] {
            let config = ClockConfig::new(ClockSource::External, input_hz);
            assert_eq!(config.period_ns, period_ns, "{input_hz}");
        }
    }
}
