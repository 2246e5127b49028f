//! Frames that the driver sends: of every size, in bursts and in parts, through rings that turn.

use etsec_core::{Buf, Config, Pool};

use crate::conformance::station::Station;
use crate::conformance::{Device, Seen};
use crate::rig::{PEER, Plan, STATION, config, frame};

/// Sends the frames in bursts of `burst`; those that left.
fn send_all<D: Device>(
    device: &mut D,
    station: &mut Station<D>,
    frames: &[Vec<u8>],
    burst: usize,
) -> Vec<Vec<u8>> {
    let mut left = Vec::new();
    for some in frames.chunks(burst) {
        for bytes in some {
            let buf = station.parts.pool.frame(bytes).expect("a free buffer");
            station.parts.tx[0].stage(buf).expect("room in the ring");
        }
        station.parts.tx[0].commit();
        device.settle();
        left.extend(std::iter::from_fn(|| device.left()));
        station.reap();
    }
    left
}

/// The end of a scenario: what has left, and what the queue counted.
fn ends<D: Device>(seen: &mut Seen, station: Station<D>, left: &[Vec<u8>], sent: &[Vec<u8>]) {
    seen.note("frames", left.len());
    seen.holds("all in order and whole", left == sent);
    let counters = *station.parts.tx[0].counters();
    seen.note("counted", format_args!("{} frames, {} bytes", counters.frames, counters.bytes));
    seen.note("errors", counters.errors());
    seen.holds("nothing is missing", station.finish());
}

pub fn every_size<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &Plan::default());
    let frames: Vec<_> = (60..=1514).map(|n| frame(PEER, STATION, n, n as u8)).collect();
    let left = send_all(device, &mut station, &frames, 1);
    ends(&mut seen, station, &left, &frames);
    seen
}

/// HW 4.2: frames are padded to 64 bytes with their FCS, which no wire here carries.
pub fn short_frames<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &Plan::default());
    let frames: Vec<_> = (14..60).map(|n| frame(PEER, STATION, n, n as u8)).collect();
    let left = send_all(device, &mut station, &frames, 1);
    let shortest = left.iter().map(Vec::len).min();
    seen.note("shortest on the wire", shortest.unwrap_or(0));
    let padded = |(left, frame): (&Vec<u8>, &Vec<u8>)| {
        left.starts_with(frame) && left[frame.len()..].iter().all(|byte| *byte == 0)
    };
    seen.holds("padded with zeros", left.iter().zip(&frames).all(padded));
    seen.holds("all of them", left.len() == frames.len());
    seen.holds("nothing is missing", station.finish());
    seen
}

pub fn a_burst<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let plan = Plan { tx: vec![64], buffers: 120, ..Plan::default() };
    let mut station = Station::new(device, &plan);
    let frames: Vec<_> = (0..320).map(|n| frame(PEER, STATION, 60 + n * 4, n as u8)).collect();
    let left = send_all(device, &mut station, &frames, 64);
    ends(&mut seen, station, &left, &frames);
    seen
}

/// Bursts that end at each of the ring's descriptors.
pub fn many_turns<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, &Plan { tx: vec![5], ..Plan::default() });
    let frames: Vec<_> = (0..210).map(|n| frame(PEER, STATION, 60 + n, n as u8)).collect();
    let mut left = Vec::new();
    let mut rest = &frames[..];
    for burst in [1, 2, 3, 4, 5].into_iter().cycle() {
        let (some, more) = rest.split_at(burst.min(rest.len()));
        left.extend(send_all(device, &mut station, some, burst));
        rest = more;
        if rest.is_empty() {
            break;
        }
    }
    ends(&mut seen, station, &left, &frames);
    seen
}

/// `bytes` as a chain, cut into parts of these lengths at odd places of their buffers.
fn chain(pool: &Pool, mut bytes: &[u8], lens: &[usize]) -> Buf {
    let mut parts = lens.iter().enumerate().map(|(n, &len)| {
        let (part, rest) = bytes.split_at(len);
        bytes = rest;
        let offset = (2 * n + 1) % 63;
        let mut buf = pool.alloc().expect("a free buffer");
        buf.set_len(offset + len);
        buf[offset..].copy_from_slice(part);
        buf.trim_front(offset);
        buf
    });
    let mut frame = parts.next().expect("a frame has bytes");
    for part in parts {
        frame.append(part).expect("a chain within its limit");
    }
    frame
}

fn send_parts<D: Device>(device: &mut D, plan: &Plan, cuts: &[(usize, Vec<usize>)]) -> Seen {
    let mut seen = Seen::new();
    let mut station = Station::new(device, plan);
    let (mut frames, mut left) = (Vec::new(), Vec::new());
    for (len, lens) in cuts {
        let bytes = frame(PEER, STATION, *len, lens.len() as u8);
        let buf = chain(&station.parts.pool, &bytes, lens);
        frames.push(bytes);
        station.parts.tx[0].stage(buf).expect("room in the ring");
        station.parts.tx[0].commit();
        device.settle();
        left.extend(std::iter::from_fn(|| device.left()));
        station.reap();
    }
    ends(&mut seen, station, &left, &frames);
    seen
}

/// A frame cut at each of its bytes.
pub fn two_parts<D: Device>(device: &mut D) -> Seen {
    let cuts: Vec<_> = (1..130).map(|cut| (130, vec![cut, 130 - cut])).collect();
    send_parts(device, &Plan::default(), &cuts)
}

/// Single bytes, odd parts, and parts across the ring's end.
pub fn many_parts<D: Device>(device: &mut D) -> Seen {
    let config = Config { mtu: Config::MTU_MAX, ..config() };
    let plan = Plan { config, tx: vec![70], buffers: 100, ..Plan::default() };
    let mut cuts = vec![
        (64, vec![1; 64]),
        (64, vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 19]),
        (9596, vec![1473, 1, 1500, 777, 1400, 1, 1399, 1401, 1000, 644]),
    ];
    cuts.extend((0..60).map(|n| (63 + n * 7, vec![9 + n; 7])));
    send_parts(device, &plan, &cuts)
}

/// Frames that are staged while the port stands still leave when it goes on.
pub fn stopped_and_resumed<D: Device>(device: &mut D) -> Seen {
    let mut seen = Seen::new();
    let station = Station::new(device, &Plan::default());
    let (port, mut parts) = station.stop();
    let frames: Vec<_> = (0..5).map(|n| frame(PEER, STATION, 100 + n, n as u8)).collect();
    for bytes in &frames {
        parts.tx[0].stage(parts.pool.frame(bytes).expect("a free buffer")).expect("room");
    }
    parts.tx[0].commit();
    device.settle();
    seen.holds("nothing leaves", device.left().is_none());
    let mut station = Station::<D>::start(port, parts);
    device.settle();
    let mut left: Vec<_> = std::iter::from_fn(|| device.left()).collect();
    seen.note("left at the start", left.len());
    // HW 8.2: on QEMU a kick before Tx_EN is lost; who looks after the port finds it.
    station.tick(3);
    device.settle();
    left.extend(std::iter::from_fn(|| device.left()));
    station.reap();
    ends(&mut seen, station, &left, &frames);
    seen
}
