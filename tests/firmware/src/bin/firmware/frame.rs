//! Frames of our own: EtherType 0x88B5, which is for experiments. They carry a length and a sum,
//! because QEMU's wire has no FCS that would find a damaged one.
//!
//! | bytes | what |
//! |---|---|
//! | 0–13 | Ethernet header |
//! | 14–15 | RFC 1071 sum of what follows |
//! | 16–17 | length of the frame |
//! | 18–21 | number, or ring and number |
//! | 22– | anything |

use etsec_core::MacAddr;
use smoltcp::wire::checksum;

/// Bytes in front of the contents.
pub const HEADER: usize = 22;
const TYPE: [u8; 2] = [0x88, 0xB5];

/// Fills `frame`, at least [`HEADER`] bytes long, with number `number` of transmit ring `ring`.
pub fn burst(frame: &mut [u8], from: MacAddr, ring: u8, number: u8) {
    frame[..6].fill(0xFF);
    frame[6..12].copy_from_slice(&from.0);
    frame[12..14].copy_from_slice(&TYPE);
    let len = frame.len() as u16;
    frame[16..18].copy_from_slice(&len.to_be_bytes());
    frame[18..HEADER].copy_from_slice(&[0, ring, 0, number]);
    frame[HEADER..].iter_mut().zip(0u8..=255).for_each(|(byte, n)| *byte = n ^ ring);
    let sum = checksum::data(&frame[16..]);
    frame[14..16].copy_from_slice(&sum.to_be_bytes());
}

/// Whether the frame, given in parts, is one of ours and whole. The header, and all parts but the
/// last, are even in length.
pub fn is_whole<'a>(first: &[u8], rest: impl Iterator<Item = &'a [u8]>) -> bool {
    let Some((header, contents)) = first.split_at_checked(16) else { return false };
    let (mut sum, mut len) = (checksum::data(contents), first.len());
    for part in rest {
        sum = checksum::combine(&[sum, checksum::data(part)]);
        len += part.len();
    }
    header[12..14] == TYPE
        && contents.first_chunk() == Some(&(len as u16).to_be_bytes())
        && header[14..16] == sum.to_be_bytes()
}
