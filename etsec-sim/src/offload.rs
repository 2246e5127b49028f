//! What a TxFCB asks for: checksums and a VLAN tag (HW 5.1, 5.2). It works on a frame's bytes and
//! knows no descriptor.

use crate::bits::tctrl;

/// Bytes of a TxFCB.
pub(crate) const FCB: usize = 8;

const VLN: u8 = 0x80;
const IP: u8 = 0x40;
const IP6: u8 = 0x20;
const TUP: u8 = 0x10;
const UDP: u8 = 0x08;
const CIP: u8 = 0x04;
const CTU: u8 = 0x02;
const NPH: u8 = 0x01;
const PTP: u8 = 0x01;

/// Makes the TCP or UDP checksum that an FCB asks for a wrong one.
pub(crate) fn spoil(fcb: &mut [u8; FCB]) {
    fcb[0] |= NPH;
    fcb[4] ^= 0xA5;
    fcb[5] ^= 0x3C;
}

/// Whether an FCB asks for a checksum.
pub(crate) fn sums(fcb: [u8; FCB]) -> bool {
    fcb[0] & (CIP | CTU) != 0
}

/// Does to a frame what its FCB asks for and TCTRL permits.
pub(crate) fn apply(frame: &mut Vec<u8>, fcb: [u8; FCB], control: u32, dfvlan: u32) {
    let [what, ptp, l4os, l3os, ..] = fcb;
    let l3 = usize::from(l3os);
    if what & (IP | IP6 | CIP) == IP | CIP && control & tctrl::IPCSEN != 0 {
        sum_header(frame, l3);
    }
    if what & (IP | TUP | CTU) == IP | TUP | CTU && control & tctrl::TUCSEN != 0 {
        let given = (what & NPH != 0).then(|| u16::from_be_bytes([fcb[4], fcb[5]]));
        sum_payload(frame, l3, l3 + usize::from(l4os), what, given);
    }
    // The tag goes in last: L3OS is for the frame as it was in memory.
    if what & VLN != 0 && ptp & PTP == 0 && control & tctrl::VLINS != 0 && frame.len() >= 12 {
        let [high, low, ..] = dfvlan.to_be_bytes();
        frame.splice(12..12, [high, low, fcb[6], fcb[7]]);
    }
}

/// The IPv4 header checksum.
fn sum_header(frame: &mut [u8], l3: usize) {
    let Some(first) = frame.get(l3) else { return };
    let len = usize::from(first & 0xF) * 4;
    if len < 20 {
        return;
    }
    let Some(header) = frame.get_mut(l3..l3 + len) else { return };
    header[10..12].fill(0);
    let sum = !fold(add(header));
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// The TCP or UDP checksum; `pseudo` is the pseudo header's sum, if the driver gives it.
fn sum_payload(frame: &mut [u8], l3: usize, l4: usize, what: u8, pseudo: Option<u16>) {
    let (protocol, field) = if what & UDP != 0 { (17, 6) } else { (6, 16) };
    let Some(end) = packet_end(frame, l3, what & IP6 != 0) else { return };
    if l4 + field + 2 > end {
        return;
    }
    let start = match pseudo {
        Some(sum) => u32::from(sum),
        None => {
            // HW 5.1 TUP: no extension headers assumed. With some the sum is wrong unless it is
            // given (5.2).
            let len = if what & IP6 != 0 { end - (l3 + 40) } else { end - l4 } as u32;
            let addresses = if what & IP6 != 0 { l3 + 8..l3 + 40 } else { l3 + 12..l3 + 20 };
            let Some(addresses) = frame.get(addresses) else { return };
            add(addresses) + protocol + len
        }
    };
    frame[l4 + field..l4 + field + 2].fill(0);
    let mut sum = !fold(u32::from(fold(start)) + u32::from(fold(add(&frame[l4..end]))));
    if sum == 0 && what & UDP != 0 {
        // 0 would say that there is no checksum.
        sum = 0xFFFF;
    }
    frame[l4 + field..l4 + field + 2].copy_from_slice(&sum.to_be_bytes());
}

/// Where the IP packet ends; what follows is padding.
fn packet_end(frame: &[u8], l3: usize, six: bool) -> Option<usize> {
    let at = if six { l3 + 4 } else { l3 + 2 };
    let field = frame.get(at..at + 2)?;
    let len = usize::from(u16::from_be_bytes([field[0], field[1]]));
    let end = if six { l3 + 40 + len } else { l3 + len };
    (end <= frame.len()).then_some(end)
}

/// Adds big-endian half words; an odd last byte counts as the upper half. Frames are short enough
/// for 32 bits.
fn add(bytes: &[u8]) -> u32 {
    let mut pairs = bytes.chunks_exact(2);
    let sum: u32 = (&mut pairs).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    sum + pairs.remainder().first().map_or(0, |last| u32::from(*last) << 8)
}

fn fold(sum: u32) -> u16 {
    let once = (sum & 0xFFFF) + (sum >> 16);
    ((once & 0xFFFF) + (once >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u32 = tctrl::IPCSEN | tctrl::TUCSEN | tctrl::VLINS;

    /// 14 bytes of Ethernet, a well-known IPv4 header, an 8-byte UDP header and two bytes.
    fn frame() -> Vec<u8> {
        let mut frame = vec![0; 14];
        frame.extend([
            0x45, 0, 0, 30, 0, 0, 0x40, 0, 0x40, 17, 0, 0, 192, 168, 0, 1, 192, 168, 0, 199,
        ]);
        frame.extend([0x12, 0x34, 0, 53, 0, 10, 0xAA, 0xAA, 0xBE, 0xEF]);
        // Padding must not count.
        frame.extend([0x77; 16]);
        frame
    }

    /// Whether the ones' complement sum of a range and something before it is all ones.
    fn verifies(bytes: &[u8], before: u32) -> bool {
        fold(add(bytes) + before) == 0xFFFF
    }

    #[test]
    fn the_header_sum_of_a_known_header() {
        let mut frame = vec![0; 14];
        frame.extend([0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 9, 9, 192, 168, 0, 1]);
        frame.extend([192, 168, 0, 199]);
        apply(&mut frame, [IP | CIP, 0, 20, 14, 0, 0, 0, 0], ALL, 0);
        assert_eq!(frame[24..26], [0xB8, 0x61]);
    }

    #[test]
    fn udp_with_and_without_the_pseudo_header_given() {
        let pseudo = add(&frame()[26..34]) + 17 + 10;
        for nph in [0, NPH] {
            let mut frame = frame();
            let [high, low] = fold(pseudo).to_be_bytes();
            let what = IP | TUP | UDP | CTU | nph;
            apply(&mut frame, [what, 0, 20, 14, high, low, 0, 0], ALL, 0);
            assert!(verifies(&frame[34..44], pseudo), "{nph}");
            assert_eq!(frame[44..], [0x77; 16]);
        }
    }

    #[test]
    fn nothing_happens_without_a_permit_or_beyond_the_frame() {
        let fcb = [VLN | IP | TUP | UDP | CIP | CTU, 0, 20, 14, 0, 0, 0, 5];
        let mut same = frame();
        apply(&mut same, fcb, 0, 0x8100_0000);
        assert_eq!(same, frame());
        for cut in 0..30 {
            let mut short = frame()[..cut].to_vec();
            apply(&mut short, fcb, tctrl::IPCSEN | tctrl::TUCSEN, 0);
            assert_eq!(short, frame()[..cut]);
        }
    }

    #[test]
    fn a_tag_goes_in_after_the_addresses() {
        let mut tagged = frame();
        apply(&mut tagged, [VLN, 0, 0, 0, 0, 0, 0x20, 0x05], ALL, 0x88A8_0000);
        assert_eq!(tagged[12..16], [0x88, 0xA8, 0x20, 0x05]);
        assert_eq!(tagged.len(), frame().len() + 4);
    }
}
