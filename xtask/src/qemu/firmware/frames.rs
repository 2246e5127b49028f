//! The frames that pass between us and the image, and what the answers must be, byte by byte. It
//! sends none of them.

use std::net::Ipv4Addr;

use anyhow::Result;
use etherparse::EtherType;
use etherparse::checksum::Sum16BitWords;

use crate::qemu::packet::{FRAME_MIN, Host};

/// Our addresses and the image's.
pub const OUR_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x99];
pub const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
/// Of its second port.
pub const SECOND_MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x57];
const US: Host = Host { mac: OUR_MAC, ip: Ipv4Addr::new(192, 0, 2, 1) };
const IMAGE: Host = Host { mac: MAC, ip: Ipv4Addr::new(192, 0, 2, 2) };
/// UDP ports.
const OURS: u16 = 49152;
const ECHO: u16 = 7;
const COMMANDS: u16 = 7000;

/// All lengths of frames without FCS and without a tag.
pub const SHORTEST: usize = FRAME_MIN;
pub const LONGEST: usize = 1514;
/// Bytes of a UDP datagram that are headers.
const HEADERS: usize = 14 + 20 + 8;

/// Frames of the image's own begin with an Ethernet header, a sum, a length and two numbers.
const OWN_HEADER: usize = 22;
const OWN_TYPE: [u8; 2] = [0x88, 0xB5];

/// An ARP request for the image's address, and its answer.
pub fn arp() -> Result<[Vec<u8>; 2]> {
    Ok([US.ask(IMAGE.ip)?, IMAGE.answer(&US)?])
}

/// Echo request `number` of `len` bytes, and its answer.
pub fn ping(number: u16, len: usize) -> Result<[Vec<u8>; 2]> {
    let data = contents(number.into(), len.saturating_sub(HEADERS));
    Ok([US.ping(&IMAGE, (1, number), &data)?, IMAGE.pong(&US, (1, number), &data)?])
}

/// Datagram `number` to the echo port, and the echo. Its length goes through all there are.
pub fn echo(number: u32) -> Result<[Vec<u8>; 2]> {
    let len = SHORTEST + number as usize % (LONGEST - SHORTEST + 1);
    let data = contents(number, len - HEADERS);
    Ok([US.datagram(&IMAGE, (OURS, ECHO), &data)?, IMAGE.datagram(&US, (ECHO, OURS), &data)?])
}

/// The number of an echo, if that is what the frame looks like.
pub fn echo_number(frame: &[u8]) -> Option<u32> {
    let number = frame.get(HEADERS..)?.first_chunk()?;
    (frame[12..14] == EtherType::IPV4.0.to_be_bytes()).then(|| u32::from_be_bytes(*number))
}

/// A command.
pub fn command(word: &str) -> Result<Vec<u8>> {
    US.datagram(&IMAGE, (OURS, COMMANDS), word.as_bytes())
}

/// A frame of the image's own kind, with that number, from us to `to`.
pub fn own(to: [u8; 6], number: u32, len: usize) -> Vec<u8> {
    let mut frame = [&to[..], &OUR_MAC, &OWN_TYPE, &[0, 0]].concat();
    frame.extend((len as u16).to_be_bytes());
    frame.extend(number.to_be_bytes());
    frame.extend(contents(number, len - OWN_HEADER));
    let sum = sum(&frame[16..]);
    frame[14..16].copy_from_slice(&sum);
    frame
}

/// The ring and the number of a frame from the bursts, if it is one and undamaged.
pub fn of_burst(frame: &[u8]) -> Option<(usize, usize)> {
    let &[_, ring, _, number] = frame.get(18..)?.first_chunk::<4>()?;
    let whole = frame[12..14] == OWN_TYPE
        && frame[14..16] == sum(&frame[16..])
        && frame[16..18] == (frame.len() as u16).to_be_bytes();
    whole.then_some((ring.into(), number.into()))
}

/// RFC 1071 without the final complement.
fn sum(bytes: &[u8]) -> [u8; 2] {
    (!Sum16BitWords::new().add_slice(bytes).ones_complement()).to_ne_bytes()
}

/// `len` bytes, at least four of which are the number, and that differ from frame to frame.
fn contents(number: u32, len: usize) -> Vec<u8> {
    let mut state = number ^ 0x9E37_79B9;
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize_with(len, || {
        // xorshift: any sequence will do that is not the same everywhere.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    });
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoes_have_all_lengths_and_differ() {
        let lens: std::collections::BTreeSet<usize> =
            (0..1455).map(|n| echo(n).expect("made")[0].len()).collect();
        assert_eq!((lens.first(), lens.last(), lens.len()), (Some(&60), Some(&1514), 1455));
        let [ask, answer] = echo(1455).expect("made");
        assert_eq!((ask.len(), echo_number(&answer)), (60, Some(1455)));
        assert_ne!(ask[HEADERS..], echo(0).expect("made")[0][HEADERS..]);
        assert_eq!(echo_number(&command("off").expect("made")[..40]), None);
    }

    #[test]
    fn sums_are_those_of_the_rfc() {
        // RFC 1071's own example, section 3.
        assert_eq!(sum(&[0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7]), [0xDD, 0xF2]);
    }

    #[test]
    fn damaged_frames_of_our_own_are_found() {
        let frame = own(MAC, 5 << 16 | 7, 100);
        assert_eq!(of_burst(&frame), Some((5, 7)));
        let mut damaged = frame.clone();
        damaged[50] ^= 1;
        assert_eq!(of_burst(&damaged), None);
        assert_eq!(of_burst(&frame[..99]), None);
        assert_eq!(of_burst(&[]), None);
    }
}
