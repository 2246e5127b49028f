//! Small frames for tests, built from the RFCs' layouts and not from the parser's code.

/// A frame from 02:00:00:00:00:02 to 02:00:00:00:00:01.
pub(crate) fn with_type(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(kind.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `frame` with a VLAN tag of this control word in front of its type.
pub(crate) fn tagged(control: u16, frame: &[u8]) -> Vec<u8> {
    let mut tagged = frame[..12].to_vec();
    tagged.extend([0x81, 0x00]);
    tagged.extend(control.to_be_bytes());
    tagged.extend(&frame[12..]);
    tagged
}

/// A broadcast ARP frame with operation `operation`.
pub(crate) fn arp(operation: u8) -> Vec<u8> {
    let mut frame = with_type(0x0806, &[0, 1, 8, 0, 6, 4, 0, operation]);
    frame[..6].fill(0xFF);
    frame.resize(60, 0);
    frame
}

pub(crate) fn udp(source: u16, destination: u16, data: &[u8]) -> Vec<u8> {
    let mut datagram = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    datagram.extend((data.len() as u16 + 8).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(data);
    datagram
}

pub(crate) fn tcp(source: u16, destination: u16, data: &[u8]) -> Vec<u8> {
    let mut segment = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 1, 0, 0, 0, 0, 0]);
    segment.extend(data);
    segment
}

/// 10.0.0.1 → 10.0.0.2 with a right header checksum; the payload as it is.
pub(crate) fn v4_header(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend((payload.len() as u16 + 20).to_be_bytes());
    header.extend([0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    let checksum = !ones(&[&header]);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header.extend(payload);
    with_type(0x0800, &header)
}

/// As [`v4_header`], with the checksum of a UDP or TCP payload filled in.
pub(crate) fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = v4_header(protocol, payload);
    let field = match protocol {
        6 => 16,
        17 => 6,
        _ => return frame,
    };
    let length = (payload.len() as u16).to_be_bytes();
    let sum = !ones(&[&frame[26..34], &[0, protocol], &length, payload]);
    frame[34 + field..36 + field].copy_from_slice(&sum.to_be_bytes());
    frame
}

/// fc00::1 → fd00::2.
pub(crate) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend((payload.len() as u16).to_be_bytes());
    header.extend([next, 64, 0xFC]);
    header.resize(23, 0);
    header.extend([1, 0xFD]);
    header.resize(39, 0);
    header.push(2);
    header.extend(payload);
    with_type(0x86DD, &header)
}

/// The checksum of the UDP datagram at `at` of an IPv6 frame.
pub(crate) fn checksum_v6(frame: &[u8], at: usize) -> u16 {
    let length = ((frame.len() - at) as u16).to_be_bytes();
    !ones(&[&frame[22..54], &length, &[0, 17], &frame[at..]])
}

fn ones(parts: &[&[u8]]) -> u16 {
    let mut bytes = parts.concat();
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes.chunks(2).fold(0u16, |sum, pair| {
        let (sum, carry) = sum.overflowing_add(u16::from_be_bytes([pair[0], pair[1]]));
        sum + u16::from(carry)
    })
}
