//! What the controller does to frames: checksums, tags, control blocks (HW 5).

use etsec_core::fcb::TxFcb;
use etsec_core::{Checksum, Config, RxOffload, TxOffload};

use crate::conformance::station::Station;
use crate::conformance::{Device, Seen};
use crate::rig::{PEER, Plan, STATION, config, frame};
use crate::shapes::{self, Shape};

/// Sends each shape with its checksum fields spoiled and `fcb` asking for them; how many of how
/// many came out right.
fn summed<D: Device>(
    seen: &mut Seen,
    device: &mut D,
    shapes: &[Shape],
    fcb: impl Fn(&Shape, &[u8]) -> TxFcb,
) {
    let plan = Plan { tx_offload: TxOffload::All, ..Plan::default() };
    let mut station = Station::new(device, &plan);
    let mut right = 0;
    for shape in shapes {
        let mut bytes = shape.bytes.clone();
        for field in [shape.ip, shape.l4].into_iter().flatten() {
            bytes[field..field + 2].copy_from_slice(&[0xDE, 0xAD]);
        }
        let buf = station.parts.pool.frame(&bytes).expect("a free buffer");
        station.parts.tx[0].stage_with(buf, fcb(shape, &bytes)).expect("room in the ring");
        station.parts.tx[0].commit();
        device.settle();
        let left = device.left();
        station.reap();
        right += usize::from(left.is_some_and(|left| left.starts_with(&shape.bytes)));
    }
    seen.note("right", format_args!("{right} of {}", shapes.len()));
    seen.holds("nothing is missing", station.finish());
}

/// Frames with a TCP or UDP checksum, in IPv4 or in IPv6, long enough not to be padded.
fn carrying(four: bool) -> impl Iterator<Item = Shape> {
    shapes::all().into_iter().filter(move |shape| {
        shape.l4.is_some()
            && shape.ip.is_some() == four
            && shape.bytes.len() >= 60
            && !shape.name.contains("BareUdp")
    })
}

/// Whether the IPv4 header has options.
fn has_options(shape: &Shape) -> bool {
    shape.carried - shape.l3 > 20
}

fn asked(shape: &Shape, bytes: &[u8]) -> TxFcb {
    TxFcb::of(bytes).unwrap_or_else(|| panic!("no block for {}", shape.name))
}

pub fn tcp_and_udp<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let all: Vec<_> = carrying(true).filter(|s| s.tag.is_none() && !has_options(s)).collect();
    summed(&mut seen, device, &all, asked);
    seen
}

/// HW 5.1: L4OS tells how long the IP header is.
pub fn behind_ip_options<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let all: Vec<_> = carrying(true).filter(|s| s.tag.is_none() && has_options(s)).collect();
    summed(&mut seen, device, &all, asked);
    seen
}

/// HW 5.1: L3OS tells where the IP header begins.
pub fn behind_a_tag<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let all: Vec<_> = carrying(true).filter(|s| s.tag.is_some() && !has_options(s)).collect();
    summed(&mut seen, device, &all, asked);
    seen
}

pub fn in_ipv6<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let all: Vec<_> = carrying(false).filter(|s| s.tag.is_none()).collect();
    summed(&mut seen, device, &all, asked);
    seen
}

pub fn ip_header<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let all = shapes::all().into_iter();
    let all = all.filter(|s| s.l4.is_none() && s.ip.is_some() && s.tag.is_none());
    let all: Vec<_> = all.filter(|s| s.bytes.len() >= 60).collect();
    summed(&mut seen, device, &all, |shape, _| {
        TxFcb::ipv4(shape.l3 as u8, (shape.carried - shape.l3) as u8).header_checksum()
    });
    seen
}

/// A frame with a control block, shorter than 60 bytes (HW 4.2).
pub fn short_datagram<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let plan = Plan { tx_offload: TxOffload::All, ..Plan::default() };
    let mut station = Station::new(device, &plan);
    let all = shapes::all().into_iter();
    let mut all = all.filter(|s| s.l4.is_some() && s.ip.is_some() && s.bytes.len() < 52);
    let shape = all.next().expect("a short datagram");
    let buf = station.parts.pool.frame(&shape.bytes).expect("a free buffer");
    let fcb = TxFcb::of(&shape.bytes).expect("a block");
    station.parts.tx[0].stage_with(buf, fcb).expect("room in the ring");
    station.parts.tx[0].commit();
    device.settle();
    let left = device.left().expect("a frame");
    station.reap();
    seen.note("bytes on the wire", left.len());
    seen.holds("right", left.starts_with(&shape.bytes));
    seen.holds("nothing is missing", station.finish());
    seen
}

/// Frames without a control block leave as they are, whatever is permitted (HW 5.2).
pub fn permits_off<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let plan = Plan { tx_offload: TxOffload::All, ..Plan::default() };
    let mut station = Station::new(device, &plan);
    let mut unchanged = 0;
    let all: Vec<_> = carrying(true).filter(|s| s.tag.is_none()).collect();
    for shape in &all {
        let mut bytes = shape.bytes.clone();
        bytes[shape.l4.expect("a checksum")] ^= 0xFF;
        station.send(0, &bytes);
        device.settle();
        unchanged += usize::from(device.left() == Some(bytes));
        station.reap();
    }
    seen.holds("all unchanged", unchanged == all.len());
    seen.holds("nothing is missing", station.finish());
    seen
}

/// HW 5.2: VLINS and the block's VLN put a tag in.
pub fn tag<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let plan = Plan { tx_offload: TxOffload::All, ..Plan::default() };
    let mut station = Station::new(device, &plan);
    let out = frame(PEER, STATION, 100, 1);
    let buf = station.parts.pool.frame(&out).expect("a free buffer");
    station.parts.tx[0].stage_with(buf, TxFcb::NONE.tag(0x6005)).expect("room in the ring");
    station.parts.tx[0].commit();
    device.settle();
    let left = device.left().expect("a frame");
    station.reap();
    seen.note("bytes", left.len());
    seen.note("tagged", left[12..16] == [0x81, 0x00, 0x60, 0x05]);
    seen.holds("nothing is missing", station.finish());
    seen
}

fn parsing(rx_offload: RxOffload) -> Plan {
    let config = Config { parser: true, ..config() };
    Plan { config, rx_offload, ..Plan::default() }
}

/// What control blocks of received frames say (HW 5.3).
pub fn parsed<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let offload = RxOffload { ip_checksum: true, l4_checksum: true, ..RxOffload::default() };
    let mut station = Station::new(device, &parsing(offload));
    let (mut whole, mut verified) = (0, 0);
    let all: Vec<_> = carrying(true).filter(|s| s.tag.is_none()).collect();
    for shape in &all {
        device.arrive(&shape.bytes);
        device.settle();
        let Some((buf, meta)) = station.parts.rx[0].next() else { continue };
        whole += usize::from(buf[..] == shape.bytes[..]);
        verified += usize::from(meta.l4_checksum() == Checksum::Right);
        drop(buf);
        station.parts.rx[0].fill(&station.parts.pool);
        station.parts.rx[0].commit();
    }
    seen.holds("all frames whole behind their blocks", whole == all.len());
    seen.note("verified", format_args!("{verified} of {}", all.len()));
    seen.holds("nothing is missing", station.finish());
    seen
}

/// Padding with the parser (HW 5.4): the driver sees only the frame.
pub fn padding<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let offload = RxOffload { padding: RxOffload::ALIGN_IP, ..RxOffload::default() };
    let mut station = Station::new(device, &parsing(offload));
    let mut whole = 0;
    for len in 60..160 {
        let come = frame(STATION, PEER, len, len as u8);
        device.arrive(&come);
        device.settle();
        whole += u32::from(station.receive(0) == Some(come));
    }
    seen.note("frames", whole);
    seen.holds("all whole", whole == 100);
    seen.holds("nothing is missing", station.finish());
    seen
}
