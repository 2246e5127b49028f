//! MAC addresses: their text, their place in registers, their hash (HW 3.18, 7).
//!
//! Nothing here touches a register; [`AddressFilter`] says what is to be written where.

mod filter;

use core::fmt;
use core::str::FromStr;

pub use filter::{AddressFilter, FilterError, FilterRegisters, HashMode};

/// A MAC address: six octets in the order of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// All stations: `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: MacAddr = MacAddr([0xFF; 6]);
    /// No address: `00:00:00:00:00:00`.
    pub const ZERO: MacAddr = MacAddr([0; 6]);
    /// Where pause frames go: `01:80:c2:00:00:01` (HW 11.1).
    pub const PAUSE: MacAddr = MacAddr([0x01, 0x80, 0xC2, 0x00, 0x00, 0x01]);

    /// Whether it names a group of stations, the broadcast address included.
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether it names all stations.
    #[must_use]
    pub const fn is_broadcast(self) -> bool {
        matches!(self.0, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])
    }

    /// Whether it names nobody.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        let [a, b, c, d, e, f] = self.0;
        a | b | c | d | e | f == 0
    }

    /// Whether it was given out locally instead of by a manufacturer.
    #[must_use]
    pub const fn is_local(self) -> bool {
        self.0[0] & 2 != 0
    }

    /// The values of an address register pair, first word first. The registers hold an address
    /// byte-reversed (HW 3.18).
    #[must_use]
    pub const fn to_registers(self) -> [u32; 2] {
        let [o1, o2, o3, o4, o5, o6] = self.0;
        [u32::from_be_bytes([o6, o5, o4, o3]), u32::from_be_bytes([o2, o1, 0, 0])]
    }

    /// The address in the values of an address register pair.
    #[must_use]
    pub const fn from_registers(words: [u32; 2]) -> Self {
        let [o6, o5, o4, o3] = words[0].to_be_bytes();
        let [o2, o1, _, _] = words[1].to_be_bytes();
        MacAddr([o1, o2, o3, o4, o5, o6])
    }

    /// The number whose top bits choose this address's place in the hash tables: the CRC-32 of the
    /// octets without its final inversion, its 32 bits reversed (HW 7).
    #[must_use]
    pub const fn hash(self) -> u32 {
        let mut crc = 0xFFFF_FFFFu32;
        let mut octet = 0;
        while octet < 6 {
            crc ^= self.0[octet] as u32;
            let mut bit = 0;
            while bit < 8 {
                crc = (crc >> 1) ^ if crc & 1 != 0 { 0xEDB8_8320 } else { 0 };
                bit += 1;
            }
            octet += 1;
        }
        crc.reverse_bits()
    }
}

impl From<[u8; 6]> for MacAddr {
    fn from(octets: [u8; 6]) -> Self {
        MacAddr(octets)
    }
}

impl From<MacAddr> for [u8; 6] {
    fn from(addr: MacAddr) -> Self {
        addr.0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A text that is no MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ParseMacError;

impl fmt::Display for ParseMacError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a MAC address: six two-digit hexadecimal numbers are wanted, separated by ':' or \
             '-', such as 00:e0:0c:00:73:01",
        )
    }
}

impl core::error::Error for ParseMacError {}

impl FromStr for MacAddr {
    type Err = ParseMacError;

    /// Reads six two-digit hexadecimal numbers separated all by `:` or all by `-`.
    fn from_str(text: &str) -> Result<Self, ParseMacError> {
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(ParseMacError);
        let bytes: &[u8; 17] = text.as_bytes().try_into().map_err(|_| ParseMacError)?;
        let separator = bytes[2];
        if !matches!(separator, b':' | b'-') {
            return Err(ParseMacError);
        }
        let mut octets = [0; 6];
        for (octet, part) in octets.iter_mut().zip(bytes.chunks(3)) {
            let &[high, low, ref end @ ..] = part else { return Err(ParseMacError) };
            if end.iter().any(|&byte| byte != separator) {
                return Err(ParseMacError);
            }
            *octet = (digit(high)? << 4 | digit(low)?) as u8;
        }
        Ok(MacAddr(octets))
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    fn mac(text: &str) -> MacAddr {
        text.parse().unwrap()
    }

    #[test]
    fn registers_hold_the_address_reversed() {
        // HW 3.18, both examples.
        let first = mac("12:34:56:78:AB:CD");
        assert_eq!(first.to_registers(), [0xCDAB_7856, 0x3412_0000]);
        let second = mac("00:e0:0c:00:73:01");
        assert_eq!(second.to_registers(), [0x0173_000C, 0xE000_0000]);
        assert_eq!(MacAddr::from_registers(first.to_registers()), first);
        assert_eq!(MacAddr::from_registers(second.to_registers()), second);
    }

    #[test]
    fn hash_of_every_test_vector() {
        // HW 7.
        for (addr, hash) in [
            ("00:01:02:03:04:05", 0xAD0C_28F3),
            ("01:00:5E:00:00:01", 0x7FA3_2D9B),
            ("01:00:5E:00:00:FB", 0x3F7B_3B21),
            ("33:33:00:00:00:01", 0xF99B_AABA),
            ("33:33:FF:12:34:56", 0x0BF9_EB4B),
            ("01:80:C2:00:00:0E", 0x876C_DEF0),
            ("01:1B:19:00:00:00", 0xFECC_02FD),
            ("02:00:00:00:00:01", 0x83F3_4F2E),
        ] {
            assert_eq!(mac(addr).hash(), hash, "{addr}");
        }
    }

    #[test]
    fn text_goes_both_ways() {
        assert_eq!(mac("00-E0-0C-00-73-01").to_string(), "00:e0:0c:00:73:01");
        assert_eq!(mac("ff:ff:ff:ff:ff:ff"), MacAddr::BROADCAST);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "00:11:22:33:44",
            "00:11:22:33:44:55:66",
            "00:11:22:33:44:5g",
            "0:11:22:33:44:555",
            "00:11-22:33:44:55",
            "00.11.22.33.44.55",
            "+0:11:22:33:44:55",
            " 0:11:22:33:44:55",
            "00:11:22:33:44:5é",
        ] {
            assert_eq!(text.parse::<MacAddr>(), Err(ParseMacError), "{text:?}");
        }
    }

    #[test]
    fn kinds_of_addresses() {
        assert!(MacAddr::BROADCAST.is_group() && MacAddr::BROADCAST.is_broadcast());
        assert!(MacAddr::PAUSE.is_group() && !MacAddr::PAUSE.is_broadcast());
        assert!(MacAddr::ZERO.is_zero() && !MacAddr::ZERO.is_group());
        assert!(mac("02:00:00:00:00:01").is_local() && !mac("00:e0:0c:00:73:01").is_local());
    }
}
