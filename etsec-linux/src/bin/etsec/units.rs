//! Numbers as people write them, in and out. It knows no command.

use std::time::Duration;

fn parse_number(text: &str) -> Result<u64, String> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None => (text, 10),
    };
    // `from_str_radix` would take a sign.
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(format!("`{text}` is not a number (decimal, or hexadecimal after 0x)"));
    }
    u64::from_str_radix(digits, radix).map_err(|_| format!("{text} is too large"))
}

/// A PHY's address or the number of one of its registers, 0 to 31, decimal or after 0x.
pub fn parse_mii(text: &str) -> Result<u8, String> {
    match parse_number(text)? {
        number @ 0..=31 => Ok(number as u8),
        _ => Err(format!("{text} is not from 0 to 31")),
    }
}

/// A number of 16 bits, decimal or after 0x.
pub fn parse_u16(text: &str) -> Result<u16, String> {
    u16::try_from(parse_number(text)?).map_err(|_| format!("{text} is above 0xffff"))
}

/// A positive count with an optional k, M, G (powers of 1000) or Ki, Mi, Gi (powers of 1024), and a
/// decimal point.
pub fn parse_count(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit {
        "" => 1,
        "k" | "K" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" | "ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return Err(format!("`{unit}` is none of k, M, G, Ki, Mi, Gi")),
    };
    let wrong = || format!("`{text}` is not a count such as 1000, 1.5M or 16Mi");
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut value =
        whole.parse::<u64>().map_err(|_| wrong())?.checked_mul(factor).ok_or_else(wrong)?;
    if !fraction.is_empty() {
        // Twelve digits are finer than any factor here, and fit.
        let scale = 10u64.pow(fraction.len().min(12) as u32);
        let part: u64 = fraction[..fraction.len().min(12)].parse().map_err(|_| wrong())?;
        let part = u128::from(part) * u128::from(factor) / u128::from(scale);
        value = value.checked_add(part as u64).ok_or_else(wrong)?;
    }
    if value == 0 { Err(format!("`{text}` is not a positive count")) } else { Ok(value) }
}

/// A positive time in seconds, with an optional decimal point.
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a positive number of seconds");
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    if seconds.is_nan() || seconds <= 0.0 {
        return Err(wrong());
    }
    let time = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
    // A century; beyond it, adding to a clock could overflow.
    if time.is_zero() || time > Duration::from_secs(3_155_760_000) {
        Err(wrong())
    } else {
        Ok(time)
    }
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A bit rate with a unit that keeps it short: `941.2 Mbit/s`.
pub fn bit_rate(bits_per_second: f64) -> String {
    let (scaled, unit) = match bits_per_second {
        rate if rate >= 1e9 => (rate / 1e9, "Gbit/s"),
        rate if rate >= 1e6 => (rate / 1e6, "Mbit/s"),
        rate => (rate / 1e3, "kbit/s"),
    };
    format!("{scaled:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_or_hexadecimal_and_in_range() {
        assert_eq!(parse_mii("31"), Ok(31));
        assert_eq!(parse_u16("0x88B5"), Ok(0x88b5));
        for bad in ["32", "256", "-1", "+1", "0x", "1f", ""] {
            assert!(parse_mii(bad).is_err(), "{bad}");
        }
        assert!(parse_u16("0x10000").is_err());
    }

    #[test]
    fn counts_have_units() {
        let cases =
            [("7", 7), ("10k", 10_000), ("1.5M", 1_500_000), ("16Mi", 1 << 24), ("0.5Ki", 512)];
        for (text, value) in cases {
            assert_eq!(parse_count(text), Ok(value), "{text}");
        }
        for bad in ["0", "k", "-3", "1e3", "99999999999G", "1.2.3", "5 k", "0.0001"] {
            assert!(parse_count(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn seconds_are_positive_and_finite() {
        assert_eq!(parse_seconds("1.5"), Ok(Duration::from_millis(1500)));
        for bad in ["0", "-1", "inf", "nan", "1e300", "", "1e-12"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn figures_are_readable() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(123_456), "123,456");
        assert_eq!(bit_rate(941_240_000.0), "941.2 Mbit/s");
        assert_eq!(bit_rate(0.0), "0.0 kbit/s");
    }
}
