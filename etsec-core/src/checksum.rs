//! Checksums in software: for frames the controller does not look at or may not be asked for, and
//! the control block that asks for what it may (HW 5.2).
//!
//! None of it is in the data path of a port that does not call it.

use crate::fcb::{Checksum, TxFcb};
use crate::headers::{Carried, Headers, add, fold};

/// What a frame's checksums are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checksums {
    /// Of the IPv4 header.
    pub ip: Checksum,
    /// Of TCP or UDP. Unchecked for fragments, for UDP without one, and where the pseudo header
    /// cannot be known.
    pub l4: Checksum,
}

/// Verifies a frame's checksums, from its destination address on.
#[must_use]
pub fn verify(frame: &[u8]) -> Checksums {
    let judge = |sum: u32| if fold(sum) == 0xFFFF { Checksum::Right } else { Checksum::Wrong };
    let Some(headers) = Headers::of(frame) else { return Checksums::default() };
    let ip = match header(frame, &headers) {
        Some(header) => judge(add(header)),
        None => Checksum::Unchecked,
    };
    let l4 = match sum_of_payload(frame, &headers) {
        // In IPv6 a datagram without a checksum is wrong.
        Some((_, 0)) if headers.carried == Carried::Udp && headers.six => Checksum::Wrong,
        Some((_, 0)) if headers.carried == Carried::Udp => Checksum::Unchecked,
        Some((sum, _)) => judge(sum),
        None => Checksum::Unchecked,
    };
    Checksums { ip, l4 }
}

/// Whether a frame is a fragment or has a route before it, so that its TCP or UDP checksum cannot
/// be verified from the frame alone.
#[must_use]
pub fn is_unverifiable(frame: &[u8]) -> bool {
    let carried = Headers::of(frame).map(|headers| headers.carried);
    matches!(carried, Some(Carried::Fragment | Carried::Routed))
}

/// Puts the right checksums into a frame: of the IPv4 header, and of TCP or UDP if it is not a
/// fragment.
pub fn fill(frame: &mut [u8]) {
    let Some(headers) = Headers::of(frame) else { return };
    if !headers.six {
        put(frame, headers.l3 + 10, 0);
        let sum = header(frame, &headers).map_or(0, add);
        put(frame, headers.l3 + 10, !fold(sum));
    }
    if let Some((_, field)) = headers.carried.field() {
        put(frame, headers.l4 + field, 0);
        let sum = !fold(sum_of_payload(frame, &headers).map_or(0, |(sum, _)| sum));
        // 0 would say that a datagram has no checksum.
        let none = sum == 0 && headers.carried == Carried::Udp;
        put(frame, headers.l4 + field, if none { 0xFFFF } else { sum });
    }
}

impl TxFcb {
    /// The block that asks for all checksums of this frame which the controller can make: of an
    /// IPv4 header, and of TCP or UDP that is not in fragments. `None` if there are none.
    ///
    /// Every UDP datagram gets a checksum, but for one that ends before its packet does: the
    /// controller sums up to the packet's end, for the block has no length (HW 5.1). Where
    /// extension headers or options keep the controller from making the pseudo header, its sum is
    /// given (HW 5.2).
    #[must_use]
    pub fn of(frame: &[u8]) -> Option<TxFcb> {
        let headers = Headers::of(frame)?;
        let len = headers.l4 - headers.l3;
        // `Headers` has no larger ones.
        let (at, size) = (headers.l3 as u8, len as u8);
        let block = if headers.six { TxFcb::ipv6(at, size) } else { TxFcb::ipv4(at, size) };
        let block = if headers.six { block } else { block.header_checksum() };
        let block = match headers.carried {
            Carried::Tcp => block.tcp_checksum(),
            Carried::Udp if headers.fills_packet(frame) => block.udp_checksum(),
            _ if headers.six => return None,
            _ => return Some(block),
        };
        if len == if headers.six { 40 } else { 20 } {
            return Some(block);
        }
        Some(block.pseudo_sum(headers.pseudo_sum(frame)?))
    }
}

fn header<'a>(frame: &'a [u8], headers: &Headers) -> Option<&'a [u8]> {
    let len = usize::from(frame.get(headers.l3)? & 0xF) * 4;
    if headers.six { None } else { frame.get(headers.l3..headers.l3 + len) }
}

/// The sum over pseudo header and payload, and what its field holds.
fn sum_of_payload(frame: &[u8], headers: &Headers) -> Option<(u32, u16)> {
    let (_, field) = headers.carried.field()?;
    let payload = headers.payload(frame)?;
    let pseudo = headers.pseudo_sum(frame)?;
    Some((u32::from(pseudo) + add(payload), crate::headers::be16(payload, field)?))
}

fn put(frame: &mut [u8], at: usize, value: u16) {
    if let Some(field) = frame.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// UDP of two bytes in IPv4, both checksums 0, and padding that must not count.
    fn frame() -> Vec<u8> {
        let mut frame = std::vec![0; 14];
        frame[12] = 8;
        frame.extend([0x45, 0, 0, 30, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 168, 0, 1, 192, 168, 0, 9]);
        frame.extend([0x12, 0x34, 0, 53, 0, 10, 0, 0, 0xBE, 0xEF]);
        frame.extend([0x77; 16]);
        frame
    }

    #[test]
    fn what_is_filled_in_verifies_and_what_is_changed_does_not() {
        use Checksum::{Right, Unchecked, Wrong};
        let mut bytes = frame();
        assert_eq!(verify(&bytes), Checksums { ip: Wrong, l4: Unchecked });
        fill(&mut bytes);
        assert_eq!(verify(&bytes), Checksums { ip: Right, l4: Right });
        bytes[42] ^= 1;
        assert_eq!(verify(&bytes), Checksums { ip: Right, l4: Wrong });
        bytes[14 + 8] -= 1;
        assert_eq!(verify(&bytes), Checksums { ip: Wrong, l4: Wrong });
        bytes[14 + 6] |= 0x20;
        assert_eq!(verify(&bytes).l4, Unchecked, "a fragment");
    }

    #[test]
    fn a_frame_cut_anywhere_has_no_headers_or_right_ones() {
        for cut in 0..frame().len() {
            let mut bytes = frame()[..cut].to_vec();
            let before = bytes.clone();
            fill(&mut bytes);
            let whole = cut >= 44;
            assert_eq!(verify(&bytes).l4 == Checksum::Right, whole, "{cut}");
            assert_eq!(TxFcb::of(&bytes).is_some(), whole, "{cut}");
            assert!(whole || bytes == before, "{cut}");
        }
    }

    #[test]
    fn a_block_asks_for_what_there_is() {
        let mut bytes = frame();
        let plain = TxFcb::ipv4(14, 20).header_checksum();
        assert_eq!(TxFcb::of(&bytes), Some(plain.udp_checksum()));
        // A datagram that ends before its packet: 30 bytes say more than 20 and 8.
        bytes[14 + 20 + 5] = 8;
        assert_eq!(TxFcb::of(&bytes), Some(plain));
        bytes[14 + 20 + 5] = 10;
        bytes[14 + 6] |= 0x20;
        assert_eq!(TxFcb::of(&bytes), Some(plain));
        bytes[14 + 6] = 0;
        bytes[14 + 9] = 1;
        assert_eq!(TxFcb::of(&bytes), Some(plain));
        bytes[12] = 9;
        assert_eq!(TxFcb::of(&bytes), None);
    }
}
